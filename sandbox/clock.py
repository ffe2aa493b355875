"""The sandbox's time: the real clock plus an offset that an admin can move. All times inside are Unix seconds."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone


class Clock:
    """Runs like the real clock, from wherever it was put."""

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
    """Seconds precision, as `created_at` and `updated_at` of items have it."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_ms(moment: float) -> str:
    whole = datetime.fromtimestamp(moment, timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.") + f"{whole.microsecond // 1000:03d}Z"


def text_utc(moment: float) -> str:
    """As the text of creation_log and last_updated cells."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def parse_iso(text: str) -> float:
    """Unix seconds of an ISO 8601 date or time; a time without zone is UTC. ValueError when it is neither."""
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()
