"""Finds the items updated since an instant, with as few calls as monday.com's own filter allows.

The filter takes an exact instant. Whether it compares seconds or only days of the user's calendar is documented
nowhere, and it may refuse the form. So what it does is found out once, with an item whose update time is known: asked
with a bound that is a second later, a filter by the second leaves the item out and a filter by the day does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from errors import QueryRejected, RecordRefused
from models import STATES_ONLY, Columns, Item, Page, Pages
from services.monday.pages import OnMalformed, ReadOptions
from values.parsing import iso_moment
from values.wording import utc_text

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
QUARTER_HOUR = 900
"""Midnight of every calendar on earth falls on a quarter of an hour UTC."""
IDS_AT_ONCE = 1000

UNKNOWN, SECONDS, DAYS, WORDS, NOTHING = "unknown", "seconds", "days", "words", "nothing"


@dataclass(slots=True)
class UpdateFilter:
    """Holds what the filter understands: instants by the second or by the day, only words such as TODAY, or nothing.

    It can be given to the next client, which then need not test it again.
    """

    precision: str = UNKNOWN


class ItemSource(Protocol):
    """Reads items: the three ways to ask monday.com about a board."""

    def pages(self, board_id: str | int, columns: Columns, options: ReadOptions) -> Iterator[Page]:
        """Reads the board, or what a filter lets through."""

    def listing(self, board_id: str | int, options: ReadOptions) -> Iterator[Page]:
        """Reads ids and update times alone."""

    def items(
        self, ids: Iterable[str], columns: Columns, on_malformed: OnMalformed | None, expected: Collection[str] | None
    ) -> Iterator[list[Item]]:
        """Reads items by id."""


@dataclass(frozen=True, slots=True)
class Search:
    """Asks a source about one board, for what is wanted of its items."""

    source: ItemSource
    board_id: str
    columns: Columns
    options: ReadOptions

    def pages(self, query_params: Mapping[str, Any]) -> Iterator[Page]:
        """Reads with a filter."""
        return self.source.pages(self.board_id, self.columns, replace(self.options, query_params=query_params))

    def probe(self, query_params: Mapping[str, Any]) -> list[Item]:
        """Reads the first item that a filter lets through, without cells."""
        pages = self.source.pages(self.board_id, STATES_ONLY, ReadOptions(limit=1, query_params=query_params))
        return next(pages).items

    def listing(self) -> Iterator[Page]:
        """Reads all ids with their update times."""
        return self.source.listing(self.board_id, ReadOptions(on_malformed=self.options.on_malformed))

    def by_id(self, ids: list[str]) -> Iterator[list[Item]]:
        """Reads items by id."""
        return self.source.items(ids, self.columns, self.options.on_malformed, self.options.expected)


def updated_since(search: Search, when: datetime, now: datetime, knows: UpdateFilter) -> Pages:
    """Yields pages of the items updated at `when` or later, by the best way that works."""
    when = when.astimezone(timezone.utc).replace(microsecond=0)
    while True:
        precision = knows.precision
        try:
            yield from _since(when, _candidates(search, when, now, knows))
            return
        except (RecordRefused, QueryRejected):
            # Only the first page carries the filter, so nothing has been handed on yet.
            if knows.precision == NOTHING:
                raise
            knows.precision = WORDS if precision != WORDS else NOTHING


def _candidates(search: Search, when: datetime, now: datetime, knows: UpdateFilter) -> Iterator[Page]:
    """Yields pages that hold everything updated since `when`, and perhaps more."""
    if knows.precision == UNKNOWN:
        pages = search.pages(exactly(when))
        first = next(pages)
        knows.precision = _precision(search, when, first.items)
        if knows.precision == SECONDS:  # the question was the search itself
            yield first
            yield from pages
            return
    words = in_words(when, now)
    if knows.precision == SECONDS:
        yield from search.pages(exactly(when))
    elif knows.precision == DAYS:
        yield from search.pages(exactly(when - DAY))  # a day of the user's calendar may begin a day earlier
    elif knows.precision == WORDS and words:
        yield from search.pages(words)
    else:
        yield from _by_listing(search, when)


def _precision(search: Search, when: datetime, found: list[Item]) -> str:
    """Finds out what the filter does, from what it found since `when` and from questions about a known item."""
    if any(updated_at(item) < when for item in found):
        return DAYS  # it found more than an instant allows
    known = [item for item in found or search.probe(NEWEST_FIRST) if item.updated_at]
    if not known:
        return UNKNOWN  # an empty board teaches nothing, nor does an item without a time
    at = updated_at(known[0])
    if not found and (at >= when or not search.probe(exactly(at, known[0].id))):
        # It does not find what it should: it has another calendar, or exact instants mean something else to it.
        return DAYS if search.probe(exactly(at - DAY, known[0].id)) else WORDS
    if int((at + SECOND).timestamp()) % QUARTER_HOUR == 0:
        return DAYS  # the next second may begin a day somewhere: the question would not tell
    later = search.probe(exactly(at + SECOND, known[0].id))
    return DAYS if any(updated_at(item) <= at for item in later) else SECONDS


def _since(when: datetime, pages: Iterator[Page]) -> Iterator[Page]:
    """Keeps the items whose own time says so: the filter is only a hint."""
    for page in pages:
        yield Page([item for item in page.items if updated_at(item) >= when], page.cursor)


def _by_listing(search: Search, when: datetime) -> Iterator[Page]:
    """Reads all ids with their times, then the changed items by id."""
    waiting: list[str] = []
    for page in search.listing():
        waiting += [item.id for item in page.items if updated_at(item) >= when]
        while len(waiting) >= IDS_AT_ONCE:
            yield from _fetched(search, waiting[:IDS_AT_ONCE], last=False)
            waiting = waiting[IDS_AT_ONCE:]
    yield from _fetched(search, waiting, last=True)


def _fetched(search: Search, ids: list[str], last: bool) -> Iterator[Page]:
    pages = [Page([item for item in items if item.state == "active"], "more") for items in search.by_id(ids)]
    yield from pages
    if last:
        yield Page([], None)


def exactly(when: datetime, item_id: str | None = None) -> dict[str, Any]:
    """Makes the filter in its exact form, for all items or for a single item."""
    rule = {
        "column_id": "__last_updated__",
        "compare_value": ["EXACT", utc_text(when)],
        "operator": "greater_than_or_equals",
        "compare_attribute": "UPDATED_AT",
    }
    order = {"order_by": [{"column_id": "__last_updated__", "direction": "asc"}]}
    return {"rules": [rule], **({"ids": [item_id]} if item_id else order)}


NEWEST_FIRST: Mapping[str, Any] = {"order_by": [{"column_id": "__last_updated__", "direction": "desc"}]}


def in_words(when: datetime, now: datetime) -> dict[str, Any] | None:
    """Makes the filter in words of the user's calendar that reach back to `when` for certain; None when none do."""
    words = ["TODAY", "YESTERDAY"]
    if now - when > DAY:
        words += ["THIS_WEEK", "LAST_WEEK"]
    if now - when > 7 * DAY:
        words += ["THIS_MONTH", "LAST_MONTH"]
    if now - when > 28 * DAY:
        return None
    rule = {
        "column_id": "__last_updated__",
        "compare_value": words,
        "operator": "any_of",
        "compare_attribute": "UPDATED_AT",
    }
    return {"rules": [rule]}


def updated_at(item: Item) -> datetime:
    """Returns an item's update time; an item without a time counts as updated just now, so that it is looked at."""
    if not item.updated_at:
        return datetime.max.replace(tzinfo=timezone.utc)
    return iso_moment(item.updated_at).astimezone(timezone.utc)
