"""Prepares the floor (`benchmarks.floor`) from the rows that a pull has left, and runs it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import psycopg2
from msgspec import Struct

from benchmarks.bench import Bench
from benchmarks.boards import PAGE, PROJECT, mappings
from benchmarks.database import digest, filled_tables
from benchmarks.measure import Failed, Serving, Spent, spent
from services.monday.queries import ITEMS_PAGE, NEXT_ITEMS_PAGE, with_item
from values.addresses import Address, AddressParser

ADDRESS_COLUMNS = {"users": "text", "projects": "dup__of_job_address0__1"}


class Floor(Struct, frozen=True):
    """Knows the boards of a pull, and the folder that holds the rows that it has left."""

    bench: Bench
    folder: Path
    entities: Collection[str] = tuple(ADDRESS_COLUMNS)

    def prepare(self, server: Serving, database: str) -> None:
        """Writes the input of the floor: the final rows as COPY text, the documents to send, the addresses to parse."""
        postgres = self.bench.postgres
        with postgres.open(database) as db, db.transaction(read_only=True) as tx:
            tables = filled_tables(tx)
            rows = digest(tx, tables)
        with closing(psycopg2.connect(postgres.url(database))) as connection, connection.cursor() as cursor:
            for name in tables:
                with open(self.folder / name, "wb") as file:
                    cursor.copy_expert(f'copy "{name}" to stdout', file, 1 << 20)
        boards, addresses = [], []
        for entity, mapping in mappings().items():
            if entity in self.entities:
                plan, lines = self._board(str(mapping.board_id), ADDRESS_COLUMNS[entity])
                boards.append(plan)
                addresses += lines
        plan = {"url": server.url, "boards": boards, "addresses": addresses, "tables": tables, "rows": rows}
        (self.folder / "plan.json").write_bytes(orjson.dumps(plan))

    def _board(self, board_id: str, column: str) -> tuple[dict[str, Any], list[str]]:
        folder = self.bench.rendering.folder / board_id
        index = orjson.loads((folder / "index.json").read_bytes())
        parser = _Noting()
        with open(folder / "items", "rb") as file:
            for place in index["places"][: self.bench.items]:
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

    def run(self) -> Spent:
        """Runs the floor in a fresh database, and checks that it wrote the rows of the pull."""
        bench = self.bench
        with bench.database() as name:
            environment = {"DATABASE_URL": bench.postgres.url(name), "PYTHONPATH": str(PROJECT)}
            done = spent("benchmarks.floor", str(self.folder), env=environment, postgres=bench.postgres.process)
            plan = orjson.loads((self.folder / "plan.json").read_bytes())
            with bench.postgres.open(name) as db, db.transaction(read_only=True) as tx:
                found = digest(tx, plan["tables"])
            if found != plan["rows"]:
                raise Failed("The floor wrote other rows than the pull.")
            return done


class _Noting(AddressParser):
    """Collects the addresses that the tool would give to the library, each once."""

    def __init__(self) -> None:
        super().__init__(remembered=1 << 20)
        self.lines: list[str] = []

    def _by_library(self, line: str) -> Address:
        self.lines.append(line)
        return Address()
