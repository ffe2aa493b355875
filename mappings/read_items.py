"""Reads items: an item becomes a record, and a hash that shows whether it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import orjson

from mappings.bound import BoundMapping
from mappings.declaration import CREATED_AT, FACTS, GROUP, ITEM_NAME, PARENT, UPDATED_AT, Binding, Reader
from mappings.transforms import Transform
from models import BoardColumn, Item, Record, Value
from values.canonical import dumps
from values.parsing import CellError, clean_text
from values.shown import parsed

HASHED_AT_ONCE = 2047
"""Bytes. Of more, `hashlib` lets another thread go first, which may take 5 ms to give way again: for every single item."""

MOST_TOLD = 1_000
"""Of how many items a column's text is kept that shows no value of its type."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Holds what was read of an item: its record, and whether it shows an item of another board that has no row yet."""

    record: Record
    unresolved: bool = False
    unread: Map[str, str] = field(default_factory=dict)
    """The fields whose cells are not understood, with the reason; they are as they were before."""


class UnreadCell(CellError):
    """Refuses a cell, and names the first column of the entry that reads it."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class _Ahead(NamedTuple):
    """Holds what was found out about an item while its page was on its way."""

    digest: str
    odd: bool
    reading: Reading


class _Plain(NamedTuple):
    """Holds a column that is a field, ready to be read."""

    column: str
    field: str
    read: Reader
    about: BoardColumn
    link_to: str | None


class _Made(NamedTuple):
    """Holds columns that make fields through a transform, ready to be read. A column that the board lacks has no reader."""

    columns: tuple[tuple[str, Reader | None, BoardColumn | None], ...]
    fields: tuple[str, ...]
    transform: Transform


class _Fact(NamedTuple):
    """Holds a field that shows what an item says of itself: the text as it comes, and the value that is made of it."""

    field: str
    text_of: Callable[[Item], str | None]
    value_of: Callable[[str], Value]


class ItemReader:
    """Reads the items of one board."""

    def __init__(self, bound: BoundMapping) -> None:
        self.bound = bound
        self.unparsed: dict[str, dict[str, str]] = {}
        """Column → the items, with their texts, that show no value of the type that the mapping gives it."""

    def read(self, item: Item, before: Record | None = None) -> Reading:
        """Returns the item's record; empty fields are left out. `before` spares taking apart what did not change.

        A cell that cannot be understood costs its own fields: they are as `before` has them.
        """
        if before is None and item.ahead:
            ahead: Reading = item.ahead.reading
            return Reading(dict(ahead.record), ahead.unresolved, ahead.unread)
        try:
            return self._read(item, before, self._plain, self._made)
        except UnreadCell as exc:
            return self._read_apart(item, before, exc)

    def fingerprint(self, item: Item) -> tuple[str, bool]:
        """Returns a hash of everything read of an item, and whether it holds characters that PostgreSQL cannot store.

        Another mapping reads something else of the same cells, so its hashes are others.
        """
        if item.ahead:
            return item.ahead.digest, item.ahead.odd
        return self._hash(item)

    def read_ahead(self, item: Item) -> None:
        """Does the work of `fingerprint` and `read` for a new item ahead, in another thread."""
        item.ahead = _Ahead(*self._hash(item), self.read(item))

    def changed_at(self, name: str, item: Item) -> datetime | None:
        """Returns when a field last changed on the board: by its own cells where they keep that, else by the item."""
        cells = [item.cells.get(column) for column in self.bound.owner[name].columns]
        times = [self.bound.board_kinds.changed_at(cell) for cell in cells]
        known = [when for when in times if when is not None]
        if known and len(known) == len(times):
            return max(known)
        return _instant(item.updated_at) if item.updated_at else None

    # The record

    def _read_apart(self, item: Item, before: Record | None, exc: UnreadCell) -> Reading:
        """Reads an item without the cells that cannot be understood."""
        plain, made, unread = self._plain, self._made, {}
        while True:
            left_out = [entry.field for entry in plain if entry.column == exc.column]
            left_out += [name for entry in made if entry.columns[0][0] == exc.column for name in entry.fields]
            unread.update(dict.fromkeys(left_out, str(exc)))
            plain = [entry for entry in plain if entry.column != exc.column]
            made = [entry for entry in made if entry.columns[0][0] != exc.column]
            try:
                reading = self._read(item, before, plain, made)
            except UnreadCell as another:
                exc = another
            else:
                kept = {name: before[name] for name in unread if before and before.get(name) is not None}
                return Reading({**reading.record, **kept}, reading.unresolved, unread)

    def _read(self, item: Item, before: Record | None, plain: Sequence[_Plain], made_of: Sequence[_Made]) -> Reading:
        record: Record = {}
        cells = item.cells
        unresolved = False
        column = ITEM_NAME
        try:
            for column, field, read, about, link_to in plain:
                cell = cells.get(column)
                # not delivered, which is not the same as empty
                if cell is None:
                    value = before.get(field) if before else None
                # empty, whatever its kind
                elif len(cell) == 3 and cell.get("value") is None and not cell.get("text"):
                    continue
                elif link_to is None:
                    value = read(cell, about)
                else:
                    value, more = self._row_shown(link_to, read(cell, about), before.get(field) if before else None)
                    unresolved = unresolved or more
                if value is not None:
                    record[field] = value
            for made in made_of:
                column = made.columns[0][0]
                self._read_made(made, item, before, record)
            for typed in self._typed:
                column = typed.column
                self._read_typed(typed, item, before, record)
        except CellError as exc:
            raise UnreadCell(column, f"column {column} ({self.bound.title(column)}): {exc}") from None
        self._read_facts(item, record)
        return Reading(record, unresolved)

    def _read_made(self, made: _Made, item: Item, before: Record | None, record: Record) -> None:
        values: list[Value] = []
        for column, read, about in made.columns:
            cell = item.cells.get(column)
            if column == ITEM_NAME:
                values.append(clean_text(item.name))
            else:
                values.append(read(cell, about) if cell is not None and read and about else None)
        was = tuple(before.get(name) for name in made.fields) if before else None
        for name, value in zip(made.fields, made.transform.read(values, was), strict=True):
            if value is not None:
                record[name] = value

    def _read_typed(self, typed: _Plain, item: Item, before: Record | None, record: Record) -> None:
        """Reads a computed text as a value of another type. A text that shows no such value is empty, and told."""
        cell = item.cells.get(typed.column)
        text = typed.read(cell, typed.about) if cell is not None else None
        if cell is None:
            value = before.get(typed.field) if before else None
        else:
            value = parsed(self.bound.kinds[typed.field], self.bound.parsed[typed.field], str(text)) if text else None
        if value is not None:
            record[typed.field] = value
        elif text and len(told := self.unparsed.setdefault(typed.column, {})) < MOST_TOLD:
            told[item.id] = str(text)

    def _read_facts(self, item: Item, record: Record) -> None:
        for name in self._names:
            record[name] = clean_text(item.name)
        for name, text_of, value_of in self._facts:
            if text := text_of(item):
                record[name] = value_of(text)

    def _row_shown(self, entity: str, item_ids: Value, agreed: Value) -> tuple[Value, bool]:
        """Returns the key of the row that a cell's first item stands for, and whether an item has no row yet.

        While it has none, the field is as it was.
        """
        if not item_ids or self.bound.links is None:
            return None, False
        keys, more = self.bound.links.rows_of(entity, [str(number) for number in item_ids])
        if agreed in keys or (more and not keys):
            return agreed, more
        return keys[0] if keys else None, more

    # The hash

    def _hash(self, item: Item) -> tuple[str, bool]:
        # No cell shows the facts, so they are hashed beside the cells.
        content = (item.name, item.cells, *[fact.text_of(item) for fact in self._facts])
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

    # What is read, made ready once

    @cached_property
    def _plain(self) -> list[_Plain]:
        return [
            self._plain_of(binding, binding.columns[0])
            for binding in self.bound.bindings
            if binding.transform is None and binding.columns[0] != ITEM_NAME and binding.columns[0] not in FACTS
            if binding.fields[0] not in self.bound.parsed
        ]

    @cached_property
    def _typed(self) -> list[_Plain]:
        bindings = (self.bound.owner[field] for field in self.bound.parsed)
        return [self._plain_of(binding, binding.columns[0]) for binding in bindings]

    def _plain_of(self, binding: Binding, column: str) -> _Plain:
        own = self.bound.board_kinds.reading(binding.kind) if binding.kind else None
        # the table column has no time of day
        if own is None and self.bound.kinds[binding.fields[0]] == "day":
            own = self.bound.board_kinds.reading(f"{self.bound.columns[column].type} as day")
        read = own or self.bound.column_kinds[column].read
        return _Plain(column, binding.fields[0], read, self.bound.columns[column], binding.link_to or None)

    @cached_property
    def _made(self) -> list[_Made]:
        return [
            _Made(tuple(_source(self.bound, column) for column in binding.columns), binding.fields, binding.transform)
            for binding in self.bound.bindings
            if binding.transform is not None
        ]

    @cached_property
    def _names(self) -> list[str]:
        bindings = (binding for binding in self.bound.bindings if binding.transform is None)
        return [binding.fields[0] for binding in bindings if binding.columns == (ITEM_NAME,)]

    @cached_property
    def _facts(self) -> list[_Fact]:
        bindings = (binding for binding in self.bound.bindings if binding.columns[0] in FACTS)
        return [self._fact(binding.columns[0], binding.fields[0]) for binding in bindings]

    def _fact(self, column: str, field: str) -> _Fact:
        groups = {group_id: clean_text(title) for group_id, title in self.bound.board.groups}
        return {
            GROUP: _Fact(field, lambda item: groups.get(item.group_id or "", item.group_id), str),
            CREATED_AT: _Fact(field, lambda item: item.created_at, _instant),
            UPDATED_AT: _Fact(field, lambda item: item.updated_at, _instant),
            PARENT: _Fact(field, lambda item: item.parent_id, int),
        }[column]


def _source(bound: BoundMapping, column: str) -> tuple[str, Reader | None, BoardColumn | None]:
    kind = bound.column_kinds.get(column)
    return column, kind.read if kind else None, bound.columns.get(column)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
