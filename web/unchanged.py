"""Answers a page that reads itself again with 304, by one cheap question, while nothing was written to the database."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from db_connector import Database

KEPT = 500
QUIET_S = 60.0
"""How long an answer may stand although nothing was written: some of what is shown is told by the clock."""
BUSY_S = 2.0
"""The same while a run goes on: when it is killed nothing is written, and the page has to say so."""


class Known(Struct, frozen=True):
    """Holds what was answered last, and the state of the database of which it was made, or an earlier one."""

    tag: str
    snapshot: str
    until: float


class Unchanged:
    """Remembers answers by what was asked for. What it forgets is made anew."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock, self._guard = db, clock, threading.Lock()
        self._known: OrderedDict[tuple[str, ...], Known] = OrderedDict()

    def snapshot(self) -> str:
        """Returns which transactions are visible: the same text means that none has written since."""
        return str(self._db.commit_one("select pg_current_snapshot()::text")[0][0])

    def tag_of(self, asked: tuple[str, ...], snapshot: str) -> str | None:
        """Returns the tag of the answer, if it would still be the same."""
        with self._guard:
            known = self._known.get(asked)
        if known is None or known.snapshot != snapshot or known.until < self._clock():
            return None
        return known.tag

    def remember(self, asked: tuple[str, ...], snapshot: str, tag: str, busy: bool) -> None:
        """Remembers an answer that was made after the snapshot was taken."""
        until = self._clock() + (BUSY_S if busy else QUIET_S)
        with self._guard:
            self._known[asked] = Known(tag, snapshot, until)
            self._known.move_to_end(asked)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
