"""Tells what a run needs of SmartSuite's calls of the month, before it makes them."""

from __future__ import annotations

from msgspec import Struct

from db_connector import Transaction
from services.smartsuite.client import BULK
from settings import Settings
from state.suite_calls import calls_this_month
from values.wording import counted, plural

SETTING = "SMARTSUITE_MONTHLY_CALLS"


class Quota(Struct, frozen=True):
    """Holds how many calls this tool has made this month, and how many the plan allows; None: that is not set.

    SmartSuite tells neither, and counts the calls of other programs, too.
    """

    used: int
    allowed: int | None

    @property
    def left(self) -> int | None:
        """Returns how many calls are left."""
        return None if self.allowed is None else max(0, self.allowed - self.used)

    def lacks(self, needed: int) -> bool:
        """Tells whether so many calls are more than are left."""
        return self.left is not None and needed > self.left

    def words(self) -> str:
        """Says what is left."""
        if self.allowed is None:
            return f"{plural(self.used, 'call')} this month by this tool; {SETTING} is not set"
        return f"{counted(self.left or 0)} of {counted(self.allowed)} calls of this month are left"


def quota_of(tx: Transaction, settings: Settings) -> Quota:
    """Returns what is left of the month's calls."""
    return Quota(calls_this_month(tx), settings.smartsuite_monthly_calls)


def calls_for(new: int, changed: int, listing: int | None) -> int:
    """Returns how many calls a run makes, about: the table, looking records up or listing them, and writing.

    `listing`: the calls of a listing, where that is cheaper than to look new rows up.
    """
    looked_up = listing if listing is not None else _calls(new)
    # each record that changes is looked at before it is written
    return 1 + looked_up + _calls(new) + 2 * _calls(changed)


def _calls(records: int) -> int:
    return -(-records // BULK)
