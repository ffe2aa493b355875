"""Makes items of rows that have none: a few in documents of aliases, which answer at once, many by the bulk import."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from errors import MondayError, MondayRefused, RecordRefused
from monday_api import ImportJob
from services.monday.writes import batches, size_of
from state.intents import Intent
from sync.board import BoardSync
from sync.import_items import ItemImport
from sync.item_documents import Documents
from sync.recover_items import Imported, Recovery
from sync.task import NewItem
from sync.write_items import ending
from values.slices import batched

log = logging.getLogger("monday_sync")

IMPORT_FROM = 200
"""Fewer new rows than this go in documents of aliases."""
ROWS_PER_IMPORT = 10_000


class Creation:
    """Creates the items of one board."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.documents = Documents(sync)
        self.recovery = Recovery(self.documents)
        self._may_import = True

    def recover(self) -> None:
        """Brings every document in doubt to its end, before anything else is created."""
        self.recovery.run()

    def create(self, root_ids: Sequence[str]) -> None:
        """Makes an item of each of these rows that has none."""
        items, report = self.documents.items, self.sync.report
        if items.sync_id and len(root_ids) >= IMPORT_FROM and not self.sync.mapping.parent_field:
            root_ids = self._import(root_ids, items.sync_id)
        for some in batched(root_ids, self.sync.options.batch_size):
            rows = self._with_parents(items.of_rows(some))
            for numbers in batches([size_of(_variables(row, items.group())) for row in rows]):
                self.documents.make([rows[number] for number in numbers])
                self.sync.progress(self.sync.mapping.entity, report.read + report.to_monday.created, None)

    def _with_parents(self, rows: list[NewItem]) -> list[NewItem]:
        """Leaves out rows that name no parent, where items stand under others."""
        field = self.sync.mapping.parent_field
        if field is None:
            return rows
        if lost := [row.root_id for row in rows if not row.parent]:
            self.documents.refuse(lost, RecordRefused(f"A subitem needs a parent: {field} is empty."))
        return [row for row in rows if row.parent]

    # Many at once

    def _import(self, root_ids: Sequence[str], sync_id: str) -> Sequence[str]:
        """Brings many rows in through the bulk import; returns those that did not get through."""
        left: list[str] = []
        trouble: MondayError | None = None
        for some in batched(root_ids, ROWS_PER_IMPORT):
            self.sync.may_go_on()
            imported = self._import_file(some, sync_id) if self._may_import else Imported(some)
            left += imported.left
            trouble = trouble or imported.trouble
        if trouble is not None:
            raise trouble
        return left

    def _import_file(self, root_ids: Sequence[str], sync_id: str) -> Imported:
        group = self.documents.items.group()
        rows = list(self._in_pages(root_ids))
        intent = self.documents.intend("import", rows, {}) if group else None
        if intent is None or group is None:
            return Imported(root_ids)
        carrier = ItemImport(self.sync.monday, self.sync.bound, self.sync.board.id, sync_id)
        job = self._start(carrier, intent, group)
        if job is None:
            return Imported(root_ids)
        with self.sync.db.transaction() as tx:
            self.sync.state.intents.note_job(tx, intent.key, job.job_id)
        claimed = {row["entity_id"] for row in intent.document["rows"]}
        uploaded = True
        try:
            carrier.upload(job, [row for row in rows if row.root_id in claimed])
        except MondayError as error:
            log.warning("The rows may not have been uploaded (%s); the job knows.", error.message)
            uploaded = False
        return self.recovery.finish_import(intent, job.job_id, uploaded)

    def _start(self, carrier: ItemImport, intent: Intent, group: str) -> ImportJob | None:
        """Opens a job; returns None when this token or board has no bulk import. A job without rows makes nothing."""
        try:
            return carrier.start(group)
        except MondayError as error:
            self.documents.forget(intent)
            # A token that may not import may still make items; if not, monday.com says so then.
            if not isinstance(error, MondayRefused) and ending(error):
                raise
            self._may_import = False
            log.warning("There is no bulk import here (%s); the rows go in documents.", error.message)
            return None

    def _in_pages(self, root_ids: Sequence[str]) -> Iterator[NewItem]:
        for some in batched(root_ids, self.sync.options.batch_size):
            yield from self.documents.items.of_rows(some)


def _variables(row: NewItem, group: str | None) -> dict[str, Any]:
    """Returns what a document says of a row: its size decides how many rows go together, so that a key is one document."""
    return {"name": row.name, "group": group, "values": row.values}
