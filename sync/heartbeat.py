"""Tells, while a run goes on, that it lives and how far it is, and hears when a user asks it to stop.

with Heartbeat(db, run_id, lambda: (steps.as_json(), parts.account()), parts.stop.ask):
    ...
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from db_connector import Database, Transaction
from state import runs

log = logging.getLogger("monday_sync")

BEAT_S = 1.5
LEAVE_S = 2.0
"""Seconds that the end of a run waits for a beat that is under way."""


class Heartbeat(threading.Thread):
    """Writes the row of one run every 1.5 s, on a connection of its own. What goes wrong here fails no run."""

    def __init__(
        self,
        db: Database,
        run_id: str,
        read: Callable[[], tuple[Any, Any]],
        on_stop: Callable[[], None],
        every_s: float = BEAT_S,
    ) -> None:
        """Takes what reads progress and costs, and what is called once a user has asked for the end."""
        super().__init__(name=f"heartbeat-{run_id[:8]}", daemon=True)
        self._db, self._run_id, self._read, self._on_stop, self._every_s = db, run_id, read, on_stop, every_s
        self._ended = threading.Event()

    def __enter__(self) -> Heartbeat:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self.join(LEAVE_S)

    def run(self) -> None:
        """Beats until the end, also after PostgreSQL was away."""
        while not self._ended.wait(self._every_s):
            try:
                with self._db.beside() as session:
                    self._beat_on(session)
            except Exception as exc:
                log.debug("The run could not tell that it lives: %s", exc)

    def _beat_on(self, session: Transaction) -> None:
        while True:
            if runs.beat(session, self._run_id, *self._read()):
                self._on_stop()
            if self._ended.wait(self._every_s):
                return
