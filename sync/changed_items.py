"""Reads what was updated since the last run, and knows whether the board says that anything was."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from errors import ListingNeeded
from models import STATES_ONLY, Board, Item, Page
from services.monday.pages import ReadOptions
from services.monday.updates import DAYS, NOTHING, SECONDS, UNKNOWN, WORDS
from state.values import FILTER_KEY, value_of, watermark
from sync.board import BoardSync
from sync.intake import Intake

OVERLAP = timedelta(minutes=5)
"""How far before the newest known update time a run looks again: filtered reads of monday.com lag by seconds."""
LEARNT = (SECONDS, DAYS, WORDS, NOTHING)


class ChangedItems:
    """Reads what was updated on one board since the newest update known."""

    def __init__(self, sync: BoardSync, intake: Intake) -> None:
        self.sync, self.intake = sync, intake
        self.rest: Iterator[Page] = iter(())
        """The pages after the first."""
        self.listed_from: datetime | None = None
        """What was changed before is known by a listing, and was read."""

    def since(self) -> datetime:
        """Returns from when on changes are read."""
        remembered = self.sync.remembered
        known = moment(remembered["watermark"])
        if self.sync.destination.update_filter.precision == WORDS:
            # Words reach back some weeks only; what was changed before all was listed is known.
            known = max(known, watermark(remembered.get("swept_from")) or known)
        return max(known, self.listed_from or known) - OVERLAP

    def quiet(self) -> bool:
        """Returns whether the board says that nothing was changed but for what is known."""
        mark = self.sync.board.updated_at
        return mark is not None and mark == self.sync.remembered.get("settled_mark")

    def first(self, anew: bool) -> Page | None:
        """Returns the first changed items; None when no filter tells. `anew`: what the filter does is found out again."""
        kept, known = self._recall_filter(anew)
        options = ReadOptions(on_malformed=self.intake.malformed, prefetch=True, known=known)
        pages = self.sync.destination.changed_since(self.sync.board.id, self.since(), self.sync.bound.wanted, options)
        try:
            found = self._first_of(pages)
        except ListingNeeded:
            found = None
        self._keep_filter(kept)
        return found

    def left_out(self) -> list[str]:
        """Asks once more, for ids and times, and returns what an answer lacked. Words let too much through for that."""
        destination = self.sync.destination
        if self.sync.options.dry_run or destination.update_filter.precision not in (SECONDS, DAYS):
            return []
        pages = destination.changed_since(self.sync.board.id, self.since(), STATES_ONLY)
        return self._unknown(page.items for page in pages)

    def _first_of(self, pages: Iterator[Page]) -> Page:
        """Collects a batch. Of a board that is quiet, a page without news is enough."""
        items: list[Item] = []
        for page in pages:
            items += page.items
            if page.cursor is None:
                break
            if self.quiet() and not self._news(items):
                break
            if len(items) >= self.sync.options.batch_size:
                self.rest = pages
                return Page(items, page.cursor)
        return Page(items, None)

    def _news(self, items: list[Item]) -> bool:
        return bool(items) and (self.sync.options.dry_run or bool(self._unknown([items])))

    def _unknown(self, pages: Iterable[list[Item]]) -> list[str]:
        """Returns which of these items are not known with the update times that they show."""
        listings, seen = self.sync.state.listings, str(uuid.uuid4())
        for items in pages:
            with self.sync.db.transaction() as tx:
                listings.note(tx, seen, items)
        with self.sync.db.transaction() as tx:
            unknown = listings.stale(tx, seen)
            listings.delete(tx, seen)
        return unknown

    # What the filter understands

    def _recall_filter(self, anew: bool) -> tuple[str, tuple[str, str] | None]:
        """Gives the client what an earlier run found out, and returns it; and an item to find it out with, if need be."""
        update_filter = self.sync.destination.update_filter
        with self.sync.db.transaction(read_only=True) as tx:
            kept = value_of(tx, FILTER_KEY)
            if anew:
                update_filter.precision = UNKNOWN
            elif update_filter.precision == UNKNOWN and kept in LEARNT:
                update_filter.precision = kept
            known = self.sync.state.listings.oldest(tx) if update_filter.precision == UNKNOWN else None
        return str(kept), known

    def _keep_filter(self, kept: str | None) -> None:
        learnt = self.sync.destination.update_filter.precision
        if learnt in LEARNT and learnt != kept and not self.sync.options.dry_run:
            self.sync.memory.put(FILTER_KEY, learnt)


def settled_mark(board: Board, newest: datetime | None, began: datetime) -> str | None:
    """Returns the board's own update time when all that it can mean is known. `newest`: None when all was listed."""
    mark = board.updated_at
    if mark is None or moment(mark) >= began.replace(microsecond=0):  # more may happen in a second that is not over
        return None
    return mark if newest is None or moment(mark) <= newest else None


def moment(value: str) -> datetime:
    """Reads a time that is known to be kept."""
    at = watermark(value)
    assert at is not None
    return at
