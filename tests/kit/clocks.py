"""Clocks with which nothing waits: a pause moves them."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from sandbox.client import Admin
from timing import Clock

START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


class MovingClock(Clock):
    """Stands still but for pauses, and remembers them."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)


class PatientClock(Clock):
    """Shows the real time, and is ahead of it by the pauses."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._slept)

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += max(seconds, 0.0)


class SharedClock(PatientClock):
    """Moves the sandbox's clock at each pause, too, so that monday.com's waits are obeyed."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__()
        self._admin = Admin(url, token)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if seconds > 0:
            with suppress(OSError):
                self._admin("clock/advance", seconds=seconds)
            time.sleep(0.01)
