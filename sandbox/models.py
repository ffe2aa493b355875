"""What an account holds: plain records of boards, items, people. They change in place, under the world's lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ACTIVE, ARCHIVED, DELETED = "active", "archived", "deleted"


@dataclass
class User:
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


@dataclass
class Team:
    id: int
    name: str
    user_ids: list[int] = field(default_factory=list)
    created_at: float = 0.0


@dataclass
class Tag:
    id: int
    name: str
    color: str = "#037f4c"


@dataclass
class Workspace:
    id: int
    name: str
    kind: str = "open"
    created_at: float = 0.0
    is_default: bool = False


@dataclass
class Label:
    """One label of a status or dropdown column. `id` is the lasting number, `position` the place in the menu."""

    id: int
    name: str
    color: str = "#c4c4c4"
    color_name: str = "explosive"
    is_done: bool = False
    deactivated: bool = False


@dataclass
class Column:
    id: str
    title: str
    type: str
    settings: dict[str, Any] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    description: str | None = None
    width: int | None = None
    revision: int = 1
    restricted: bool = False
    """The token's user may see it and not edit it."""

    def label(self, number: int) -> Label | None:
        return next((label for label in self.labels if label.id == number), None)


@dataclass
class Group:
    id: str
    title: str
    color: str = "#579bfc"
    position: float = 65536.0
    state: str = ACTIVE


@dataclass
class Item:
    """A row. Seeded items carry `make` and fill their cells when first looked at, so that big boards start fast."""

    __slots__ = ("id", "board_id", "group_id", "name", "created_at", "updated_at", "creator_id", "updater_id",
                 "state", "position", "parent_id", "make", "_cells", "changed", "subitem_ids")

    id: int
    board_id: int
    group_id: str
    name: str
    created_at: float
    updated_at: float
    creator_id: int
    updater_id: int
    state: str
    position: float
    parent_id: int | None
    make: Callable[[], dict[str, Any]] | None
    _cells: dict[str, Any] | None
    changed: dict[str, float] | None
    subitem_ids: list[int] | None

    @property
    def cells(self) -> dict[str, Any]:
        """Column id to datum; an empty cell has no entry."""
        if self._cells is None:
            self._cells = self.make() if self.make else {}
            self.make = None
        return self._cells

    def changed_at(self, column_id: str) -> float:
        return self.changed.get(column_id, self.created_at) if self.changed else self.created_at

    def mark(self, column_id: str, moment: float) -> None:
        if self.changed is None:
            self.changed = {}
        self.changed[column_id] = moment

    def copy(self) -> Item:
        return Item(
            id=self.id, board_id=self.board_id, group_id=self.group_id, name=self.name, created_at=self.created_at,
            updated_at=self.updated_at, creator_id=self.creator_id, updater_id=self.updater_id, state=self.state,
            position=self.position, parent_id=self.parent_id, make=None, _cells=dict(self.cells),
            changed=dict(self.changed or {}), subitem_ids=list(self.subitem_ids or []),
        )


def new_item(
    id: int, board_id: int, group_id: str, name: str, moment: float, user_id: int, position: float,
    cells: dict[str, Any] | None = None, make: Callable[[], dict[str, Any]] | None = None,
    updated_at: float | None = None, parent_id: int | None = None,
) -> Item:
    return Item(
        id=id, board_id=board_id, group_id=group_id, name=name, created_at=moment,
        updated_at=moment if updated_at is None else updated_at, creator_id=user_id, updater_id=user_id,
        state=ACTIVE, position=position, parent_id=parent_id, make=make,
        _cells=cells if make is None else None, changed=None, subitem_ids=None,
    )


@dataclass
class LogEntry:
    id: str
    event: str
    entity: str
    data: dict[str, Any]
    user_id: int
    created_at: float


@dataclass
class Update:
    id: int
    item_id: int
    board_id: int
    body: str
    creator_id: int
    created_at: float
    updated_at: float
    parent_id: int | None = None


@dataclass
class Webhook:
    id: int
    board_id: int
    url: str
    event: str
    config: dict[str, Any]
    user_id: int
    by_app: bool


@dataclass
class Board:
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

    def add_column(self, column: Column) -> Column:
        self.columns[column.id] = column
        self.used_column_ids.add(column.id)
        return column

    def top_group(self) -> Group:
        return min((g for g in self.groups.values() if g.state == ACTIVE), key=lambda g: g.position)

    def subtasks_column(self) -> Column | None:
        return next((c for c in self.columns.values() if c.type == "subtasks"), None)

    def active_items(self) -> list[Item]:
        """In the order of the board: by group, then by place in the group."""
        places = {g.id: g.position for g in self.groups.values() if g.state == ACTIVE}
        rows = [i for i in self.items.values() if i.state == ACTIVE and i.group_id in places]
        rows.sort(key=lambda i: (places[i.group_id], i.position))
        return rows

    def next_position(self) -> float:
        return 65536.0 * (len(self.items) + 1)
