"""Pulls: finds out what changed on a board, and hands it to the engine a page at a time.

A first run, a changed mapping and `--full` read everything; other runs read what was updated since the last run. Items
that are gone are found by a sweep of ids: daily, on request, and whenever the board's own count does not add up.

    python sync_monday_to_pg.py --entity users --limit 10
"""

from __future__ import annotations

if __name__ == "__main__":
    # As a program this file is the command `monday-to-pg`: main.py, which stands above it, runs in its place.
    import runpy
    import sys
    from pathlib import Path

    sys.argv[1:1] = ["monday-to-pg"]
    runpy.run_path(str(Path(__file__).with_name("main.py")), run_name="__main__")

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from itertools import chain, islice

from data_cache import SnapshotBoard
from db_connector import Transaction
from errors import GuardStop, Incomplete
from mappings.declaration import Mapping
from models import Item, Page
from services.monday.pages import ReadOptions
from state.values import put, watermark
from state.waiting import look_again
from sync.board import BoardSync, Opening, open_board, too_many, work_in_view
from sync.changed_items import OVERLAP, ChangedItems, moment, settled_mark
from sync.full_read import FullRead, WholeRead, count_read, reading_of
from sync.intake import Intake
from sync.kept_listing import NOTED
from sync.known_items import KnownItems
from sync.options import PullOptions, RunOptions
from sync.parts import Parts, cannot_follow
from sync.read_board import forget_listing, larger_count
from sync.renamed_users import take_new_names
from sync.report import EntityReport
from sync.run import Program, run_once
from sync.snapshot import items_of, snapshot_of
from sync.sweep import SWEEP_EVERY, Sweep
from values.slices import batched

log = logging.getLogger("monday_sync")

LONG_AGO = "1970-01-01T00:00:00Z"


def pull_entity(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    """Pulls one entity of a run: monday.com → PostgreSQL."""
    if not options.from_snapshot:
        sync = open_board(parts, mapping, board_id, Opening(options.pull, run_id=run_id))
        return work_in_view(sync, pull_board)
    snapshot = SnapshotBoard(snapshot_of(parts, mapping, board_id, options))
    sync = open_board(parts, mapping, board_id, Opening(options.pull, run_id=run_id, snapshot=snapshot))
    return work_in_view(sync, lambda sync: pull_pages(sync, items_of(snapshot, options.pull.limit)))


def pull_board(sync: BoardSync) -> EntityReport:
    """Brings one board's items into PostgreSQL. Raises GuardStop, before any is removed, when too many would be."""
    started = time.monotonic()
    read_changes(sync)
    sync.count_leftovers()
    sync.report.seconds = time.monotonic() - started
    return sync.report


def pull_pages(sync: BoardSync, pages: Iterable[list[Item]]) -> EntityReport:
    """Brings these items into PostgreSQL, and nothing else: nothing is removed, and no watermark moves."""
    started = time.monotonic()
    sync.begin()
    _warn_of_missing_columns(sync)
    Intake(sync).take(pages)
    sync.count_leftovers()
    sync.report.seconds = time.monotonic() - started
    return sync.report


def read_changes(sync: BoardSync) -> None:
    """Pulls without counting what is left over, for a run that goes on to push."""
    sync.begin()
    _warn_of_missing_columns(sync)
    began = sync.destination.server_time().isoformat()
    if sync.options.limit is not None:
        _take_first(sync, sync.options.limit)
    elif _compares_everything(sync):
        _pull_with(Pull(sync, began, Intake(sync, sync.board.items_count, count_read(sync))), Pull.full)
    else:
        _pull_with(Pull(sync, began, Intake(sync)), Pull.incremental)


def _pull_with(pull: Pull, way: Callable[[Pull], None]) -> None:
    try:
        way(pull)
    except (GuardStop, Incomplete):
        pull.sweep.close()
        raise
    except BaseException:
        pull.sweep.close(stopped=True)
        raise
    pull.sweep.close()


def _warn_of_missing_columns(sync: BoardSync) -> None:
    if sync.bound.missing:
        columns = ", ".join(sync.bound.missing)
        log.warning("%s: the board has no column %s; what they fed stays as it is.", sync.mapping.entity, columns)


def _compares_everything(sync: BoardSync) -> bool:
    known = sync.remembered.get("watermark") and sync.remembered.get("fingerprint") == sync.fingerprint()
    return sync.options.full or not known


def _take_first(sync: BoardSync, limit: int) -> None:
    """Takes in the first items of the board."""
    intake, size = Intake(sync), sync.options.batch_size
    options = ReadOptions(limit=min(limit, size), on_malformed=intake.malformed)
    pages = sync.destination.pages(sync.board.id, sync.bound.wanted, options)
    items = list(islice((item for page in pages for item in page.items), limit))
    for batch in batched(items, size):
        intake.take([batch])


class Pull:
    """Decides what to read of one board, reads it, and proves that nothing is lacking."""

    def __init__(self, sync: BoardSync, began: str, intake: Intake) -> None:
        self.sync, self.began, self.intake = sync, began, intake
        self.sweep, self.changed, self.known = Sweep(sync), ChangedItems(sync, intake), KnownItems(sync)

    # Ways of reading

    def full(self) -> None:
        """Reads every item. With links to lose, ids come first, so that the guard can stop it before anything is written."""
        first = not self.sync.active() or reading_of(self.sync).get("first", False)
        gone = [] if first or self._ids_are_known() else self.sweep.find_gone()
        reading = FullRead(self.sync, self.intake, self.sweep)
        read = reading.run(first)
        if self.sweep.listing is None and not self.sync.options.dry_run:
            if self._is_whole(read):  # what was read is as good as a listing
                self.sweep.adopt(read.ids)
            elif not first or self.intake.before:
                gone = self.sweep.find_gone()
                reading.read_left_out(read)
        self._archive(gone)
        self._retake_free_keys()
        self._prove()
        if self.sweep.listing is not read.ids:
            forget_listing(self.sync, read.ids.pass_id)
        self._finish(read.started)

    def incremental(self) -> None:
        """Reads what was updated since the newest update known, and sweeps when it is time to or the count is off."""
        gone = self.sweep.find_gone() if self.sweep.goes_on or self._must_sweep_first() else None
        if began := self.sweep.began_earlier:
            # item by item, so that each run comes further than the one before
            self.intake.take_by_id(self.sweep.stale())
            self.changed.listed_from = moment(began)
        first = self.changed.first(anew=gone is not None)
        if gone is None and self._needs_listing(first):
            gone = self.sweep.find_gone()
        if first is not None:
            self.intake.take(page.items for page in chain([first], self.changed.rest))
        if gone is None and self.intake.newest > str(self.sync.remembered["watermark"]):
            # Later runs would pass by what an answer lacked.
            self.intake.take_by_id(self.changed.left_out())
        self._take_unsettled()
        if gone is None and not self._adds_up():
            gone = self.sweep.find_gone()
        self.intake.take_by_id(self.sweep.stale())
        self._archive(gone or [])
        self._retake_free_keys()
        self._prove()
        self._finish(self.began)

    def _take_unsettled(self) -> None:
        """Looks again at items that show something PostgreSQL does not have: a rule or a setting may have changed."""
        with self.sync.db.transaction(read_only=True) as tx:
            unsettled = self.sync.state.waiting.unsettled(tx)
            removals = self.sync.state.waiting.removals(tx)
        self.intake.take_by_id([item_id for item_id in unsettled if item_id not in self.sync.engine.held], force=True)
        self._archive(removals)

    def _retake_free_keys(self) -> None:
        """Takes in items that were skipped because of another item's key, once that key is free."""
        with self.sync.db.transaction(read_only=True) as tx:
            waiting = self.sync.engine.waiting_for_a_free_key(tx)
        self.intake.take_by_id(waiting)

    def _archive(self, gone: Sequence[str]) -> None:
        """Archives, deletes or leaves the rows of items that are gone, as the mapping says."""
        for batch in batched(gone, self.sync.options.batch_size):
            self.sync.engine.remove(batch)

    # When to sweep

    def _must_sweep_first(self) -> bool:
        if self.sync.options.sweep:  # asked for
            return True
        if not self._swept_lately():  # the daily sweep
            return True
        claimed = self._claimed()
        if claimed is None:
            return False
        known = self.known.now()
        return too_many(known.all - claimed, known.linked)

    def _swept_lately(self) -> bool:
        swept = watermark(self.sync.remembered.get("swept_at"))
        return swept is not None and datetime.now(timezone.utc) - swept <= SWEEP_EVERY

    def _ids_are_known(self) -> bool:
        """Returns whether the board is as it was when a run listed its ids, so that nothing can be gone."""
        remembered, mark = self.sync.remembered, self.sync.board.updated_at
        if self.sync.options.sweep or self.sync.options.dry_run or not self._swept_lately():
            return False
        if not remembered.get("swept_ids") or remembered.get("fingerprint") != self.sync.fingerprint():
            return False
        if mark is None or "swept_from" not in remembered:
            return False
        # the board's own time may lag
        return moment(mark) + OVERLAP < moment(remembered["swept_from"]) and self._adds_up()

    def _is_whole(self, read: WholeRead) -> bool:
        """Returns whether a reading has seen as many items as the board says it has, and all that are linked."""
        if read.claimed != self.sync.board.items_count:
            return False  # of what was read before it was cut off, some may be gone, and as many passed by
        return read.ids.count == self._claimed() and self.sweep.shows_all_known(read.ids)

    def _needs_listing(self, first: Page | None) -> bool:
        """Returns whether new items may make up for removed ones in the board's count: then ids come before any write."""
        if first is None:  # no filter tells what changed
            return not self.changed.quiet()
        claimed = self._claimed()
        if claimed is None or first.cursor is not None:  # no count, or too many changes to tell
            return True
        with self.sync.db.transaction(read_only=True) as tx:
            found = self.sync.state.links.find(tx, [(item.id, "") for item in first.items])
        known = {item_id for item_id, link in found.links.items() if not link.archived} | found.skips.keys()
        new = sum(item.id not in known for item in first.items)
        counted = self.known.now()
        return too_many(counted.all + new - claimed, counted.linked)

    def _adds_up(self) -> bool:
        """Returns whether the board has as many items as are known, but for what its count was off at the last sweep."""
        return self._claimed() == self.known.now().all

    # Proof

    def _prove(self) -> None:
        """Compares what is stored with what the board says it has, and reports what cannot be shown to be whole."""
        sync = self.sync
        if sync.options.dry_run:
            return
        self.sweep.renew()
        with sync.db.transaction(read_only=self.sweep.listing is None) as tx:
            sync.report.set_aside += sync.state.skipped.count_failed(tx)
            self._forget_skips(tx)
            known = self.known.count(tx).all
        claimed = self.sweep.count if self.sweep.listing else self._claimed()
        if claimed is None or known == claimed:  # nothing to compare with, or all there
            self._check_listing()
            return
        if self.sweep.listing is None:
            # Counts can be wrong; ids are checked.
            self._archive(self.sweep.find_gone())
            self.intake.take_by_id(self.sweep.stale())
            with sync.db.transaction() as tx:
                self._forget_skips(tx)
                known, claimed = self.known.count(tx).all, self.sweep.count
        self._check_listing()
        if known != claimed:
            self._report_incomplete(f"the board lists {claimed} items, {known} are accounted for")

    def _check_listing(self) -> None:
        """Reports a listing that has fewer items than the board says it has: it was cut short, or some are hidden."""
        listed = self.sweep.count
        if listed is not None and (claimed := larger_count(self.sync, listed)) is not None:
            self._report_incomplete(f"the board says that it has {claimed} items, and its listing has {listed}")

    def _report_incomplete(self, message: str) -> None:
        self.sync.report.complete = False
        self.sync.report.message = message
        log.error("%s: %s.", self.sync.mapping.entity, message)

    def _forget_skips(self, tx: Transaction) -> None:
        if self.sweep.forget_skips(tx):
            self.known.forget()

    def _claimed(self) -> int | None:
        """Returns how many items the board says it has, but for what its count was off at the last sweep."""
        count = self.sync.board.items_count
        return None if count is None else count + int(self.sync.remembered.get("count_offset", 0))

    def _count_offset(self) -> int:
        """Returns by how much the board's own count is off; what is made or removed during a run is no part of that."""
        known, counted = int(self.sync.remembered.get("count_offset", 0)), self.sync.board.items_count
        swept = self.sweep.count
        if swept is None or self.sweep.began_earlier or not self.sync.report.complete:  # nothing new is known
            return known
        if swept == counted:  # the count is right
            return 0
        now = self.sync.destination.item_count(self.sync.board.id)
        return swept - now if now is not None and now == counted else known

    def _finish(self, began: str) -> None:
        """Remembers how far this came, so that the next run starts there. Changes since `began` may have been missed."""
        sync = self.sync
        if sync.options.dry_run:
            return
        first, listed_from = "watermark" not in sync.remembered, self.sweep.began_earlier
        if sync.report.complete:
            # What changed behind a long read's back is older than the newest time it saw.
            newest = max(self.intake.newest or LONG_AGO, listed_from or LONG_AGO, key=moment)
            if self.sweep.listing is not None or newest != sync.remembered.get("watermark"):
                seen = None if self.sweep.listing is not None and listed_from is None else moment(newest)
                sync.remembered["settled_mark"] = settled_mark(sync.board, seen, moment(began))
            sync.remembered["watermark"] = min(newest, began, key=moment)
            sync.remembered["fingerprint"] = sync.fingerprint()
        sync.remembered["titles"] = sync.titles()
        if self.sweep.listing is not None or sync.options.full:
            take_new_names(sync)
        offset = self._count_offset()
        sync.remembered.pop(NOTED, None)
        with sync.db.transaction() as tx:
            if first:
                have_links_made(tx, sync)
            if self.sweep.listing is not None:
                self._note_sweep(min(began, listed_from or began, key=moment))
                sync.remembered["count_offset"] = offset
            put(tx, sync.pulled, sync.remembered)

    def _note_sweep(self, began: str) -> None:
        """Remembers when all was listed. What changed before that is known, but for what could not be taken in."""
        remembered = self.sync.remembered
        remembered["swept_at"] = datetime.now(timezone.utc).isoformat()
        remembered["swept_ids"] = self.sweep.by_ids or bool(remembered.get("swept_ids"))
        if self.sync.report.complete:
            remembered["swept_from"] = began


def have_links_made(tx: Transaction, sync: BoardSync) -> None:
    """Has records of other boards that may point at these, and were read before them, looked at again."""
    own = sync.mapping.entity
    for mapping in (other for other in sync.parts.mappings.values() if other.entity != own):
        for field in (name for binding in mapping.bindings if binding.link_to == own for name in binding.fields):
            look_again(tx, mapping.entity_type, field)


def sync_sales_staff(limit: int | None = None) -> EntityReport:
    """Pulls the staff board, by the settings of the environment: for use from a shell."""
    program = Program({"monday_to_pg": pull_entity}, cannot_follow)
    return run_once(program, "monday_to_pg", ["users"], PullOptions(limit=limit)).entities[0]
