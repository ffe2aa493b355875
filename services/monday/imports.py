"""Imports many rows at once: opens a job, uploads its rows as a CSV file, and waits until monday.com has taken them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from msgspec import Struct, field

from config.hiding import Hiding
from errors import MondayError, MondayRefused, MondayUnavailable, RecordRefused, Trace
from services.monday.answers import JobJson, answered
from services.monday.calls import Caller
from services.monday.failures import Failure
from services.monday.queries import FETCH_JOB_STATUS, INGEST_ITEMS

ROWS_PER_IMPORT = 10_000
SECONDS_BETWEEN_LOOKS = 10.0
TRIES_OF_AN_UPLOAD = 5


class ImportJob(Hiding, Struct, frozen=True):
    """Describes a bulk import: its state by monday.com's last answer."""

    HIDDEN: ClassVar = frozenset({"upload_url"})

    job_id: str
    status: str = "UPLOAD_PENDING"
    counts: Mapping[str, int] = field(default_factory=dict)
    report_url: str | None = None
    upload_url: str | None = None


class Imports:
    """Runs bulk imports."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def start(
        self,
        board_id: str | int,
        group_id: str,
        match_column_id: str,
        behaviour: str = "UPSERT",
        key: str | None = None,
    ) -> ImportJob:
        """Opens an import: rows with a known text in the match column change its item, others make an item.

        Nothing happens until its rows are uploaded, so the job's id can be kept before anything is made.
        """
        match = {"match_column_id": match_column_id, "behaviour": behaviour}
        variables = {"board": str(board_id), "group": group_id, "match": match}
        started = answered(self._caller.run(INGEST_ITEMS, variables, key), "ingest_items")
        return ImportJob(started["job_id"], upload_url=started["upload_url"])

    def upload(self, job: ImportJob, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Hands up to 10,000 rows to an import. `header` is `name`, then column ids.

        An empty cell leaves the value as it is, `<NULL>` clears it. What happens is told by `wait_for`.
        """
        body = csv_bytes(header, rows)
        for attempt in range(TRIES_OF_AN_UPLOAD):
            status = self._caller.line.wire.put(str(job.upload_url), body)
            if status and status < 300:
                return
            if status in (401, 403):
                raise MondayRefused("The upload of rows was refused.", trace=Trace(status))
            self._caller.pauses.before_retry(attempt, "network" if not status else "gateway")
        raise MondayUnavailable("The rows could not be uploaded.", trace=Trace(status))

    def status(self, job_id: str) -> ImportJob:
        """Returns how far an import is. An import that failed or was rejected is an error with its reason."""
        data = self._caller.run(FETCH_JOB_STATUS, {"job": job_id})
        found: JobJson = data.get("fetch_job_status") or JobJson()
        status = found.get("status") or "UPLOAD_PENDING"
        if status in ("FAILED", "REJECTED"):
            code = str(found.get("failure_reason") or "")
            reason = str(found.get("failure_message") or code or "no reason given")
            told = self._caller.line.wire.masking.failure(Failure(200, code, reason, error_data=dict(found)))
            raise RecordRefused(
                f"monday.com did not import the rows: {told.message}.", code=told.code, error_data=dict(told.error_data)
            )
        return ImportJob(job_id, status, found.get("counts") or {}, found.get("report_url"))

    def wait_for(self, job: ImportJob, at_most: float = 3600.0) -> ImportJob:
        """Returns the import when it is finished; looks at it about every ten seconds."""
        clock = self._caller.line.clock
        until = clock.monotonic() + at_most
        while clock.monotonic() < until:
            job = self.status(job.job_id)
            if job.status == "COMPLETED":
                return job
            self._caller.pauses.wait(SECONDS_BETWEEN_LOOKS, "job")
        raise MondayUnavailable(f"The import {job.job_id} did not finish within {at_most:.0f} s.")


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Writes the CSV file of an import."""
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
