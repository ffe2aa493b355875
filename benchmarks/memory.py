"""Measures whether memory grows with the board: the same pull over a tenth of the items and over all."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.table import Table

ABOUT = "peak memory of a pull over a tenth of the items and over all"


def run(bench: Bench) -> None:
    """Measures and prints."""
    few = max(bench.items // 10, 500)
    peaks = {}
    for items in (few, bench.items):
        with bench.serving(items) as server, bench.database() as name:
            peaks[items] = bench.pull(server, name).spent.memory / (1 << 20)
    table = Table("Memory")
    table.add(f"peak over {2 * few:,} items", peaks[few], "MB", 0, 120)
    table.add(f"peak over {2 * bench.items:,} items", peaks[bench.items], "MB", 0, 120)
    table.add("  the larger / the smaller", peaks[bench.items] / peaks[few], "x", at_most=1.2)
    table.show()
