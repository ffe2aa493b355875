"""Keeps the shipped boards in a sandbox and the company's tables in step, and edits them as users do on either side."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from databases.postgres.names import compose
from db_connector import Database
from models import Columns
from sandbox import Sandbox
from state import triggers
from sync.report import EntityReport
from tests.kit.boards import NAMES, TYPES
from tests.kit.pulls import Journey
from tests.kit.rows import COMPANY, rows
from tests.kit.shipped import MAPPINGS

SHAPES: dict[str, Any] = {
    "email": lambda value: {"email": value, "text": value},
    "phone": lambda value: {"phone": value, "countryShortName": "US"},
    "link": lambda value: {"url": value, "text": value},
    "date": lambda value: {"date": value},
}


class Company:
    """Holds one shipped entity on both sides."""

    def __init__(self, db: Database, sandbox: Sandbox, entity: str = "projects", **changed: Any) -> None:
        self.db, self.sandbox, self.entity = db, sandbox, entity
        self.mapping = replace(MAPPINGS[entity], **changed)
        self.board_id = str(self.mapping.board_id)
        self.journey = Journey(db, sandbox)
        self.journey.mappings[entity] = self.mapping
        for item in sandbox.admin("boards/snapshot", board_id=self.board_id):
            if item["state"] == "active":
                sandbox.admin("items/delete", item_id=item["id"])

    def close(self) -> None:
        self.journey.monday.close()

    # The tool

    def set_up(self) -> None:
        """Installs the triggers."""
        with self.db.transaction() as tx:
            triggers.install(tx, [self.mapping])

    def run(self, direction: str = "both", **options: Any) -> EntityReport:
        return self.journey.run(direction, self.entity, **options)

    def is_quiet(self, *directions: str) -> bool:
        """Says whether these runs write nothing on either side, and find nothing to write."""
        before = self.state()
        for direction in directions or ("push", "pull", "push", "both"):
            report = self.run(direction)
            if report.exit_code or report.to_monday.updated or report.to_monday.created or report.to_postgres.updated:
                return False
        return self.state() == before

    def state(self) -> list[Any]:
        """Returns all that the board and the tables show, with the times of both."""
        board = self.sandbox.admin("boards/snapshot", board_id=self.board_id)
        return [board, *(rows(self.db, table) for table in COMPANY)]

    # Users on the board

    def item(self, name: str = "Roof 1", **cells: Any) -> str:
        made = self.sandbox.admin("items/create", board_id=self.board_id, name=name, values=self._cells(cells))
        return str(made["id"])

    def edit(self, item_id: str, **cells: Any) -> None:
        self.sandbox.admin("items/change", item_id=item_id, values=self._cells(cells))

    def cell(self, item_id: str, name: str) -> str:
        """Returns the text of a cell, by the names of `tests.kit.boards`."""
        column = NAMES[self.entity][name]
        items = next(iter(self.journey.monday.items([item_id], Columns((column,)))))
        return str(items[0].cells[column].get("text") or "")

    def _cells(self, cells: dict[str, Any]) -> dict[str, Any]:
        columns = {NAMES[self.entity].get(name, name): value for name, value in cells.items()}
        return {
            column: SHAPES.get(TYPES.get(column, ""), lambda given: given)(value) if value else None
            for column, value in columns.items()
        }

    # Users with SQL

    def sql(self, statement: str, *params: Any) -> int:
        with self.db.transaction(tool=False) as tx:
            return int(tx.execute(compose(statement.replace("{", "{{").replace("}", "}}")), params))
