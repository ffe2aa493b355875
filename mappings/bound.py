"""A mapping, checked: which board column is which table column, and an item turned into a record and back.

`Mapping` is what a file declares; `BoundMapping` is the same held against a real board, whose column kinds and titles
decide how cells are read. Nothing here knows a particular board.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import orjson

from mappings.declaration import CREATED_AT, FACTS, GROUP, ITEM_NAME, PARENT, ROOT, UPDATED_AT, Binding, Mapping, Place
from mappings.transforms import FirstFilled
from models import Board, BoardColumn, Cell, Columns, Item, Record, Value
from services.monday.cells.kinds import READINGS, cell_selection, column_type, comparison_of
from services.monday.cells.relations import NO_ITEM_YET
from services.monday.cells.shape import changed_at
from values.canonical import dumps, is_empty
from values.comparing import comparison, rounding, same
from values.parsing import CellError, clean_text

HASHED_AT_ONCE = 2047
"""Bytes. Of more, `hashlib` lets another thread go first, which may take 5 ms to give way again: for every single item."""


class Links(Protocol):
    """Knows which items and rows of other boards are the same thing (`rows.relations`)."""

    def rows_of(self, entity: str, item_ids: Sequence[str]) -> tuple[list[str], bool]: ...
    def item_of(self, entity: str, key: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of an item: its record, and what a person should know about it."""

    record: Record
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plain:
    """A binding of one column to one field, ready to be read."""

    column: str
    field: str
    read: Callable[[Cell, BoardColumn], Value]
    about: BoardColumn


@dataclass(frozen=True, slots=True)
class _Made:
    """A binding with a transform, ready to be read. A column that the board lacks reads as empty."""

    binding: Binding
    columns: tuple[tuple[str, Callable[[Cell, BoardColumn], Value] | None, BoardColumn | None], ...]


class BoundMapping:
    """A mapping held against a board: which cells to ask for, and how an item becomes a record and back."""

    def __init__(self, mapping: Mapping, board: Board) -> None:
        self.mapping = mapping
        self.board = board
        self.columns = {column.id: column for column in board.columns}
        self.columns.setdefault(ITEM_NAME, BoardColumn(ITEM_NAME, "Name", "name"))
        named = {column for one in mapping.bindings for column in one.columns}
        self.columns |= {name: about for name, about in FACTS.items() if name in named}
        self.rest_columns = self._rest_columns()
        mapped = [column for column in board.columns if column not in self.rest_columns]
        self.titles = _titles([*self.rest_columns, *mapped], _reserved(mapping))
        self.bindings = tuple(one for one in (*mapping.bindings, *self._rest()) if self._live(one))
        self.places = {name: self._place(name, one) for one in self.bindings for name in one.fields}
        self.kinds = {name: self._kind(name, one) for one in self.bindings for name in one.fields}
        self.fields = tuple(self.places)
        self.owner = {name: one for one in self.bindings for name in one.fields}
        self.read_only = self._read_only()
        self.links: Links | None = None
        self._rounded: dict[str, Callable[[Value], Value]] = {}
        self.unresolved: set[str] = set()
        """Items that show an item of another board which has no row yet."""
        self._plain, self._made = self._compile()

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Columns that the mapping names and the board does not have."""
        named = (column for one in self.mapping.bindings for column in one.columns)
        return tuple(sorted({column for column in named if column not in self.columns}))

    @cached_property
    def column_ids(self) -> list[str]:
        """The cells to ask monday.com for."""
        wanted = {column for one in self.bindings for column in one.columns if column in self.columns}
        if self.mapping.sync_id and self.mapping.sync_id[0] in self.columns:
            wanted.add(self.mapping.sync_id[0])
        return sorted(wanted - {ITEM_NAME} - FACTS.keys())

    @cached_property
    def selection(self) -> str:
        """The GraphQL selection inside `column_values` that reading them needs."""
        return cell_selection(self.columns[column].type for column in self.column_ids)

    @cached_property
    def wanted(self) -> Columns:
        """The same two, for the client."""
        return Columns(tuple(self.column_ids), self.selection)

    def learn_types(self, types: Map[str, Map[str, str]]) -> None:
        """Compare fields as their table columns keep them: `date` has no time of day, `numeric(12,2)` two decimals."""
        for name, place in self.places.items():
            home = self.mapping.related.get(place.home)
            kind = types.get(home.table if home else self.mapping.table, {}).get(place.column, "")
            if place.key is not None:
                continue
            if kind == "date" and self.kinds[name] == "moment":
                self.kinds[name] = "day"
            if comparison(self.kinds[name]) == "number" and (rounded := rounding(kind)):
                self._rounded[name] = rounded

    def learn_tags(self, ids: Map[str, int]) -> None:
        """The account's tags, so that a tag can be written by its name."""
        for column in [one for one in self.columns.values() if one.type == "tags"]:
            self.columns[column.id] = replace(column, settings={**column.settings, "tags": dict(ids)})

    def same(self, name: str, a: Value, b: Value) -> bool:
        """Whether two values of a field mean the same."""
        rounded = self._rounded.get(name)
        if rounded is None or is_empty(a) or is_empty(b):
            return same(self.kinds[name], a, b)
        try:
            return bool(rounded(a) == rounded(b))
        except (CellError, ArithmeticError, TypeError):
            return same(self.kinds[name], a, b)  # One of them is no number.

    def read(self, item: Item, before: Record | None = None) -> Reading:
        """The item's record; empty fields are left out. `before` spares taking apart what did not change.

        Raises CellError, naming the column, for a cell that cannot be understood.
        """
        if before is None and item.ahead and item.ahead[2] is not None:
            return Reading(dict(item.ahead[2].record))
        record: Record = {}
        cells = item.cells
        column = ITEM_NAME
        self.unresolved.discard(item.id)
        try:
            for one in self._plain:
                cell = cells.get(one.column)
                if cell is None:  # not delivered, which is not the same as empty
                    value = before.get(one.field) if before else None
                elif len(cell) == 3 and cell.get("value") is None and not cell.get("text"):
                    continue  # empty, whatever its kind
                else:
                    column = one.column
                    value = one.read(cell, one.about)
                    if one.column in self._linked:
                        value = self._row_shown(item, one, value, before)
                if value is not None:
                    record[one.field] = value
            for made in self._made:
                column = made.binding.columns[0]
                self._read_made(made, item, before, record)
        except CellError as exc:
            raise CellError(f"column {column} ({self.title(column)}): {exc}") from None
        self._read_name(item, record)
        return Reading(record)

    @cached_property
    def titled(self) -> list[str]:
        """The columns that stand in `metadata` under their titles: unmapped ones, and those whose row may have no key."""
        kept = {name for name, one in self.mapping.related.items() if one.without_key == "metadata" and one.keys}
        mapped = (one for one in self.mapping.bindings if one.fields and self.mapping.places[one.fields[0]].home in kept)
        columns = [column for one in mapped for column in one.columns if column in self.columns]
        return [*(column.id for column in self.rest_columns), *(columns if self.mapping.rest else ())]

    def changed_at(self, name: str, item: Item) -> datetime | None:
        """When a field last changed on monday.com: by its own cells where they keep that, else by the item."""
        times = [changed_at(item.cells.get(column)) for column in self.owner[name].columns]
        known = [when for when in times if when is not None]
        if known and len(known) == len(times):
            return max(known)
        return _instant(item.updated_at) if item.updated_at else None

    def read_ahead(self, item: Item) -> None:
        """Do now, in a thread that has the time, what `fingerprint` and `read` will be asked about a new item."""
        try:
            reading = self.read(item)
        except CellError:
            reading = None  # told when it is the item's turn
        item.ahead = (*self.fingerprint(item), reading)

    def title(self, column: str) -> str:
        """The key under which a column's value stands in `metadata`: its title, made unique."""
        return self.titles.get(column, column)

    def cells(self, names: Iterable[str], wanted: Record, agreed: Record, item: Item | None) -> dict[str, Any]:
        """The members of `column_values` that make the named fields show `wanted`; `agreed` is what they last showed.

        Raises CellError for a value that monday.com could not hold.
        """
        members: dict[str, Any] = {}
        for binding in {id(self.owner[name]): self.owner[name] for name in names}.values():
            present = tuple(self._present(column, item) for column in binding.columns)
            after = self._write(binding, wanted, agreed, present)
            if binding.link_to:
                after = [self._item_shown(binding.link_to, key) for key in after]
            for column, old, new in zip(binding.columns, present, after, strict=True):
                if column in self.columns and not same(column_type(self.columns[column].type).compare, old, new):
                    members[column] = self._member(column, new, item)
        return members

    def item_name(self, record: Record) -> str:
        """The name of an item made from a row: the first filled of the fields that may name it."""
        named = (record.get(name) for name in self.mapping.item_name)
        return str(next((value for value in named if value), "") or "")

    def fingerprint(self, item: Item) -> tuple[str, bool]:
        """A hash of everything read of an item, and whether it holds characters that PostgreSQL cannot store.

        Another mapping reads something else of the same cells, so its hashes are others.
        """
        if item.ahead:
            return item.ahead[0], item.ahead[1]
        try:
            content = orjson.dumps((item.name, item.cells, *self._facts_of(item)))
        except TypeError:  # a lone surrogate
            content, odd = dumps((item.name, item.cells, *self._facts_of(item))), True
        else:
            odd = b"\\u0000" in content
        digest = hashlib.blake2b(digest_size=16, salt=self._salt)
        for start in range(0, len(content), HASHED_AT_ONCE):
            digest.update(content[start : start + HASHED_AT_ONCE])
        return digest.hexdigest(), odd

    @cached_property
    def _salt(self) -> bytes:
        return bytes.fromhex(self.mapping.fingerprint)

    # How it is put together

    def _rest_columns(self) -> list[BoardColumn]:
        if not self.mapping.rest:
            return []
        taken = {column for one in self.mapping.bindings for column in one.columns} | self.mapping.rejected | {ITEM_NAME}
        if self.mapping.sync_id:
            taken.add(self.mapping.sync_id[0])
        return [one for one in self.board.columns if one.id not in taken and not column_type(one.type).computed]

    def _rest(self) -> list[Binding]:
        # Named by the column's id, so that a renamed column stays the same field.
        return [Binding((column.id,), (f"{self.mapping.rest}:{column.id}",)) for column in self.rest_columns]

    def _live(self, binding: Binding) -> bool:
        """Whether it can be read. Half a name is no name: what a missing column helped to make stays as it is."""
        enough = any if isinstance(binding.transform, FirstFilled) else all
        return enough(column in self.columns for column in binding.columns)

    def _place(self, name: str, binding: Binding) -> Place:
        declared = self.mapping.places.get(name)
        if declared is not None:
            return declared
        return Place(ROOT, str(self.mapping.rest), self.title(binding.columns[0]))

    def _kind(self, name: str, binding: Binding) -> str:
        if binding.link_to:
            return "text"
        if binding.kind:
            return comparison_of(binding.kind)
        if binding.transform is not None:
            made = binding.transform.kinds[binding.fields.index(name)]
            if made:
                return comparison_of(made)
        first = next(column for column in binding.columns if column in self.columns)
        return comparison_of(self.columns[first].type)

    def _read_only(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for binding in self.bindings:
            writable = any(
                column in self.columns and column not in FACTS and column_type(self.columns[column].type).write
                for column in binding.columns
            )  # fmt: skip
            policy = binding.read_only or (None if writable else "error")
            if policy:
                found.update(dict.fromkeys(binding.fields, policy))
        return found

    def _compile(self) -> tuple[list[_Plain], list[_Made]]:
        plain: list[_Plain] = []
        made: list[_Made] = []
        for binding in self.bindings:
            if binding.transform is None:
                if (column := binding.columns[0]) != ITEM_NAME and column not in FACTS:
                    about = self.columns[column]
                    read = READINGS.get(binding.kind or "") or column_type(about.type).read
                    plain.append(_Plain(column, binding.fields[0], read, about))
                continue
            made.append(_Made(binding, tuple(self._reader(column) for column in binding.columns)))
        return plain, made

    def _reader(self, column: str) -> tuple[str, Callable[[Cell, BoardColumn], Value] | None, BoardColumn | None]:
        about = self.columns.get(column)
        return column, column_type(about.type).read if about else None, about

    # Reading

    def _read_made(self, made: _Made, item: Item, before: Record | None, record: Record) -> None:
        values: list[Value] = []
        for column, read, about in made.columns:
            cell = item.cells.get(column)
            if column == ITEM_NAME:
                values.append(clean_text(item.name))
            else:
                values.append(read(cell, about) if cell is not None and read and about else None)
        binding = made.binding
        was = tuple(before.get(name) for name in binding.fields) if before else None
        assert binding.transform is not None
        for name, value in zip(binding.fields, binding.transform.read(values, was), strict=True):
            if value is not None:
                record[name] = value

    def _read_name(self, item: Item, record: Record) -> None:
        for binding in self._names:
            record[binding.fields[0]] = clean_text(item.name)
        for (column, name), told in zip(self._facts, self._facts_of(item)):
            if told:
                record[name] = told if column == GROUP else int(told) if column == PARENT else _instant(told)

    @cached_property
    def _names(self) -> list[Binding]:
        return [one for one in self.bindings if one.transform is None and one.columns == (ITEM_NAME,)]

    # Records of other boards

    @cached_property
    def _linked(self) -> dict[str, str]:
        """Columns that show items of another board, and the entity of that board."""
        return {one.columns[0]: one.link_to for one in self.bindings if one.link_to and one.transform is None}

    def _row_shown(self, item: Item, one: _Plain, value: Value, before: Record | None) -> Value:
        """The key of the row that a cell's first item stands for. While it has none, the field is as it was."""
        if not value or self.links is None:
            return None
        keys, more = self.links.rows_of(self._linked[one.column], [str(number) for number in value])
        if more:
            self.unresolved.add(item.id)
        agreed = before.get(one.field) if before else None
        return agreed if agreed in keys or (more and not keys) else keys[0] if keys else None

    def _item_shown(self, entity: str, key: Value) -> Value:
        if key is None:
            return None
        found = self.links.item_of(entity, str(key)) if self.links else None
        if found is None:
            raise CellError(f"the {entity} record {key} {NO_ITEM_YET}")
        return [int(found)]

    @cached_property
    def _facts(self) -> list[tuple[str, str]]:
        """The pseudo columns that are mapped, and their fields."""
        return [(one.columns[0], one.fields[0]) for one in self.bindings if one.columns[0] in FACTS]

    @cached_property
    def _groups(self) -> dict[str, str]:
        return {group_id: clean_text(title) for group_id, title in self.board.groups}

    def _facts_of(self, item: Item) -> list[str | None]:
        """What an item says of itself, as it comes; part of its hash, because no cell shows it."""
        return [_FACT[column](self, item) for column, _ in self._facts]

    # Writing

    def _present(self, column: str, item: Item | None) -> Value:
        if item is None:
            return None
        if column == ITEM_NAME:
            return clean_text(item.name)
        about, cell = self.columns.get(column), item.cells.get(column)
        return column_type(about.type).read(cell, about) if about and cell is not None else None

    def _write(self, binding: Binding, wanted: Record, agreed: Record, present: Sequence[Value]) -> Sequence[Value]:
        fields = tuple(wanted.get(name) for name in binding.fields)
        if binding.transform is None:
            return fields
        return binding.transform.write(fields, tuple(agreed.get(name) for name in binding.fields), present)

    def _member(self, column: str, value: Value, item: Item | None) -> Any:
        about = self.columns[column]
        write = column_type(about.type).write
        if write is None:
            raise CellError(f"column {column} ({about.title}): monday.com computes it, so it cannot be written")
        try:
            return write(value, about, item.cells.get(column) if item else None)
        except CellError as exc:
            raise type(exc)(f"column {column} ({about.title}): {exc}") from None


_FACT: dict[str, Callable[[BoundMapping, Item], str | None]] = {
    GROUP: lambda bound, item: bound._groups.get(item.group_id or "", item.group_id),
    CREATED_AT: lambda bound, item: item.created_at,
    UPDATED_AT: lambda bound, item: item.updated_at,
    PARENT: lambda bound, item: item.parent_id,
}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _reserved(mapping: Mapping) -> set[str]:
    return {place.key for place in mapping.places.values() if place.home == ROOT and place.key is not None}


def _titles(columns: Iterable[BoardColumn], reserved: set[str]) -> dict[str, str]:
    """A unique key for each column: its title; for a second column of that title, and for an empty one, with its id."""
    taken, titles = set(reserved), {}
    for column in columns:
        title = clean_text(column.title) or column.id
        while title in taken:
            title = f"{title} ({column.id})"
        taken.add(title)
        titles[column.id] = title
    return titles
