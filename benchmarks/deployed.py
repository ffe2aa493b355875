"""Measures a table made by `boards deploy`: its first load against the staff mapping's, and how long readers wait.

`python -m benchmarks.deployed DATABASE_URL KEYS` is the reader: every 10 ms it selects rows from all parts of the table,
until its standard input ends, and prints what it found as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.bench import Bench, scratch
from benchmarks.boards import PROJECT, TOKEN, mappings, rendered, sandbox
from benchmarks.measure import Serving, Spent, serving, spent
from benchmarks.table import Table
from mappings.declaration import Mapping
from mappings.loader import load_mapping

ABOUT = "the first load of a deployed board, and how long readers wait in a reload"

NAME, BOARD = "deployed_staff", "users"
LOOKED_AT = 500
POLL_S = 0.010
EDITED = "changed by hand"
LOOK = """
select count(*), count(*) filter (where "Name" = %s)
from deployed_staff
where "Item ID" = any(%s)
"""


def run(bench: Bench) -> None:
    """Measures and prints."""
    board_id = str(mappings()[BOARD].board_id)
    loads: list[Spent] = []
    shipped: list[float] = []
    with scratch() as folder:
        mapping = proposed(folder, BOARD, NAME)
        rendering = rendered(bench.items, {BOARD: mapping}, "deployed")
        for number in range(bench.repeat):
            with bench.serving() as server, bench.database() as name:
                shipped.append(bench.pull(server, name, "--entity", BOARD).spent.wall)
            with serving(rendering, bench.items) as server, bench.database() as name:
                loads.append(_command(bench, server, name, "deploy", "--board-id", board_id, "--name", NAME, "--yes"))
                if number == bench.repeat - 1:
                    reload, seen = _reload_while_read(bench, server, name)
                Path(bench.home, "mappings", f"{NAME}.yaml").unlink()
    table = Table(f"A deployed board: {bench.items:,} staff, {bench.repeat} times")
    columns = [len(_columns(folder_of)) for folder_of in (bench.rendering.folder, rendering.folder)]
    table.add("first load by the shipped mapping", shipped, "s", 1)
    table.add("  columns read", columns[0], "", 0)
    table.add("first load by `boards deploy`", [load.wall for load in loads], "s", 1)
    table.add("  columns read", columns[1], "", 0)
    ratios = [load.wall / columns[1] / (wall / columns[0]) for load, wall in zip(loads, shipped, strict=True)]
    table.add("  a cell, deployed / shipped", ratios, "x", 2, 1.5)
    table.add("  peak memory", [load.memory / (1 << 20) for load in loads], "MB", 0)
    table.add("reload of a table of which every row differs", reload.wall, "s", 1)
    table.add("  the longest that a reader waited", seen["longest_ms"], "ms", 0, 100)
    table.add("  its looks", seen["looks"], "", 0)
    table.add("  errors, and tables that were empty or half", seen["errors"] + seen["mixed"], "", 0, 0)
    table.show()


def proposed(folder: Path, entity: str, name: str) -> Mapping:
    """Returns the mapping that a deploy would make of the entity's board, with every column, for a table `name`."""
    from boards.proposal import propose
    from boards.types_of_tables import load_types
    from monday_api import Monday

    with sandbox(f"{entity}:1") as url, Monday(token=TOKEN, url=url) as monday:
        board = monday.board(str(mappings()[entity].board_id))
    path = folder / f"{name}.yaml"
    path.write_text(propose(board, name, name, load_types(folder)).text(), encoding="utf-8")
    return load_mapping(path)


def _columns(folder: Path) -> list[str]:
    index = folder / str(mappings()[BOARD].board_id) / "index.json"
    columns: list[str] = orjson.loads(index.read_bytes())["columns"]
    return columns


def _command(bench: Bench, server: Serving, database: str, *arguments: str) -> Spent:
    return spent(
        "benchmarks.command",
        "boards",
        *arguments,
        "--json",
        env=bench.settings(server, database),
        postgres=bench.postgres.process,
    )


def _reload_while_read(bench: Bench, server: Serving, database: str) -> tuple[Spent, dict[str, Any]]:
    """Reloads the table while the reader runs, and returns the cost of the reload and what the reader found."""
    with bench.postgres.open(database) as db:
        db.execute_query(f'update {NAME} set "Name" = %s', (EDITED,), fetch=False)
        with db.transaction(read_only=True) as tx:
            keys = [row[0] for row in tx.rows(f'select "Item ID" from {NAME} order by 1')]
    step = max(1, len(keys) // LOOKED_AT)
    with _reader(bench.postgres.url(database), keys[::step]) as reader:
        reload = _command(bench, server, database, "reload", NAME)
    return reload, json.loads(reader.out)


class _Reader:
    """Holds what the reader printed."""

    out = ""


@contextmanager
def _reader(url: str, keys: list[int]) -> Iterator[_Reader]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.deployed", url, json.dumps(keys)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    reader = _Reader()
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    try:
        yield reader
    finally:
        reader.out, _ = process.communicate("")  # the end of its input ends it


def read(url: str, keys: list[int]) -> dict[str, Any]:
    """Selects these rows again and again, and returns the longest time, and how many looks failed or found a mixture."""
    import psycopg2

    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor, ended = connection.cursor(), threading.Event()
    threading.Thread(target=_until_end_of_input, args=(ended,), daemon=True).start()
    looks, longest, mixed, errors = 0, 0.0, 0, 0
    print("ready", flush=True)
    while not ended.wait(POLL_S):
        begun = time.perf_counter()
        try:
            cursor.execute(LOOK, (EDITED, keys))
            found, old = cursor.fetchone() or (0, 0)
            # Rows are missing, or old and new rows are there together.
            mixed += found != len(keys) or old not in (0, found)
        except psycopg2.Error:
            errors += 1
        longest, looks = max(longest, time.perf_counter() - begun), looks + 1
    return {"looks": looks, "longest_ms": longest * 1000, "mixed": mixed, "errors": errors}


def _until_end_of_input(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1], json.loads(sys.argv[2]))))
