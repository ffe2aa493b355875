"""Calls per minute and day, concurrency, complexity per minute, formula values: the budgets of a plan."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone

from sandbox.errors import Refusal, refusal

COMPLEXITY_PER_QUERY = 5_000_000
CALLS_PER_10_SECONDS = 5_000
FORMULA_VALUES_PER_MINUTE = 10_000
REFUSED_CALL = 0.1
DAY = 86_400


@dataclass(frozen=True)
class Plan:
    calls_per_minute: int
    concurrent: int
    calls_per_day: int
    complexity_per_minute: int = 10_000_000


PLANS = {"standard": Plan(1_000, 40, 1_000), "pro": Plan(2_500, 100, 10_000)}
UNLIMITED = Plan(10**9, 10**6, 10**9, 10**12)


def day_of(now: float) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")


class Meter:
    """One account's budgets. With limits off it counts and refuses nothing."""

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
        """Counts a call, or raises the refusal that monday would answer with."""
        with self._lock:
            day = day_of(now)
            while self.calls and (self.calls[0] <= now - 60 or self.calls[0] > now):
                self.calls.popleft()
            problem = self._problem(now, day)
            self.days[day] = self.days.get(day, 0) + (REFUSED_CALL if problem else weight)
            if problem:
                raise problem
            self.calls.append(now)
            self.running += 1

    def _problem(self, now: float, day: str) -> Refusal | None:
        if not self.limited:
            return None
        if self.days.get(day, 0) + 1 > self.plan.calls_per_day + 1e-9:
            return refusal(429, "Daily limit exceeded", "DAILY_LIMIT_EXCEEDED", wait=DAY - int(now) % DAY,
                           status_code=429)
        if len(self.calls) >= self.plan.calls_per_minute:
            wait = max(1, math.ceil(self.calls[0] + 60 - now))
            return refusal(429, "Minute limit rate exceeded", "RATE_LIMIT_EXCEEDED", wait=wait, status_code=429)
        if self.running >= self.plan.concurrent:
            return refusal(429, "Max concurrency exceeded", "maxConcurrencyExceeded", wait=5, status_code=429)
        recent = sum(1 for moment in reversed(self.calls) if moment > now - 10)
        if recent >= CALLS_PER_10_SECONDS:
            return refusal(429, "Rate limit exceeded for IP", "IP_RATE_LIMIT_EXCEEDED", wait=10, status_code=429)
        return None

    def count_as_refused(self, now: float) -> None:
        """A call that was admitted and then refused for its complexity counts a tenth of one."""
        with self._lock:
            self.days[day_of(now)] -= 1 - REFUSED_CALL

    def leave(self) -> None:
        with self._lock:
            self.running -= 1

    # complexity

    def _window(self, now: float, is_mutation: bool) -> tuple[str, float, int]:
        """A window of 60 s runs from its first call."""
        name = "write" if self.app_token and is_mutation else "read"
        start, spent = self._windows.get(name, (now, 0))
        return (name, start, spent) if 0 <= now - start < 60 else (name, now, 0)

    def charge(self, now: float, cost: int, is_mutation: bool, http_status: int) -> dict[str, int]:
        """Takes the estimate from the budget before the query runs. Returns what `complexity` shows."""
        if cost > COMPLEXITY_PER_QUERY:
            raise refusal(200, f"Query has complexity of {cost}, which exceeds max complexity of "
                          f"{COMPLEXITY_PER_QUERY}", "maxComplexityExceeded", complexity=cost,
                          maxComplexity=COMPLEXITY_PER_QUERY)
        with self._lock:
            name, start, spent = self._window(now, is_mutation)
            before = self.complexity_limit - spent
            reset = max(1, math.ceil(start + 60 - now))
            if cost > before:
                raise refusal(http_status, "Complexity budget exhausted", "COMPLEXITY_BUDGET_EXHAUSTED", wait=reset)
            self._windows[name] = (start, spent + cost)
        top = 2**31 - 1
        return {"before": min(before, top), "query": cost, "after": min(before - cost, top),
                "reset_in_x_seconds": reset}

    def refund(self, now: float, cost: int, is_mutation: bool) -> None:
        """Failing queries cost much less: nine tenths come back."""
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
        left, limit = max(0, self.complexity_limit - spent), self.complexity_limit
        calls = max(0, self.plan.calls_per_minute - len(self.calls))
        busy = max(0, self.plan.concurrent - self.running)
        reset = f";t={max(1, math.ceil(start + 60 - now))}" if left == 0 or spent else ""
        return {
            "RateLimit-Policy": f'"minuteRate";q={self.plan.calls_per_minute};w=60, "concurrency";'
                                f'q={self.plan.concurrent};qu="concurrent-requests", "complexityMinute";q={limit};w=60;'
                                f'qu="content-bytes"',
            "RateLimit": f'"minuteRate";r={calls}, "concurrency";r={busy}, "complexityMinute";r={left}{reset}',
        }
