"""Gives pages of items and the cursors between them.

A cursor points into a stored list of ids; values are read when a page is asked for, so what changed meanwhile shows, and
what was archived meanwhile is gone."""

from __future__ import annotations

import base64
import binascii
import json
import random

from msgspec import Struct

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Board, Item, User
from sandbox.monday.account.world import World
from sandbox.monday.cells.choices import dropdown_labels
from sandbox.monday.cells.kind import Cell
from sandbox.monday.cells.kinds import Viewer, cell_of
from sandbox.monday.errors import MondayError, bad_argument, column_missing
from sandbox.monday.listing.filters import Filter
from sandbox.monday.listing.operators import Test

ITEMS_PER_PAGE = 500
CURSOR_SECONDS = 3600
EXPIRED = (
    "CursorExpiredError: The cursor provided for pagination has expired. "
    "Please refresh your query and obtain a new cursor to continue fetching items"
)
BY_VALUE = {
    *("checkbox", "country", "date", "dropdown", "email", "hour", "link", "long_text", "name"),
    *("numbers", "people", "phone", "status", "text", "timeline", "world_clock"),
}
ONE_VALUE = {"date", "dropdown", "timeline"}


class Question(Struct, frozen=True):
    """Says which items of a board are asked for: those of a group, those of a query, or all."""

    board: Board
    group_id: str | None = None
    params: JsonObject | None = None


class Listing(Struct):
    """Holds what a first page found. With live order the ids are looked up anew for every page."""

    question: Question
    ids: list[int]
    started: float


class Page(Struct, frozen=True):
    cursor: str | None
    items: list[Item]


class Listings:
    """Holds the listings to which cursors point, for an hour."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stored: dict[str, Listing] = {}
        self._count = 0

    def first_page(self, user: User, question: Question, limit: int) -> Page:
        check_limit(limit)
        ids = [item.id for item in self._find(user, question)]
        return self._page(Listing(question, ids, self._world.clock.now()), None, 0, limit)

    def page_by_values(self, user: User, board: Board, limit: int, columns: list[JsonObject]) -> Page:
        check_limit(limit)
        tests = [self._value_test(board, user, wanted) for wanted in columns]
        listed = self._in_order(self._world.listed(board, lagging=True))
        found = [item.id for item in listed if all(test(item) for test in tests)]
        return self._page(Listing(Question(board), found, self._world.clock.now()), None, 0, limit)

    def next_page(self, user: User, cursor: str, limit: int) -> Page:
        check_limit(limit)
        key, offset = opened(cursor)
        listing = self._stored.get(key)
        # unknown, or older than an hour
        if listing is None or self._world.clock.now() - listing.started > CURSOR_SECONDS:
            raise MondayError("CursorException", EXPIRED)
        if self._world.switches.order == "live":
            listing.ids = [item.id for item in self._find(user, listing.question)]
        return self._page(listing, key, offset, limit)

    def _find(self, user: User, question: Question) -> list[Item]:
        board, params = question.board, question.params
        items = self._in_order(self._world.listed(board, lagging=params is not None))
        if question.group_id is not None:
            items = [item for item in items if item.group_id == question.group_id]
        return Filter(Viewer(self._world, user), board, params).apply(items) if params else items

    def _in_order(self, items: list[Item]) -> list[Item]:
        if self._world.switches.order == "shuffle":
            random.Random(f"{self._world.seed}/{self._count}").shuffle(items)
        return items

    def _page(self, listing: Listing, key: str | None, offset: int, limit: int) -> Page:
        board_id = listing.question.board.id
        found = (self._world.items.get(number) for number in listing.ids[offset : offset + limit])
        items = [item for item in found if item and item.state == ACTIVE and item.board_id == board_id]
        after, cursor = offset + limit, None
        # more items than this page shows
        if after < len(listing.ids):
            place = {"board": board_id, "key": key or self._store(listing), "limit": limit, "offset": after}
            cursor = base64.b64encode(json.dumps(place).encode()).decode()
        return Page(cursor, items)

    def _store(self, listing: Listing) -> str:
        horizon = self._world.clock.now() - CURSOR_SECONDS
        for key in [key for key, stored in self._stored.items() if stored.started < horizon]:
            del self._stored[key]
        self._count += 1
        key = f"{self._world.seed}-{self._count}"
        self._stored[key] = listing
        return key

    def _value_test(self, board: Board, user: User, wanted: JsonObject) -> Test:
        column, values = board.columns.get(wanted["column_id"]), set(wanted["column_values"])
        if column is None:
            raise column_missing(wanted["column_id"], board.id)
        if column.type not in BY_VALUE:
            message = f"Column type {column.type} is not supported by items_page_by_column_values"
            raise bad_argument(message, column_id=column.id)
        # some types take a single value
        if column.type in ONE_VALUE and len(values) > 1:
            raise bad_argument(f"Column type {column.type} takes one value", column_id=column.id)
        if column.type == "name":
            return lambda item: item.name in values
        return lambda item: bool(shown_values(cell_of(self._world, user, item, column)) & values)


def shown_values(cell: Cell) -> set[str]:
    """Lists the texts by which a cell is found; an empty cell is found by the empty text."""
    if cell.datum is None:
        return {""}
    kind, datum, text = cell.column.type, cell.datum, cell.text() or ""
    if kind in ("email", "link"):
        return {datum[0], text}
    if kind == "dropdown":
        return {label.name for label in dropdown_labels(cell)}
    if kind == "people":
        return set(text.split(", "))
    if kind == "date":
        return {text[:10]}
    if kind == "timeline":
        return {datum[0]}
    return {text}


def check_limit(limit: int) -> None:
    if not 1 <= limit <= ITEMS_PER_PAGE:
        raise bad_argument(f"limit must be between 1 and {ITEMS_PER_PAGE}", limit=limit)


def opened(cursor: str) -> tuple[str, int]:
    """Reads the key of the listing and the place in it."""
    try:
        inside = json.loads(base64.b64decode(cursor, validate=True))
        return str(inside["key"]), int(inside["offset"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad_argument("Invalid cursor") from None
