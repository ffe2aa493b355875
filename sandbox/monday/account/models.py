"""Holds what an account is made of: people, boards, columns, items. They change in place, under the world's lock."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from sandbox.common.json_text import JsonObject

ACTIVE, ARCHIVED, DELETED = "active", "archived", "deleted"
SUBITEMS_BOARD = "sub_items_board"
POSITION_STEP = 65536.0

Datum: TypeAlias = Any
"""What a cell stores. Its shape depends on the type of the column; `sandbox/monday/cells` has them all."""
Cells: TypeAlias = dict[str, Datum]
"""Column id to datum; an empty cell has no entry."""


class User(Struct):
    id: int
    name: str
    email: str
    status: str = "ACTIVE"
    kind: str = "member"
    title: str = ""
    phone: str | None = None
    location: str | None = None
    time_zone: str = "America/Chicago"
    created_at: float = 0.0


class Team(Struct):
    id: int
    name: str
    user_ids: list[int] = field(default_factory=list)
    created_at: float = 0.0


class Tag(Struct):
    id: int
    name: str
    color: str = "#037f4c"


class Workspace(Struct):
    id: int
    name: str
    kind: str = "open"
    created_at: float = 0.0
    is_default: bool = False


class Asset(Struct):
    """Holds an uploaded file."""

    id: int
    name: str
    file_extension: str
    file_size: int
    uploaded_by: int
    created_at: float


class Label(Struct):
    """Holds a label of a status or dropdown column; `id` is its lasting number."""

    id: int
    name: str
    color: str = "#c4c4c4"
    color_name: str = "explosive"
    is_done: bool = False
    deactivated: bool = False


class Column(Struct):
    id: str
    title: str
    type: str
    settings: JsonObject = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    description: str | None = None
    width: int | None = None
    revision: int = 1
    restricted: bool = False
    """The token's user may see it and not edit it."""

    def label(self, number: int) -> Label | None:
        return next((label for label in self.labels if label.id == number), None)


class Group(Struct):
    id: str
    title: str
    color: str = "#579bfc"
    position: float = POSITION_STEP
    state: str = ACTIVE


class Item(Struct):
    """Holds a row. A seeded item carries `make` and fills its cells when they are first read: big boards start fast."""

    id: int
    board_id: int
    group_id: str
    name: str
    created_at: float
    updated_at: float
    creator_id: int
    updater_id: int
    position: float
    state: str = ACTIVE
    parent_id: int | None = None
    make: Callable[[], Cells] | None = None
    stored: Cells | None = None
    changed: dict[str, float] | None = None
    subitem_ids: list[int] | None = None

    @property
    def cells(self) -> Cells:
        # first look at a seeded item
        if self.stored is None:
            self.stored = self.make() if self.make else {}
            self.make = None
        return self.stored

    def changed_at(self, column_id: str) -> float:
        return self.changed.get(column_id, self.created_at) if self.changed else self.created_at

    def mark(self, column_id: str, moment: float) -> None:
        """Notes when a cell changed."""
        if self.changed is None:
            self.changed = {}
        self.changed[column_id] = moment

    def copy(self) -> Item:
        return replace(
            self,
            make=None,
            stored=dict(self.cells),
            changed=dict(self.changed or {}),
            subitem_ids=list(self.subitem_ids or []),
        )


class LogEntry(Struct):
    """Holds a row of a board's activity log."""

    id: str
    event: str
    entity: str
    data: JsonObject
    user_id: int
    created_at: float


class Update(Struct):
    """Holds a post on an item, or a reply to a post."""

    id: int
    item_id: int
    board_id: int
    body: str
    creator_id: int
    created_at: float
    updated_at: float
    parent_id: int | None = None

    def plain_text(self) -> str:
        return re.sub(r"<[^>]*>", "", self.body)


class Webhook(Struct):
    """Holds a subscription to the events of a board."""

    id: int
    board_id: int
    url: str
    event: str
    config: JsonObject
    user_id: int
    by_app: bool


class Automation(Struct, frozen=True):
    """Holds a rule of the account: when a column changes, another column is set."""

    board_id: int
    column_id: str
    set_column_id: str
    datum: Datum
    user_id: int


class Board(Struct):
    id: int
    name: str
    columns: dict[str, Column] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    type: str = "board"
    kind: str = "public"
    state: str = ACTIVE
    description: str | None = None
    workspace_id: int | None = None
    items_limit: int = 10_000
    created_at: float = 0.0
    updated_at: float = 0.0
    creator_id: int = 0
    parent_board_id: int | None = None
    log: list[LogEntry] = field(default_factory=list)
    used_column_ids: set[str] = field(default_factory=set)
    used_group_ids: set[str] = field(default_factory=set)
    protected: bool = False
    """Writes are refused as unauthorized."""

    def add_column(self, column: Column) -> Column:
        self.columns[column.id] = column
        self.used_column_ids.add(column.id)
        return column

    def add_group(self, group: Group) -> Group:
        self.groups[group.id] = group
        self.used_group_ids.add(group.id)
        return group

    def active_groups(self) -> list[Group]:
        return [group for group in self.groups.values() if group.state == ACTIVE]

    def top_group(self) -> Group:
        return min(self.active_groups(), key=lambda group: group.position)

    def subtasks_column(self) -> Column | None:
        return next((column for column in self.columns.values() if column.type == "subtasks"), None)

    def active_items(self) -> list[Item]:
        """Lists the items in the order of the board: by group, then by place in the group."""
        places = {group.id: group.position for group in self.groups.values() if group.state == ACTIVE}
        rows = [item for item in self.items.values() if item.state == ACTIVE and item.group_id in places]
        rows.sort(key=lambda item: (places[item.group_id], item.position))
        return rows

    def active_count(self) -> int:
        """Counts the active items, those of archived groups included."""
        return sum(item.state == ACTIVE for item in self.items.values())

    def next_position(self) -> float:
        return POSITION_STEP * (len(self.items) + 1)
