"""Tells time, measures it, and pauses: parts that are passed in, so that a test can move the clock."""

from __future__ import annotations

import random as _random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone


class Clock:
    """Tells the real time. Tests pass a clock that moves by itself, so that nothing sleeps."""

    def now(self) -> datetime:
        """Returns the present moment, aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Returns seconds that only grow, for measuring."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pauses; zero or less is no pause."""
        if seconds > 0:
            time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Pauses until the event is set, at most `seconds`. Returns whether it is set."""
        return event.wait(max(0.0, seconds))


TERMINATED = 143
"""The exit code of what SIGTERM ends, as shells count it, and of a run that a user asked to stop."""


class Stopped(SystemExit):
    """Ends a run that a user asked to stop, as SIGTERM does."""


class Stop(threading.Event):
    """Asks for an end. It is set as well once the event above it is, that of the process, for example."""

    def __init__(self, above: threading.Event | None = None) -> None:
        super().__init__()
        self._above = above
        self._asked = False

    @property
    def asked(self) -> bool:
        """Returns whether this one run, or all above it, were asked to stop after the batch."""
        return self._asked or (isinstance(self._above, Stop) and self._above.asked)

    def is_set(self) -> bool:
        """Returns whether it is set, or what is above it."""
        return super().is_set() or (self._above is not None and self._above.is_set())

    def ask(self) -> None:
        """Asks for an end after the batch."""
        self._asked = True
        self.set()

    def check(self) -> None:
        """Raises Stopped when a user has asked for an end. To be called between batches."""
        if self.asked:
            raise Stopped(TERMINATED)


class Stopwatch:
    """Measures the seconds since it was made or restarted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()

    @property
    def seconds(self) -> float:
        """Returns how long it has been running."""
        return self._clock.monotonic() - self._started

    def restart(self) -> float:
        """Starts from zero, and returns what it showed until now."""
        elapsed = self.seconds
        self._started = self._clock.monotonic()
        return elapsed

    def __str__(self) -> str:
        return duration(self.seconds)


def backoff(
    attempt: int, base: float = 1.0, ceiling: float = 60.0, random: Callable[[], float] = _random.random
) -> float:
    """Returns the seconds to pause after failure number `attempt` (0 is the first), with full jitter.

    The whole pause is drawn, not a part of it: workers that failed together must not come back together.
    """
    longest = min(ceiling, base * 2.0 ** min(max(attempt, 0), 60))
    return random() * longest


def duration(seconds: float) -> str:
    """Words a length of time: `2.4 s`, `3 min 5 s`, `1 h 2 min`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
