"""The pull of both boards into an empty database, and again with nothing changed, held against the floor."""

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
    """Measure and print."""
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
                if number == 0:
                    _prepare_floor(bench, server, name, folder)
                    continue
            floor.append(_floor(bench, folder))
        floor.append(_floor(bench, folder))
    _show(bench, first, again, full, floor)


def _show(bench: Bench, first: list[Pulled], again: list[Pulled], full: list[Pulled], floor: list[Spent]) -> None:
    items, pages = first[0].read, first[0].told["by"]["ItemsPage"] + first[0].told["by"]["NextItemsPage"]
    thousands = items / 1000
    walls = [one.spent.wall for one in first]
    table = Table(f"Pull: {bench.items:,} staff and {bench.items:,} projects, {bench.repeat} times")
    table.add("first run", walls, "s", 1)
    table.add("  the floor: the same pages, the same rows", [one.wall for one in floor], "s", 1)
    ratios = [wall / other.wall for wall, other in zip(walls, floor, strict=True)]
    table.add("  first run / floor", ratios, "x", at_most=2.0)
    table.add("  items a second", [items / wall for wall in walls], "", 0)
    table.add("second run, everything read again (--full)", [one.spent.wall for one in full], "s", 1)
    shares = [one.spent.wall / wall for one, wall in zip(full, walls, strict=True)]
    table.add("  second run / first run", shares, "x", at_most=0.8)
    table.add("second run, as usual", [one.spent.wall for one in again], "s")
    addresses = [one.spent.notes["address_seconds"] for one in first]
    table.add("CPU of the address library in the first run", addresses, "s")
    table.add("  and in the floor", [one.notes["address_seconds"] for one in floor], "s")
    table.add("  and in the second run", [one.spent.notes["address_seconds"] for one in full], "s")
    own = [one.spent.cpu - one.spent.notes["address_seconds"] for one in first]
    table.add("CPU of the process, less the library, per 1,000 items", [one / thousands for one in own], "s", 3)
    table.add("  and of the floor", [(one.cpu - one.notes["address_seconds"]) / thousands for one in floor], "s", 3)
    table.add("  and of the second run", [one.spent.cpu / thousands for one in full], "s", 3)
    table.add("CPU of PostgreSQL, per 1,000 items", [one.spent.postgres / thousands for one in first], "s", 3)
    table.add("  and for the floor", [one.postgres / thousands for one in floor], "s", 3)
    table.add("statements a page", [one.spent.notes["statements"] / pages for one in first], "", 1, 30)
    table.add("calls of the first run", first[0].told["calls"], "", 0, 2.3 * thousands + 6)
    table.add("  of a second run as usual", again[0].told["calls"], "", 0)
    table.add("  of a second run that reads everything, after a sweep of all ids", full[0].told["calls"], "", 0)
    table.add("complexity per 1,000 items", first[0].told["points"] / thousands, "points", 0)
    table.add("peak memory", [one.spent.memory / (1 << 20) for one in first], "MB", 0, 120)
    table.show()


# The floor


def _prepare_floor(bench: Bench, server: Serving, database: str, folder: Path) -> None:
    """What the floor is given: the final rows as COPY text, what to ask, which addresses to take apart."""
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
    variables = {"limit": PAGE, "columns": index["columns"]}
    first = {"query": with_item(ITEMS_PAGE, "id text value", True), "variables": variables | {"board": [board_id]}}
    following = {"query": with_item(NEXT_ITEMS_PAGE, "id text value", True), "variables": variables}
    return {"first": first, "next": following}, parser.lines


class _Noting(AddressParser):
    """Notes what would be given to the library, each line once."""

    def __init__(self) -> None:
        super().__init__(remembered=1 << 20)
        self.lines: list[str] = []

    def _by_library(self, line: str) -> Address:
        self.lines.append(line)
        return Address()


def _floor(bench: Bench, folder: Path) -> Spent:
    with bench.database() as name:
        environment = {"DATABASE_URL": bench.postgres.url(name), "PYTHONPATH": str(PROJECT)}
        done = spent("benchmarks.floor", str(folder), env=environment, postgres=bench.postgres.process)
        plan = orjson.loads((folder / "plan.json").read_bytes())
        with bench.postgres.open(name) as db, db.transaction(read_only=True) as tx:
            found = digest(tx, plan["tables"])
        if found != plan["rows"]:
            raise Failed("The floor wrote other rows than the pull.")
        return done
