"""Loads a board: reads it into a staging table, checks what is staged, and makes it live in one transaction.

The live table is changed in place, row by row: a query sees the old rows until the new ones are there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from msgspec import Struct, field

from boards import staging_checks
from boards.make_live import LiveTable, Written
from boards.staging_table import AS_IT_WAS, Ready, StagingTable, ValidationFailed
from databases.postgres.names import compose, table_name
from databases.postgres.own_ways import TableWays
from db_connector import Transaction
from errors import GuardStop, Incomplete, RowRejected, SettingsError
from models import Item, LogEntry, Record
from rows.tables import table_of
from state import triggers
from state.skipped import FAILED
from state.turns import take_turn
from state.values import put, watermark
from sync.apart import in_words
from sync.board import BoardSync, too_many
from sync.cycle import TO_MONDAY
from sync.read_ahead import reading_ahead
from sync.read_board import (
    confirmed_gone,
    forget_listing,
    in_parallel,
    larger_count,
    list_ids,
    read_by_id,
    read_pages,
    reads_in_parallel,
    some_of,
)
from sync.report import EntityReport
from sync.seals import seal_of
from values.canonical import as_kept
from values.wording import plural

ANALYZE = "analyze {rows} ({key})"
"""Has PostgreSQL look at the keys, by which rows are joined. Of all columns, which autovacuum does, it takes too long."""
SAMPLE = 50
NEVER = "1970-01-01T00:00:00Z"


class Staged(Struct):
    """Holds what was read of a board: ids of items, those that failed with the reasons, a sample, the last update."""

    seen: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    sample: dict[str, Record] = field(default_factory=dict)
    newest: str = ""
    left: set[str] = field(default_factory=set)
    """The items that could not be loaded with the others."""


class Staging:
    """Loads an opened board through a staging table."""

    def __init__(self, sync: BoardSync, batch_size: int = 1000) -> None:
        self.sync, self.db, self.mapping = sync, sync.db, sync.mapping
        self.state, self.report = sync.state, sync.report
        self.batch_size = batch_size
        home = sync.store.root
        self.table = StagingTable(self.mapping, home, table_of([home], TableWays(), self.mapping))
        self.live = LiveTable(self.table, self.state)
        self.staged = Staged()
        self.began = sync.destination.server_time().isoformat()
        self._dice = random.Random(0)

    def run(self, allow_mass_delete: bool = False) -> EntityReport:
        """Reads the board, checks what is staged, and makes it live. When a check fails, the live table is as it was.

        In a dry run the report says what would change, and nothing but the staging table is written.
        """
        started = time.monotonic()
        _check_direction(self)
        self._make()
        try:
            self._read()
            self._check()
            with self.db.transaction(read_only=True) as tx:
                gone = self.live.gone(tx, self.staged.failed)
            if not allow_mass_delete:
                self._check_guard(gone)
            self._confirm(gone)
            if self.sync.options.dry_run:
                _plan(self, gone)
            else:
                self._make_live(gone)
        finally:
            self._drop()
        self.report.seconds = time.monotonic() - started
        if self.sync.options.dry_run:
            return self.report
        _take_one_by_one(self.sync, self.staged.left)
        with self.db.autocommit() as session:
            session.execute(compose(ANALYZE, **self.table.names(), rows=table_name(self.mapping.table)))
        self.report.seconds = time.monotonic() - started
        return self.report

    def _make(self) -> None:
        self._drop()
        with self.db.transaction() as tx:
            self.table.make(tx)

    def _drop(self) -> None:
        with self.db.transaction() as tx:
            self.table.drop(tx)

    # Reading

    def _read(self) -> None:
        """Reads all pages. What is ready of one batch is copied in a thread while the next is read."""
        with ThreadPoolExecutor(1, "staging") as thread:
            copying: Future[None] | None = None
            for items in self._batches():
                ready = self._ready(items)
                if copying is not None:
                    copying.result()
                copying = thread.submit(self._copy, ready)
            if copying is not None:
                copying.result()

    def _batches(self) -> Iterator[list[Item]]:
        batch: list[Item] = []
        seen = self.staged.seen
        for items in self._pages():
            # an item that moved meanwhile comes on two pages
            batch += [item for item in items if item.id not in seen]
            seen.update(item.id for item in items)
            if len(batch) >= self.batch_size:
                yield batch
                batch = []
        yield batch

    def _pages(self) -> Iterator[list[Item]]:
        with reading_ahead(self.sync) as ahead:
            if reads_in_parallel(self.sync):
                yield from in_parallel(self.sync, self._malformed, ahead)
                return
            for page in read_pages(self.sync, self._malformed, ahead):
                yield page.items

    def _malformed(self, item_id: str, reason: str) -> None:
        raise ValidationFailed(f"Item {item_id or '(without id)'} did not come whole: {reason}.", hint=AS_IT_WAS)

    def _read_left_out(self) -> None:
        """Reads by id what the pages lacked, when the board has another number of items than were read."""
        seen = self.staged.seen
        if self.sync.destination.item_count(self.sync.board.id) == len(seen):
            return  # the pages had every item
        listing = list_ids(self.sync)
        with self.db.transaction() as tx:
            rows = tx.rows("select monday_id from sync_listing where pass = %s order by 1", (listing.pass_id,))
        forget_listing(self.sync, listing.pass_id)
        if (claimed := larger_count(self.sync, listing.count)) is not None:
            raise ValidationFailed(
                f"The board says that it has {plural(claimed, 'item')}, and its listing has {listing.count}.",
                hint=AS_IT_WAS,
            )
        listed = [row[0] for row in rows]
        for here in read_by_id(self.sync, [item_id for item_id in listed if item_id not in seen]):
            seen.update(item.id for item in here)
            self._copy(self._ready(here))
        if lacking := [item_id for item_id in listed if item_id not in seen]:
            raise ValidationFailed(
                f"The board lists {plural(len(listed), 'item')}; {len(lacking)} did not come, such as {lacking[0]}.",
                hint=AS_IT_WAS,
            )

    def _check_guard(self, gone: list[str]) -> None:
        """Raises GuardStop when too many are gone; what was cut short on its way shows as such first."""
        active = self.sync.active()
        if gone and (not self.staged.seen or too_many(len(gone), active)):
            self._confirm(some_of(gone))
            raise GuardStop(
                f"{len(gone)} of {active} {self.mapping.entity} are missing on the board; nothing was changed.",
                hint="If they really are gone, run again with --allow-mass-delete.",
            )

    def _confirm(self, gone: Sequence[str]) -> None:
        """Asks monday.com for items that pages and listings lack: only those that it says are gone are archived."""
        try:
            confirmed_gone(self.sync, gone, len(self.staged.seen))
        except Incomplete as exc:
            raise ValidationFailed(exc.message, hint=AS_IT_WAS) from exc

    # Staging

    def _ready(self, items: Sequence[Item]) -> list[Ready]:
        """Returns items as they go into the staging table, without those whose cells are not understood."""
        ready = [made for item in items if (made := self._ready_one(item)) is not None]
        self.staged.newest = max([self.staged.newest, *(item.updated_at or "" for item in items)])
        self.sync.progress(self.mapping.entity, len(self.staged.seen), self.sync.board.items_count)
        return ready

    def _ready_one(self, item: Item) -> Ready | None:
        reading = self.sync.reader.read(item)
        if reading.unread:
            self.staged.failed[item.id] = in_words(reading.unread)
            return None
        record = reading.record
        sample = self.staged.sample
        # later items replace earlier ones, so that the sample is of the whole board
        if len(sample) < SAMPLE or self._dice.random() < SAMPLE / (len(self.staged.seen) + 1):
            if len(sample) >= SAMPLE:
                sample.pop(self._dice.choice(list(sample)))
            sample[item.id] = record
        cells, base = self.sync.reader.fingerprint(item)[0], reading.kept or as_kept(record)
        seal = None if reading.unresolved else seal_of(self.sync.engine.cycle.seal_key, cells, base)
        return Ready(item, record, cells, base.decode(), seal)

    def _copy(self, ready: Sequence[Ready]) -> None:
        """Copies items into the staging table. A row that PostgreSQL refuses costs its own item only."""
        if not ready:
            return
        try:
            with self.db.transaction() as tx:
                self.table.copy(tx, ready)
        except RowRejected as exc:
            # the refused row itself
            if len(ready) == 1:
                self.staged.failed[ready[0].item.id] = str(exc)
                self.staged.sample.pop(ready[0].item.id, None)
                return
            # the refused row is among these: each half by itself
            middle = len(ready) // 2
            self._copy(ready[:middle])
            self._copy(ready[middle:])

    def _check(self) -> None:
        with self.db.transaction() as tx:
            tx.execute(compose(ANALYZE, **self.table.names(), rows=table_name(self.table.rows)))
        self._read_left_out()
        with self.db.transaction(read_only=True) as tx:
            staging_checks.check_count(tx, self.table, len(self.staged.seen), len(self.staged.failed))
        with self.db.transaction() as tx:
            staging_checks.check_keys(tx, self.table)
            staging_checks.check_types(tx, self.table)
            staging_checks.check_sample(tx, self.table, self.sync.board, self.staged.sample)

    # Making live

    def _make_live(self, gone: Sequence[str]) -> None:
        try:
            self.db.run_in_transaction(lambda tx: self._make_live_within(tx, gone))
        except RowRejected as exc:
            raise ValidationFailed(exc.message, hint=AS_IT_WAS) from exc

    def _make_live_within(self, tx: Transaction, gone: Sequence[str]) -> None:
        """Inserts, updates and archives what differs, and remembers it. Run again, it starts over."""
        take_turn(tx)
        self.live.wait_for_writers(tx)
        self.live.take_other_keys(tx)
        written = self.live.write(tx)
        archived = self.sync.engine.remove_within(tx, gone)
        self.live.link(tx)
        self._note_items(tx, written)
        self._remember(tx)
        self.count(written, archived)
        self.staged.left = self.staged.failed.keys() | written.refused.keys()

    def _note_items(self, tx: Transaction, written: Written) -> None:
        seen, failed = self.staged.seen, self.staged.failed
        self.state.skipped.add(tx, [(item_id, FAILED + why, None, "") for item_id, why in failed.items()])
        self.state.skipped.remove(tx, seen - failed.keys() - written.refused.keys())
        did = f"{plural(len(seen), 'item')}, {written.inserted} new, {written.updated} changed"
        self.state.log.append(tx, [LogEntry("reload", "success", did)])

    def _remember(self, tx: Transaction) -> None:
        """Notes that the next run starts where this one began."""
        sync = self.sync
        known = {**sync.remembered, "fingerprint": sync.fingerprint(), "titles": sync.titles()}
        known["watermark"] = min(self.staged.newest or NEVER, self.began, key=lambda at: watermark(at) or datetime.max)
        known.pop("reading", None)
        put(tx, sync.pulled, known)

    def count(self, written: Written, archived: int) -> None:
        """Puts what was written, or would be, into the report."""
        report, read = self.report, len(self.staged.seen)
        report.read, report.created = read, written.inserted
        report.updated, report.restored = written.updated - written.restored, written.restored
        report.archived, report.errors = archived, len(self.staged.failed) + len(written.refused)
        report.unchanged = read - written.inserted - written.updated - report.errors
        report.to_postgres.created, report.to_postgres.updated = written.inserted, written.updated
        report.to_postgres.archived = archived


def _check_direction(staging: Staging) -> None:
    """Checks that triggers tell which rows SQL has changed, so that a load does not undo these changes."""
    if staging.mapping.direction not in TO_MONDAY:
        return  # changes of SQL are not sent anyway
    with staging.db.transaction(read_only=True) as tx:
        # before the first load there is no row that SQL could have changed
        known = triggers.installed(tx, staging.mapping) or not staging.state.links.count_active(tx)
    if not known:
        raise SettingsError(
            f"{staging.mapping.entity} flows both ways and has no triggers, so a reload could undo changes made with SQL.",
            hint=f"run: python main.py setup --entity {staging.mapping.entity}",
        )


def _plan(staging: Staging, gone: Sequence[str]) -> None:
    """Tells what would be changed."""
    with staging.db.transaction(keep=False) as tx:
        staging.live.take_other_keys(tx)
        new, changed = staging.live.differing(tx)
    kind = staging.mapping.entity_type
    staging.report.plans = [
        *(f"create {kind} {key}" for key in new),
        *(f"update {kind} {key}: {', '.join(names) or 'restored'}" for key, names in changed.items()),
        *(f"archive {kind} {item_id}" for item_id in gone),
    ]
    staging.count(Written(len(new), 0, len(changed)), len(gone))


def _take_one_by_one(sync: BoardSync, left: set[str]) -> None:
    """Takes the items that could not be loaded as they are, so that what is refused costs its field only."""
    for items in read_by_id(sync, sorted(left, key=int)):
        # they were counted as read, and as errors
        sync.report.errors -= len(items)
        sync.report.read -= len(items)
        sync.engine.take(items, force=True)
