"""Makes the test of a rule: does an item match it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from sandbox.monday.account.models import Item
from sandbox.monday.cells.computed import subitem_ids
from sandbox.monday.cells.kind import Cell
from sandbox.monday.cells.kinds import Viewer
from sandbox.monday.cells.relations import linked_names
from sandbox.monday.errors import bad_argument
from sandbox.monday.listing.days import day_test
from sandbox.monday.listing.moments import moment_test
from sandbox.monday.listing.operators import EMPTY, Rule, Test
from sandbox.monday.listing.tokens import number_token, tokens_of


def test_of(rule: Rule, viewer: Viewer) -> Test:
    if rule.operator in EMPTY:
        wanted = rule.operator == "is_empty"
        return lambda item: is_empty(viewer.cell(item, rule.column)) is wanted
    timed = test_of_time(rule, viewer)
    # days and moments
    if timed is not None:
        return timed
    if rule.operator in ("any_of", "not_any_of"):
        return token_test(rule, viewer)
    if rule.operator in TEXT_TESTS:
        return text_test(rule, viewer)
    return number_test(rule)


def test_of_time(rule: Rule, viewer: Viewer) -> Test | None:
    if rule.column.type in ("last_updated", "creation_log"):
        return moment_test(rule, viewer)
    if rule.column.type in ("date", "timeline", "week"):
        return day_test(rule, viewer)
    return None


def is_empty(cell: Cell) -> bool:
    if cell.column.type == "subtasks":
        return not subitem_ids(cell)
    return cell.column.type != "name" and cell.datum is None


def token_test(rule: Rule, viewer: Viewer) -> Test:
    wanted, column = rule.operator == "any_of", rule.column
    tokens = {str(value) for value in rule.values}
    # the user who asks
    if column.type == "people" and "assigned_to_me" in tokens:
        tokens.add(f"person-{viewer.user.id}")
    if column.type == "numbers":
        tokens = {number_token(token) for token in tokens}
    return lambda item: bool(tokens_of(viewer.cell(item, column)) & tokens) is wanted


def text_test(rule: Rule, viewer: Viewer) -> Test:
    values = [str(value).casefold() for value in rule.values]
    test = TEXT_TESTS[rule.operator]

    def matches(item: Item) -> bool:
        text = shown_text(viewer.cell(item, rule.column)).casefold()
        if rule.operator == "not_contains_text":
            return not any(value in text for value in values)
        return any(test(text, value) for value in values)

    return matches


def shown_text(cell: Cell) -> str:
    """Reads the display text: for e-mail and link the label, not the address."""
    kind = cell.column.type
    if kind == "name":
        return cell.item.name
    if kind in ("email", "link"):
        return cell.datum[1] if cell.datum else ""
    if kind in ("board_relation", "dependency"):
        return linked_names(cell)
    return cell.text() or ""


def number_test(rule: Rule) -> Test:
    column = rule.column
    try:
        wanted = [Decimal(str(value)) for value in rule.values]
    except InvalidOperation:
        raise bad_argument(f"compare_value of {column.id} must be a number", column_id=column.id) from None
    if len(wanted) != (2 if rule.operator == "between" else 1):
        raise bad_argument(f"Wrong number of compare values for {rule.operator}", column_id=column.id)
    compare = NUMBER_TESTS[rule.operator]

    def matches(item: Item) -> bool:
        number = item.id if column.type == "item_id" else item.cells.get(column.id)
        return number is not None and compare(Decimal(str(number)), *wanted)

    return matches


TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains_text": lambda text, value: value in text,
    "not_contains_text": lambda text, value: value not in text,
    "contains_terms": lambda text, value: all(term in text.split() for term in value.split()),
    "starts_with": lambda text, value: text.startswith(value),
    "ends_with": lambda text, value: text.endswith(value),
}
NUMBER_TESTS: dict[str, Callable[..., bool]] = {
    "greater_than": lambda number, limit: number > limit,
    "greater_than_or_equals": lambda number, limit: number >= limit,
    "lower_than": lambda number, limit: number < limit,
    "lower_than_or_equal": lambda number, limit: number <= limit,
    "between": lambda number, least, most: least <= number <= most,
}
