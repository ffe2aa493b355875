"""Looks up, reads and writes many rows of a table at once, and knows the types of its columns."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from collections.abc import Mapping as Map
from typing import Any, NamedTuple

from msgspec import Struct

from databases.postgres.names import compose, identifier, identifiers, joined, table_name
from databases.postgres.own_ways import TableWays, expression
from db_connector import Composable, Transaction
from errors import RowRejected
from mappings.declaration import KeyPart, Mapping, Related
from models import Value
from rows.cells import column_of, document, to_column
from rows.homes import Home, NaturalKeys, Row, Slot
from values.canonical import is_empty
from values.comparing import from_json

KEY_FORMS = {
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "bigint": re.compile(r"-?[0-9]{1,18}"),
    "integer": re.compile(r"-?[0-9]{1,9}"),
}
"""How values of a primary key are written, by its type."""

NO_TEXTS = frozenset(
    ("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "uuid", "date")
    + ("time without time zone", "timestamp without time zone", "timestamp with time zone")
)
"""Types whose values are the same in one way only."""

SELECT = """
select {found_by}, t.id::text, t.created_at, {owned}, {cells}
from {table} as t
"""
OWNED = """
exists (
    select from (
        select m.archived_at from sync_mapping as m where m.entity_type = %(owner)s and m.entity_id = t.id::text offset 0
    ) as o
    where o.archived_at is null
)
"""
WITH_KEY = """
join unnest({arrays}) as w ({names})
    on {conditions}
"""
WITH_ID = """
where t.id = any(%(current)s::uuid[])
"""
UPDATE = """
update {table} as t
set {sets}
from {rows}
where t.{key} = new.key
"""
DEFAULTS = """
select {expressions}
from generate_series(1, %s)
"""
INSERT = """
insert into {table} ({names}) overriding system value
select {cells}
from {rows}
order by new.place
{returning}
"""
PATCHED = "{column} = (coalesce(t.{column}, '{{}}') - new.{gone}) || new.{patch}"


class Assignment(NamedTuple):
    """Holds an expression of an update's `set`, and the columns of `new` that it uses: their types and their cells."""

    expression: Composable
    types: Map[str, str]
    cells: Sequence[Sequence[Any]]


class Table(Struct, frozen=True, eq=False):
    """Describes a table with the homes that are written together."""

    name: str
    homes: tuple[Home, ...]
    types: Map[str, str]
    kinds: Map[Slot, str]
    plain: tuple[str, ...]
    documents: tuple[str, ...]
    """The columns that are written key by key."""
    ways: TableWays = TableWays()
    required: tuple[str, ...] = ()
    """The plain columns that may not be null, and have a default."""

    @property
    def columns(self) -> list[str]:
        """Returns the columns that are written."""
        return [*self.plain, *self.documents]

    @property
    def keys(self) -> NaturalKeys:
        """Returns the natural keys of its rows, which are the same for all its homes."""
        return self.homes[0].keys

    @property
    def related(self) -> Related:
        """Returns how the mapping declares its rows; what counts for a table is the same for all its homes."""
        related = self.homes[0].related
        assert related is not None
        return related

    # Looking rows up

    def by_key(self, index: int, key: Sequence[KeyPart]) -> Composable:
        """Composes the selection of the rows that a natural key names; the values are `k<index>_<place>`."""
        arrays = [compose(f"%(k{index}_{place})s::text[]") for place in range(len(key))]
        conditions = [self._is_wanted(part, identifier(f"v{place}")) for place, part in enumerate(key)]
        return self._select(index) + compose(
            WITH_KEY,
            arrays=joined(", ", arrays),
            names=identifiers([f"v{place}" for place in range(len(key))]),
            conditions=joined(" and ", conditions),
        )

    def by_id(self) -> Composable:
        """Composes the selection of the rows that records have now; their ids are `current`."""
        return self._select(-1) + compose(WITH_ID)

    def _is_wanted(self, part: KeyPart, value: Composable) -> Composable:
        kind = self.types.get(part.column, "text")
        # a number, a day or the key of a row
        if not part.ignore_case and not is_text(kind):
            column = identifier(part.column)
            return compose("t.{column} = w.{value}::{kind}", column=column, value=value, kind=compose(kind))
        return compose("{shown} = w.{value}", shown=as_compared(part, kind, "t"), value=value)

    def _select(self, found_by: int) -> Composable:
        related = self.homes[0].related
        return compose(
            SELECT,
            found_by=compose(str(found_by)),
            owned=compose(OWNED if related and related.owned_by else "false"),
            cells=joined(", ", [compose("t.{column}", column=identifier(column)) for column in self.columns]),
            table=table_name(self.name),
        )

    def values(self, cells: Sequence[Any]) -> dict[Slot, Value]:
        """Returns a row's cells as slots."""
        got = dict(zip(self.columns, cells, strict=True))
        values: dict[Slot, Value] = {(column, None): got[column] for column in self.plain}
        for slot, kind in self.kinds.items():
            if slot[1] is not None:
                values[slot] = from_json(kind, (got[slot[0]] or {}).get(slot[1]))
            elif self.types.get(slot[0]) == "jsonb":
                values[slot] = from_json(kind, got[slot[0]])
        return values

    # Writing rows

    def fill_required(self, tx: Transaction, rows: Sequence[Row], kept: Sequence[Container[str]] = ()) -> bool:
        """Gives rows the table's own defaults where they would be refused; returns whether any got some.

        `kept` has for each row the columns that stay as they are.
        """
        if not self.required:
            return False
        short = [
            (row, columns)
            for index, row in enumerate(rows)
            if (columns := [column for column in self._short(row) if not kept or column not in kept[index]])
        ]
        if not short:
            return False
        expressions = [
            compose("({default})::{kind}::text", default=expression(str(self.ways.column(column).default)), kind=kind)
            for column in self.required
            for kind in [compose(self.types[column])]
        ]
        made = tx.rows(compose(DEFAULTS, expressions=joined(", ", expressions)), (len(short),))
        for (row, columns), values in zip(short, made, strict=True):
            row.standins = {
                column: text for column, text in zip(self.required, values, strict=True) if column in columns
            }
        return True

    def _short(self, row: Row) -> list[str]:
        return [
            column
            for column in self.required
            if to_column(row.values.get((column, None)), self.types.get(column, "text")) is None
        ]

    def insert(self, tx: Transaction, cells: Map[str, Sequence[Any]], key: str = "") -> list[str]:
        """Writes new rows (column → cells); returns the keys that they got, if `key` names it and a trigger may alter it.

        Raises RowRejected when PostgreSQL has kept fewer rows than were sent.
        """
        count = len(next(iter(cells.values())))
        if not self.ways.before_insert and not self.ways.rules:
            rows = zip(*cells.values(), strict=True)
            tx.copy_in(self.name, list(cells), rows, lambda kept: _check_all(self.name, kept, count))
            return []
        names = [f"c{index}" for index in range(len(cells))]
        types = {name: self.types.get(column, "text") for name, column in zip(names, cells, strict=True)}
        takes_back = key and not self.ways.rules
        keys = tx.bulk(
            INSERT,
            {"place": "bigint", **types},
            zip(range(count), *cells.values(), strict=True),
            table=table_name(self.name),
            names=identifiers(list(cells)),
            cells=joined(", ", [compose(f"new.{name}") for name in names]),
            returning=compose("returning {key}::text", key=identifier(key)) if takes_back else compose(""),
        )
        _check_all(self.name, tx.rowcount, count)
        return [row[0] for row in keys]

    def insert_related(self, tx: Transaction, cells: Map[str, Sequence[Any]]) -> None:
        """Writes new related rows. Raises RowRejected for rows that got another id: other rows point at the one sent."""
        for sent, kept in zip(cells["id"], self.insert(tx, cells, "id"), strict=False):
            if sent != kept:
                raise RowRejected(f"A trigger of {self.name} gives its rows other ids than they are written with.")

    def cells(self, rows: Sequence[Row]) -> list[list[Any]]:
        """Returns the cells of new rows, column by column, in the order of `columns`."""
        plain = [self._column(column, rows) for column in self.plain]
        return plain + [[document(_members(row, column)) for row in rows] for column in self.documents]

    def update(
        self,
        tx: Transaction,
        key: str,
        rows: Sequence[Row],
        extras: Sequence[Assignment] = (),
        updated: str | None = "updated_at",
    ) -> None:
        """Writes rows that exist: plain columns as a whole, documents key by key. `updated` takes the time of it."""
        assignments = [*self._plain_assignments(rows), *self._patches(rows), *extras]
        if updated is not None:
            assignments.append(Assignment(compose("{column} = now()", column=identifier(updated)), {}, ()))
        if not assignments:
            return
        types, cells = {"key": self.types.get(key, "text")}, [[row.id for row in rows]]
        for assignment in assignments:
            types |= assignment.types
            cells += map(list, assignment.cells)
        tx.bulk(
            UPDATE,
            types,
            zip(*cells, strict=True),
            table=table_name(self.name),
            sets=joined(",\n    ", [assignment.expression for assignment in assignments]),
            key=identifier(key),
        )
        _check_all(self.name, tx.rowcount, len(rows))

    def _plain_assignments(self, rows: Sequence[Row]) -> Iterable[Assignment]:
        for index, column in enumerate(self.plain):
            name = f"c{index}"
            form = "{column} = coalesce(new.{name}, t.{column})" if column in self.required else "{column} = new.{name}"
            assigned = compose(form, column=identifier(column), name=compose(name))
            yield Assignment(assigned, {name: self.types.get(column, "text")}, [self._column(column, rows)])

    def _patches(self, rows: Sequence[Row]) -> Iterable[Assignment]:
        for index, column in enumerate(self.documents):
            gone, patch = f"gone{index}", f"patch{index}"
            members = [_members(row, column) for row in rows]
            yield Assignment(
                compose(PATCHED, column=identifier(column), gone=compose(gone), patch=compose(patch)),
                {gone: "text[]", patch: "jsonb"},
                [[_emptied(found) for found in members], [document(found) for found in members]],
            )

    def _column(self, column: str, rows: Sequence[Row]) -> list[Any]:
        slot, kind = (column, None), self.types.get(column, "text")
        cells = [row.values.get(slot) for row in rows]
        if column in self.required:
            found = zip(rows, cells, strict=True)
            return [
                row.standins.get(column) if (written := to_column(cell, kind)) is None else written
                for row, cell in found
            ]
        return column_of(cells, kind)


def _check_all(table: str, kept: int, sent: int) -> None:
    if kept < sent:
        what = "the row" if sent == 1 else f"{sent - kept} of {sent} rows"
        raise RowRejected(
            f"PostgreSQL did not write {what} of {table}: a trigger, rule or policy of the table drops it."
        )


def table_of(homes: Sequence[Home], ways: TableWays, root: Mapping | None = None) -> Table:
    """Describes the table of these homes; `root`: the mapping whose root table it is."""
    kinds: dict[Slot, str] = {}
    for home in homes:
        kinds.update(home.kinds)
    plain = {column for column, key in kinds if key is None} | {column for home in homes for column in home.pointers}
    # PostgreSQL makes their values; those of a shared row are looked at
    if root is not None or (homes[0].related and homes[0].related.child):
        plain = {column for column in plain if not ways.column(column).generated}
    documents = {column for column, key in kinds if key is not None}
    if root is not None and root.rest:
        documents.add(root.rest)
    filled = {column for column, key in kinds if key is None}
    return Table(
        name=homes[0].table,
        homes=tuple(homes),
        types=homes[0].types,
        kinds=kinds,
        plain=tuple(sorted(plain)),
        documents=tuple(sorted(documents)),
        ways=ways,
        required=tuple(sorted(name for name in filled if ways.column(name).not_null and ways.column(name).default)),
    )


# Cells


def _members(row: Row, column: str) -> dict[str, Value]:
    return {key: value for (name, key), value in row.values.items() if key and name == column}


def _emptied(members: Map[str, Value]) -> list[str]:
    return [str(name) for name, value in members.items() if is_empty(value)]


# Facts of tables


def is_text(kind: str) -> bool:
    """Says whether a column of this type may hold texts, which have outer blanks; a user's own type may."""
    return kind.partition("(")[0] not in NO_TEXTS


def as_compared(part: KeyPart, kind: str, alias: str) -> Composable:
    """Composes a part of a row's key as it is compared, as `rows.homes.folded` makes it of an item's."""
    return compose(
        "sync_fold({alias}.{column}{cast})" if part.ignore_case else "sync_bare({alias}.{column}{cast})",
        alias=identifier(alias),
        column=identifier(part.column),
        # an index on a column of texts is on the column itself
        cast=compose("" if kind == "text" else "::text"),
    )


def key_values(kind: str, texts: Iterable[str]) -> list[str]:
    """Returns those texts that can be keys of this type: a link to an earlier table of this name may hold any text."""
    form = KEY_FORMS.get(kind)
    return [text for text in texts if form is None or form.fullmatch(text)]


def is_archived(mapping: Mapping, alias: str) -> Composable:
    """Composes the condition that a root row is archived; a row whose table cannot say so is not."""
    if mapping.archived_column is None:
        return compose("false")
    return compose("{alias}.{column} is not null", alias=identifier(alias), column=identifier(mapping.archived_column))
