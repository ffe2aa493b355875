"""Reads cron expressions, and computes when each is due (`cronsim`). Times are UTC: no hour is missing, none comes twice."""

from __future__ import annotations

import re
from datetime import datetime

from cronsim import CronSim, CronSimError
from msgspec import Struct

from errors import SettingsError

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
HINT = (
    'Five fields: minute hour day month weekday; "*/5 * * * *" is every 5 minutes, "30 2 * * mon-fri" 2:30 on workdays.'
)
UNTIL_SUNDAY = re.compile(r"\b(?!sun|0)(\w+)-sun\b", re.I)
"""`cronsim` takes the name of Sunday for 0 and refuses `sat-sun`; as 7 it may end a week."""
ONE_VALUE = re.compile(r"\b(\w+)-\1/[1-9][0-9]*", re.I)
"""`5-5/10` is 5 alone, and not, as `cronsim` has it, every tenth minute from there."""
ANY_DAY = datetime(2024, 1, 1)


class Cron(Struct, frozen=True):
    """Holds a cron expression of five checked fields that is due some day."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Reads an expression. Raises SettingsError, naming the field that is wrong."""
        parts = NAMED.get(text.strip().lower(), text).split()
        if len(parts) != len(FIELDS):
            raise SettingsError(f"{text!r} is no cron expression: it has {len(parts)} fields.", hint=HINT)
        for position, part in enumerate(parts):
            # what `cronsim` refuses or reads in another way
            parts[position] = ONE_VALUE.sub(r"\1", UNTIL_SUNDAY.sub(r"\1-7", part))
            _check(part, parts[position], position)
        # each field is right, but not together: February 30
        found = cls(" ".join(parts))
        try:
            found.next(ANY_DAY)
        except (CronSimError, StopIteration):
            raise SettingsError(f"{text!r} is never due.", hint=HINT) from None
        return found

    def next(self, after: datetime) -> datetime:
        """Returns the first minute after `after` at which it is due."""
        return next(CronSim(self.text, after))


def _check(given: str, part: str, position: int) -> None:
    """Raises SettingsError for a field that is wrong by itself."""
    name, low, high = FIELDS[position]
    for wrong, term in zip(given.split(","), part.split(",")):
        alone = ["*"] * len(FIELDS)
        alone[position] = term
        try:
            CronSim(" ".join(alone), ANY_DAY)
        except CronSimError:
            message = f"{wrong!r} is no {name} of a cron expression ({low} to {high})."
            raise SettingsError(message, hint=HINT) from None
