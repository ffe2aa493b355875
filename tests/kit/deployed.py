"""Deploys a board of a sandbox, by the command line, into a database of the test's own."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from msgspec import Struct
from ruamel.yaml import YAML

import main
from databases.postgres.catalogue import columns_in_order
from databases.postgres.names import compose, identifier, table_name
from db_connector import Database
from sandbox import Sandbox
from terminal import logs
from tests.kit.cli import Done, settings_for, without_settings

EVERYTHING = 7_810_000_303
BOARD = 99_000_001


class Deployment(Struct):
    """Holds what a test of deployed boards works with."""

    db: Database
    url: str
    home: Path
    sandbox: Sandbox

    @property
    def env(self) -> dict[str, str]:
        return settings_for(self.sandbox, self.url, MONDAY_GIVE_UP_AFTER="20", MONDAY_SYNC_HOME=str(self.home))

    def cli(self, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None) -> Done:
        """Runs a command line as `main.py` does, in this process: hundreds of them need not start Python anew.

        It must end with that `code`; None: however it ends.
        """
        out, err = io.StringIO(), io.StringIO()
        with _given({**self.env, **(env or {})}), redirect_stdout(out), redirect_stderr(err):
            try:
                main.script("", arguments)
            except SystemExit as exit:
                ended = exit.code
        assert code in (None, ended), f"exit {ended}\n{out.getvalue()}\n{err.getvalue()}"
        return Done(int(ended or 0), out.getvalue(), err.getvalue())

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.cli(*arguments, "--json", code=code).out)

    def board(
        self, *columns: tuple[str, str, str], items: int = 3, id: int = BOARD, name: str = "Planning", **values: Any
    ) -> str:
        """Makes a board with these columns (id, title, type) and some items."""
        made = [{"id": column, "title": title, "type": kind} for column, title, kind in columns]
        self.sandbox.admin("boards/create", id=id, name=name, columns=made)
        for number in range(items):
            self.sandbox.admin("items/create", board_id=id, name=f"Item {number + 1}", values=values)
        return str(id)

    def admin(self, call: str, **settings: Any) -> Any:
        """Does what a user does on the board of the test, or to an item of it."""
        return self.sandbox.admin(call, **({} if call.startswith("items/") else {"board_id": BOARD}), **settings)

    def ids(self, board: int = BOARD) -> list[int]:
        """Returns the ids of a board's items."""
        return [int(item["id"]) for item in self.sandbox.admin("boards/snapshot", board_id=board)]

    def cells(self, item_id: int, board: int = BOARD) -> dict[str, Any]:
        """Returns what an item shows on the board."""
        found = self.sandbox.admin("boards/snapshot", board_id=board)
        return next(item["cells"] for item in found if int(item["id"]) == item_id)

    def deploy(self, *more: str, board: str = str(BOARD), name: str = "planning") -> Done:
        return self.cli("boards", "deploy", "--board-id", board, "--name", name, "--yes", "--quiet", *more)

    def pull(self, name: str = "planning") -> Any:
        return self.json("run", "--entity", name)["entities"][0]

    def rows(self, table: str = "planning") -> list[dict[str, Any]]:
        found = self.db.execute_query(compose("select * from {table} order by 1", table=table_name(table)))
        assert isinstance(found, list)
        return found

    def column(self, name: str, table: str = "planning") -> list[Any]:
        return [row[name] for row in self.rows(table)]

    def columns(self, table: str = "planning") -> list[str]:
        with self.db.transaction(read_only=True) as tx:
            return [column.name for column in columns_in_order(tx, table)]

    def reached(self, query: str) -> bool:
        """Tells whether a query about {key} of a table that another process makes has an answer by now."""
        with self.db.transaction(read_only=True) as tx:
            if tx.value("select to_regclass('planning')") is None:
                return False
            return tx.value(compose(query, key=identifier("Item ID"))) is not None

    def sql(self, statement: str, **names: str) -> int:
        touched = self.db.execute_query(
            compose(statement, **{key: identifier(name) for key, name in names.items()}), fetch=False
        )
        assert isinstance(touched, int)
        return touched

    def mapping_path(self, name: str = "planning") -> Path:
        return self.home / "mappings" / f"{name}.yaml"

    def mapping(self, name: str = "planning") -> Any:
        return YAML(typ="safe").load(self.mapping_path(name).read_text(encoding="utf-8"))

    def entry(self, column: str, name: str = "planning") -> dict[str, Any]:
        (found,) = [entry for entry in self.mapping(name)["fields"] if entry["column"] == column]
        return dict(found)

    def set(self, key: str, value: str, name: str = "planning") -> None:
        """Changes a line of the mapping, as a user does with an editor."""
        text = self.mapping_path(name).read_text(encoding="utf-8")
        lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in text.splitlines()]
        self.mapping_path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def deployment(db: Database, url: str, home: Path, boards: str = "empty:0") -> Iterator[Deployment]:
    """Starts a sandbox for boards to deploy."""
    with Sandbox(boards=boards, seed=1, limits="off") as sandbox:
        yield Deployment(db, url, home, sandbox)


@contextmanager
def _given(env: dict[str, str]) -> Iterator[None]:
    """Gives these settings and no others; afterwards environment, signals and the log are as they were."""
    before, terminate = dict(os.environ), signal.getsignal(signal.SIGTERM)
    kept = list(logs.log.handlers), logs.log.level, logs.log.propagate
    given = {**without_settings(), **env}
    try:
        os.environ.clear()
        os.environ.update(given)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        signal.signal(signal.SIGTERM, terminate)
        for handler in logs.log.handlers:
            handler.close()
        logs.log.handlers, logs.log.level, logs.log.propagate = kept
