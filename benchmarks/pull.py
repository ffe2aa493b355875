"""Measures a first pull of both boards and a second one without changes, against the floor (`benchmarks.floor`)."""

from __future__ import annotations

from benchmarks.bench import Bench, Pulled, scratch
from benchmarks.beside_floor import Floor
from benchmarks.measure import Spent
from benchmarks.table import Table

ABOUT = "a first pull, an unchanged second one, and the floor"


def run(bench: Bench) -> None:
    """Measures and prints."""
    first: list[Pulled] = []
    again: list[Pulled] = []
    full: list[Pulled] = []
    floor: list[Spent] = []
    with bench.serving() as server, scratch() as folder:
        bare = Floor(bench, folder)
        for number in range(bench.repeat):
            with bench.database() as name:
                first.append(bench.pull(server, name))
                again.append(bench.pull(server, name))
                bench.pull(server, name, "--sweep")
                full.append(bench.pull(server, name, "--full"))
                # The first pull's rows are the floor's input. A floor follows each later pull, and one more at the end:
                # pulls and floors take turns, so that another load on the machine slows both.
                if number == 0:
                    bare.prepare(server, name)
                    continue
            floor.append(bare.run())
        floor.append(bare.run())
    _show(bench, first, again, full, floor)


def _show(bench: Bench, first: list[Pulled], again: list[Pulled], full: list[Pulled], floor: list[Spent]) -> None:
    items, pages = first[0].read, first[0].told["by"]["ItemsPage"] + first[0].told["by"]["NextItemsPage"]
    thousands = items / 1000
    walls = [run.spent.wall for run in first]
    table = Table(f"Pull: {bench.items:,} staff and {bench.items:,} projects, {bench.repeat} times")
    table.add("first run", walls, "s", 1)
    table.add("  the floor: the same pages, the same rows", [run.wall for run in floor], "s", 1)
    ratios = [wall / other.wall for wall, other in zip(walls, floor, strict=True)]
    table.add("  first run / floor", ratios, "x", at_most=2.0)
    table.add("  items a second", [items / wall for wall in walls], "", 0)
    table.add("second run, everything read again (--full)", [run.spent.wall for run in full], "s", 1)
    shares = [run.spent.wall / wall for run, wall in zip(full, walls, strict=True)]
    table.add("  second run / first run", shares, "x", at_most=0.8)
    table.add("second run, as usual", [run.spent.wall for run in again], "s")
    addresses = [run.spent.notes["address_seconds"] for run in first]
    table.add("CPU of the address library in the first run", addresses, "s")
    table.add("  and in the floor", [run.notes["address_seconds"] for run in floor], "s")
    table.add("  and in the second run", [run.spent.notes["address_seconds"] for run in full], "s")
    own = [run.spent.cpu - run.spent.notes["address_seconds"] for run in first]
    table.add("CPU of the process, less the library, per 1,000 items", [run / thousands for run in own], "s", 3)
    table.add("  and of the floor", [(run.cpu - run.notes["address_seconds"]) / thousands for run in floor], "s", 3)
    table.add("  and of the second run", [run.spent.cpu / thousands for run in full], "s", 3)
    table.add("CPU of PostgreSQL, per 1,000 items", [run.spent.postgres / thousands for run in first], "s", 3)
    table.add("  and for the floor", [run.postgres / thousands for run in floor], "s", 3)
    table.add("statements a page", [run.spent.notes["statements"] / pages for run in first], "", 1, 30)
    table.add("calls of the first run", first[0].told["calls"], "", 0, 2.3 * thousands + 6)
    table.add("  of a second run as usual", again[0].told["calls"], "", 0)
    table.add("  of a second run that reads everything, after a sweep of all ids", full[0].told["calls"], "", 0)
    table.add("complexity per 1,000 items", first[0].told["points"] / thousands, "points", 0)
    table.add("peak memory", [run.spent.memory / (1 << 20) for run in first], "MB", 0, 120)
    table.show()
