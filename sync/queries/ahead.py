"""Looks ahead before rows are written: how many are new, how many calls that takes, whether all records are listed."""

from __future__ import annotations

import logging

from msgspec import Struct

from mappings.query_syncs import QuerySync
from services.smartsuite.cells import key_shown
from services.smartsuite.client import BULK, PAGE
from services.smartsuite.structure import Field
from state.records import Records
from sync.queries.compare import Spool
from sync.queries.parts import SuiteParts
from sync.queries.quota import calls_for, quota_of
from values.wording import plural

log = logging.getLogger("monday_sync")


class Ahead(Struct):
    """Knows what is to be written of one sync."""

    parts: SuiteParts
    sync: QuerySync
    records: Records
    new: int = 0
    """Rows without a record."""
    changed: int = 0
    linked: int = 0
    """Records that are there already."""

    def count(self, spool: Spool) -> None:
        """Counts the rows that are to be written."""
        for rows in spool.pages(PAGE):
            with self.parts.db.transaction(read_only=True) as tx:
                known = self.records.known(tx, [row.key for row in rows], bases=False)
            self.new += sum(row.key not in known or known[row.key].record_id is None for row in rows)
        self.changed = spool.count - self.new
        with self.parts.db.transaction(read_only=True) as tx:
            self.linked = self.records.count(tx)

    @property
    def lists(self) -> bool:
        """Tells whether a listing of all records is cheaper than to look new rows up, 25 at a time."""
        return self.new > BULK and self.linked / PAGE <= self.new / BULK

    def tell_cost(self, dry_run: bool) -> None:
        """Tells the calls that a first or a dry run needs, and warns when the month has fewer left."""
        with self.parts.db.transaction(read_only=True) as tx:
            quota = quota_of(tx, self.parts.settings)
        listing = -(-self.linked // PAGE) or 1 if self.lists else None
        needed = plural(calls := calls_for(self.new, self.changed, listing), "call")
        if quota.lacks(calls):
            hint = "From 125 % of them on SmartSuite refuses all calls; --limit N writes a part."
            told = "%s needs about %s to SmartSuite, and %s."
            log.warning(told, self.sync.name, needed, quota.words(), extra={"hint": hint})
        elif not self.linked or dry_run:
            log.info("%s needs about %s to SmartSuite; %s.", self.sync.name, needed, quota.words())

    def listing(self, key: Field) -> dict[str, list[str]] | None:
        """Lists all records by key, where that is cheaper; None where it is not, or where the listing is not whole."""
        if not self.lists:
            return None
        found: dict[str, list[str]] = {}
        seen: set[str] = set()
        said = 0
        for total, items in self.parts.smartsuite.pages(self.sync.table_id):
            said = total
            for item in items:
                if item.get("id") not in seen:
                    seen.add(str(item["id"]))
                    found.setdefault(key_shown(item, key), []).append(str(item["id"]))
        # records that move between pages are missed: then each is looked up
        return found if len(seen) >= said else None
