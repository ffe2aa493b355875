"""A table of a record in SQL: the slots of its rows, and the statements that look rows up and write many at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from databases.postgres.names import compose, identifier, identifiers, joined, table_name
from db_connector import Composable, Transaction
from mappings.bound import BoundMapping
from mappings.declaration import Mapping, Related
from models import Value
from values.canonical import dumps, is_empty, to_json
from values.comparing import from_json, same

Slot = tuple[str, str | None]
"""A column, and for JSONB the key in it."""

Rank = tuple[str, int]
"""When an item was last updated, then its id: the highest fills a shared row."""

NEVER: Rank = ("", -1)

BLANKS = " \t\n\r\f\v"
"""What does not count at the ends of a key; the indexes of `schema.sql` leave out the same."""


KEY_FORMS = {
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "bigint": re.compile(r"-?[0-9]{1,18}"),
    "integer": re.compile(r"-?[0-9]{1,9}"),
}
"""How values of a primary key are written, by its type."""


@dataclass(slots=True, eq=False)
class Row:
    """A row of a related table while a page is being written."""

    id: str
    values: dict[Slot, Value]
    new: bool = False
    dirty: bool = False
    owned: bool = False
    rank: Rank | None = None
    indexed: bool = False
    """Whether it can be found by all the keys it has."""
    claimed: bool = False
    """Whether the record it was made for has it."""
    edited: set[Slot] = field(default_factory=set)
    defaults: Map[str, Any] = field(default_factory=dict)


class Key(NamedTuple):
    """A natural key that is filled: its place among those of the table, its values as texts, and as they are compared."""

    at: int
    texts: tuple[str, ...]
    folded: tuple[str, ...]


class NaturalKeys:
    """The natural keys of a related table, ready to be asked of many rows."""

    def __init__(self, related: Related | None) -> None:
        keys = related.keys if related else ()
        self.parts = [[((part.column, None), part.ignore_case) for part in key] for key in keys]
        self.slots: set[Slot] = {slot for parts in self.parts for slot, _ in parts}
        self.case_blind: set[Slot] = {slot for parts in self.parts for slot, ignore_case in parts if ignore_case}

    def of(self, values: Map[Slot, Value]) -> list[Key]:
        """The keys whose columns are all filled, best first."""
        return [key for index in range(len(self.parts)) if (key := self.one(index, values)) is not None]

    def one(self, index: int, values: Map[Slot, Value]) -> Key | None:
        """One key, if its columns are all filled."""
        texts, folded = [], []
        for slot, ignore_case in self.parts[index]:
            value = values.get(slot)
            text = value if isinstance(value, str) else "" if is_empty(value) else str(value)
            bare = text.strip(BLANKS)
            if not bare:
                return None
            texts.append(text)
            folded.append(bare.lower() if ignore_case else text)
        return Key(index, tuple(texts), tuple(folded))


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
        self.keys = NaturalKeys(related)
        self._named = tuple(self.slots.items())
        self._pointing: tuple[tuple[Slot, str], ...] = tuple(((one, None), to) for one, to in self.pointers.items())
        self.others = tuple(self.pointers.values())

    @property
    def keeps_metadata(self) -> bool:
        """Whether the cells of a row that would have no key stand in the root's metadata."""
        return self.related is not None and self.related.without_key == "metadata" and bool(self.related.keys)

    def values(self, record: Map[str, Value], ids: Map[str, str | None]) -> dict[Slot, Value]:
        """What a record wants its row to show; `ids` are of the rows that it may point at."""
        values = {slot: record.get(name) for slot, name in self._named}
        for slot, other in self._pointing:
            values[slot] = ids.get(other)
        return values

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
        if slot in self.keys.case_blind and isinstance(a, str) and isinstance(b, str):
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

    def cells(self, rows: Sequence[Row]) -> list[list[Any]]:
        """The cells of new rows, column by column, in the order of `columns`."""
        plain = [self._column(column, rows) for column in self.plain]
        return plain + [[document(self._members(row, column)) for row in rows] for column in self.documents]

    def _column(self, column: str, rows: Sequence[Row]) -> list[Any]:
        slot, kind = (column, None), self.types.get(column, "text")
        cells = [row.values.get(slot) for row in rows]
        if kind == "text" and {str, type(None)}.issuperset(map(type, cells)):
            return cells
        return [to_column(cell, kind) for cell in cells]

    def _members(self, row: Row, column: str) -> dict[str, Value]:
        return {key: value for (name, key), value in row.values.items() if name == column and key}

    def update(
        self,
        tx: Transaction,
        key: str,
        rows: Sequence[Row],
        extras: Map[str, tuple[str, list[Any]]] | None = None,
        updated: str | None = "updated_at",
    ) -> None:
        """Write rows that exist: plain columns as a whole, documents key by key. `updated` takes the time of it."""
        extras = extras or {}
        sets, columns = [], {"key": self.types.get(key, "text")}
        cells: list[list[Any]] = [[row.id] for row in rows]
        for index, column in enumerate(self.plain):
            sets.append(compose(f"{{column}} = new.c{index}", column=identifier(column)))
            columns[f"c{index}"] = self.types.get(column, "text")
            for cell, line in zip(self._column(column, rows), cells, strict=True):
                line.append(cell)
        for index, column in enumerate(self.documents):
            sets.append(
                compose(
                    f"{{column}} = (coalesce(t.{{column}}, '{{{{}}}}') - new.gone{index}) || new.patch{index}",
                    column=identifier(column),
                )
            )
            columns |= {f"gone{index}": "text[]", f"patch{index}": "jsonb"}
            for row, line in zip(rows, cells, strict=True):
                members = self._members(row, column)
                line.append([str(name) for name, value in members.items() if is_empty(value)])
                line.append(document(members))
        for index, (column, (expression, values)) in enumerate(extras.items()):
            sets.append(compose("{column} = " + expression.replace("{new}", f"x{index}"), column=identifier(column)))
            columns[f"x{index}"] = "text"
            for line, value in zip(cells, values, strict=True):
                line.append(value)
        if updated is not None:
            sets.append(compose("{column} = now()", column=identifier(updated)))
        if not sets:
            return
        tx.bulk(
            "update {table} as t set {sets} from {rows} where t.{key} = new.key",
            columns, cells, table=table_name(self.name), sets=joined(", ", sets), key=identifier(key),
        )  # fmt: skip


# Small pieces


def key_values(kind: str, texts: Iterable[str]) -> list[str]:
    """Those of the texts that can be keys of this type: a link to a table's earlier life may hold anything."""
    form = KEY_FORMS.get(kind)
    return [text for text in texts if form is None or form.fullmatch(text)]


def document(members: Map[Any, Value]) -> str:
    """The JSON text of a document's filled members."""
    return dumps({name: value for name, value in members.items() if value or not is_empty(value)}).decode()


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


def new_ids() -> Iterator[str]:
    """Random UUIDs, 256 for one call to the system: each call lets another thread go first."""
    while True:
        digits = os.urandom(16 * 256).hex()
        for start in range(0, len(digits), 32):
            yield _uuid4(digits[start : start + 32])


def _uuid4(digits: str) -> str:
    """32 random hexadecimal digits as a UUID of version 4 (RFC 9562, section 5.4)."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def plain_text(value: Value) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def slot_value(home: Home, slot: Slot, got: Map[tuple[str, str], Any]) -> Value:
    column, key = slot
    value = got[home.name, column]
    if key is not None:
        return from_json(home.kinds[slot], (value or {}).get(key))
    return from_json(home.kinds[slot], value) if home.types.get(column) in ("jsonb", "json") else value


def is_archived(mapping: Mapping, alias: str) -> Composable:
    """Whether a root row is archived; one whose table cannot say so is not."""
    if mapping.archived_column is None:
        return compose("false")
    return compose("{alias}.{column} is not null", alias=identifier(alias), column=identifier(mapping.archived_column))


def alias(home: str) -> Composable:
    return identifier(home or "root")

