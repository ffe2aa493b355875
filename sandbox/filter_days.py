"""Rules on days and moments: EXACT dates, relative words, and the last-update filter on which the sources disagree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.clock import parse_iso
from sandbox.errors import bad_argument
from sandbox.models import Column, Item

if TYPE_CHECKING:
    from sandbox.filters import Filter

Test = Callable[[Item], bool]
Span = tuple[date, date]
FAR_PAST, FAR_FUTURE = date.min, date.max
PAST_WORDS = {"PAST_DATETIME", "OVERDUE", "PAST_WEEKS"}
FUTURE_WORDS = {"FUTURE_DATETIME", "UPCOMING", "NEXT_WEEKS"}
LAST_UPDATED_WORDS = {"TODAY", "YESTERDAY", "THIS_WEEK", "LAST_WEEK", "THIS_MONTH", "LAST_MONTH", "PAST_DATETIME"}


def day_test(rules: Filter, column: Column, operator: str, values: list[Any], attribute: str | None) -> Test | None:
    """None when the rule is not about days: blanks, and who created or updated an item."""
    if column.type in ("last_updated", "creation_log"):
        wanted = "UPDATED_AT" if column.type == "last_updated" else "CREATED_AT"
        if attribute != wanted:
            if operator not in ("any_of", "not_any_of"):
                raise bad_argument(f"compare_attribute {wanted} is needed for {operator}", column_id=column.id)
            return None
        return moment_test(rules, column, operator, values)
    if any(v in ("$$$blank$$$", "") for v in values):
        return None
    spans = spans_of(rules, operator, values, column.id)
    ends = edge_of(column, attribute)
    return lambda item: compare(operator, ends(item, column, rules), spans)


def edge_of(column: Column, attribute: str | None) -> Callable[[Item, Column, Filter], Span | None]:
    def span(item: Item, column: Column, rules: Filter) -> Span | None:
        datum = item.cells.get(column.id)
        if datum is None:
            return None
        if column.type == "date":
            day = date.fromisoformat(rules.cell(item, column).text()[:10])  # type: ignore[index]
            return day, day
        first, last = date.fromisoformat(datum[0]), date.fromisoformat(datum[1])
        return {"START_DATE": (first, first), "END_DATE": (last, last)}.get(attribute or "", (first, last))

    return span


def spans_of(rules: Filter, operator: str, values: list[Any], column_id: str) -> list[Span]:
    if operator == "between":
        days = [v for v in values if v != "EXACT"]
        if len(days) != 2:
            raise bad_argument("between needs two dates", column_id=column_id)
        return [(exact(days[0], column_id)[0], exact(days[1], column_id)[1])]
    if operator.startswith("within"):
        return [near(rules, operator, values, column_id)]
    if values and values[0] == "EXACT":
        return [exact(v, column_id) for v in values[1:]]
    return [span_of(rules, str(v), column_id) for v in values]


def exact(value: Any, column_id: str) -> Span:
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        raise bad_argument(f"{value!r} is not a date", column_id=column_id) from None
    return day, day


def near(rules: Filter, operator: str, values: list[Any], column_id: str) -> Span:
    """A number and a unit: [7, "DAYS"]."""
    units = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30}
    unit = str(values[-1]).upper()
    if len(values) != 2 or unit not in units or not str(values[0]).isdecimal():
        raise bad_argument(f"{operator} needs a number and DAYS, WEEKS or MONTHS", column_id=column_id)
    today, reach = today_of(rules), timedelta(days=int(values[0]) * units[unit])
    return (today, today + reach) if operator == "within_the_next" else (today - reach, today)


def today_of(rules: Filter) -> date:
    return datetime.fromtimestamp(rules.world.clock.now(), ZoneInfo(rules.user.time_zone)).date()


def span_of(rules: Filter, word: str, column_id: str) -> Span:
    today = today_of(rules)
    if word in PAST_WORDS:
        return FAR_PAST, today - timedelta(days=1)
    if word in FUTURE_WORDS:
        return today + timedelta(days=1), FAR_FUTURE
    back = (today.weekday() if rules.world.account.first_day_of_the_week == "monday" else today.isoweekday() % 7)
    week, month = today - timedelta(days=back), today.replace(day=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    last_month = (month - timedelta(days=1)).replace(day=1)
    day, seven = timedelta(days=1), timedelta(days=7)
    words = {
        "TODAY": (today, today), "TOMORROW": (today + day, today + day), "YESTERDAY": (today - day, today - day),
        "THIS_WEEK": (week, week + 6 * day), "ONE_WEEK_AGO": (week - seven, week - day),
        "LAST_WEEK": (week - seven, week - day), "ONE_WEEK_FROM_NOW": (week + seven, week + 13 * day),
        "THIS_MONTH": (month, next_month - day), "ONE_MONTH_AGO": (last_month, month - day),
        "LAST_MONTH": (last_month, month - day),
        "ONE_MONTH_FROM_NOW": (next_month, (next_month + 32 * day).replace(day=1) - day),
    }
    return words[word] if word in words else exact(word, column_id)


def compare(operator: str, cell: Span | None, spans: list[Span]) -> bool:
    if cell is None or not spans:
        return operator == "not_any_of"
    first, last = cell
    if operator in ("any_of", "between", "within_the_next", "within_the_last", "not_any_of"):
        inside = any(start <= last and first <= end for start, end in spans)
        return inside is (operator != "not_any_of")
    start, end = spans[0]
    return {"greater_than": first > end, "greater_than_or_equals": first >= start,
            "lower_than": last < start, "lower_than_or_equal": last <= end}[operator]


def moment_test(rules: Filter, column: Column, operator: str, values: list[Any]) -> Test:
    """When an item was created or last updated: to the second, by days, or by words only, as the switch says."""
    precision, zone = rules.world.switches.last_updated, ZoneInfo(rules.user.time_zone)

    def moment(item: Item) -> float:
        return item.updated_at if column.type == "last_updated" else item.created_at

    is_exact = bool(values) and values[0] == "EXACT" or operator == "between"
    if not is_exact and not all(str(v) in LAST_UPDATED_WORDS for v in values):
        raise bad_argument("Unsupported compare value for a last updated rule", column_id=column.id)
    if is_exact and precision == "relative":
        raise bad_argument("compare_value EXACT is not supported for this column", column_id=column.id)
    if not is_exact and operator not in ("any_of", "not_any_of"):
        raise bad_argument(f"Operator {operator} is not supported with a relative date", column_id=column.id)
    if is_exact and precision == "exact":
        return second_test(moment, operator, [v for v in values if v != "EXACT"], column.id)
    spans = spans_of(rules, operator, values, column.id)
    if is_exact:  # days of the user's zone, also for a compare value that carries a time
        spans = [(day_in(v, zone, column.id), day_in(v, zone, column.id)) for v in values if v != "EXACT"]
        if operator == "between":
            spans = [(spans[0][0], spans[1][0])]

    def matches(item: Item) -> bool:
        day = datetime.fromtimestamp(moment(item), zone).date()
        return compare(operator, (day, day), spans)

    return matches


def day_in(value: Any, zone: ZoneInfo, column_id: str) -> date:
    return datetime.fromtimestamp(instant(value, column_id), zone).date() if "T" in str(value) else exact(
        value, column_id)[0]


def instant(value: Any, column_id: str) -> float:
    try:
        return parse_iso(str(value))
    except ValueError:
        raise bad_argument(f"{value!r} is not a date", column_id=column_id) from None


def second_test(moment: Callable[[Item], float], operator: str, values: list[Any], column_id: str) -> Test:
    wanted = [instant(v, column_id) for v in values]
    if len(wanted) != (2 if operator == "between" else 1):
        raise bad_argument(f"Wrong number of compare values for {operator}", column_id=column_id)
    tests: dict[str, Callable[[int], bool]] = {
        "greater_than": lambda n: n > wanted[0], "greater_than_or_equals": lambda n: n >= wanted[0],
        "lower_than": lambda n: n < wanted[0], "lower_than_or_equal": lambda n: n <= wanted[0],
        "between": lambda n: wanted[0] <= n <= wanted[-1],
        "any_of": lambda n: n == int(wanted[0]), "not_any_of": lambda n: n != int(wanted[0]),
    }
    test = tests[operator]
    return lambda item: test(int(moment(item)))
