"""The five fields of a cron expression, and when it is due next. Times are UTC: no hour is missing and none comes twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from errors import SettingsError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, DAYS),
)
NAMED = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
HINT = (
    'Five fields: minute hour day month weekday; "*/5 * * * *" is every 5 minutes, "30 2 * * mon-fri" 2:30 on workdays.'
)
FARTHEST = timedelta(days=40 * 366)
"""A weekday has its 29th of February every 28 years, and once in 40 where a century has no leap day."""


@dataclass(frozen=True, slots=True)
class Cron:
    """When each field lets a time through."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read an expression. Raises SettingsError, naming the field that is wrong."""
        parts = NAMED.get(text.strip().lower(), text).split()
        if len(parts) != len(FIELDS):
            raise SettingsError(f"{text!r} is no cron expression: it has {len(parts)} fields.", hint=HINT)
        sets = [_field(part, *field) for part, field in zip(parts, FIELDS)]
        weekdays = frozenset(0 if day == 7 else day for day in sets[4])
        found = cls(sets[0], sets[1], sets[2], sets[3], weekdays, parts[2].startswith("*"), parts[4].startswith("*"))
        if found.next(datetime(2024, 1, 1)) is None:
            raise SettingsError(f"{text!r} is never due.", hint=HINT)
        return found

    def next(self, after: datetime) -> datetime | None:
        """The first minute after `after` at which it is due; None when there is none in forty years."""
        at = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while at - after < FARTHEST:
            if at.month not in self.months:
                at = (at.replace(day=1, hour=0, minute=0) + timedelta(days=31)).replace(day=1)
            elif not self._day(at):
                at = at.replace(hour=0, minute=0) + timedelta(days=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at += timedelta(minutes=1)
            else:
                return at
        return None

    def _day(self, at: datetime) -> bool:
        """Given both, day of the month and weekday are alternatives: that is how cron has always read them."""
        by_day, by_weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return by_day and by_weekday if self.any_day or self.any_weekday else by_day or by_weekday


def _field(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        match = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/([0-9]+))?", part)
        if match is None or match[4] == "0":
            raise SettingsError(f"{part!r} is no {name} of a cron expression.", hint=HINT)
        first = low if match[1] == "*" else _number(match[2], name, low, high, names)
        last = high if match[1] == "*" else _number(match[3], name, low, high, names) if match[3] else first
        if match[4] and match[1] != "*" and not match[3]:
            last = high
        if last < first and match[3] == "sun":
            last = high  # a week may end with it
        if last < first:
            raise SettingsError(f"{part!r} goes backwards ({name} of a cron expression).", hint=HINT)
        found.update(range(first, last + 1, int(match[4] or 1)))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + low
    if not re.fullmatch(r"[0-9]{1,2}", text) or not low <= int(text) <= high:
        raise SettingsError(f"{text!r} is no {name} of a cron expression ({low} to {high}).", hint=HINT)
    return int(text)
