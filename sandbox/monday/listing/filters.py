"""Applies `query_params` to the items of a board: ids, rules, groups of rules, and order."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Board, Column, Item
from sandbox.monday.cells.kinds import Viewer
from sandbox.monday.errors import bad_argument, column_missing
from sandbox.monday.listing.matching import test_of
from sandbox.monday.listing.operators import Test, rule_from

IDS_PER_QUERY = 100
VIRTUAL = {
    column.id: column
    for column in (
        Column("name", "Name", "name"),
        Column("group", "Group", "group"),
        Column("item_id", "Item ID", "item_id"),
        Column("pulse_id", "Item ID", "item_id"),
        Column("__last_updated__", "Last updated", "last_updated"),
        Column("__creation_log__", "Creation log", "creation_log"),
    )
}

Key: TypeAlias = Callable[[Item], Any]  # of equal type for all items of a board, so that they can be sorted


class Filter:
    """Holds one `query_params`, checked before it is used: a rule that monday.com does not know fails the query."""

    def __init__(self, viewer: Viewer, board: Board, params: JsonObject) -> None:
        self._viewer, self._board = viewer, board
        self._ids = wanted_ids(params)
        self._test = self._all_of(params)
        self._order = [self._order_by(entry) for entry in params.get("order_by") or ()]

    def apply(self, items: list[Item]) -> list[Item]:
        """Finds the matching items; they are ordered inside each group of the board, not over all of it."""
        found = [item for item in items if (self._ids is None or item.id in self._ids) and self._test(item)]
        for key, backwards in reversed(self._order):
            found.sort(key=key, reverse=backwards)
        # Sorting keeps the order of equals, so the groups are sorted last.
        if self._order:
            places = {group.id: group.position for group in self._board.groups.values()}
            found.sort(key=lambda item: places.get(item.group_id, 0))
        return found

    def _all_of(self, params: JsonObject) -> Test:
        tests = [self._test_of(rule) for rule in params.get("rules") or ()]
        tests += [self._all_of(group) for group in params.get("groups") or ()]
        # no rules: every item matches
        if not tests:
            return lambda item: True
        if params.get("operator", "and") == "or":
            return lambda item: any(test(item) for test in tests)
        return lambda item: all(test(item) for test in tests)

    def _test_of(self, sent: JsonObject) -> Test:
        return test_of(rule_from(sent, self._column(sent["column_id"])), self._viewer)

    def _column(self, column_id: str) -> Column:
        found = self._board.columns.get(column_id) or VIRTUAL.get(column_id)
        if found is None:
            raise column_missing(column_id, self._board.id)
        return found

    def _order_by(self, wanted: JsonObject) -> tuple[Key, bool]:
        column, backwards = self._column(wanted["column_id"]), wanted.get("direction", "asc") == "desc"

        def key(item: Item) -> tuple[bool, object]:
            value = sort_value(item, column, self._viewer)
            # Empty cells come last in either direction.
            return ((value is None) != backwards, value if value is not None else 0)

        return key, backwards


def wanted_ids(params: JsonObject) -> set[int] | None:
    ids = params.get("ids")
    if ids is None:
        return None
    if len(ids) > IDS_PER_QUERY:
        raise bad_argument(f"ids can contain up to {IDS_PER_QUERY} ids")
    return {int(id) for id in ids if str(id).isdecimal()}


def sort_value(item: Item, column: Column, viewer: Viewer) -> object:
    """Reads what a column is ordered by; None for an empty cell."""
    if column.type in OF_ITEMS:
        return OF_ITEMS[column.type](item)
    datum = item.cells.get(column.id)
    if datum is None:
        return None
    if column.type == "numbers":
        return Decimal(datum)
    if column.type in ("status", "rating"):
        return datum
    if column.type == "date":
        return (datum[0], datum[1] or "")
    return (viewer.cell(item, column).text() or "").casefold()


OF_ITEMS: dict[str, Callable[[Item], object]] = {
    "last_updated": lambda item: item.updated_at,
    "creation_log": lambda item: item.created_at,
    "item_id": lambda item: item.id,
    "name": lambda item: item.name.casefold(),
}
