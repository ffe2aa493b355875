"""Reads items: whole boards, a group, a sweep of ids, by id, by the text of a cell, and by update time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from errors import CursorExpired
from models import NO_CELLS, STATES_ONLY, Columns, Item, Pages
from services.monday.calls import Caller
from services.monday.pacing import PageSizes
from services.monday.pages import (
    READ_ALL,
    Data,
    Listing,
    OnMalformed,
    Pager,
    ReadOptions,
    board_page,
    group_page,
)
from services.monday.prefetch import ahead
from services.monday.queries import GROUP_PAGE, ITEM_MAKERS, ITEMS, ITEMS_BY_COLUMN_VALUES, ITEMS_PAGE
from services.monday.updates import Search, UpdateFilter, updated_since
from values.slices import batched

ITEMS_PER_CALL = 100
VALUES_PER_SEARCH = 50
CURSOR_LIFE = timedelta(minutes=60)


class ItemReading:
    """Reads items."""

    def __init__(self, caller: Caller, sizes: PageSizes, update_filter: UpdateFilter) -> None:
        self._caller = caller
        self._sizes = sizes
        self._update_filter = update_filter
        self._pager = Pager(caller.call, caller.pauses.before_retry, caller.line.notify)

    def pages(self, board_id: str | int, columns: Columns = NO_CELLS, options: ReadOptions = READ_ALL) -> Pages:
        """Yields all active items of a board, or of a group, a page at a time."""
        board, group = str(board_id), options.group
        variables: dict[str, Any] = {"board": [board]}
        if group is not None:
            variables["group"] = [group]
        if options.query_params:
            variables["filter"] = dict(options.query_params)
        text, find = ITEMS_PAGE, lambda data: board_page(data, board)
        if group is not None:
            text, find = GROUP_PAGE, lambda data: group_page(data, board, group)
        return self._walk(
            Listing(board, text, variables, find, columns, _frozen(options.expected), decode=options.decode), options
        )

    def listing(self, board_id: str | int, options: ReadOptions = READ_ALL) -> Pages:
        """Yields id, state, update time and group of every active item, 500 a call: a sweep that finds what is gone."""
        return self.pages(board_id, STATES_ONLY, options)

    def items(
        self,
        ids: Iterable[str | int],
        columns: Columns = NO_CELLS,
        on_malformed: OnMalformed | None = None,
        expected: Collection[str] | None = None,
    ) -> Iterator[list[Item]]:
        """Yields items by id, a hundred a call, archived and deleted items with their `state`.

        What does not come is absent.
        """
        wanted = list(dict.fromkeys(str(item_id) for item_id in ids))
        if bad := [item_id for item_id in wanted if not item_id.isdecimal()]:
            raise ValueError(f"Ids of items are numbers: {', '.join(bad[:5])}")  # monday.com would answer with a 500
        listing = Listing("of these items", ITEMS, {}, _items_as_page, columns, _frozen(expected))
        return self._items(listing, wanted, on_malformed)

    def _items(self, listing: Listing, wanted: list[str], on_malformed: OnMalformed | None) -> Iterator[list[Item]]:
        size = self._sizes.of(("items", listing.columns), ITEMS_PER_CALL)
        at = 0
        while at < len(wanted):

            def some(number: int, at: int = at) -> Listing:
                return replace(listing, variables={"ids": wanted[at : at + number]})

            page, asked = self._pager.page(some, size, None, on_malformed)
            at += len(asked.variables["ids"])
            self._caller.tally.add(items=len(page.items))
            yield page.items

    def makers(self, ids: Sequence[str]) -> dict[str, str]:
        """Returns who made these items: item id → user id."""
        found: dict[str, str] = {}
        for some in batched(ids, ITEMS_PER_CALL):
            rows = self._caller.run(ITEM_MAKERS, {"ids": some, "limit": len(some)}).get("items") or ()
            found |= {row["id"]: str(row["creator_id"]) for row in rows if row}
        return found

    def find_by_text(
        self, board_id: str | int, column_id: str, values: Sequence[str], columns: Columns = NO_CELLS
    ) -> list[Item]:
        """Returns the active items whose cell in `column_id` shows exactly one of these texts."""
        board = str(board_id)
        found: dict[str, Item] = {}
        for some in batched(list(dict.fromkeys(values)), VALUES_PER_SEARCH):
            listing = Listing(
                board,
                ITEMS_BY_COLUMN_VALUES,
                {"board": board, "match": [{"column_id": column_id, "column_values": some}]},
                lambda data: data.get("items_page_by_column_values"),
                columns,
                repeats_first=True,
                after_first={"board": board},
            )
            for page in self._walk(listing, READ_ALL):
                found |= {item.id: item for item in page.items}
        return list(found.values())

    def changed_since(
        self, board_id: str | int, when: datetime, columns: Columns = NO_CELLS, options: ReadOptions = READ_ALL
    ) -> Pages:
        """Yields the active items last updated at `when` or later; see `updates` for how they are found.

        The cursors of these pages only say whether more follow: this listing cannot be resumed.
        """
        search = Search(self, str(board_id), columns, options)
        return updated_since(search, when, self._caller.line.server.now(), self._update_filter)

    def _walk(self, listing: Listing, options: ReadOptions) -> Pages:
        cursor, started = options.cursor, options.started
        if cursor and started and self._caller.line.server.now() - started >= CURSOR_LIFE:
            raise CursorExpired(f"The listing of board {listing.board_id} was begun more than an hour ago.")
        size = self._sizes.of((listing.board_id, listing.columns), options.limit)

        def walk(cancelled: threading.Event | None = None) -> Pages:
            return self._pager.walk(listing, size, cursor, options.on_malformed, cancelled)

        pages = ahead(walk, options.prepare) if options.prefetch else walk()
        try:
            for page in pages:
                self._caller.tally.add(pages=1, items=len(page.items))
                yield page
                del page
        finally:
            pages.close()


def _frozen(expected: Collection[str] | None) -> frozenset[str] | None:
    return None if expected is None else frozenset(expected)


def _items_as_page(data: Data) -> dict[str, Any]:
    return {"items": data.get("items"), "cursor": None}
