"""Holds the frozen values that travel between the rooms."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import Struct, field

Cell = Mapping[str, Any]
"""One element of `column_values`: `id`, `text`, `value` (a JSON text) and the typed fields that were asked for."""

Value = Any
"""A canonical value: None, str, bool, Decimal, date, an aware datetime in UTC, time, or a list or dict of JSON kinds."""

Record = dict[str, Value]
"""Field name → canonical value."""


class BoardColumn(Struct, frozen=True, dict=True):
    """Describes a column of a board; `settings` are decoded, in the shape of API 2025-10 and later."""

    id: str
    title: str
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def parsed(self) -> dict[str, Any]:
        """Keeps what the readers of its cells have parsed of the settings, by name: cells are many, settings few."""
        return {}


class Board(Struct, frozen=True):
    """Describes a board: its columns and groups, and how many items it says it has."""

    id: str
    name: str
    columns: tuple[BoardColumn, ...]
    groups: tuple[tuple[str, str], ...] = ()
    items_count: int | None = None
    updated_at: str | None = None
    state: str = "active"
    items_limit: int | None = None

    def column(self, column_id: str) -> BoardColumn | None:
        """Returns the column with that id, or None."""
        return next((column for column in self.columns if column.id == column_id), None)


class Item(Struct):
    """Holds one item of a board. `cells` is keyed by column id; times are the ISO 8601 texts of the API (UTC)."""

    id: str
    name: str
    state: str
    created_at: str | None
    updated_at: str | None
    group_id: str | None
    board_id: str | None
    parent_id: str | None
    cells: Mapping[str, Cell]
    ahead: Any = None
    """What a mapping has read of it already, while the next page was being fetched."""

    def is_on(self, board_id: str) -> bool:
        """Tells whether this is an active item of the board; an item that names no board is on the one asked for."""
        return self.state == "active" and self.board_id in (None, board_id)


class Columns(Struct, frozen=True):
    """Says what to ask of each item: the cells of these columns, and of a cell these fields."""

    ids: tuple[str, ...] = ()
    selection: str = "id text value"
    all: bool = False
    """The board has hardly any others: then they need not be listed, and cells of others are left out."""


NO_CELLS = Columns()
"""The facts of an item, without its cells."""

STATES_ONLY = Columns((), "")
"""No more of an item than its id, state, update time and group."""


class Page(Struct, frozen=True):
    """Holds one page of a listing. Only `cursor` says whether more follows: pages may be short or empty before the end."""

    items: list[Item]
    cursor: str | None


Pages = Generator[Page, None, None]
"""Pages in order; closing the generator ends the reading."""


class Winner(Enum):
    """Names the side whose value stands after a conflict; held: a user decides."""

    MONDAY = "monday"
    POSTGRES = "postgres"
    HELD = "held"


class Conflict(Struct, frozen=True):
    """Describes a field that changed on both sides to different values, and what was decided."""

    field: str
    base: Value
    monday: Value
    postgres: Value
    monday_changed_at: datetime | None
    postgres_changed_at: datetime | None
    rule: str
    winner: Winner


class LogEntry(NamedTuple):
    """Holds one row of `sync_logs`."""

    operation: str
    status: str
    message: str
    monday_id: str | None = None
    entity_id: str | None = None
    side: str = ""
    """Which side was written, `postgres` or `monday`, where the operation does not say it."""


class Removal(Struct, frozen=True):
    """Names an item whose row is gone."""

    item_id: str
    root_id: str


class State(Enum):
    """Says how grave a finding is. A note never changes an exit code."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


class Finding(Struct, frozen=True):
    """Says what was found about one thing that can be checked, for every command and page that shows how things are."""

    slug: str
    """What was looked at, as `group.name`: `pg.reach`, `board.users`."""
    state: State
    sentence: str
    affects: str = ""
    """The entity, table or setting that does not work, or works less well."""
    remedy: str = ""
    """The command that mends it, or what is to be set."""
