"""Reads all items of a board, and goes on where an earlier run was cut off.

What has been read is noted page by page, together with the cursor. A cursor that expired is replaced by a listing of
ids: those that have not been read are read by id.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from msgspec import Struct

from errors import CursorExpired, Incomplete
from models import Item
from state.values import put, watermark
from sync.board import BoardSync
from sync.intake import Intake
from sync.read_ahead import ReadAhead, reading_ahead
from sync.read_board import SOME, Listing, count_listed, in_parallel, read_by_id, read_pages, reads_in_parallel
from sync.sweep import Sweep
from timing import Stopped
from values.slices import batched

log = logging.getLogger("monday_sync")


PAGES = 2
"""A board of so many pages is small."""
LOOKS_S = 0.5
"""Who waits for another board's reading looks so often whether the run is to stop."""


def reading_of(sync: BoardSync) -> dict[str, Any]:
    """Returns what is known of a full read that was begun and not finished; {} when there is none, or all has changed."""
    reading = sync.remembered.get("reading") or {}
    return reading if reading.get("fingerprint") == sync.fingerprint() else {}


def count_read(sync: BoardSync) -> int:
    """Returns how many items a run that was cut off has read."""
    reading = reading_of(sync)
    return count_listed(sync, reading["pass"]) if reading else 0


class WholeRead(Struct, frozen=True):
    """Says when a reading began, how many items the board said it had then, and which ids were read."""

    started: str
    claimed: int | None
    ids: Listing


class FullRead:
    """Reads a whole board into an intake."""

    def __init__(self, sync: BoardSync, intake: Intake, sweep: Sweep) -> None:
        self.sync, self.intake, self.sweep = sync, intake, sweep
        self._planner_knows = False

    def run(self, first: bool) -> WholeRead:
        """Reads all that is not read yet. `first`: there are no links."""
        with self._alone():
            return self._run(first)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Waits while another large board of this run is read. Raises Stopped."""
        lock, count = self.sync.parts.one_large_reading, self.sync.board.items_count
        if lock is None or (count is not None and count <= PAGES * self.sync.options.batch_size):
            yield
            return
        while not lock.acquire(timeout=LOOKS_S):
            self.sync.may_go_on()
        try:
            yield
        finally:
            lock.release()

    def _run(self, first: bool) -> WholeRead:
        if first:
            self.intake.expect_no_links()
        reading = reading_of(self.sync)
        if self.intake.before and not reading.get("cursor"):  # cut off, and its cursor is lost
            self._read_rest(reading)
        else:
            reading = reading or self._new_reading(first)
            self._note_reading(reading)
            try:
                with self._reading_ahead(reading) as read_ahead:
                    self._read_pages(reading, read_ahead)
            except CursorExpired:
                log.warning("%s: the listing outlived its cursor; the rest is read by id.", self.sync.mapping.entity)
                self._note_reading(reading | {"cursor": None})
                self._read_rest(reading)
            except Incomplete:
                # What was read so far cannot be trusted either.
                self._forget_reading()
                raise
        ids = Listing(reading["pass"], count_listed(self.sync, reading["pass"]))
        read = WholeRead(str(reading["started"]), reading.get("claimed"), ids)
        self.read_left_out(read)
        self.sync.remembered.pop("reading", None)
        return read

    def _new_reading(self, first: bool) -> dict[str, Any]:
        return {
            **{"pass": str(uuid.uuid4()), "first": first, "fingerprint": self.sync.fingerprint()},
            **{"started": self.sync.destination.server_time().isoformat(), "claimed": self.sync.board.items_count},
        }

    def _reading_ahead(self, reading: dict[str, Any]) -> AbstractContextManager[ReadAhead]:
        """Returns who reads items ahead. Those that are known may turn out to be unchanged: their cells are not read."""
        return reading_ahead(self.sync) if reading["first"] else nullcontext(ReadAhead())

    def _read_pages(self, reading: dict[str, Any], read_ahead: ReadAhead) -> None:
        sync, malformed = self.sync, self.intake.malformed
        cursor, self._planner_knows = reading.get("cursor"), not reading["first"]
        if reads_in_parallel(sync) and not cursor:
            self._note_reading(reading | {"cursor": None})
            for items in in_parallel(sync, malformed, read_ahead):
                self.intake.take_page(items)
                self._note_read(reading, items, None)
                self._tell_planner()
                self.intake.tell()
            return
        started = watermark(reading["started"]) if cursor else None
        if cursor:
            self._report_going_on(reading)
        ends = False
        for page in read_pages(sync, malformed, read_ahead, cursor, started):
            self.intake.take_page(page.items)
            self._note_read(reading, page.items, page.cursor)
            self._tell_planner()
            try:
                self.intake.tell()
            except Stopped:
                if ends:
                    raise
                ends = True  # the page that is on its way is taken in, too; no other is asked for

    def _tell_planner(self) -> None:
        """Has PostgreSQL look at the first links of an entity, once in a reading; by itself it does so a minute later.

        Until then it takes them for few, and reads all of them to answer a question about some.
        """
        if self._planner_knows or self.sync.options.dry_run:
            return
        with self.sync.db.autocommit() as session:
            self.sync.state.links.analyze(session)
        self._planner_knows = True

    def _read_rest(self, reading: dict[str, Any]) -> None:
        """Lists all ids again, which is cheap, and reads those that have not been read."""
        self._report_going_on(reading)
        for some in batched(self.sweep.unread(reading["pass"]), SOME):
            for items in read_by_id(self.sync, some, self.intake.malformed):
                self.intake.take_page(items)
            self._note_read(reading, [], None, some)
            self.intake.tell()

    def read_left_out(self, read: WholeRead) -> None:
        """Reads by id what the listing has and the pages had not. Without a listing, the counts are compared."""
        if self.sweep.listing is None or self.sync.options.dry_run:
            return
        if left := self.sweep.unread(read.ids.pass_id):
            log.warning("%s: pages left out %d items, which are read by id.", self.sync.mapping.entity, len(left))
            self.intake.take_by_id(left)

    def _report_going_on(self, reading: dict[str, Any]) -> None:
        read = count_listed(self.sync, reading["pass"])
        log.info("%s: going on after %d items.", self.sync.mapping.entity, read)

    # What is remembered

    def _note_reading(self, reading: dict[str, Any]) -> None:
        self.sync.remembered["reading"] = reading
        self._note_remembered()

    def _forget_reading(self) -> None:
        self.sync.remembered.pop("reading", None)
        self._note_remembered()

    def _note_remembered(self) -> None:
        if not self.sync.options.dry_run:
            self.sync.memory.put(self.sync.pulled, self.sync.remembered)

    def _note_read(
        self, reading: dict[str, Any], items: list[Item], cursor: str | None, ids: Sequence[str] | None = None
    ) -> None:
        """Notes what has been read, and how to go on."""
        if self.sync.options.dry_run:
            return
        self.sync.remembered["reading"] = reading | {"cursor": cursor}
        with self.sync.db.transaction() as tx:
            self.sync.state.listings.note(tx, reading["pass"], items, list(ids) if ids is not None else None)
            put(tx, self.sync.pulled, self.sync.remembered)
