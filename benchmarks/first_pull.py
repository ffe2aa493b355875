"""Measures by turns: a first pull of each board, its floor (`benchmarks.floor`), an unchanged full one, a bare loop."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, field

from benchmarks.bench import Bench, Pulled, scratch
from benchmarks.beside_floor import ADDRESS_COLUMNS, Floor
from benchmarks.boards import mappings
from benchmarks.measure import Serving, Spent, spent
from benchmarks.table import Table

ABOUT = "a first pull of each board beside its floor: wall, CPU, points; an unchanged full one beside a bare loop"


class _Runs(Struct):
    """Holds what was measured by turns."""

    pulled: list[Pulled] = field(default_factory=list)
    least: list[Spent] = field(default_factory=list)
    """Of the floor."""
    full: list[Pulled] = field(default_factory=list)
    bare: list[Spent] = field(default_factory=list)
    """Of a loop that reads the same pages and does nothing with them (`benchmarks.large_boards`)."""
    bare_told: dict[str, Any] = field(default_factory=dict)


def run(bench: Bench) -> None:
    """Measures and prints."""
    for entity in ADDRESS_COLUMNS:
        with scratch() as folder:
            _measure(bench, entity, folder)


def _measure(bench: Bench, entity: str, folder: Path) -> None:
    floor, runs = Floor(bench, folder, [entity]), _Runs()
    with bench.serving() as server:
        for number in range(bench.repeat):
            with bench.database() as name:
                runs.pulled.append(bench.pull(server, name, "--entity", entity))
                if number == 0:
                    floor.prepare(server, name)
                runs.full.append(bench.pull(server, name, "--entity", entity, "--full"))
            runs.least.append(floor.run())
            runs.bare.append(_bare(server, entity))
            runs.bare_told = server.told()
    _show(bench, entity, runs)


def _bare(server: Serving, entity: str) -> Spent:
    server.forget()
    return spent("benchmarks.large_boards", server.url, str(mappings()[entity].board_id))


def _show(bench: Bench, entity: str, runs: _Runs) -> None:
    pulled, thousands = runs.pulled, runs.pulled[0].read / 1000
    pairs = [(run.spent, other) for run, other in zip(pulled, runs.least, strict=True)]
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
    points = median(run.told["points"] for run in pulled)
    table.add("points / a bare loop's", points / runs.bare_told["points"], "x", at_most=1.1)
    full = [(run.spent, bare) for run, bare in zip(runs.full, runs.bare, strict=True)]
    table.add("unchanged --full / a bare loop", [run.wall / bare.wall for run, bare in full], "x", at_most=2.5)
    table.add("  CPU", [run.cpu / bare.cpu for run, bare in full], "x", at_most=2.5)
    table.show()
