"""Catches up: compares both sides of one entity with a usual run, because events or changes may have been missed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from db_connector import Database, Transaction
from mappings.declaration import Mapping
from realtime.worker_settings import WorkerSettings
from state.overview import count_linked
from state.values import daemon_key, put, value_of, watermark
from sync.options import PullOptions, RunOptions
from sync.report import RunReport
from terminal.logs import FILE_ONLY

log = logging.getLogger("monday_sync")

LOST_AFTER = timedelta(minutes=25)
"""monday.com repeats a delivery for 30 minutes; after a gap of this length some may be lost."""
ALWAYS_SWEEP_BELOW = 10_000
NOTE_AGAIN_S = 50.0
"""A round that ends so long after the last note says again that events arrive, in its own transaction."""


class CatchUp:
    """Says whether both sides of one entity have to be compared, and compares them. Any thread may ask for it."""

    def __init__(
        self, db: Database, mapping: Mapping, settings: WorkerSettings, run: Callable[[RunOptions], RunReport]
    ) -> None:
        self.db, self.mapping, self.settings = db, mapping, settings
        self._run = run
        self.why: str | None = "start"
        """Why both sides have to be compared; None when they have been."""
        self._asked = 0
        self._sweep_wanted = False
        self._next = 0.0
        self._noted_at = -NOTE_AGAIN_S

    def ask(self, why: str, sweep: bool = False) -> None:
        """Notes that something may have been missed."""
        self._sweep_wanted = self._sweep_wanted or sweep
        self.why = why
        self._asked += 1

    def note_outage(self) -> None:
        """Notes that events may have been lost in an outage."""
        self.why, self._sweep_wanted = self.why or "outage", True

    def is_due(self) -> bool:
        """Returns whether both sides have to be compared now: there is a reason, or the time has come."""
        if self.why is None and time.monotonic() >= self._next:
            self.why = "schedule"
        return self.why is not None

    @property
    def due_in_s(self) -> float:
        """Returns the seconds until both sides have to be compared, should nothing happen."""
        return max(0.0, self._next - time.monotonic()) if self.why is None else 0.0

    def make_run(self) -> None:
        """Makes a run. Events that come meanwhile wait in the inbox. Raises the first problem of the run."""
        why, asked = self.why, self._asked
        # asked for, events may be lost, or it costs little
        sweep = self._sweep_wanted or (self.settings.pulls and self._gap()) or self._is_small()
        log.info("%s: looking for what was missed (%s).", self.mapping.title, why, extra=FILE_ONLY)
        report = self._run(RunOptions(PullOptions(sweep=sweep), kind="catch-up"))
        if report.problems:
            raise report.problems[0]
        if report.interrupted:
            return self._put_off(sweep)
        if self._asked == asked:  # what was asked for meanwhile is still to be done
            self.why, self._sweep_wanted = None, False
        self._next = time.monotonic() + self.settings.catch_up_every_s
        if self.settings.pulls:
            self._note_alive()

    def _put_off(self, sweep: bool) -> None:
        """Waits for the next regular time: a user has stopped the run."""
        self.why, self._sweep_wanted = None, sweep
        self._next = time.monotonic() + self.settings.catch_up_every_s
        log.warning("%s: the run was stopped; what it did not look at is looked at in the next.", self.mapping.title)

    @property
    def noted_ago_s(self) -> float:
        """Returns the seconds since this process noted that events arrive."""
        return time.monotonic() - self._noted_at

    def beat(self, tx: Transaction) -> bool:
        """Notes that events arrive, unless none did for so long that some may be lost. Returns whether some may be lost.

        A machine that slept, or a process that was stopped for a while, is noticed here.
        """
        lost = self._is_gap(value_of(tx, self._heartbeat))
        if lost:
            self.ask("no process listened for a while", sweep=True)
        else:
            self._note(tx)
        return lost

    @property
    def _heartbeat(self) -> str:
        return daemon_key(self.mapping.entity)

    def _gap(self) -> bool:
        """Returns whether no process took the entity's events for so long that monday.com may have given some up."""
        with self.db.transaction(read_only=True) as tx:
            return self._is_gap(value_of(tx, self._heartbeat))

    @staticmethod
    def _is_gap(told: Any) -> bool:
        seen = watermark(told)
        return seen is None or datetime.now(timezone.utc) - seen > LOST_AFTER

    def _note_alive(self) -> None:
        with self.db.transaction() as tx:
            self._note(tx)

    def _note(self, tx: Transaction) -> None:
        put(tx, self._heartbeat, datetime.now(timezone.utc).isoformat())
        self._noted_at = time.monotonic()

    def _is_small(self) -> bool:
        """Returns whether a sweep costs little."""
        with self.db.transaction(read_only=True) as tx:
            known = count_linked(tx, self.mapping.entity_type)
        return self.why != "schedule" and known < ALWAYS_SWEEP_BELOW
