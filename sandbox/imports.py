"""Bulk import: a job, an address to PUT the CSV to, the rows applied, a report."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from graphql import GraphQLError

from sandbox.cells import cell_of
from sandbox.clock import iso
from sandbox.errors import Refusal, refusal
from sandbox.models import ACTIVE, Board, Column, Group, Item, User
from sandbox.writing_values import Checked, check_name, check_one

UPLOAD_SECONDS = REPORT_SECONDS = 600
ROWS, FILE_BYTES = 10_000, 150_000_000
BACKFILL_ROWS = 20_000
JOBS_PER_HOUR = 100
RELATION_COLUMNS = 5
CLEAR = "<NULL>"


@dataclass
class Job:
    id: str
    board: Board
    group: Group
    on_match: dict[str, Any] | None
    user: User
    started: float
    silent: bool
    base_url: str
    status: str = "UPLOAD_PENDING"
    due: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(
        ("submitted", "invalid", "skipped", "created", "updated", "failed"), 0))
    failure: tuple[str, str] | None = None
    report: list[list[str]] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)


class Imports:
    MATCH_TYPES = {"name", "text", "long_text", "numbers", "email", "phone", "link", "date", "status"}

    def __init__(self, service: Any) -> None:
        self.service, self.world = service, service.world
        self.jobs: dict[str, Job] = {}
        self.bulk_jobs: dict[str, dict[str, Any]] = {}

    def start(self, board: Board, group: Group, on_match: dict[str, Any] | None, user: User, base_url: str,
              silent: bool) -> dict[str, Any]:
        now = self.world.clock.now()
        if sum(job.started > now - 3600 for job in self.jobs.values()) >= JOBS_PER_HOUR:
            raise refusal(429, "Rate limit exceeded", "RATE_LIMIT_EXCEEDED", retryAfterMs=60_000)
        job = Job(self.world.new_uuid(), board, group, on_match, user, now, silent, base_url)
        self.jobs[job.id] = job
        return {"job_id": job.id, "upload_url": f"{base_url}/uploads/{job.id}?signature={self.world.new_uuid()}"}

    def bulk_done(self, total: int, succeeded: int) -> str:
        id, now = self.world.new_uuid(), iso(self.world.clock.now())
        result = {"total": total, "succeeded": succeeded, "failed": total - succeeded, "details": None}
        self.bulk_jobs[id] = {"id": id, "status": "COMPLETED", "created_at": now, "updated_at": now, "error": None,
                              "result": result}
        return id

    # the upload

    def upload(self, job_id: str, headers: dict[str, str], body: bytes) -> None:
        """Like a signed storage address: text/csv and nothing else, in time, once."""
        job = self.jobs.get(job_id)
        if job is None or job.status != "UPLOAD_PENDING":
            raise Refusal(403, "<Error><Code>AccessDenied</Code></Error>")
        if self.world.clock.now() - job.started > UPLOAD_SECONDS:
            raise Refusal(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
        amazon = [name for name in headers if name.lower().startswith("x-amz-")]
        if amazon or headers.get("content-type", "").split(";")[0].strip() != "text/csv":
            raise Refusal(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>")
        job.status, job.due = "PROCESSING", self.world.clock.now() + self.world.switches.import_seconds
        problem = self._read(job, body)
        if problem:
            job.status, job.failure = ("REJECTED" if problem[0] == "INVALID_UPLOAD" else "FAILED"), problem

    def _read(self, job: Job, body: bytes) -> tuple[str, str] | None:
        if len(body) > FILE_BYTES:
            return "FILE_TOO_LARGE", "The file is larger than 150 MB"
        try:
            lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
        except (UnicodeDecodeError, csv.Error) as exc:
            return "INVALID_UPLOAD", str(exc)
        if not lines or lines[0][:1] != ["name"]:
            return "INVALID_UPLOAD", "The first header must be name"
        header = lines[0]
        unknown = [h for h in header if h not in job.board.columns]
        if unknown or len(set(header)) != len(header):
            return "INVALID_UPLOAD", f"Unknown or repeated columns: {', '.join(unknown)}"
        if job.on_match and job.on_match["match_column_id"] not in header:
            return "INVALID_UPLOAD", "The match column is not in the file"
        if sum(job.board.columns[h].type == "board_relation" for h in header) > RELATION_COLUMNS:
            return "INVALID_UPLOAD", f"More than {RELATION_COLUMNS} relation columns"
        if len(lines) - 1 > (BACKFILL_ROWS if job.silent else ROWS):
            return "INVALID_UPLOAD", "Too many rows"
        job.rows = [dict(zip(header, line)) for line in lines[1:] if line]
        job.counts["submitted"] = len(job.rows)
        return None

    # the work, done when somebody looks after it is due

    def settle(self) -> None:
        for job in self.jobs.values():
            if job.status == "PROCESSING" and self.world.clock.now() >= job.due:
                self._run(job)

    def _run(self, job: Job) -> None:
        active = sum(i.state == ACTIVE for i in job.board.items.values())
        known, last = self._known(job), self._last_rows(job)
        fresh = sum(1 for n, row in enumerate(job.rows) if self._match(job, row) not in known or not job.on_match)
        if active + fresh > job.board.items_limit:
            job.failure = ("BOARD_CAPACITY_EXCEEDED", "The board would be over its items limit")
            if not self.world.switches.import_until_full:
                job.status = "FAILED"
                return
        for number, row in enumerate(job.rows[:max(0, job.board.items_limit - active)] if job.failure else job.rows):
            superseded = bool(job.on_match) and last.get(self._match(job, row)) != number
            self._apply(job, number, row, known, superseded)
        job.status = "FAILED" if job.failure else "COMPLETED"

    def _match(self, job: Job, row: dict[str, str]) -> str:
        return row[job.on_match["match_column_id"]] if job.on_match else ""

    def _last_rows(self, job: Job) -> dict[str, int]:
        """Several rows with one key: the last wins."""
        return {self._match(job, row): number for number, row in enumerate(job.rows)}

    def _known(self, job: Job) -> dict[str, Item]:
        """Items of the whole board by their key; of several with one key, the one created most recently."""
        if not job.on_match:
            return {}
        column = job.board.columns[job.on_match["match_column_id"]]
        found: dict[str, Item] = {}
        for item in sorted(job.board.items.values(), key=lambda i: (i.created_at, i.id)):
            key = item.name if column.type == "name" else key_of(cell_of(self.world, job.user, item, column))
            if item.state == ACTIVE and key:
                found[key] = item
        return found

    def _apply(self, job: Job, number: int, row: dict[str, str], known: dict[str, Item], superseded: bool) -> None:
        key = self._match(job, row)
        item = known.get(key) if key else None
        if superseded and key:
            return self._note(job, number, "skipped", "A later row has the same key")
        if item is not None and job.on_match and job.on_match["behaviour"] == "SKIP":
            return self._note(job, number, "skipped", "Matched", item)
        try:
            checked = self._check(job, row, item)
        except GraphQLError as exc:
            return self._note(job, number, "invalid", exc.message)
        self._store(job, number, item, checked)

    def _check(self, job: Job, row: dict[str, str], item: Item | None) -> Checked:
        call = SimpleNamespace(world=self.world, user=job.user)
        checked = Checked()
        for column_id, text in row.items():
            column = job.board.columns[column_id]
            if column.type == "name":
                checked.name = check_name(text) if text or item is None else None
            elif text == CLEAR:
                checked.cells[column_id] = None
            elif text != "":
                sent = sent_by_csv(column, text, self.world)
                checked.cells[column_id] = check_one(call, column, item, sent, False, checked, True)  # type: ignore[arg-type]
        return checked

    def _store(self, job: Job, number: int, item: Item | None, checked: Checked) -> None:
        edits = self.service.edits if not job.silent else self.service.silent_edits
        if item is None:
            item = edits.create(job.board, job.group.id, checked.name or "", checked.cells, job.user.id)
            return self._note(job, number, "created", "", item)
        if checked.name and checked.name != item.name:
            edits.rename(item, checked.name, job.user.id)
        edits.change(item, checked.cells, job.user.id)
        self._note(job, number, "updated", "", item)

    def _note(self, job: Job, number: int, result: str, message: str, item: Item | None = None) -> None:
        job.counts[result] += 1
        job.report.append([str(number + 1), result, message, str(item.id) if item else ""])

    # what is told of it

    def status(self, job_id: str) -> dict[str, Any] | None:
        self.settle()
        job = self.jobs.get(job_id)
        if job is None:
            return None
        done = job.status == "COMPLETED"
        return {
            "__typename": "ItemsJobStatus", "status": job.status,
            "counts": job.counts if self.world.switches.import_counts else None,
            "progress_percentage": 100 if done else 0, "report_created": done,
            "failure_reason": job.failure[0] if job.failure else None,
            "failure_message": job.failure[1] if job.failure else None,
            "fully_imported": done and not job.counts["invalid"] + job.counts["failed"],
            "report_url": f"{job.base_url}/reports/{job.id}" if done else None,
        }

    def report(self, job_id: str) -> str:
        """The reference promises per-row results and no item ids, so ids come only when the switch says so."""
        job = self.jobs.get(job_id)
        if job is None or job.status != "COMPLETED" or self.world.clock.now() > job.due + REPORT_SECONDS:
            raise Refusal(403, "<Error><Code>AccessDenied</Code></Error>")
        with_ids, out = self.world.switches.report_item_ids, io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["row", "status", "message", *(["item_id"] if with_ids else [])])
        writer.writerows(line if with_ids else line[:3] for line in job.report)
        return out.getvalue()


def key_of(cell: Any) -> str:
    if cell.datum is None:
        return ""
    return str(cell.datum[0]) if cell.column.type in ("email", "link", "phone", "date") else (cell.text() or "")


def sent_by_csv(column: Column, text: str, world: Any) -> Any:
    """A CSV cell in the form that a mutation would take."""
    kind = column.type
    if kind == "people":
        return {"personsAndTeams": [csv_person(one.strip(), world) for one in text.split(",")]}
    if kind == "timeline":
        first, _, last = text.partition("/")
        return {"from": first, "to": last}
    if kind == "location":
        lat, lng, address = (text.split("|", 2) + ["", ""])[:3]
        return {"lat": lat, "lng": lng, "address": address}
    if kind == "checkbox":
        return {"checked": "true"} if text.lower() in ("true", "yes", "1", "v", "checked") else None
    if kind == "board_relation":
        return {"item_ids": [csv_link(one.strip(), column, world) for one in text.split(",")]}
    if kind in ("status", "dropdown"):
        return {"label": text} if kind == "status" else {"labels": [one.strip() for one in text.split(",")]}
    if kind == "email":
        return {"email": text, "text": text}
    if kind == "rating":
        return {"rating": text}
    if kind == "phone" and re.fullmatch(r"\+1\d{10}", text):
        return {"phone": text, "countryShortName": "US"}
    return text


def csv_person(text: str, world: Any) -> dict[str, Any]:
    word, _, number = text.partition(":")
    if word in ("user", "team") and number:
        return {"id": number, "kind": "team" if word == "team" else "person"}
    found = next((u.id for u in world.users.values() if u.email.casefold() == text.casefold()), 0)
    return {"id": found, "kind": "person"}


def csv_link(text: str, column: Column, world: Any) -> int | str:
    """An item id, `board:item`, or the name of an item on a connected board."""
    number = text.rpartition(":")[2]
    if number.isdecimal():
        return number
    boards = [world.boards[int(b)] for b in column.settings.get("boardIds", []) if int(b) in world.boards]
    return next((i.id for b in boards for i in b.items.values() if i.name == text and i.state == ACTIVE), text)
