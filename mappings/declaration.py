"""Declares what a mapping file says: which board column is which table column."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mappings.transforms import Transform
from models import BoardColumn

ITEM_NAME = "name"
"""The pseudo column of a mapping that stands for the item's name."""

GROUP, CREATED_AT, UPDATED_AT, PARENT = "__group__", "__created_at__", "__updated_at__", "__parent__"
FACTS = {
    GROUP: BoardColumn(GROUP, "Group", "group"),
    CREATED_AT: BoardColumn(CREATED_AT, "Created at", "creation_log"),
    UPDATED_AT: BoardColumn(UPDATED_AT, "Updated at", "last_updated"),
    PARENT: BoardColumn(PARENT, "Parent item ID", "rating"),
}
"""Pseudo columns for what an item says of itself; each is read like a column of that type, and never written."""

ROOT = ""
"""The home of fields that live in the root table."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field lives: a related row (or the root), a column, and for JSONB a key in it."""

    home: str
    column: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One column of a natural key."""

    column: str
    ignore_case: bool = False


NaturalKey = tuple[KeyPart, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """Rows of another table that belong to a record, and how a row that several records share is found."""

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


@dataclass(frozen=True, slots=True)
class Binding:
    """Board columns and the fields they make together. Without a transform it is one column and one field, as it is."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]
    transform: Transform | None = None
    kind: str | None = None
    read_only: str | None = None
    conflict: str | None = None
    create_labels: bool = False
    link_to: str | None = None


@dataclass(frozen=True)
class Mapping:
    """What a mapping file declares."""

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

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the mapping does, so that everything is compared again."""
        parts = (self.bindings, self.places, self.related, self.only, self.key, self.rest, sorted(self.rejected))
        # A transform shows its functions with their addresses, which no two processes share.
        shape = re.sub(r" at 0x[0-9a-f]+", "", repr(parts))
        return hashlib.blake2b(shape.encode(), digest_size=8).hexdigest()

    @cached_property
    def parent_field(self) -> str | None:
        """Of subitems, the field that holds the id of the item that one stands under."""
        named = (binding.fields[0] for binding in self.bindings if binding.columns == (PARENT,))
        return next(named, None) if self.subitems_of else None

    @cached_property
    def order(self) -> tuple[tuple[Related, ...], ...]:
        """The related rows in the order they can be written; rows of one table with one set of keys go together."""
        steps: list[tuple[Related, ...]] = []
        left = [related for related in self.related.values() if related.child is None]
        done: set[str] = set()
        while left:
            ready = [related for related in left if self.needs(related.name) <= done]
            first = ready[0]
            step = tuple(one for one in ready if (one.table, one.keys, one.refs) == (first.table, first.keys, first.refs))
            steps.append(step)
            done |= {one.name for one in step}
            left = [one for one in left if one not in step]
        return tuple(steps)

    @cached_property
    def children(self) -> tuple[Related, ...]:
        """The related rows that point at the root, and so are written after it."""
        return tuple(related for related in self.related.values() if related.child is not None)

    def needs(self, name: str) -> set[str]:
        """The related rows that the rows of this name point at."""
        hung_on = {one.name for one in self.related.values() if one.parent == name}
        return set(self.related[name].refs.values()) | hung_on

    def pointers(self, name: str) -> dict[str, str]:
        """The columns of a home (the root too) that point at related rows: column → related."""
        own = {one.via: one.name for one in self.related.values() if one.via and one.parent == name and not one.child}
        return {**own, **(self.related[name].refs if name else {})}
