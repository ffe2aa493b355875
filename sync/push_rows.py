"""Deals with root rows that may be news for monday.com: changes their items, makes new items, holds what is in doubt."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from msgspec import Struct, field

from models import STATES_ONLY
from sync.board import BoardSync
from sync.change_items import change_items, show_status
from sync.create_items import ROWS_PER_IMPORT, Creation
from sync.identity import AMBIGUOUS
from sync.look_at_rows import RowNews
from sync.task import NO_HINTS, Hints
from values.folding import bare, fold
from values.slices import batched

log = logging.getLogger("monday_sync")

RECORDS_AT_ONCE = 400
HELD_ROW = (
    "the row is there again, and its item is not: restore the item on the board, or run:"
    " python main.py record ID --recreate"
)


class Dealt(Struct):
    """Says what was done about some root rows."""

    whole: bool = True
    """All of them were dealt with: no limit cut them short, and none could be several items."""
    waiting: list[str] = field(default_factory=list)
    """The rows whose own settings keep them back."""
    changed: list[str] = field(default_factory=list)
    """The items that were looked at, and changed where they differ."""
    new: int = 0
    """How many rows had no item yet."""
    made: int = 0
    """How many items were made."""

    def __iadd__(self, other: Dealt) -> Dealt:
        self.whole = self.whole and other.whole
        self.waiting += other.waiting
        self.changed += other.changed
        self.new += other.new
        self.made += other.made
        return self


class RowSender:
    """Sends root rows of one board, and gathers new rows so that many can go in one import."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.creation = Creation(sync)
        self.left = sync.options.limit
        """How many records may still be sent; None: all."""
        self._new: list[str] = []

    def deal_with(
        self, root_ids: Sequence[str], hints: Hints = NO_HINTS, held: Collection[str] = (), edited: bool = True
    ) -> Dealt:
        """Looks at root rows and sends what is news. `held`: items of which the same run has held something already.

        What was set aside is tried again when its row was `edited` or a user asks for it, not whenever all is compared.
        """
        self.sync.may_go_on()
        with self.sync.db.transaction(read_only=True) as tx:
            look = self.sync.engine.look(tx, root_ids, hints)
        if look.waiting and not self.sync.options.dry_run:
            with self.sync.db.transaction() as tx:
                self.sync.state.waiting.wait(tx, look.waiting)
        _find_restored(self.sync, look)
        _report_held(self.sync, look)
        given_up = set() if edited else look.aside
        look.changed = [item_id for item_id in look.changed if item_id not in held and item_id not in given_up]
        look.new = [root_id for root_id in look.new if root_id not in given_up]
        whole = self._limit(look)
        change_items(self.sync, look.changed, hints)
        self._new += _unmet(self.sync, look.new, hints)
        made = self.create_gathered(at_least=ROWS_PER_IMPORT)
        return Dealt(whole and not look.ambiguous, look.waiting, look.changed, len(look.new), made)

    def _limit(self, look: RowNews) -> bool:
        """Keeps no more of the news than the limit leaves, and returns whether that is all of it."""
        if self.left is None:
            return True
        found = len(look.changed) + len(look.new)
        look.changed = look.changed[: self.left]
        look.new = look.new[: self.left - len(look.changed)]
        self.left -= len(look.changed) + len(look.new)
        return found == len(look.changed) + len(look.new)

    def create_gathered(self, at_least: int = 1) -> int:
        """Makes items of the rows gathered, once there are so many. Returns how many were made."""
        if len(self._new) < at_least:
            return 0
        root_ids, self._new = self._new, []
        sync = self.sync
        if not sync.engine.options.write_monday:
            return 0
        if sync.options.dry_run:
            sync.engine.plans += [f"create item for {sync.mapping.entity_type} {root_id}" for root_id in root_ids]
            sync.report.created += len(root_ids)
            sync.report.to_monday.created += len(root_ids)
        else:
            self.creation.create(root_ids)
        return len(root_ids)

    def retry_refused(self, hints: Hints = NO_HINTS, held: Collection[str] = ()) -> Dealt:
        """Tries again what was refused, when its pause is over."""
        sync, done = self.sync, Dealt()
        with sync.db.transaction() as tx:
            began, refused = tx.value("select now()"), sync.state.waiting.due(tx, set(held))
        due: list[str] = []
        for some in batched(refused, RECORDS_AT_ONCE):
            dealt = self.deal_with(some, hints, held)
            due += some if dealt.whole else ()
            done += dealt
        done.made += self.create_gathered()
        if due and not sync.options.dry_run:
            # Only now: a process that was killed before has tried nothing.
            with sync.db.transaction() as tx:
                sync.state.waiting.clear(tx, due, began)
                sync.state.waiting.wait(tx, done.waiting)
                links = sync.state.links.of_rows(tx, due)
                synced = [root_id for root_id, link in links.items() if link.status == "synced"]
                show_status(sync, tx, synced, "synced")
        return done


def _find_restored(sync: BoardSync, look: RowNews) -> None:
    """Finds items that were gone and are back: their records are like any other again."""
    if not look.lost or sync.engine.options.write_postgres:  # a run that pulls has seen them
        return
    roots = {item_id: root_id for root_id, item_id in look.lost.items()}
    back: set[str] = set()
    for items in sync.destination.items(list(roots), STATES_ONLY):
        back |= {item.id for item in items if item.is_on(sync.board.id)}
    look.held = [root_id for root_id in look.held if look.lost.get(root_id) not in back]
    look.changed += sorted(back)


def _unmet(sync: BoardSync, root_ids: list[str], hints: Hints) -> list[str]:
    """Returns the new rows that no item of the board is about; an item that shows the same in the match field is linked."""
    name = sync.mapping.match
    columns = sync.bound.owner[name].columns if name in sync.bound.owner else ()
    if not name or len(columns) != 1 or not root_ids:  # nothing to find an item by
        return root_ids
    if sync.engine.options.write_postgres:  # a run that pulls has met every item already
        return root_ids
    with sync.db.transaction(read_only=True) as tx:
        stored = sync.engine.store.load(tx, root_ids)
    values = [
        spelling
        for record in stored.values()
        if (value := record.record.get(name))
        for spelling in _spellings(str(value))
    ]
    if not values:
        return root_ids
    found = sync.monday.find_by_text(sync.board.id, columns[0], values, sync.bound.wanted)
    for items in batched(found, sync.options.batch_size):
        sync.deliver(sync.engine.take(items, hints=hints), hints)
    with sync.db.transaction(read_only=True) as tx:
        return sync.engine.look(tx, root_ids, hints).new


def _spellings(value: str) -> list[str]:
    """Returns a value as an item may show it: monday.com searches for exactly what it is given."""
    shown = bare(value)
    return list(dict.fromkeys((value, shown, shown.lower(), shown.upper(), shown.title(), fold(value))))


def _report_held(sync: BoardSync, look: RowNews) -> None:
    for root_id in look.held:
        log.warning("%s %s: %s", sync.mapping.entity_type, root_id, HELD_ROW)
    for root_id in look.ambiguous:
        log.warning("%s %s: %s; no item is made of it", sync.mapping.entity_type, root_id, AMBIGUOUS)
    sync.report.skipped += len(look.ambiguous)
    if look.held and not sync.options.dry_run:
        with sync.db.transaction() as tx:
            sync.state.waiting.hold(tx, look.held)
            show_status(sync, tx, look.held, "conflict")
