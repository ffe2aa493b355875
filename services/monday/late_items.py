"""Reads the page in an answer that is in order, and holds items whose cells are decoded once somebody asks for one.

Another process may read pages (`sync.reading_process`). What it found of the items comes back, and their cells do not:
they stay in the bytes of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from models import Cell, Columns, Item
from services.monday.failure_shapes import failures_in
from services.monday.page_items import read_items
from services.monday.queries import Decode

ItemFacts = tuple[str, str, str, "str | None", "str | None", "str | None", "str | None", "str | None"]
"""An item without its cells, in the order of `models.Item`."""


class WholeItems(list[Item]):
    """Holds the items of a page that was read already and found in order; it stands in the answer in place of the JSON."""


class WholePage(NamedTuple):
    """Holds an answer in which all is as usual."""

    answer: dict[str, Any]
    """Without the items."""
    items: list[Item]
    columns: tuple[str, ...]
    """Those of which each item has a cell, in the order in which they came."""


def whole_page(answer: object, board_id: str, columns: Columns) -> WholePage | None:
    """Returns the page of an answer, in which no items are left; None unless all of them came, and came alike."""
    if not isinstance(answer, dict) or failures_in(200, {}, answer):
        return None
    page = page_in(answer)
    rows = page.get("items") if page is not None else None
    if page is None or not isinstance(rows, list) or not rows:
        return None
    items, faults = read_items(rows, board_id, columns)
    came = tuple(items[0].cells) if items else ()
    if faults or any(tuple(item.cells) != came for item in items):
        return None
    page["items"] = []
    return WholePage(answer, items, came)


def page_in(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the page of items in an answer to the texts that walk a board or a group; None where none is found."""
    data: Any = answer.get("data")
    try:
        page = data["next_items_page"] if "next_items_page" in data else _first_page(data["boards"][0])
    except (KeyError, IndexError, TypeError):
        return None
    return page if isinstance(page, dict) else None


def _first_page(board: Mapping[str, Any]) -> Any:
    return board["items_page"] if "items_page" in board else board["groups"][0]["items_page"]


def facts_of(item: Item) -> ItemFacts:
    """Returns what an item is made of beside its cells."""
    home = (item.group_id, item.board_id, item.parent_id)
    return (item.id, item.name, item.state, item.created_at, item.updated_at, *home)


class PageBytes:
    """Holds the bytes of an answer that was found in order; decodes them once, when a cell of an item is asked for."""

    def __init__(self, body: bytes, decode: Decode) -> None:
        self._body, self._decode = body, decode
        self._rows: Sequence[Any] | None = None

    def cells_at(self, at: int) -> dict[str, Cell]:
        """Returns the cells of the item at this place of the page."""
        if self._rows is None:
            answer = self._decode(self._body)
            page = page_in(answer) if isinstance(answer, dict) else None
            assert page is not None, "the same bytes held a page before"
            self._rows, self._body = page["items"], b""
        return {cell["id"]: cell for cell in self._rows[at]["column_values"]}


class LateCells(Mapping[str, Cell]):
    """Holds the cells of one item: some that are often asked for, and the others in the bytes of the page."""

    __slots__ = ("_at", "_columns", "_known", "_page")

    def __init__(self, columns: Mapping[str, object], known: Mapping[str, Cell], page: PageBytes, at: int) -> None:
        """Takes the columns of which the item has cells (as keys), the cells that are known, and where the others are."""
        self._columns, self._known, self._at = columns, known, at
        self._page: PageBytes | None = page

    def __getitem__(self, column: str) -> Cell:
        if column not in self._columns:
            raise KeyError(column)
        if self._page is not None and column not in self._known:
            self._known, self._page = self._page.cells_at(self._at), None
        return self._known[column]

    def __contains__(self, column: object) -> bool:
        return column in self._columns  # without the cell

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
