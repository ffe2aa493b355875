"""Keeps both sides of one entity equal while the daemon runs: rounds of work, and catching up.

After an outage both sides are compared, because events may have been lost in it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from db_connector import Transaction, TransactionConflict
from errors import DatabaseError, GuardStop, SyncError, TurnLost
from mappings.declaration import Mapping
from realtime.catch_up import NOTE_AGAIN_S, CatchUp
from realtime.metrics import Metrics
from realtime.rounds import LiveParts, RoundResult, RoundsInTurn
from realtime.worker_settings import WorkerSettings
from sync.options import RunOptions
from sync.parts import Parts
from sync.report import RunReport
from sync.run import ENDS_THE_RUN, Program, Run
from terminal.logs import unexpected
from timing import backoff

log = logging.getLogger("monday_sync")

BUSY_S = 0.02
LONGEST_PAUSE_S = 60.0
NOTED_LATELY_S = 65.0
"""More than the time between the rounds of a worker that has nothing to do."""
UNHEARD_S = 2.0
"""Nothing is notified while no connection listens: then work is looked for."""


class EntityWorker(threading.Thread):
    """Keeps both sides of one entity equal, as a thread of the daemon."""

    def __init__(
        self,
        program: Program,
        parts: Parts,
        mapping: Mapping,
        board_id: str,
        settings: WorkerSettings,
        metrics: Metrics,
    ) -> None:
        super().__init__(name=f"work-{mapping.entity}", daemon=True)
        self.program, self.parts = program, parts
        self.mapping, self.board_id = mapping, board_id
        self.settings, self.metrics = settings, metrics
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.last_success: float | None = None
        self.trouble: str | None = None
        self._failures = 0
        self._listening = threading.Event()
        self._before: list[EntityWorker] = []
        self._behind: list[EntityWorker] = []
        self._in_turn = RoundsInTurn(parts, mapping, board_id, settings, metrics)
        self._rounds = self._in_turn.rounds
        self._catch_up = CatchUp(parts.db, mapping, settings, self._run_all)

    def meet(self, workers: Collection[EntityWorker], listening: threading.Event) -> None:
        """Notes for which workers it waits at the start, which workers wait for its records, and what is set while
        notifications come.
        """
        self._listening = listening
        entity = self.mapping.entity
        self._before = [worker for worker in workers if worker.mapping.entity in self.mapping.after]
        self._behind = [
            worker for worker in workers if any(binding.link_to == entity for binding in worker.mapping.bindings)
        ]

    @property
    def live(self) -> LiveParts | None:
        """Returns the opened board; None before the first round that needs it, and after a failure."""
        return self._rounds.live

    @property
    def direction(self) -> str:
        """Returns the direction of its runs: that of the mapping, as far as this daemon pulls and pushes."""
        if not self.settings.pulls:
            return "pg_to_monday"
        return self.mapping.direction if self.settings.pushes else "monday_to_pg"

    @property
    def caught_up(self) -> bool:
        """Returns whether both sides were compared since the start, or since the last outage."""
        return self._catch_up.why is None

    @property
    def starting(self) -> bool:
        """Returns whether it still catches up for the first time, without a failure."""
        return self._catch_up.why == "start" and self.trouble is None and self.is_alive()

    def look_over(self, why: str, sweep: bool = False) -> None:
        """Has both sides compared soon: something may have been missed."""
        self._catch_up.ask(why, sweep)
        self.wake.set()

    def links_changed(self) -> None:
        """Notes that records which these records point at have got their items or rows."""
        self._rounds.links_changed = True
        self.wake.set()

    def beat(self) -> None:
        """Notes that events of the entity arrive, or notices that some may be lost."""
        if self._takes_events and self.trouble is None:
            with self.parts.db.transaction() as tx:
                self._beat_in(tx)

    @property
    def noted_lately(self) -> bool:
        """Returns whether a round has noted that events arrive: then no transaction of its own is needed for that."""
        return self._catch_up.noted_ago_s < NOTED_LATELY_S

    @property
    def _takes_events(self) -> bool:
        return self.settings.pulls and self.caught_up

    def _beat_in(self, tx: Transaction) -> None:
        if self._catch_up.beat(tx):
            self.wake.set()

    def _end_round(self, tx: Transaction) -> None:
        """Does what a round does last, in its transaction."""
        if self._takes_events and self._catch_up.noted_ago_s >= NOTE_AGAIN_S:
            self._beat_in(tx)

    def stop(self) -> None:
        """Asks the thread to end after its round."""
        self.stopping.set()
        self.wake.set()

    def run(self) -> None:
        """Works in rounds, until `stop`."""
        pause = 0.0
        while not self.stopping.is_set():
            # after a failure, news do not end the pause
            (self.stopping if self._failures else self.wake).wait(pause)
            # other events may follow at once
            if self.wake.is_set() and not self._failures:
                self.stopping.wait(self._rounds.coalesce_s)
            self.wake.clear()
            if not self.stopping.is_set():
                pause = self._round_safely()

    def _round_safely(self) -> float:
        """Makes one round. Returns the seconds until the next."""
        result = RoundResult()
        try:
            pause = self._round(result)
        except Exception as exc:
            return self._failed(exc if isinstance(exc, SyncError) else unexpected(exc))
        finally:
            self._pass_on(result)
        if self._failures:
            log.info("%s: works again.", self.mapping.title)
        self._failures, self.trouble, self.last_success = 0, None, time.time()
        self.metrics.last_success.labels(self.mapping.entity).set(self.last_success)
        return pause

    def _pass_on(self, result: RoundResult) -> None:
        """Passes on what a round did to the workers that wait for its records, and has missed events looked for."""
        for worker in self._behind if result.linked else ():
            worker.links_changed()
        for why in result.missed:
            self.look_over(why, sweep=True)

    def _failed(self, exc: SyncError) -> float:
        """Reports a failure once, and returns a growing pause. After an outage both sides are compared."""
        self._rounds.live = None
        self.metrics.failures.labels(self.mapping.entity, type(exc).__name__).inc()
        # the same failure is logged once
        if self.trouble != exc.message:
            log.error("%s: %s", self.mapping.title, exc.message, extra={"hint": exc.hint})
        self.trouble = exc.message
        self._failures += 1
        self._rounds.links_changed = True  # if the round broke off there
        if isinstance(exc, (*ENDS_THE_RUN, DatabaseError, TurnLost)) and not isinstance(exc, TransactionConflict):
            self._catch_up.note_outage()
        # a guard waits for a user, not for a service
        pause = LONGEST_PAUSE_S if isinstance(exc, GuardStop) else backoff(self._failures - 1, 0.5, LONGEST_PAUSE_S)
        self.stopping.wait(0.2)
        return max(0.2, pause)

    def _round(self, result: RoundResult) -> float:
        """Does all that waits. Returns the seconds until there may be more."""
        due = self._catch_up.is_due()
        if self._catch_up.why == "start" and any(worker.starting for worker in self._before):
            return 0.1  # what these records point at comes first
        if due and not self._in_turn.is_paused:
            self._catch_up.make_run()
            self._rounds.live = None  # the run read the board anew, and it may have other columns by now
            result.linked = True
        pause = self._in_turn.round(result, self._end_round)
        if pause is None:
            return BUSY_S  # another process works on the entity
        return min(pause, self._catch_up.due_in_s, pause if self._listening.is_set() else UNHEARD_S)

    def _run_all(self, options: RunOptions) -> RunReport:
        """Makes a run of the usual kind."""
        work = self.program.directions[self.direction]
        report = Run(self.parts.for_one_run(), self.direction, work, options).of([(self.mapping, self.board_id)])
        self.metrics.note_run(self.mapping.entity, "catch-up", report)
        return report
