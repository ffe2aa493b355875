"""Reads items: an item becomes a record, and a hash that shows whether it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from mappings.address_transforms import AddressFields, AddressObject
from mappings.bound import BoundMapping
from mappings.cell_readers import CellReaders, MadeFields, SingleColumn, cell_readers, instant
from mappings.declaration import ITEM_NAME
from models import Cell, Item, Record, Value
from values.canonical import as_kept, dumps
from values.parsing import CellError, clean_text
from values.shown import parsed

HASHED_AT_ONCE = 2047
"""Bytes. Of more, `hashlib` lets another thread go first, which may take 5 ms to give way again: for every single item."""

MOST_TOLD = 1_000
"""Of how many items a column's text is kept that shows no value of its type."""


class Reading(NamedTuple):
    """Holds what was read of an item: its record, and whether it shows an item of another board that has no row yet."""

    record: Record
    unresolved: bool = False
    unread: Map[str, str] = MappingProxyType({})
    """The fields whose cells are not understood, with the reason; they are as they were before."""
    kept: bytes | None = None
    """The record as links keep it, where another process has made that."""


class UnreadCell(CellError):
    """Refuses a cell, and names the first column of the entry that reads it."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class Ahead(NamedTuple):
    """Holds what was found out about an item while its page was on its way."""

    digest: str
    odd: bool
    reading: Reading

    def told(self) -> tuple[Any, ...]:
        """Returns it in plain values, to be told to another process, and the record as links keep it."""
        record, unresolved, unread, _ = self.reading
        return self.digest, self.odd, record, unresolved, dict(unread), as_kept(record)

    @classmethod
    def of(cls, told: tuple[Any, ...]) -> Ahead:
        """Returns what another process has told."""
        digest, odd, *reading = told
        return cls(digest, odd, Reading(*reading))


class LateReading(NamedTuple):
    """Says where to wait for what another process finds out about an item."""

    of_page: Callable[[], Sequence[Ahead | None]]
    """Waits for all items of the page; () when nothing comes."""
    at: int

    def get(self) -> Ahead | None:
        """Returns it; None where this process has to read the item itself."""
        found = self.of_page()
        return found[self.at] if found else None


class ItemReader:
    """Reads the items of one board."""

    def __init__(self, bound: BoundMapping) -> None:
        self.bound = bound
        self.unparsed: dict[str, dict[str, str]] = {}
        """Column → the items, with their texts, that show no value of the type that the mapping gives it."""

    @cached_property
    def _readers(self) -> CellReaders:
        return cell_readers(self.bound)

    @property
    def reads_alone(self) -> bool:
        """Tells whether no cell has to be looked up in the database to be read."""
        return not self._readers.links

    def load(self) -> None:
        """Loads what reading takes, before there is an item."""
        for made in self._readers.made:
            if isinstance(made.transform, AddressFields | AddressObject):
                made.transform.parser.load()

    def read(self, item: Item, before: Record | None = None) -> Reading:
        """Returns the item's record; empty fields are left out. `before` spares taking apart what did not change.

        A cell that cannot be understood costs its own fields: they are as `before` has them.
        """
        if before is None and (ahead := _ahead_of(item)) is not None:
            return ahead.reading
        try:
            return self._read(item, before, self._readers)
        except UnreadCell as exc:
            return self._read_apart(item, before, exc)

    def fingerprint(self, item: Item) -> tuple[str, bool]:
        """Returns a hash of everything read of an item, and whether it holds characters that PostgreSQL cannot store.

        Another mapping reads something else of the same cells, so its hashes are others.
        """
        ahead = _ahead_of(item)
        return (ahead.digest, ahead.odd) if ahead is not None else self._hash(item)

    def read_ahead(self, item: Item) -> None:
        """Does the work of `fingerprint` and `read` for a new item ahead, in another thread."""
        if item.ahead is None:  # no other process does it
            item.ahead = self.ahead(item)

    def ahead(self, item: Item) -> Ahead:
        """Returns the results of `fingerprint` and `read` for a new item."""
        return Ahead(*self._hash(item), self.read(item))

    def note_unparsed(self, found: Map[str, Map[str, str]]) -> None:
        """Notes columns of items, with their texts, that show no value of the type that the mapping gives them."""
        for column, texts in found.items():
            told = self.unparsed.setdefault(column, {})
            for item_id, text in texts.items():
                if len(told) < MOST_TOLD:
                    told[item_id] = text

    def changed_at(self, name: str, item: Item) -> datetime | None:
        """Returns when a field last changed on the board: by its own cells where they keep that, else by the item."""
        cells = [item.cells.get(column) for column in self.bound.owner[name].columns]
        times = [self.bound.board_kinds.changed_at(cell) for cell in cells]
        known = [when for when in times if when is not None]
        if known and len(known) == len(times):
            return max(known)
        return instant(item.updated_at) if item.updated_at else None

    # The record

    def _read_apart(self, item: Item, before: Record | None, exc: UnreadCell) -> Reading:
        """Reads an item without the cells that cannot be understood."""
        readers, unread = self._readers, {}
        while True:
            unread.update(dict.fromkeys(readers.fields_of(exc.column), str(exc)))
            readers = readers.without(exc.column)
            try:
                reading = self._read(item, before, readers)
            except UnreadCell as another:
                exc = another
            else:
                kept = {name: before[name] for name in unread if before and before.get(name) is not None}
                return Reading({**reading.record, **kept}, reading.unresolved, unread)

    def _read(self, item: Item, before: Record | None, readers: CellReaders) -> Reading:
        record: Record = {}
        unresolved, at = False, ITEM_NAME
        try:
            # `map` and `zip` do in C what is done for each of sixty cells.
            for (at, field, read, about), cell in zip(readers.plain, map(item.cells.get, readers.columns)):  # noqa: B007
                # not delivered, which is not the same as empty
                if cell is None:
                    value = before.get(field) if before else None
                # empty, whatever its kind
                elif cell.get("value") is None and not cell.get("text") and len(cell) == 3:
                    continue
                else:
                    value = read(cell, about)
                if value is not None:
                    record[field] = value
            for link in readers.links:
                at = link.column
                unresolved |= self._read_link(link, item, before, record)
            for made in readers.made:
                at = made.columns[0]
                _read_made(made, item, before, record)
            for typed in readers.typed:
                at = typed.column
                self._read_typed(typed, item, before, record)
        except CellError as exc:
            raise UnreadCell(at, f"column {at} ({self.bound.title(at)}): {exc}") from None
        self._read_facts(item, record)
        return Reading(record, unresolved)

    def _read_link(self, link: SingleColumn, item: Item, before: Record | None, record: Record) -> bool:
        """Reads the key of the row that a cell shows; returns whether an item that it shows has no row yet."""
        cell, agreed = item.cells.get(link.column), before.get(link.field) if before else None
        value, more = (agreed, False) if cell is None else self._row_shown(link, cell, agreed)
        if value is not None:
            record[link.field] = value
        return more

    def _read_typed(self, typed: SingleColumn, item: Item, before: Record | None, record: Record) -> None:
        """Reads a computed text as a value of another type. A text that shows no such value is empty, and told."""
        cell = item.cells.get(typed.column)
        text = typed.read(cell, typed.about) if cell is not None else None
        if cell is None:
            value = before.get(typed.field) if before else None
        else:
            value = parsed(self.bound.kinds[typed.field], self.bound.parsed[typed.field], str(text)) if text else None
        if value is not None:
            record[typed.field] = value
        elif text:
            self.note_unparsed({typed.column: {item.id: str(text)}})

    def _read_facts(self, item: Item, record: Record) -> None:
        for field in self._readers.names:
            record[field] = clean_text(item.name)
        for field, text_of, value_of in self._readers.facts:
            if text := text_of(item):
                record[field] = value_of(text)

    def _row_shown(self, link: SingleColumn, cell: Cell, agreed: Value) -> tuple[Value, bool]:
        """Returns the key of the row that a cell's first item stands for, and whether an item has no row yet.

        While it has none, the field is as it was.
        """
        item_ids = link.read(cell, link.about)
        if not item_ids or self.bound.links is None:
            return None, False
        keys, more = self.bound.links.rows_of(link.link_to, [str(number) for number in item_ids])
        if agreed in keys or (more and not keys):
            return agreed, more
        return keys[0] if keys else None, more

    # The hash

    def _hash(self, item: Item) -> tuple[str, bool]:
        # No cell shows the facts, so they are hashed beside the cells.
        content = (
            item.name,
            item.cells if isinstance(item.cells, dict) else dict(item.cells),
            *[fact.text_of(item) for fact in self._readers.facts],
        )
        try:
            text = orjson.dumps(content)
        except TypeError:  # a lone surrogate
            text, odd = dumps(content), True
        else:
            odd = b"\\u0000" in text
        digest = hashlib.blake2b(digest_size=16, salt=self._salt)
        for start in range(0, len(text), HASHED_AT_ONCE):
            digest.update(text[start : start + HASHED_AT_ONCE])
        return digest.hexdigest(), odd

    @cached_property
    def _salt(self) -> bytes:
        return bytes.fromhex(self.bound.mapping.fingerprint)


def _ahead_of(item: Item) -> Ahead | None:
    if isinstance(item.ahead, LateReading):
        item.ahead = item.ahead.get()
    ahead: Ahead | None = item.ahead
    return ahead


def _read_made(made: MadeFields, item: Item, before: Record | None, record: Record) -> None:
    columns, readers, fields, transform, name_at = made
    sources = zip(readers, map(item.cells.get, columns))
    values = [None if cell is None else read(cell, about) for (read, about), cell in sources]
    if name_at >= 0:
        values[name_at] = clean_text(item.name)
    was = tuple(map(before.get, fields)) if before else None
    for field, value in zip(fields, transform.read(values, was), strict=True):
        if value is not None:
            record[field] = value
