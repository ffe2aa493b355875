"""`query_params`: rules, groups of rules, and order, over the items of one board."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox import filter_days
from sandbox.cells import Cell, cell_of
from sandbox.errors import bad_argument, column_missing
from sandbox.filter_facts import OPERATORS, tokens_of
from sandbox.models import Board, Column, Item, User
from sandbox.world import World

IDS_PER_QUERY = 100
VIRTUAL = {
    "name": Column("name", "Name", "name"), "group": Column("group", "Group", "group"),
    "item_id": Column("item_id", "Item ID", "item_id"), "pulse_id": Column("pulse_id", "Item ID", "item_id"),
    "__last_updated__": Column("__last_updated__", "Last updated", "last_updated"),
    "__creation_log__": Column("__creation_log__", "Creation log", "creation_log"),
}
Test = Callable[[Item], bool]


class Filter:
    """One `query_params`, checked before it is used: a rule that monday does not know fails the query."""

    def __init__(self, world: World, user: User, board: Board, params: dict[str, Any]) -> None:
        self.world, self.user, self.board = world, user, board
        self.ids = self._ids(params)
        self.test = self._all_of(params)
        self.order = [self._order(one) for one in params.get("order_by") or ()]

    def apply(self, items: list[Item]) -> list[Item]:
        """The matching items; ordered inside each group of the board, not over all of it."""
        found = [i for i in items if (self.ids is None or i.id in self.ids) and self.test(i)]
        for key, backwards in reversed(self.order):
            found.sort(key=key, reverse=backwards)
        if self.order:
            places = {g.id: g.position for g in self.board.groups.values()}
            found.sort(key=lambda i: places.get(i.group_id, 0))
        return found

    def _ids(self, params: dict[str, Any]) -> set[int] | None:
        if params.get("ids") is None:
            return None
        if len(params["ids"]) > IDS_PER_QUERY:
            raise bad_argument(f"ids can contain up to {IDS_PER_QUERY} ids")
        return {int(one) for one in params["ids"] if str(one).isdecimal()}

    def _all_of(self, params: dict[str, Any]) -> Test:
        tests = [self._rule(rule) for rule in params.get("rules") or ()]
        tests += [self._all_of(group) for group in params.get("groups") or ()]
        if not tests:
            return lambda item: True
        if params.get("operator", "and") == "or":
            return lambda item: any(test(item) for test in tests)
        return lambda item: all(test(item) for test in tests)

    def column(self, column_id: str) -> Column:
        found = self.board.columns.get(column_id) or VIRTUAL.get(column_id)
        if found is None:
            raise column_missing(column_id, self.board.id)
        return found

    def cell(self, item: Item, column: Column) -> Cell:
        return cell_of(self.world, self.user, item, column)

    def _rule(self, rule: dict[str, Any]) -> Test:
        column, operator = self.column(rule["column_id"]), rule.get("operator") or "any_of"
        if operator not in OPERATORS.get(column.type, ()):
            raise bad_argument(f"Operator {operator} is not supported for column {column.id} of type {column.type}",
                               column_id=column.id)
        sent = rule["compare_value"]
        values = sent if isinstance(sent, list) else [sent]
        if operator in ("is_empty", "is_not_empty"):
            wanted = operator == "is_empty"
            return lambda item: self.is_empty(self.cell(item, column)) is wanted
        if column.type in ("date", "timeline", "week", "last_updated", "creation_log"):
            days = filter_days.day_test(self, column, operator, values, rule.get("compare_attribute"))
            if days is not None:
                return days
        if operator in ("any_of", "not_any_of"):
            return self._any_of(column, values, operator == "any_of")
        if operator in TEXT_TESTS:
            return self._text(column, operator, [str(v).casefold() for v in values])
        return self._number(column, operator, values)

    def is_empty(self, cell: Cell) -> bool:
        if cell.column.type == "subtasks":
            return not cell.kind.fields["subitems_ids"](cell)
        if cell.column.type == "name":
            return False
        return cell.datum is None

    def _any_of(self, column: Column, values: list[Any], wanted: bool) -> Test:
        normal = {str(v) for v in values}
        if column.type == "people" and "assigned_to_me" in normal:
            normal.add(f"person-{self.user.id}")
        if column.type == "numbers":
            normal = {number_token(v) for v in normal}
        return lambda item: bool(tokens_of(self.cell(item, column)) & normal) is wanted

    def _text(self, column: Column, operator: str, values: list[str]) -> Test:
        test = TEXT_TESTS[operator]

        def matches(item: Item) -> bool:
            text = self.text_of(item, column).casefold()
            if operator == "not_contains_text":
                return not any(value in text for value in values)
            return any(test(text, value) for value in values)

        return matches

    def text_of(self, item: Item, column: Column) -> str:
        """The display text: for e-mail and link the label, not the address."""
        cell = self.cell(item, column)
        if column.type == "name":
            return item.name
        if column.type in ("email", "link"):
            return cell.datum[1] if cell.datum else ""
        if column.type in ("board_relation", "dependency"):
            return str(cell.kind.fields["display_value"](cell))
        return cell.text() or ""

    def _number(self, column: Column, operator: str, values: list[Any]) -> Test:
        try:
            wanted = [Decimal(str(v)) for v in values]
        except InvalidOperation:
            raise bad_argument(f"compare_value of {column.id} must be a number", column_id=column.id) from None
        if len(wanted) != (2 if operator == "between" else 1):
            raise bad_argument(f"Wrong number of compare values for {operator}", column_id=column.id)
        compare = NUMBER_TESTS[operator]

        def matches(item: Item) -> bool:
            number = item.id if column.type == "item_id" else item.cells.get(column.id)
            return number is not None and compare(Decimal(str(number)), *wanted)

        return matches

    def _order(self, wanted: dict[str, Any]) -> tuple[Callable[[Item], Any], bool]:
        column, backwards = self.column(wanted["column_id"]), wanted.get("direction", "asc") == "desc"

        def key(item: Item) -> Any:
            value = self.sort_value(item, column)
            return ((value is None) != backwards, value if value is not None else 0)

        return key, backwards

    def sort_value(self, item: Item, column: Column) -> Any:
        if column.type == "last_updated":
            return item.updated_at
        if column.type == "creation_log":
            return item.created_at
        if column.type == "item_id":
            return item.id
        if column.type == "name":
            return item.name.casefold()
        datum = item.cells.get(column.id)
        if datum is None:
            return None
        if column.type == "numbers":
            return Decimal(datum)
        if column.type in ("status", "rating"):
            return datum
        if column.type == "date":
            return (datum[0], datum[1] or "")
        return (self.cell(item, column).text() or "").casefold()


def number_token(value: str) -> str:
    try:
        return format(Decimal(value).normalize(), "f")
    except InvalidOperation:
        return value


TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains_text": lambda text, value: value in text,
    "not_contains_text": lambda text, value: value not in text,
    "contains_terms": lambda text, value: all(term in text.split() for term in value.split()),
    "starts_with": lambda text, value: text.startswith(value),
    "ends_with": lambda text, value: text.endswith(value),
}
NUMBER_TESTS: dict[str, Callable[..., bool]] = {
    "greater_than": lambda n, a: n > a,
    "greater_than_or_equals": lambda n, a: n >= a,
    "lower_than": lambda n, a: n < a,
    "lower_than_or_equal": lambda n, a: n <= a,
    "between": lambda n, a, b: a <= n <= b,
}
