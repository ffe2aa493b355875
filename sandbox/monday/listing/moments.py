"""Tests when an item was created or last updated, which is where the sources disagree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sandbox.common.clock import parse_iso
from sandbox.monday.account.models import Item
from sandbox.monday.cells.kinds import Viewer
from sandbox.monday.errors import bad_argument
from sandbox.monday.listing.days import Span, compare, exact, spans_of
from sandbox.monday.listing.operators import Rule, Test

WORDS = {"TODAY", "YESTERDAY", "THIS_WEEK", "LAST_WEEK", "THIS_MONTH", "LAST_MONTH", "PAST_DATETIME"}
ATTRIBUTES = {"last_updated": "UPDATED_AT", "creation_log": "CREATED_AT"}

Moment: TypeAlias = Callable[[Item], float]


def moment_test(rule: Rule, viewer: Viewer) -> Test | None:
    """Makes the test of a rule; None when the rule asks for the users that created or updated an item."""
    wanted = ATTRIBUTES[rule.column.type]
    if rule.attribute == wanted:
        return time_test(rule, viewer)
    if rule.operator not in ("any_of", "not_any_of"):
        message = f"compare_attribute {wanted} is needed for {rule.operator}"
        raise bad_argument(message, column_id=rule.column.id)
    return None


def time_test(rule: Rule, viewer: Viewer) -> Test:
    """Compares to the second, by days, or by words only, as the switch says."""
    precision = viewer.world.switches.last_updated
    is_exact = bool(rule.values) and rule.values[0] == "EXACT" or rule.operator == "between"
    refuse_unknown(rule, is_exact, precision)
    moment = updated_at if rule.column.type == "last_updated" else created_at
    # compared to the second
    if is_exact and precision == "exact":
        return second_test(rule, moment)
    zone = ZoneInfo(viewer.user.time_zone)
    spans = spans_of(rule, viewer)
    if is_exact:
        spans = local_days(rule, zone)

    def matches(item: Item) -> bool:
        day = datetime.fromtimestamp(moment(item), zone).date()
        return compare(rule.operator, (day, day), spans)

    return matches


def created_at(item: Item) -> float:
    return item.created_at


def updated_at(item: Item) -> float:
    return item.updated_at


def refuse_unknown(rule: Rule, is_exact: bool, precision: str) -> None:
    column_id = rule.column.id
    # words that monday.com does not know
    if not is_exact and not all(str(value) in WORDS for value in rule.values):
        raise bad_argument("Unsupported compare value for a last updated rule", column_id=column_id)
    # the strictest reading takes words only
    if is_exact and precision == "relative":
        raise bad_argument("compare_value EXACT is not supported for this column", column_id=column_id)
    # words are compared by any_of only
    if not is_exact and rule.operator not in ("any_of", "not_any_of"):
        message = f"Operator {rule.operator} is not supported with a relative date"
        raise bad_argument(message, column_id=column_id)


def local_days(rule: Rule, zone: ZoneInfo) -> list[Span]:
    """Reads the values as days of the user's zone, also a value that carries a time."""
    days = [day_in(value, zone, rule.column.id) for value in rule.values if value != "EXACT"]
    if rule.operator == "between":
        return [(days[0], days[1])]
    return [(day, day) for day in days]


def day_in(value: object, zone: ZoneInfo, column_id: str) -> date:
    if "T" in str(value):
        return datetime.fromtimestamp(instant(value, column_id), zone).date()
    return exact(value, column_id)[0]


def instant(value: object, column_id: str) -> float:
    try:
        return parse_iso(str(value))
    except ValueError:
        raise bad_argument(f"{value!r} is not a date", column_id=column_id) from None


def second_test(rule: Rule, moment: Moment) -> Test:
    wanted = [instant(value, rule.column.id) for value in rule.values if value != "EXACT"]
    if len(wanted) != (2 if rule.operator == "between" else 1):
        message = f"Wrong number of compare values for {rule.operator}"
        raise bad_argument(message, column_id=rule.column.id)
    first, last = wanted[0], wanted[-1]
    tests: dict[str, Callable[[int], bool]] = {
        "greater_than": lambda second: second > first,
        "greater_than_or_equals": lambda second: second >= first,
        "lower_than": lambda second: second < first,
        "lower_than_or_equal": lambda second: second <= first,
        "between": lambda second: first <= second <= last,
        "any_of": lambda second: second == int(first),
        "not_any_of": lambda second: second != int(first),
    }
    test = tests[rule.operator]
    return lambda item: test(int(moment(item)))
