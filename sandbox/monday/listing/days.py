"""Tests cells that hold days, by EXACT dates and by relative words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sandbox.monday.account.models import Item
from sandbox.monday.cells.kinds import Viewer
from sandbox.monday.errors import bad_argument
from sandbox.monday.listing.operators import BLANK, Rule, Test

Span: TypeAlias = tuple[date, date]

PAST_WORDS = {"PAST_DATETIME", "OVERDUE", "PAST_WEEKS"}
FUTURE_WORDS = {"FUTURE_DATETIME", "UPCOMING", "NEXT_WEEKS"}
UNITS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30}
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def day_test(rule: Rule, viewer: Viewer) -> Test | None:
    """Makes the test of a rule; None when the rule looks for blank cells."""
    if any(value in (BLANK, "") for value in rule.values):
        return None
    spans, span_of_cell = spans_of(rule, viewer), cell_span(rule, viewer)
    return lambda item: compare(rule.operator, span_of_cell(item), spans)


def cell_span(rule: Rule, viewer: Viewer) -> Callable[[Item], Span | None]:
    """Reads the days of a cell: all of them, or only the first or the last, as the rule's attribute says."""
    column = rule.column

    def span(item: Item) -> Span | None:
        datum = item.cells.get(column.id)
        if datum is None:
            return None
        # the day in the user's zone
        if column.type == "date":
            day = date.fromisoformat((viewer.cell(item, column).text() or "")[:10])
            return day, day
        first, last = date.fromisoformat(datum[0]), date.fromisoformat(datum[1])
        return {"START_DATE": (first, first), "END_DATE": (last, last)}.get(rule.attribute or "", (first, last))

    return span


def spans_of(rule: Rule, viewer: Viewer) -> list[Span]:
    """Reads the values to compare as spans of days."""
    column_id, values = rule.column.id, rule.values
    if rule.operator == "between":
        days = [value for value in values if value != "EXACT"]
        if len(days) != 2:
            raise bad_argument("between needs two dates", column_id=column_id)
        return [(exact(days[0], column_id)[0], exact(days[1], column_id)[1])]
    if rule.operator.startswith("within"):
        return [near(rule, viewer)]
    # days by date
    if values and values[0] == "EXACT":
        return [exact(value, column_id) for value in values[1:]]
    # days by word, like TODAY
    return [span_of(str(value), viewer, column_id) for value in values]


def exact(value: object, column_id: str) -> Span:
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        raise bad_argument(f"{value!r} is not a date", column_id=column_id) from None
    return day, day


def near(rule: Rule, viewer: Viewer) -> Span:
    """Reads a number and a unit: [7, "DAYS"]."""
    number, unit = str(rule.values[0]), str(rule.values[-1]).upper()
    if len(rule.values) != 2 or unit not in UNITS or not number.isdecimal():
        raise bad_argument(f"{rule.operator} needs a number and DAYS, WEEKS or MONTHS", column_id=rule.column.id)
    today, reach = today_of(viewer), timedelta(days=int(number) * UNITS[unit])
    return (today, today + reach) if rule.operator == "within_the_next" else (today - reach, today)


def today_of(viewer: Viewer) -> date:
    return datetime.fromtimestamp(viewer.world.clock.now(), ZoneInfo(viewer.user.time_zone)).date()


def span_of(word: str, viewer: Viewer, column_id: str) -> Span:
    today = today_of(viewer)
    if word in PAST_WORDS:
        return date.min, today - DAY
    if word in FUTURE_WORDS:
        return today + DAY, date.max
    spans = weeks_around(today, viewer) | months_around(today) | days_around(today)
    return spans[word] if word in spans else exact(word, column_id)


def days_around(today: date) -> dict[str, Span]:
    return {
        "TODAY": (today, today),
        "TOMORROW": (today + DAY, today + DAY),
        "YESTERDAY": (today - DAY, today - DAY),
    }


def weeks_around(today: date, viewer: Viewer) -> dict[str, Span]:
    from_monday = viewer.world.account.first_day_of_the_week == "monday"
    start = today - timedelta(days=today.weekday() if from_monday else today.isoweekday() % 7)
    return {
        "THIS_WEEK": (start, start + 6 * DAY),
        "ONE_WEEK_AGO": (start - WEEK, start - DAY),
        "LAST_WEEK": (start - WEEK, start - DAY),
        "ONE_WEEK_FROM_NOW": (start + WEEK, start + 13 * DAY),
    }


def months_around(today: date) -> dict[str, Span]:
    month = today.replace(day=1)
    next_month = (month + 32 * DAY).replace(day=1)
    last_month = (month - DAY).replace(day=1)
    return {
        "THIS_MONTH": (month, next_month - DAY),
        "ONE_MONTH_AGO": (last_month, month - DAY),
        "LAST_MONTH": (last_month, month - DAY),
        "ONE_MONTH_FROM_NOW": (next_month, (next_month + 32 * DAY).replace(day=1) - DAY),
    }


def compare(operator: str, cell: Span | None, spans: list[Span]) -> bool:
    # an empty cell matches no day
    if cell is None or not spans:
        return operator == "not_any_of"
    first, last = cell
    if operator in ("any_of", "between", "within_the_next", "within_the_last", "not_any_of"):
        inside = any(start <= last and first <= end for start, end in spans)
        return inside is (operator != "not_any_of")
    # compared with the first value
    start, end = spans[0]
    return {
        "greater_than": first > end,
        "greater_than_or_equals": first >= start,
        "lower_than": last < start,
        "lower_than_or_equal": last <= end,
    }[operator]
