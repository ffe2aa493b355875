"""Measures how long the command takes from its start until monday.com sees the first request."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench, Pulled
from benchmarks.boards import PROJECT
from benchmarks.table import Table

UNCHANGED = (10_000, 50_000)
"""Items of each of two boards, beside 500: an unchanged run has to cost the same."""
ABOUT = "from the start of the command to the first request"


def run(bench: Bench) -> None:
    """Measures and prints."""
    waits, walls, used = [], [], []
    with bench.serving(500) as server, bench.database() as name:
        for _ in range(3 * bench.repeat):
            pulled = bench.pull(server, name, program=str(PROJECT / "main.py"))
            waits.append(pulled.told["first_at"] - pulled.spent.started_at)
            walls.append(pulled.spent.wall)
            used.append(pulled.spent.cpu)
    table = Table(f"Start-up, {3 * bench.repeat} times")
    table.add("from the start to the first request", waits, "s", at_most=0.5)
    table.add("a whole run over two boards of 500 items, nothing changed", walls[1:], "s")
    table.add("  its CPU", used[1:], "s", at_most=0.5)
    for items in sorted({min(items, bench.items) for items in UNCHANGED}):
        large = _unchanged(bench, items)
        shares = [run.spent.cpu / median(used[1:]) for run in large]
        table.add(f"  CPU with {items:,} items a board / with 500", shares, "x", at_most=1.2)
        table.add("    wall", [run.spent.wall / median(walls[1:]) for run in large], "x", at_most=1.2)
        table.add("    calls a board", max(run.told["calls"] for run in large) / 2, "", 0, 5)
        table.add("    peak memory", max(run.spent.memory for run in large) / (1 << 20), "MB", 0, 60)
    table.show()


def _unchanged(bench: Bench, items: int) -> list[Pulled]:
    """Measures runs over boards that do not change, from the third on: the second learns what the filter understands."""
    with bench.serving(items) as server, bench.database() as name:
        for _ in range(2):
            bench.pull(server, name)
        # what PostgreSQL does after a first pull would go on meanwhile
        with bench.postgres.open(name) as db, db.autocommit() as session:
            session.execute("vacuum analyze")
            session.execute("checkpoint")
        return [bench.pull(server, name, program=str(PROJECT / "main.py")) for _ in range(3 * bench.repeat)]
