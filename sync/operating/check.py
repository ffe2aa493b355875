"""States what a check is, and what it can say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct

from errors import EXIT_USAGE, SyncError
from models import State

T = TypeVar("T")

PATIENCE_S = 5.0
"""How long a check may take."""


class Seen(Struct, frozen=True):
    """Says one thing that a check has seen. `exit_code` is what a fault leads to."""

    state: State
    sentence: str
    remedy: str = ""
    affects: str = ""
    exit_code: int = EXIT_USAGE
    looked: bool = True
    """False: there is nothing to look at."""


class Check(Struct, frozen=True):
    """Describes a check. `look` may take its time and may fail: neither stops the others."""

    slug: str
    group: str
    look: Callable[[], Iterable[Seen]]
    needs: tuple[str, ...] = ()
    """Slugs of checks without which this one has nothing to look at. They come before it."""
    patience_s: float = PATIENCE_S


def in_psql(*statements: str) -> str:
    """Returns a remedy that is SQL."""
    return f"In psql: {'; '.join(statements)};"


def ok(sentence: str) -> Seen:
    """Says that something is as it has to be."""
    return Seen(State.OK, sentence)


def note(sentence: str, remedy: str = "", affects: str = "") -> Seen:
    """Says what a user may want to know; it changes no exit code."""
    return Seen(State.NOTE, sentence, remedy, affects)


def warning(sentence: str, remedy: str = "", affects: str = "") -> Seen:
    """Says what works less well, or soon will."""
    return Seen(State.WARNING, sentence, remedy, affects)


def fault(sentence: str, remedy: str = "", affects: str = "", exit_code: int = EXIT_USAGE) -> Seen:
    """Says what does not work."""
    return Seen(State.FAULT, sentence, remedy, affects, exit_code)


def unseen(why: str) -> Seen:
    """Says why there is nothing to look at."""
    return Seen(State.NOTE, f"not looked at, because {why}", looked=False)


def failed(exc: SyncError, affects: str = "") -> Seen:
    """Says what an error says."""
    return fault(exc.message, exc.hint, affects, exc.exit_code)


class Once(Generic[T]):
    """Does a thing when it is first asked for, and gives each later caller its result, or its error."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: list[T] = []
        self._error: SyncError | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._made:
                try:
                    self._made.append(self._make())
                except SyncError as exc:
                    self._error = exc
                    raise
            return self._made[0]

    def made(self) -> T | None:
        """Returns the result if there is one yet."""
        return self._made[0] if self._made else None
