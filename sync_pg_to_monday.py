"""The push: finds out which rows changed in PostgreSQL, and tells monday.com; and both directions in one pass.

With the triggers of `setup` the outbox tells what changed. A first push, a changed mapping, `--full`, and a database
without triggers compare every row with what both sides last agreed on.

    python sync_pg_to_monday.py --entity users --limit 10
"""

from __future__ import annotations

if __name__ == "__main__":
    from terminal import missing_package

    missing_package.watch()

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from databases.postgres.names import identifier, table_name
from db_connector import Transaction
from errors import GuardStop
from models import STATES_ONLY, LogEntry, Page, Removal
from rows.tables import is_archived
from services.monday.prefetch import ahead
from services.monday.writes import CHANGES_PER_DOCUMENT
from state import outbox, triggers
from state.values import push_key, put, setup_key
from sync.board import BoardSync, too_many
from sync.create_items import ROWS_PER_IMPORT, Creation
from sync.identity import AMBIGUOUS
from sync.look_at_rows import RowNews
from sync.report import EntityReport
from sync.task import NO_HINTS, Batch, Hints
from sync_monday_to_pg import Pull
from values.slices import batched

log = logging.getLogger("monday_sync")

RECORDS_AT_ONCE = 400
CHANGES_AT_ONCE = 5 * CHANGES_PER_DOCUMENT
NOT_HERE = "the row was edited, and its item is not on the board: restore the item, or archive the row"
HELD_ROW = (
    "the row is there again, and its item is not: restore the item on the board, or run:"
    " python main.py record ID --recreate"
)


class Push:
    """Brings PostgreSQL's changes to one board."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.creation = Creation(sync)
        self.new: list[str] = []
        """Rows to make items of, gathered so that many can go in one import."""
        self.left = sync.options.limit
        self.remembered: dict[str, Any] = sync.memory.get(self._name) or {}
        mark = sync.memory.get(setup_key(sync.mapping.entity)) or {}
        self._fingerprint = f"{sync.fingerprint()}/{mark.get('mark', '')}"
        self.hints = NO_HINTS
        self.looked_at: set[str] = set()
        """Items of which the same run has held something already."""

    @property
    def _name(self) -> str:
        return push_key(self.sync.mapping.entity)

    def run(self) -> EntityReport:
        """Do it. Raises GuardStop before anything is written when too much would be removed."""
        started = time.monotonic()
        self.sync.begin()
        removals = self.guarded_removals()
        if not self.sync.options.dry_run:
            self.creation.recover()
        self.meet()
        self.push(removals)
        self.sync.report.seconds = time.monotonic() - started
        return self.sync.report

    def meet(self) -> None:
        """On the first run, read the board: rows and items that exist on both sides are linked, not made again."""
        if self.sync.remembered.get("watermark") or self.remembered.get("met") == self.sync.board.id:
            return
        if self.sync.board.items_count != 0:
            pages = self.sync.monday.pages(self.sync.board.id, self.sync.bound.wanted)
            for page in pages:
                self.sync.deliver(self.sync.engine.take(page.items))
        self.remembered["met"] = self.sync.board.id

    def push(self, removals: Sequence[Removal]) -> None:
        """Send what changed, create what is new, and remove what is gone."""
        full = self._compares_everything()
        self._remove(removals)
        if full:
            for root_ids in self._all_rows():
                self._deal_with(root_ids, edited=False)
            self._create_gathered(at_least=1)
        self._drain()
        self._retry()
        self._unify()
        self._finish(full)
        self.sync.count_leftovers()

    # What there is to do

    def guarded_removals(self) -> list[Removal]:
        """The items whose rows are gone or archived. Raises GuardStop when they are too many."""
        table, key = table_name(self.sync.mapping.table), identifier(self.sync.mapping.primary_key)
        with self.sync.db.transaction(read_only=True) as tx:
            archived = is_archived(self.sync.mapping, "t")
            gone = self.sync.state.links.rows_gone(tx, table, key)
            gone += self.sync.state.links.rows_archived(tx, table, key, archived)
            active = self.sync.state.links.count_active(tx)
        if self.sync.mapping.on_row_removed == "ignore" or not self.sync.engine.options.write_monday:
            return []
        if too_many(len(gone), active) and not self.sync.options.allow_mass_delete:
            raise GuardStop(
                f"{len(gone)} of {active} {self.sync.mapping.entity} are gone in PostgreSQL; nothing of this entity was"
                " changed.",
                hint="If their items are to be removed, run again with --allow-mass-delete.",
            )
        return [Removal(item_id, root_id) for item_id, root_id in gone]

    def _compares_everything(self) -> bool:
        if self.sync.options.full or self.remembered.get("fingerprint") != self._fingerprint:
            return True
        with self.sync.db.transaction(read_only=True) as tx:
            return not triggers.installed(tx, self.sync.mapping)

    def _all_rows(self) -> Iterator[list[str]]:
        after: str | None = None
        while True:
            with self.sync.db.transaction(read_only=True) as tx:
                page = self.sync.engine.store.page_of_ids(tx, after, 2 * RECORDS_AT_ONCE)
            if not page:
                return
            after = page[-1]
            yield page

    def _drain(self) -> None:
        """Deal with the outbox, and forget what has been dealt with."""
        with self.sync.db.transaction() as tx:
            noted = outbox.noted(tx, self.sync.mapping)
            self.hints = Hints(dates=outbox.dates(tx, self.sync.mapping))
        roots = sorted(noted.roots)
        dealt: set[str] = set()
        for part in batched(roots, 2 * RECORDS_AT_ONCE):
            if self._deal_with(part):
                dealt.update(part)
        self._create_gathered(at_least=1)
        if self.sync.options.dry_run:
            return
        kept = {entry for root, entries in noted.roots.items() if root not in dealt for entry in entries}
        with self.sync.db.transaction() as tx:
            outbox.done(tx, [entry for entry in noted.ids if entry not in kept])

    def _retry(self) -> None:
        """Try again what was refused, when its pause is over."""
        with self.sync.db.transaction() as tx:
            began, due = tx.value("select now()"), self.sync.state.waiting.due(tx, self.looked_at)
        waiting: list[str] = []
        due = [one for part in batched(due, RECORDS_AT_ONCE) if self._deal_with(part, waiting) for one in part]
        self._create_gathered(at_least=1)
        if due and not self.sync.options.dry_run:
            # Only now, because whoever is killed before has tried nothing.
            with self.sync.db.transaction() as tx:
                self.sync.state.waiting.clear(tx, due, began)
                self.sync.state.waiting.wait(tx, waiting)
                links = self.sync.state.links.of_rows(tx, due)
                self._tell_rows(tx, [root_id for root_id, link in links.items() if link.status == "synced"], "synced")

    def _unify(self) -> None:
        """Look at each item that is known to differ, whether or not it is news: its cells are to show the shared row."""
        if not self.sync.options.unify:
            return
        with self.sync.db.transaction(read_only=True) as tx:
            differing = self.sync.state.links.known_to_differ(tx)
        self._change(differing[: self.left])

    # Doing it

    def _deal_with(self, root_ids: Sequence[str], waiting: list[str] | None = None, edited: bool = True) -> bool:
        """Look at root rows and send what is news; whether all of them were dealt with (a limit may cut them short).

        What was set aside is tried again when somebody has `edited` it or asks for it, not whenever all is compared.
        """
        with self.sync.db.transaction(read_only=True) as tx:
            look = self.sync.engine.look(tx, root_ids, self.hints)
        if waiting is not None:
            waiting += look.waiting
        if look.waiting and not self.sync.options.dry_run:
            with self.sync.db.transaction() as tx:
                self.sync.state.waiting.wait(tx, look.waiting)
        self._find_restored(look)
        self._report_held(look)
        given_up = set() if edited else look.aside
        look.changed = [one for one in look.changed if one not in self.looked_at | given_up]
        look.new = [one for one in look.new if one not in given_up]
        whole = self._limit(look)
        self._change(look.changed)
        self.new += self._unmet(look.new)
        self._create_gathered(at_least=ROWS_PER_IMPORT)
        return whole and not look.ambiguous

    def _find_restored(self, look: RowNews) -> None:
        """Items that were gone and are back: their records are like any other again."""
        if not look.lost or self.sync.engine.options.write_postgres:
            return  # whoever pulls has seen them
        roots = {item_id: root_id for root_id, item_id in look.lost.items()}
        back: set[str] = set()
        for items in self.sync.monday.items(list(roots), STATES_ONLY):
            back |= {item.id for item in items if item.is_on(self.sync.board.id)}
        look.held = [root_id for root_id in look.held if look.lost.get(root_id) not in back]
        look.changed += sorted(back)

    def _unmet(self, root_ids: list[str]) -> list[str]:
        """The new rows that no item of the board is about: an item that shows the same in the match field is linked."""
        sync, name = self.sync, self.sync.mapping.match
        columns = sync.bound.owner[name].columns if name in sync.bound.owner else ()
        if not name or len(columns) != 1 or not root_ids or sync.engine.options.write_postgres:
            return root_ids  # whoever pulls has met every item already
        with sync.db.transaction(read_only=True) as tx:
            stored = sync.engine.store.load(tx, root_ids)
        values = [str(value) for one in stored.values() if (value := one.record.get(name))]
        if not values:
            return root_ids
        found = sync.monday.find_by_text(sync.board.id, columns[0], values, sync.bound.wanted)
        for items in batched(found, sync.options.batch_size):
            sync.deliver(sync.engine.take(items, hints=self.hints), self.hints)
        with sync.db.transaction(read_only=True) as tx:
            return sync.engine.look(tx, root_ids, self.hints).new

    def _limit(self, look: RowNews) -> bool:
        if self.left is None:
            return True
        found = len(look.changed) + len(look.new)
        look.changed = look.changed[: self.left]
        look.new = look.new[: self.left - len(look.changed)]
        self.left -= len(look.changed) + len(look.new)
        return found == len(look.changed) + len(look.new)

    def _change(self, item_ids: Sequence[str]) -> None:
        """Read the items as they are now, so that what both sides changed is settled by rule, and send the rest."""
        sync = self.sync
        batch = Batch(EntityReport(sync.mapping.entity, sync.board.id))
        missing = set(item_ids)
        for page in ahead(lambda cancelled: self._pages_of(item_ids)):
            here = [item for item in page.items if item.is_on(sync.board.id)]
            missing -= {item.id for item in here}
            taken = sync.engine.take(here, force=True, hints=self.hints)
            batch.outgoing += taken.outgoing
            batch.removals += taken.removals
            if len(batch.outgoing) >= CHANGES_AT_ONCE:
                sync.deliver(batch, self.hints)
                batch.outgoing, batch.removals = [], []
            sync.progress(sync.mapping.entity, sync.report.read, None)
        sync.deliver(batch, self.hints)
        self._keep_back(missing)

    def _pages_of(self, item_ids: Sequence[str]) -> Iterator[Page]:
        """The next hundred is read while the last ones are being written."""
        sync = self.sync
        for items in sync.monday.items(item_ids, sync.bound.wanted):
            yield Page(items, "more")

    def _keep_back(self, item_ids: Collection[str]) -> None:
        """Changes whose items are not on the board now: they wait, with growing pauses, for the item or for a pull."""
        if not item_ids or self.sync.options.dry_run:
            return
        with self.sync.db.transaction() as tx:
            links = self.sync.state.links.find(tx, [(item_id, "") for item_id in item_ids]).links
            roots = {str(link.entity_id): item_id for item_id, link in links.items() if not link.archived}
            for root_id in roots:
                self.sync.report.set_aside += self.sync.state.waiting.refuse_change(tx, root_id, NOT_HERE)
            self._tell_rows(tx, roots, "error")
            entries = [LogEntry("push", "error", NOT_HERE, item_id, root_id) for root_id, item_id in roots.items()]
            self.sync.state.log.append(tx, entries)
        self.sync.report.errors += len(roots)
        for root_id, item_id in roots.items():
            log.error("%s %s (item %s): %s", self.sync.mapping.entity_type, root_id, item_id, NOT_HERE)

    def _create_gathered(self, at_least: int) -> None:
        """Make items of the rows gathered, once there are so many."""
        if len(self.new) >= at_least:
            root_ids, self.new = self.new, []
            self._create(root_ids)

    def _create(self, root_ids: Sequence[str]) -> None:
        if not root_ids or not self.sync.engine.options.write_monday:
            return
        if self.sync.options.dry_run:
            self.sync.engine.plans += [f"create item for {self.sync.mapping.entity_type} {root}" for root in root_ids]
            self.sync.report.created += len(root_ids)
            self.sync.report.to_monday.created += len(root_ids)
            return
        self.creation.create(root_ids)

    def _remove(self, removals: Sequence[Removal]) -> None:
        """Items follow their rows, unless somebody edited them since: then the edit stays."""
        by_item = {removal.item_id: removal for removal in removals}
        sync = self.sync
        for items in sync.monday.items(list(by_item), sync.bound.wanted):
            here = [item for item in items if item.is_on(sync.board.id)]
            batch = sync.engine.take(here, force=True, hints=self.hints)
            sync.deliver(batch, self.hints)
            if sync.options.dry_run:
                sync.engine.plans += [f"archive item {one.item_id}" for one in batch.removals]
                sync.report.archived += len(batch.removals)
                sync.report.to_monday.archived += len(batch.removals)
            for item in here:
                by_item.pop(item.id, None)
        if by_item and not sync.options.dry_run:  # neither here nor there any more
            with sync.db.transaction() as tx:
                sync.state.links.archive(tx, list(by_item))

    def _report_held(self, look: RowNews) -> None:
        for root_id in look.held:
            log.warning("%s %s: %s", self.sync.mapping.entity_type, root_id, HELD_ROW)
        for root_id in look.ambiguous:
            log.warning("%s %s: %s; no item is made of it", self.sync.mapping.entity_type, root_id, AMBIGUOUS)
        self.sync.report.skipped += len(look.ambiguous)
        if look.held and not self.sync.options.dry_run:
            with self.sync.db.transaction() as tx:
                self.sync.state.waiting.hold(tx, look.held)
                self._tell_rows(tx, look.held, "conflict")

    def _tell_rows(self, tx: Transaction, root_ids: Iterable[str], status: str) -> None:
        """The application reads on its own rows what their links say, where they have a column for it."""
        if self.sync.mapping.record_settings:
            self.sync.engine.store.set_status(tx, dict.fromkeys(root_ids, status))

    def _finish(self, full: bool) -> None:
        if self.sync.options.dry_run or self.left is not None:
            return
        if full:
            self.remembered["fingerprint"] = self._fingerprint
        with self.sync.db.transaction() as tx:
            put(tx, self._name, self.remembered)


def push_board(sync: BoardSync) -> EntityReport:
    """PostgreSQL → monday.com for one entity."""
    return Push(sync).run()


def sync_both_ways(pull: Pull) -> EntityReport:
    """One pass over one entity: what changed on either side is decided once, and written on both."""
    push = Push(pull)
    pull.begin()
    removals = push.guarded_removals()
    if not pull.options.dry_run:
        push.creation.recover()
    pull.whole_run = False
    report = pull.run()
    push.looked_at = set(pull.engine.held)
    push.push(removals)
    return report


if __name__ == "__main__":
    import sys

    from sync.command import direction_command
    from sync.run import run
    from terminal.leaving import leave_with

    leave_with(direction_command("pg-to-monday", run), sys.argv[1:], "python main.py pg-to-monday")
