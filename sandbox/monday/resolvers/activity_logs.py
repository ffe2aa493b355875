"""Resolves the activity logs of boards."""

from __future__ import annotations

from sandbox.common.clock import parse_iso
from sandbox.common.json_text import JsonObject, encode
from sandbox.monday.account.models import Board, LogEntry
from sandbox.monday.errors import bad_argument, unauthorized
from sandbox.monday.graph.call import Info
from sandbox.monday.resolvers.fields import Fields

LOG_ROWS_REACHABLE = 10_000


def activity_logs(
    board: Board, info: Info, limit: int | None = 25, page: int | None = 1, **wanted: object
) -> list[LogEntry]:
    """Lists the newest first; not more than 10,000 rows of one filter can be reached."""
    world = info.context.world
    if not world.switches.logs_allowed:
        raise unauthorized()
    shown = world.clock.now() - world.switches.lag_seconds
    limit, page = 25 if limit is None else limit, page or 1
    if limit < 1 or page < 1:
        raise bad_argument("limit and page must be positive")
    found = [entry for entry in reversed(board.log) if entry.created_at <= shown and fits(entry, wanted)]
    return found[:LOG_ROWS_REACHABLE][(page - 1) * limit : page * limit]


def fits(entry: LogEntry, wanted: JsonObject) -> bool:
    start, end = wanted.get("from"), wanted.get("to")
    if start and entry.created_at < parse_iso(start) or end and entry.created_at > parse_iso(end):
        return False
    data = entry.data
    return (
        is_among({str(data.get("pulse_id")), str(data.get("item_id"))}, wanted.get("item_ids"))
        and is_among({str(data.get("column_id"))}, wanted.get("column_ids"))
        and is_among({str(data.get("group_id"))}, wanted.get("group_ids"))
        and is_among({str(entry.user_id)}, wanted.get("user_ids"))
    )


def is_among(found: set[str], wanted: list[str | int] | None) -> bool:
    return not wanted or bool(found & {str(id) for id in wanted})


def ticks(moment: float) -> str:
    """Writes a moment in 17 digits: hundreds of nanoseconds since 1970."""
    return str(int(moment * 1_000_000) * 10)


LOG_FIELDS: Fields = {
    "ActivityLogType": {
        "account_id": lambda entry, info: str(info.context.world.account.id),
        "created_at": lambda entry, info: ticks(entry.created_at),
        "data": lambda entry, info: encode(entry.data),
        "user_id": lambda entry, info: str(entry.user_id),
    },
}
