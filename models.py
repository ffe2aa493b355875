"""The values that travel: boards, columns and items of monday.com as frozen dataclasses.

An item's cells stay the dictionaries that monday.com sent. `column_types` alone knows how to read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Cell = Mapping[str, Any]
"""One element of `column_values`: `id`, `text`, `value` (a JSON text) and the typed fields that were asked for."""

Value = Any
"""A canonical value: None, str, bool, Decimal, date, an aware datetime in UTC, time, or a list or dict of JSON kinds."""

Record = dict[str, Value]
"""Field name → canonical value."""


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """A column of a board; `settings` in the shape of API 2025-10 and later, decoded."""

    id: str
    title: str
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Board:
    """A board as the tool sees it: what its columns are and how many items it claims to have."""

    id: str
    name: str
    columns: tuple[BoardColumn, ...]
    groups: tuple[tuple[str, str], ...] = ()
    items_count: int | None = None
    updated_at: str | None = None
    state: str = "active"
    items_limit: int | None = None

    def column(self, column_id: str) -> BoardColumn | None:
        """The column with that id, or None."""
        return next((column for column in self.columns if column.id == column_id), None)


@dataclass(slots=True)
class Item:
    """One row of a board. `cells` is keyed by column id; times are the ISO 8601 texts of the API (UTC)."""

    id: str
    name: str
    state: str
    created_at: str | None
    updated_at: str | None
    group_id: str | None
    board_id: str | None
    parent_id: str | None
    cells: dict[str, Cell]
    ahead: Any = field(default=None, repr=False, compare=False)
    """What a mapping has made of it while its page was still on its way."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. Only `cursor` says whether more follows: pages may be short or empty before the end."""

    items: list[Item]
    cursor: str | None
