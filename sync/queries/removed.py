"""Finds the rows that a query has no more, and deals with their records as the sync says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from errors import GuardStop
from mappings.query_syncs import QuerySync
from models import LogEntry
from services.smartsuite.client import BULK, SmartSuite
from services.smartsuite.structure import Table
from state.log import Log
from state.records import Records
from sync.board import too_many
from sync.parts import Parts
from sync.queries.compare import Keys
from sync.report import EntityReport
from values.slices import batched
from values.wording import plural

log = logging.getLogger("monday_sync")

DELETE, IGNORE = "delete", "ignore"
SHOWN = 5


@dataclass(frozen=True)
class Removal:
    """Removes the records of rows that are gone. It is made after a reading that saw every row."""

    parts: Parts
    sync: QuerySync
    records: Records
    report: EntityReport

    def gone(self, seen: Keys, allow_many: bool) -> list[tuple[str, str]]:
        """Returns keys and record ids of the rows that did not come. Raises GuardStop when they are too many."""
        missing: list[tuple[str, str]] = []
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

    def plan(self, missing: Sequence[tuple[str, str]]) -> None:
        """Notes in the report what would be removed."""
        self.report.archived += len(missing)
        self.report.plans += [f"archive {self.sync.name} {key}" for key, _ in missing]

    def carry_out(self, suite: SmartSuite, table: Table, missing: Sequence[tuple[str, str]], entries: Log) -> None:
        """Puts the records into the recycle bin. A run that is cut off here removes the rest in the next sweep."""
        for some in batched(list(missing), BULK):
            self.parts.stop.check()
            keys = [key for key, _ in some]
            suite.remove(table, [record_id for _, record_id in some])
            with self.parts.db.transaction() as tx:
                if self.sync.on_row_removed == DELETE:
                    self.records.forget(tx, keys)
                else:
                    self.records.removed(tx, keys)
                entries.append(
                    tx, [LogEntry("archive", "success", "", record, key, "smartsuite") for key, record in some]
                )
            self.report.archived += len(some)
            if self.report.to_smartsuite is not None:
                self.report.to_smartsuite.archived += len(some)
        shown = ", ".join(key for key, _ in missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        log.info("%s: %s gone from the query (%s).", self.sync.name, plural(len(missing), "row"), shown)
