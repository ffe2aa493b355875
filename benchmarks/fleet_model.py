"""Reckons what many accounts need, and plays their queues: formulas and a discrete simulation, both fed by measurements."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles

DAY_S = 86_400.0
PEAK = 4.0
"""The busiest minutes have so many times the events of the mean."""
CALL_S = 0.3
ITEMS_A_PAGE = 500
EVENTS_A_SLICE = 3.0
BOARDS_A_MARKS_CALL = 100
LOOKS_A_DAY = 24 * 6
SHARDS = 64
USED = 0.7
"""Of a slot's time, at the peak."""
CHILD_MB = 110
SIMULATED_S = 300.0
BURST = 20_000
EVENTS_AT_ONCE = 5_000
ITEMS_A_CALL = 100


@dataclass(frozen=True)
class Measured:
    """Holds what was measured of single pieces of work: CPU seconds and calls."""

    slice_cpu_s: float
    slice_calls: float
    run_cpu_s: float
    look_cpu_s: float


@dataclass(frozen=True)
class Waits:
    """Holds for how many seconds events wait."""

    p50: float
    p99: float
    quiet_p99: float


@dataclass(frozen=True)
class Size:
    """Holds how large an installation is, and how much happens in it."""

    accounts: int
    boards: int
    items: int
    events_a_day: float
    """Of an item."""

    @property
    def slices_a_s(self) -> float:
        """Returns the slices of live work a second, in the mean."""
        return self.items * self.events_a_day / EVENTS_A_SLICE / DAY_S

    @property
    def runs_a_s(self) -> float:
        """Returns the runs a second: each board once a day, and once more after it has moved."""
        return 2 * self.boards / DAY_S

    def slots(self, measured: Measured) -> int:
        """Returns how many tasks run at once at the peak."""
        busy = PEAK * (self.slices_a_s * slice_s(measured) + self.runs_a_s * run_s(measured, self))
        return max(1, round(busy / USED + 0.5))

    def needs(self, measured: Measured) -> Iterator[tuple[str, float, str, int]]:
        """Yields name, value, unit and digits of what it needs."""
        marks = 24 * self.accounts * -(-self.boards // self.accounts // BOARDS_A_MARKS_CALL)
        pages = -(-self.items // self.boards // ITEMS_A_PAGE)
        calls = marks + self.runs_a_s * DAY_S * (3 + pages) + self.slices_a_s * DAY_S * measured.slice_calls
        looks_a_s = self.accounts * LOOKS_A_DAY / DAY_S
        cpu = (
            PEAK * (self.slices_a_s * measured.slice_cpu_s + self.runs_a_s * measured.run_cpu_s)
            + looks_a_s * measured.look_cpu_s
        )
        yield "calls an account and day", calls / self.accounts, "", 0
        yield "calls a second at the peak", PEAK * calls / DAY_S, "", 0
        yield "cores of the workers at the peak", cpu, "", 1
        yield "slots at the peak", self.slots(measured), "", 0
        yield "memory of the workers", self.slots(measured) * CHILD_MB / 1000, "GB", 1


def fleets() -> list[Size]:
    """Returns the installations that are reckoned: an agency, and two of a maker of software."""
    return [
        Size(200, 4_000, 8_000_000, 0.03),
        Size(10_000, 200_000, 100_000_000, 0.03),
        Size(10_000, 200_000, 100_000_000, 0.30),
    ]


def slice_s(measured: Measured) -> float:
    """Returns how long a slice of a few events holds its slot."""
    return measured.slice_calls * CALL_S + 2 * measured.slice_cpu_s


def run_s(measured: Measured, size: Size) -> float:
    """Returns how long a run holds its slot."""
    pages = -(-size.items // size.boards // ITEMS_A_PAGE)
    return (3 + pages) * CALL_S + 2 * measured.run_cpu_s


def simulated(size: Size, measured: Measured, seed: int = 1) -> Waits:
    """Plays five minutes of the peak: events come by chance, and the slots take the shards' queues in turn.

    After a minute one account has a burst of events. Events of an account that come while its slice waits join it.
    """
    dice, queues = random.Random(seed), Queues()
    slots = size.slots(measured)
    free = [0.0] * slots
    waits: list[float] = []
    quiet: list[float] = []
    arrivals = _arrivals(size, dice)
    left, now = BURST, 0.0
    coming = next(arrivals)
    while now < SIMULATED_S:
        now = heapq.heappop(free)
        while coming[0] <= now:
            queues.add(*coming)
            coming = next(arrivals)
        found = queues.take()
        if found is None:
            heapq.heappush(free, coming[0])
            continue
        at, account = found
        if account == 0 and now >= 60.0 and left:
            many = min(left, EVENTS_AT_ONCE)
            left -= many
            heapq.heappush(free, now + many / ITEMS_A_CALL * CALL_S)
            queues.add(now, 0)  # the rest goes on with the next task
            continue
        waits.append(now - at)
        if now >= 60.0 and account != 0:
            quiet.append(now - at)
        kind = run_s(measured, size) if dice.random() < _share_of_runs(size) else slice_s(measured)
        heapq.heappush(free, now + kind)
    cuts = quantiles(waits, n=100)
    return Waits(cuts[49], cuts[98], quantiles(quiet, n=100)[98])


class Queues:
    """Holds the queues of the shards, which are served in turn. An account waits in its own at most once."""

    def __init__(self) -> None:
        self._queues: list[deque[tuple[float, int]]] = [deque() for _ in range(SHARDS)]
        self._waiting: set[int] = set()
        self._next = 0

    def add(self, at: float, account: int) -> None:
        """Adds a message of an account, unless one waits already."""
        if account not in self._waiting:
            self._waiting.add(account)
            self._queues[account % SHARDS].append((at, account))

    def take(self) -> tuple[float, int] | None:
        """Returns the first message of the next queue that has one."""
        for step in range(SHARDS):
            queue = self._queues[(self._next + step) % SHARDS]
            if queue:
                self._next = (self._next + step + 1) % SHARDS
                at, account = queue.popleft()
                self._waiting.discard(account)
                return at, account
        return None


def _arrivals(size: Size, dice: random.Random) -> Iterator[tuple[float, int]]:
    """Yields when a task of which account comes, by chance, at the rate of the peak."""
    rate, now = PEAK * (size.slices_a_s + size.runs_a_s), 0.0
    yield 0.0, 0
    while True:
        now += dice.expovariate(rate)
        yield now, dice.randrange(size.accounts)


def _share_of_runs(size: Size) -> float:
    return size.runs_a_s / (size.runs_a_s + size.slices_a_s)
