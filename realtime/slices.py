"""Does the live work of one entity in slices, for a process that works for many accounts in turn."""

from __future__ import annotations

import time

from errors import SyncError
from mappings.declaration import Mapping
from realtime.metrics import Metrics
from realtime.rounds import IDLE_S, RoundResult, RoundsInTurn
from realtime.worker_settings import WorkerSettings
from sync.live import Slice
from sync.parts import Parts
from sync.run import Program

BUSY_AGAIN_S = 2.0
"""The holder of the turn looks once more before it leaves; this is for a holder that was killed."""
WAITS_HERE_S = 1.0
"""So long a slice waits itself for what comes next, a row that is still being changed, for example."""


class LiveSlices:
    """Works on one entity. The opened board is kept between slices."""

    def __init__(self, program: Program, parts: Parts, mapping: Mapping, board_id: str) -> None:
        self._program, self._mapping = program, mapping
        self._in_turn = RoundsInTurn(parts, mapping, board_id, WorkerSettings(), Metrics())

    def work(self, seconds: float) -> Slice:
        """Makes rounds until nothing waits, or the time is up. Raises SyncError; what waited still waits then."""
        until, result = time.monotonic() + seconds, RoundResult()
        # who made the records that these point at is not known here
        self._in_turn.rounds.links_changed = True
        while True:
            try:
                pause = self._in_turn.round(result)
            except SyncError:
                self._in_turn.rounds.live = None
                raise
            if pause is None:
                return Slice(BUSY_AGAIN_S, result.linked, tuple(result.missed))
            if pause > WAITS_HERE_S or time.monotonic() + pause > until:
                return Slice(pause if pause < IDLE_S else None, result.linked, tuple(result.missed))
            time.sleep(pause)
