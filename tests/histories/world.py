"""Holds both sides of a history: the board in a sandbox, the tables in a database, and what each shows.

`World` is shared by the histories of a process. `Sides` is what one of them works on: a board of its own, and tables
that were emptied for it.
"""

from __future__ import annotations

import time
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from databases.postgres.names import compose
from db_connector import Database
from monday_api import Limits, Monday
from sandbox import Sandbox
from state import triggers as state_triggers
from tests.histories.profiles import JOBS_TABLES, Profile, jobs_profile, projects_profile
from tests.histories.values import Field, Fields, plain, shown
from tests.kit.clocks import PatientClock
from tests.kit.relay import Relay
from tests.kit.shipped import MAPPINGS

MEMORY = (
    "sync_mapping",
    "sync_intents",
    "sync_skipped",
    "sync_logs",
    "sync_runs",
    "sync_inbox",
    "sync_outbox",
    "sync_conflicts",
    "sync_listing",
)


class Setup(Struct):
    """Says how a history begins."""

    profile: str = "jobs"
    rule: str = "newest"
    item_removed: str = "archive"
    row_removed: str = "archive"
    triggers: bool = True
    sync_id: bool = True
    skew: float = 0.0
    """Seconds by which monday.com's clock is ahead."""
    without_key: str = "own"
    key_changed: str = "rename"
    at_last: str = "monday"
    """The side that wins what is held at the end."""


class BoardItem(Struct, frozen=True):
    """Holds what an item shows."""

    id: str
    state: str
    code: str | None
    fields: Fields


class TableRow(Struct, frozen=True):
    """Holds what a row shows, as plain SQL has it."""

    id: str
    archived: bool
    code: str | None
    shared: str | None
    """The id of its shared row."""
    in_document: bool
    """Whether the cells that have no shared row stand in the row's own JSON column instead."""
    fields: Fields


class World:
    """Holds a sandbox and a database, for one history after another."""

    def __init__(self, connection: dict[str, Any]) -> None:
        """Adds the tables of the histories to a database that has the tool's tables and no others."""
        self.connection = connection
        self.db = Database(**connection, lock_timeout_s=5)
        self.sandbox = Sandbox(limits="off")
        self.relay = Relay(self.sandbox)
        self.clock = PatientClock()
        self.monday = self.client(self.clock)
        self.profiles = {"jobs": jobs_profile(), "projects": projects_profile()}
        with self.db.transaction() as tx:
            tx.execute(JOBS_TABLES)
            state_triggers.install(tx, [self.profiles["jobs"].mapping, *MAPPINGS.values()])

    def client(self, clock: PatientClock, token: str | None = None) -> Monday:
        return Monday(
            token=token or self.sandbox.token,
            url=f"{self.relay.url}/v2",
            clock=clock,
            limits=Limits(give_up_after=60, random=lambda: 0.5),
        )

    def clear(self, profile: Profile, triggers: bool) -> None:
        """Forgets the history before. Its board stays in the sandbox, where nothing looks at it any more."""
        wipe = "; ".join(f"delete from {table}" for table in (*profile.tables, *MEMORY))
        toggle = "; ".join(
            f"alter table {table} {'enable' if triggers else 'disable'} trigger user" for table in profile.tables
        )
        with self.db.transaction() as tx:
            tx.execute(f"{wipe}; delete from sync_state where name <> 'schema'; {toggle}")
        self.sandbox.admin("faults/clear")
        self.relay.forget()
        self.relay.bodies.clear()

    def close(self) -> None:
        self.monday.close()
        self.relay.close()
        self.sandbox.close()
        self.db.close()


class Sides:
    """Holds the board and the tables of one history."""

    def __init__(self, world: World, setup: Setup) -> None:
        self.world, self.setup = world, setup
        self.profile = profile = world.profiles[setup.profile]
        world.clear(profile, setup.triggers)
        self.admin("clock/set", to=time.time() + setup.skew)
        columns = list(profile.columns)
        if setup.sync_id:
            columns.append({"id": "sync_id", "title": "Sync ID", "type": "text"})
        self.board = str(self.admin("boards/create", name="Board", columns=columns)["id"])
        self.titles = {field.column: field.title for field in profile.fields}
        related = dict(profile.mapping.related)
        if setup.profile == "jobs":
            related["client"] = replace(related["client"], without_key=setup.without_key, key_changed=setup.key_changed)
        self.mapping = replace(
            profile.mapping,
            board_id=self.board,
            conflict=setup.rule,
            on_item_removed=setup.item_removed,
            on_row_removed=setup.row_removed,
            related=related,
        )

    # The board

    def admin(self, call: str, **settings: Any) -> Any:
        return self.world.sandbox.admin(call, **settings)

    def items(self) -> list[BoardItem]:
        """Returns every item there ever was."""
        found = []
        for item in self.admin("boards/snapshot", board_id=self.board):
            fields = {field.name: shown(field, item) for field in self.profile.fields}
            found.append(BoardItem(item["id"], item["state"], shown(self.profile.code, item), fields))
        return found

    def item(self, code: str, *states: str) -> BoardItem | None:
        found = (item for item in self.items() if item.code == code and (not states or item.state in states))
        return next(found, None)

    # The tables

    def sql(self, statement: Any, *params: Any) -> list[dict[str, Any]]:
        found = self.world.db.execute_query(statement, params or None)
        assert isinstance(found, list)
        return found

    def change(self, statement: Any, *params: Any) -> int:
        touched = self.world.db.execute_query(statement, params or None, fetch=False)
        assert isinstance(touched, int)
        return touched

    def rows(self) -> list[TableRow]:
        """Returns every row there is."""
        profile = self.profile
        query = f"""
            select r.*, to_jsonb(s) as shared
            from {profile.table} as r
            left join {profile.shared} as s on s.id = r.{profile.via}
        """
        found = []
        for row in self.sql(compose(query)):
            in_document = self._in_document(row)
            fields = {field.name: plain(field, self._value(field, row, in_document)) for field in profile.fields}
            archived = row["archived_at"] is not None
            found.append(
                TableRow(str(row["id"]), archived, row[profile.code.sql], row[profile.via], in_document, fields)
            )
        return found

    def _value(self, field: Field, row: dict[str, Any], in_document: bool) -> Any:
        if field.document or (field.shared and in_document):
            return (row["metadata"] or {}).get(self.key_of(field))
        if field.shared:
            return (row["shared"] or {}).get(field.sql)
        return row[field.sql]

    def _in_document(self, row: dict[str, Any]) -> bool:
        return row[self.profile.via] is None and self.setup.without_key == "metadata" and self.setup.profile == "jobs"

    def row(self, code: str) -> TableRow | None:
        return next((row for row in self.rows() if row.code == code), None)

    def key_of(self, field: Field) -> str:
        """Returns the key of a column in the JSON column: the title it had when it was last read, or the first one."""
        statement = "select value -> 'titles' as titles from sync_state where name = %s"
        known = self.sql(statement, f"pull:{self.mapping.entity}")
        titles = (known[0]["titles"] if known else None) or {}
        return str(titles.get(field.column) or self.titles[field.column])

    # What the tool remembers

    def disputed(self) -> set[tuple[str, str | None]]:
        """Returns the values that stand in conflicts, as (field, value)."""
        found: set[tuple[str, str | None]] = set()
        for row in self.sql("select field, monday_value, postgres_value from sync_conflicts"):
            field = self._field_of_conflict(row["field"])
            if field is not None:
                found |= {(field.name, plain(field, row[side])) for side in ("monday_value", "postgres_value")}
        return found

    def _field_of_conflict(self, name: str) -> Field | None:
        places = {
            place.column if not place.home else f"{place.home}.{place.column}": field
            for field, place in self.mapping.places.items()
        }
        home = next((home for home, related in self.mapping.related.items() if related.via == self.profile.via), "")
        for field in self.profile.fields:
            declared = places.get(f"{home}.{field.sql}" if field.shared else field.sql)
            if name in (declared, f"metadata:{field.column}"):
                return field
        return None
