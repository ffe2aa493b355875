"""Makes ready, once for a board, how its cells become fields: what an item costs is paid for every item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from mappings.bound import BoundMapping
from mappings.declaration import CREATED_AT, FACTS, GROUP, ITEM_NAME, PARENT, UPDATED_AT, Binding, Reader
from mappings.transforms import Transform
from models import BoardColumn, Cell, Item, Value
from values.parsing import clean_text


class SingleColumn(NamedTuple):
    """Holds a column that is a field, ready to be read."""

    column: str
    field: str
    read: Reader
    about: BoardColumn
    link_to: str


class MadeFields(NamedTuple):
    """Holds columns that make fields through a transform, ready to be read."""

    columns: tuple[str, ...]
    readers: tuple[tuple[Reader, BoardColumn], ...]
    fields: tuple[str, ...]
    transform: Transform
    name_at: int
    """The place of the item's name among the columns; -1 without it."""


class Fact(NamedTuple):
    """Holds a field that shows what an item says of itself: the text as it comes, and the value that is made of it."""

    field: str
    text_of: Callable[[Item], str | None]
    value_of: Callable[[str], Value]


class CellReaders(Struct, frozen=True):
    """Holds how the fields of a board's items are read."""

    columns: tuple[str, ...]
    """Those that are fields of their own, without more ado."""
    plain: tuple[tuple[str, str, Reader, BoardColumn], ...]
    """The same with field and reader. Python takes tuples apart several times faster when they have no names."""
    links: tuple[SingleColumn, ...]
    """Columns that show items whose rows the fields point at."""
    made: tuple[MadeFields, ...]
    typed: tuple[SingleColumn, ...]
    """Computed texts that are read as another type."""
    names: tuple[str, ...]
    """The fields that show the item's name."""
    facts: tuple[Fact, ...]

    def fields_of(self, column: str) -> list[str]:
        """Returns the fields of the entries whose first column this is."""
        single = [name for at, name, *_ in self.plain if at == column]
        single += [entry.field for entry in (*self.links, *self.typed) if entry.column == column]
        return single + [name for made in self.made if made.columns[0] == column for name in made.fields]

    def without(self, column: str) -> CellReaders:
        """Returns the readers without those entries."""
        return replace(
            self,
            columns=tuple(at for at in self.columns if at != column),
            plain=tuple(entry for entry in self.plain if entry[0] != column),
            links=tuple(entry for entry in self.links if entry.column != column),
            made=tuple(made for made in self.made if made.columns[0] != column),
            typed=tuple(entry for entry in self.typed if entry.column != column),
        )


def cell_readers(bound: BoundMapping) -> CellReaders:
    """Makes ready how the items of a board are read."""
    plain = [binding for binding in bound.bindings if binding.transform is None]
    single = [
        _single(bound, binding)
        for binding in plain
        if binding.columns[0] != ITEM_NAME and binding.columns[0] not in FACTS
        if binding.fields[0] not in bound.parsed
    ]
    own = [found for found in single if not found.link_to]
    return CellReaders(
        columns=tuple(found.column for found in own),
        plain=tuple((found.column, found.field, found.read, found.about) for found in own),
        links=tuple(found for found in single if found.link_to),
        made=tuple(
            _made(bound, binding, binding.transform) for binding in bound.bindings if binding.transform is not None
        ),
        typed=tuple(_single(bound, bound.owner[field]) for field in bound.parsed),
        names=tuple(binding.fields[0] for binding in plain if binding.columns == (ITEM_NAME,)),
        facts=tuple(
            _fact(bound, binding.columns[0], binding.fields[0])
            for binding in bound.bindings
            if binding.columns[0] in FACTS
        ),
    )


def _single(bound: BoundMapping, binding: Binding) -> SingleColumn:
    column = binding.columns[0]
    own = bound.board_kinds.reading(binding.kind) if binding.kind else None
    # the table column has no time of day
    if own is None and bound.kinds[binding.fields[0]] == "day":
        own = bound.board_kinds.reading(f"{bound.columns[column].type} as day")
    read = own or bound.column_kinds[column].read
    return SingleColumn(column, binding.fields[0], read, bound.columns[column], binding.link_to or "")


def _made(bound: BoundMapping, binding: Binding, transform: Transform) -> MadeFields:
    readers = tuple(_source(bound, column) for column in binding.columns)
    name_at = binding.columns.index(ITEM_NAME) if ITEM_NAME in binding.columns else -1
    return MadeFields(binding.columns, readers, binding.fields, transform, name_at)


def _source(bound: BoundMapping, column: str) -> tuple[Reader, BoardColumn]:
    about = bound.columns.get(column)
    # the board lacks it
    if about is None:
        return _nothing, BoardColumn(column, "", "")
    return bound.column_kinds[column].read, about


def _nothing(cell: Cell, column: BoardColumn) -> Value:
    return None


def _fact(bound: BoundMapping, column: str, field: str) -> Fact:
    groups = {group_id: clean_text(title) for group_id, title in bound.board.groups}
    return {
        GROUP: Fact(field, lambda item: groups.get(item.group_id or "", item.group_id), str),
        CREATED_AT: Fact(field, lambda item: item.created_at, instant),
        UPDATED_AT: Fact(field, lambda item: item.updated_at, instant),
        PARENT: Fact(field, lambda item: item.parent_id, int),
    }[column]


def instant(text: str) -> datetime:
    """Reads a time of an item."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
