"""Reads the items of a page from its JSON, and reports those that are incomplete."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from models import NO_CELLS, Cell, Columns, Item
from services.monday.answers import ItemJson
from values.parsing import iso_moment


class Fault(Struct, frozen=True):
    """Describes one entry of a page that cannot be used: its place, its id if it has one, and the reason."""

    index: int
    item_id: str
    reason: str


class _NotWhole(Exception):
    """Refuses an entry; the text is the reason."""


def read_items(
    rows: Iterable[Any],
    board_id: str | None,
    columns: Columns = NO_CELLS,
    expected: Collection[str] | None = None,
) -> tuple[list[Item], list[Fault]]:
    """Reads items from the JSON of a page. Cells are not copied; an item that lacks a cell it should have is a fault.

    Without `expected`, every item has to bring what its neighbours bring: some kinds of columns are never
    delivered, but then for no item.
    """
    items: list[Item] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    asked = frozenset(columns.ids)
    usual = frozenset(expected) if expected is not None else None
    for index, row in enumerate(rows):
        try:
            item_id = row["id"]
            if type(item_id) is int:
                item_id = str(item_id)
            if not item_id or not isinstance(item_id, str):
                raise _NotWhole("it has no id")
            if item_id in seen:
                raise _NotWhole("it comes twice in one page")
            seen.add(item_id)
            items.append(_item(row, item_id, board_id, asked, usual, columns.all))
        except (KeyError, TypeError, AttributeError, _NotWhole) as error:
            faults.append(_fault(index, row, error))
    # Cells are never others than those asked for, so an item with as many lacks none.
    if asked and expected is None and any(len(item.cells) < len(asked) for item in items):
        items, lacking = _unlike_neighbours(items)
        faults += lacking
    return items, faults


def _item(
    row: ItemJson,
    item_id: str,
    board_id: str | None,
    asked: frozenset[str],
    usual: frozenset[str] | None,
    all_asked: bool,
) -> Item:
    group, parent, home = row["group"], row.get("parent_item"), row.get("board")
    cells: dict[str, Cell] = {}
    if asked:
        values = row["column_values"]
        cells = {cell["id"]: cell for cell in values}
        if len(cells) != len(values) or cells.keys() != asked:  # rare, so each item costs one comparison
            if all_asked and len(cells) == len(values):  # a column may be newer than what is known of the board
                cells = {column: cell for column, cell in cells.items() if column in asked}
                values = list(cells.values())
            _check_cells(cells, len(values), asked, usual if row["state"] == "active" else None)
    return Item(
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


def _dated(text: Any) -> str | None:
    """Returns a moment that can be read; a moment that cannot be read says as much as none."""
    try:
        iso_moment(text)
    except (AttributeError, ValueError):
        return None
    return str(text)


def _check_cells(cells: Mapping[str, Cell], came: int, asked: frozenset[str], usual: frozenset[str] | None) -> None:
    """Raises when cells that are not exactly those asked for are not good enough."""
    if len(cells) != came or not cells.keys() <= asked:
        raise _NotWhole("its cells are not the ones that were asked for")
    if usual is not None and not usual <= cells.keys():
        raise _NotWhole(f"the cells of {', '.join(sorted(usual - cells.keys()))} are missing")


def _fault(index: int, row: Any, error: Exception) -> Fault:
    item_id = str(row.get("id") or "") if isinstance(row, dict) else ""
    if isinstance(error, _NotWhole):
        return Fault(index, item_id, str(error))
    return Fault(index, item_id, "it is empty" if row is None else f"a part of it is missing ({error})")


def _unlike_neighbours(items: list[Item]) -> tuple[list[Item], list[Fault]]:
    """Parts off the active items of a board that lack a cell which others of that board brought."""
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
