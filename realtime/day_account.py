"""Records what the work between the runs costs, as a row a day in `sync_runs`, where all processes count the day's calls."""

from __future__ import annotations

from datetime import date, datetime, timezone

from errors import EXIT_IN_STEP
from state.runs import Runs
from sync.heartbeat import Heartbeat
from sync.parts import Parts

BEAT_S = 20.0
"""Shorter than the time after which a run without a sign of life is taken for dead; an idle daemon hardly writes. Runs of
the daemon have a row of their own, and beat as all runs do."""
COUNTED = ("calls", "complexity", "retries", "waited_s")


class DayAccount:
    """Keeps the account of one daemon."""

    def __init__(self, parts: Parts, direction: str) -> None:
        self._parts, self._direction, self._runs = parts, direction, Runs(parts.db)
        self._day: date | None = None
        self._run_id = ""
        self._before = self._costs()
        self._heartbeat: Heartbeat | None = None

    def note(self) -> None:
        """Begins the row of a day, in which a thread records what is spent. Raises DatabaseError; then it is to be called
        again.
        """
        today = datetime.now(timezone.utc).date()
        # a new day: a new row
        if self._day is not None and self._day != today:
            self.close()
        if not self._run_id:
            self._run_id, self._day = self._runs.start("live", self._direction), today
            # a daemon is ended by its signal, not by the row of a day
            self._heartbeat = Heartbeat(self._parts.db, self._run_id, self._told, lambda: None, BEAT_S)
            self._heartbeat.start()

    def close(self) -> None:
        """Records the rest, and ends the day's row."""
        if self._run_id:
            if self._heartbeat is not None:
                self._heartbeat.end()
            spent, now = self._spent(), self._costs()
            self._runs.finish(self._run_id, EXIT_IN_STEP, "success", "", [], spent)
            self._run_id, self._before = "", now

    def _costs(self) -> dict[str, float]:
        costs = self._parts.costs()
        return {name: costs[name] for name in COUNTED}

    def _told(self) -> tuple[dict[str, float], dict[str, float]]:
        """Returns the progress and the costs that the row shows."""
        return {}, self._spent()

    def _spent(self) -> dict[str, float]:
        return {name: round(value - self._before[name], 3) for name, value in self._costs().items()}
