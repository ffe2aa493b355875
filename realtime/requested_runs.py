"""Makes the runs that are requested over HTTP (`POST /sync/<entity>`), beside the workers: they take turns with them."""

from __future__ import annotations

import logging
import threading
import time

from errors import DatabaseError, SyncError
from mappings.declaration import Mapping
from realtime.metrics import Metrics
from sync.choosing import why_not
from sync.options import RunOptions
from sync.parts import Parts
from sync.run import Program, Run

log = logging.getLogger("monday_sync")

BEGINS_WITHIN_S = 10.0


class RequestedRun(threading.Thread):
    """Makes one run over one entity."""

    def __init__(self, run: Run, metrics: Metrics, mapping: Mapping, board_id: str) -> None:
        super().__init__(name=f"run-{mapping.entity}", daemon=True)
        self._run, self._metrics = run, metrics
        self._mapping, self._board_id = mapping, board_id

    @property
    def run_id(self) -> str:
        """Returns the id in `sync_runs`; empty until it has begun."""
        return self._run.report.run_id

    def run(self) -> None:
        """Makes the whole run; what goes wrong is in its report and in the log."""
        entity = self._mapping.entity
        try:
            self._metrics.note_run(entity, "http", self._run.of([(self._mapping, self._board_id)]))
        except SyncError as exc:
            log.error("%s", exc.message)
            self._metrics.runs.labels(entity, "http", "failed").inc()


class RequestedRuns:
    """Starts runs, one at a time for each entity."""

    def __init__(self, program: Program, parts: Parts, metrics: Metrics) -> None:
        self._program, self._parts, self._metrics = program, parts, metrics
        self._runs: dict[str, RequestedRun] = {}
        self._starting = threading.Lock()

    @property
    def threads(self) -> list[RequestedRun]:
        """Returns the last run of each entity, going on or ended."""
        return list(self._runs.values())

    def start(self, mapping: Mapping, board_id: str, direction: str) -> tuple[str, bool]:
        """Returns the run's id, and whether it was started now rather than found going on."""
        if problem := why_not(mapping, board_id, direction):
            raise problem
        with self._starting:
            last = self._runs.get(mapping.entity)
            # still going on: no second run
            if last is not None and last.is_alive():
                return last.run_id, False
            work, options = self._program.directions[direction], RunOptions(kind="http")
            run = Run(self._parts.for_one_run(), direction, work, options)
            begun = RequestedRun(run, self._metrics, mapping, board_id)
            self._runs[mapping.entity] = begun
            begun.start()
            # the answer names the run's id
            until = time.monotonic() + BEGINS_WITHIN_S
            while not begun.run_id and begun.is_alive() and time.monotonic() < until:
                begun.join(0.01)
        if not begun.run_id:
            raise DatabaseError("The run could not be started.")
        return begun.run_id, True
