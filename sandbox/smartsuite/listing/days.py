"""Finds the days that a condition on a date names. A day begins at midnight UTC."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.errors import detail

Days = tuple[date, date]

FIXED = {
    "today": 0,
    "yesterday": -1,
    "one_week_ago": -7,
    "one_week_from_now": 7,
}
MONTHS = {"one_month_ago": -1, "one_month_from_now": 1, "one_year_ago": -12, "one_year_from_now": 12}
SPANS = ("next_number_of_days", "past_number_of_days", "date_range")


def days_of(value: object, comparison: str, today: date) -> Days:
    """Returns the first and the last day that a value names. Raises Refusal."""
    wanted = value if isinstance(value, dict) else {}
    mode, given = str(wanted.get("date_mode")), wanted.get("date_mode_value")
    if mode == "exact_date":
        day = day_of(given)
        return day, day
    if mode in FIXED:
        day = today + timedelta(FIXED[mode])
        return day, day
    if mode in MONTHS:
        day = months_from(today, MONTHS[mode])
        return day, day
    if mode in SPANS and comparison in ("is", "is_not"):
        return span_of(mode, given, today)
    raise detail(400, f"{mode[:40]!r} is not allowed for the {comparison!r} comparison")


def span_of(mode: str, given: Any, today: date) -> Days:
    if mode == "date_range":
        parts: JsonObject = given if isinstance(given, dict) else {}
        return day_of(parts.get("from_date")), day_of(parts.get("to_date"))
    try:
        days = timedelta(int(str(given)))
        return (today, today + days) if mode.startswith("next") else (today - days, today)
    except (ValueError, OverflowError):
        raise detail(400, f"{str(given)[:40]!r} is not a number of days") from None


def day_of(text: object) -> date:
    try:
        return datetime.strptime(str(text), "%Y-%m-%d").date()
    except ValueError:
        raise detail(400, f"{str(text)[:40]!r} is not a date") from None


def months_from(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    year, month = divmod(number, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def is_among(key: datetime | None, comparison: str, days: Days) -> bool:
    """Compares the day of a moment."""
    if key is None:
        return comparison == "is_not"
    day = key.date()
    match comparison:
        case "is":
            return days[0] <= day <= days[1]
        case "is_not":
            return not days[0] <= day <= days[1]
        case "is_before":
            return day < days[0]
        case "is_on_or_before":
            return day <= days[0]
    return day >= days[0]
