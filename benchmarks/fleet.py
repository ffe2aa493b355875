"""Measures many accounts on this machine, and reckons from that what more accounts need: `python -m benchmarks.fleet`.

Idle: what it costs that nothing happens. A burst: many events of one account, and single ones of others meanwhile. More
workers: the same work by one and by three. The accounts are those of `benchmarks.null_account`: every call takes 300 ms.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import quantiles

import requests
from msgspec import Struct

import main  # noqa: F401 - it hands in what tasks work with
from benchmarks.bench import Bench
from benchmarks.database import Postgres, running
from benchmarks.fleet_model import Measured, fleets, simulated
from benchmarks.fleet_stage import BOARDS, CONNECTIONS, Stage, account, entity, event, load, staged
from benchmarks.measure import Failed
from benchmarks.null_account import board_ids
from benchmarks.table import Table
from db_connector import Transaction
from state.due import LIVE, RUN, Due

ABOUT = "many accounts: idle, a burst, more workers, and what 10,000 accounts would need"

ACCOUNTS, QUIET = 100, 50
IDLE_S = 60.0
RUN_ACCOUNTS = 20
SLICES = 50
SLOTS = 4
IDLE = (
    ("transactions a second", "transactions", 1, "", 20),
    ("CPU of doors, workers and beat, of one core", "cpu_s", 100, "%", 5),
    ("CPU of PostgreSQL, of one core", "postgres_cpu_s", 100, "%", None),
)
EVERY_S = 0.4
"""Between single events: few enough that the slots can take them."""


class Options(Struct, frozen=True):
    """Says what is measured, and how much of it."""

    accounts: int = ACCOUNTS
    events: int = 10_000
    idle_s: float = IDLE_S
    parts: tuple[str, ...] = ("slices", "workers", "idle", "burst", "reckoned")


def run(bench: Bench) -> None:
    """Measures with at most as many events as boards have items, and prints."""
    with running(CONNECTIONS) as postgres:
        measure(Options(events=min(bench.items, 10_000)), postgres)


def measure(options: Options, postgres: Postgres) -> None:
    """Measures, and prints a table after each part."""
    measured, began = Measured(), time.perf_counter()
    if set(options.parts) & PARTS.keys():
        with staged(postgres, options.accounts) as stage:
            made = time.perf_counter() - began
            print(f"\n{options.accounts:,} accounts of {BOARDS} boards, made in {made:.0f} s.", flush=True)
            for name in options.parts:
                if name in PARTS:
                    measured = PARTS[name](stage, options, measured)
    if "reckoned" in options.parts:
        reckon(measured)


def slices(stage: Stage, options: Options, measured: Measured) -> Measured:
    """Measures a worker's start, and slices of live work in this process, with the parts of the account at hand."""
    from jobs.work import Work
    from settings import load_settings

    table = Table(f"A worker for {stage.accounts * BOARDS:,} mappings")
    with stage.workers(1, SLOTS) as ready:
        table.add("from its start until it is ready", ready, "s", 2, 2.0)
    name, board = account(0), board_ids(BOARDS)[0]
    work = Work(load_settings({**stage.fleet.env}), lambda due, starts: True)
    took, held = [], []
    for number in range(SLICES + 1):
        arrived = (f"slice-{number}", board, f"{board}{number % 10:06d}", '{"columnId": "text1"}')
        stage.in_account(name, partial(_insert, arrived))
        stage.due.mark([Due(name, entity(0), LIVE)])
        if number == 1:  # the first slice opens the account
            stage.null.forget()
        began, begun = time.process_time(), time.perf_counter()
        work.live(name, entity(0))
        took.append(time.process_time() - began)
        held.append(time.perf_counter() - begun)
    work.close()
    calls = stage.null.told()["calls"] / SLICES
    cpu_s = sum(took[1:]) / SLICES
    table.add("a slice of one event, parts at hand, CPU", cpu_s * 1000, "ms", 1, 15)
    table.add("the first slice of an account, CPU", took[0] * 1000, "ms", 1)
    table.add("calls a slice", calls, "", 2, 1.1)
    table.show()
    return measured.taking(slice_cpu_s=cpu_s, slice_calls=calls, slice_wall_s=sum(held[1:]) / SLICES)


INSERT = """
insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body)
values (%s, %s, %s, 'update_column_value', %s)
"""


def _insert(arrived: Sequence[str], tx: Transaction) -> None:
    tx.execute(INSERT, arrived)


def more_workers(stage: Stage, options: Options, measured: Measured) -> Measured:
    """Measures the same runs by one worker of one slot and by three."""
    table = Table(
        f"Runs by one worker of one slot, and by three: {RUN_ACCOUNTS} accounts, then 4 boards of one account"
    )
    apart = [Due(account(number), entity(0), RUN) for number in range(min(RUN_ACCOUNTS, stage.accounts))]
    together = [Due(account(0), entity(number), RUN) for number in range(4)]
    cost: dict[str, float] = {}
    for what, work, goal in (("accounts", apart, 1 / 2.5), ("boards in one database", together, 1 / 1.6)):
        took = []
        for workers in (1, 3):
            with stage.workers(workers, 1):
                stage.null.forget()
                before, began = stage.cpu_s(), time.perf_counter()
                stage.send(work, sweep=True)
                stage.settled()
                took.append(time.perf_counter() - began)
                spent = {"cpu_s": stage.cpu_s() - before, "wall_s": took[-1], "calls": stage.null.told()["calls"]}
                cost = cost or {f"run_{name}": value / len(work) for name, value in spent.items()}
        table.add(f"{what}: one worker", took[0], "s", 1)
        table.add(f"{what}: three / one", took[1] / took[0], "x", 2, goal)
    table.add("a run that compares all, CPU", cost["run_cpu_s"] * 1000, "ms", 0)
    table.show()
    return measured.taking(**cost)


def idle(stage: Stage, options: Options, measured: Measured) -> Measured:
    """Measures what it costs that nothing happens: looks and runs are due as on any quiet day."""
    table = Table(
        f"Nothing happens: {stage.accounts:,} accounts, {options.idle_s:.0f} s, two workers of {SLOTS} slots, a door, a beat"
    )
    stage.fleet.door()
    stage.fleet.start("beat")
    stage.calm()
    with stage.workers(2, SLOTS):
        stage.spread()
        time.sleep(20.0)
        stage.null.forget()
        before, began = stage.idle_costs(), time.perf_counter()
        time.sleep(options.idle_s)
        spent = {name: value - before[name] for name, value in stage.idle_costs().items()}
        elapsed = time.perf_counter() - began
        calls, memory, child_mb = stage.null.told()["calls"], stage.memory(), stage.child_mb()
    if not spent["looks"]:
        raise Failed(f"No account was looked at in {elapsed:.0f} s: take more accounts, or a longer --idle.")
    share = stage.accounts / 1000
    table.add("looks at an account", spent["looks"], "", 0)
    table.add("runs of a board", spent["runs"], "", 0)
    for name, key, factor, unit, goal in IDLE:
        table.add(name, spent[key] * factor / elapsed, unit, 1)
        table.add("  for 1,000 accounts", spent[key] * factor / elapsed / share, unit, 1, goal)
    table.add("calls an account and hour", calls * 3600 / elapsed / stage.accounts, "", 1, 60)
    table.add("memory of all processes", memory / 1e6, "MB", 0)
    table.show()
    stage.fleet.end()
    stage.hush()
    return measured.taking(look_cpu_s=spent["cpu_s"] / spent["looks"], child_mb=child_mb)


def burst(stage: Stage, options: Options, measured: Measured) -> Measured:
    """Sends many events of one account to two doors, and one of each of some other accounts meanwhile."""
    events = options.events
    table = Table(f"A burst: {events:,} events of one account at two doors, one worker of {SLOTS} slots")
    board, quiet = board_ids(BOARDS)[1], [account(number) for number in range(1, min(QUIET, stage.accounts - 1) + 1)]
    noisy = account(0)
    doors = [stage.fleet.door() for _ in range(2)]
    stage.fleet.start("beat")
    with stage.workers(1, SLOTS):
        _single(stage, doors, quiet, "warm", 0.0)
        before = _single(stage, doors, quiet, "idle", EVERY_S)
        stage.null.forget()
        bodies = [event(board, f"{board}{number:06d}", f"burst-{number}") for number in range(events)]
        began = time.perf_counter()
        senders = [
            load(stage.fleet.home, stage.address(door, noisy, board), bodies[n::2], 8) for n, door in enumerate(doors)
        ]
        time.sleep(1.0)
        during = _single(stage, doors, quiet, "busy", EVERY_S)
        told = [sender.communicate(timeout=1800)[0] for sender in senders]
        taken = time.perf_counter() - began
        stage.until(lambda: _left(stage, noisy) == 0, 1800)
        done = time.perf_counter() - began
        calls = stage.null.told()["by"].get("Items", 0) - len(quiet)  # one for each single event
    refused = sum(_refused(text) for text in told)
    stored = stage.in_account(
        noisy, lambda tx: tx.value("select count(*) from sync_inbox where trigger_id like '%%/burst-%%'")
    )
    table.add("events that were refused, or are missing", refused + events - int(stored), "", 0, 0)
    table.add("acknowledged a second", events / taken, "", 0)
    table.add("all are in their rows after", done, "s", 1)
    table.add("calls / (items / 100)", calls / (events / 100), "x", 2, 1.2)
    table.add("an event of another account, before: p99", _p99(before), "s", 2)
    table.add("an event of another account, meanwhile: p99", _p99(during), "s", 2, 3.0)
    table.add("  meanwhile / before", _p99(during) / _p99(before), "x", 2, 3.0)
    table.show()
    return measured


PARTS: dict[str, Callable[[Stage, Options, Measured], Measured]] = {
    "slices": slices,
    "workers": more_workers,
    "idle": idle,
    "burst": burst,
}


def _single(stage: Stage, doors: Sequence[str], names: Sequence[str], trigger: str, pause_s: float) -> list[float]:
    """Sends an event of each account, and returns for how many seconds each waited."""
    board = board_ids(BOARDS)[0]
    for number, name in enumerate(names):
        body = event(board, f"{board}{number % 10:06d}", f"{trigger}-{name}")
        answer = requests.post(stage.address(doors[number % 2], name, board), data=body, timeout=60)
        if answer.status_code != 200:
            raise Failed(f"{answer.status_code} {answer.text}")
        time.sleep(pause_s * random.uniform(0.5, 1.5))
    stage.until(lambda: len(stage.waited(names, f"%/{trigger}-%")) == len(names), 300)
    return stage.waited(names, f"%/{trigger}-%")


def _left(stage: Stage, name: str) -> int:
    time.sleep(0.2)
    return int(stage.in_account(name, lambda tx: tx.value("select count(*) from sync_inbox where done_at is null")))


def _refused(told: str) -> int:
    import orjson

    return int(orjson.loads(told)["refused"])


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[98]


def reckon(measured: Measured) -> None:
    """Reckons from what was measured what more accounts need, and plays their queues."""
    table = Table("What a piece of work costs")
    for name, value, unit, digits in measured.lines():
        table.add(name, value, unit, digits)
    table.show()
    for size in fleets():
        table = Table(f"Reckoned: {size.accounts:,} accounts, {size.boards:,} boards, {size.items / 1e6:,.0f} M items")
        for name, value, unit, digits in size.needs(measured):
            table.add(name, value, unit, digits)
        waits = simulated(size, measured)
        table.add("played at its peak: an event waits for a slot, p50", waits.p50, "s", 2)
        table.add("  p99", waits.p99, "s", 2, 3.0)
        table.add("  p99 of quiet accounts while one of them has a burst", waits.quiet_p99, "s", 2, 3.0)
        table.show()


def asked() -> Options:
    """Returns what the command line asks for."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--accounts", type=int, default=usual.accounts, help=f"default: {usual.accounts}")
    parser.add_argument("--events", type=int, default=usual.events, help=f"of the burst (default: {usual.events:,})")
    parser.add_argument("--idle", type=float, default=usual.idle_s, help="seconds in which nothing happens")
    parser.add_argument("--only", default=",".join(usual.parts), help=f"of {', '.join(usual.parts)}")
    given = parser.parse_args()
    return Options(given.accounts, given.events, given.idle, tuple(given.only.split(",")))


if __name__ == "__main__":
    options = asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started ends, too
    try:
        with running(CONNECTIONS) as server:
            measure(options, server)
    except Failed as exc:
        print(f"error: {exc}", file=sys.stderr)
        sys.exit(1)
