"""What surrounds the items: the token's user, boards and their columns, users, tags, webhooks, logs, imports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from errors import MondayError, MondayRefused, MondayUnavailable, RecordRefused
from models import Board, BoardColumn
from services.monday.calls import Conversation
from services.monday.failures import gravest
from services.monday.pages import not_visible
from services.monday.queries import (
    ACTIVITY_LOGS,
    BOARD_LIST,
    BOARD_MARKS,
    BOARDS,
    BOARDS_BEFORE_2026_04,
    CREATE_COLUMN,
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    FETCH_JOB_STATUS,
    INGEST_ITEMS,
    ME,
    ME_ALONE,
    PLATFORM_BUDGET,
    TAGS,
    TEAMS,
    USERS,
    USERS_BEFORE_2026_07,
    WEBHOOKS,
    Request,
)
from services.monday.writes import json_text

BOARDS_PER_CALL = 100
USERS_PER_PAGE = 1000
LOGS_PER_PAGE = 1000
LOGS_PER_FILTER = 10_000
ROWS_PER_IMPORT = 10_000
SECONDS_BETWEEN_LOOKS = 10.0


@dataclass(frozen=True, slots=True)
class Me:
    """Whom the token belongs to; what it may not read of the account is empty."""

    id: str
    name: str
    account_slug: str = ""
    plan_tier: str = ""


@dataclass(frozen=True, slots=True)
class PlatformBudget:
    """The plan's calls a day, and how many were used today; None where the token may not see it."""

    base: int | None
    total: int | None
    used_today: float | None


@dataclass(frozen=True, slots=True)
class ImportJob:
    """A bulk import: its state as monday.com last told it."""

    job_id: str
    status: str = "UPLOAD_PENDING"
    counts: Mapping[str, int] = field(default_factory=dict)
    report_url: str | None = None
    upload_url: str | None = field(default=None, repr=False)


class AccountReads(Conversation):
    """The part of the client that reads everything but items."""

    def me(self) -> Me:
        """The token's user; the cheapest way to see whether the token is good."""
        answer = self._caller.call(Request(ME))
        if any(failure.path[:2] == ("me", "account") for failure in answer.failures) and not (answer.data or {}).get(
            "me"
        ):
            answer = self._caller.call(Request(ME_ALONE))
        me = (answer.data or {}).get("me")
        if not me:
            raise gravest(answer.failures).exception() if answer.failures else MondayRefused("The token has no user.")
        account = me.get("account") or {}
        plan = account.get("plan") or {}
        return Me(me["id"], me.get("name") or "", account.get("slug") or "", plan.get("tier") or "")

    def board(self, board_id: str | int) -> Board:
        """One board with its columns and groups."""
        return self.boards([board_id])[0]

    def boards(self, ids: Iterable[str | int]) -> list[Board]:
        """Boards in the order asked for. monday.com leaves out what it does not show; the error names it."""
        wanted = [str(board_id) for board_id in ids]
        text = BOARDS if self.version >= "2026-04" else BOARDS_BEFORE_2026_04
        found: dict[str, Board] = {}
        distinct = list(dict.fromkeys(wanted))
        for start in range(0, len(distinct), BOARDS_PER_CALL):
            chunk = distinct[start : start + BOARDS_PER_CALL]
            rows = self.run(text, {"ids": chunk, "limit": len(chunk)}).get("boards") or ()
            found |= {raw["id"]: board_from(raw) for raw in rows if raw}
        if missing := [board_id for board_id in distinct if board_id not in found]:
            raise not_visible(missing)
        return [found[board_id] for board_id in wanted]

    def board_list(self) -> Iterator[dict[str, Any]]:
        """All boards that the token can see, without their columns."""
        return self._by_number("boards", BOARD_LIST, BOARDS_PER_CALL)

    def board_marks(self, ids: Sequence[str | int]) -> dict[str, tuple[str | None, int | None]]:
        """Update time and item count of boards: when both are as they were, little can have changed."""
        marks: dict[str, tuple[str | None, int | None]] = {}
        for start in range(0, len(ids), BOARDS_PER_CALL):
            chunk = [str(board_id) for board_id in ids[start : start + BOARDS_PER_CALL]]
            rows = self.run(BOARD_MARKS, {"ids": chunk, "limit": len(chunk)}).get("boards") or ()
            marks |= {row["id"]: (row["updated_at"], row["items_count"]) for row in rows if row}
        return marks

    def users(self) -> list[dict[str, Any]]:
        """All users, also those who left: they stay in the cells they were put into."""
        text = USERS if self.version >= "2026-07" else USERS_BEFORE_2026_07
        return list(self._by_number("users", text, USERS_PER_PAGE))

    def teams(self) -> list[dict[str, Any]]:
        """All teams with the ids of their members."""
        return [team for team in self.run(TEAMS).get("teams") or () if team]

    def tags(self) -> list[dict[str, Any]]:
        """The account's public tags."""
        return [tag for tag in self.run(TAGS).get("tags") or () if tag]

    def webhooks(self, board_id: str | int) -> list[dict[str, Any]]:
        """The webhooks of a board; their addresses are not told."""
        return [hook for hook in self.run(WEBHOOKS, {"board": str(board_id)}).get("webhooks") or () if hook]

    def platform_budget(self) -> PlatformBudget:
        """The plan's daily calls; how many were used is shown to administrators of larger plans only."""
        answer = self._caller.call(Request(PLATFORM_BUDGET))
        platform = (answer.data or {}).get("platform_api") or {}
        limit = platform.get("daily_limit") or {}
        days = (platform.get("daily_analytics") or {}).get("by_day") or ()
        today = f"{self._clock.now():%Y-%m-%d}"
        used = sum(float(day.get("usage") or 0) for day in days if str(day.get("day")).startswith(today))
        return PlatformBudget(limit.get("base"), limit.get("total"), used if days else None)

    def activity_logs(
        self, board_id: str | int, since: datetime, until: datetime | None = None, user_id: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """The log of a board (what one user did), newest first, each entry once, `data` decoded, `at` an instant."""
        seen: set[str] = set()
        bound = until or self.server_time()
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

    def _logs_of_filter(
        self, filters: dict[str, Any], since: datetime, until: datetime
    ) -> Iterator[dict[str, Any]]:
        """No more than 10,000 rows can be reached with one filter."""
        variables = {**filters, "from": iso(since), "to": iso(until + timedelta(seconds=1))}
        for page in range(1, LOGS_PER_FILTER // LOGS_PER_PAGE + 1):
            boards = self.run(ACTIVITY_LOGS, {**variables, "limit": LOGS_PER_PAGE, "page": page}).get("boards")
            if not boards or not boards[0]:
                raise not_visible(filters["board"])
            logs = boards[0]["activity_logs"]
            if logs is None:
                raise MondayRefused(f"The token may not read activity_logs of board {filters['board'][0]}.")
            yield from ({**row, "data": decoded(row["data"]), "at": ticks(row["created_at"])} for row in logs if row)
            if len(logs) < LOGS_PER_PAGE:
                return

    def _by_number(self, field: str, text: str, limit: int) -> Iterator[dict[str, Any]]:
        """Pages that are numbered; the last one is not full."""
        page = 1
        while rows := self.run(text, {"limit": limit, "page": page}).get(field):
            yield from (row for row in rows if row)
            if len(rows) < limit:
                return
            page += 1


class AccountWrites(Conversation):
    """The part of the client that changes what surrounds the items."""

    _put: Callable[[str, bytes], int]

    def create_column(
        self,
        board_id: str | int,
        title: str,
        column_type: str,
        *,
        column_id: str | None = None,
        description: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> BoardColumn:
        """A new column; an own id can never be used again on that board, not even after the column is gone."""
        optional = {"id": column_id, "description": description, "defaults": json_text(defaults) if defaults else None}
        variables = {"board": str(board_id), "title": title, "type": column_type}
        variables |= {name: value for name, value in optional.items() if value is not None}
        return column_from(_told(self.run(CREATE_COLUMN, variables, idempotency_key=key), "create_column"))

    def create_webhook(
        self, board_id: str | int, url: str, event: str, config: Mapping[str, Any] | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """A subscription; monday.com calls `url` with a challenge before this returns."""
        variables: dict[str, Any] = {"board": str(board_id), "url": url, "event": event}
        if config:
            variables["config"] = json_text(config)
        return dict(_told(self.run(CREATE_WEBHOOK, variables, idempotency_key=key), "create_webhook"))

    def delete_webhook(self, webhook_id: str | int, key: str | None = None) -> None:
        """End a subscription."""
        self.run(DELETE_WEBHOOK, {"id": str(webhook_id)}, idempotency_key=key)

    def start_import(
        self, board_id: str | int, group_id: str, match_column_id: str, *, behaviour: str = "UPSERT",
        key: str | None = None,
    ) -> ImportJob:
        """Open a bulk import: rows with a known text in the match column change its item, others make one.

        Nothing happens until its rows are uploaded, so the job's id can be kept before anything is made.
        """
        match = {"match_column_id": match_column_id, "behaviour": behaviour}
        variables = {"board": str(board_id), "group": group_id, "match": match}
        started = _told(self.run(INGEST_ITEMS, variables, idempotency_key=key), "ingest_items")
        return ImportJob(started["job_id"], upload_url=started["upload_url"])

    def upload_rows(self, job: ImportJob, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Hand up to 10,000 rows to an import. `header` is `name`, then column ids.

        An empty cell leaves the value as it is, `<NULL>` clears it. What happens is told by `wait_for_import`.
        """
        self._upload(str(job.upload_url), csv_bytes(header, rows))

    def _upload(self, url: str, body: bytes) -> None:
        for attempt in range(5):
            status = self._put(url, body)
            if status and status < 300:
                return
            if status in (401, 403):
                raise MondayRefused("The upload of rows was refused.", http_status=status)
            self._caller.pause(attempt, "network" if not status else "gateway")
        raise MondayUnavailable("The rows could not be uploaded.", http_status=status)

    def import_status(self, job_id: str) -> ImportJob:
        """How far an import is. One that failed or was rejected is an error with its reason."""
        told = self.run(FETCH_JOB_STATUS, {"job": job_id}).get("fetch_job_status") or {}
        status = told.get("status") or "UPLOAD_PENDING"
        if status in ("FAILED", "REJECTED"):
            reason = told.get("failure_message") or told.get("failure_reason") or "no reason given"
            raise RecordRefused(
                f"monday.com did not import the rows: {reason}.", code=told.get("failure_reason") or "", error_data=told
            )
        return ImportJob(job_id, status, told.get("counts") or {}, told.get("report_url"))

    def wait_for_import(self, job: ImportJob, *, at_most: float = 3600.0) -> ImportJob:
        """The import when it is finished; looked at about every ten seconds."""
        until = self._clock.monotonic() + at_most
        while self._clock.monotonic() < until:
            job = self.import_status(job.job_id)
            if job.status == "COMPLETED":
                return job
            self._caller.wait(SECONDS_BETWEEN_LOOKS, "job")
        raise MondayUnavailable(f"The import {job.job_id} did not finish within {at_most:.0f} s.")


def board_from(raw: Mapping[str, Any]) -> Board:
    """A board from its JSON. A list that the token may not read comes as null, which must not look like none."""
    for name in ("columns", "groups"):
        if raw.get(name) is None:
            raise MondayRefused(
                f"The token may not read {name} of board {raw['id']}.",
                hint="Give its user the right to view the board.",
                path=("boards", 0, name),
            )
    return Board(
        id=raw["id"],
        name=raw["name"],
        columns=tuple(column_from(column) for column in raw["columns"] if column and not column.get("archived")),
        groups=tuple((group["id"], group["title"]) for group in raw["groups"] if group and not group.get("deleted")),
        items_count=raw.get("items_count"),
        updated_at=raw.get("updated_at"),
        state=raw.get("state") or "active",
        items_limit=raw.get("items_limit"),
    )


def column_from(raw: Mapping[str, Any]) -> BoardColumn:
    """A column from its JSON; its settings come as an object or as a text that holds one."""
    return BoardColumn(raw["id"], raw["title"], raw["type"], decoded(raw.get("settings")))


def decoded(value: Any) -> dict[str, Any]:
    """JSON that may or may not have been decoded already; anything but an object is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def ticks(text: str) -> datetime:
    """The instant of a log entry: 17 digits, units of 100 ns since 1970."""
    return datetime.fromtimestamp(int(text) / 10_000_000, timezone.utc)


def iso(when: datetime) -> str:
    """An instant as monday.com writes it."""
    return f"{when.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A CSV file for the bulk import."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    if count > ROWS_PER_IMPORT:
        raise MondayError(f"One import takes {ROWS_PER_IMPORT:,} rows, not {count:,}.")
    return text.getvalue().encode()


def _told(data: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """What a mutation answered; null without an error means that nobody knows."""
    told = data.get(field)
    if not isinstance(told, dict):
        raise MondayError(f"monday.com did not say what became of {field}.", hint="Look at the board.")
    return told
