"""Which items were updated since an instant, with as few calls as monday.com's own filter allows.

The filter takes an exact instant. Whether it compares seconds or only days of the user's calendar is documented
nowhere, and it may refuse the form. So what it does is found out once, with an item whose update time is known: asked
with a bound one second after that time, a filter by the second leaves the item out and a filter by the day does not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from errors import QueryRejected, RecordRefused
from models import Item, Page

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
QUARTER_HOUR = 900
"""Midnight of every calendar on earth falls on a quarter of an hour UTC."""
IDS_AT_ONCE = 1000

UNKNOWN, SECONDS, DAYS, WORDS, NOTHING = "unknown", "seconds", "days", "words", "nothing"


@dataclass(slots=True)
class UpdateFilter:
    """What the filter understands: instants by the second or by the day, only words such as TODAY, or nothing.

    It can be kept and given to the next client, which then need not find out again.
    """

    precision: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Sources:
    """The ways to ask a board: with a filter, one item with a filter, everything without cells, and by id."""

    pages: Callable[[Mapping[str, Any]], Iterator[Page]]
    probe: Callable[[Mapping[str, Any]], list[Item]]
    listing: Callable[[], Iterator[Page]]
    by_id: Callable[[list[str]], Iterable[list[Item]]]


def updated_since(when: datetime, now: datetime, knows: UpdateFilter, sources: Sources) -> Generator[Page, None, None]:
    """Pages of the items updated at `when` or later, by the best way that works."""
    when = when.astimezone(timezone.utc).replace(microsecond=0)
    while True:
        precision = knows.precision
        try:
            yield from _since(when, _candidates(when, now, knows, sources))
            return
        except (RecordRefused, QueryRejected):
            # Only the first page carries the filter, so nothing has been handed on yet.
            if knows.precision == NOTHING:
                raise
            knows.precision = WORDS if precision != WORDS else NOTHING


def _candidates(when: datetime, now: datetime, knows: UpdateFilter, sources: Sources) -> Iterator[Page]:
    """Pages that hold everything updated since `when`, and perhaps more."""
    if knows.precision == UNKNOWN:
        pages = sources.pages(exactly(when))
        first = next(pages)
        knows.precision = _precision(when, first.items, sources.probe)
        if knows.precision == SECONDS:
            yield first
            yield from pages
            return
    words = in_words(when, now)
    if knows.precision == SECONDS:
        yield from sources.pages(exactly(when))
    elif knows.precision == DAYS:
        yield from sources.pages(exactly(when - DAY))
    elif knows.precision == WORDS and words:
        yield from sources.pages(words)
    else:
        yield from _by_listing(when, sources)


def _precision(when: datetime, found: list[Item], probe: Callable[[Mapping[str, Any]], list[Item]]) -> str:
    """What the filter does, from what it found since `when` and from one or more questions about a known item."""
    if any(updated_at(item) < when for item in found):
        return DAYS
    known = [item for item in found or probe(NEWEST_FIRST) if item.updated_at]
    if not known:
        return UNKNOWN  # An empty board teaches nothing, and listing it costs one call; nor does an item without a time.
    at = updated_at(known[0])
    if not found and (at >= when or not probe(exactly(at, known[0].id))):
        # It does not find what it should: it has another calendar, or exact instants mean something else to it.
        return DAYS if probe(exactly(at - DAY, known[0].id)) else WORDS
    if int((at + SECOND).timestamp()) % QUARTER_HOUR == 0:
        return DAYS
    later = probe(exactly(at + SECOND, known[0].id))
    return DAYS if any(updated_at(item) <= at for item in later) else SECONDS


def _since(when: datetime, pages: Iterator[Page]) -> Iterator[Page]:
    """The filter is only a hint; what counts is the time that each item carries."""
    for page in pages:
        yield Page([item for item in page.items if updated_at(item) >= when], page.cursor)


def _by_listing(when: datetime, sources: Sources) -> Iterator[Page]:
    """All ids with their times, then the changed ones by id."""
    waiting: list[str] = []
    for page in sources.listing():
        waiting += [item.id for item in page.items if updated_at(item) >= when]
        while len(waiting) >= IDS_AT_ONCE:
            yield from _fetched(waiting[:IDS_AT_ONCE], sources, last=False)
            waiting = waiting[IDS_AT_ONCE:]
    yield from _fetched(waiting, sources, last=True)


def _fetched(ids: list[str], sources: Sources, last: bool) -> Iterator[Page]:
    pages = [Page([item for item in items if item.state == "active"], "more") for items in sources.by_id(ids)]
    yield from pages
    if last:
        yield Page([], None)


def exactly(when: datetime, item_id: str | None = None) -> dict[str, Any]:
    """The filter in its exact form, for all items or for one."""
    rule = {
        "column_id": "__last_updated__",
        "compare_value": ["EXACT", f"{when:%Y-%m-%dT%H:%M:%SZ}"],
        "operator": "greater_than_or_equals",
        "compare_attribute": "UPDATED_AT",
    }
    order = {"order_by": [{"column_id": "__last_updated__", "direction": "asc"}]}
    return {"rules": [rule], **({"ids": [item_id]} if item_id else order)}


NEWEST_FIRST: Mapping[str, Any] = {"order_by": [{"column_id": "__last_updated__", "direction": "desc"}]}


def in_words(when: datetime, now: datetime) -> dict[str, Any] | None:
    """The filter in words of the user's calendar that reach back to `when` for certain; None when none do."""
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
    """An item's update time; one without a time counts as updated just now, so that it is looked at."""
    if not item.updated_at:
        return datetime.max.replace(tzinfo=timezone.utc)
    return datetime.fromisoformat(item.updated_at.replace("Z", "+00:00")).astimezone(timezone.utc)
