"""Reads and changes all except the items: the token's user, boards and their columns, users, tags, webhooks, logs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from msgspec import Struct

from errors import MondayRefused
from models import Board, BoardColumn
from services.monday.agents import KINDS_SINCE, explained
from services.monday.answers import (
    BoardJson,
    BoardListed,
    ColumnJson,
    LogJson,
    TagJson,
    TeamJson,
    UserJson,
    WebhookJson,
    answered,
)
from services.monday.calls import Caller
from services.monday.failures import gravest
from services.monday.pages import not_visible
from services.monday.queries import (
    ACCESS,
    ACTIVITY_LOGS,
    BOARD_LIST,
    BOARD_MARKS,
    BOARDS,
    BOARDS_BEFORE_2026_04,
    CREATE_COLUMN,
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    ME,
    ME_ALONE,
    PLATFORM_BUDGET,
    TAGS,
    TEAMS,
    USERS,
    USERS_BEFORE_2026_07,
    WEBHOOKS,
    WHOSE,
    WHOSE_BEFORE_2026_07,
    Request,
)
from services.monday.writes import json_text
from values.slices import batched
from values.wording import day_text, utc_text

BOARDS_PER_CALL = 100
USERS_PER_PAGE = 1000
LOGS_PER_PAGE = 1000
LOGS_PER_FILTER = 10_000
KINDS = ("admin", "guest", "view_only")
"""Kinds of user that older versions of the API tell one by one."""


class Me(Struct, frozen=True):
    """Names the user of the token; what it may not read of the account is empty."""

    id: str
    name: str
    account_slug: str = ""
    plan_tier: str = ""


class Whose(Struct, frozen=True):
    """Says whose key the token is, what kind of user that is, and in which version monday.com answered."""

    name: str
    kind: str
    account: str = ""
    version: str = ""


class PlatformBudget(Struct, frozen=True):
    """Holds the plan's calls a day, and how many were used today; None where the token may not see it."""

    base: int | None
    total: int | None
    used_today: float | None


class NewColumn(Struct, frozen=True):
    """Describes a column to be made."""

    title: str
    type: str
    id: str | None = None
    """Can never be used again on that board, not even after the column is gone. None: monday.com makes one."""
    description: str | None = None
    defaults: Mapping[str, Any] | None = None


class Account:
    """Reads and changes all except the items."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    # -- the account ------------------------------------------------------------------------------------------------

    def me(self) -> Me:
        """Returns the token's user; the cheapest call that shows whether the token is valid."""
        answer = self._caller.call(Request(ME))
        may_not_read_account = any(failure.path[:2] == ("me", "account") for failure in answer.failures)
        if may_not_read_account and not (answer.data or {}).get("me"):
            answer = self._caller.call(Request(ME_ALONE))
        me = (answer.data or {}).get("me")
        if not me:
            raise gravest(answer.failures).exception() if answer.failures else MondayRefused("The token has no user.")
        account = me.get("account") or {}
        plan = account.get("plan") or {}
        return Me(me["id"], me.get("name") or "", account.get("slug") or "", plan.get("tier") or "")

    def whose(self) -> Whose:
        """Returns whose key it is. What the token may not read of the account is empty."""
        since_kinds = self._caller.line.version >= KINDS_SINCE
        answer = self._caller.call(Request(WHOSE if since_kinds else WHOSE_BEFORE_2026_07))
        data = answer.data or {}
        me = data.get("me")
        if not me and any(failure.path[:2] == ("me", "account") for failure in answer.failures):
            me = (self._caller.call(Request(ME_ALONE)).data or {}).get("me")
        if not me:
            raise gravest(answer.failures).exception() if answer.failures else MondayRefused("The token has no user.")
        kind = me.get("kind") or next((kind for kind in KINDS if me.get(f"is_{kind}")), "member")
        version = str((data.get("version") or {}).get("value") or "")
        account = (me.get("account") or {}).get("slug") or ""
        return Whose(me.get("name") or "", kind, account, version)

    def access_to(self, ids: Sequence[str]) -> dict[str, str]:
        """Returns what the token may do with each board: `edit` or `view`; a board that it cannot see is left out."""
        rows = self._caller.run(ACCESS, {"ids": list(ids), "limit": len(ids)}).get("boards") or ()
        return {str(row["id"]): str(row.get("access_level") or "") for row in rows if row}

    def users(self) -> list[UserJson]:
        """Returns all users, also those who left: they stay in the cells they were put into."""
        text = USERS if self._caller.line.version >= "2026-07" else USERS_BEFORE_2026_07
        return list(self._by_number("users", text, USERS_PER_PAGE))

    def teams(self) -> list[TeamJson]:
        """Returns all teams with the ids of their members."""
        return [team for team in self._caller.run(TEAMS).get("teams") or () if team]

    def tags(self) -> list[TagJson]:
        """Returns the account's public tags."""
        return [tag for tag in self._caller.run(TAGS).get("tags") or () if tag]

    def platform_budget(self) -> PlatformBudget:
        """Returns the plan's daily calls; only administrators of larger plans see how many were used."""
        answer = self._caller.call(Request(PLATFORM_BUDGET))
        platform = (answer.data or {}).get("platform_api") or {}
        limit = platform.get("daily_limit") or {}
        days = (platform.get("daily_analytics") or {}).get("by_day") or ()
        today = day_text(self._caller.line.clock.now())
        used = sum(float(day.get("usage") or 0) for day in days if str(day.get("day")).startswith(today))
        return PlatformBudget(limit.get("base"), limit.get("total"), used if days else None)

    # -- boards -----------------------------------------------------------------------------------------------------

    def board(self, board_id: str | int) -> Board:
        """Returns a board with its columns and groups."""
        return self.boards([board_id])[0]

    def boards(self, ids: Iterable[str | int]) -> list[Board]:
        """Returns boards in the order asked for. monday.com leaves out what it does not show; the error names it."""
        wanted = [str(board_id) for board_id in ids]
        text = BOARDS if self._caller.line.version >= "2026-04" else BOARDS_BEFORE_2026_04
        found: dict[str, Board] = {}
        distinct = list(dict.fromkeys(wanted))
        for some in batched(distinct, BOARDS_PER_CALL):
            rows = self._caller.run(text, {"ids": some, "limit": len(some)}).get("boards") or ()
            found |= {row["id"]: board_from(row) for row in rows if row}
        if missing := [board_id for board_id in distinct if board_id not in found]:
            raise not_visible(missing)
        return [found[board_id] for board_id in wanted]

    def board_list(self) -> Iterator[BoardListed]:
        """Yields all boards that the token can see, without their columns."""
        return self._by_number("boards", BOARD_LIST, BOARDS_PER_CALL)

    def board_marks(self, ids: Sequence[str | int]) -> dict[str, tuple[str | None, int | None]]:
        """Returns update time and item count of boards: when both are as they were, little can have changed."""
        marks: dict[str, tuple[str | None, int | None]] = {}
        for some in batched([str(board_id) for board_id in ids], BOARDS_PER_CALL):
            rows = self._caller.run(BOARD_MARKS, {"ids": some, "limit": len(some)}).get("boards") or ()
            marks |= {row["id"]: (row["updated_at"], row["items_count"]) for row in rows if row}
        return marks

    def create_column(self, board_id: str | int, new: NewColumn, key: str | None = None) -> BoardColumn:
        """Makes a column on a board."""
        defaults = json_text(new.defaults) if new.defaults else None
        optional = {"id": new.id, "description": new.description, "defaults": defaults}
        variables = {"board": str(board_id), "title": new.title, "type": new.type}
        variables |= {name: value for name, value in optional.items() if value is not None}
        return column_from(answered(self._caller.run(CREATE_COLUMN, variables, key), "create_column"))

    def activity_logs(
        self, board_id: str | int, since: datetime, until: datetime | None = None, user_id: str | None = None
    ) -> Iterator[LogJson]:
        """Yields the log of a board (what one user did), newest first, each entry once."""
        seen: set[str] = set()
        bound = until or self._caller.line.server.now()
        filters = {"board": [str(board_id)], **({"users": [user_id]} if user_id else {})}
        while True:
            rows = 0
            for entry in self._logs_of_filter(filters, since, bound):
                rows += 1
                if entry["id"] not in seen:
                    seen.add(entry["id"])
                    bound = min(bound, entry["at"])
                    yield entry
            if rows < LOGS_PER_FILTER:
                return

    def _logs_of_filter(self, filters: dict[str, list[str]], since: datetime, until: datetime) -> Iterator[LogJson]:
        """Yields what can be reached with one filter: 10,000 rows."""
        variables = {**filters, "from": utc_text(since), "to": utc_text(until + timedelta(seconds=1))}
        for page in range(1, LOGS_PER_FILTER // LOGS_PER_PAGE + 1):
            boards = self._caller.run(ACTIVITY_LOGS, {**variables, "limit": LOGS_PER_PAGE, "page": page}).get("boards")
            if not boards or not boards[0]:
                raise not_visible(filters["board"])
            logs = boards[0]["activity_logs"]
            if logs is None:
                raise MondayRefused(f"The token may not read activity_logs of board {filters['board'][0]}.")
            for row in filter(None, logs):
                row |= {"data": decoded(row["data"]), "at": ticks(row["created_at"])}
                yield row
            if len(logs) < LOGS_PER_PAGE:
                return

    def _by_number(self, field: str, text: str, limit: int) -> Iterator[Any]:
        """Yields the rows of pages that are numbered; the last page is not full."""
        page = 1
        while rows := self._caller.run(text, {"limit": limit, "page": page}).get(field):
            yield from (row for row in rows if row)
            if len(rows) < limit:
                return
            page += 1

    # -- webhooks ---------------------------------------------------------------------------------------------------

    def webhooks(self, board_id: str | int) -> list[WebhookJson]:
        """Returns the webhooks of a board; monday.com does not tell their addresses."""
        return [hook for hook in self._caller.run(WEBHOOKS, {"board": str(board_id)}).get("webhooks") or () if hook]

    def create_webhook(
        self, board_id: str | int, url: str, event: str, config: Mapping[str, Any] | None = None, key: str | None = None
    ) -> WebhookJson:
        """Makes a subscription; monday.com calls `url` with a challenge before this returns."""
        variables = {"board": str(board_id), "url": url, "event": event}
        if config:
            variables["config"] = json_text(config)
        try:
            made: WebhookJson = answered(self._caller.run(CREATE_WEBHOOK, variables, key), "create_webhook")
        except MondayRefused as exc:
            raise explained(self._caller, exc, "make webhooks") from exc
        return made

    def delete_webhook(self, webhook_id: str | int, key: str | None = None) -> None:
        """Ends a subscription."""
        self._caller.run(DELETE_WEBHOOK, {"id": str(webhook_id)}, key)


# --- From JSON ------------------------------------------------------------------------------------------------------


def board_from(raw: BoardJson) -> Board:
    """Makes a board of its JSON. A list that the token may not read comes as null, which must not look like none."""
    columns, groups = raw.get("columns"), raw.get("groups")
    if columns is None or groups is None:
        name = "columns" if columns is None else "groups"
        raise MondayRefused(
            f"The token may not read {name} of board {raw['id']}.",
            hint="Give its user the right to view the board.",
            path=("boards", 0, name),
        )
    return Board(
        id=raw["id"],
        name=raw["name"],
        columns=tuple(column_from(column) for column in columns if column and not column.get("archived")),
        groups=tuple((group["id"], group["title"]) for group in groups if group and not group.get("deleted")),
        items_count=raw.get("items_count"),
        updated_at=raw.get("updated_at"),
        state=raw.get("state") or "active",
        items_limit=raw.get("items_limit"),
    )


def column_from(raw: ColumnJson) -> BoardColumn:
    """Makes a column of its JSON; its settings come as an object or as a text that holds it."""
    return BoardColumn(raw["id"], raw["title"], raw["type"], decoded(raw.get("settings")))


def decoded(value: object) -> dict[str, Any]:
    """Reads JSON that may have been decoded already; anything but an object is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def ticks(text: str) -> datetime:
    """Reads the instant of a log entry: 17 digits, units of 100 ns since 1970."""
    return datetime.fromtimestamp(int(text) / 10_000_000, timezone.utc)
