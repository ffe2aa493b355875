"""One request until it is answered: waiting for the budget, trying again what can be tried again, giving up in time."""

from __future__ import annotations

import copy
import logging
import random as _random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from errors import MondayUnavailable, QueryTooHeavy
from services.monday.failures import Answer, Failure, Remedy, failures_in, gravest, sentence, unknown
from services.monday.pacing import REASONS, REFUSED_CALL, Budget, DailyCalls, Tally
from services.monday.queries import Request, dump, is_mutation, plain
from timing import Clock, backoff, duration

LONGEST_ASKED_WAIT = 90.0
"""More than any window of monday.com; a longer wait in an answer is not believed."""
PATIENCE_WITH_LIMITS = 900.0
"""Seconds one request is held up by limits before it is given up: no window lasts that long."""
REPLAY_SECONDS = 25 * 60.0
"""monday.com keeps the answer to an idempotency key for 30 minutes; near the end a repeat could be a second change."""
TRIES_BEFORE_LESS = 3
SLICE = 0.5
"""Seconds between looks at whether a wait is still wanted."""

log = logging.getLogger("monday_sync.api")


class Cancelled(Exception):
    """The consumer of a listing went away; nobody is there to be told."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, decoded; `body` is None when it was not JSON. Without any answer, `failure` says why."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    size: int = 0
    failure: Failure | None = None


class Wire(Protocol):
    """Whatever posts bytes and brings a reply."""

    def post(self, body: bytes, headers: Mapping[str, str], read_timeout: float) -> Reply:
        """Send once."""


@dataclass(slots=True)
class _Tries:
    """What one request has been through."""

    began: float
    count: int = 0
    answered: int = 0
    limited_s: float = 0.0
    complexity: int = 0
    may_have_run: bool = False
    renewed: int = 0
    """How many keys have had a refusal kept under them."""


class Caller:
    """Sends requests for all threads of one client."""

    def __init__(
        self,
        wire: Wire,
        clock: Clock,
        daily: DailyCalls,
        *,
        give_up_after: float | None = 300.0,
        max_attempts: int = 8,
        read_timeout: float = 75.0,
        random: Callable[[], float] = _random.random,
        notify: Callable[[str, Mapping[str, Any]], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._wire = wire
        self._clock = clock
        self._give_up_after = give_up_after
        self._max_attempts = max_attempts
        self._read_timeout = read_timeout
        self._random = random
        self._notify = notify
        self._stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._trouble_since: float | None = None
        self._asked_s = 0.0
        self.daily = daily
        self.budget = Budget()
        self.tally = Tally()
        self._ahead = timedelta()

    def counted_apart(self) -> Caller:
        """The same conversation, its pace and its day, with counts and patience of its own."""
        other = copy.copy(self)
        other.tally, other._trouble_since, other._asked_s = Tally(), None, 0.0
        return other

    def call(self, request: Request) -> Answer:
        """The answer of monday.com once there is no use in trying again; failures in it are final."""
        body = dump({"query": request.query, "variables": request.variables})
        tries, key = _Tries(self._clock.monotonic()), request.key
        while True:
            self._wait_for_budget(request)
            answer = self._send(request, body)
            failure = gravest(answer.failures) if answer.failures else None
            if failure is None or self._is_final(request, answer, failure, tries):
                self._recovered()
                return answer
            self._before_next_try(request, failure, tries)
            if answer.replayed and failure.cause != "conflict":
                # The refusal was kept under this key, and would be answered for half an hour. It says that nothing ran.
                tries.renewed += 1
                request = replace(request, key=f"{key}+{tries.renewed}")

    def pause(self, attempt: int, cause: str, cancelled: threading.Event | None = None) -> None:
        """A pause that grows with each attempt, for trouble that shows only in what an answer holds."""
        self.tally.retried(cause)
        self.wait(backoff(attempt, ceiling=10, random=self._random), cause, cancelled)

    def exhausted(self) -> bool:
        """Whether there has been no good answer for as long as the tool was told to keep trying."""
        if self._give_up_after is None or self._trouble_since is None:
            return False
        return self._silence() >= self._give_up_after

    def notify(self, event: str, facts: Mapping[str, Any]) -> None:
        """Tell whoever asked to be told."""
        if self._notify:
            self._notify(event, facts)

    # -- sending ----------------------------------------------------------------------------------------------------

    def _wait_for_budget(self, request: Request) -> None:
        self._check(request)
        cost = self.budget.estimate(request.shape, request.units)
        for _ in range(3):
            hold = self.budget.hold(request.kind, cost, self._clock.monotonic())
            if hold is None:
                break
            seconds = min(hold[0], LONGEST_ASKED_WAIT)
            self.wait(seconds + self._jitter(seconds), hold[1], request.cancelled, asked=True)
        self.daily.check(self._clock.now())

    def _send(self, request: Request, body: bytes) -> Answer:
        headers = {"Idempotency-Key": request.key} if request.key else {}
        cost = self.budget.estimate(request.shape, request.units)
        with self.budget.slot(request.kind, cost):
            sent_at = self._clock.monotonic()
            reply = self._wire.post(body, headers, self._time_to_answer())
        now = self._clock.monotonic()
        self.tally.add(calls=1, bytes_sent=len(body), bytes_received=reply.size, mutations=int(request.writes))
        answer = self._understand(reply)
        if reply.headers:
            self.budget.learn_headers(request.kind, reply.headers, sent_at, now)
            self._learn_time(reply.headers.get("Date"))
        self._learn(request, answer, now)
        log.debug("%s: HTTP %s, %d bytes, %.2f s.", request.name, reply.status or "none", reply.size, now - sent_at)
        return answer

    def _learn_time(self, told: str | None) -> None:
        try:
            at = parsedate_to_datetime(told or "")
        except ValueError:
            return
        if at.tzinfo is not None:
            self._ahead = at - self._clock.now()

    def server_time(self) -> datetime:
        """Now, by the clock of monday.com, as its last answer told (RFC 9110, section 6.6.1); by ours until then."""
        return self._clock.now() + self._ahead

    def _understand(self, reply: Reply) -> Answer:
        if reply.failure:
            return Answer(None, (reply.failure,))
        failures = failures_in(reply.status, reply.headers, reply.body)
        data = reply.body.get("data") if isinstance(reply.body, dict) else None
        replayed = str(reply.headers.get("Idempotency-Replayed", "")).lower() == "true"
        self.tally.add(replayed=int(replayed))
        return Answer(data if isinstance(data, dict) else None, failures, replayed)

    def _learn(self, request: Request, answer: Answer, now: float) -> None:
        limited = any(failure.remedy in (Remedy.WAIT, Remedy.DAILY) for failure in answer.failures)
        reached = not any(failure.code == "UNREACHABLE" for failure in answer.failures)
        self.daily.charge((REFUSED_CALL if limited and answer.data is None else 1) * reached, self._clock.now())
        told = (answer.data or {}).get("complexity")
        if isinstance(told, dict):
            self.budget.learn_complexity(request.kind, request.shape, request.units, told, now)
            self.tally.add(complexity=int(told.get("query") or 0))
        if not answer.failures:
            self.budget.learn_success()

    # -- deciding ---------------------------------------------------------------------------------------------------

    def _is_final(self, request: Request, answer: Answer, failure: Failure, tries: _Tries) -> bool:
        """Whether the answer is all there is to be had; what can be tried again is not."""
        remedy = failure.remedy
        if remedy is Remedy.DAILY:
            raise self.daily.close(self._clock.now(), failure.retry_in_seconds)
        told = answer.data is not None and all(part.path for part in answer.failures)
        if request.writes and told:
            return True  # Some rows of the document ran; repeating it would only replay this answer.
        if answer.replayed and remedy is Remedy.AGAIN:
            raise unknown(failure) from failure.exception()  # It will never be answered otherwise.
        if remedy in (Remedy.SHRINK, Remedy.WAIT, Remedy.AGAIN):
            return told and failure.cause == "server" and tries.answered >= TRIES_BEFORE_LESS
        if tries.may_have_run and request.writes:
            raise unknown(failure) from failure.exception()
        return True

    def _before_next_try(self, request: Request, failure: Failure, tries: _Tries) -> None:
        """Count the failure, give up when it is time to, wait otherwise."""
        self._count(request, failure, tries)
        self._give_up_when_due(request, failure, tries)
        less = self._asks_for_less(request, failure, tries)
        if not (less and failure.retry_in_seconds is None and failure.cause in ("complexity", "size")):
            self._wait_after(request, failure, tries)
        if less:
            raise failure_as_too_heavy(failure)
        self.tally.retried(failure.cause)
        self.notify("retry", {"cause": failure.cause, "attempt": tries.count, "operation": request.name})

    def _count(self, request: Request, failure: Failure, tries: _Tries) -> None:
        tries.count += 1
        tries.answered += failure.cause in ("server", "field")
        tries.complexity = tries.complexity + 1 if failure.cause == "complexity" else 0
        if request.writes and (failure.remedy is Remedy.AGAIN or failure.cause == "conflict"):
            tries.may_have_run = True
        with self._lock:
            if self._trouble_since is None:
                self._trouble_since, self._asked_s = self._clock.monotonic(), 0.0

    def _asks_for_less(self, request: Request, failure: Failure, tries: _Tries) -> bool:
        """Whether a smaller page, or a shorter document, is the better next try."""
        if failure.cause == "size" or (failure.remedy is Remedy.SHRINK and failure.cause == "complexity"):
            return True
        if not request.smallest or request.units <= 1:
            return False
        if failure.remedy is Remedy.SHRINK:
            return True
        if failure.cause == "complexity":
            return tries.complexity >= 2  # A full window did not hold it either.
        if request.units <= request.smallest:
            return False
        often = tries.count >= TRIES_BEFORE_LESS
        return failure.cause == "timeout" or (often and failure.cause in ("server", "gateway"))

    def _give_up_when_due(self, request: Request, failure: Failure, tries: _Tries) -> None:
        age = self._clock.monotonic() - tries.began
        bounded = request.writes or self._give_up_after is None
        due = (
            self.exhausted()
            or (self._stop.is_set() and not _is_asked_for(failure))
            or (tries.answered >= self._max_attempts and bounded)
            or (tries.limited_s >= PATIENCE_WITH_LIMITS and self._give_up_after is not None)
            or (tries.may_have_run and age >= REPLAY_SECONDS)
        )
        if not due:
            return
        if tries.may_have_run:
            raise unknown(failure)
        with self._lock:
            silent = self._silence_locked()
            if tries.answered < self._max_attempts:
                self._trouble_since = None
        raise unavailable(failure, silent)

    def _wait_after(self, request: Request, failure: Failure, tries: _Tries) -> None:
        asked = _is_asked_for(failure)
        seconds = self._seconds_to_wait(failure, tries)
        if asked:
            tries.limited_s += seconds
            self.budget.learn_refusal(request.kind, failure.cause, seconds, self._clock.monotonic())
        elif self._give_up_after is not None:
            seconds = min(seconds, max(0.0, self._give_up_after - self._silence()))
        self.wait(seconds, failure.cause, request.cancelled, asked=asked)

    def _seconds_to_wait(self, failure: Failure, tries: _Tries) -> float:
        if failure.retry_in_seconds is not None:
            seconds = min(failure.retry_in_seconds, LONGEST_ASKED_WAIT)
            # A wait that proved too short is made longer each time.
            longer = backoff(tries.count - 2, random=self._random) if tries.count > 1 else 0.0
            return seconds + self._jitter(seconds) + longer
        ceiling = 10.0 if failure.cause in ("locked", "timeout") else 60.0
        return backoff(tries.count - 1, ceiling=ceiling, random=self._random)

    # -- waiting ----------------------------------------------------------------------------------------------------

    def wait(self, seconds: float, cause: str, cancelled: threading.Event | None = None, asked: bool = False) -> None:
        """Pause, saying why; a wait that monday.com `asked` for does not count as its silence.

        Whoever is told to stop does not wait until monday.com is back.
        """
        if seconds <= 0:
            return
        reason = REASONS.get(cause, cause)
        log.log(logging.INFO if seconds >= 1 else logging.DEBUG, "Waiting %s: %s.", duration(seconds), reason)
        self.notify("wait", {"seconds": seconds, "cause": cause, "reason": reason})
        self.tally.waited(cause, seconds)
        until = self._clock.monotonic() + seconds
        away = self._trouble_since is not None and not asked
        while (left := until - self._clock.monotonic()) > 0 and not (away and self._stop.is_set()):
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            self._clock.sleep(min(left, SLICE) if away or cancelled is not None else left)
        if asked:
            with self._lock:
                self._asked_s += seconds

    def _check(self, request: Request) -> None:
        if request.cancelled is not None and request.cancelled.is_set():
            raise Cancelled

    def _jitter(self, seconds: float) -> float:
        """Workers that were told the same instant must not all come back at it."""
        return self._random() * min(1.0, max(0.1, seconds * 0.05))

    def _time_to_answer(self) -> float:
        if self._give_up_after is None:
            return self._read_timeout
        return min(self._read_timeout, max(5.0, self._give_up_after - self._silence()))

    def _silence(self) -> float:
        with self._lock:
            return self._silence_locked()

    def _silence_locked(self) -> float:
        """Seconds without a good answer, less the waits that monday.com asked for."""
        if self._trouble_since is None:
            return 0.0
        return max(0.0, self._clock.monotonic() - self._trouble_since - self._asked_s)

    def _recovered(self) -> None:
        with self._lock:
            self._trouble_since = None


class Conversation:
    """What every part of the client rests on: one caller, one clock, one pinned version."""

    _caller: Caller
    _clock: Clock
    version: str

    def server_time(self) -> datetime:
        """Now, by the clock of monday.com."""
        return self._caller.server_time()

    def run(
        self, query: str, variables: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """`data` of the answer to one document. Any error in it is raised, also one that stands beside data."""
        key = idempotency_key or (str(uuid.uuid4()) if is_mutation(query) else "")
        answer = self._caller.call(Request(plain(query), variables or {}, key))
        if answer.failures:
            raise gravest(answer.failures).exception()
        return dict(answer.data or {})


def _is_asked_for(failure: Failure) -> bool:
    """Whether monday.com wants a pause; else it is away, or not itself."""
    return failure.retry_in_seconds is not None or (failure.remedy is not Remedy.AGAIN and failure.cause != "network")


def failure_as_too_heavy(failure: Failure) -> QueryTooHeavy:
    """The error that makes a listing or a document smaller."""
    return QueryTooHeavy(
        f"This is too much for one request. {sentence(failure)}",
        hint="Ask for fewer columns, or for fewer items at a time.",
        code=failure.code,
        http_status=failure.http_status,
        request_id=failure.request_id,
    )


def unavailable(failure: Failure, silent: float) -> MondayUnavailable:
    """The error after the last try."""
    after = f" for {duration(silent)}" if silent >= 1 else ""
    return MondayUnavailable(
        f"monday.com gave no good answer{after}. The last one: {sentence(failure)}",
        hint="Check the connection and status.monday.com, then run again: nothing is lost.",
        code=failure.code,
        http_status=failure.http_status,
        path=failure.path,
        request_id=failure.request_id,
    )
