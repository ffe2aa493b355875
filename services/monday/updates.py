"""Finds the items updated since an instant, with as few calls as monday.com's own filter allows.

The filter takes an exact instant. Whether it compares seconds or only days of the user's calendar is documented
nowhere, and it may refuse the form. So what it does is found out once, with an item whose update time is known: asked
with a bound that is a second later, a filter by the second leaves the item out and a filter by the day does not. Where
no filter reaches, the caller is told that it needs a listing of all ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from errors import ListingNeeded, QueryRejected, RecordRefused
from models import STATES_ONLY, Columns, Item, Page, Pages
from services.monday.pages import ReadOptions
from values.parsing import iso_moment
from values.wording import utc_text

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
QUARTER_HOUR = 900
"""Midnight of every calendar on earth falls on a quarter of an hour UTC."""

UNKNOWN, SECONDS, DAYS, WORDS, NOTHING = "unknown", "seconds", "days", "words", "nothing"


class UpdateFilter(Struct):
    """Holds what the filter understands: instants by the second or by the day, only words such as TODAY, or nothing.

    It can be given to the next client, which then need not test it again.
    """

    precision: str = UNKNOWN


class ItemSource(Protocol):
    """Reads items of a board."""

    def pages(self, board_id: str | int, columns: Columns, options: ReadOptions) -> Pages:
        """Reads the board, or what a filter lets through."""


class Search(Struct, frozen=True):
    """Asks a source about one board, for what is wanted of its items."""

    source: ItemSource
    board_id: str
    columns: Columns
    options: ReadOptions

    def pages(self, query_params: Mapping[str, Any]) -> Iterator[Page]:
        """Reads with a filter. Most often the first page is all there is, so that none is fetched ahead of it."""
        options = replace(self.options, query_params=query_params)
        first = next(self.source.pages(self.board_id, self.columns, replace(options, prefetch=False)))
        yield first
        if first.cursor is not None:
            yield from self.source.pages(self.board_id, self.columns, replace(options, cursor=first.cursor))

    def probe(self, query_params: Mapping[str, Any]) -> list[Item]:
        """Reads the first item that a filter lets through, without cells."""
        pages = self.source.pages(self.board_id, STATES_ONLY, ReadOptions(limit=1, query_params=query_params))
        return next(pages).items


def updated_since(search: Search, when: datetime, now: datetime, knows: UpdateFilter) -> Pages:
    """Yields pages of the items updated at `when` or later. Raises ListingNeeded, before any, where no filter tells."""
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
    if knows.precision == UNKNOWN and search.options.known is not None:
        item_id, at = search.options.known
        knows.precision = _precision_by(search, item_id, iso_moment(at).astimezone(timezone.utc))
    if knows.precision == UNKNOWN:
        pages = search.pages(exactly(when))
        first = next(pages)
        newest = first.items or search.probe(NEWEST_FIRST)
        knows.precision = _precision(search, when, first.items, newest)
        # the question was the search itself, or the board is empty
        if knows.precision == SECONDS or not newest:
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
        raise ListingNeeded(f"No filter tells what changed on board {search.board_id} since {utc_text(when)}.")


def _precision_by(search: Search, item_id: str, at: datetime) -> str:
    """Finds out what the filter does by asking about an item that was last updated at that time."""
    if int((at + SECOND).timestamp()) % QUARTER_HOUR == 0:
        return UNKNOWN  # the next second may begin a day somewhere: the question would not tell
    if later := search.probe(exactly(at + SECOND, item_id)):
        # it was changed since, or its day is what counts
        return UNKNOWN if updated_at(later[0]) > at else DAYS
    if search.probe(exactly(at, item_id)):
        return SECONDS
    # It does not find what it should: it has another calendar, or exact instants mean something else to it.
    if search.probe(exactly(at - DAY, item_id)):
        return DAYS
    return WORDS if search.probe({"ids": [item_id]}) else UNKNOWN  # an item that is gone teaches nothing


def _precision(search: Search, when: datetime, found: list[Item], newest: list[Item]) -> str:
    """Finds out what the filter does, from what it found since `when` and from questions about the newest item."""
    if any(updated_at(item) < when for item in found):
        return DAYS  # it found more than an instant allows
    known = [item for item in newest if item.updated_at]
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
