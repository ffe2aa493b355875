"""Limits calls as the plan says: so many a second for each member, with a block after too many, and so many a month."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timezone

from msgspec import Struct

from sandbox.common.faults import HTML
from sandbox.common.wire import Refusal
from sandbox.smartsuite.account.switches import Switches

PLANS = {"free": 100, "team": 5_000, "professional": 50_000, "enterprise": 250_000}
"""Calls a month."""
SLOW_CALLS_A_SECOND = 2  # when the month's calls are used up
SPEED_TEXT = "Request was throttled."
QUOTA_TEXT = "The monthly API limit of this workspace is exceeded."


class Pace(Struct):
    """Holds what a member may do."""

    calls_a_second: int = 5
    block_seconds: float = 30.0
    calls_a_month: int = PLANS["professional"]


class Spent(Struct):
    """Holds what a member has done lately."""

    second: int = 0
    calls: int = 0
    blocked_until: float = 0.0


class Meter:
    """Counts calls, and refuses those that are too many when it limits."""

    def __init__(self, limits: str) -> None:
        self.limited = limits == "standard"
        self.pace = Pace()
        self.months: Counter[str] = Counter()
        self.refused = 0
        self._running = 0
        self._spent: dict[str, Spent] = {}
        self._lock = threading.Lock()

    def admit(self, member: str, now: float, switches: Switches) -> None:
        """Counts a call. Raises Refusal."""
        with self._lock:
            month = month_of(now)
            if self.limited:
                self._check(self._spent.setdefault(member, Spent()), now, self.months[month], switches)
            self.months[month] += 1

    def enter(self, switches: Switches) -> None:
        """Counts a call that begins. Raises Refusal, without a block, when too many are under way."""
        with self._lock:
            if switches.parallel_limit and self._running >= switches.parallel_limit:
                self._refuse(switches, SPEED_TEXT)
            self._running += 1

    def leave(self) -> None:
        with self._lock:
            self._running -= 1

    def _check(self, spent: Spent, now: float, used: int, switches: Switches) -> None:
        pace = self.pace
        if used * 100 >= pace.calls_a_month * switches.quota_end_percent:
            text = QUOTA_TEXT if switches.quota_refusal == "told" else SPEED_TEXT
            self._refuse(switches, text, switches.quota_status)
        # still blocked
        if now < spent.blocked_until:
            if switches.block_prolonged:
                spent.blocked_until = now + pace.block_seconds
            self._refuse(switches, SPEED_TEXT)
        if spent.second != int(now):
            spent.second, spent.calls = int(now), 0
        spent.calls += 1
        most = pace.calls_a_second if used < pace.calls_a_month else SLOW_CALLS_A_SECOND
        if spent.calls > most:
            spent.blocked_until = now + pace.block_seconds
            self._refuse(switches, SPEED_TEXT)

    def _refuse(self, switches: Switches, text: str, status: int = 429) -> None:
        self.refused += 1
        raise throttled(switches, text, status)

    def reset(self) -> None:
        """Forgets all calls."""
        with self._lock:
            self.months.clear()
            self._spent.clear()
            self.refused = 0


def throttled(switches: Switches, text: str, status: int) -> Refusal:
    headers = {"Retry-After": str(switches.retry_after)} if switches.retry_after else {}
    match switches.throttle_body:
        case "json":
            return Refusal(status, {"detail": text}, headers)
        case "text":
            return Refusal(status, text, {"Content-Type": "text/plain", **headers})
        case "html":
            return Refusal(status, HTML.format(status), headers)
    return Refusal(status, "", headers)


def month_of(now: float) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m")
