"""Composes the statement that loads records with all their rows, and makes records of what it returns."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from databases.postgres.casters import read_as
from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Composable
from mappings.declaration import ROOT, Mapping, Related
from models import Record, Value
from rows.homes import Home, Homes, Slot, Stored
from rows.tables import is_archived
from values.canonical import is_empty
from values.comparing import from_json

LOAD = """
select root.{key}::text, {archived}, {settings}{selected}
from {table} as root
{joins}
where root.{key} = any(%(ids)s::{key_type}[])
    and (%(any_entity)s or true{only})
"""
JOIN_PARENT = """
left join {table} as {home} on {home}.id = {parent}.{via}
"""
JOIN_CHILD = """
-- One row for each root row, even where a user has made several.
left join lateral (
    select *
    from {table} as c
    where c.{child} = root.{key}
    order by c.created_at, c.id
    limit 1
) as {home} on true
"""

Cells = Map[tuple[str, str], Any]
"""A record's cells, by home and column."""


class Loading(Struct, frozen=True):
    """Holds the statement that loads the records of a mapping; its parameters are `ids`, `any_entity` and `only_params`."""

    homes: Homes
    statement: Composable
    columns: tuple[tuple[str, str], ...]
    """What it returns after a record's root id and settings: home and column."""

    def record_of(self, row: Sequence[Any]) -> Stored:
        """Makes a record of a row that the statement has returned."""
        root_id, archived, enabled, direction, *values = row
        cells = dict(zip(self.columns, values, strict=True))
        homes = self.homes
        ids = {name: cells[name, "id"] for name in homes.related}
        record: Record = {}
        _read(homes.root, cells, record)
        for name, home in homes.related.items():
            if ids[name] is not None:
                _read(home, cells, record)
            else:
                _read_metadata(homes, home, cells, record)
        settings = (enabled, direction) if homes.mapping.record_settings else None
        return Stored(root_id, record, ids, archived, settings)


def loading_of(homes: Homes) -> Loading:
    """Composes how the records of a mapping are loaded."""
    mapping = homes.mapping
    joins = [_join(mapping, home.related) for home in homes.related.values() if home.related is not None]
    selected: list[Composable] = []
    columns: list[tuple[str, str]] = []
    for home in (homes.root, *homes.related.values()):
        if home.related is not None:
            selected.append(compose("{home}.id::text", home=_alias(home.name)))
            columns.append((home.name, "id"))
        rest = {mapping.rest} if home is homes.root and mapping.rest else set()
        for column in sorted({column for column, _ in home.slots} | rest):
            selected.append(_cell(home, column))
            columns.append((home.name, column))
    statement = compose(
        LOAD,
        key=identifier(mapping.primary_key),
        archived=is_archived(mapping, "root"),
        settings=compose("root.sync_enabled, root.sync_direction" if mapping.record_settings else "true, ''"),
        selected=joined("", [compose(", {cell}", cell=cell) for cell in selected]),
        table=table_name(mapping.table),
        joins=joined("", joins),
        key_type=compose(homes.key_type),
        only=only(mapping, "root"),
    )
    return Loading(homes, statement, tuple(columns))


def _cell(home: Home, column: str) -> Composable:
    cast = read_as(home.types.get(column, ""))
    names = {"home": _alias(home.name), "column": identifier(column)}
    return (
        compose("{home}.{column}::{cast}", **names, cast=compose(cast)) if cast else compose("{home}.{column}", **names)
    )


def _join(mapping: Mapping, related: Related) -> Composable:
    if related.child:
        return compose(
            JOIN_CHILD,
            table=table_name(related.table),
            child=identifier(related.child),
            key=identifier(mapping.primary_key),
            home=identifier(related.name),
        )
    return compose(
        JOIN_PARENT,
        table=table_name(related.table),
        home=identifier(related.name),
        parent=_alias(related.parent),
        via=identifier(str(related.via)),
    )


def _alias(home: str) -> Composable:
    return identifier(home or "root")


# Which root rows belong to the entity


def only(mapping: Mapping, alias: str) -> Composable:
    """Composes ` and` the condition that a row of the root table belongs to the entity."""
    conditions = [
        compose(
            " and {alias}.{column} = {value}",
            alias=identifier(alias),
            column=identifier(column),
            value=compose(f"%(only_{index})s"),
        )
        for index, column in enumerate(mapping.only)
    ]
    return joined("", conditions)


def only_params(mapping: Mapping) -> dict[str, Any]:
    """Returns the parameters of that condition."""
    return {f"only_{index}": value for index, value in enumerate(mapping.only.values())}


# Reading cells


def _read(home: Home, cells: Cells, record: Record) -> None:
    for slot, name in home.slots.items():
        value = _value(home, slot, cells)
        if not is_empty(value):
            record[name] = value


def _value(home: Home, slot: Slot, cells: Cells) -> Value:
    column, key = slot
    value = cells[home.name, column]
    if key is not None:
        return from_json(home.kinds[slot], (value or {}).get(key))
    return from_json(home.kinds[slot], value) if home.types.get(column) in ("jsonb", "json") else value


def _read_metadata(homes: Homes, home: Home, cells: Cells, record: Record) -> None:
    """Reads the fields of a related row that is missing because it would have no key: the root's metadata keeps them."""
    rest, bound = homes.mapping.rest, homes.bound
    metadata = cells[ROOT, rest] if rest else None
    if not metadata or home.related is None or home.related.without_key != "metadata":
        return
    for binding in home.bindings:
        kept = tuple(
            from_json(bound.cell_kind(column), metadata.get(bound.title(column))) if column in bound.columns else None
            for column in binding.columns
        )
        if all(is_empty(cell) for cell in kept):
            continue
        values = binding.transform.read(kept, None) if binding.transform else kept
        record.update({name: value for name, value in zip(binding.fields, values, strict=True) if not is_empty(value)})
