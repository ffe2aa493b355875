"""Imports many items at once: rows as CSV, matched by the sync id, so that a row imported before is not made twice."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from mappings.bound import BoundMapping
from models import Record, Value
from monday_api import ImportJob, Monday
from sync.task import NewItem
from values.canonical import is_empty, to_json

log = logging.getLogger("monday_sync")

CARRIED = (
    *("text", "long_text", "numbers", "email", "phone", "status", "dropdown"),
    *("checkbox", "people", "date", "timeline", "location", "link"),
)
"""The kinds of columns whose CSV form is documented. A value that has none there is written after the import."""
GUESSED = ("date", "link", "dropdown")
"""Kinds whose form leaves room for another reading; an item that shows something else is corrected."""

_LINK = re.compile(r"https?://[^\s()\[\]]+", re.IGNORECASE)


class ItemImport:
    """Imports a file of new rows into a board. The columns it cannot carry are written after it, as changes."""

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
        fields = (name for binding in self.bound.bindings if column in binding.columns for name in binding.fields)
        return any(name in self.bound.read_only for name in fields)

    def start(self, group: str) -> ImportJob:
        """Opens a job. Nothing is made before its rows are uploaded."""
        return self.monday.imports.start(self.board_id, group, self.sync_id)

    def upload(self, job: ImportJob, rows: Sequence[NewItem]) -> None:
        """Uploads the rows."""
        values = [self._values(row.record, {*row.unsent, *row.new_labels}) for row in rows]
        filled = {column for cells in values for column, value in cells.items() if not is_empty(value)}
        used = [column for column in self.columns if column in filled]
        lines = (
            [row.name, row.root_id, *(csv_cell(self.bound.columns[column].type, cells.get(column)) for column in used)]
            for row, cells in zip(rows, values, strict=True)
        )
        self.monday.imports.upload(job, ["name", self.sync_id, *used], lines)

    def wait(self, job_id: str) -> int:
        """Waits until it is through; returns how many items it has made, -1 when it does not say.

        Raises RecordRefused when the file was not taken.
        """
        counts = self.monday.imports.wait_for(ImportJob(job_id)).counts
        if counts.get("created") is None and counts.get("updated") is None:
            return -1
        log.info("Imported %s rows, %s were not taken.", counts.get("created"), counts.get("invalid"))
        return int(counts.get("created") or 0) + int(counts.get("updated") or 0)

    def waits_for_rows(self, job_id: str) -> bool:
        """Returns whether no rows have reached it yet. Raises RecordRefused when it has failed."""
        return self.monday.imports.status(job_id).status == "UPLOAD_PENDING"

    def _values(self, record: Record, left_out: set[str]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for binding in self.bound.bindings:
            if not left_out.isdisjoint(binding.fields):
                continue
            fields = tuple(record.get(name) for name in binding.fields)
            nothing = tuple(None for _ in binding.columns)
            made = binding.transform.write(fields, None, nothing) if binding.transform else fields
            values.update(zip(binding.columns, made, strict=True))
        return values


def csv_cell(kind: str, value: Value) -> str:
    """Returns a canonical value in the form that the bulk import takes; an empty text leaves the cell as it is."""
    if is_empty(value):
        return ""
    if kind == "checkbox":
        return "true" if value else ""
    if kind == "people":
        return ",".join(f"{'team' if person['kind'] == 'team' else 'user'}:{person['id']}" for person in value)
    if kind == "timeline":
        return f"{value['from']}/{value['to']}"
    if kind == "location":
        return f"{value['lat']}|{value['lng']}|{value['address']}" if value.get("address") else ""
    if kind == "link":
        return _link(*((value["url"], value["text"]) if isinstance(value, dict) else (value, value)))
    if kind == "dropdown":
        labels = value if isinstance(value, list) else [value]
        return "" if any("," in str(label) for label in labels) else ", ".join(map(str, labels))
    # a time of day has no form there
    if isinstance(value, datetime):
        return ""
    if isinstance(value, date):
        return value.isoformat()
    return _plain(value)


def _link(url: Any, text: Any) -> str:
    """Returns `[Text](address)`; nothing where a sign of that form stands in the text or the address."""
    shown = str(text or url)
    if not _LINK.fullmatch(str(url)) or any(sign in shown for sign in "[]\r\n"):
        return ""
    return f"[{shown}]({url})"


def _plain(value: Any) -> str:
    made = to_json(value)
    return made if isinstance(made, str) else format(made, "f") if hasattr(made, "as_tuple") else str(made)
