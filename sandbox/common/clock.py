"""Tells the time of a stand-in: the real clock plus an offset that a test can move. All times are Unix seconds."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone


class Clock:
    """Runs like the real clock, from the moment to which it was set."""

    def __init__(self, start: float | None = None) -> None:
        self._offset = 0.0 if start is None else start - time.time()
        self.moved = threading.Condition()

    def now(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> float:
        with self.moved:
            self._offset += seconds
            self.moved.notify_all()
        return self.now()

    def set(self, moment: float) -> float:
        return self.advance(moment - self.now())


def iso(moment: float) -> str:
    """Formats a moment to the second: `2026-06-01T00:00:00Z`."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_ms(moment: float) -> str:
    """Formats a moment to the millisecond."""
    whole = datetime.fromtimestamp(moment, timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.") + f"{whole.microsecond // 1000:03d}Z"


def parse_iso(text: str) -> float:
    """Reads an ISO 8601 date or time as Unix seconds; a time without zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    # no zone given: UTC
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()
