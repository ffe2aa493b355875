"""Keeps the pace: what is left of monday.com's budgets, when to wait before sending, how large a page may be; and counts."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, NamedTuple, Protocol

from msgspec import Struct, field

from errors import DailyLimitReached
from values.wording import counted, minute_text, plural

ITEMS_PER_PAGE = 500
PAGE_SIZES = (500, 250, 100, 50, 25, 10, 5, 1)
CONCURRENT_CALLS = 40
"""What the smallest plan allows; a refusal lowers it, good answers raise it again."""
WINDOW_SECONDS = 60.0
REFUSED_CALL = 0.1
"""A call that was refused counts as a tenth of one against the day."""

REASONS: Mapping[str, str] = {
    "complexity": "monday.com's complexity budget is spent",
    "minute": "the calls of this minute are used up",
    "concurrency": "too many calls run at once",
    "ip": "too many calls come from this address",
    "field": "monday.com limits how many such values are read a minute",
    "locked": "the board is locked by another change",
    "conflict": "monday.com is still working on the same change",
    "blocked": "monday.com has blocked the API for a while",
    "network": "monday.com cannot be reached",
    "gateway": "monday.com answers with a gateway error",
    "timeout": "monday.com took too long to answer",
    "server": "monday.com reports an internal error",
    "malformed": "monday.com sent a page that is not whole",
    "job": "monday.com is importing the rows",
}


class ApiStats(Struct, frozen=True):
    """Holds what all requests to monday.com have cost so far."""

    calls: int = 0
    complexity: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    waited_s: Mapping[str, float] = field(default_factory=dict)
    bytes_received: int = 0
    bytes_sent: int = 0
    pages: int = 0
    items: int = 0
    mutations: int = 0
    replayed: int = 0
    daily_used: float = 0.0

    @property
    def retries_total(self) -> int:
        """Returns how many calls were repeated, for any cause."""
        return sum(self.retries.values())

    @property
    def waited_total_s(self) -> float:
        """Returns the seconds spent waiting, for any cause."""
        return sum(self.waited_s.values())


class Left(Struct, frozen=True):
    """Holds what is left: calls and complexity of this minute, calls of this day's share. None is unknown, or no limit."""

    calls: float | None = None
    complexity: float | None = None
    daily: float | None = None


NO_LIMIT = 2_000_000_000
"""Near GraphQL's largest whole number (2,147,483,647), which an account without a limit answers as what is left."""


def left_in_words(left: Left | None) -> str:
    """Says `900 calls and 4,000,000 points left this minute, 77 calls left today`; "" when nothing is known."""
    if left is None:
        return ""
    known = [
        f"{counted(int(number))} {noun}"
        for number, noun in ((left.calls, "calls"), (left.complexity, "points"))
        if number is not None and number < NO_LIMIT
    ]
    minute = f"{' and '.join(known)} left this minute" if known else ""
    day = f"{counted(int(left.daily))} calls left today" if left.daily is not None else ""
    return ", ".join(part for part in (minute, day) if part)


class Tally:
    """Counts for several threads; `snapshot` returns the counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._waited: dict[str, float] = {}

    def add(self, **counts: int) -> None:
        """Adds to the named counts."""
        with self._lock:
            self._counts.update(counts)

    def retried(self, cause: str) -> None:
        """Counts a call that will be repeated because of `cause`."""
        with self._lock:
            self._retries[cause] += 1

    def waited(self, cause: str, seconds: float) -> None:
        """Adds seconds spent waiting because of `cause`."""
        with self._lock:
            self._waited[cause] = self._waited.get(cause, 0.0) + seconds

    def snapshot(self, daily_used: float) -> ApiStats:
        """Returns the counts as they are now."""
        with self._lock:
            waited = {cause: round(seconds, 3) for cause, seconds in self._waited.items()}
            return ApiStats(
                retries=dict(self._retries), waited_s=waited, daily_used=round(daily_used, 1), **self._counts
            )


class DailyCalls:
    """Counts the calls of the day (UTC) against the share of the tool, and notes when monday.com says they are used up."""

    def __init__(self, share: int | None, used: float) -> None:
        self.share = share
        self.used = float(used)
        self._day: date | None = None
        self._closed_until: datetime | None = None
        self._lock = threading.Lock()

    @property
    def left(self) -> float | None:
        """Returns the calls left of the share; None when there is no share."""
        return None if self.share is None else max(0.0, self.share - self.used)

    def check(self, now: datetime) -> None:
        """Raises when no further call may be sent today."""
        with self._lock:
            self._turn(now)
            if self._closed_until and now < self._closed_until:
                raise daily_limit("monday.com's calls of this day are used up", self._closed_until)
            if self.share is not None and self.used + 1 > self.share:
                used = f"The daily share of {plural(self.share, 'call')} given to the tool is used up"
                raise daily_limit(used, _next_midnight(now))

    def charge(self, calls: float, now: datetime) -> None:
        """Counts what was sent."""
        with self._lock:
            self._turn(now)
            self.used += calls

    def close(self, now: datetime, seconds: float | None) -> DailyLimitReached:
        """Notes that monday.com allows no more calls today; returns the error to raise for it."""
        with self._lock:
            midnight = _next_midnight(now)
            self._closed_until = min(midnight, now + timedelta(seconds=seconds)) if seconds else midnight
            return daily_limit("monday.com's calls of this day are used up", self._closed_until)

    def _turn(self, now: datetime) -> None:
        if self._day is not None and now.date() > self._day:
            self.used = 0.0
        self._day = now.date()


def daily_limit(what: str, resets_at: datetime) -> DailyLimitReached:
    """Makes the error with the instant from which calls are possible again."""
    return DailyLimitReached(
        f"{what}; they start anew at {minute_text(resets_at)}.",
        hint="Run again after that, or raise MONDAY_DAILY_CALLS if the plan has more.",
        code="DAILY_LIMIT_EXCEEDED",
        error_data={"resets_at": resets_at.isoformat()},
    )


def _next_midnight(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=timezone.utc)


class _Bucket(Struct):
    """Holds a budget that is filled again at an instant; `left` counts only until then."""

    left: float = 0.0
    until: float = float("-inf")
    reserved: float = 0.0
    whole: float | None = None

    def known(self, now: float) -> bool:
        return now < self.until


class SharedBudget(Protocol):
    """Keeps what is left of an account's budgets for all processes that work for it."""

    def take(self, kind: str, cost: float) -> tuple[float, str] | None:
        """Takes one call and its cost. Otherwise returns the seconds until there may be enough, and why."""

    def learn(self, kind: str, told: Mapping[str, Told], back: float) -> None:
        """Takes over what an answer has told, and gives back what a call cost less than was taken for it."""


class Told(NamedTuple):
    """Holds what an answer tells of a budget: what is left, for how many seconds that holds, and the whole if known."""

    left: float
    seconds: float
    whole: float | None


class Budget:
    """Keeps what is left of a token's budgets. All workers share it, so that they wait together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)
        self._buckets = {"read": _Bucket(), "write": _Bucket(), "minute": _Bucket()}
        self._costs: dict[Hashable, float] = {}
        self._running = 0
        self._workers = CONCURRENT_CALLS
        self._good = 0

    def estimate(self, shape: Hashable, units: int) -> float:
        """Returns what a query will cost, from what the last query of its shape cost an item."""
        return self._costs.get(shape, 0.0) * units

    def hold(self, kind: str, cost: float, now: float) -> tuple[float, str] | None:
        """Returns the seconds to wait before a call of `kind` costing `cost` can succeed, and why; None when it can go."""
        with self._lock:
            minute = self._buckets["minute"]
            if minute.known(now) and minute.left - minute.reserved < 1:
                return minute.until - now, "minute"  # no call is left
            # A personal token has one budget for both kinds: what one kind learnt holds for the other until it knows better.
            bucket = self._buckets[kind]
            if not bucket.known(now):
                bucket = self._buckets["write" if kind == "read" else "read"]
            if bucket.known(now) and bucket.left - self._buckets[kind].reserved < max(cost, 1):
                return bucket.until - now, "complexity"  # too little for this call
            return None

    def left(self, now: float) -> tuple[float | None, float | None]:
        """Returns calls and complexity left of this minute, as far as is known."""
        with self._lock:
            known = [bucket for name, bucket in self._buckets.items() if name != "minute" and bucket.known(now)]
            minute = self._buckets["minute"]
            calls = max(0.0, minute.left - minute.reserved) if minute.known(now) else None
            return calls, min((bucket.left for bucket in known), default=None)

    def told(self, kind: str, now: float) -> dict[str, Told]:
        """Returns what is known of the minute's calls and of the complexity of a kind."""
        with self._lock:
            return {
                name: Told(bucket.left, bucket.until - now, bucket.whole)
                for name, bucket in self._buckets.items()
                if name in ("minute", kind) and bucket.known(now)
            }

    @contextmanager
    def slot(self, kind: str, cost: float) -> Iterator[None]:
        """Waits until another call may run, and reserves its cost while it runs."""
        with self._free:
            while self._running >= self._workers:
                self._free.wait()
            self._running += 1
            self._reserve(kind, cost, 1)
        try:
            yield
        finally:
            with self._free:
                self._running -= 1
                self._reserve(kind, -cost, -1)
                self._free.notify_all()

    def _reserve(self, kind: str, cost: float, calls: int) -> None:
        self._buckets[kind].reserved = max(0.0, self._buckets[kind].reserved + cost)
        self._buckets["minute"].reserved = max(0.0, self._buckets["minute"].reserved + calls)

    def learn_headers(self, kind: str, headers: Mapping[str, str], sent_at: float, now: float) -> None:
        """Takes over what the `RateLimit` headers say."""
        remaining = parse_limits(headers.get("RateLimit", ""))
        policy = parse_limits(headers.get("RateLimit-Policy", ""))
        with self._lock:
            for name, bucket in (("minuteRate", self._buckets["minute"]), ("complexityMinute", self._buckets[kind])):
                left = remaining.get(name, {}).get("r")
                if left is None:
                    continue
                window = policy.get(name, {}).get("w", WINDOW_SECONDS)
                bucket.whole = policy.get(name, {}).get("q", bucket.whole)
                seconds = remaining[name].get("t")
                if seconds is not None:
                    bucket.until = now + seconds  # the header says when it is filled again
                elif not bucket.known(now) or left > bucket.left:
                    bucket.until = sent_at + window  # a new window began with this call, at the earliest
                bucket.left = left

    def learn_complexity(self, kind: str, shape: Hashable, units: int, told: Mapping[str, Any], now: float) -> None:
        """Takes over the `complexity` field of an answer; it is more exact than the headers."""
        cost, left, reset = (_number(told.get(key)) for key in ("query", "after", "reset_in_x_seconds"))
        with self._lock:
            if cost is not None:
                self._costs[shape] = cost / max(units, 1)
            if left is not None and reset is not None:
                self._buckets[kind].left, self._buckets[kind].until = left, now + reset

    def learn_refusal(self, kind: str, cause: str, seconds: float, now: float) -> None:
        """Notes that a call was refused: no other call of that kind is sent before the wait is over."""
        with self._free:
            name = {"complexity": kind, "minute": "minute"}.get(cause)
            if name:
                self._buckets[name].left, self._buckets[name].until = 0.0, now + seconds
            if cause == "concurrency":
                self._workers, self._good = max(1, self._running // 2), 0

    def learn_success(self) -> None:
        """Counts good answers: fifty of them allow one more call at a time."""
        with self._free:
            self._good += 1
            if self._good % 50 == 0 and self._workers < CONCURRENT_CALLS:
                self._workers += 1
                self._free.notify()


class PageSize:
    """Says how many items to ask for at a time: fewer when monday.com cannot, more when it can again."""

    def __init__(self, limit: int = ITEMS_PER_PAGE) -> None:
        self.limit = max(1, min(limit, ITEMS_PER_PAGE))
        self.size = self.limit
        self._good = 0
        self._patience = 2

    def shrink(self) -> bool:
        """Takes the next smaller size; False when there is none."""
        smaller = next((size for size in PAGE_SIZES if size < self.size), None)
        if smaller is None:
            return False
        self.size, self._good = smaller, 0
        self._patience = min(self._patience * 2, 64)
        return True

    def succeeded(self) -> None:
        """Counts a good page: after some of them a larger page is tried; each failure doubles how many that takes."""
        self._good += 1
        if self.size < self.limit and self._good >= self._patience:
            self.size = min(self.limit, min((size for size in PAGE_SIZES if size > self.size), default=self.limit))
            self._good = 0


class PageSizes:
    """Remembers the page size of each shape of listing: the next listing begins with the size that the last has found."""

    def __init__(self) -> None:
        self._sizes: dict[Hashable, PageSize] = {}
        self._lock = threading.Lock()

    def of(self, shape: Hashable, limit: int) -> PageSize:
        """Returns the size in force for listings of this shape."""
        with self._lock:
            return self._sizes.setdefault((shape, limit), PageSize(limit))


_LIMIT = re.compile(r'\s*"?([A-Za-z_][\w-]*)"?\s*((?:;[^,]*)?)')


def parse_limits(text: str) -> dict[str, dict[str, float]]:
    """Reads `"minuteRate";r=90, "concurrency";r=35` as numbers by name and letter; what is not understood is left out."""
    limits: dict[str, dict[str, float]] = {}
    for part in text.split(","):
        found = _LIMIT.match(part)
        if not found:
            continue
        pairs = (pair.split("=", 1) for pair in found[2].split(";") if "=" in pair)
        numbers = {key.strip(): _number(value.strip().strip('"')) for key, value in pairs}
        limits[found[1]] = {key: number for key, number in numbers.items() if number is not None}
    return limits


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) != float("inf") and number == number else None
