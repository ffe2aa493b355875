"""Takes the CSV file of an import, as a signed storage address would: in time, once, and nothing else."""

from __future__ import annotations

import csv
import io

from sandbox.common.clock import Clock
from sandbox.common.wire import Refusal
from sandbox.monday.imports.job import Job, Order

UPLOAD_SECONDS = 600
ROWS, FILE_BYTES = 10_000, 150_000_000
BACKFILL_ROWS = 20_000
RELATION_COLUMNS = 5
DENIED = "<Error><Code>AccessDenied</Code></Error>"
TOO_LATE = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
WRONG_HEADERS = "<Error><Code>SignatureDoesNotMatch</Code></Error>"


def open_upload(job: Job | None, headers: dict[str, str], clock: Clock) -> Job:
    """Finds the job that waits for this upload, or refuses the upload."""
    # unknown, or uploaded already
    if job is None or job.status != "UPLOAD_PENDING":
        raise Refusal(403, DENIED)
    if clock.now() - job.started > UPLOAD_SECONDS:
        raise Refusal(403, TOO_LATE)
    # The address was signed for text/csv and no further header.
    amazon = [name for name in headers if name.lower().startswith("x-amz-")]
    if amazon or headers.get("content-type", "").split(";")[0].strip() != "text/csv":
        raise Refusal(403, WRONG_HEADERS)
    return job


def read_rows(job: Job, body: bytes) -> tuple[str, str] | None:
    """Reads the rows into the job; returns the reason and message when the file is refused."""
    if len(body) > FILE_BYTES:
        return "FILE_TOO_LARGE", "The file is larger than 150 MB"
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as exc:
        return "INVALID_UPLOAD", str(exc)
    problem = problem_of(job.order, lines)
    if problem:
        return "INVALID_UPLOAD", problem
    job.rows = [dict(zip(lines[0], line)) for line in lines[1:] if line]
    job.counts["submitted"] = len(job.rows)
    return None


def problem_of(order: Order, lines: list[list[str]]) -> str | None:
    if not lines or lines[0][:1] != ["name"]:
        return "The first header must be name"
    header, columns = lines[0], order.board.columns
    unknown = [name for name in header if name not in columns]
    if unknown or len(set(header)) != len(header):
        return f"Unknown or repeated columns: {', '.join(unknown)}"
    if order.match_column_id is not None and order.match_column_id not in header:
        return "The match column is not in the file"
    if sum(columns[name].type == "board_relation" for name in header) > RELATION_COLUMNS:
        return f"More than {RELATION_COLUMNS} relation columns"
    if len(lines) - 1 > (BACKFILL_ROWS if order.silent else ROWS):
        return "Too many rows"
    return None
