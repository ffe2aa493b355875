"""Copies rows over a connection. Many rows are written in a thread, while the caller makes ready what comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from databases.postgres.failures import translated
from databases.postgres.text import copy_text

AT_ONCE = 100
"""Rows up to which a COPY is waited for: it takes no longer than to start a thread."""

Check = Callable[[int], None]
"""Is told how many rows PostgreSQL has kept."""


def any_count(kept: int) -> None:
    """Takes any number of rows as right."""


class _Copy(NamedTuple):
    statement: str
    text: bytes
    check: Check


class Copies:
    """Holds what is being copied over one connection: one COPY after another, in a thread."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._thread: threading.Thread | None = None
        self._left: SimpleQueue[_Copy | None] = SimpleQueue()
        self._checks: list[Callable[[], None]] = []
        self._error: BaseException | None = None

    def send(self, statement: str, rows: Sequence[Sequence[Any]], check: Check, count: Callable[[], None]) -> None:
        """Begins to copy rows; what PostgreSQL says to them, `finish` raises. `count` is told of each command."""
        with translated():
            text = copy_text(rows)
        count()
        self._left.put(_Copy(statement, text, check))
        if self._thread is None:
            if len(rows) <= AT_ONCE:
                self._left.put(None)
                self._work()
                self._conclude()
                return
            self._thread = threading.Thread(target=self._work, name="postgres-copy", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Waits until the connection is free, and calls each `check`. Raises what PostgreSQL said, and then no check."""
        if self._thread is not None:
            self._wait()
            self._conclude()

    def give_up(self) -> None:
        """Waits until the connection is free, whatever came of the rows: they are undone."""
        if self._thread is not None:
            self._wait()
            self._checks, self._error = [], None

    def _wait(self) -> None:
        assert self._thread is not None
        self._left.put(None)
        self._thread.join()
        self._thread = None

    def _conclude(self) -> None:
        checks, self._checks = self._checks, []
        error, self._error = self._error, None
        if error is not None:
            raise error
        for check in checks:
            check()

    def _work(self) -> None:
        while (copy := self._left.get()) is not None:
            # after an error PostgreSQL takes nothing more in the transaction
            if self._error is None:
                try:
                    self._copy(copy)
                except BaseException as exc:
                    self._error = exc

    def _copy(self, copy: _Copy) -> None:
        with translated():
            # in one piece, because each would wait for Python's lock
            self._cursor.copy_expert(copy.statement, BytesIO(copy.text), max(len(copy.text), 1))
        self._checks.append(partial(copy.check, self._cursor.rowcount))
