"""The bulk import: rows as CSV, matched by the sync id, so that a row that was imported before is not made twice."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from column_types import is_empty, to_json
from errors import MondayError, RecordRefused
from mapping import BoundMapping
from models import Record, Value
from monday_api import ImportJob, Monday

log = logging.getLogger("monday_sync")

CARRIED = ("text", "long_text", "numbers", "email", "phone", "date", "status", "checkbox", "people", "timeline")
"""The kinds of columns whose CSV form is documented; the others are written after the import, as changes."""


class ItemImport:
    """One file of new rows for one board."""

    def __init__(self, monday: Monday, bound: BoundMapping, board_id: str, sync_id: str) -> None:
        self.monday = monday
        self.bound = bound
        self.board_id = board_id
        self.sync_id = sync_id
        self.columns = [
            column
            for column in bound.column_ids
            if column != sync_id and bound.columns[column].type in CARRIED and not self._read_only(column)
        ]

    def _read_only(self, column: str) -> bool:
        fields = (name for one in self.bound.bindings if column in one.columns for name in one.fields)
        return any(name in self.bound.read_only for name in fields)

    def start(self, group: str) -> ImportJob:
        """Open a job. Nothing is made before its rows are uploaded."""
        return self.monday.start_import(self.board_id, group, self.sync_id)

    def upload(self, job: ImportJob, rows: Sequence[tuple[str, str, Record]]) -> None:
        """Hand over rows: (row id, item name, record)."""
        used = self._used(rows)
        lines = ([name, root_id, *self._cells(record, used)] for root_id, name, record in rows)
        self.monday.upload_rows(job, ["name", self.sync_id, *used], lines)

    def wait(self, job: ImportJob) -> None:
        """Until it is through. Raises RecordRefused when monday.com did not take the file."""
        ended = self.monday.wait_for_import(job)
        counts = ended.counts
        log.info("Imported %s rows, %s failed.", counts.get("created"), counts.get("failed"))

    def await_end(self, job_id: str) -> None:
        """A job of another process: until it can make nothing more."""
        try:
            job = self.monday.import_status(job_id)
            if job.status != "UPLOAD_PENDING":  # what was not uploaded by then never will be
                self.monday.wait_for_import(job)
        except RecordRefused as error:
            log.info("The import %s came to nothing: %s", job_id, error.message)
        except MondayError:
            raise

    def _used(self, rows: Iterable[tuple[str, str, Record]]) -> list[str]:
        """The columns in which at least one row has something."""
        filled: set[str] = set()
        for _, _, record in rows:
            filled.update(column for column, value in self._values(record).items() if not is_empty(value))
        return [column for column in self.columns if column in filled]

    def _values(self, record: Record) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for binding in self.bound.bindings:
            fields = tuple(record.get(name) for name in binding.fields)
            nothing = tuple(None for _ in binding.columns)
            made = binding.transform.write(fields, None, nothing) if binding.transform else fields
            values.update(zip(binding.columns, made, strict=True))
        return values

    def _cells(self, record: Record, used: Sequence[str]) -> list[str]:
        values = self._values(record)
        return [csv_cell(self.bound.columns[column].type, values.get(column)) for column in used]


def csv_cell(kind: str, value: Value) -> str:
    """A canonical value in the form that the bulk import takes; empty leaves the cell as it is."""
    if is_empty(value):
        return ""
    if kind == "checkbox":
        return "true" if value else ""
    if kind == "people":
        return ",".join(f"{'team' if one['kind'] == 'team' else 'user'}:{one['id']}" for one in value)
    if kind == "timeline":
        return f"{value['from']}/{value['to']}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return _plain(value)


def _plain(value: Any) -> str:
    made = to_json(value)
    return made if isinstance(made, str) else format(made, "f") if hasattr(made, "as_tuple") else str(made)
