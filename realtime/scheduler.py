"""The `schedule` loop: runs at intervals or at cron's times, one after another, until somebody says stop.

A run that fails is tried again after growing pauses, a bounded number of times, and then left to the next regular time.
Whoever finds a run of the same kind going on, in this process or another, leaves that one to it.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import schedule

from errors import EXIT_FAILED, SyncError
from realtime.cron import Cron
from settings import Settings
from sync.report import RunReport, run_line
from terminal.logs import unexpected

log = logging.getLogger("monday_sync")

PAUSES_S = (60.0, 120.0, 240.0, 480.0)
"""Between the tries of a run that failed; after the last it waits for its regular time."""
LOOK_EVERY_S = 1.0


def use_utc() -> None:
    """For a process that schedules: `schedule` compares naive local times, of which an hour comes twice in autumn."""
    os.environ["TZ"] = "UTC"
    if sys.platform != "win32":
        time.tzset()


@dataclass(frozen=True)
class Schedule:
    """When to run."""

    minutes: float = 60.0
    cron: Cron | None = None
    immediately: bool = False
    jitter_s: float = 0.0

    def describe(self) -> str:
        """For the log."""
        return "at the times of --cron (UTC)" if self.cron else f"every {self.minutes:g} minutes"


class Scheduler:
    """Runs one direction over some entities, again and again."""

    def __init__(
        self, settings: Settings, plan: Schedule, direction: str, entities: Sequence[str], stop: threading.Event,
        pauses_s: Sequence[float] = PAUSES_S, run: Callable[[], RunReport] | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.plan, self.direction, self.entities = settings, plan, direction, list(entities)
        self.stop = stop
        self.pauses_s = list(pauses_s)
        self._run = run or self._run_once
        self._jobs = schedule.Scheduler()
        self._failures = 0
        self.outcomes: list[str] = []
        """How the runs ended, newest last; the last hundred."""

    @property
    def kind(self) -> str:
        """Runs of one kind never overlap."""
        return f"scheduled:{self.direction}:{','.join(sorted(self.entities))}"

    def run(self) -> None:
        """Until `stop` is set. Of a run that has begun the entity in hand is finished, and no other is begun."""
        self._check()
        log.info("Running %s %s; SIGTERM ends it.", self.direction.replace("_", "-"), self.plan.describe())
        self._plan_next()
        if self.plan.immediately:
            self.once()
        while not self.stop.is_set():
            self._jobs.run_pending()
            self.stop.wait(min(LOOK_EVERY_S, max(0.01, self._jobs.idle_seconds or 0.0)))
        log.info("Stopped: nothing is in flight.")

    def _check(self) -> None:
        """What is wrong with the settings ends the command here, not once an hour."""
        from sync.parts import mappings_of
        from sync.run import choose_boards

        choose_boards(self.settings, mappings_of(self.settings), self.direction, self.entities)
        self.settings.require_key()

    def _plan_next(self) -> None:
        if self.plan.cron is None:
            self._jobs.every(max(1, round(self.plan.minutes * 60))).seconds.do(self._jittered)
        else:
            self._plan_cron()

    def _plan_cron(self) -> None:
        assert self.plan.cron is not None
        at = self.plan.cron.next(datetime.now(timezone.utc).replace(tzinfo=None))
        assert at is not None
        job = self._jobs.every(1).days.do(self._at_cron)
        job.next_run = at.replace(tzinfo=timezone.utc).astimezone().replace(tzinfo=None)

    def _at_cron(self) -> Any:
        self._jittered()
        if not self.stop.is_set():
            self._plan_cron()
        return schedule.CancelJob

    def _jittered(self) -> None:
        if not self.stop.wait(random.uniform(0, self.plan.jitter_s)):
            self.once()

    # One run

    def once(self) -> None:
        """One run, unless one of the same kind is going on; tried again later when it fails."""
        self._jobs.clear("retry")
        try:
            outcome = self._locked()
        except SyncError as exc:
            log.error("%s", exc.message, extra={"hint": exc.hint})
            outcome = "failed"
        except Exception as exc:
            unexpected(exc)
            outcome = "failed"
        self.outcomes = [*self.outcomes[-99:], outcome]
        if outcome != "failed":
            self._failures = 0
        elif not self.stop.is_set():
            self._retry_later()

    def _locked(self) -> str:
        from db_connector import connect

        db = connect(self.settings, max_connections=1)
        try:
            with db.try_lock(self.kind) as ours:
                if not ours:
                    log.info("A run of the same kind is going on elsewhere; this one is left out.")
                    return "left out"
                report = self._run()
        finally:
            db.close()
        for problem in report.problems:
            log.error("%s", problem.message, extra={"hint": problem.hint})
        log.info("%s", run_line(report))
        return "failed" if report.exit_code == EXIT_FAILED else "done"

    def _run_once(self) -> RunReport:
        from sync.run import RunOptions, run

        return run(self.settings, self.direction, self.entities, RunOptions(kind="scheduled"), stop=self.stop)

    def _retry_later(self) -> None:
        if self._failures >= len(self.pauses_s):
            log.error("The run failed %d times; it waits for its regular time.", self._failures + 1)
            self._failures = 0
            return
        pause = self.pauses_s[self._failures] * random.uniform(0.9, 1.1)
        self._failures += 1
        log.warning("The run failed; it is tried again in %.0f s.", pause)
        job = self._jobs.every(1).days.do(self._again).tag("retry")
        job.next_run = datetime.fromtimestamp(time.time() + pause)

    def _again(self) -> Any:
        if not self.stop.is_set():
            self.once()
        return schedule.CancelJob
