"""Measures a first pull of both boards and a second one without changes, against the floor (`benchmarks.floor`)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import psycopg2

from benchmarks.bench import Bench, Pulled, scratch
from benchmarks.boards import PAGE, PROJECT, mappings
from benchmarks.database import digest, filled_tables
from benchmarks.measure import Failed, Serving, Spent, spent
from benchmarks.table import Table
from services.monday.queries import ITEMS_PAGE, NEXT_ITEMS_PAGE, with_item
from values.addresses import Address, AddressParser

ABOUT = "a first pull, an unchanged second one, and the floor"

ADDRESS_COLUMNS = {"users": "text", "projects": "dup__of_job_address0__1"}


def run(bench: Bench) -> None:
    """Measures and prints."""
    first: list[Pulled] = []
    again: list[Pulled] = []
    full: list[Pulled] = []
    floor: list[Spent] = []
    with bench.serving() as server, scratch() as folder:
        for number in range(bench.repeat):
            with bench.database() as name:
                first.append(bench.pull(server, name))
                again.append(bench.pull(server, name))
                bench.pull(server, name, "--sweep")
                full.append(bench.pull(server, name, "--full"))
                # The first pull's rows are the floor's input. A floor follows each later pull, and one more at the end:
                # pulls and floors take turns, so that another load on the machine slows both.
                if number == 0:
                    _prepare_floor(bench, server, name, folder)
                    continue
            floor.append(_floor(bench, folder))
        floor.append(_floor(bench, folder))
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


# The floor


def _prepare_floor(bench: Bench, server: Serving, database: str, folder: Path) -> None:
    """Writes the input of the floor: the final rows as COPY text, the documents to send, the addresses to parse."""
    with bench.postgres.open(database) as db, db.transaction(read_only=True) as tx:
        tables = filled_tables(tx)
        rows = digest(tx, tables)
    with closing(psycopg2.connect(bench.postgres.url(database))) as connection, connection.cursor() as cursor:
        for name in tables:
            with open(folder / name, "wb") as file:
                cursor.copy_expert(f'copy "{name}" to stdout', file, 1 << 20)
    boards, addresses = [], []
    for entity, mapping in mappings().items():
        if entity in ADDRESS_COLUMNS:
            plan, lines = _board(bench, str(mapping.board_id), ADDRESS_COLUMNS[entity])
            boards.append(plan)
            addresses += lines
    plan = {"url": server.url, "boards": boards, "addresses": addresses, "tables": tables, "rows": rows}
    (folder / "plan.json").write_bytes(orjson.dumps(plan))


def _board(bench: Bench, board_id: str, column: str) -> tuple[dict[str, Any], list[str]]:
    folder = bench.rendering.folder / board_id
    index = orjson.loads((folder / "index.json").read_bytes())
    parser = _Noting()
    with open(folder / "items", "rb") as file:
        for place in index["places"][: bench.items]:
            file.seek(place[2])
            cells = orjson.loads(file.read(place[3] - place[2]))["column_values"]
            parser.parse(next((cell["text"] for cell in cells if cell["id"] == column), None))
    variables = {"limit": PAGE}
    first = {
        "query": with_item(ITEMS_PAGE, "id text value", True, False),
        "variables": variables | {"board": [board_id]},
    }
    following = {"query": with_item(NEXT_ITEMS_PAGE, "id text value", True, False), "variables": variables}
    return {"first": first, "next": following}, parser.lines


class _Noting(AddressParser):
    """Collects the addresses that the tool would give to the library, each once."""

    def __init__(self) -> None:
        super().__init__(remembered=1 << 20)
        self.lines: list[str] = []

    def _by_library(self, line: str) -> Address:
        self.lines.append(line)
        return Address()


def _floor(bench: Bench, folder: Path) -> Spent:
    """Runs the floor in a fresh database, and checks that it wrote the rows of the pull."""
    with bench.database() as name:
        environment = {"DATABASE_URL": bench.postgres.url(name), "PYTHONPATH": str(PROJECT)}
        done = spent("benchmarks.floor", str(folder), env=environment, postgres=bench.postgres.process)
        plan = orjson.loads((folder / "plan.json").read_bytes())
        with bench.postgres.open(name) as db, db.transaction(read_only=True) as tx:
            found = digest(tx, plan["tables"])
        if found != plan["rows"]:
            raise Failed("The floor wrote other rows than the pull.")
        return done
