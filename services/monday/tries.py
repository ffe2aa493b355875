"""Counts the tries of one request, and decides when a smaller request is the better next try."""

from __future__ import annotations

from msgspec import Struct

from errors import MondayUnavailable, QueryTooHeavy, Trace
from services.monday.failures import Failure, Remedy, sentence
from services.monday.queries import Request
from timing import duration

PATIENCE_WITH_LIMITS = 900.0
"""Seconds a request is held up by limits before it is given up: no window lasts that long."""
IN_USE = ("field", "concurrency", "locked", "conflict")
"""Causes that are no window of time, so that waiting for their end counts as silence."""
REPLAY_SECONDS = 25 * 60.0
"""monday.com keeps the answer to an idempotency key for 30 minutes; near the end a repeat could be a second change."""
TRIES_BEFORE_LESS = 3


class Tries(Struct):
    """Counts the failures of one request."""

    began: float
    count: int = 0
    answered: int = 0
    limited_s: float = 0.0
    complexity: int = 0
    may_have_run: bool = False
    renewed: int = 0
    """How many keys have had a refusal kept under them."""

    def note(self, request: Request, failure: Failure) -> None:
        """Counts a failure."""
        self.count += 1
        self.answered += failure.cause in ("server", "field")
        self.complexity = self.complexity + 1 if failure.cause == "complexity" else 0
        if request.writes and (failure.remedy is Remedy.AGAIN or failure.cause == "conflict"):
            self.may_have_run = True

    def ask_for_less(self, request: Request, failure: Failure) -> bool:
        """Says whether a smaller page, or a shorter document, is the better next try."""
        if failure.cause == "size" or (failure.remedy is Remedy.SHRINK and failure.cause == "complexity"):
            return True  # no wait makes it small enough
        if not request.smallest or request.units <= 1:
            return False  # there is no less
        if failure.remedy is Remedy.SHRINK:
            return True
        if failure.cause == "complexity":
            return self.complexity >= 2  # a full window did not hold it either
        if request.units <= request.smallest:
            return False  # small enough for a server in trouble
        often = self.count >= TRIES_BEFORE_LESS
        return failure.cause == "timeout" or (often and failure.cause in ("server", "gateway"))


def is_asked_for(failure: Failure) -> bool:
    """Says whether monday.com asks for a pause; else it is away, or fails."""
    return failure.retry_in_seconds is not None or (failure.remedy is not Remedy.AGAIN and failure.cause != "network")


def too_heavy(failure: Failure) -> QueryTooHeavy:
    """Makes the error upon which a listing or a document is made smaller."""
    return QueryTooHeavy(
        f"This is too much for one request. {sentence(failure)}",
        hint="Ask for fewer columns, or for fewer items at a time.",
        code=failure.code,
        trace=Trace(failure.http_status, failure.request_id),
    )


def unavailable(failure: Failure, silent: float) -> MondayUnavailable:
    """Makes the error after the last try."""
    after = f" for {duration(silent)}" if silent >= 1 else ""
    return MondayUnavailable(
        f"monday.com gave no good answer{after}. The last one: {sentence(failure)}",
        hint="Check the connection and status.monday.com, then run again: nothing is lost.",
        code=failure.code,
        trace=Trace(failure.http_status, failure.request_id),
        path=failure.path,
    )
