"""Resolvers of boards and their activity logs."""

from __future__ import annotations

from typing import Any

from sandbox.call import number, numbers
from sandbox.cells import encode
from sandbox.clock import iso, parse_iso
from sandbox.errors import MondayError, bad_argument
from sandbox.models import ACTIVE, Board, Column, Group, LogEntry
from sandbox.reading_items import board_page, call_of, paged, updates_where, user_by

BOARDS_PER_PAGE = 500
LOG_ROWS_REACHABLE = 10_000


def boards(_: Any, info: Any, ids: list[Any] | None = None, limit: int | None = 25, page: int | None = 1,
           state: str | None = "active", board_kind: str | None = None, workspace_ids: list[Any] | None = None,
           order_by: str | None = None, hierarchy_types: list[str] | None = None, **__: Any) -> list[Board]:
    """A board that the token cannot see is simply absent."""
    call = call_of(info)
    wanted, hidden, spaces = numbers(ids), call.hidden_boards(), numbers(workspace_ids)
    rows = [
        b for b in call.world.boards.values()
        if b.id not in hidden and (wanted is None or b.id in wanted) and state in ("all", None, b.state)
        and (board_kind is None or b.kind == board_kind)
        and (spaces is None or b.workspace_id in spaces) and (hierarchy_types is None or "classic" in hierarchy_types)
    ]
    rows.sort(key=lambda b: b.updated_at if order_by == "used_at" else b.created_at, reverse=True)
    return paged(rows, 25 if limit is None else limit, page or 1, BOARDS_PER_PAGE)


def columns(board: Board, info: Any, ids: list[str] | None = None, types: list[str] | None = None,
            capabilities: Any = None) -> list[Column]:
    return [c for c in board.columns.values()
            if (ids is None or c.id in ids) and (types is None or c.type in types)]


def groups(board: Board, info: Any, ids: list[str] | None = None) -> list[Group]:
    rows = [g for g in board.groups.values() if g.state == ACTIVE and (ids is None or g.id in ids)]
    return sorted(rows, key=lambda g: g.position)


def items_count(board: Board, info: Any) -> int:
    world = call_of(info).world
    return len(world.listed(board, lagging=True)) if world.switches.lag_seconds else len(board.active_items())


def activity_logs(board: Board, info: Any, limit: int | None = 25, page: int | None = 1, **wanted: Any) -> list[LogEntry]:
    """Newest first; not more than 10,000 rows of one filter can be reached."""
    world = call_of(info).world
    if not world.switches.logs_allowed:
        raise MondayError("USER_UNAUTHORIZED", "User unauthorized to perform action")
    shown = world.clock.now() - world.switches.lag_seconds
    limit, page = 25 if limit is None else limit, page or 1
    if limit < 1 or page < 1:
        raise bad_argument("limit and page must be positive")
    rows = [e for e in reversed(board.log) if e.created_at <= shown and entry_fits(e, wanted)][:LOG_ROWS_REACHABLE]
    return rows[(page - 1) * limit:page * limit]


def entry_fits(entry: LogEntry, wanted: dict[str, Any]) -> bool:
    start, end = wanted.get("from"), wanted.get("to")
    if start and entry.created_at < parse_iso(start) or end and entry.created_at > parse_iso(end):
        return False
    pulses = {str(entry.data.get("pulse_id")), str(entry.data.get("item_id"))}
    return (
        not ((ids := wanted.get("item_ids")) and not pulses & {str(i) for i in ids})
        and not ((ids := wanted.get("column_ids")) and entry.data.get("column_id") not in ids)
        and not ((ids := wanted.get("group_ids")) and entry.data.get("group_id") not in ids)
        and not ((ids := wanted.get("user_ids")) and str(entry.user_id) not in {str(i) for i in ids})
    )


def ticks(moment: float) -> str:
    """17 digits: hundreds of nanoseconds since 1970."""
    return str(int(moment * 1_000_000) * 10)


def board_tags(board: Board, info: Any) -> list[Any]:
    world = call_of(info).world
    used = {n for c in board.columns.values() if c.type == "tags"
            for item in board.items.values() for n in item.cells.get(c.id) or ()}
    return [t for t in world.tags.values() if t.id in used]


def board_url(board: Board, info: Any) -> str:
    return f"https://{call_of(info).world.account.slug}.monday.com/boards/{board.id}"


def owner_list(board: Board, info: Any) -> list[Any]:
    return [call_of(info).world.users[board.creator_id]]


BOARD_FIELDS: dict[str, dict[str, Any]] = {
    "Query": {"boards": boards},
    "Board": {
        "access_level": lambda b, i: "edit", "activity_logs": activity_logs, "board_folder_id": lambda b, i: None,
        "board_kind": lambda b, i: b.kind, "columns": columns, "created_at": lambda b, i: iso(b.created_at),
        "creator": user_by(lambda b: b.creator_id), "description": lambda b, i: b.description, "groups": groups,
        "hierarchy_type": lambda b, i: "classic", "id": lambda b, i: str(b.id),
        "item_terminology": lambda b, i: "Item", "items_count": items_count, "items_page": board_page,
        "owners": owner_list, "permissions": lambda b, i: "everyone", "subscribers": owner_list, "tags": board_tags,
        "top_group": lambda b, i: b.top_group(), "updated_at": lambda b, i: iso(b.updated_at),
        "updates": lambda b, i, limit=25, page=1, ids=None, **_: updates_where(
            call_of(i), lambda u: u.board_id == b.id, limit, page, ids),
        "url": board_url, "workspace": lambda b, i: call_of(i).world.workspaces.get(b.workspace_id or 0),
        "workspace_id": lambda b, i: b.workspace_id and str(b.workspace_id),
    },
    "ActivityLogType": {
        "account_id": lambda e, i: str(call_of(i).world.account.id), "created_at": lambda e, i: ticks(e.created_at),
        "data": lambda e, i: encode(e.data), "user_id": lambda e, i: str(e.user_id),
    },
}


def webhooks(_: Any, info: Any, board_id: Any, app_webhooks_only: bool = False) -> list[Any]:
    world = call_of(info).world
    return [w for w in world.webhooks.values()
            if w.board_id == number(board_id) and (w.by_app or not app_webhooks_only)]


BOARD_FIELDS["Query"]["webhooks"] = webhooks
BOARD_FIELDS["Webhook"] = {
    "id": lambda w, i: str(w.id), "board_id": lambda w, i: str(w.board_id),
    "config": lambda w, i: encode(w.config) if w.config else None,
}
