"""Looks ahead of the writing of a query's rows: what it will cost, and which records are there already."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mappings.query_syncs import QuerySync
from services.smartsuite.cells import key_shown
from services.smartsuite.client import BULK, PAGE
from state.records import Records
from sync.queries.compare import Spool
from sync.queries.parts import SuiteParts
from sync.queries.quota import calls_for, quota_of
from sync.queries.target import Target
from values.wording import plural

log = logging.getLogger("monday_sync")


@dataclass(frozen=True)
class Ahead:
    """Knows the rows with news before any of them is written."""

    parts: SuiteParts
    sync: QuerySync
    records: Records
    dry_run: bool

    def count_new(self, spool: Spool) -> int:
        """Counts the rows that have no record yet."""
        new = 0
        for rows in spool.pages(PAGE):
            with self.parts.db.transaction(read_only=True) as tx:
                known = self.records.known(tx, [row.key for row in rows], bases=False)
            new += sum(row.key not in known or known[row.key].record_id is None for row in rows)
        return new

    def tell_cost(self, new: int, changed: int) -> None:
        """Tells the calls that a first or a dry run needs, and warns when the month has fewer left."""
        with self.parts.db.transaction(read_only=True) as tx:
            linked, quota = self.records.count(tx), quota_of(tx, self.parts.settings)
        needed = calls_for(new, changed, -(-linked // PAGE) or 1 if self._lists(new, linked) else None)
        if quota.lacks(needed):
            told = "%s needs about %s to SmartSuite, and %s."
            hint = "From 125 % of them on SmartSuite refuses all calls; --limit N writes a part."
            log.warning(told, self.sync.name, plural(needed, "call"), quota.words(), extra={"hint": hint})
        elif not linked or self.dry_run:
            log.info("%s needs about %s to SmartSuite; %s.", self.sync.name, plural(needed, "call"), quota.words())

    def _lists(self, new: int, linked: int) -> bool:
        """Tells whether a listing of all records is cheaper than to look new rows up, 25 at a time."""
        return new > BULK and linked / PAGE <= new / BULK

    def listing(self, target: Target, new: int) -> dict[str, list[str]] | None:
        """Lists all records when that is cheaper than to look new rows up; None when it is not."""
        with self.parts.db.transaction(read_only=True) as tx:
            linked = self.records.count(tx)
        if not self._lists(new, linked):
            return None
        found: dict[str, list[str]] = {}
        seen: set[str] = set()
        said = 0
        for total, items in self.parts.smartsuite.pages(self.sync.table_id):
            said = total
            for item in items:
                if item.get("id") not in seen:
                    seen.add(str(item["id"]))
                    found.setdefault(key_shown(item, target.key), []).append(str(item["id"]))
        # records that move between pages are missed: then each is looked up
        return found if len(seen) >= said else None
