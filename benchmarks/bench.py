"""Holds what every benchmark receives: number of items, number of repeats, rendered boards, database server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.boards import TOKEN, Rendering, rendered
from benchmarks.database import Postgres
from benchmarks.measure import Serving, Spent, serving, spent


class Bench(Struct, dict=True):
    """Holds the settings, the boards and the database server of a benchmark."""

    items: int
    """Items of each board."""
    repeat: int
    postgres: Postgres
    home: Path
    rows: int = 100_000
    """Rows of the query of syncs."""

    @cached_property
    def rendering(self) -> Rendering:
        """Renders the boards when they are first needed."""
        return rendered(self.items)

    @contextmanager
    def serving(self, items: int | None = None, *more: str) -> Iterator[Serving]:
        """Serves the rendered boards, or only the first `items` items of each."""
        with serving(self.rendering, self.items if items is None else items, *more) as server:
            yield server

    @contextmanager
    def database(self) -> Iterator[str]:
        """Makes a fresh database for one measurement, and returns its name."""
        name = self.postgres.fresh()
        try:
            yield name
        finally:
            self.postgres.drop(name)

    def settings(self, server: Serving, database: str) -> dict[str, str]:
        """Returns the environment of the tool."""
        return {
            "MONDAY_API_KEY": TOKEN,
            "MONDAY_API_URL": server.url,
            "DATABASE_URL": self.postgres.url(database),
            "MONDAY_SYNC_HOME": str(self.home),
        }

    def pull(self, server: Serving, database: str, *options: str, program: str = "benchmarks.command") -> Pulled:
        """Runs `main.py monday-to-pg --json` as a child."""
        server.forget()
        done = spent(
            program,
            "monday-to-pg",
            "--json",
            *options,
            env=self.settings(server, database),
            postgres=self.postgres.process,
        )
        return Pulled(done, json.loads(done.out), server.told())


class Pulled(Struct, frozen=True):
    """Describes a pull: its cost, its report, and the calls that the server counted."""

    spent: Spent
    report: dict[str, Any]
    told: dict[str, Any]

    @property
    def read(self) -> int:
        """Returns the number of items read."""
        return sum(entity["read"] for entity in self.report["entities"])


@contextmanager
def scratch() -> Iterator[Path]:
    """Makes a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="monday-sync-bench-") as folder:
        yield Path(folder)
