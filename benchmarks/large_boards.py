"""Measures what reading a large board costs, against the limits of monday.com and against a bare loop.

`python -m benchmarks.large_boards URL BOARD` is the bare loop: it reads pages of 500 items, one after another, and does
nothing with them. `... --budget` measures how much of the permitted complexity is used when the limit is low.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bench import Bench, Pulled
from benchmarks.boards import PAGE, mappings
from benchmarks.measure import Serving, Spent, spent
from benchmarks.table import Table

ABOUT = "calls, complexity, and several cursors at 300 ms and 1 s a call"

ENTITY = "users"
MOST = 20_000
POINTS_A_MINUTE = 10_000_000


def run(bench: Bench) -> None:
    """Measures and prints."""
    items = min(bench.items, MOST)
    table = Table(f"Large boards: {items:,} items")
    with bench.serving(items) as server:
        _costs(bench, server, table, items / 1000)
    share = spent("benchmarks.large_boards", "--budget").notes
    table.add("share of the permitted complexity that is used", 100 * share["used"], "%", 0)
    table.add("  calls refused, a window", share["refused"], "", 2, 1)
    for name, largest in (("groups alike", "0.2"), ("one group with 85 % of them", "0.85")):
        with bench.serving(items, "--latency", "0.3", "--largest-group", largest) as server:
            bare = _bare(bench, server)
            single, four = (_timed(bench, server, workers) for workers in ("1", "4"))
        table.add(f"300 ms a call, {name}: the bare loop", bare.wall, "s", 1)
        table.add("  one cursor / the bare loop", single.spent.wall / bare.wall, "x", 2, 1.10)
        table.add("  four at once / the bare loop", four.spent.wall / bare.wall, "x", 2, 0.50)
    with bench.serving(items, "--latency", "1", "--largest-group", "0.85") as server:
        slow = _timed(bench, server, "4")
    table.add("items a second at 1 s a call, four at once (goal: 1,000)", items / slow.spent.wall, "", 0)
    table.show()


def _costs(bench: Bench, server: Serving, table: Table, thousands: float) -> None:
    """Measures calls and complexity of the kinds of reading, one after another in one database."""
    with bench.database() as name:
        kinds = {"first": (), "full": ("--full",), "unchanged": (), "sweep": ("--sweep",)}
        told = {kind: bench.pull(server, name, "--entity", ENTITY, *how).told for kind, how in kinds.items()}
    for kind, words in (("first", "a first read"), ("full", "a full read, with the ids first")):
        table.add(f"calls per 1,000 items, {words}", told[kind]["calls"] / thousands, "", 2)
        table.add("  complexity", told[kind]["points"] / thousands, "points", 0)
    table.add("calls of an incremental read of an unchanged board", told["unchanged"]["calls"], "", 0, 5)
    table.add("  complexity", told["unchanged"]["points"], "points", 0)
    table.add("calls of a sweep per 1,000 items", told["sweep"]["calls"] / thousands, "", 2)


def _timed(bench: Bench, server: Serving, workers: str) -> Pulled:
    with bench.database() as name:
        return bench.pull(server, name, "--entity", ENTITY, "--max-workers", workers)


def _bare(bench: Bench, server: Serving) -> Spent:
    board = str(mappings()[ENTITY].board_id)
    return spent("benchmarks.large_boards", server.url, board)


def bare_loop(url: str, board: str) -> None:
    """Reads all pages of a board."""
    import requests

    from services.monday.queries import ITEMS_PAGE, NEXT_ITEMS_PAGE, with_item

    first, following = (with_item(text, "id text value", True, False) for text in (ITEMS_PAGE, NEXT_ITEMS_PAGE))
    ask: dict[str, Any] = {"query": first, "variables": {"board": [board], "limit": PAGE}}
    with requests.Session() as session:
        while True:
            data = orjson.loads(session.post(url, data=orjson.dumps(ask)).content)["data"]
            page = data["next_items_page"] if "next_items_page" in data else data["boards"][0]["items_page"]
            if page["cursor"] is None:
                return
            ask = {"query": following, "variables": {"cursor": page["cursor"], "limit": PAGE}}


def budget() -> None:
    """Measures the share of the complexity limit that is used when the client asks for more than the smallest plan has."""
    from models import Columns
    from monday_api import Monday
    from sandbox import Sandbox
    from tests.kit.clocks import SharedClock

    with Sandbox(boards="projects:3", limits="standard") as sandbox:
        # A wait moves the stand-in's clock ahead instead of taking time.
        clock = SharedClock(sandbox.url, sandbox.token)
        with Monday(token=sandbox.token, url=sandbox.graphql_url, clock=clock) as client:
            board = client.board("6727219152")
            columns = [column.id for column in board.columns if column.id != "name"]
            begun = clock.monotonic()
            for _ in range(400):
                list(client.pages(board.id, Columns(tuple(columns))))
            minutes = (clock.monotonic() - begun) / 60
            counted, repeated = sandbox.admin("counters"), client.stats.retries_total
    used = counted["complexity"] / (POINTS_A_MINUTE * max(1.0, minutes))
    refused = (counted["requests"] - counted["http_200"] + repeated) / max(1.0, minutes)
    Path(os.environ["BENCHMARK_NOTES"]).write_bytes(orjson.dumps({"used": used, "refused": refused}))


if __name__ == "__main__":
    if sys.argv[1] == "--budget":
        budget()
    else:
        bare_loop(sys.argv[1], sys.argv[2])
