"""Asks for pages of items one after another, and checks that each page is complete before it is used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from errors import BoardNotVisible, CursorExpired, Incomplete, MondayError, QueryTooHeavy, RecordRefused
from models import Columns, Item, Page, Pages
from services.monday.failures import ApiAnswer, Failure, Remedy, gravest, sentence
from services.monday.late_items import WholeItems
from services.monday.pacing import ITEMS_PER_PAGE, PageSize
from services.monday.page_items import Fault, read_items
from services.monday.prefetch import Prepare
from services.monday.queries import NEXT_ITEMS_PAGE, Decode, Request, with_item

SMALLEST_PAGE_IN_TROUBLE = 25
"""A server that fails is not asked for less than this; a query that is too heavy is reduced to single items."""
TRIES_OF_A_PAGE = 4

OnMalformed = Callable[[str, str], None]
"""Called with an item's id (empty when unknown) and what was wrong with it; the item is then left out of its page."""

Call = Callable[[Request], ApiAnswer]
Data = Mapping[str, Any]
"""The `data` of an answer."""


class ReadOptions(Struct, frozen=True):
    """Says how the items of a board are to be read."""

    limit: int = ITEMS_PER_PAGE
    query_params: Mapping[str, Any] | None = None
    """monday.com's own filter and order."""
    group: str | None = None
    """Only this group."""
    cursor: str | None = None
    """Where to go on in a listing that began at `started`."""
    started: datetime | None = None
    expected: Collection[str] | None = None
    """Of the columns, those that must come with every item; None: those that come with its neighbours."""
    on_malformed: OnMalformed | None = None
    """Takes the items that do not come whole; without it they are an error."""
    prefetch: bool = False
    """Fetches the next page while the present one is worked on."""
    known: tuple[str, str] | None = None
    """The id and the update time of an item, about which the filter is asked as long as it is not known what it does."""
    decode: Decode | None = None
    """Decodes the pages, where another process does that (`services.monday.late_items`)."""
    prepare: Prepare | None = None
    """With `prefetch`: called with the items of the next page, for as long as that work takes."""


READ_ALL = ReadOptions()


class Listing(Struct, frozen=True):
    """Says which items to page through, and what every one of them has to bring."""

    board_id: str
    first: str
    """The text of the first page."""
    variables: Data
    find: Callable[[Data], Any]
    """Where the page stands in the answer to the first text."""
    columns: Columns = Columns((), "")
    expected: frozenset[str] | None = None
    repeats_first: bool = False
    """The following pages are asked with the first text, too, and with the cursor instead of the filter."""
    after_first: Data = field(default_factory=dict)
    decode: Decode | None = None
    """Decodes the answers, where that is not done as for all others."""

    def request(self, cursor: str | None, limit: int, cancelled: threading.Event | None) -> Request:
        """Makes the document for one page."""
        own = {"columns": list(self.columns.ids)} if self.columns.ids and not self.columns.all else {}
        if cursor is None:
            text, variables = self.first, {**self.variables, **own, "limit": limit}
        elif self.repeats_first:
            text, variables = self.first, {**self.after_first, **own, "limit": limit, "cursor": cursor}
        else:
            text, variables = NEXT_ITEMS_PAGE, {**own, "limit": limit, "cursor": cursor}
        query = with_item(text, self.columns.selection, bool(self.columns.ids), bool(own))
        return Request(query, variables, "", limit, SMALLEST_PAGE_IN_TROUBLE, cancelled, self.decode)

    def page(self, cursor: str | None, data: Data) -> Any:
        """Returns the page inside an answer."""
        return self.find(data) if cursor is None or self.repeats_first else data.get("next_items_page")


class Pager:
    """Walks listings. `call` sends one request and has tried again whatever could be tried again."""

    def __init__(
        self,
        call: Call,
        pause: Callable[[int, str, threading.Event | None], None],
        notify: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        self._call = call
        self._pause = pause
        self._notify = notify
        self._came: dict[tuple[str, ...], set[str]] = {}
        self._never: dict[tuple[str, ...], set[str]] = {}
        """By the columns asked for: those that have come, and those that no item brought when asked twice."""

    def walk(
        self,
        listing: Listing,
        size: PageSize,
        cursor: str | None = None,
        on_malformed: OnMalformed | None = None,
        cancelled: threading.Event | None = None,
    ) -> Pages:
        """Yields all pages from `cursor` on; only a missing cursor ends the walk."""
        seen: list[str] | None = None
        while True:
            page, _ = self.page(lambda _: listing, size, cursor, on_malformed, cancelled)
            ids = [item.id for item in page.items]
            if page.cursor is not None and page.cursor == cursor and ids == seen:
                raise Incomplete(f"The listing of board {listing.board_id} does not advance: the same page came again.")
            cursor, seen = page.cursor, ids
            yield page
            del page  # Freed before the next one is decoded, its memory is used again in one piece.
            if cursor is None:
                return

    def page(
        self,
        listing_of: Callable[[int], Listing],
        size: PageSize,
        cursor: str | None = None,
        on_malformed: OnMalformed | None = None,
        cancelled: threading.Event | None = None,
    ) -> tuple[Page, Listing]:
        """Returns a page that was checked, and the listing that was asked: `listing_of` the size in force."""
        faults: list[Fault] = []
        lost: set[str] = set()
        for attempt in range(TRIES_OF_A_PAGE):
            listing, answer = self._answer(listing_of, size, cursor, cancelled)
            before, (page, faults) = (faults, lost), read_page(listing, cursor, answer)
            lost = set()
            if page is not None and not faults:
                lost = self._lost_columns(listing, page)
                if not lost or (lost == before[1] and self._never_come(listing, lost)):
                    size.succeeded()
                    return page, listing
            if (faults, lost) == before:
                break  # the same again: it will not get better
            self._pause(attempt, "malformed", cancelled)
        if page is not None and lost:
            reason = f"the cells of {', '.join(sorted(lost))} are missing"
            faults = [Fault(index, item.id, reason) for index, item in enumerate(page.items)]
            page = Page([], page.cursor)
        return report_faults(listing, page, faults, answer.failures, on_malformed), listing

    def _lost_columns(self, listing: Listing, page: Page) -> set[str]:
        """Returns the columns that no item of a page brought: of a kind that is never delivered, or lost on the way."""
        items = [item for item in page.items if item.state == "active"]
        columns = listing.columns.ids
        if not columns or listing.expected is not None or not items:
            return set()
        came = max((item.cells for item in items), key=len).keys()
        never = self._never.setdefault(columns, set())
        if late := came & never:
            never -= late
            raise Incomplete(
                f"Items of board {listing.board_id} came without the cells of {', '.join(sorted(late))} before.",
                hint="Run again: all of them are then read anew.",
            )
        self._came.setdefault(columns, set()).update(came)
        return set(columns) - came - never

    def _never_come(self, listing: Listing, lost: set[str]) -> bool:
        """Says whether columns that were missing twice are of a kind that is never delivered; it is asked only once."""
        if lost & self._came[listing.columns.ids]:
            return False
        self._never[listing.columns.ids] |= lost
        return True

    def _answer(
        self,
        listing_of: Callable[[int], Listing],
        size: PageSize,
        cursor: str | None,
        cancelled: threading.Event | None,
    ) -> tuple[Listing, ApiAnswer]:
        """Returns the answer for one page, as large as monday.com can manage."""
        while True:
            listing = listing_of(size.size)
            try:
                return listing, self._call(listing.request(cursor, size.size, cancelled))
            except QueryTooHeavy as error:
                if size.shrink():  # the same page again, with fewer items
                    self._notify("page_size", {"board_id": listing.board_id, "size": size.size, "reason": error.code})
                    continue
                if cursor is None:
                    raise  # not even a single item is light enough
                # Some cursors carry the size they were made for, and a smaller limit then changes nothing.
                raise CursorExpired(
                    f"The listing of board {listing.board_id} cannot go on here; it starts again with small pages.",
                    code=error.code,
                ) from error


# --- One page -------------------------------------------------------------------------------------------------------


def read_page(listing: Listing, cursor: str | None, answer: ApiAnswer) -> tuple[Page | None, list[Fault]]:
    """Returns the page in an answer, without the entries that cannot be used, and what is wrong with those."""
    whole = [failure for failure in answer.failures if _entry(failure) is None or not _of_one_record(failure)]
    if whole or answer.data is None:
        raise gravest(whole or answer.failures).exception()
    raw = listing.page(cursor, answer.data)
    rows = raw.get("items") if isinstance(raw, dict) else None
    if not isinstance(rows, list):
        return None, [Fault(-1, "", "the page has no list of items")]
    following = raw.get("cursor")
    items, faults = (rows, []) if isinstance(rows, WholeItems) else _read(rows, listing)
    if answer.failures:
        items, faults = _without_failed(items, faults, rows, answer.failures)
    return Page(items, following if isinstance(following, str) and following else None), faults


def _read(rows: list[Any], listing: Listing) -> tuple[list[Item], list[Fault]]:
    return read_items(rows, listing.board_id, listing.columns, listing.expected)


def _without_failed(
    items: list[Item], faults: list[Fault], rows: list[Any], failures: Sequence[Failure]
) -> tuple[list[Item], list[Fault]]:
    """Parts off the entries that monday.com itself reports as failed."""
    reasons = {_entry(failure): sentence(failure) for failure in failures}
    failed = {row["id"] for index in reasons if (row := _row(rows, index)) and row.get("id")}
    kept = [fault for fault in faults if fault.index not in reasons]
    for index, reason in reasons.items():
        kept.append(Fault(index or 0, str((_row(rows, index) or {}).get("id") or ""), reason))
    return [item for item in items if item.id not in failed], kept


def _row(rows: list[Any], index: int | None) -> Mapping[str, Any] | None:
    row = rows[index] if index is not None and index < len(rows) else None
    return row if isinstance(row, dict) else None


def _entry(failure: Failure) -> int | None:
    """Returns the place in `items` that a failure is about."""
    for name, index in zip(failure.path, failure.path[1:]):
        if name == "items" and isinstance(index, int):
            return index
    return None


def _of_one_record(failure: Failure) -> bool:
    return failure.remedy in (Remedy.RECORD, Remedy.GONE, Remedy.AGAIN)


def report_faults(
    listing: Listing,
    page: Page | None,
    faults: list[Fault],
    failures: Sequence[Failure],
    on_malformed: OnMalformed | None,
) -> Page:
    """Reports the items that did not come whole, or raises: a missing item must never look like a deleted item."""
    if page is None or on_malformed is None:
        first = faults[0]
        name = f"Item {first.item_id}" if first.item_id else "An entry"
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        message = f"{name} of board {listing.board_id} did not come whole: {first.reason}{more}."
        raise MondayError(message, path=failures[0].path if failures else ())
    for fault in faults:
        on_malformed(fault.item_id, fault.reason)
    return page


# --- Where the page stands in an answer -----------------------------------------------------------------------------


def board_page(data: Data, board_id: str) -> Any:
    """Returns `boards[0].items_page`; monday.com reports no error for a board that is absent."""
    return _first(data.get("boards"), board_id).get("items_page")


def group_page(data: Data, board_id: str, group_id: str) -> Any:
    """Returns `boards[0].groups[0].items_page`."""
    groups = _first(data.get("boards"), board_id).get("groups")
    group = next((group for group in groups or () if group), None)
    if group is None:
        raise RecordRefused(f"Group {group_id} does not exist on board {board_id}.", code="ResourceNotFoundException")
    return group.get("items_page")


def _first(boards: object, board_id: str) -> Mapping[str, Any]:
    if isinstance(boards, list) and boards and isinstance(boards[0], dict):
        return boards[0]
    raise not_visible([board_id])


def not_visible(board_ids: Iterable[str]) -> BoardNotVisible:
    """Makes the error for boards that monday.com left out of its answer."""
    names = ", ".join(board_ids)
    many = ", " in names
    return BoardNotVisible(
        f"{'Boards' if many else 'Board'} {names} {'are' if many else 'is'} not visible to this token.",
        hint=f"Share {'them' if many else 'it'} with the token's owner, or correct the id{'s' if many else ''}.",
        code="InvalidBoardIdException",
    )
