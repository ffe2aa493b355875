"""Measures the client alone: from the request to typed items, of which nothing is kept."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measure import spent
from benchmarks.table import Table

ABOUT = "the client's own CPU, from the request to typed items"


def run(bench: Bench) -> None:
    """Measures and prints."""
    items = 2 * bench.items
    with bench.serving() as server:
        done = [spent("benchmarks.client", server.url) for _ in range(bench.repeat)]
        idle = [spent("benchmarks.client") for _ in range(bench.repeat)]
    table = Table(f"Client: {bench.items:,} staff and {bench.items:,} projects as typed items, {bench.repeat} times")
    used = [run.cpu - other.cpu for run, other in zip(done, idle, strict=True)]
    table.add("CPU per 1,000 items", [cpu / items * 1000 for cpu in used], "s", 3, 0.10)
    table.add("items a second", [items / (run.wall - other.wall) for run, other in zip(done, idle, strict=True)], "", 0)
    table.add("peak memory", [run.memory / (1 << 20) for run in done], "MB", 0)
    table.show()


def main(url: str | None) -> None:
    """Reads both boards, as a child process; without an address, only imports, to measure the start-up."""
    from benchmarks.boards import ENTITIES, TOKEN, mappings
    from mappings.bound import bind
    from monday_api import Monday
    from services.monday.cells.kinds import MONDAY_KINDS

    known = mappings()
    if url is None:
        return
    with Monday(token=TOKEN, url=url) as monday:
        for name in ENTITIES:
            board = monday.board(str(known[name].board_id))
            bound = bind(known[name], board, MONDAY_KINDS)
            for _ in monday.pages(board.id, bound.wanted):
                pass


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main(sys.argv[1] if len(sys.argv) > 1 else None)
