"""Makes the runs that are requested over HTTP (`POST /sync/<name>`), beside the workers: they take turns with them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from errors import DatabaseError, SettingsError, SyncError
from mappings.declaration import Mapping
from realtime.metrics import Metrics
from sync.choosing import why_not
from sync.options import RunOptions
from sync.parts import Parts
from sync.report import RunReport
from sync.run import Caller, Program, Run

log = logging.getLogger("monday_sync")

BEGINS_WITHIN_S = 10.0
Work = Callable[[Callable[[str], None]], "RunReport | None"]
"""Makes a run, and calls what it is handed with the run's id once it is entered in `sync_runs`."""


class RequestedRun(threading.Thread):
    """Makes one run over one entity, or over one sync of a query."""

    def __init__(self, name: str, work: Work, metrics: Metrics) -> None:
        super().__init__(name=f"run-{name}", daemon=True)
        self._subject, self._work, self._metrics = name, work, metrics
        self.run_id = ""
        """The id in `sync_runs`; empty until it has begun."""
        self.problem: SyncError | None = None
        """Why it could not begin."""

    def run(self) -> None:
        """Makes the whole run; what goes wrong is in its report and in the log."""
        try:
            if report := self._work(self._begun):
                self._metrics.note_run(self._subject, "http", report)
        except SyncError as exc:
            log.error("%s", exc.message)
            self.problem = exc
            self._metrics.runs.labels(self._subject, "http", "failed").inc()

    def _begun(self, run_id: str) -> None:
        self.run_id = run_id


class RequestedRuns:
    """Starts runs, one at a time for each entity and each sync."""

    def __init__(self, program: Program, parts: Parts, metrics: Metrics) -> None:
        self._program, self._parts, self._metrics = program, parts, metrics
        self._runs: dict[str, RequestedRun] = {}
        self._starting = threading.Lock()

    @property
    def threads(self) -> list[RequestedRun]:
        """Returns the last run of each name, going on or ended."""
        return list(self._runs.values())

    def start(self, mapping: Mapping, board_id: str, direction: str) -> tuple[str, bool]:
        """Returns the run's id, and whether it was started now rather than found going on."""
        if problem := why_not(mapping, board_id, direction):
            raise problem

        def work(begun: Callable[[str], None]) -> RunReport:
            run = Run(
                self._parts.for_one_run(), direction, self._program.directions[direction], RunOptions(kind="http")
            )
            run.on_begun = begun
            return run.of([(mapping, board_id)])

        return self._start(mapping.entity, work)

    def start_sync(self, name: str) -> tuple[str, bool]:
        """Returns the same for a run of a sync of a query. Raises SettingsError when it cannot be run."""
        syncs, parts = self._program.syncs, self._parts
        if syncs is None:
            raise SettingsError("This version runs no syncs of queries.")
        run_syncs = partial(syncs, parts.settings, (name,), RunOptions(kind="http"))
        return self._start(name, lambda begun: run_syncs(Caller(stop=parts.stop, on_begun=begun)))

    def _start(self, name: str, work: Work) -> tuple[str, bool]:
        with self._starting:
            last = self._runs.get(name)
            # still going on: no second run
            if last is not None and last.is_alive():
                return last.run_id, False
            begun = RequestedRun(name, work, self._metrics)
            self._runs[name] = begun
            begun.start()
            # the answer names the run's id
            until = time.monotonic() + BEGINS_WITHIN_S
            while not begun.run_id and begun.is_alive() and time.monotonic() < until:
                begun.join(0.01)
        if not begun.run_id:
            raise begun.problem or DatabaseError("The run could not be started.")
        return begun.run_id, True
