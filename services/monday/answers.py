"""Describes the JSON of monday.com's answers, as far as it is read. Any member may be null where the token may not look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from errors import MondayError
from models import Cell


class IdJson(TypedDict):
    """Holds a group, a board or a parent item, of which the id is enough."""

    id: str


class ItemJson(TypedDict, total=False):
    """Holds an item of a page."""

    id: str | int
    name: str | None
    state: str | None
    created_at: str | None
    updated_at: str | None
    group: IdJson | None
    parent_item: IdJson | None
    board: IdJson | None
    column_values: list[Cell]


class ColumnJson(TypedDict, total=False):
    """Holds a column of a board; `settings` is an object, or a text that holds it."""

    id: str
    title: str
    type: str
    archived: bool | None
    settings: dict[str, Any] | str | None


class GroupJson(TypedDict, total=False):
    """Holds a group of a board."""

    id: str
    title: str
    deleted: bool | None


class BoardJson(TypedDict, total=False):
    """Holds a board with its columns and groups."""

    id: str
    name: str
    state: str | None
    updated_at: str | None
    items_count: int | None
    items_limit: int | None
    columns: list[ColumnJson | None] | None
    groups: list[GroupJson | None] | None


class BoardListed(TypedDict):
    """Holds a board in the list of all boards."""

    id: str
    name: str
    type: str
    state: str
    board_kind: str
    items_count: int | None
    updated_at: str | None
    workspace: dict[str, Any] | None


class UserJson(TypedDict, total=False):
    """Holds a user; `kind`, `status` and `is_deleted` came with 2026-07."""

    id: str
    name: str
    email: str
    kind: str
    status: str
    is_deleted: bool


class TeamJson(TypedDict):
    """Holds a team with the ids of its members."""

    id: str
    name: str
    users: list[IdJson]


class TagJson(TypedDict):
    """Holds a public tag of the account."""

    id: str
    name: str
    color: str


class WebhookJson(TypedDict):
    """Holds a webhook; monday.com does not say which address it calls."""

    id: str
    event: str
    board_id: str
    config: str | None


class LogJson(TypedDict):
    """Holds an entry of a board's activity log, `data` decoded, with the instant `at` that `created_at` counts."""

    id: str
    event: str
    entity: str
    data: dict[str, Any]
    user_id: str
    created_at: str
    at: datetime


class JobJson(TypedDict, total=False):
    """Holds a bulk import, as far as it is."""

    status: str | None
    failure_reason: str | None
    failure_message: str | None
    counts: dict[str, int] | None
    report_url: str | None


def answered(data: Mapping[str, Any], field: str) -> Any:
    """Returns what a mutation answered; null without an error means that the outcome is not known."""
    found = data.get(field)
    if not isinstance(found, dict):
        raise MondayError(f"monday.com did not say what became of {field}.", hint="Look at the board.")
    return found
