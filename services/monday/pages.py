"""Pages of items: asking for them one after another, and checking that each one is whole before it is believed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from errors import BoardNotVisible, CursorExpired, Incomplete, MondayError, QueryTooHeavy, RecordRefused
from models import Item, Page
from services.monday.failures import Answer, Failure, Remedy, gravest, sentence
from services.monday.pacing import PageSize
from services.monday.queries import NEXT_ITEMS_PAGE, Request, with_item

SMALLEST_PAGE_IN_TROUBLE = 25
"""A server in trouble is not asked for less than this; a query that is too heavy is cut down to single items."""
TRIES_OF_A_PAGE = 4

OnMalformed = Callable[[str, str], None]
"""Called with an item's id (empty when unknown) and what was wrong with it; the item is then left out of its page."""


Prepare = Callable[[Item], None]
"""Called with an item of a page that nobody waits for yet, to do something about it that would have to be done later."""

Call = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of a page that cannot be used: its place, its id if it has one, and why."""

    index: int
    item_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Which items to page through, and what every one of them has to bring."""

    board_id: str
    first: str
    """The text of the first page."""
    variables: Mapping[str, Any]
    find: Callable[[Mapping[str, Any]], Any]
    """Where the page stands in the answer to the first text."""
    columns: tuple[str, ...] = ()
    selection: str = ""
    expected: frozenset[str] | None = None
    repeats_first: bool = False
    """The following pages are asked with the first text, too, and with the cursor instead of the filter."""
    after_first: Mapping[str, Any] = field(default_factory=dict)

    def request(self, cursor: str | None, limit: int, cancelled: threading.Event | None) -> Request:
        """The document for one page."""
        own = {"columns": list(self.columns)} if self.columns else {}
        if cursor is None:
            text, variables = self.first, {**self.variables, **own, "limit": limit}
        elif self.repeats_first:
            text, variables = self.first, {**self.after_first, **own, "limit": limit, "cursor": cursor}
        else:
            text, variables = NEXT_ITEMS_PAGE, {**own, "limit": limit, "cursor": cursor}
        query = with_item(text, self.selection, bool(self.columns))
        return Request(query, variables, "", limit, SMALLEST_PAGE_IN_TROUBLE, cancelled)

    def page(self, cursor: str | None, data: Mapping[str, Any]) -> Any:
        """The page inside an answer."""
        return self.find(data) if cursor is None or self.repeats_first else data.get("next_items_page")


class Pager:
    """Walks listings. `call` sends one request and has tried again whatever could be tried again."""

    def __init__(
        self,
        call: Call,
        pause: Callable[[int, str, threading.Event | None], None],
        notify: Callable[[str, Mapping[str, Any]], None],
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
    ) -> Iterator[Page]:
        """All pages from `cursor` on; only a missing cursor ends the walk."""
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
        """One page that has been checked, and the listing that was asked for it: `listing_of` the size in force."""
        faults: list[Fault] = []
        lost: set[str] = set()
        for attempt in range(TRIES_OF_A_PAGE):
            listing, answer = self._answer(listing_of, size, cursor, cancelled)
            before, (page, faults) = (faults, lost), read_page(listing, cursor, answer)
            lost = self._lost_columns(listing, page) if page is not None and not faults else set()
            if page is not None and not faults and (not lost or (lost == before[1] and self._never_come(listing, lost))):
                size.succeeded()
                return page, listing
            if (faults, lost) == before:
                break  # The same again: it will not get better.
            self._pause(attempt, "malformed", cancelled)
        if page is not None and lost:
            reason = f"the cells of {', '.join(sorted(lost))} are missing"
            faults = [Fault(index, item.id, reason) for index, item in enumerate(page.items)]
            page = Page([], page.cursor)
        return report_faults(listing, page, faults, answer.failures, on_malformed), listing

    def _lost_columns(self, listing: Listing, page: Page) -> set[str]:
        """The columns that no item of a page brought: of a kind that is never delivered, or lost on the way."""
        items = [item for item in page.items if item.state == "active"]
        if not listing.columns or listing.expected is not None or not items:
            return set()
        came = max((item.cells for item in items), key=len).keys()
        never = self._never.setdefault(listing.columns, set())
        if late := came & never:
            never -= late
            raise Incomplete(
                f"Items of board {listing.board_id} came without the cells of {', '.join(sorted(late))} before.",
                hint="Run again: all of them are then read anew.",
            )
        self._came.setdefault(listing.columns, set()).update(came)
        return set(listing.columns) - came - never

    def _never_come(self, listing: Listing, lost: set[str]) -> bool:
        """Whether columns that were missing twice are of a kind that is never delivered; it is asked only once."""
        if lost & self._came[listing.columns]:
            return False
        self._never[listing.columns] |= lost
        return True

    def _answer(
        self,
        listing_of: Callable[[int], Listing],
        size: PageSize,
        cursor: str | None,
        cancelled: threading.Event | None,
    ) -> tuple[Listing, Answer]:
        """The answer for one page, as large as monday.com can manage."""
        while True:
            listing = listing_of(size.size)
            try:
                return listing, self._call(listing.request(cursor, size.size, cancelled))
            except QueryTooHeavy as error:
                if size.shrink():
                    self._notify("page_size", {"board_id": listing.board_id, "size": size.size, "reason": error.code})
                    continue
                if cursor is None:
                    raise
                # Some cursors carry the size they were made for, and a smaller limit then changes nothing.
                raise CursorExpired(
                    f"The listing of board {listing.board_id} cannot go on here; it starts again with small pages.",
                    code=error.code,
                ) from error


def read_page(listing: Listing, cursor: str | None, answer: Answer) -> tuple[Page | None, list[Fault]]:
    """The page in an answer, without the entries that cannot be used, and what is wrong with those."""
    whole = [failure for failure in answer.failures if _entry(failure) is None or not _of_one_record(failure)]
    if whole or answer.data is None:
        raise gravest(whole or answer.failures).exception()
    raw = listing.page(cursor, answer.data)
    rows = raw.get("items") if isinstance(raw, dict) else None
    if not isinstance(rows, list):
        return None, [Fault(-1, "", "the page has no list of items")]
    following = raw.get("cursor")
    items, faults = read_items(rows, listing.board_id, listing.columns, listing.expected)
    return _without_failed(items, faults, rows, answer.failures, following)


def _without_failed(
    items: list[Item], faults: list[Fault], rows: list[Any], failures: Sequence[Failure], following: Any
) -> tuple[Page, list[Fault]]:
    reasons = {_entry(failure): sentence(failure) for failure in failures}
    if reasons:
        failed = {row["id"] for index in reasons if (row := _row(rows, index)) and row.get("id")}
        items = [item for item in items if item.id not in failed]
        faults = [fault for fault in faults if fault.index not in reasons]
        for index, why in reasons.items():
            faults.append(Fault(index or 0, str((_row(rows, index) or {}).get("id") or ""), why))
    return Page(items, following if isinstance(following, str) and following else None), faults


def _row(rows: list[Any], index: int | None) -> Mapping[str, Any] | None:
    row = rows[index] if index is not None and index < len(rows) else None
    return row if isinstance(row, dict) else None


def _entry(failure: Failure) -> int | None:
    """The place in `items` that a failure is about."""
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
    """Tell the caller which items did not come whole, or raise: a hole in a page must never look like a deletion."""
    if page is None or on_malformed is None:
        first = faults[0]
        name = f"Item {first.item_id}" if first.item_id else "An entry"
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        message = f"{name} of board {listing.board_id} did not come whole: {first.reason}{more}."
        raise MondayError(message, path=failures[0].path if failures else ())
    for fault in faults:
        on_malformed(fault.item_id, fault.reason)
    return page


def read_items(
    rows: Iterable[Any], board_id: str | None, columns: Sequence[str] = (), expected: Collection[str] | None = None
) -> tuple[list[Item], list[Fault]]:
    """Items from the JSON of a page. Cells are not copied; what lacks one it should have is a fault.

    Without `expected`, every item has to bring what its neighbours bring: some kinds of columns are never
    delivered, but then for no item.
    """
    items: list[Item] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    asked = frozenset(columns)
    usual = frozenset(expected) if expected is not None else None
    for index, row in enumerate(rows):
        reason = _read_item(row, board_id, asked, usual, seen, items)
        if reason:
            faults.append(Fault(index, str(row.get("id") or "") if isinstance(row, dict) else "", reason))
    if asked and expected is None:
        items, lacking = _unlike_neighbours(items)
        faults += lacking
    return items, faults


def _read_item(
    row: Any,
    board_id: str | None,
    asked: frozenset[str],
    usual: frozenset[str] | None,
    seen: set[str],
    items: list[Item],
) -> str:
    """Append one item; otherwise say what is wrong with it."""
    try:
        item_id = str(row["id"]) if type(row["id"]) is int else row["id"]
        if not item_id or not isinstance(item_id, str):
            return "it has no id"
        if item_id in seen:
            return "it comes twice in one page"
        seen.add(item_id)
        group, parent, home = row["group"], row.get("parent_item"), row.get("board")
        cells: dict[str, Any] = {}
        if asked:
            values = row["column_values"]
            cells = {cell["id"]: cell for cell in values}
            if len(cells) != len(values) or cells.keys() != asked:
                reason = _wrong_cells(cells, len(values), asked, usual if row["state"] == "active" else None)
                if reason:
                    return reason
        items.append(
            Item(
                item_id,
                row.get("name") or "",
                row["state"] or "active",
                _dated(row.get("created_at")),
                _dated(row["updated_at"]),
                group["id"] if group else None,
                home["id"] if home else board_id,
                parent["id"] if parent else None,
                cells,
            )
        )
    except (KeyError, TypeError, AttributeError) as error:
        return "it is empty" if row is None else f"a part of it is missing ({error})"
    return ""


def _dated(text: Any) -> str | None:
    """A moment that can be read; one that cannot says as much as none."""
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return None
    return str(text)


def _wrong_cells(cells: Mapping[str, Any], came: int, asked: frozenset[str], usual: frozenset[str] | None) -> str:
    """Why cells that are not exactly those asked for are not good enough; empty when they are."""
    if len(cells) != came or not cells.keys() <= asked:
        return "its cells are not the ones that were asked for"
    if usual is not None and not usual <= cells.keys():
        return f"the cells of {', '.join(sorted(usual - cells.keys()))} are missing"
    return ""


def _unlike_neighbours(items: list[Item]) -> tuple[list[Item], list[Fault]]:
    """Active items of one board that lack a cell which others of that board brought."""
    usual: dict[str | None, set[str]] = {}
    for item in items:
        if item.state == "active":
            usual.setdefault(item.board_id, set(item.cells)).update(item.cells)
    faults = [
        Fault(index, item.id, f"the cells of {', '.join(sorted(lacking))} are missing")
        for index, item in enumerate(items)
        if item.state == "active" and (lacking := usual[item.board_id] - item.cells.keys())
    ]
    faulty = {fault.item_id for fault in faults}
    return ([item for item in items if item.id not in faulty] if faulty else items), faults


def ahead(pages: Callable[[threading.Event], Iterator[Page]], prepare: Prepare | None = None) -> Iterator[Page]:
    """The same pages, the next one being fetched in a thread while the caller works on the present one.

    Exactly one page ahead. While the caller is still at work, the thread calls `prepare` with the items that it has; a
    caller who waits gets them as they are, so that the page after them is asked for at once. Closing the generator ends
    the thread: a request under way is not interrupted, but none follows it.
    """
    cancelled, wanted, ready = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)
    waiting = threading.Event()
    box: list[Page | BaseException | None] = []

    def fetch() -> None:
        try:
            walk = pages(cancelled)
            while wanted.acquire() and not cancelled.is_set():
                page = next(walk, None)
                prepare_ahead(page.items if page else (), prepare, waiting)
                box.append(page)
                del page
                ready.release()
        except BaseException as error:
            box.append(error)
            ready.release()

    thread = threading.Thread(target=fetch, name="monday-next-page", daemon=True)
    thread.start()
    try:
        wanted.release()
        while True:
            waiting.set()
            ready.acquire()
            waiting.clear()
            page = box.pop(0)
            if isinstance(page, BaseException):
                raise page
            if page is None:
                return
            if page.cursor is not None:
                wanted.release()
            yield page
            if page.cursor is None:
                return
    finally:
        cancelled.set()
        wanted.release()
        thread.join(timeout=1.0)


def prepare_ahead(items: Iterable[Item], prepare: Prepare | None, waiting: threading.Event) -> None:
    """Prepare items until somebody waits for them."""
    for item in items if prepare else ():
        if waiting.is_set() or prepare is None:
            return
        prepare(item)


def board_page(data: Mapping[str, Any], board_id: str) -> Any:
    """`boards[0].items_page`; a board that is absent is not reported as an error by monday.com."""
    board = _first(data.get("boards"), board_id)
    return board.get("items_page")


def group_page(data: Mapping[str, Any], board_id: str, group_id: str) -> Any:
    """`boards[0].groups[0].items_page`."""
    groups = _first(data.get("boards"), board_id).get("groups")
    group = next((group for group in groups or () if group), None)
    if group is None:
        raise RecordRefused(f"Group {group_id} does not exist on board {board_id}.", code="ResourceNotFoundException")
    return group.get("items_page")


def _first(boards: Any, board_id: str) -> Mapping[str, Any]:
    if isinstance(boards, list) and boards and isinstance(boards[0], dict):
        return boards[0]
    raise not_visible([board_id])


def not_visible(board_ids: Iterable[str]) -> BoardNotVisible:
    """The error for boards that monday.com left out of its answer."""
    names = ", ".join(board_ids)
    many = ", " in names
    return BoardNotVisible(
        f"{'Boards' if many else 'Board'} {names} {'are' if many else 'is'} not visible to this token.",
        hint=f"Share {'them' if many else 'it'} with the token's owner, or correct the id{'s' if many else ''}.",
        code="InvalidBoardIdException",
    )
