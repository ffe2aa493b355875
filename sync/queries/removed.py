"""Finds the rows that a query has no more, and deals with their records as the sync says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from msgspec import Struct

from errors import GuardStop
from mappings.query_syncs import QuerySync
from models import LogEntry
from services.smartsuite.client import BULK, SmartSuite
from state.log import Log
from state.records import Records
from sync.board import too_many
from sync.parts import Parts
from sync.queries.compare import Keys
from sync.queries.target import Target
from sync.report import EntityReport
from values.slices import batched
from values.wording import plural

log = logging.getLogger("monday_sync")

Gone = tuple[str, "str | None"]
"""The key of a row that is gone, and its record; None where it is not known whether there is one."""
Find = Callable[[Sequence[str]], "dict[str, list[str]]"]
"""Returns the ids of the records that show these keys, by key."""
DELETE, IGNORE = "delete", "ignore"
SHOWN = 5


class Removal(Struct, frozen=True):
    """Removes the records of rows that are gone. It is made after a reading that saw every row."""

    parts: Parts
    sync: QuerySync
    records: Records
    report: EntityReport

    def gone(self, seen: Keys, allow_many: bool) -> list[Gone]:
        """Returns keys and record ids of the rows that did not come. Raises GuardStop when they are too many."""
        missing: list[Gone] = []
        with self.parts.db.transaction(read_only=True) as tx:
            for page in self.records.linked(tx):
                ids = dict(page)
                missing += [(key, ids[key]) for key in seen.without(list(ids))]
            active = self.records.count(tx)
        empty = bool(missing) and not self.report.read
        if not allow_many and (empty or too_many(len(missing), active)):
            told = "the query has no rows at all" if empty else f"{len(missing)} of {plural(active, 'row')} are gone"
            raise GuardStop(
                f"{self.sync.name}: {told}; nothing was written.",
                hint=f"If they are to go: python main.py run --sync-name {self.sync.name} --sweep --allow-mass-delete",
            )
        return missing

    def plan(self, missing: Sequence[Gone]) -> None:
        """Notes in the report what would be removed."""
        known = [key for key, record_id in missing if record_id]
        self.report.archived += len(known)
        self.report.plans += [f"archive {self.sync.name} {key}" for key in known]

    def carry_out(self, suite: SmartSuite, target: Target, missing: Sequence[Gone], entries: Log, find: Find) -> None:
        """Puts the records into the recycle bin. A run that is cut off here removes the rest in the next sweep."""
        for some in batched(list(missing), BULK):
            self.parts.stop.check()
            found = {key: [record_id] for key, record_id in some if record_id}
            keys, known = [key for key, _ in some], list(found)
            # what a run that was cut off has made of a row that is gone since
            if doubtful := [key for key in keys if key not in found]:
                found |= find(doubtful)
            with self.parts.db.transaction() as tx:
                self.records.recycling(tx, known)
            records = [(key, record_id) for key, ids in found.items() for record_id in ids]
            for removed in batched(records, BULK):
                suite.remove(target.table, [record_id for _, record_id in removed])
            self._note(known, doubtful, records, entries)
        shown = ", ".join(key for key, _ in missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        log.info("%s: %s gone from the query (%s).", self.sync.name, plural(len(missing), "row"), shown)

    def _note(
        self, known: Sequence[str], doubtful: Sequence[str], records: Sequence[tuple[str, str]], entries: Log
    ) -> None:
        with self.parts.db.transaction() as tx:
            self.records.forget(tx, doubtful)
            if self.sync.on_row_removed == DELETE:
                self.records.forget(tx, known)
            else:
                self.records.recycled(tx, known)
            told = [LogEntry("archive", "success", "", record, key, "smartsuite") for key, record in records]
            entries.append(tx, told)
        self.report.archived += len(records)
        if self.report.to_smartsuite is not None:
            self.report.to_smartsuite.archived += len(records)
