"""Keeps a board of contacts in a sandbox and the table of contacts in step, and edits them as users do on either side."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from databases.postgres.names import compose
from db_connector import Database
from errors import SyncError
from mappings.declaration import Mapping
from models import NO_CELLS, Columns
from monday_api import Monday
from sandbox import Sandbox
from state import triggers as state_triggers
from sync.report import EntityReport
from tests.kit.rows import change, row, rows
from tests.kit.runs import parts_of, run
from tests.kit.shipped import MAPPINGS

COLUMNS = [
    {"id": "email", "title": "Email", "type": "email"},
    {"id": "phone", "title": "Phone", "type": "phone"},
    {"id": "role_title", "title": "Role", "type": "text"},
    {"id": "notes", "title": "Notes", "type": "long_text"},
    {"id": "sync_id", "title": "Sync ID", "type": "text"},
]
FIELDS = {"A": "role_title", "B": "notes"}

BOTH = ("bidirectional",)
PULL_FIRST = ("monday_to_pg", "pg_to_monday")
PUSH_FIRST = ("pg_to_monday", "monday_to_pg")
WAYS = {"both": BOTH, "pull first": PULL_FIRST, "push first": PUSH_FIRST}


def contacts(board_id: str, **changed: Any) -> Mapping:
    """Returns the shipped mapping of contacts, on that board, without its relation to organizations."""
    shipped = MAPPINGS["contacts"]
    return replace(
        shipped,
        board_id=board_id,
        bindings=tuple(binding for binding in shipped.bindings if not binding.link_to),
        places={name: place for name, place in shipped.places.items() if name != "organization_id"},
        rejected=frozenset({"organization"}),
        after=(),
        **changed,
    )


def mapping_file(board_id: str) -> str:
    """Returns a mapping file of a user's own for that board."""
    names = ("name", "email", "phone", "role_title", "notes")
    fields = "".join(f"  - {{column: {name}, field: {name}}}\n" for name in names)
    return (
        f"entity: contacts\nentity_type: contact\nboard: {{id: {board_id}}}\ntable: contacts\nrecord_settings: true\n"
        "match: email\nitem_name: [name]\nsync_id: {id: sync_id, title: Sync ID}\n"
        f"fields:\n{fields}"
    )


class TwoSides:
    """Holds one entity on both sides. A record is named by its e-mail's first part."""

    def __init__(
        self, db: Database, sandbox: Sandbox, triggers: bool = True, columns: Sequence[Any] = COLUMNS, **changed: Any
    ) -> None:
        self.db, self.sandbox = db, sandbox
        self.board_id = str(sandbox.admin("boards/create", name="People", columns=list(columns))["id"])
        self.mapping = contacts(self.board_id, **changed)
        self.monday = Monday(token=sandbox.token, url=sandbox.graphql_url)
        if triggers:
            with db.transaction() as tx:
                state_triggers.install(tx, [self.mapping])

    def close(self) -> None:
        self.monday.close()

    # The tool

    def sync(self, direction: str = "bidirectional", **options: Any) -> EntityReport:
        """Runs once. Raises the SyncError that ends the run."""
        parts = parts_of(self.db, self.monday, {**MAPPINGS, "contacts": self.mapping})
        return run(direction, parts, self.mapping, **options)

    def run(self, directions: Sequence[str], **options: Any) -> list[EntityReport]:
        return [self.sync(direction, **options) for direction in directions]

    def code(self, direction: str = "bidirectional", **options: Any) -> int:
        """Runs once, and returns the exit code."""
        try:
            return self.sync(direction, **options).exit_code
        except SyncError as exc:
            return exc.exit_code

    # Users on the board

    def item(self, name: str = "ann", **fields: str | None) -> str:
        """Makes an item, and returns its id."""
        values = {"email": {"email": f"{name}@example.com", "text": f"{name}@example.com"}, **_cells(fields)}
        made = self.sandbox.admin("items/create", board_id=self.board_id, name=name, values=values)
        return str(made["id"])

    def pair(self, **fields: str) -> tuple[str, str]:
        """Makes a record that is in step. Returns the ids of its item and its row."""
        item_id = self.item(**fields)
        self.sync()
        return item_id, str(self.link(item_id)["entity_id"])

    def items(self, number: int, **fields: str) -> list[str]:
        """Makes many items, quickly."""
        made = [
            {"name": f"n{each}", "values": {"email": {"email": f"n{each}@example.com", "text": ""}, **_cells(fields)}}
            for each in range(number)
        ]
        return [str(item_id) for item_id in self.sandbox.admin("items/load", board_id=self.board_id, items=made)]

    def edit(self, item_id: str, **fields: str | None) -> None:
        self.sandbox.admin("items/change", item_id=item_id, values=_cells(fields))

    def act(self, what: str, item_id: str) -> None:
        """Acts on an item: `archive`, `delete`, `restore`."""
        self.sandbox.admin(f"items/{what}", item_id=item_id)

    def on_board(self, item_id: str) -> str:
        """Returns `A=a B=b` of an item, or its state when that is not active."""
        for items in self.monday.items([item_id], Columns(("role_title", "notes", "sync_id"))):
            for item in items:
                if item.state != "active":
                    return item.state
                return _shown({name: item.cells[column].get("text") for name, column in FIELDS.items()})
        return "gone"

    def board(self) -> list[str]:
        """Returns `name A=a B=b` of all items."""
        snapshot = self.sandbox.admin("boards/snapshot", board_id=self.board_id)
        active = [item for item in snapshot if item["state"] == "active"]
        return sorted(f"{item['name']} {self.on_board(str(item['id']))}" for item in active)

    # Users with SQL

    def insert(self, name: str = "ann", **fields: str | None) -> str:
        """Makes a row, and returns its id."""
        values: dict[str, str | None] = {"name": name, "email": f"{name}@example.com"}
        values |= {FIELDS.get(key, key): value for key, value in fields.items()}
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        statement = f"insert into contacts ({columns}) values ({marks}) returning id::text"
        found = self.db.execute_query(statement, list(values.values()))
        assert isinstance(found, list)
        return str(found[0]["id"])

    def person(self) -> Any:
        """Opens a transaction that is not the tool's."""
        return self.db.transaction(tool=False)

    def sql(self, statement: str, *params: Any) -> int:
        with self.person() as tx:
            return int(tx.execute(compose(statement), params))

    def update(self, row_id: str, **fields: str | None) -> None:
        for name, value in fields.items():
            self.sql(f"update contacts set {FIELDS.get(name, name)} = %s where id::text = %s", value, row_id)

    def in_table(self, name: str = "ann") -> str:
        """Returns `A=a B=b` of the rows with that e-mail, or `archived`, or `no row`."""
        found = rows(self.db, "contacts", email=f"{name}@example.com")
        shown = [
            "archived" if row["archived_at"] else _shown({name: row[column] for name, column in FIELDS.items()})
            for row in found
        ]
        return " and ".join(shown) or "no row"

    def link(self, item_id: str) -> dict[str, Any]:
        return row(self.db, "sync_mapping", monday_id=item_id)

    def conflicts(self) -> list[dict[str, Any]]:
        return rows(self.db, "sync_conflicts")

    def changed_in_postgres(self, item_id: str, **apart: float) -> None:
        """Dates what waits in the outbox that long after the item was updated."""
        (item,) = next(iter(self.monday.items([item_id], NO_CELLS)))
        at = datetime.fromisoformat(str(item.updated_at).replace("Z", "+00:00")) + timedelta(**apart)
        change(self.db, "update sync_outbox set changed_at = %s", at)


def _cells(fields: Map[str, str | None]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in fields.items():
        column = FIELDS.get(name, name)
        cells[column] = {"text": value or ""} if column == "notes" else value or ""
    return cells


def _shown(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items() if value) or "empty"
