"""Keeps the budgets of a plan: calls per minute and day, concurrency, complexity per minute, formula values."""

from __future__ import annotations

import math
import threading
from collections import deque
from datetime import datetime, timezone

from msgspec import Struct

from sandbox.common.wire import Refusal
from sandbox.monday.errors import refusal

COMPLEXITY_PER_QUERY = 5_000_000
CALLS_PER_10_SECONDS = 5_000
FORMULA_VALUES_PER_MINUTE = 10_000
REFUSED_CALL = 0.1
DAY = 86_400
LARGEST_INT = 2**31 - 1


class Plan(Struct, frozen=True):
    calls_per_minute: int
    concurrent: int
    calls_per_day: int
    complexity_per_minute: int = 10_000_000


PLANS = {"standard": Plan(1_000, 40, 1_000), "pro": Plan(2_500, 100, 10_000)}
UNLIMITED = Plan(10**9, 10**6, 10**9, 10**12)


def day_of(now: float) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")


class Meter:
    """Counts what an account spends. With limits off it refuses nothing."""

    def __init__(self, limits: str, app_token: bool) -> None:
        self.limited = limits != "off"
        self.plan = PLANS.get(limits, UNLIMITED)
        self.app_token = app_token
        self.calls: deque[float] = deque()
        self.days: dict[str, float] = {}
        self.running = 0
        self._windows: dict[str, tuple[float, int]] = {}
        self._formulas: deque[float] = deque()
        self._lock = threading.Lock()

    @property
    def complexity_limit(self) -> int:
        return 5_000_000 if self.app_token and self.limited else self.plan.complexity_per_minute

    def admit(self, now: float, weight: float = 1.0) -> None:
        """Counts a call, or raises the refusal with which monday.com would answer."""
        with self._lock:
            day = day_of(now)
            # Calls from the future are there after the clock was set back.
            while self.calls and (self.calls[0] <= now - 60 or self.calls[0] > now):
                self.calls.popleft()
            problem = self._problem(now, day)
            # A refused call counts too, as a tenth.
            self.days[day] = self.days.get(day, 0) + (REFUSED_CALL if problem else weight)
            if problem:
                raise problem
            self.calls.append(now)
            self.running += 1

    def _problem(self, now: float, day: str) -> Refusal | None:
        if not self.limited:
            return None
        # the day's calls are used up
        if self.days.get(day, 0) + 1 > self.plan.calls_per_day + 1e-9:
            return refusal(
                429, "Daily limit exceeded", "DAILY_LIMIT_EXCEEDED", wait=DAY - int(now) % DAY, status_code=429
            )
        # too many calls in the last minute
        if len(self.calls) >= self.plan.calls_per_minute:
            wait = max(1, math.ceil(self.calls[0] + 60 - now))
            return refusal(429, "Minute limit rate exceeded", "RATE_LIMIT_EXCEEDED", wait=wait, status_code=429)
        # too many calls at the same time
        if self.running >= self.plan.concurrent:
            return refusal(429, "Max concurrency exceeded", "maxConcurrencyExceeded", wait=5, status_code=429)
        # too many calls in ten seconds
        recent = sum(1 for moment in reversed(self.calls) if moment > now - 10)
        if recent >= CALLS_PER_10_SECONDS:
            return refusal(429, "Rate limit exceeded for IP", "IP_RATE_LIMIT_EXCEEDED", wait=10, status_code=429)
        return None

    def count_as_refused(self, now: float) -> None:
        """Counts a call, which was admitted and then refused for its complexity, as a tenth."""
        with self._lock:
            self.days[day_of(now)] -= 1 - REFUSED_CALL

    def leave(self) -> None:
        with self._lock:
            self.running -= 1

    def reset(self) -> None:
        """Forgets the calls and the complexity spent."""
        self.calls.clear()
        self.days.clear()
        self._windows.clear()

    # complexity

    def _window(self, now: float, is_mutation: bool) -> tuple[str, float, int]:
        """Finds the window of a call: it runs 60 s from its first call."""
        # An app's token has a budget for reads and another for writes.
        name = "write" if self.app_token and is_mutation else "read"
        start, spent = self._windows.get(name, (now, 0))
        return (name, start, spent) if 0 <= now - start < 60 else (name, now, 0)

    def charge(self, now: float, cost: int, is_mutation: bool, http_status: int) -> dict[str, int]:
        """Takes the estimate from the budget before the query runs; returns what `complexity` shows."""
        # a query that no budget allows
        if cost > COMPLEXITY_PER_QUERY:
            message = f"Query has complexity of {cost}, which exceeds max complexity of {COMPLEXITY_PER_QUERY}"
            raise refusal(200, message, "maxComplexityExceeded", complexity=cost, maxComplexity=COMPLEXITY_PER_QUERY)
        with self._lock:
            name, start, spent = self._window(now, is_mutation)
            before = self.complexity_limit - spent
            reset = max(1, math.ceil(start + 60 - now))
            # more than the minute has left
            if cost > before:
                raise refusal(http_status, "Complexity budget exhausted", "COMPLEXITY_BUDGET_EXHAUSTED", wait=reset)
            self._windows[name] = (start, spent + cost)
        return {
            "before": min(before, LARGEST_INT),
            "query": cost,
            "after": min(before - cost, LARGEST_INT),
            "reset_in_x_seconds": reset,
        }

    def refund(self, now: float, cost: int, is_mutation: bool) -> None:
        """Gives nine tenths back: failing queries cost much less."""
        with self._lock:
            name, start, spent = self._window(now, is_mutation)
            self._windows[name] = (start, max(0, spent - cost * 9 // 10))

    def take_formula(self, now: float) -> bool:
        while self._formulas and self._formulas[0] <= now - 60:
            self._formulas.popleft()
        if len(self._formulas) >= FORMULA_VALUES_PER_MINUTE:
            return False
        self._formulas.append(now)
        return True

    def headers(self, now: float) -> dict[str, str]:
        if not self.limited:
            return {}
        _, start, spent = self._window(now, False)
        plan, limit = self.plan, self.complexity_limit
        calls = max(0, plan.calls_per_minute - len(self.calls))
        free = max(0, plan.concurrent - self.running)
        left = max(0, limit - spent)
        reset = f";t={max(1, math.ceil(start + 60 - now))}" if left == 0 or spent else ""
        policy = (
            f'"minuteRate";q={plan.calls_per_minute};w=60',
            f'"concurrency";q={plan.concurrent};qu="concurrent-requests"',
            f'"complexityMinute";q={limit};w=60;qu="content-bytes"',
        )
        state = (f'"minuteRate";r={calls}', f'"concurrency";r={free}', f'"complexityMinute";r={left}{reset}')
        return {"RateLimit-Policy": ", ".join(policy), "RateLimit": ", ".join(state)}
