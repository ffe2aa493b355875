"""Sends one request until it is answered: waits for the budget, repeats what can be repeated, gives up in time."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from errors import BudgetSpent
from services.monday.failure_shapes import failures_in
from services.monday.failures import ApiAnswer, Failure, Remedy, gravest, unknown
from services.monday.masking import Masking
from services.monday.pacing import REASONS, REFUSED_CALL, Budget, DailyCalls, Tally
from services.monday.queries import Decode, Request, dump, is_mutation, plain
from services.monday.tries import (
    IN_USE,
    PATIENCE_WITH_LIMITS,
    REPLAY_SECONDS,
    TRIES_BEFORE_LESS,
    Tries,
    is_asked_for,
    too_heavy,
    unavailable,
)
from services.monday.waiting import Limits, Notify, Pauses, ServerClock, Silence
from timing import Clock, Stop, backoff

LONGEST_ASKED_WAIT = 90.0
"""More than any window of monday.com; a longer wait in an answer is not believed."""

LONGEST_SHARED_WAIT = 5.0
"""A process that works for many accounts leaves, where one of them has to wait longer."""

log = logging.getLogger("monday_sync.api")


class HttpReply(Struct, frozen=True):
    """Holds an HTTP answer, decoded; `body` is None when it was not JSON. Without any answer, `failure` says why."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    size: int = 0
    failure: Failure | None = None


class Wire(Protocol):
    """Speaks HTTP."""

    url: str

    def post(self, body: bytes, headers: Mapping[str, str], read_timeout: float, decode: Decode | None) -> HttpReply:
        """Sends a request once. `decode` makes of the answer's bytes what it says; None: as `monday_api.loads`."""

    def put(self, url: str, body: bytes) -> int:
        """Uploads a file, and returns the HTTP status; 0 is no answer."""

    @property
    def masking(self) -> Masking:
        """Takes the token out of texts that are shown."""

    def close(self) -> None:
        """Closes the connections."""


class Line(Struct, frozen=True):
    """Holds what all callers of one token share: the wire, the pace and the calls of the day."""

    wire: Wire
    version: str
    clock: Clock
    limits: Limits
    notify: Notify
    daily: DailyCalls
    budget: Budget
    server: ServerClock
    heard: threading.Event = field(default_factory=threading.Event)
    """Set once the API has answered at this address."""


class Caller:
    """Sends requests for all threads of one client, and counts what they cost."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.tally = Tally()
        self.silence = Silence(line.clock, line.limits.give_up_after)
        self.pauses = Pauses(line.clock, line.limits, self.silence, self.tally, line.notify)

    def counted_apart(self, stop: Stop | None = None) -> Caller:
        """Returns a caller over the same line, with counts and patience of its own, which `stop` can stop alone."""
        limits = replace(self.line.limits, stop=stop or self.line.limits.stop)
        return Caller(replace(self.line, limits=limits))

    def run(self, query: str, variables: Mapping[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """Returns `data` of the answer to one document. Any error in it is raised, also one that stands beside data."""
        key = key or (str(uuid.uuid4()) if is_mutation(query) else "")
        answer = self.call(Request(plain(query), variables or {}, key))
        if answer.failures:
            raise gravest(answer.failures).exception()
        return dict(answer.data or {})

    def call(self, request: Request) -> ApiAnswer:
        """Returns the answer of monday.com once there is no use in trying again; failures in it are final."""
        body = dump({"query": request.query, "variables": request.variables})
        tries, key = Tries(self.line.clock.monotonic()), request.key
        while True:
            self._wait_for_budget(request)
            answer = self._send(request, body)
            failure = gravest(answer.failures) if answer.failures else None
            if failure is None or self._is_final(request, answer, failure, tries):
                self.silence.end()
                return answer
            self._before_next_try(request, failure, tries)
            if answer.replayed and failure.cause != "conflict":
                # The refusal was kept under this key, and would be answered for half an hour. It says that nothing ran.
                tries.renewed += 1
                request = replace(request, key=f"{key}+{tries.renewed}")

    # -- sending ----------------------------------------------------------------------------------------------------

    def _wait_for_budget(self, request: Request) -> None:
        self.pauses.check(request.cancelled)
        clock, budget = self.line.clock, self.line.budget
        cost = budget.estimate(request.shape, request.units)
        for _ in range(3):
            hold = budget.hold(request.kind, cost, clock.monotonic())
            if hold is None:
                break
            seconds = min(hold[0], LONGEST_ASKED_WAIT)
            self.pauses.wait(seconds + self.pauses.jitter(seconds), hold[1], request.cancelled, asked=True)
        self.line.daily.check(clock.now())
        self._take_shared(request, cost)

    def _take_shared(self, request: Request, cost: float) -> None:
        """Takes the call from what several processes share. Raises BudgetSpent where that takes longer than a moment."""
        shared = self.line.limits.shared
        while shared is not None and (hold := shared.take(request.kind, cost)) is not None:
            seconds, cause = hold
            if seconds > LONGEST_SHARED_WAIT:
                raise BudgetSpent(seconds, REASONS[cause])
            self.pauses.wait(seconds + self.pauses.jitter(seconds), cause, request.cancelled, asked=True)

    def _send(self, request: Request, body: bytes) -> ApiAnswer:
        clock, budget = self.line.clock, self.line.budget
        headers = {"Idempotency-Key": request.key} if request.key else {}
        with budget.slot(request.kind, budget.estimate(request.shape, request.units)):
            sent_at = clock.monotonic()
            reply = self.line.wire.post(body, headers, self._time_to_answer(), request.decode)
        now = clock.monotonic()
        self.tally.add(calls=1, bytes_sent=len(body), bytes_received=reply.size, mutations=int(request.writes))
        answer = self._understand(reply)
        if reply.headers:
            budget.learn_headers(request.kind, reply.headers, sent_at, now)
            self.line.server.learn(reply.headers.get("Date"))
        self._learn(request, answer, now)
        log.debug("%s: HTTP %s, %d bytes, %.2f s.", request.name, reply.status or "none", reply.size, now - sent_at)
        return answer

    def _time_to_answer(self) -> float:
        longest, left = self.line.limits.timeout[1], self.silence.left
        return longest if left is None else min(longest, max(5.0, left))

    def _understand(self, reply: HttpReply) -> ApiAnswer:
        if reply.failure:
            return ApiAnswer(None, (reply.failure,))
        failures = failures_in(reply.status, reply.headers, reply.body)
        if isinstance(reply.body, dict):
            self.line.heard.set()
        elif not self.line.heard.is_set():
            # a web site answers where the API never did
            failures = tuple(replace(f, code="WRONG_ADDRESS") if f.code == "PAGE" else f for f in failures)
        failures = tuple(map(self.line.wire.masking.failure, failures))
        data = reply.body.get("data") if isinstance(reply.body, dict) else None
        replayed = str(reply.headers.get("Idempotency-Replayed", "")).lower() == "true"
        self.tally.add(replayed=int(replayed))
        return ApiAnswer(data if isinstance(data, dict) else None, failures, replayed)

    def _learn(self, request: Request, answer: ApiAnswer, now: float) -> None:
        budget, clock = self.line.budget, self.line.clock
        estimated = budget.estimate(request.shape, request.units)
        limited = any(failure.remedy in (Remedy.WAIT, Remedy.DAILY) for failure in answer.failures)
        reached = not any(failure.code == "UNREACHABLE" for failure in answer.failures)
        self.line.daily.charge((REFUSED_CALL if limited and answer.data is None else 1) * reached, clock.now())
        told = (answer.data or {}).get("complexity")
        if isinstance(told, dict):
            budget.learn_complexity(request.kind, request.shape, request.units, told, now)
            self.tally.add(complexity=int(told.get("query") or 0))
        if not answer.failures:
            budget.learn_success()
        if self.line.limits.shared is not None:
            self._tell_shared(request, told if isinstance(told, dict) else {}, estimated, now)

    def _tell_shared(self, request: Request, told: Mapping[str, Any], estimated: float, now: float) -> None:
        shared, cost = self.line.limits.shared, told.get("query")
        if shared is not None:
            back = max(0.0, estimated - cost) if isinstance(cost, (int, float)) else 0.0
            shared.learn(request.kind, self.line.budget.told(request.kind, now), back)

    # -- deciding ---------------------------------------------------------------------------------------------------

    def _is_final(self, request: Request, answer: ApiAnswer, failure: Failure, tries: Tries) -> bool:
        """Says whether the answer is final: no further try would give a better answer."""
        remedy = failure.remedy
        if remedy is Remedy.DAILY:
            raise self.line.daily.close(self.line.clock.now(), failure.retry_in_seconds)
        told = answer.data is not None and all(part.path for part in answer.failures)
        if request.writes and told:
            return True  # some rows of the document ran; repeating it would only replay this answer
        if answer.replayed and remedy is Remedy.AGAIN:
            raise unknown(failure) from failure.exception()  # it will never be answered otherwise
        if remedy in (Remedy.SHRINK, Remedy.WAIT, Remedy.AGAIN):
            # It can pass; but a server that fails at the same parts every time will not send more.
            return told and failure.cause == "server" and tries.answered >= TRIES_BEFORE_LESS
        if tries.may_have_run and request.writes:
            raise unknown(failure) from failure.exception()  # refused now, perhaps carried out before
        return True  # it cannot succeed

    def _before_next_try(self, request: Request, failure: Failure, tries: Tries) -> None:
        """Counts the failure, gives up when it is time to, waits otherwise."""
        tries.note(request, failure)
        self.silence.begin()
        self._give_up_when_due(request, failure, tries)
        less = tries.ask_for_less(request, failure)
        if not (less and failure.retry_in_seconds is None and failure.cause in ("complexity", "size")):
            self._wait_after(request, failure, tries)
        if less:
            raise too_heavy(failure)
        self.tally.retried(failure.cause)
        self.line.notify("retry", {"cause": failure.cause, "attempt": tries.count, "operation": request.name})

    def _give_up_when_due(self, request: Request, failure: Failure, tries: Tries) -> None:
        limits = self.line.limits
        patient = limits.give_up_after is None
        age = self.line.clock.monotonic() - tries.began
        due = (
            self.silence.is_too_long
            or (limits.stop.is_set() and not is_asked_for(failure))
            or (tries.answered >= limits.max_attempts and (request.writes or patient))
            or (tries.limited_s >= self._patience(failure) and not patient)
            or (tries.may_have_run and age >= REPLAY_SECONDS)
        )
        if not due:
            return
        if tries.may_have_run:
            raise unknown(failure)
        silent = self.silence.seconds
        if tries.answered < limits.max_attempts:
            self.silence.end()
        raise unavailable(failure, silent)

    def _patience(self, failure: Failure) -> float:
        """Returns the seconds for which a request is held up by limits. A window ends; what is in use may stay in use."""
        longest = self.line.limits.give_up_after
        if longest is None or failure.cause not in IN_USE:
            return PATIENCE_WITH_LIMITS
        return min(PATIENCE_WITH_LIMITS, longest)

    def _wait_after(self, request: Request, failure: Failure, tries: Tries) -> None:
        asked = is_asked_for(failure)
        seconds = self._seconds_to_wait(failure, tries)
        left = self.silence.left
        if asked:
            if failure.cause in IN_USE:
                seconds = min(seconds, max(0.0, self._patience(failure) - tries.limited_s))
            tries.limited_s += seconds
            self.line.budget.learn_refusal(request.kind, failure.cause, seconds, self.line.clock.monotonic())
        elif left is not None:
            seconds = min(seconds, left)
        self.pauses.wait(seconds, failure.cause, request.cancelled, asked=asked)

    def _seconds_to_wait(self, failure: Failure, tries: Tries) -> float:
        random = self.line.limits.random
        if failure.retry_in_seconds is not None:
            seconds = min(failure.retry_in_seconds, LONGEST_ASKED_WAIT)
            # A wait that proved too short is made longer each time.
            longer = backoff(tries.count - 2, random=random) if tries.count > 1 else 0.0
            return seconds + self.pauses.jitter(seconds) + longer
        ceiling = 10.0 if failure.cause in ("locked", "timeout") else 60.0
        return backoff(tries.count - 1, ceiling=ceiling, random=random)
