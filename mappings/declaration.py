"""Declares what a mapping file says, which board column is which table column, and what it needs to know of a board."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Map
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

from msgspec import Struct, field

from config.hiding import Hiding
from mappings.stored import Stored
from mappings.transforms import Transform
from models import BoardColumn, Cell, Value

ITEM_NAME = "name"
"""The pseudo column of a mapping that stands for the item's name."""

GROUP, CREATED_AT, UPDATED_AT, PARENT = "__group__", "__created_at__", "__updated_at__", "__parent__"
FACTS = {
    GROUP: BoardColumn(GROUP, "Group", "text"),
    CREATED_AT: BoardColumn(CREATED_AT, "Created at", "moment"),
    UPDATED_AT: BoardColumn(UPDATED_AT, "Updated at", "moment"),
    PARENT: BoardColumn(PARENT, "Parent item ID", "whole"),
}
"""Pseudo columns for what an item says of itself. Their type names how they are compared; no cell shows them."""

ROOT = ""
"""The home of fields that live in the root table."""

Reader = Callable[[Cell, BoardColumn], Value]
"""Turns a cell into its value. Raises CellError for a cell that it cannot understand."""

Writer = Callable[[Value, BoardColumn, Cell | None], object]
"""Turns a value into what is sent; the third argument is the present cell. Raises CellError for what no cell could hold."""


class Kind(Protocol):
    """States how cells of one type of board column are read, written and compared."""

    @property
    def read(self) -> Reader: ...

    @property
    def write(self) -> Writer | None:
        """Returns None for a type that cannot be written."""

    @property
    def compare(self) -> str:
        """Returns the name of a comparison (`values.comparing.COMPARISONS`)."""

    @property
    def computed(self) -> bool:
        """Says whether the values come from other columns, so that they are no data of their own."""


class Kinds(Protocol):
    """Lists the types of column that the boards of a service have. The item's name has the type `name`."""

    def of(self, type_name: str) -> Kind:
        """Returns how a type of column is dealt with, also one that is not known yet."""

    def comparison(self, name: str) -> str:
        """Returns the comparison for a type of column, for what `as` may say, or for a comparison or SQL type."""

    def selection(self, type_names: Iterable[str]) -> str:
        """Returns what to ask of each cell, so that columns of these types can be read."""

    def reading(self, name: str) -> Reader | None:
        """Returns the reader that `as` calls by this name; None leaves the cell to the reader of its type."""

    def changed_at(self, cell: Cell | None) -> datetime | None:
        """Returns when the cell was last changed; None where it does not say."""


class Place(Struct, frozen=True):
    """Holds where a field stands: a related row (or the root), a column, and for JSONB a key in it."""

    home: str
    column: str
    key: str | None = None


class KeyPart(Struct, frozen=True):
    """Names a column of a natural key."""

    column: str
    ignore_case: bool = False


NaturalKey = tuple[KeyPart, ...]


class Related(Struct, frozen=True):
    """Declares rows of another table that belong to a record, and how a row that several records share is found."""

    name: str
    table: str
    via: str | None = None
    parent: str = ROOT
    child: str | None = None
    refs: Map[str, str] = field(default_factory=dict)
    keys: tuple[NaturalKey, ...] = ()
    without_key: str = "metadata"
    needed_by: tuple[str, ...] = ()
    key_changed: str = "relink"
    new: Map[str, Any] = field(default_factory=dict)
    owned_by: str | None = None


class Binding(Struct, frozen=True):
    """Binds board columns to the fields that they make together. Without a transform, a column is a field unchanged."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]
    transform: Transform | None = None
    kind: str | None = None
    read_only: str | None = None
    conflict: str | None = None
    create_labels: bool = False
    link_to: str | None = None


class Mapping(Hiding, Struct, frozen=True, dict=True):
    """Holds what a mapping file declares."""

    HIDDEN: ClassVar = frozenset({"text", "stored"})

    entity: str
    entity_type: str
    title: str
    table: str
    board_id: str | None
    board_setting: str | None
    bindings: tuple[Binding, ...]
    places: Map[str, Place]
    related: Map[str, Related] = field(default_factory=dict)
    direction: str = "bidirectional"
    after: tuple[str, ...] = ()
    primary_key: str = "id"
    only: Map[str, Any] = field(default_factory=dict)
    key: NaturalKey = ()
    skip_without_key: str | None = None
    duplicate: str = "duplicate key"
    match: str | None = None
    owns: tuple[str, ...] = ()
    record_settings: bool = False
    item_name: tuple[str, ...] = ()
    group: str | None = None
    sync_id: tuple[str, str] | None = None
    conflict: str | None = None
    on_item_removed: str = "archive"
    on_row_removed: str = "archive"
    contract: str = "evolve"
    rest: str | None = None
    rejected: frozenset[str] = frozenset()
    path: str = ""
    item_key: bool = False
    """The primary key of the root table is the item's id."""
    archived_column: str | None = "archived_at"
    updated_column: str | None = "updated_at"
    deployed: str | None = None
    own_table: bool = False
    subitems_of: str | None = None
    text: str = ""
    """What the database holds, where no file of the home holds the same."""
    stored: Stored | None = None
    own_file: bool = False
    """Its file is a user's own, and wins over what the database holds."""

    @property
    def turn(self) -> str:
        """Returns the name of the turn in which one process at a time works on it."""
        return self.entity_type

    @cached_property
    def fingerprint(self) -> str:
        """Returns a text that changes when the mapping does, so that everything is compared again."""
        # It holds names of classes and functions: with another name for a transform, all boards are compared again.
        parts = (self.bindings, self.places, self.related, self.only, self.key, self.rest, sorted(self.rejected))
        # A transform shows its functions with their addresses, which no two processes share.
        shape = re.sub(r" at 0x[0-9a-f]+", "", repr(parts))
        return hashlib.blake2b(shape.encode(), digest_size=8).hexdigest()

    @cached_property
    def parent_field(self) -> str | None:
        """Returns, for subitems, the field that holds the id of the item above them."""
        named = (binding.fields[0] for binding in self.bindings if binding.columns == (PARENT,))
        return next(named, None) if self.subitems_of else None

    @cached_property
    def order(self) -> tuple[tuple[Related, ...], ...]:
        """Returns the related rows as they can be written; those of one table with one set of keys go together."""
        steps: list[tuple[Related, ...]] = []
        left = [related for related in self.related.values() if related.child is None]
        done: set[str] = set()
        while left:
            ready = [related for related in left if self.needs(related.name) <= done]
            kind = (ready[0].table, ready[0].keys, ready[0].refs)
            step = tuple(related for related in ready if (related.table, related.keys, related.refs) == kind)
            steps.append(step)
            done |= {related.name for related in step}
            left = [related for related in left if related not in step]
        return tuple(steps)

    @cached_property
    def children(self) -> tuple[Related, ...]:
        """Returns the related rows that point at the root, and so are written after it."""
        return tuple(related for related in self.related.values() if related.child is not None)

    def needs(self, name: str) -> set[str]:
        """Returns the related rows that the rows of this name point at."""
        below = {related.name for related in self.related.values() if related.parent == name}
        return set(self.related[name].refs.values()) | below

    def pointers(self, name: str) -> dict[str, str]:
        """Returns the columns of a home (the root too) that point at related rows: column → related."""
        below = [related for related in self.related.values() if related.parent == name and not related.child]
        own = {related.via: related.name for related in below if related.via}
        return {**own, **(self.related[name].refs if name else {})}
