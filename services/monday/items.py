"""Reading items: whole boards, one group, a sweep of ids, by id, by the text of a cell, and by update time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from errors import CursorExpired
from models import Item, Page
from services.monday.calls import Conversation
from services.monday.pacing import ITEMS_PER_PAGE, PageSize
from services.monday.pages import Listing, OnMalformed, Pager, Prepare, ahead, board_page, group_page
from services.monday.queries import CELL, GROUP_PAGE, ITEM_MAKERS, ITEMS, ITEMS_BY_COLUMN_VALUES, ITEMS_PAGE
from services.monday.updates import Sources, UpdateFilter, updated_since

ITEMS_PER_CALL = 100
VALUES_PER_SEARCH = 50
CURSOR_LIFE = timedelta(minutes=60)



class ItemReads(Conversation):
    """The part of the client that reads items."""

    _pager: Pager
    _sizes: dict[tuple[Any, ...], PageSize]
    _lock: threading.Lock
    update_filter: UpdateFilter

    def pages(
        self,
        board_id: str | int,
        columns: Sequence[str] = (),
        selection: str = CELL,
        *,
        limit: int = ITEMS_PER_PAGE,
        query_params: Mapping[str, Any] | None = None,
        cursor: str | None = None,
        started: datetime | None = None,
        expected: Collection[str] | None = None,
        on_malformed: OnMalformed | None = None,
        prefetch: bool = False,
        prepare: Prepare | None = None,
    ) -> Iterator[Page]:
        """All active items of a board, a page at a time, with the cells of `columns`.

        `cursor` resumes a listing that was begun at `started`. Of `columns`, those in `expected` must come with
        every item. An item that does not come whole is an error, unless `on_malformed` takes it. `prefetch` fetches
        the next page while the present one is worked on; as long as that takes, `prepare` is called with its items.
        """
        board = str(board_id)
        variables = {"board": [board], **({"filter": dict(query_params)} if query_params else {})}
        find = lambda data: board_page(data, board)  # noqa: E731
        listing = Listing(board, ITEMS_PAGE, variables, find, tuple(columns), selection, _set(expected))
        return self._walk(listing, limit, cursor, started, on_malformed, prefetch, prepare)

    def group_pages(
        self,
        board_id: str | int,
        group_id: str,
        columns: Sequence[str] = (),
        selection: str = CELL,
        *,
        limit: int = ITEMS_PER_PAGE,
        query_params: Mapping[str, Any] | None = None,
        expected: Collection[str] | None = None,
        on_malformed: OnMalformed | None = None,
        prefetch: bool = False,
    ) -> Iterator[Page]:
        """The same for one group of a board."""
        board = str(board_id)
        variables = {"board": [board], "group": [group_id], **({"filter": dict(query_params)} if query_params else {})}
        find = lambda data: group_page(data, board, group_id)  # noqa: E731
        listing = Listing(board, GROUP_PAGE, variables, find, tuple(columns), selection, _set(expected))
        return self._walk(listing, limit, None, None, on_malformed, prefetch)

    def listing(
        self,
        board_id: str | int,
        *,
        cursor: str | None = None,
        started: datetime | None = None,
        on_malformed: OnMalformed | None = None,
        prefetch: bool = False,
    ) -> Iterator[Page]:
        """Id, state, update time and group of every active item, 500 a call: a sweep that finds what is gone."""
        return self.pages(
            board_id, (), "", cursor=cursor, started=started, on_malformed=on_malformed, prefetch=prefetch
        )

    def items(
        self,
        ids: Iterable[str | int],
        columns: Sequence[str] = (),
        selection: str = CELL,
        *,
        expected: Collection[str] | None = None,
        on_malformed: OnMalformed | None = None,
    ) -> Iterator[list[Item]]:
        """Items by id, a hundred a call, archived and deleted ones with their `state`. What does not come is absent."""
        wanted = list(dict.fromkeys(str(item_id) for item_id in ids))
        if bad := [item_id for item_id in wanted if not item_id.isdecimal()]:
            raise ValueError(f"Ids of items are numbers: {', '.join(bad[:5])}")  # monday.com would answer with a 500.
        return self._items(wanted, tuple(columns), selection, _set(expected), on_malformed)

    def _items(
        self,
        wanted: list[str],
        columns: tuple[str, ...],
        selection: str,
        expected: frozenset[str] | None,
        on_malformed: OnMalformed | None,
    ) -> Iterator[list[Item]]:
        size = self._size("items", columns, selection, limit=ITEMS_PER_CALL)
        at = 0
        while at < len(wanted):

            def some(number: int, at: int = at) -> Listing:
                ids = {"ids": wanted[at : at + number]}
                return Listing("of these items", ITEMS, ids, _items_as_page, columns, selection, expected)

            page, asked = self._pager.page(some, size, None, on_malformed)
            at += len(asked.variables["ids"])
            self._caller.tally.add(items=len(page.items))
            yield page.items

    def makers(self, ids: Sequence[str]) -> dict[str, str]:
        """Who made these items: item id → user id."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), ITEMS_PER_CALL):
            some = ids[start : start + ITEMS_PER_CALL]
            rows = self.run(ITEM_MAKERS, {"ids": some, "limit": len(some)}).get("items") or ()
            found |= {row["id"]: str(row["creator_id"]) for row in rows if row}
        return found

    def find_by_text(
        self,
        board_id: str | int,
        column_id: str,
        values: Sequence[str],
        columns: Sequence[str] = (),
        selection: str = CELL,
        *,
        expected: Collection[str] | None = None,
    ) -> list[Item]:
        """The active items whose cell in `column_id` shows exactly one of these texts."""
        board = str(board_id)
        found: dict[str, Item] = {}
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), VALUES_PER_SEARCH):
            match = [{"column_id": column_id, "column_values": wanted[start : start + VALUES_PER_SEARCH]}]
            listing = Listing(
                board,
                ITEMS_BY_COLUMN_VALUES,
                {"board": board, "match": match},
                lambda data: data.get("items_page_by_column_values"),
                tuple(columns),
                selection,
                _set(expected),
                repeats_first=True,
                after_first={"board": board},
            )
            for page in self._walk(listing, ITEMS_PER_PAGE, None, None, None, False):
                found |= {item.id: item for item in page.items}
        return list(found.values())

    def changed_since(
        self,
        board_id: str | int,
        when: datetime,
        columns: Sequence[str] = (),
        selection: str = CELL,
        *,
        expected: Collection[str] | None = None,
        on_malformed: OnMalformed | None = None,
        prefetch: bool = False,
    ) -> Iterator[Page]:
        """The active items last updated at `when` or later; see `updates` for how they are found.

        The cursors of these pages only say whether more follow: this listing cannot be resumed.
        """

        def pages(query_params: Mapping[str, Any]) -> Iterator[Page]:
            return self.pages(
                board_id,
                columns,
                selection,
                query_params=query_params,
                expected=expected,
                on_malformed=on_malformed,
                prefetch=prefetch,
            )

        def probe(query_params: Mapping[str, Any]) -> list[Item]:
            return next(self.pages(board_id, (), "", limit=1, query_params=query_params)).items

        def by_id(ids: list[str]) -> Iterator[list[Item]]:
            return self.items(ids, columns, selection, expected=expected, on_malformed=on_malformed)

        sources = Sources(pages, probe, lambda: self.listing(board_id, on_malformed=on_malformed), by_id)
        return updated_since(when, self.server_time(), self.update_filter, sources)

    def _walk(
        self,
        listing: Listing,
        limit: int,
        cursor: str | None,
        started: datetime | None,
        on_malformed: OnMalformed | None,
        prefetch: bool,
        prepare: Prepare | None = None,
    ) -> Iterator[Page]:
        if cursor and started and self.server_time() - started >= CURSOR_LIFE:
            raise CursorExpired(f"The listing of board {listing.board_id} was begun more than an hour ago.")
        size = self._size(listing.board_id, listing.columns, listing.selection, limit=limit)

        def walk(cancelled: threading.Event | None = None) -> Iterator[Page]:
            return self._pager.walk(listing, size, cursor, on_malformed, cancelled)

        pages = ahead(walk, prepare) if prefetch else walk()
        try:
            for page in pages:
                self._caller.tally.add(pages=1, items=len(page.items))
                yield page
                del page
        finally:
            pages.close()  # type: ignore[attr-defined]

    def _size(self, *shape: Any, limit: int) -> PageSize:
        """What a listing of this shape has learnt about its page size outlives the single walk."""
        with self._lock:
            return self._sizes.setdefault((*shape, limit), PageSize(limit))


def _set(expected: Collection[str] | None) -> frozenset[str] | None:
    return None if expected is None else frozenset(expected)


def _items_as_page(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": data.get("items"), "cursor": None}
