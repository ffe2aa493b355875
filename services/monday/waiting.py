"""Waits for monday.com: how long a client keeps trying, its pauses, and the time by monday.com's clock."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from msgspec import Struct, field

from services.monday.pacing import REASONS, SharedBudget, Tally
from timing import Clock, Stop, backoff, duration

SLICE = 0.5
"""Seconds between looks at whether a wait is still wanted."""

Notify = Callable[[str, Mapping[str, object]], None]
"""Called with the name of an event and its facts."""

log = logging.getLogger("monday_sync.api")


class Cancelled(Exception):
    """Ends a listing whose result is not needed any more."""


class Pause(Struct, frozen=True):
    """Says what a client waits for, and how long it still will."""

    reason: str
    seconds: float


class Limits(Struct, frozen=True):
    """Says how much a client may use, and how long it keeps trying."""

    give_up_after: float | None = 300.0
    """Seconds without one good answer; waits that monday.com asked for do not count. None: it never gives up."""
    max_attempts: int = 8
    """Answers that report an error of the server, for one request."""
    timeout: tuple[float, float] = (10, 75)
    """Seconds for a connection, and for an answer."""
    daily_share: int | None = None
    """Calls a day; None: as many as the plan has."""
    daily_used: float = 0
    """Calls that were made today before."""
    stop: Stop = field(default_factory=Stop)
    """Once it is set, no wait lasts until monday.com is back. Once a user asks for it, nothing more is read."""
    shared: SharedBudget | None = None
    """What several processes share; None for a process that has the budgets for itself."""
    random: Callable[[], float] = random.random
    """Spreads the pauses: workers that failed together must not come back together."""


class Silence:
    """Measures how long there has been no good answer, less the waits that monday.com asked for."""

    def __init__(self, clock: Clock, give_up_after: float | None) -> None:
        self._clock = clock
        self._give_up_after = give_up_after
        self._lock = threading.Lock()
        self._since: float | None = None
        self._asked_s = 0.0

    def begin(self) -> None:
        """Begins to measure, unless it has begun."""
        with self._lock:
            if self._since is None:
                self._since, self._asked_s = self._clock.monotonic(), 0.0

    def end(self) -> None:
        """Notes a good answer."""
        with self._lock:
            self._since = None

    def excuse(self, seconds: float) -> None:
        """Takes a wait that monday.com asked for off what is measured."""
        with self._lock:
            self._asked_s += seconds

    @property
    def lasts(self) -> bool:
        """Says whether there has been no good answer since the last failure."""
        return self._since is not None

    @property
    def seconds(self) -> float:
        """Returns how long it has lasted."""
        with self._lock:
            if self._since is None:
                return 0.0
            return max(0.0, self._clock.monotonic() - self._since - self._asked_s)

    @property
    def left(self) -> float | None:
        """Returns the seconds until it is too long; None when it never is."""
        return None if self._give_up_after is None else max(0.0, self._give_up_after - self.seconds)

    @property
    def is_too_long(self) -> bool:
        """Says whether there has been no good answer for as long as the client may keep trying."""
        return self.lasts and self.left == 0.0


class Pauses:
    """Pauses, with a reason that is logged, reported and counted."""

    def __init__(self, clock: Clock, limits: Limits, silence: Silence, tally: Tally, notify: Notify) -> None:
        self._clock = clock
        self._limits = limits
        self._silence = silence
        self._tally = tally
        self._notify = notify
        self._last: tuple[str, float] | None = None

    @property
    def present(self) -> Pause | None:
        """Returns the pause that goes on now, if any."""
        last = self._last
        left = last[1] - self._clock.monotonic() if last else 0.0
        return Pause(last[0], left) if last and left > 0 else None

    def wait(self, seconds: float, cause: str, cancelled: threading.Event | None = None, asked: bool = False) -> None:
        """Pauses; a wait that monday.com `asked` for does not count as its silence.

        Once the client is asked to stop, it does not wait until monday.com is back.
        """
        if seconds <= 0:
            return
        reason = REASONS.get(cause, cause)
        log.log(logging.INFO if seconds >= 1 else logging.DEBUG, "Waiting %s: %s.", duration(seconds), reason)
        self._notify("wait", {"seconds": seconds, "cause": cause, "reason": reason})
        self._tally.waited(cause, seconds)
        until = self._clock.monotonic() + seconds
        self._last = reason, until
        away = self._silence.lasts and not asked
        while (left := until - self._clock.monotonic()) > 0 and not (away and self._limits.stop.is_set()):
            self.check(cancelled)
            self._clock.sleep(min(left, SLICE) if away or cancelled is not None else left)
        if asked:
            self._silence.excuse(seconds)

    def check(self, cancelled: threading.Event | None) -> None:
        """Raises Cancelled when the answer is not wanted any more; Stopped when nothing more is to be read ahead."""
        if cancelled is not None:
            check(cancelled)
            self._limits.stop.check()

    def before_retry(self, attempt: int, cause: str, cancelled: threading.Event | None = None) -> None:
        """Pauses longer with each attempt, for failures that show only in the content of an answer."""
        self._tally.retried(cause)
        self.wait(backoff(attempt, ceiling=10, random=self._limits.random), cause, cancelled)

    def jitter(self, seconds: float) -> float:
        """Returns a little more time: workers with the same instant must not all call at once."""
        return self._limits.random() * min(1.0, max(0.1, seconds * 0.05))


def check(cancelled: threading.Event | None) -> None:
    """Raises Cancelled when the answer is not wanted any more."""
    if cancelled is not None and cancelled.is_set():
        raise Cancelled


class ServerClock:
    """Returns the time by monday.com's clock, from its last answer (RFC 9110, section 6.6.1); by ours until then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def learn(self, told: str | None) -> None:
        """Takes over the `Date` of an answer."""
        try:
            at = parsedate_to_datetime(told or "")
        except ValueError:
            return
        if at.tzinfo is not None:
            self._ahead = at - self._clock.now()

    def now(self) -> datetime:
        """Returns the present instant."""
        return self._clock.now() + self._ahead
