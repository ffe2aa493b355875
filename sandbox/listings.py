"""Pages of items and the cursors between them. A cursor points into a stored list of ids; values are read when a page
is asked for, so what changed meanwhile shows, and what was archived meanwhile is gone."""

from __future__ import annotations

import base64
import binascii
import json
import random
from dataclasses import dataclass
from typing import Any

from sandbox.cells import cell_of
from sandbox.errors import MondayError, bad_argument, board_missing, column_missing
from sandbox.filters import Filter
from sandbox.models import ACTIVE, Board, Item, User
from sandbox.world import World

ITEMS_PER_PAGE = 500
CURSOR_SECONDS = 3600
EXPIRED = ("CursorExpiredError: The cursor provided for pagination has expired. Please refresh your query and obtain a "
           "new cursor to continue fetching items")
BY_VALUE = {"checkbox", "country", "date", "dropdown", "email", "hour", "link", "long_text", "name", "numbers",
            "people", "phone", "status", "text", "timeline", "world_clock"}
ONE_VALUE = {"date", "dropdown", "timeline"}


@dataclass
class Listing:
    """What a first page found. With live order the ids are looked up anew for every page."""

    board: Board
    ids: list[int]
    started: float
    group_id: str | None
    params: dict[str, Any] | None


class Listings:
    def __init__(self, world: World) -> None:
        self.world = world
        self._stored: dict[str, Listing] = {}
        self._count = 0

    def first_page(self, user: User, board: Board, limit: int, params: dict[str, Any] | None = None,
                   group_id: str | None = None) -> dict[str, Any]:
        check_limit(limit)
        ids = [i.id for i in self._find(user, board, params, group_id)]
        return self._page(Listing(board, ids, self.world.clock.now(), group_id, params), None, 0, limit)

    def page_by_values(self, board: Board, user: User, limit: int, columns: list[dict[str, Any]]) -> dict[str, Any]:
        check_limit(limit)
        tests = [self._value_test(board, user, one) for one in columns]
        found = [i.id for i in self._in_order(self.world.listed(board, lagging=True)) if all(t(i) for t in tests)]
        return self._page(Listing(board, found, self.world.clock.now(), None, None), None, 0, limit)

    def next_page(self, user: User, cursor: str, limit: int) -> dict[str, Any]:
        check_limit(limit)
        key, offset = opened(cursor)
        listing = self._stored.get(key)
        if listing is None or self.world.clock.now() - listing.started > CURSOR_SECONDS:
            raise MondayError("CursorException", EXPIRED)
        if self.world.switches.order == "live":
            listing.ids = [i.id for i in self._find(user, listing.board, listing.params, listing.group_id)]
        return self._page(listing, key, offset, limit)

    def _find(self, user: User, board: Board, params: dict[str, Any] | None, group_id: str | None) -> list[Item]:
        items = self._in_order(self.world.listed(board, lagging=params is not None))
        if group_id is not None:
            items = [i for i in items if i.group_id == group_id]
        return Filter(self.world, user, board, params).apply(items) if params else items

    def _in_order(self, items: list[Item]) -> list[Item]:
        if self.world.switches.order == "shuffle":
            random.Random(f"{self.world.seed}/{self._count}").shuffle(items)
        return items

    def _page(self, listing: Listing, key: str | None, offset: int, limit: int) -> dict[str, Any]:
        found = (self.world.items.get(n) for n in listing.ids[offset:offset + limit])
        items = [i for i in found if i is not None and i.state == ACTIVE and i.board_id == listing.board.id]
        after, cursor = offset + limit, None
        if after < len(listing.ids):
            key = key or self._store(listing)
            cursor = base64.b64encode(json.dumps(
                {"board": listing.board.id, "key": key, "limit": limit, "offset": after}).encode()).decode()
        return {"cursor": cursor, "items": items}

    def _store(self, listing: Listing) -> str:
        horizon = self.world.clock.now() - CURSOR_SECONDS
        for key in [k for k, one in self._stored.items() if one.started < horizon]:
            del self._stored[key]
        self._count += 1
        key = f"{self.world.seed}-{self._count}"
        self._stored[key] = listing
        return key

    def _value_test(self, board: Board, user: User, wanted: dict[str, Any]) -> Any:
        column, values = board.columns.get(wanted["column_id"]), set(wanted["column_values"])
        if column is None:
            raise column_missing(wanted["column_id"], board.id)
        if column.type not in BY_VALUE:
            raise bad_argument(f"Column type {column.type} is not supported by items_page_by_column_values",
                               column_id=column.id)
        if column.type in ONE_VALUE and len(values) > 1:
            raise bad_argument(f"Column type {column.type} takes one value", column_id=column.id)
        if column.type == "name":
            return lambda item: item.name in values
        return lambda item: bool(shown_values(cell_of(self.world, user, item, column)) & values)


def shown_values(cell: Any) -> set[str]:
    """The texts by which a cell is found; an empty cell is found by the empty text."""
    if cell.datum is None:
        return {""}
    kind, datum = cell.column.type, cell.datum
    if kind in ("email", "link"):
        return {datum[0], cell.text()}
    if kind == "dropdown":
        return {label["label"] for label in cell.kind.fields["values"](cell)}
    if kind == "people":
        return set(cell.text().split(", "))
    if kind == "date":
        return {cell.text()[:10]}
    if kind == "timeline":
        return {datum[0]}
    return {cell.text() or ""}


def check_limit(limit: int) -> None:
    if not 1 <= limit <= ITEMS_PER_PAGE:
        raise bad_argument(f"limit must be between 1 and {ITEMS_PER_PAGE}", limit=limit)


def opened(cursor: str) -> tuple[str, int]:
    try:
        inside = json.loads(base64.b64decode(cursor, validate=True))
        return str(inside["key"]), int(inside["offset"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad_argument("Invalid cursor") from None


def visible_board(world: World, board_id: int, hidden: set[int]) -> Board:
    board = world.boards.get(board_id)
    if board is None or board_id in hidden:
        raise board_missing(board_id)
    return board
