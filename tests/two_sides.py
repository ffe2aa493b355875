"""A board of contacts in a sandbox and the table of contacts in a database, kept in step: what people do on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from databases.postgres.names import compose
from db_connector import Database
from errors import SyncError
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from models import NO_CELLS, Columns
from monday_api import Monday
from sandbox import Sandbox
from state import triggers as state_triggers
from sync.board import BoardSync, PullOptions
from sync.report import EntityReport
from sync_monday_to_pg import Pull
from sync_pg_to_monday import push_board, sync_both_ways
from tests.builders import change, row, rows

PROJECT = Path(__file__).resolve().parent.parent
SHIPPED = load_mappings([PROJECT / "mappings"])
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
    """The shipped mapping of contacts, on that board, without its relation to organizations."""
    shipped = SHIPPED["contacts"]
    return replace(
        shipped,
        board_id=board_id,
        bindings=tuple(one for one in shipped.bindings if not one.link_to),
        places={name: place for name, place in shipped.places.items() if name != "organization_id"},
        rejected=frozenset({"organization"}),
        after=(),
        **changed,
    )


def mapping_file(board_id: str) -> str:
    """A mapping file of a user's own for that board."""
    fields = "".join(f"  - {{column: {one}, field: {one}}}\n" for one in ("name", "email", "phone", "role_title", "notes"))
    return (
        f"entity: contacts\nentity_type: contact\nboard: {{id: {board_id}}}\ntable: contacts\nrecord_settings: true\n"
        "match: email\nitem_name: [name]\nsync_id: {id: sync_id, title: Sync ID}\n"
        f"fields:\n{fields}"
    )


class TwoSides:
    """One entity on both sides. A record is named by its e-mail's first part."""

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
        """One run; a SyncError that ends it is raised."""
        writes = {"bidirectional": (True, True), "monday_to_pg": (True, False), "pg_to_monday": (False, True)}[direction]
        made = {"mappings": {**SHIPPED, "contacts": self.mapping}, "options": PullOptions(**options), "writes": writes}
        if direction == "pg_to_monday":
            return push_board(BoardSync(self.db, self.monday, self.mapping, self.board_id, **made))
        pull = Pull(self.db, self.monday, self.mapping, self.board_id, **made)
        return pull.run() if direction == "monday_to_pg" else sync_both_ways(pull)

    def run(self, directions: Sequence[str], **options: Any) -> list[EntityReport]:
        return [self.sync(direction, **options) for direction in directions]

    def code(self, direction: str = "bidirectional", **options: Any) -> int:
        """The exit code of a run."""
        try:
            return self.sync(direction, **options).exit_code
        except SyncError as exc:
            return exc.exit_code

    # People on the board

    def item(self, name: str = "ann", **fields: str | None) -> str:
        """Somebody makes an item; its id."""
        values = {"email": {"email": f"{name}@example.com", "text": f"{name}@example.com"}, **_cells(fields)}
        made = self.sandbox.admin("items/create", board_id=self.board_id, name=name, values=values)
        return str(made["id"])

    def pair(self, **fields: str) -> tuple[str, str]:
        """A record that is in step: the ids of its item and its row."""
        item_id = self.item(**fields)
        self.sync()
        return item_id, str(self.link(item_id)["entity_id"])

    def items(self, number: int, **fields: str) -> list[str]:
        """Many items, quickly."""
        made = [
            {"name": f"n{one}", "values": {"email": {"email": f"n{one}@example.com", "text": ""}, **_cells(fields)}}
            for one in range(number)
        ]
        return [str(one) for one in self.sandbox.admin("items/load", board_id=self.board_id, items=made)]

    def edit(self, item_id: str, **fields: str | None) -> None:
        self.sandbox.admin("items/change", item_id=item_id, values=_cells(fields))

    def act(self, what: str, item_id: str) -> None:
        """`archive`, `delete`, `restore`."""
        self.sandbox.admin(f"items/{what}", item_id=item_id)

    def on_board(self, item_id: str) -> str:
        """`A=a B=b` of an item, or its state when that is not active."""
        for items in self.monday.items([item_id], Columns(("role_title", "notes", "sync_id"))):
            for item in items:
                if item.state != "active":
                    return item.state
                return _shown({name: item.cells[column].get("text") for name, column in FIELDS.items()})
        return "gone"

    def board(self) -> list[str]:
        """`name A=a B=b` of all items."""
        snapshot = self.sandbox.admin("boards/snapshot", board_id=self.board_id)
        active = [item for item in snapshot if item["state"] == "active"]
        return sorted(f"{item['name']} {self.on_board(str(item['id']))}" for item in active)

    # People with SQL

    def insert(self, name: str = "ann", **fields: str | None) -> str:
        """Somebody makes a row; its id."""
        values = {"name": name, "email": f"{name}@example.com"}
        values |= {FIELDS.get(key, key): value for key, value in fields.items()}
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        statement = f"insert into contacts ({columns}) values ({marks}) returning id::text"
        found = self.db.execute_query(statement, list(values.values()))
        assert isinstance(found, list)
        return str(found[0]["id"])

    def person(self) -> Any:
        """A transaction that is not the tool's."""
        return self.db.transaction(tool=False)

    def sql(self, statement: str, *params: Any) -> int:
        with self.person() as tx:
            return int(tx.execute(compose(statement), params))

    def update(self, row_id: str, **fields: str | None) -> None:
        for name, value in fields.items():
            self.sql(f"update contacts set {FIELDS.get(name, name)} = %s where id::text = %s", value, row_id)

    def in_table(self, name: str = "ann") -> str:
        """`A=a B=b` of the rows with that e-mail, or `archived`, or `no row`."""
        found = rows(self.db, "contacts", email=f"{name}@example.com")
        shown = ["archived" if one["archived_at"] else _shown({key: one[FIELDS[key]] for key in FIELDS}) for one in found]
        return " and ".join(shown) or "no row"

    def link(self, item_id: str) -> dict[str, Any]:
        return row(self.db, "sync_mapping", monday_id=item_id)

    def conflicts(self) -> list[dict[str, Any]]:
        return rows(self.db, "sync_conflicts")

    def changed_in_postgres(self, item_id: str, **apart: float) -> None:
        """Let what waits in the outbox have happened that long after the item was updated."""
        (item,) = next(iter(self.monday.items([item_id], NO_CELLS)))
        at = datetime.fromisoformat(str(item.updated_at).replace("Z", "+00:00")) + timedelta(**apart)
        change(self.db, "update sync_outbox set changed_at = %s", at)


def _cells(fields: dict[str, str | None]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in fields.items():
        column = FIELDS.get(name, name)
        cells[column] = {"text": value or ""} if column == "notes" else value or ""
    return cells


def _shown(fields: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items() if value) or "empty"
