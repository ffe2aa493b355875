"""Measures a first pull of each board by itself, an unchanged full one, and its floor (`benchmarks.floor`), by turns."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.bench import Bench, Pulled, scratch
from benchmarks.beside_floor import ADDRESS_COLUMNS, Floor
from benchmarks.measure import Spent
from benchmarks.table import Table

ABOUT = "a first pull of each board beside its floor: wall, CPU of the process, CPU of PostgreSQL"


def run(bench: Bench) -> None:
    """Measures and prints."""
    for entity in ADDRESS_COLUMNS:
        with scratch() as folder:
            _measure(bench, entity, folder)


def _measure(bench: Bench, entity: str, folder: Path) -> None:
    floor = Floor(bench, folder, [entity])
    pulled: list[Pulled] = []
    least: list[Spent] = []
    with bench.serving() as server:
        for number in range(bench.repeat):
            with bench.database() as name:
                pulled.append(bench.pull(server, name, "--entity", entity))
                if number == 0:
                    floor.prepare(server, name)
            least.append(floor.run())
    _show(bench, entity, pulled, least)


def _show(bench: Bench, entity: str, pulled: list[Pulled], least: list[Spent]) -> None:
    thousands = pulled[0].read / 1000
    pairs = [(run.spent, other) for run, other in zip(pulled, least, strict=True)]
    table = Table(f"First pull of {entity}: {pulled[0].read:,} items, {bench.repeat} times")
    table.add("wall", [run.wall for run, _ in pairs], "s")
    table.add("  of the floor", [other.wall for _, other in pairs], "s")
    table.add("wall / the floor's", [run.wall / other.wall for run, other in pairs], "x", at_most=2.0)
    table.add("CPU of the process, per 1,000 items", [run.cpu / thousands for run, _ in pairs], "s", 3)
    table.add("  of the floor", [other.cpu / thousands for _, other in pairs], "s", 3)
    table.add("CPU of the process / the floor's", [run.cpu / other.cpu for run, other in pairs], "x", at_most=4.0)
    table.add("CPU of PostgreSQL, per 1,000 items", [run.postgres / thousands for run, _ in pairs], "s", 3)
    shares = [run.postgres / other.postgres for run, other in pairs if other.postgres]
    table.add("CPU of PostgreSQL / the floor's", shares, "x", at_most=1.4)
    table.add("peak memory", [run.memory / (1 << 20) for run, _ in pairs], "MB", 0, 160)
    table.add("statements", median(run.spent.notes["statements"] for run in pulled), "", 0)
    table.show()
