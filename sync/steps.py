"""Keeps how far each entity of a run is, for the caller's progress and for `sync_runs`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from msgspec import Struct

from services.monday.waiting import Pause
from sync.parts import Progress
from timing import Stop

WAITS, WORKS, DONE = "waits", "works", "done"


class _Step(Struct):
    phase: str = WAITS
    done: int = 0
    total: int | None = None
    waits_for: str | None = None
    begun: tuple[float, int] | None = None

    def rate(self) -> float | None:
        """Returns how many items a second were dealt with since the first of them were told."""
        if self.begun is None or (seconds := time.monotonic() - self.begun[0]) <= 0:
            return None
        return round((self.done - self.begun[1]) / seconds, 1)


class Steps:
    """Takes the progress of a run, shows it to the caller, and ends the run between two batches when that was asked for."""

    def __init__(self, shown: Progress | None, stop: Stop, pause: Callable[[], Pause | None]) -> None:
        self.left: Callable[[], str] = lambda: ""
        self._shown, self._stop, self._pause = shown, stop, pause
        self._steps: dict[str, _Step] = {}
        self._lock = threading.Lock()

    def expect(self, entities: Iterable[str]) -> None:
        """Notes which entities the run is about."""
        self._steps = {entity: _Step() for entity in entities}

    def waits(self, entity: str, what: str) -> None:
        """Notes that an entity waits for its turn. Raises Stopped when a user has asked for the end."""
        self._step(entity).waits_for = what
        self._stop.check()

    def works(self, entity: str) -> None:
        """Notes that an entity has its turn."""
        step = self._step(entity)
        step.phase, step.waits_for = WORKS, None

    def ended(self, entity: str) -> None:
        """Notes that an entity is done with."""
        self._step(entity).phase = DONE

    def __call__(self, entity: str, done: int, total: int | None) -> None:
        """Notes how many items are dealt with: a batch is done. Raises Stopped when a user has asked for the end."""
        if self._shown is not None:
            self._shown(entity, done, total)
        step = self._step(entity)
        step.begun = step.begun or (time.monotonic(), done)
        step.done, step.total = done, total
        self._stop.check()

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Returns how far each entity is, as `sync_runs` keeps it."""
        pause, now = self._pause(), datetime.now(timezone.utc)
        with self._lock:
            steps = dict(self._steps)
        return {entity: _as_json(step, pause if step.phase == WORKS else None, now) for entity, step in steps.items()}

    def _step(self, entity: str) -> _Step:
        with self._lock:
            return self._steps.setdefault(entity, _Step())


def _as_json(step: _Step, pause: Pause | None, now: datetime) -> dict[str, Any]:
    return {
        "phase": step.phase,
        "done": step.done,
        "total": step.total,
        "rate": step.rate(),
        "waits_for": pause.reason if pause else step.waits_for,
        "until": f"{now + timedelta(seconds=pause.seconds):%Y-%m-%dT%H:%M:%SZ}" if pause else None,
    }
