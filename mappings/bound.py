"""Binds a mapping to a board: finds its columns, bindings and places, and how each field is compared.

`Mapping` is what a file declares; `bind` finds out what of it the board has. Nothing here knows a particular board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Map
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from mappings.declaration import FACTS, ITEM_NAME, ROOT, Binding, Kind, Kinds, Mapping, Place
from mappings.transforms import FirstFilled
from models import Board, BoardColumn, Columns, Value
from values.canonical import is_empty
from values.comparing import rounding, same
from values.parsing import CellError, clean_text
from values.shown import PARSED

Types = Map[str, Map[str, str]]
"""Table → column → its type in PostgreSQL's words."""

NO_TYPES: Types = MappingProxyType({})

MOST_UNWANTED = 0.1
"""So many columns may be read with those that are wanted, as a share of these."""


class Links(Protocol):
    """Finds which items and rows of other boards belong together (`rows.relations`)."""

    def rows_of(self, entity: str, item_ids: Sequence[str]) -> tuple[list[str], bool]:
        """Returns the keys of the items' rows, and whether an item has no row yet."""

    def item_of(self, entity: str, key: str) -> str | None:
        """Returns the item of a row; None while there is none."""


class BoundMapping(Struct, frozen=True, eq=False, dict=True):
    """Holds the part of a mapping that a board has. `bind` makes it."""

    mapping: Mapping
    board: Board
    board_kinds: Kinds
    """The kinds of column that such boards have."""
    columns: Map[str, BoardColumn]
    """By id; with the pseudo columns that the mapping names."""
    rest_columns: Sequence[BoardColumn]
    """Those that the mapping does not name, and `rest` takes."""
    titles: Map[str, str]
    bindings: tuple[Binding, ...]
    """Those whose columns the board has, and one for each column of `rest`."""
    owner: dict[str, Binding]
    """Field → the binding that makes it."""
    places: Map[str, Place]
    kinds: Map[str, str]
    """Field → the name of its comparison."""
    rounded: Map[str, Callable[[Value], Value]]
    """Field → what its table column keeps of a number, where that is less than all digits."""
    parsed: Map[str, str]
    """Field → the type of its table column, where a computed text is read as another type."""
    links: Links | None

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Returns the names of all fields, in the order of the bindings."""
        return tuple(self.places)

    @cached_property
    def column_kinds(self) -> Map[str, Kind]:
        """Returns column → its kind."""
        return {name: self.board_kinds.of(column.type) for name, column in self.columns.items()}

    @cached_property
    def read_only(self) -> Map[str, str]:
        """Returns the fields that no cell can be made to show, with what to do when SQL changes them."""
        found: dict[str, str] = {}
        for binding in self.bindings:
            own = [column for column in binding.columns if column in self.columns and column not in FACTS]
            writable = any(self.column_kinds[column].write for column in own)
            if policy := binding.read_only or (None if writable else "error"):
                found.update(dict.fromkeys(binding.fields, policy))
        return found

    @cached_property
    def _computed(self) -> frozenset[str]:
        """Returns the fields whose cells monday.com fills itself, such as when the item was last updated."""
        return frozenset(
            name
            for binding in self.bindings
            if not any(self.column_kinds[column].write for column in binding.columns if column in self.columns)
            for name in binding.fields
        )

    def following(self, names: Iterable[str]) -> frozenset[str]:
        """Returns the fields that follow from these when they are told to the board.

        That is all that their columns show: `status` follows from `stage`, and an address as a line from its parts. What
        monday.com fills itself follows from any edit.
        """
        told = {column for name in names if name in self.owner for column in self.owner[name].columns}
        if not told:
            return frozenset()
        also = {name for binding in self.bindings if not told.isdisjoint(binding.columns) for name in binding.fields}
        return self._computed | also

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Returns the columns that the mapping names and the board does not have."""
        named = {column for binding in self.mapping.bindings for column in binding.columns}
        return tuple(sorted(named - self.columns.keys()))

    @cached_property
    def column_ids(self) -> list[str]:
        """Returns the ids of the columns whose cells are to be fetched."""
        wanted = {column for binding in self.bindings for column in binding.columns if column in self.columns}
        if self.mapping.sync_id and self.mapping.sync_id[0] in self.columns:
            wanted.add(self.mapping.sync_id[0])
        return sorted(wanted - {ITEM_NAME} - FACTS.keys())

    @cached_property
    def selection(self) -> str:
        """Returns what to ask of each cell, so that it can be read."""
        return self.board_kinds.selection(self.columns[column].type for column in self.column_ids)

    @cached_property
    def wanted(self) -> Columns:
        """Returns both, as the client takes them.

        A list of columns can cost several times what a page without one costs. It is left out where every column is
        wanted, but for a few that only show what other columns hold.
        """
        ids = self.column_ids
        others = [column for column in self.board.columns if column.id not in {ITEM_NAME, *ids}]
        few = len(others) <= MOST_UNWANTED * len(ids)
        return Columns(
            tuple(ids), self.selection, all=few and all(self.board_kinds.of(other.type).computed for other in others)
        )

    @cached_property
    def titled(self) -> list[str]:
        """Returns the columns that stand in `metadata`: those of `rest`, and those whose row may have no key."""
        kept = {name for name, row in self.mapping.related.items() if row.without_key == "metadata" and row.keys}
        bindings = (binding for binding in self.mapping.bindings if binding.fields)
        mapped = (binding for binding in bindings if self.mapping.places[binding.fields[0]].home in kept)
        columns = [column for binding in mapped for column in binding.columns if column in self.columns]
        return [*(column.id for column in self.rest_columns), *(columns if self.mapping.rest else ())]

    def title(self, column: str) -> str:
        """Returns the key under which a column's value stands in `metadata`: its title, made unique."""
        return self.titles.get(column, column)

    def cell_kind(self, column: str) -> str:
        """Returns how the cells of a board column are compared."""
        return self.column_kinds[column].compare

    def same(self, name: str, a: Value, b: Value) -> bool:
        """Says whether two values of a field mean the same."""
        rounded = self.rounded.get(name)
        if rounded is None or is_empty(a) or is_empty(b):
            return same(self.kinds[name], a, b)
        try:
            return bool(rounded(a) == rounded(b))
        except (CellError, ArithmeticError, TypeError):
            return same(self.kinds[name], a, b)  # a value that is no number


def bind(
    mapping: Mapping, board: Board, kinds: Kinds, types: Types = NO_TYPES, links: Links | None = None
) -> BoundMapping:
    """Binds a mapping to a board.

    With `types`, fields are compared as their table columns keep them. Without `links`, a field that points at a record
    of another board stays empty.
    """
    columns = _columns(mapping, board)
    rest = _rest_columns(mapping, board, kinds)
    titles = _titles([*rest, *(column for column in board.columns if column not in rest)], _reserved(mapping))
    bindings = tuple(binding for binding in (*mapping.bindings, *_rest(mapping, rest)) if _is_read(binding, columns))
    owner = {name: binding for binding in bindings for name in binding.fields}
    places = {
        name: mapping.places.get(name) or Place(ROOT, str(mapping.rest), titles[binding.columns[0]])
        for name, binding in owner.items()
    }
    sql_types = {name: _sql_type(mapping, place, types) for name, place in places.items()}
    shown = [name for name, binding in owner.items() if _is_shown_text(binding, columns, kinds)]
    compared = {
        name: _as_kept(_comparison(name, binding, columns, kinds), sql_types[name]) for name, binding in owner.items()
    } | _as_table(shown, owner, sql_types, kinds)
    numbers = {name: rounding(sql_types[name]) for name, comparison in compared.items() if comparison == "number"}
    return BoundMapping(
        mapping=mapping,
        board=board,
        board_kinds=kinds,
        columns=columns,
        rest_columns=rest,
        titles=titles,
        bindings=bindings,
        owner=owner,
        places=places,
        kinds=compared,
        rounded={name: rounded for name, rounded in numbers.items() if rounded is not None},
        parsed={name: sql_types[name] for name in shown if compared[name] in PARSED},
        links=links,
    )


# What of it there is on the board


def _columns(mapping: Mapping, board: Board) -> dict[str, BoardColumn]:
    columns = {column.id: column for column in board.columns}
    columns.setdefault(ITEM_NAME, BoardColumn(ITEM_NAME, "Name", "name"))
    named = {column for binding in mapping.bindings for column in binding.columns}
    return columns | {name: about for name, about in FACTS.items() if name in named}


def _rest_columns(mapping: Mapping, board: Board, kinds: Kinds) -> list[BoardColumn]:
    if not mapping.rest:
        return []
    named = {column for binding in mapping.bindings for column in binding.columns}
    taken = named | mapping.rejected | {ITEM_NAME}
    if mapping.sync_id:
        taken.add(mapping.sync_id[0])
    return [column for column in board.columns if column.id not in taken and not kinds.of(column.type).computed]


def _rest(mapping: Mapping, columns: Iterable[BoardColumn]) -> list[Binding]:
    # Named by the column's id, so that a renamed column stays the same field.
    return [Binding((column.id,), (f"{mapping.rest}:{column.id}",)) for column in columns]


def _is_read(binding: Binding, columns: Map[str, BoardColumn]) -> bool:
    """Says whether the board has what it needs. Half a name is no name: what a missing column helped to make stays."""
    enough = any if isinstance(binding.transform, FirstFilled) else all
    return enough(column in columns for column in binding.columns)


# How its fields are compared


def _comparison(name: str, binding: Binding, columns: Map[str, BoardColumn], kinds: Kinds) -> str:
    # the field holds the key of a row
    if binding.link_to:
        return "text"
    # the file says `as`
    if binding.kind:
        return kinds.comparison(binding.kind)
    # the transform knows what it makes
    if binding.transform is not None and (made := binding.transform.kinds[binding.fields.index(name)]):
        return kinds.comparison(made)
    first = next(column for column in binding.columns if column in columns)
    return kinds.comparison(columns[first].type)


def _as_table(shown: Iterable[str], owner: Map[str, Binding], sql_types: Map[str, str], kinds: Kinds) -> dict[str, str]:
    """Returns the comparisons of computed texts that their table columns have as another type, without `as`."""
    found = {name: kinds.comparison(sql_types[name] or "text") for name in shown if not owner[name].kind}
    return {name: _as_kept(compared, sql_types[name]) for name, compared in found.items() if compared in PARSED}


def _is_shown_text(binding: Binding, columns: Map[str, BoardColumn], kinds: Kinds) -> bool:
    """Says whether a field shows the text of a computed column: what kind of value that is, the board does not say."""
    if binding.transform is not None or binding.link_to or binding.columns[0] not in columns:
        return False
    kind = kinds.of(columns[binding.columns[0]].type)
    return kind.computed and kind.compare == "text"


def _sql_type(mapping: Mapping, place: Place, types: Types) -> str:
    """Returns the type of the table column of a field; a text without letters for a key in a JSONB column."""
    if place.key is not None:
        return ""
    related = mapping.related.get(place.home)
    return types.get(related.table if related else mapping.table, {}).get(place.column, "")


def _as_kept(comparison: str, sql_type: str) -> str:
    # the cell has a time of day, which the table column cannot keep
    return "day" if sql_type == "date" and comparison == "moment" else comparison


# The keys of `metadata`


def _reserved(mapping: Mapping) -> set[str]:
    return {place.key for place in mapping.places.values() if place.home == ROOT and place.key is not None}


def _titles(columns: Iterable[BoardColumn], reserved: set[str]) -> dict[str, str]:
    """Returns a unique key for each column: its title, with its id where the title is taken, or the id alone."""
    taken, titles = set(reserved), {}
    for column in columns:
        title = clean_text(column.title) or column.id
        while title in taken:
            title = f"{title} ({column.id})"
        taken.add(title)
        titles[column.id] = title
    return titles
