"""Enters one run in `sync_runs`: its begin, that it lives until its end and how far it is, and how it ended."""

from __future__ import annotations

import logging
from typing import Any

from errors import EXIT_GUARD, EXIT_IN_STEP, EXIT_LEFTOVERS, DatabaseError
from state.runs import Runs
from sync.heartbeat import Heartbeat
from sync.parts import Parts
from sync.steps import Steps

log = logging.getLogger("monday_sync")

OUTCOMES = {EXIT_IN_STEP: "success", EXIT_LEFTOVERS: "partial", EXIT_GUARD: "guarded"}
STOPPED = "a user asked it to stop"


class Entry:
    """Holds the row of one run. `parts` pay for it, `steps` say how far it is."""

    def __init__(self, parts: Parts, steps: Steps) -> None:
        self.parts = parts
        self.steps = steps
        self.id = ""
        self._runs = Runs(parts.db)

    def begin(self, kind: str, direction: str, period_s: int | None = None) -> Heartbeat:
        """Enters the run. What is returned tells until the end of its block that the run lives."""
        self.id = self._runs.start(kind, direction, self.steps.as_json(), period_s)
        return Heartbeat(self.parts.db, self.id, self._so_far, self.parts.stop.ask)

    def _so_far(self) -> tuple[object, object]:
        return self.steps.as_json(), self.parts.account()

    def end(self, exit_code: int, message: str, entities: Any, interrupted: bool) -> None:
        """Enters how the run ended. A database that is away by now keeps no run from its end."""
        outcome = "interrupted" if interrupted else OUTCOMES.get(exit_code, "failed")
        if interrupted and self.parts.stop.asked:
            message = STOPPED
        try:
            self._runs.finish(self.id, exit_code, outcome, message, entities, self.parts.account())
        except DatabaseError as exc:
            log.debug("The run could not be entered in sync_runs: %s", exc)
