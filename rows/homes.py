"""Describes where records live: the slots and natural keys of their rows, and records as they are loaded and written.

A record has one root row and related rows, some of which other records share. A home is one of these rows as a mapping
sees it; a slot is a column of the row or, in a JSONB column, a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct, field

from mappings.bound import BoundMapping
from mappings.declaration import ROOT, Binding, KeyPart, Mapping, Place, Related
from models import Record, Value
from values.canonical import is_empty
from values.comparing import same
from values.folding import bare, fold

Slot = tuple[str, str | None]
"""A column, and for JSONB the key in it."""

Rank = tuple[str, int]
"""When an item was last updated, then its id: the highest fills a shared row."""

NEVER: Rank = ("", -1)


# Rows and their natural keys


class Row(Struct, eq=False):
    """Holds a row of a table while a batch is written."""

    id: str
    values: dict[Slot, Value]
    new: bool = False
    dirty: bool = False
    owned: bool = False
    """An item of another entity has the row, and decides over some of its columns."""
    rank: Rank | None = None
    indexed: bool = False
    """The row can be found by all the keys it has."""
    claimed: bool = False
    """The record that the row was made for has it."""
    edited: set[Slot] = field(default_factory=set)
    """Slots that were changed with SQL, and that no item shows yet."""
    defaults: Map[str, Any] = field(default_factory=dict)
    standins: Map[str, str | None] = field(default_factory=dict)
    """What stands in columns that may not be null, and for which there is no value: the table's own defaults."""
    changes: int = 0
    """How often its values were changed since it is known."""
    page: int = 0
    """The last page on which a record was given the row."""


class Key(NamedTuple):
    """Holds a natural key that is filled: its place among those of the table, and its values as they are compared."""

    at: int
    folded: tuple[str, ...]


class NaturalKeys(Struct, frozen=True):
    """Finds the natural keys of rows of a table, best first."""

    parts: tuple[tuple[tuple[Slot, bool], ...], ...]
    """For each key its slots, and whether the case of their letters is ignored."""
    slots: frozenset[Slot]
    case_blind: frozenset[Slot]

    def of(self, values: Map[Slot, Value]) -> list[Key]:
        """Returns the keys whose columns are all filled."""
        found = [self.at(index, values) for index in range(len(self.parts))]
        return [key for key in found if key is not None]

    def at(self, index: int, values: Map[Slot, Value]) -> Key | None:
        """Returns one of the keys, if its columns are all filled."""
        texts = []
        for slot, ignore_case in self.parts[index]:
            value = values.get(slot)
            if value is None:
                return None
            text = value if type(value) is str else "" if is_empty(value) else str(value)
            text = fold(text) if ignore_case else bare(text)
            if not text:
                return None
            texts.append(text)
        return Key(index, tuple(texts))


def natural_keys(related: Related | None) -> NaturalKeys:
    """Returns the natural keys of a related table; root rows are not shared, so they have none here."""
    keys = related.keys if related else ()
    parts = tuple(tuple(((part.column, None), part.ignore_case) for part in key) for key in keys)
    flat = [part for key in parts for part in key]
    return NaturalKeys(
        parts, frozenset(slot for slot, _ in flat), frozenset(slot for slot, ignore_case in flat if ignore_case)
    )


def folded(key: Sequence[KeyPart], values: Sequence[Value]) -> tuple[str, ...]:
    """Returns a key's values as they are compared."""
    return tuple(
        fold(plain_text(value)) if part.ignore_case else bare(plain_text(value))
        for part, value in zip(key, values, strict=True)
    )


def plain_text(value: Value) -> str:
    """Returns a part of a key as text; an empty part is an empty text."""
    return value if isinstance(value, str) else "" if value is None else str(value)


# Homes


class Home(Struct, frozen=True, eq=False):
    """Describes a related row of a record, or its root row: which field stands in which slot."""

    name: str
    related: Related | None
    table: str
    types: Map[str, str]
    """Of the table's columns, in PostgreSQL's words."""
    bindings: tuple[Binding, ...]
    fields: Map[str, Place]
    """The fields that live here, and where."""
    names: tuple[str, ...]
    slots: Map[Slot, str]
    """Which field stands in each slot."""
    kinds: Map[Slot, str]
    """How the values of each slot are compared."""
    pointers: Map[str, str]
    """Columns that point at related rows, and at which."""
    pointing: tuple[tuple[Slot, str], ...]
    """The same as slots."""
    own_pointers: Map[str, str]
    """Those at related rows that hang on this row alone."""
    others: tuple[str, ...]
    """The related rows that it points at."""
    keys: NaturalKeys

    @property
    def keeps_metadata(self) -> bool:
        """Says whether the cells of a row that would have no key stand in the root's metadata."""
        return self.related is not None and self.related.without_key == "metadata" and bool(self.related.keys)

    def values(self, record: Map[str, Value], ids: Map[str, str | None]) -> dict[Slot, Value]:
        """Returns what a record wants its row to show; `ids` are of the rows that the row may point at."""
        values = {slot: record.get(name) for slot, name in self.slots.items()}
        for slot, other in self.pointing:
            values[slot] = ids.get(other)
        return values

    def emptied(self, values: Map[Slot, Value]) -> dict[Slot, Value]:
        """Returns the values of a row that stays although its cells are empty: it shows empty texts."""
        return {
            slot: "" if value is None and slot in self.slots and self.types.get(slot[0]) == "text" else value
            for slot, value in values.items()
        }

    def same(self, slot: Slot, a: Value, b: Value) -> bool:
        """Returns whether a shared row means the same with either value: the case of a key does not count."""
        if a == b:
            return True
        if slot in self.keys.case_blind and isinstance(a, str) and isinstance(b, str):
            return fold(a) == fold(b)
        return self.looks_same(slot, a, b)

    def looks_same(self, slot: Slot, a: Value, b: Value) -> bool:
        """Returns whether an item would look the same with either value."""
        return a == b or same(self.kinds.get(slot, "text"), a, b)


class Homes(Struct, frozen=True, eq=False):
    """Describes the root row and the related rows of a mapping's records."""

    mapping: Mapping
    bound: BoundMapping
    root: Home
    related: Map[str, Home]
    """By name; a row that another related row points at comes after that row."""
    keeping: tuple[Home, ...]
    """Related rows whose cells stand in the root's metadata while the row would have no key."""
    key_fields: tuple[str | None, ...]
    """The fields of the root's natural key; None for a column that no field feeds."""
    owners: Map[str, Mapping]
    """The mappings of all entities: a related row may be the root row of an item of another entity."""

    @property
    def key_type(self) -> str:
        """Returns the type of the root's key. Keys are compared as what they are: as texts, no index would find them."""
        return self.root.types.get(self.mapping.primary_key, "text")

    @property
    def shows_item_id(self) -> bool:
        """Says whether the root table has the column for the item's id that the tool's own tables have."""
        return "monday_id" in self.root.types and self.mapping.deployed is None


def homes_of(bound: BoundMapping, types: Map[str, Map[str, str]], owners: Map[str, Mapping]) -> Homes:
    """Describes the homes of a mapping's fields; `types` has the column types of each table."""
    mapping = bound.mapping
    ordered = sorted(mapping.related.values(), key=lambda related: related.parent != ROOT)
    homes = {related.name: _home(bound, related.name, types[related.table]) for related in ordered}
    root = _home(bound, ROOT, types[mapping.table])
    return Homes(
        mapping=mapping,
        bound=bound,
        root=root,
        related=homes,
        keeping=tuple(home for home in homes.values() if home.keeps_metadata and mapping.rest),
        key_fields=tuple(root.slots.get((part.column, None)) for part in mapping.key),
        owners=owners,
    )


def _home(bound: BoundMapping, name: str, types: Map[str, str]) -> Home:
    mapping = bound.mapping
    related = mapping.related[name] if name else None
    fields = {field: place for field, place in bound.places.items() if place.home == name}
    slots: dict[Slot, str] = {(place.column, place.key): field for field, place in fields.items()}
    pointers = mapping.pointers(name)
    return Home(
        name=name,
        related=related,
        table=related.table if related else mapping.table,
        types=types,
        bindings=tuple(binding for binding in bound.bindings if not fields.keys().isdisjoint(binding.fields[:1])),
        fields=fields,
        names=tuple(fields),
        slots=slots,
        kinds={slot: bound.kinds[field] for slot, field in slots.items()},
        pointers=pointers,
        pointing=tuple(((column, None), other) for column, other in pointers.items()),
        own_pointers={
            column: other for column, other in pointers.items() if name and mapping.related[other].parent == name
        },
        others=tuple(pointers.values()),
        keys=natural_keys(related),
    )


# Records


class Stored(Struct):
    """Holds a record as PostgreSQL has it."""

    root_id: str
    record: Record
    ids: dict[str, str | None]
    """Of its related rows, by name."""
    archived: bool = False
    settings: tuple[bool, str] | None = None
    """Whether the record is synced, and in which direction, where rows say so."""


class Upsert(Struct, eq=False):
    """Asks for a record to be written. Nothing changes it; a frozen one would take four times as long to make."""

    monday_id: str | None
    rank: Rank
    record: Record
    changed: frozenset[str] | None = None
    """The fields to be written; None: all, as for a new record."""
    stored: Stored | None = None
    restore: bool = False
    adopts: bool = False
    """The row was another item's until now, or no item's."""
    own: Record = field(default_factory=dict)
    """The item's own cells where they are known to differ from the row that `record` shows."""

    def touches(self, names: Iterable[str]) -> bool:
        """Returns whether any of these fields is to be written."""
        return self.changed is None or not self.changed.isdisjoint(names)


class WrittenRecord(Struct, eq=False):
    """Holds what was written of an upsert."""

    upsert: Upsert
    root_id: str
    ids: dict[str, str | None]
    """Of its related rows, by name."""
    shown: Record = field(default_factory=dict)
    """The fields that PostgreSQL shows unlike the upsert's record: a shared row belongs to other records too, and a table
    may have defaults and triggers of its own."""
    kept: list[str] = field(default_factory=list)
    """The titles of the board columns that the root's metadata keeps, because their row would have no key."""
    overtaken: frozenset[str] = frozenset()
    """The fields of a shared row that another record has edited since this one came to the row: news for this one."""


class Written(Struct):
    """Holds what the writing of a batch did to its records, and to rows that other records show too."""

    records: list[WrittenRecord]
    """In the order of their upserts."""
    rows: dict[str, Row] = field(default_factory=dict)
    """The related rows that were met, by id."""
    edited: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Rows (by table and id) that edits have changed, and the root rows whose items were edited: news for every other
    record that shows them."""
    filled: list[tuple[str, Row, Slot]] = field(default_factory=list)
    """What records that came new to a row have filled into it, and no edit has changed since, by related name."""
    altered: bool = False
    """The tables may show other values than were written."""
    redirected: dict[WrittenRecord, set[str]] = field(default_factory=dict)
    """Records for which a shared row points at other rows than their own, and the names of those."""

    def note_edited(self, table: str, row_id: str, root_id: str) -> None:
        """Notes that the edit of an item has changed a row."""
        self.edited.setdefault(table, {}).setdefault(row_id, set()).add(root_id)


class Holder(Struct):
    """Holds a root row found by its natural key, and the item that has it, if an item has."""

    root_id: str
    link_id: str | None = None
    monday_id: str | None = None
    gone: bool = False
    linked_at: datetime | None = None
    ours: bool = True
    """The row belongs to the entity, by the mapping's `only`."""
    stored: Stored | None = None

    def free_for(self, monday_id: str, since: datetime | None) -> bool:
        """Returns whether an item may have the row. Of items first met in one run, the lowest id has it."""
        # never linked: free unless an item of this batch has it
        if self.link_id is None:
            return self.monday_id is None
        # its item is gone
        if self.gone:
            return True
        met_now = since is not None and self.linked_at is not None and self.linked_at >= since
        return met_now and int(monday_id) < int(self.monday_id or 0)
