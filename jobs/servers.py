"""Keeps a database server that does not answer from holding up more than a few threads of a door, and tasks of workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from db_connector import connect
from errors import DatabaseError, DatabaseIsAway, DatabaseUnreachable
from settings import Settings
from state.outages import Outages

T = TypeVar("T")

PATIENCE_S = 3.0
"""Whoever asks a server on which others have waited for so long is refused at once."""
HINT = "Check the server and the way to it. Events are refused meanwhile, and monday.com repeats them."
NO_ANSWER = "The control database does not answer."
SLOW_S = 1.0
"""A server that refuses at once holds up nothing."""


@contextmanager
def asking_the_server_of(settings: Settings, outages: Outages) -> Iterator[None]:
    """Notes a server that keeps a task waiting for nothing. Raises DatabaseIsAway where several tasks have found one."""
    server, began = f"postgresql://{connect(settings).target.rpartition('/')[0]}", time.monotonic()
    if seconds := outages.wait_s(server):
        raise DatabaseIsAway(seconds)
    try:
        yield
    except DatabaseUnreachable:
        if time.monotonic() - began > SLOW_S:
            outages.failed(server)
        raise
    outages.answered(server)


class Servers:
    """Counts how many threads are asking each server."""

    def __init__(self, most: int) -> None:
        """Takes how many threads may ask one server at once."""
        self._most = most
        self._asking: dict[str, dict[int, float]] = {}
        """Server → thread → since when."""
        self._changed = threading.Condition()

    @contextmanager
    def asking(self, target: str) -> Iterator[None]:
        """Waits until few enough ask the server of a database. Raises DatabaseError when that takes too long."""
        server, thread = target.rpartition("/")[0], threading.get_ident()
        self._enter(server, thread)
        try:
            yield
        finally:
            with self._changed:
                self._asking[server].pop(thread)
                self._changed.notify_all()

    def _enter(self, server: str, thread: int) -> None:
        until = time.monotonic() + PATIENCE_S
        with self._changed:
            asking = self._asking.setdefault(server, {})
            while (now := time.monotonic()) < until and not _are_stuck(asking, now):
                if len(asking) < self._most:
                    asking[thread] = now
                    return
                self._changed.wait(until - now)
        raise DatabaseError(f"PostgreSQL at {server} does not answer.", hint=HINT)


class Patient:
    """Asks a database one question at a time, each in a thread of its own: who asks does not wait long for an answer."""

    def __init__(self) -> None:
        self._turn, self._is_stuck = threading.Lock(), False

    def ask(self, question: Callable[[], T]) -> T:
        """Returns the answer. Raises DatabaseError when none comes in time."""
        found: list[T | Exception] = []
        answered = threading.Event()

        def answer() -> None:
            try:
                found.append(question())
            except Exception as exc:
                found.append(exc)
            finally:
                self._is_stuck = False
                self._turn.release()
                answered.set()

        if not self._turn.acquire(timeout=0 if self._is_stuck else PATIENCE_S):
            raise DatabaseError(NO_ANSWER)
        threading.Thread(target=answer, name="question", daemon=True).start()
        if not answered.wait(PATIENCE_S):
            self._is_stuck = True
            raise DatabaseError(NO_ANSWER)
        if isinstance(told := found[0], Exception):
            raise told
        return told


def _are_stuck(asking: dict[int, float], now: float) -> bool:
    return any(now - since > PATIENCE_S for since in asking.values())
