"""A table of a record in SQL: the slots of its rows, and the statements that look rows up and write many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any

from column_types import dumps, from_json, is_empty, same, to_json
from db_connector import Composable, Transaction, compose, identifier, identifiers, joined, table_name
from errors import SchemaMissing
from mapping import BoundMapping, Mapping, Related
from models import Value

Slot = tuple[str, str | None]
"""A column, and for JSONB the key in it."""

Rank = tuple[str, int]
"""When an item was last updated, then its id: the highest fills a shared row."""

NEVER: Rank = ("", -1)

BLANKS = " \t\n\r\f\v"
"""What does not count at the ends of a key; the indexes of `schema.sql` leave out the same."""


@dataclass(slots=True, eq=False)
class Row:
    """A row of a related table while a page is being written."""

    id: str
    values: dict[Slot, Value]
    new: bool = False
    dirty: bool = False
    owned: bool = False
    rank: Rank | None = None
    filled: set[Slot] = field(default_factory=set)
    edited: set[Slot] = field(default_factory=set)
    defaults: Map[str, Any] = field(default_factory=dict)


class Home:
    """A related table (or the root) as one mapping sees it: its slots, their fields and types."""

    def __init__(self, bound: BoundMapping, name: str, related: Related | None, types: Map[str, str]) -> None:
        self.name = name
        self.related = related
        self.table = related.table if related else bound.mapping.table
        self.fields = {one: place for one, place in bound.places.items() if place.home == name}
        self.names = tuple(self.fields)
        self.slots: dict[Slot, str] = {(place.column, place.key): one for one, place in self.fields.items()}
        self.kinds: dict[Slot, str] = {slot: bound.kinds[one] for slot, one in self.slots.items()}
        self.pointers = bound.mapping.pointers(name)
        hanging = bound.mapping.related
        self.own_pointers = {
            column: other for column, other in self.pointers.items() if name and hanging[other].parent == name
        }
        self.types = types
        self.columns = sorted({slot[0] for slot in self.slots} | set(self.pointers))
        self.case_blind: set[Slot] = {
            (part.column, None) for key in (related.keys if related else ()) for part in key if part.ignore_case
        }

    @property
    def keeps_metadata(self) -> bool:
        """Whether the cells of a row that would have no key stand in the root's metadata."""
        return self.related is not None and self.related.without_key == "metadata" and bool(self.related.keys)

    def emptied(self, values: Map[Slot, Value]) -> dict[Slot, Value]:
        """The values of a row that stays although its cells are empty: it shows empty texts."""
        return {
            slot: "" if value is None and slot in self.slots and self.types.get(slot[0]) == "text" else value
            for slot, value in values.items()
        }

    def same(self, slot: Slot, a: Value, b: Value) -> bool:
        """Whether a slot would look the same with either value."""
        if a == b:
            return True
        if slot in self.case_blind and isinstance(a, str) and isinstance(b, str):
            return a.strip().lower() == b.strip().lower()
        return same(self.kinds.get(slot, "text"), a, b)


class Table:
    """One related table (or the root) in SQL: how its rows are looked up, read and written."""

    def __init__(self, homes: Sequence[Home], root: Mapping | None = None) -> None:
        self.homes = homes
        first = homes[0]
        self.name = first.table
        self.types = first.types
        slots: dict[Slot, str] = {}
        for home in homes:
            slots.update(home.kinds)
        self.kinds = slots
        self.plain = sorted(
            {slot[0] for slot in slots if slot[1] is None} | {column for home in homes for column in home.pointers}
        )
        rest = {root.rest} if root is not None and root.rest else set()
        self.documents = sorted({slot[0] for slot in slots if slot[1] is not None} | rest)
        self.columns = [*self.plain, *self.documents]

    def by_key(self, index: int, key: Sequence[Any]) -> Composable:
        """Select the rows that one natural key names."""
        parts = []
        for at, part in enumerate(key):
            column = compose("t.{column}", column=identifier(part.column))
            if part.ignore_case:
                # An e-mail is stored without outer blanks; other texts as they were written.
                if self.kinds.get((part.column, None)) != "email":
                    column = compose("btrim({column}, E' \\t\\n\\r\\f\\x0b')", column=column)
                parts.append(compose("lower({column}) = lower(w.{at})", column=column, at=identifier(f"v{at}")))
            else:
                kind = self.types.get(part.column, "text")
                parts.append(compose(f"{{column}} = w.{{at}}::{kind}", column=column, at=identifier(f"v{at}")))
        return self._select(index) + compose(
            " join unnest({arrays}) as w ({names}) on {condition}",
            arrays=joined(", ", [compose(f"%(k{index}_{at})s::text[]") for at in range(len(key))]),
            names=identifiers([f"v{at}" for at in range(len(key))]),
            condition=joined(" and ", parts),
        )

    def by_id(self) -> Composable:
        """Select the rows that records have now."""
        return self._select(-1) + compose(" where t.id = any(%(current)s::uuid[])")

    def _select(self, index: int) -> Composable:
        owned = "false"
        if self.homes[0].related and self.homes[0].related.owned_by:
            owned = (
                "exists (select from sync_mapping as o where o.entity_type = %(owner)s and o.entity_id = t.id::text"
                " and o.archived_at is null)"
            )
        cells = [compose("t.{column}", column=identifier(column)) for column in self.columns]
        return compose(
            f"select {index}, t.id::text, t.created_at, {owned}, {{cells}} from {{table}} as t",
            cells=joined(", ", cells), table=table_name(self.name),
        )  # fmt: skip

    def values(self, cells: Sequence[Any]) -> dict[Slot, Value]:
        """A row's cells as slots."""
        got = dict(zip(self.columns, cells, strict=True))
        values: dict[Slot, Value] = {(column, None): got[column] for column in self.plain}
        for slot, kind in self.kinds.items():
            if slot[1] is not None:
                values[slot] = from_json(kind, (got[slot[0]] or {}).get(slot[1]))
            elif self.types.get(slot[0]) == "jsonb":
                values[slot] = from_json(kind, got[slot[0]])
        return values

    def cells(self, row: Row) -> list[Any]:
        """The cells of a new row, in the order of `columns`."""
        values = row.values
        cells = [to_column(values.get((column, None)), self.types.get(column, "text")) for column in self.plain]
        for column in self.documents:
            members = {slot[1]: value for slot, value in values.items() if slot[0] == column and slot[1]}
            cells.append(document(members))
        return cells

    def update(
        self, tx: Transaction, key: str, rows: Sequence[Row], extras: Map[str, tuple[str, list[Any]]] | None = None
    ) -> None:
        """Write rows that exist: plain columns as a whole, documents key by key."""
        extras = extras or {}
        sets, columns = [], {"key": "text"}
        cells: list[list[Any]] = [[row.id] for row in rows]
        for index, column in enumerate(self.plain):
            sets.append(compose(f"{{column}} = new.c{index}", column=identifier(column)))
            columns[f"c{index}"] = self.types.get(column, "text")
            for row, line in zip(rows, cells, strict=True):
                line.append(to_column(row.values.get((column, None)), self.types.get(column, "text")))
        for index, column in enumerate(self.documents):
            sets.append(
                compose(
                    f"{{column}} = (coalesce(t.{{column}}, '{{{{}}}}') - new.gone{index}) || new.patch{index}",
                    column=identifier(column),
                )
            )
            columns |= {f"gone{index}": "text[]", f"patch{index}": "jsonb"}
            for row, line in zip(rows, cells, strict=True):
                members = {slot[1]: value for slot, value in row.values.items() if slot[0] == column and slot[1]}
                line.append([str(name) for name, value in members.items() if is_empty(value)])
                line.append(document(members))
        for index, (column, (expression, values)) in enumerate(extras.items()):
            sets.append(compose("{column} = " + expression.replace("{new}", f"x{index}"), column=identifier(column)))
            columns[f"x{index}"] = "text"
            for line, value in zip(cells, values, strict=True):
                line.append(value)
        tx.bulk(
            "update {table} as t set {sets}, updated_at = now() from {rows} where t.{key}::text = new.key",
            columns, cells, table=table_name(self.name), sets=joined(", ", sets), key=identifier(key),
        )  # fmt: skip


# Small pieces


def column_types_of(tx: Transaction, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """The types of the columns of these tables, in PostgreSQL's words. Raises SchemaMissing for a table not there."""
    wanted = sorted(set(tables))
    rows = tx.rows(
        "select t.name, a.attname, format_type(a.atttypid, a.atttypmod)"
        " from unnest(%s::text[]) as t (name)"
        " join pg_attribute as a on a.attrelid = to_regclass(t.name) and a.attnum > 0 and not a.attisdropped",
        (wanted,),
    )
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        types.setdefault(table, {})[column] = kind
    if missing := [table for table in wanted if table not in types]:
        raise SchemaMissing(f"There is no table {', '.join(missing)}.", hint="Run: python main.py init-db")
    return types


def document(members: Map[Any, Value]) -> str:
    """The JSON text of a document's filled members."""
    return dumps({name: to_json(value) for name, value in members.items() if not is_empty(value)}).decode()


def to_column(value: Value, kind: str) -> Any:
    """A canonical value as a table column of that type takes it."""
    if value is None or value == "" and kind != "text":
        return None
    if kind == "text":
        if isinstance(value, str):
            return value
        return dumps(value).decode() if isinstance(value, (list, dict)) else str(to_json(value))
    if kind in ("jsonb", "json"):
        return dumps(value).decode()
    if kind == "date" and hasattr(value, "date"):
        return value.date()
    return value


def usable_keys(related: Related, values: Map[Slot, Value]) -> list[tuple[int, tuple[Value, ...]]]:
    """The natural keys whose columns are all filled, best first: their position and their values."""
    found = []
    for index, key in enumerate(related.keys):
        parts = tuple(values.get((part.column, None)) for part in key)
        if not any(is_empty(part) or isinstance(part, str) and not part.strip(BLANKS) for part in parts):
            found.append((index, parts))
    return found


def folded(key: Sequence[Any], values: Sequence[Value]) -> tuple[str, ...]:
    """A key's values as they are compared."""
    return tuple(
        plain_text(value).strip(BLANKS).lower() if part.ignore_case else plain_text(value)
        for part, value in zip(key, values, strict=True)
    )


def spellings(key: Sequence[Any], values: Sequence[Value]) -> set[tuple[str, ...]]:
    """A key's values as they are looked up: folded, and as they are where the server folds other letters than Python."""
    return {folded(key, values), tuple(plain_text(value).strip(BLANKS) if part.ignore_case else plain_text(value)
                                       for part, value in zip(key, values, strict=True))}  # fmt: skip


def key_of(related: Related, index: int, values: Map[Slot, Value]) -> tuple[str, ...]:
    key = related.keys[index]
    return folded(key, [values.get((part.column, None)) for part in key])


def plain_text(value: Value) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def slot_value(home: Home, slot: Slot, got: Map[tuple[str, str], Any]) -> Value:
    column, key = slot
    value = got[home.name, column]
    if key is not None:
        return from_json(home.kinds[slot], (value or {}).get(key))
    return from_json(home.kinds[slot], value) if home.types.get(column) in ("jsonb", "json") else value


def alias(home: str) -> Composable:
    return identifier(home or "root")

