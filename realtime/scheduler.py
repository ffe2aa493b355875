"""Starts runs at intervals or at cron's times, one after another, until the process is asked to stop.

A run that fails is tried again after growing pauses, a bounded number of times, and then waits for the next regular time.
A run is skipped while another of its kind is going on, in this process or another.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import schedule
from msgspec import Struct

from db_connector import connect
from errors import EXIT_FAILED, SyncError
from mappings.query_syncs import choose_syncs
from realtime.cron import Cron
from settings import Settings
from sync.choosing import choose_boards
from sync.options import RunOptions
from sync.parts import known_mappings
from sync.report import RunReport, run_line
from sync.run import Caller, Program, run
from terminal.logs import unexpected
from timing import Clock

log = logging.getLogger("monday_sync")

PAUSES_S = (60.0, 120.0, 240.0, 480.0)
"""Between the tries of a run that failed; after the last it waits for its regular time."""
LOOK_EVERY_S = 1.0
"""After a sleep of the machine, a time that has passed is noticed within so many seconds."""
DUE_TIMES = 200
"""Among how many of cron's times the longest pause is looked for."""
DONE, FAILED, SKIPPED = "done", "failed", "skipped"


class Schedule(Struct, frozen=True):
    """Says when to run."""

    minutes: float = 60.0
    cron: Cron | None = None
    immediately: bool = False
    jitter_s: float = 0.0
    pauses_s: Sequence[float] = PAUSES_S

    @property
    def interval_s(self) -> int:
        """Returns the interval in the whole seconds that `schedule` counts."""
        return max(1, round(self.minutes * 60))

    def longest_s(self) -> int:
        """Returns the longest time between two runs, in seconds."""
        if self.cron is None:
            return self.interval_s
        times = [Clock().now()]
        for _ in range(DUE_TIMES):
            times.append(self.cron.next(times[-1]))
        gaps = [(later - earlier).total_seconds() for earlier, later in zip(times[1:], times[2:])]
        return max(1, round(max(gaps)))

    def describe(self) -> str:
        """Returns when that is, in words for the log."""
        return "at the times of --cron (UTC)" if self.cron else f"every {self.minutes:g} minutes"


class Scheduler:
    """Calls `attempt` at the times of a plan. `attempt` makes one run, and returns how it ended."""

    def __init__(
        self, plan: Schedule, attempt: Callable[[], str], stop: threading.Event, clock: Clock | None = None
    ) -> None:
        self.plan, self.stop, self.clock = plan, stop, clock or Clock()
        self._attempt = attempt
        # `schedule` compares naive local times, of which an hour comes twice in autumn: the clock says when.
        self._job: schedule.Job = schedule.Scheduler().every(plan.interval_s).seconds.do(self._start)
        self._failures = 0
        self._retry_at: datetime | None = None

    def run(self) -> None:
        """Calls `attempt` at its times until `stop` is set. A run that has begun is finished first."""
        regular_at = self._regular_time()
        if self.plan.immediately:
            self._run()
        while not self.stop.is_set():
            now = self.clock.now()
            if self._retry_at is not None and now >= self._retry_at:  # failed before
                self._run()
            elif now >= regular_at:  # the regular time
                self._job.run()
                regular_at = self._regular_time()
            else:  # nothing is due
                next_at = min(regular_at, self._retry_at or regular_at)
                self.clock.wait(self.stop, min(LOOK_EVERY_S, (next_at - now).total_seconds()))

    def _regular_time(self) -> datetime:
        """Returns when the next run is due; times that passed during a run are left out."""
        now = self.clock.now()
        return self.plan.cron.next(now) if self.plan.cron else now + timedelta(seconds=self._job.interval)

    def _start(self) -> None:
        if not self.clock.wait(self.stop, random.uniform(0, self.plan.jitter_s)):
            self._run()

    def _run(self) -> None:
        """Makes one run, and plans another try when it failed."""
        self._retry_at = None
        # done, or skipped
        if self._attempt() != FAILED:
            self._failures = 0
        elif not self.stop.is_set():
            self._retry_later()

    def _retry_later(self) -> None:
        # it has had its tries
        if self._failures >= len(self.plan.pauses_s):
            log.error("The run failed %d times; it waits for its regular time.", self._failures + 1)
            self._failures = 0
            return
        pause = self.plan.pauses_s[self._failures] * random.uniform(0.9, 1.1)
        self._failures += 1
        log.warning("The run failed; it is tried again in %.0f s.", pause)
        self._retry_at = self.clock.now() + timedelta(seconds=pause)


class ScheduledRun:
    """Runs one direction over some entities. Two of a kind never run at once, in any number of processes."""

    def __init__(
        self,
        settings: Settings,
        direction: str,
        entities: Sequence[str],
        stop: threading.Event,
        runs: Sequence[Callable[[], RunReport | None]],
    ) -> None:
        """Takes what is run one after the other: entities, and the syncs of queries."""
        self.settings, self.direction, self.entities, self.stop = settings, direction, list(entities), stop
        self._runs = runs

    @property
    def kind(self) -> str:
        """Returns the name of the lock that equal runs share."""
        return f"scheduled:{self.direction}:{','.join(sorted(self.entities))}"

    def attempt(self) -> str:
        """Makes one run and returns how it ended. Raises nothing."""
        try:
            return self._alone()
        except SyncError as exc:
            log.error("%s", exc.message, extra={"hint": exc.hint})
        except Exception as exc:
            unexpected(exc)
        return FAILED

    def _alone(self) -> str:
        """Makes one run, unless another of its kind is going on."""
        db = connect(self.settings, max_connections=1)
        try:
            with db.try_lock(self.kind) as ours:
                if not ours:  # held by another run
                    log.info("A run of the same kind is going on already; this run is skipped.")
                    return SKIPPED
                reports = [report for run in self._runs if not self.stop.is_set() and (report := run())]
        finally:
            db.close()
        for report in reports:
            for problem in report.problems:
                log.error("%s", problem.message, extra={"hint": problem.hint})
            log.info("%s", run_line(report))
        return FAILED if any(report.exit_code == EXIT_FAILED for report in reports) else DONE


def run_scheduled(
    program: Program, settings: Settings, plan: Schedule, direction: str, entities: Sequence[str], stop: threading.Event
) -> None:
    """Runs until `stop` is set. In a run that has begun, the current entity is finished, and no other is begun."""
    options, caller = RunOptions(kind="scheduled", period_s=plan.longest_s()), Caller(stop=stop)
    runs = runs_of(program, settings, direction, entities, (options, caller))
    scheduled = ScheduledRun(settings, direction, entities, stop, runs)
    log.info("Running %s %s; SIGTERM ends it.", direction.replace("_", "-"), plan.describe())
    Scheduler(plan, scheduled.attempt, stop).run()
    log.info("Stopped: nothing is in flight.")


def runs_of(
    program: Program, settings: Settings, direction: str, entities: Sequence[str], how: tuple[RunOptions, Caller]
) -> list[Callable[[], RunReport | None]]:
    """Returns what a scheduled run does: entities where there is a key of monday.com, and all syncs unless some are named.

    Raises the error of wrong settings: the command fails at its start, not at its first run.
    """
    options, caller = how
    runs: list[Callable[[], RunReport | None]] = []
    syncs = [] if entities or program.syncs is None else choose_syncs(settings.home)
    if settings.api_key or not syncs:
        settings.require_key()
        with known_mappings(settings) as mappings:
            choose_boards(settings, mappings, direction, entities)
        runs.append(partial(run, program, settings, direction, entities, options, caller))
    if syncs and program.syncs is not None:
        runs.append(partial(program.syncs, settings, (), options, caller))
    return runs
