"""Pushes: finds out which rows changed in PostgreSQL, and changes their items; and both directions in one pass.

With the triggers of `setup` the outbox names what changed. A first push, a changed mapping, `--full`, and a database
without triggers compare every row with what both sides last agreed on.

    python sync_pg_to_monday.py --entity users --limit 10
"""

from __future__ import annotations

if __name__ == "__main__":
    # As a program this file is the command `pg-to-monday`: main.py, which stands above it, runs in its place.
    import runpy
    import sys
    from pathlib import Path

    sys.argv[1:1] = ["pg-to-monday"]
    runpy.run_path(str(Path(__file__).with_name("main.py")), run_name="__main__")

import logging
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timezone
from typing import Any

from msgspec.structs import replace

from errors import Incomplete
from mappings.declaration import Mapping
from state import outbox, triggers
from state.values import push_key, put, setup_key, watermark
from sync.board import BoardSync, Opening, open_board, work_in_view
from sync.change_items import RowsGone, change_items, guarded_removals, remove_items_of
from sync.options import RunOptions
from sync.parts import Parts
from sync.push_rows import RECORDS_AT_ONCE, RowSender
from sync.read_board import larger_count
from sync.report import EntityReport
from sync.run import Direction
from sync.sweep import SWEEP_EVERY
from sync.task import Hints
from values.slices import batched
from values.wording import plural

log = logging.getLogger("monday_sync")

ReadChanges = Callable[[BoardSync], None]
"""Brings what changed on a board into PostgreSQL."""


def push_entity(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    """Pushes one entity of a run: PostgreSQL → monday.com."""
    sync = open_board(parts, mapping, board_id, Opening(options.pull, (False, True), run_id))
    return work_in_view(sync, push_board)


def both_ways(read: ReadChanges) -> Direction:
    """Returns the direction that reads what changed on the board first, and then pushes."""

    def sync_entity(
        parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None
    ) -> EntityReport:
        opening = Opening(replace(options.pull, unify=options.unify), (True, True), run_id)
        return work_in_view(open_board(parts, mapping, board_id, opening), lambda sync: sync_both_ways(sync, read))

    return sync_entity


def push_board(sync: BoardSync) -> EntityReport:
    """Brings PostgreSQL's changes to one board. Raises GuardStop before any is written when too much would be removed."""
    return Push(sync).run()


def sync_both_ways(sync: BoardSync, read: ReadChanges) -> EntityReport:
    """Makes one pass over one entity: what changed on either side is decided once, and written on both."""
    push = Push(sync)
    sync.begin()
    gone = guarded_removals(sync)
    if not sync.options.dry_run:
        push.sender.creation.recover()
    started = time.monotonic()
    read(sync)
    sync.report.seconds = time.monotonic() - started
    push.push(gone, frozenset(sync.engine.held))
    return sync.report


class Push:
    """Decides which rows of one entity to send, and sends them."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.sender = RowSender(sync)
        self.remembered: dict[str, Any] = sync.memory.get(self._name) or {}
        mark = sync.memory.get(setup_key(sync.mapping.entity)) or {}
        self._fingerprint = f"{sync.fingerprint()}/{mark.get('mark', '')}"

    @property
    def _name(self) -> str:
        return push_key(self.sync.mapping.entity)

    def run(self) -> EntityReport:
        """Pushes. Raises GuardStop before anything is written when too much would be removed."""
        started = time.monotonic()
        self.sync.begin()
        gone = guarded_removals(self.sync)
        if not self.sync.options.dry_run:
            self.sender.creation.recover()
        self._meet()
        self.push(gone)
        self.sync.report.seconds = time.monotonic() - started
        return self.sync.report

    def _meet(self) -> None:
        """Reads the board on the first run: rows and items that exist on both sides are linked, not made again."""
        sync = self.sync
        if sync.remembered.get("watermark") or self.remembered.get("met") == sync.board.id:
            return
        if sync.board.items_count != 0:
            came = 0
            for page in sync.destination.pages(sync.board.id, sync.bound.wanted):
                sync.deliver(sync.engine.take(page.items))
                came += len(page.items)
                sync.may_go_on()
            if (claimed := larger_count(sync, came)) is not None:
                raise Incomplete(
                    f"Board {sync.board.name} ({sync.board.id}) says that it has {claimed} items, and {came} came;"
                    " no item was made, because what did not come may be there already.",
                    hint="Run again. If it stays so, the token's owner may not be allowed to see all items.",
                )
        self.remembered["met"] = sync.board.id

    def push(self, gone: RowsGone, held: frozenset[str] = frozenset()) -> None:
        """Sends what changed, creates what is new, removes what is gone. `held`: items that a pull has looked at already."""
        full = self._compares_everything()
        remove_items_of(self.sync, gone.removals)
        if full:
            self._compare_rows(held)
        hints = self._drain(held)
        if not full and self._must_sweep():
            full = True
            self._tell_unheard(self._compare_rows(held, hints.dates))
        self.sender.retry_refused(hints, held)
        self._unify(hints)
        self._finish(full)
        self.sync.count_leftovers()
        if gone.unjudged and self.sync.report.complete:
            self.sync.report.complete, self.sync.report.message = False, gone.unjudged.rstrip(".")

    def _compares_everything(self) -> bool:
        if self.sync.options.full or self.remembered.get("fingerprint") != self._fingerprint:
            return True
        with self.sync.db.transaction(read_only=True) as tx:
            return not triggers.installed(tx, self.sync.mapping)

    def _must_sweep(self) -> bool:
        """Returns whether all rows are compared, be it that no trigger heard of a change: when asked for, and daily."""
        swept = watermark(self.remembered.get("swept_at"))
        return self.sync.options.sweep or swept is None or datetime.now(timezone.utc) - swept > SWEEP_EVERY

    def _compare_rows(self, held: frozenset[str], heard: Collection[str] = ()) -> int:
        """Compares rows with what both sides last agreed on, except those `heard` of. Returns how many were news."""
        news = 0
        for page in self._all_rows():
            root_ids = [root_id for root_id in page if root_id not in heard]
            dealt = self.sender.deal_with(root_ids, held=held, edited=False)
            news += len(dealt.changed) + dealt.new
        self.sender.create_gathered()
        return news

    def _tell_unheard(self, news: int) -> None:
        if news:
            log.warning(
                "%s: %s changed and no trigger had noted it (triggers off for a load?); the sweep found it.",
                self.sync.mapping.entity,
                plural(news, "record"),
            )

    def _all_rows(self) -> Iterator[list[str]]:
        after: str | None = None
        while True:
            with self.sync.db.transaction(read_only=True) as tx:
                page = self.sync.engine.store.page_of_ids(tx, after, 2 * RECORDS_AT_ONCE)
            if not page:
                return
            after = page[-1]
            yield page

    def _drain(self, held: frozenset[str]) -> Hints:
        """Deals with the rows that the outbox names, and deletes their entries. Returns when these rows were changed."""
        sync = self.sync
        with sync.db.transaction() as tx:
            noted = outbox.noted(tx, sync.mapping)
            hints = Hints(dates=outbox.dates(tx, sync.mapping))
        dealt: set[str] = set()
        for root_ids in batched(sorted(noted.roots), 2 * RECORDS_AT_ONCE):
            if self.sender.deal_with(root_ids, hints, held).whole:
                dealt.update(root_ids)
        self.sender.create_gathered()
        if sync.options.dry_run:
            return hints
        kept = {entry for root_id, entries in noted.roots.items() if root_id not in dealt for entry in entries}
        with sync.db.transaction() as tx:
            outbox.done(tx, [entry for entry in noted.ids if entry not in kept])
        return hints

    def _unify(self, hints: Hints) -> None:
        """Looks at each item that is known to differ, news or not: its cells are to show the shared row."""
        if not self.sync.options.unify:
            return
        with self.sync.db.transaction(read_only=True) as tx:
            differing = self.sync.state.links.known_to_differ(tx)
        change_items(self.sync, differing[: self.sender.left], hints)

    def _finish(self, full: bool) -> None:
        if self.sync.options.dry_run or self.sender.left is not None:
            return
        if full:
            self.remembered["fingerprint"] = self._fingerprint
            self.remembered["swept_at"] = datetime.now(timezone.utc).isoformat()
        with self.sync.db.transaction() as tx:
            put(tx, self._name, self.remembered)
