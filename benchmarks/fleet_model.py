"""Reckons what many accounts need, and plays their queues: formulas and a discrete simulation, both fed by measurements.

What was not measured in the same run has its usual value, and `Measured.lines` says so.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator
from statistics import quantiles

from msgspec import Struct, field
from msgspec.structs import replace

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
LEAST_SLOTS = 4
"""Those of a single worker."""
SIMULATED_S, BURST_AT_S = 300.0, 60.0
BURST = 20_000
EVENTS_AT_ONCE = 5_000
ITEMS_A_CALL = 100

COSTS = {
    "slice_cpu_s": ("a slice of live work, CPU", "s", 4),
    "slice_wall_s": ("  its slot is held for", "s", 2),
    "slice_calls": ("  calls", "", 2),
    "run_cpu_s": ("a run that compares all of a small board, CPU", "s", 3),
    "run_wall_s": ("  its slot is held for", "s", 2),
    "run_calls": ("  calls", "", 2),
    "look_cpu_s": ("a look at an account, with all that idles, CPU", "s", 3),
    "child_mb": ("a process of a worker", "MB", 0),
}


class Measured(Struct, frozen=True):
    """Holds what single pieces of work cost: CPU and wall seconds, calls, megabytes. The usual values are of two cores."""

    slice_cpu_s: float = 0.007
    slice_wall_s: float = 0.33
    slice_calls: float = 1.0
    run_cpu_s: float = 0.15
    run_wall_s: float = 1.5
    run_calls: float = 4.0
    look_cpu_s: float = 0.025
    child_mb: float = 110.0
    measured: frozenset[str] = field(default=frozenset())
    """The names of those that this run has measured."""

    def taking(self, **values: float) -> Measured:
        """Returns the same with some values measured."""
        return replace(self, **values, measured=self.measured | values.keys())  # type: ignore[arg-type]

    def lines(self) -> Iterator[tuple[str, float, str, int]]:
        """Yields name, value, unit and digits of each cost."""
        for cost, (name, unit, digits) in COSTS.items():
            how = "" if cost in self.measured else " (as usual: not measured now)"
            yield name + how, getattr(self, cost), unit, digits


class Waits(Struct, frozen=True):
    """Holds for how many seconds events wait."""

    p50: float
    p99: float
    quiet_p99: float


class Size(Struct, frozen=True):
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
        return max(LEAST_SLOTS, round(busy / USED + 0.5))

    def needs(self, measured: Measured) -> Iterator[tuple[str, float, str, int]]:
        """Yields name, value, unit and digits of what it needs."""
        marks = 24 * self.accounts * -(-self.boards // self.accounts // BOARDS_A_MARKS_CALL)
        runs = self.runs_a_s * DAY_S
        calls = marks + runs * (measured.run_calls + more_pages(self)) + self.slices_a_s * DAY_S * measured.slice_calls
        looks_a_s = self.accounts * LOOKS_A_DAY / DAY_S
        cpu = (
            PEAK * (self.slices_a_s * measured.slice_cpu_s + self.runs_a_s * measured.run_cpu_s)
            + looks_a_s * measured.look_cpu_s
        )
        yield "calls an account and day", calls / self.accounts, "", 0
        yield "calls a second at the peak", PEAK * calls / DAY_S, "", 0
        yield "cores of the workers at the peak", cpu, "", 1
        yield "slots at the peak", self.slots(measured), "", 0
        yield "memory of the workers", self.slots(measured) * measured.child_mb / 1000, "GB", 1


def fleets() -> list[Size]:
    """Returns the installations that are reckoned: an agency, and two of a maker of software."""
    return [
        Size(200, 4_000, 8_000_000, 0.03),
        Size(10_000, 200_000, 100_000_000, 0.03),
        Size(10_000, 200_000, 100_000_000, 0.30),
    ]


def slice_s(measured: Measured) -> float:
    """Returns how long a slice of a few events holds its slot."""
    return measured.slice_wall_s


def more_pages(size: Size) -> int:
    """Returns how many calls a run of a board makes beside those of a board of a single page."""
    return -(-size.items // size.boards // ITEMS_A_PAGE) - 1


def run_s(measured: Measured, size: Size) -> float:
    """Returns how long a run holds its slot."""
    return measured.run_wall_s + more_pages(size) * CALL_S


def simulated(size: Size, measured: Measured, seed: int = 1) -> Waits:
    """Plays five minutes of the peak: events come by chance, and the slots take the shards' queues in turn.

    After a minute one account has a burst of events. Events of an account that come while its slice waits join it.
    """
    play = Play(size, measured, random.Random(seed))
    arrivals = _arrivals(size, random.Random(seed + 1))
    coming = next(arrivals)
    while play.now < SIMULATED_S:
        if not play.busy or coming[0] <= play.busy[0][0]:
            play.now = coming[0]
            play.queues.add(*coming)
            coming = next(arrivals)
        else:
            play.end_task()
        play.begin_tasks()
    cuts = quantiles(play.waits, n=100)
    return Waits(cuts[49], cuts[98], quantiles(play.quiet, n=100)[98])


class Play:
    """Holds the queues, and the slots with what they do."""

    def __init__(self, size: Size, measured: Measured, dice: random.Random) -> None:
        self.queues, self.busy, self.now = Queues(), list[tuple[float, bool]](), 0.0
        self.waits: list[float] = []
        self.quiet: list[float] = []
        self._bursts = False
        self._slots, self._dice, self._left = size.slots(measured), dice, BURST
        self._slice_s, self._run_s = slice_s(measured), run_s(measured, size)
        self._share_of_runs = size.runs_a_s / (size.runs_a_s + size.slices_a_s)

    def begin_tasks(self) -> None:
        """Gives each free slot the next message."""
        while len(self.busy) < self._slots and (found := self.queues.take()):
            at, account = found
            seconds, in_burst = self._duration(at, account)
            heapq.heappush(self.busy, (self.now + seconds, in_burst))

    def end_task(self) -> None:
        """Ends the next task. What is left of the burst goes on with another: one process at a time works on an entity."""
        self.now, in_burst = heapq.heappop(self.busy)
        if in_burst and self._left:
            self.queues.add(self.now, 0)
        self._bursts = self._bursts and not in_burst

    def _duration(self, at: float, account: int) -> tuple[float, bool]:
        if account == 0 and self.now >= BURST_AT_S and self._left and not self._bursts:
            many = min(self._left, EVENTS_AT_ONCE)
            self._left, self._bursts = self._left - many, True
            return many / ITEMS_A_CALL * CALL_S, True
        self.waits.append(self.now - at)
        if self.now >= BURST_AT_S and account != 0:
            self.quiet.append(self.now - at)
        return self._run_s if self._dice.random() < self._share_of_runs else self._slice_s, False


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
