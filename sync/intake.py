"""Brings items that were read to the engine, and reports how far the reading is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from models import Item, LogEntry
from sync.board import BoardSync
from sync.read_board import read_by_id
from sync.task import NO_HINTS, Hints
from sync.unknown_items import UnknownItems

log = logging.getLogger("monday_sync")


class Intake:
    """Takes in the items of one run over one board."""

    def __init__(self, sync: BoardSync, total: int | None = None, before: int = 0) -> None:
        """Sets what is reported: `total` items if all are read, and `before` items that a run that was cut off has read."""
        self.sync, self.total, self.before = sync, total, before
        self.hints = NO_HINTS
        self.newest = str(sync.remembered.get("watermark") or "")
        """The newest update time that is known."""

    def take(self, pages: Iterable[list[Item]], force: bool = False) -> None:
        """Takes pages in, and sends what they have for monday.com. `force` looks also at items that seem unchanged."""
        for items in pages:
            self.take_page(items, force)
            self.tell()

    def take_page(self, items: list[Item], force: bool = False) -> None:
        """Takes a page in, and tells nobody yet: a run that is to stop may have to note the page before."""
        self.sync.deliver(self.sync.engine.take(items, force, self.hints))
        self.newest = max([self.newest, *(item.updated_at or "" for item in items)])

    def tell(self) -> None:
        """Tells how far the reading is. Raises Stopped when a user has asked for the end."""
        self.sync.progress(self.sync.mapping.entity, self.before + self.sync.report.read, self.total)

    def expect_no_links(self) -> None:
        """Asks once whether there are links at all. Where there are none, pages do not ask for those of their items."""
        with self.sync.db.transaction(read_only=True) as tx:
            if self.sync.state.none_known(tx):
                self.hints = Hints(unknown=UnknownItems())

    def take_by_id(self, ids: Sequence[str], force: bool = False) -> None:
        """Reads items by id, and takes in those that are on the board."""
        self.take(read_by_id(self.sync, ids, self.malformed), force)

    def malformed(self, item_id: str, reason: str) -> None:
        """Notes an item that did not come whole: the run is not complete."""
        sync = self.sync
        sync.report.read += 1
        sync.report.errors += 1
        sync.report.complete = False
        log.error("%s %s: did not come whole: %s", sync.mapping.entity_type, item_id or "(without id)", reason)
        if not sync.options.dry_run:
            with sync.db.transaction() as tx:
                sync.state.log.append(tx, [LogEntry("pull", "error", f"did not come whole: {reason}", item_id or None)])
