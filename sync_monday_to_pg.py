"""The pull: finds out what changed on a board, and hands it to the engine a page at a time.

A first run, a changed mapping and `--full` read everything; other runs read what was updated since the last one. Items
that are gone are found by a sweep of ids: daily, on request, and whenever the board's own count does not add up.

    python sync_monday_to_pg.py --entity users --limit 10
"""

from __future__ import annotations

if __name__ == "__main__":
    from terminal import missing_package

    missing_package.watch()

import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import chain, islice
from typing import Any

from errors import CursorExpired, DatabaseError, GuardStop, Incomplete
from models import STATES_ONLY, Item, LogEntry, Page
from services.monday.pages import OnMalformed, ReadOptions
from services.monday.parallel_reading import ParallelReading
from services.monday.prefetch import Prepare
from services.monday.updates import DAYS, SECONDS
from state.values import put, watermark
from sync.board import BoardSync, Progress, PullOptions, too_many
from sync.report import EntityReport
from values.slices import batched

__all__ = ["Progress", "Pull", "PullOptions", "sync_sales_staff"]

log = logging.getLogger("monday_sync")

OVERLAP = timedelta(minutes=5)
"""How far before the newest known update time a run looks again: filtered reads of monday.com lag by seconds."""
SWEEP_EVERY = timedelta(hours=24)
LISTING_TRIES = 3


class Pull(BoardSync):
    """Brings one board's items into PostgreSQL."""

    swept: int | None = None
    _pass = ""
    whole_run = True
    """Nothing comes after it that may deal with what is left over."""
    _known_since = ""
    """From when on changes may have been missed: when the read began."""
    _read_before = 0
    """By the run that was cut off, and that this one carries on."""
    _all = False
    """Whether the whole board is read, so that its count says how far there is to go."""

    def run(self) -> EntityReport:
        """Do it. Raises GuardStop before anything is written when too much would be removed."""
        started = time.monotonic()
        try:
            self._run()
        finally:
            if self._pass:
                with suppress(DatabaseError):
                    self._forget_listing(self._pass)
        if self.whole_run:
            self.count_leftovers()
        self.report.seconds = time.monotonic() - started
        return self.report

    def _run(self) -> None:
        self.begin()
        self._check_columns()
        if self.options.source is not None:
            self._take(self.options.source)  # a snapshot, perhaps without a client
            return
        self._known_since = self.monday.server_time().isoformat()
        if self.options.limit is not None:
            self._take_first(self.options.limit)
        elif self._compares_everything():
            self._full()
        else:
            self._incremental()

    # What there is to compare

    def _check_columns(self) -> None:
        if self.bound.missing:
            columns = ", ".join(self.bound.missing)
            log.warning("%s: the board has no column %s; what they fed stays as it is.", self.mapping.entity, columns)

    def _compares_everything(self) -> bool:
        known = self.remembered.get("watermark") and self.remembered.get("fingerprint") == self.fingerprint()
        return self.options.full or not known

    # Ways of reading

    def _pages(self, reading: Map[str, Any]) -> Iterator[Page]:
        cursor = reading.get("cursor")
        return self.monday.pages(
            self.board.id,
            self.bound.wanted,
            ReadOptions(
                limit=self.options.batch_size,
                cursor=cursor,
                started=watermark(reading["started"]) if cursor else None,
                on_malformed=self._malformed,
                prefetch=True,
                prepare=self._prepare(reading),
            ),
        )

    def _prepare(self, reading: Map[str, Any]) -> Prepare | None:
        """What the threads that read ahead may do with items. One that is known may turn out to be unchanged."""
        return self.reader.read_ahead if reading["first"] else None

    def _malformed(self, item_id: str, reason: str) -> None:
        self.report.read += 1
        self.report.errors += 1
        self.report.complete = False
        log.error("%s %s: did not come whole: %s", self.mapping.entity_type, item_id or "(without id)", reason)
        if not self.options.dry_run:
            with self.db.transaction() as tx:
                self.state.log.append(tx, [LogEntry("pull", "error", f"did not come whole: {reason}", item_id or None)])

    def _take(self, pages: Iterable[list[Item]], force: bool = False) -> None:
        total = self.board.items_count if self._all else None
        for items in pages:
            self.deliver(self.engine.take(items, force))
            self.newest = max([self.newest, *(item.updated_at or "" for item in items)])
            self.progress(self.mapping.entity, self._read_before + self.report.read, total)

    def _take_first(self, limit: int) -> None:
        options = ReadOptions(limit=min(limit, self.options.batch_size), on_malformed=self._malformed)
        pages = self.monday.pages(self.board.id, self.bound.wanted, options)
        items = list(islice((item for page in pages for item in page.items), limit))
        for batch in batched(items, self.options.batch_size):
            self._take([batch])

    def _full(self) -> None:
        """Read every item. With links to lose, ids come first, so that the guard can stop it before anything is written."""
        self._all = True
        first = not self.active() or self._reading().get("first", False)
        gone = [] if first else self._sweep()
        self._read_all(first)
        self._archive(gone)
        self._retake_free_keys()
        self._prove()
        self._finish()

    # Reading everything, and going on where a read was cut off

    def _reading(self) -> dict[str, Any]:
        """What is known of a full read that was begun and not finished; {} when there is none, or all has changed since."""
        reading = self.remembered.get("reading") or {}
        return reading if reading.get("fingerprint") == self.fingerprint() else {}

    def _read_all(self, first: bool) -> None:
        reading = self._reading()
        self._read_before = self._count_listed(reading["pass"]) if reading else 0
        if self._read_before and not reading.get("cursor"):
            self._read_rest(reading)
        else:
            reading = reading or self._new_reading(first)
            self._note_reading(reading)
            try:
                self._read_pages(reading)
            except CursorExpired:
                log.warning("%s: the listing outlived its cursor; the rest is read by id.", self.mapping.entity)
                self._note_reading(reading | {"cursor": None})
                self._read_rest(reading)
            except Incomplete:
                self.remembered.pop("reading", None)  # What was read so far cannot be trusted either.
                self._note_remembered()
                raise
        self._read_left_out(reading)
        self._known_since = reading["started"]
        self.remembered.pop("reading", None)
        self._forget_listing(reading["pass"])

    def _read_left_out(self, reading: dict[str, Any]) -> None:
        """What the ids have and the pages had not is read by id. A first read is held against the board's count."""
        if self.swept is None or self.options.dry_run:
            return
        with self.db.transaction(read_only=True) as tx:
            left = self.state.listings.unread(tx, self._pass, reading["pass"])
        if left:
            log.warning("%s: pages left out %d items, which are read by id.", self.mapping.entity, len(left))
            self._take_by_id(left)

    def _new_reading(self, first: bool) -> dict[str, Any]:
        started = self.monday.server_time().isoformat()
        return {"pass": str(uuid.uuid4()), "first": first, "started": started, "fingerprint": self.fingerprint()}

    def _read_pages(self, reading: dict[str, Any]) -> None:
        if self.options.max_workers > 1 and self.board.groups and not reading.get("cursor"):
            self._note_reading(reading | {"cursor": None})
            for items in self.in_parallel(self._malformed, self._prepare(reading)):
                self._take([items])
                self._note_read(reading, items, None)
            return
        if reading.get("cursor"):
            log.info("%s: going on after %d items.", self.mapping.entity, self._count_listed(reading["pass"]))
        for page in self._pages(reading):
            self._take([page.items])
            self._note_read(reading, page.items, page.cursor)

    def in_parallel(self, on_malformed: OnMalformed, prepare: Prepare | None) -> Iterable[list[Item]]:
        """The board's items, read with several cursors."""

        def pages(group: str, params: Map[str, object]) -> Iterator[Page]:
            options = ReadOptions(
                limit=self.options.batch_size, query_params=params or None, group=group, on_malformed=on_malformed
            )
            return self.monday.pages(self.board.id, self.bound.wanted, options)

        groups = [group_id for group_id, _ in self.board.groups]
        status = {column.id for column in self.board.columns if column.type == "status"} & set(self.bound.column_ids)
        return ParallelReading(
            groups, pages, self.options.max_workers, total=self.board.items_count or 0, status=sorted(status),
            prepare=prepare,
        )  # fmt: skip

    def _read_rest(self, reading: dict[str, Any]) -> None:
        """Without a cursor: list all ids again, which is cheap, and read those that have not been read."""
        log.info("%s: going on after %d items.", self.mapping.entity, self._count_listed(reading["pass"]))
        if self.swept is None:
            self._list_ids()
        with self.db.transaction(read_only=True) as tx:
            left = self.state.listings.unread(tx, self._pass, reading["pass"])
        for part in batched(left, self.options.batch_size):
            self._take_by_id(part)
            self._note_read(reading, [], None, part)

    def _note_reading(self, reading: dict[str, Any]) -> None:
        self.remembered["reading"] = reading
        self._note_remembered()

    def _note_remembered(self) -> None:
        if not self.options.dry_run:
            self.memory.put(self.pulled, self.remembered)

    def _note_read(
        self, reading: dict[str, Any], items: list[Item], cursor: str | None, ids: list[str] | None = None
    ) -> None:
        """Remember what has been read, and how to go on."""
        if self.options.dry_run:
            return
        self.remembered["reading"] = reading | {"cursor": cursor}
        with self.db.transaction() as tx:
            self.state.listings.note(tx, reading["pass"], items, ids)
            put(tx, self.pulled, self.remembered)

    def _count_listed(self, pass_id: str) -> int:
        with self.db.transaction(read_only=True) as tx:
            return self.state.listings.count(tx, pass_id)

    def _forget_listing(self, pass_id: str) -> None:
        with self.db.transaction() as tx:
            self.state.listings.delete(tx, pass_id)

    def _incremental(self) -> None:
        """Read what was updated since the newest update known, and sweep when it is time to or the count is off."""
        gone = self._sweep() if self._must_sweep_first() else None
        since = watermark(self.remembered["watermark"])
        assert since is not None
        options = ReadOptions(on_malformed=self._malformed, prefetch=True)
        pages = self.monday.changed_since(self.board.id, since - OVERLAP, self.bound.wanted, options)
        first = next(pages, None)
        if gone is None and first is not None and self._hides_removals(first):
            gone = self._sweep()
        if first is not None:
            self._take(page.items for page in chain([first], pages))
        if gone is None and self.newest > str(self.remembered["watermark"]):
            self._take_left_out(since)
        self._take_unsettled()
        if gone is None and not self._adds_up():
            gone = self._sweep()
        self._take_stale()
        self._archive(gone or [])
        self._retake_free_keys()
        self._prove()
        self._finish()

    def _take_left_out(self, since: datetime) -> None:
        """Ids and times once more before the watermark moves on: a change that an answer lacked would be passed by."""
        if self.options.dry_run or self.monday.update_filter.precision not in (SECONDS, DAYS):
            return
        seen = str(uuid.uuid4())
        for page in self.monday.changed_since(self.board.id, since - OVERLAP, STATES_ONLY):
            with self.db.transaction() as tx:
                self.state.listings.note(tx, seen, page.items)
        with self.db.transaction() as tx:
            left = self.state.listings.stale(tx, seen)
            self.state.listings.delete(tx, seen)
        self._take_by_id(left)

    def _must_sweep_first(self) -> bool:
        if self.options.sweep:
            return True
        swept = watermark(self.remembered.get("swept_at"))
        if swept is None or datetime.now(timezone.utc) - swept > SWEEP_EVERY:
            return True
        claimed = self._claimed()
        return claimed is not None and too_many(self._known() - claimed, self.active())

    def _hides_removals(self, first: Page) -> bool:
        """Whether new items may make up for removed ones in the board's count: then ids come before anything is written."""
        claimed = self._claimed()
        if claimed is None or first.cursor is not None:
            return True
        with self.db.transaction(read_only=True) as tx:
            found = self.state.links.find(tx, [(item.id, "") for item in first.items])
        known = {monday_id for monday_id, one in found.links.items() if not one.archived} | found.skips.keys()
        new = sum(item.id not in known for item in first.items)
        return too_many(self._known() + new - claimed, self.active())

    def _known(self) -> int:
        with self.db.transaction(read_only=True) as tx:
            return self.state.links.count_active(tx) + self.state.skipped.count(tx)

    def _adds_up(self) -> bool:
        """Whether the board has as many items as are known, give or take what its count was off by at the last sweep."""
        count = self.board.items_count
        return count is not None and count + int(self.remembered.get("count_offset", 0)) == self._known()

    # Items that are gone

    def _sweep(self) -> list[str]:
        """List every id of the board; the linked items that are gone. Raises GuardStop, or Incomplete."""
        self._list_ids()
        with self.db.transaction() as tx:
            absent = self.state.listings.absent(tx, self._pass)
            active = self.state.links.count_active(tx)
        self._check_guard(len(absent), active)
        return self._confirmed_gone(absent)

    def _list_ids(self) -> None:
        """List every id and update time of the board; a listing that outlives its cursor starts again."""
        for attempt in range(LISTING_TRIES):
            self._pass = str(uuid.uuid4())
            try:
                for page in self.monday.listing(self.board.id, ReadOptions(prefetch=True)):
                    with self.db.transaction() as tx:
                        self.state.listings.note(tx, self._pass, page.items)
                break
            except CursorExpired:
                self._forget_listing(self._pass)
                if attempt == LISTING_TRIES - 1:
                    raise
        self.swept = self._count_listed(self._pass)

    def _check_guard(self, absent: int, active: int) -> None:
        """Promise: a run that would remove much stops before it removes any; an empty listing always does."""
        if self.options.allow_mass_delete or not absent:
            return
        if self.swept == 0 or too_many(absent, active):
            raise GuardStop(
                f"{absent} of {active} {self.mapping.entity} are missing on board {self.board.name} ({self.board.id});"
                " nothing of this entity was changed.",
                hint="If they really are gone, run again with --allow-mass-delete.",
            )

    def _confirmed_gone(self, absent: list[str]) -> list[str]:
        """Of the items a listing lacks, those that monday.com says are gone; one it still has makes the listing a lie."""
        here: list[str] = []
        for items in self.monday.items(absent, STATES_ONLY):
            here += [item.id for item in items if item.is_on(self.board.id)]
        if here:
            raise Incomplete(
                f"The listing of board {self.board.name} ({self.board.id}) left out {len(here)} items that exist,"
                f" such as {here[0]}; nothing was removed.",
                hint="Run again; monday.com's listings catch up after a while.",
            )
        return absent

    def _archive(self, gone: list[str]) -> None:
        """The rows of items that are gone are archived, deleted or left, as the mapping says."""
        if not gone:
            return
        for batch in batched(gone, self.options.batch_size):
            self.engine.remove(batch)

    def _take_stale(self) -> None:
        """Read again what a sweep has seen and an update filter has not: copied, restored, changed without a trace."""
        if self.swept is None:
            return
        with self.db.transaction(read_only=True) as tx:
            stale = self.state.listings.stale(tx, self._pass)
        self._take_by_id(stale)

    def _take_unsettled(self) -> None:
        """Look again at items that show something PostgreSQL does not have: a rule or a setting may have changed."""
        with self.db.transaction(read_only=True) as tx:
            unsettled = self.state.waiting.unsettled(tx)
            removals = self.state.waiting.removals(tx)
        self._take_by_id([one for one in unsettled if one not in self.engine.held], force=True)
        self._archive(removals)

    def _take_by_id(self, ids: list[str], force: bool = False) -> None:
        if ids:
            chunks = self.monday.items(ids, self.bound.wanted, self._malformed)
            self._take(([item for item in chunk if item.is_on(self.board.id)] for chunk in chunks), force)

    def _retake_free_keys(self) -> None:
        """Items left out because another had their key come in once that key is free."""
        with self.db.transaction(read_only=True) as tx:
            waiting = self.engine.waiting_for_a_free_key(tx)
        self._take_by_id(waiting)

    # Proof

    def _prove(self) -> None:
        """Compare what is stored with what the board says it has; what cannot be shown to be whole is said."""
        if self.options.dry_run:
            return
        with self.db.transaction(read_only=True) as tx:
            self.report.set_aside += self.state.skipped.count_failed(tx)
        self._forget_skips()
        known = self._known()
        claimed = self.swept if self.swept is not None else self._claimed()
        if claimed is None or known == claimed:
            return
        if self.swept is None:
            # The count is a rumour; ids are a fact.
            self._archive(self._sweep())
            self._take_stale()
            self._forget_skips()
            known, claimed = self._known(), self.swept
        if known != claimed:
            self.report.complete = False
            self.report.message = f"the board lists {claimed} items, {known} are accounted for"
            log.error("%s: %s.", self.mapping.entity, self.report.message)

    def _forget_skips(self) -> None:
        """Items that were left out and are not on the board any more are no news."""
        if self.swept is not None:
            with self.db.transaction() as tx:
                self.state.skipped.remove_unseen(tx, self._pass)

    def _claimed(self) -> int | None:
        count = self.board.items_count
        return None if count is None else count + int(self.remembered.get("count_offset", 0))

    def _count_offset(self) -> int:
        """By how much the board's own count is off. What is made or removed during a run is no part of that."""
        known, counted = int(self.remembered.get("count_offset", 0)), self.board.items_count
        if self.swept in (None, counted):
            return 0 if self.swept is not None else known
        _, now = self.monday.account.board_marks([self.board.id]).get(self.board.id, (None, None))
        return self.swept - now if now is not None and now == counted else known

    def _finish(self) -> None:
        """Remember how far this came, so that the next run starts there."""
        if self.options.dry_run:
            return
        if self.report.complete:
            # What changed behind a long read's back is older than the newest time it saw.
            newest = self.newest or "1970-01-01T00:00:00Z"
            self.remembered["watermark"] = min(newest, self._known_since, key=_instant)
            self.remembered["fingerprint"] = self.fingerprint()
        self.remembered["titles"] = self.titles()
        offset = self._count_offset()
        with self.db.transaction() as tx:
            if self.swept is not None:
                self.remembered["swept_at"] = datetime.now(timezone.utc).isoformat()
                self.remembered["count_offset"] = offset
            put(tx, self.pulled, self.remembered)


def _instant(value: str) -> datetime:
    moment = watermark(value)
    assert moment is not None
    return moment


def sync_sales_staff(limit: int | None = None) -> EntityReport:
    """Pull the staff board, by the settings of the environment: for use from a shell."""
    from sync.run import run_once

    return run_once("monday_to_pg", ["users"], PullOptions(limit=limit)).entities[0]


if __name__ == "__main__":
    import sys

    from sync.command import direction_command
    from sync.run import run
    from terminal.leaving import leave_with

    leave_with(direction_command("monday-to-pg", run), sys.argv[1:], "python main.py monday-to-pg")
