"""Measures how long the command takes from its start until monday.com sees the first request."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.boards import PROJECT
from benchmarks.table import Table

ABOUT = "from the start of the command to the first request"


def run(bench: Bench) -> None:
    """Measures and prints."""
    waits, walls = [], []
    with bench.serving(500) as server, bench.database() as name:
        for _ in range(3 * bench.repeat):
            pulled = bench.pull(server, name, program=str(PROJECT / "main.py"))
            waits.append(pulled.told["first_at"] - pulled.spent.started_at)
            walls.append(pulled.spent.wall)
    table = Table(f"Start-up, {3 * bench.repeat} times")
    table.add("from the start to the first request", waits, "s", at_most=0.5)
    table.add("a whole run over two boards of 500 items, nothing changed", walls[1:], "s")
    table.show()
