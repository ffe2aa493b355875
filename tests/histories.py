"""Random histories of one board and its tables: what people do on either side, runs, failures, kills, and then quiet.

`World` is what the histories of one process share, a stand-in for monday.com and a database, both real. `History` is one
of them: its acts, and the judgement at its end, which reads the board and the tables and asks nothing of the tool.
`Histories` is the state machine that draws the acts.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from databases.postgres.names import compose, identifier
from db_connector import Database
from errors import SyncError
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from monday_api import Limits, Monday
from sandbox import Sandbox
from sandbox.common.wire import Answer, Request
from sandbox.monday.gateway.gateway import Gateway
from state import triggers as state_triggers
from sync.board import BoardSync
from sync_monday_to_pg import Pull, PullOptions
from sync_pg_to_monday import push_board, sync_both_ways
from timing import Clock

PROJECT = Path(__file__).resolve().parent.parent
MEMORY = (
    "sync_mapping", "sync_intents", "sync_skipped", "sync_logs", "sync_runs", "sync_inbox", "sync_outbox",
    "sync_conflicts", "sync_listing",
)  # fmt: skip
COUNTS = ("read", "created", "updated", "archived", "restored", "conflicts", "held", "errors", "skipped", "set_aside")
LABELS = ("Open", "Stuck", "Done")
EMAILS = ("ann@example.com", "bob@example.com", "eve@example.com")

JOBS = """
entity: jobs
entity_type: job
title: Jobs
board: {id: 1}
table: jobs
record_settings: true
item_name: [title]
sync_id: {id: sync_id, title: Sync ID}
related:
  client: {table: clients, via: client_id, keys: [[lower(email)]], without_key: own, key_changed: rename}
fields:
  - {column: name, field: title}
  - {column: code, field: code}
  - {column: state, field: state}
  - {column: amount, field: amount}
  - {column: due, field: due, transform: date}
  - {column: remarks, field: remarks}
  - {column: c_name, field: client.name}
  - {column: c_email, field: client.email}
  - {column: c_phone, field: client.phone}
rest: metadata
"""

JOBS_TABLES = """
create table clients (id uuid primary key default gen_random_uuid(), name text, email text, phone text,
    created_at timestamptz not null default clock_timestamp(), updated_at timestamptz not null default now());
create table jobs (id uuid primary key default gen_random_uuid(), monday_id text, title text, code text, state text,
    amount numeric, due date, remarks text, client_id uuid references clients (id) on delete set null,
    metadata jsonb not null default '{}', sync_enabled boolean not null default true,
    sync_direction text not null default 'bidirectional', sync_status text not null default 'pending',
    archived_at timestamptz, created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default now());
"""


@dataclass(frozen=True)
class Field:
    """A field as people see it: a column on the board, a column of a table. `distinct` values are all unlike."""

    name: str
    column: str
    kind: str
    sql: str
    shared: bool = False
    distinct: bool = True
    document: str | None = None
    """The title under which the value stands in the JSON column `sql`."""


@dataclass(frozen=True)
class Profile:
    """A mapping, the board that goes with it, and the fields that people edit."""

    mapping: Mapping
    table: str
    shared: str
    via: str
    code: Field
    fields: tuple[Field, ...]
    columns: tuple[dict[str, Any], ...]
    settings: bool
    tables: tuple[str, ...]

    def field(self, name: str) -> Field:
        return next(one for one in self.fields if one.name == name)


def jobs_profile() -> Profile:
    """A board of a few columns of different kinds, with a row that several items share."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "jobs.yaml").write_text(JOBS, encoding="utf-8")
        mapping = load_mappings([Path(folder)])["jobs"]
    fields = (
        Field("title", "name", "name", "title"),
        Field("state", "state", "status", "state", distinct=False),
        Field("amount", "amount", "numbers", "amount"),
        Field("due", "due", "date", "due"),
        Field("remarks", "remarks", "long_text", "remarks"),
        Field("extra", "extra", "text", "metadata", document="Extra"),
        Field("client.name", "c_name", "text", "name", shared=True),
        Field("client.phone", "c_phone", "phone", "phone", shared=True),
        Field("client.email", "c_email", "email", "email", shared=True, distinct=False),
    )
    code = Field("code", "code", "text", "code")
    return Profile(
        mapping, "jobs", "clients", "client_id", code, fields, _columns((code, *fields)), True, ("jobs", "clients")
    )


def projects_profile() -> Profile:
    """The shipped projects, of whose fields people edit some."""
    mapping = load_mappings([PROJECT / "mappings"])["projects"]
    fields = (
        Field("title", "name", "name", "title"),
        Field("amount", "numbers0", "numbers", "estimated_value"),
        Field("description", "text40__1", "text", "description"),
        Field("extra", "extra9", "text", "metadata", document="Extra"),
        Field("customer.name", "text65__1", "text", "name", shared=True),
        Field("customer.phone", "phone_1__1", "phone", "phone", shared=True),
        Field("customer.email", "email4__1", "email", "email", shared=True, distinct=False),
    )
    code = Field("code", "text01__1", "text", "name")
    given = {one.column: one for one in (code, *fields)}
    from tests.builders import TYPES

    named = dict.fromkeys(column for one in mapping.bindings for column in one.columns)
    others = [
        {"id": one, "title": one, "type": TYPES.get(one, "text")} for one in named if one not in given and one != "name"
    ]
    tables = (
        "notes", "projects", "insurance_claims", "policies", "properties", "customers", "insurances", "storms", "pa_law",
        "users", "sales_teams",
    )  # fmt: skip
    return Profile(
        mapping, "projects", "customers", "customer_id", code, fields, (*_columns(given.values()), *others), False, tables
    )


def _columns(fields: Iterable[Field]) -> tuple[dict[str, Any], ...]:
    made: list[dict[str, Any]] = []
    for one in fields:
        if one.column != "name":
            labels = {"labels": list(LABELS)} if one.kind == "status" else {}
            made.append({"id": one.column, "title": one.document or one.name, "type": one.kind, **labels})
    return tuple(made)


# What the histories of a process share


class PatientClock(Clock):
    """Nobody waits: a pause moves the clock."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(seconds=self._slept)

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += max(seconds, 0.0)


NEVER_ARRIVES = "never arrives"
"""What an act says that keeps a request from being carried out."""


class Doorman(Gateway):
    """The stand-in's door, at which something can happen before or after a request is carried out."""

    def __init__(self, service: Any) -> None:
        super().__init__(service)
        self._acts: dict[tuple[int, str], Callable[[], Any]] = {}
        self._count = 0
        self._holding = b""
        self._guard = threading.Lock()
        self.failed: list[BaseException] = []

    def expect(self, number: int, when: str, act: Callable[[], Any], holding: bytes = b"") -> None:
        """Do that `before` or `after` the request of that number, of those that hold some text, counted from now on."""
        with self._guard:
            self._count, self._acts, self._holding = 0, {(number, when): act}, holding

    def forget(self) -> None:
        with self._guard:
            self._acts = {}

    def answer(self, request: Request) -> Answer:
        with self._guard:
            counts = self._holding in request.body
            self._count += counts
            number = self._count if counts else 0
        if self._act(number, "before") is NEVER_ARRIVES:
            return Answer(502, b"", {}, end="close")
        answer = super().answer(request)
        self._act(number, "after")
        return answer

    def _act(self, number: int, when: str) -> Any:
        with self._guard:
            act = self._acts.pop((number, when), None)
        if act is not None:
            try:
                return act()
            except BaseException as exc:
                self.failed.append(exc)
        return None


class Mortal(Database):
    """A database whose process dies at a statement, as if somebody had pulled the plug."""

    dies_at: int | None = None

    def count_statement(self) -> None:
        super().count_statement()
        if self.statements == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class World:
    """A stand-in for monday.com and a database, for one history after another."""

    def __init__(self, connection: dict[str, Any]) -> None:
        """The database has the tool's tables and nobody else's."""
        self.connection = connection
        self.db = Database(**connection, lock_timeout_s=5)
        self.sandbox = Sandbox(limits="off")
        self.door = Doorman(self.sandbox.service)
        self.sandbox.site.gateway = self.door
        self.clock = PatientClock()
        self.monday = self.client(self.clock)
        with self.db.transaction() as tx:
            tx.execute(JOBS_TABLES)
        self.profiles = {"jobs": jobs_profile(), "projects": projects_profile()}
        self.shipped = load_mappings([PROJECT / "mappings"])
        with self.db.transaction() as tx:
            state_triggers.install(tx, [self.profiles["jobs"].mapping, *self.shipped.values()])

    def client(self, clock: Clock) -> Monday:
        return Monday(
            token=self.sandbox.token,
            url=self.sandbox.graphql_url,
            clock=clock,
            limits=Limits(give_up_after=60, random=lambda: 0.5),
        )

    def clear(self, profile: Profile, triggers: bool) -> None:
        """Forget the history before."""
        wipe = "; ".join(f"delete from {table}" for table in (*profile.tables, *MEMORY))
        toggle = "; ".join(
            f"alter table {table} {'enable' if triggers else 'disable'} trigger user" for table in profile.tables
        )
        with self.db.transaction() as tx:
            tx.execute(f"{wipe}; delete from sync_state where name <> 'schema'; {toggle}")
        self.sandbox.admin("faults/clear")
        self.door.forget()
        world = self.sandbox.service.world
        with world.lock:
            world.boards.clear()
            world.items.clear()
            world.automations.clear()

    def close(self) -> None:
        self.monday.close()
        self.sandbox.close()
        self.db.close()


# One history


@dataclass
class Setup:
    """How a history begins."""

    profile: str = "jobs"
    rule: str = "newest"
    item_removed: str = "archive"
    row_removed: str = "archive"
    triggers: bool = True
    sync_id: bool = True
    skew: float = 0.0
    without_key: str = "own"
    key_changed: str = "rename"
    at_last: str = "monday"
    """Who wins what is held at the end."""


@dataclass(frozen=True)
class Write:
    """A value that somebody wrote."""

    code: str
    field: str
    side: str
    value: str


class Lost(AssertionError):
    """A promise that was not kept."""


@dataclass
class History:
    """One board and its tables."""

    world: World
    setup: Setup
    written: list[Write] = field(default_factory=list)
    replaced: set[tuple[str, str | None]] = field(default_factory=set)
    exposed: set[tuple[str, str]] = field(default_factory=set)
    """What was written on the board between a run's reading and its writing of that very field: it may be written over."""
    codes: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    revived: set[str] = field(default_factory=set)
    shared_edits: dict[str, set[str]] = field(default_factory=dict)
    """Of a shared row that SQL edited by way of one of these others: once they have left it, the edit is one's own."""
    """Records whose row was edited, or brought back, by SQL although somebody has removed the item."""
    kept: set[str] = field(default_factory=set)
    """Records whose row somebody edited and whose item somebody removed, with no run between: the edit stays."""
    told: list[str] = field(default_factory=list)
    unnoticed: bool = False
    """Whether something happened that only a sweep can find, which comes once a day: a restored item, a lying listing."""
    number: int = 0

    def __post_init__(self) -> None:
        setup, world = self.setup, self.world
        self.profile = world.profiles[setup.profile]
        related = dict(self.profile.mapping.related)
        if setup.profile == "jobs":
            related["client"] = replace(related["client"], without_key=setup.without_key, key_changed=setup.key_changed)
        self.mapping = replace(
            self.profile.mapping, conflict=setup.rule, on_item_removed=setup.item_removed,
            on_row_removed=setup.row_removed, related=related,
        )  # fmt: skip
        world.clear(self.profile, setup.triggers)
        admin = world.sandbox.admin
        admin("clock/set", to=time.time() + setup.skew)
        columns = list(self.profile.columns)
        if setup.sync_id:
            columns.append({"id": "sync_id", "title": "Sync ID", "type": "text"})
        self.board = str(admin("boards/create", name="Board", columns=columns)["id"])

    # What there is

    def items(self) -> list[dict[str, Any]]:
        """Every item there ever was, with its fields."""
        found = []
        for item in self.world.sandbox.admin("boards/snapshot", board_id=self.board):
            cells = item["cells"]
            shown = {one.name: _cell(one, item, cells) for one in (self.profile.code, *self.profile.fields)}
            found.append({"id": item["id"], "state": item["state"], "code": shown.pop("code"), "fields": shown,
                          "sync_id": (cells.get("sync_id") or {}).get("text") or None})  # fmt: skip
        return found

    def item(self, code: str, *states: str) -> dict[str, Any] | None:
        return next((one for one in self.items() if one["code"] == code and (not states or one["state"] in states)), None)

    def rows(self) -> list[dict[str, Any]]:
        """Every row there is, with its fields, as plain SQL has them."""
        p = self.profile
        query = compose(
            f"select r.*, to_jsonb(c) as shared from {p.table} as r left join {p.shared} as c on c.id = r.{p.via}"
        )
        found = []
        for row in self._sql(query):
            shared = row["shared"] or {}
            shown = {}
            for one in p.fields:
                value = shared.get(one.sql) if one.shared else row[one.sql]
                if one.document or (one.shared and self._in_metadata(row)):
                    value = (row["metadata"] or {}).get(self.title(one))
                shown[one.name] = plain(one, value)
            found.append({"id": str(row["id"]), "archived": row["archived_at"] is not None, "code": row[p.code.sql],
                          "client": row[p.via], "document": self._in_metadata(row), "fields": shown})  # fmt: skip
        return found

    def _in_metadata(self, row: dict[str, Any]) -> bool:
        """Whether cells whose row would have no key stand in the root row instead."""
        return row[self.profile.via] is None and self.setup.without_key == "metadata" and self.setup.profile == "jobs"

    def row(self, code: str) -> dict[str, Any] | None:
        return next((one for one in self.rows() if one["code"] == code), None)

    def title(self, one: Field) -> str:
        """The key of a column in the rows: the title it had when it was last read, before that the one it has."""
        pull = f"pull:{self.mapping.entity}"
        known = self._sql("select value -> 'titles' as titles from sync_state where name = %s", pull)
        titles = (known[0]["titles"] if known else None) or {}
        board = self.world.sandbox.service.world.boards[int(self.board)]
        return str(titles.get(one.column) or board.columns[one.column].title)

    def _sql(self, statement: Any, *params: Any) -> list[dict[str, Any]]:
        found = self.world.db.execute_query(statement, params or None)
        assert isinstance(found, list)
        return found

    def _do(self, statement: Any, *params: Any) -> int:
        touched = self.world.db.execute_query(statement, params or None, fetch=False)
        assert isinstance(touched, int)
        return touched

    # Values

    def value(self, one: Field, draw: int) -> str | None:
        """A value that nobody wrote before, or one of a few, or none."""
        self.number += 1
        if draw % 7 == 6 and one.kind != "name":
            return None
        if one.kind == "status":
            return LABELS[draw % len(LABELS)]
        if one.kind == "email":
            return EMAILS[draw % len(EMAILS)] if draw % 4 else f"p{self.number}@example.com"
        return _new_value(one.kind, self.number, draw)

    # What people do on the board

    def monday_create(self, draws: dict[str, int]) -> None:
        code = self._new_code()
        values = {name: self.value(self.profile.field(name), draw) for name, draw in draws.items()}
        name = values.pop("title", None) or f"Item {code}"
        cells = {self.profile.field(each).column: sent(self.profile.field(each), value) for each, value in values.items()}
        cells = {column: value for column, value in cells.items() if value is not None}
        self._tell("monday creates", code, {"title": name, **values})
        cells[self.profile.code.column] = code
        self.world.sandbox.admin("items/create", board_id=self.board, name=name, values=cells)
        for each, value in {"title": name, **values}.items():
            self._wrote(code, self.profile.field(each), "monday", value, None)

    def monday_edit(self, code: str, one: Field, draw: int, between: bool = False) -> None:
        item = self.item(code, "active")
        if item is None:
            return
        value = self.value(one, draw)
        self._tell("monday edits", code, one.name, value)
        self._replace(one, code)
        if between:
            row = self.row(code)
            if row is None or row["fields"][one.name] != item["fields"][one.name]:
                self.exposed.add((one.name, str(value)))
        if one.kind == "name":
            self.world.sandbox.admin("items/rename", item_id=item["id"], name=value)
        else:
            self.world.sandbox.admin("items/change", item_id=item["id"], values={one.column: sent(one, value)})
        self._wrote(code, one, "monday", value, item["fields"][one.name])

    def monday_remove(self, code: str, how: str) -> None:
        item = self.item(code, "active")
        if item is not None:
            self._tell(f"monday {how}s", code)
            self.world.sandbox.admin(f"items/{how}", item_id=item["id"])
            self.removed.add(code)
            self.revived.discard(code)
            self.kept.discard(code)
            row = self.row(code)
            if self._sql("select 1 from sync_mapping where monday_id = %s and sending is not null", item["id"]):
                self.revived.add(code)  # a killed run told it something, and nobody knows whether it took it
            if row is not None and row["fields"] != item["fields"]:
                self.revived.add(code)
                if self._edited_by_sql(code, item["fields"], row["fields"]) and not row["archived"]:
                    self.kept.add(code)
            self._let_go(item["fields"])

    def _edited_by_sql(self, code: str, ours: dict[str, str | None], theirs: dict[str, str | None]) -> bool:
        wrote = {(one.field, one.value) for one in self.written if one.code == code and one.side == "postgres"}
        news = {(name, value) for name, value in theirs.items() if value is not None and ours[name] != value}
        own = {one.name for one in self.profile.fields if not one.shared}
        return any(one in wrote and one[0] in own for one in news - self._disputed() - self.replaced)

    def monday_restore(self, code: str) -> None:
        item = self.item(code, "archived", "deleted")
        if item is not None:
            self._tell("monday restores", code)
            self.kept.discard(code)
            self.unnoticed = True
            self.world.sandbox.admin("items/restore", item_id=item["id"])

    def monday_duplicate(self, code: str) -> None:
        """Somebody copies an item, the Sync ID with it, and gives the copy a code of its own."""
        item = self.item(code, "active")
        if item is None:
            return
        made = self.world.sandbox.admin("items/duplicate", item_id=item["id"])["id"]
        fresh = self._new_code()
        self._tell("monday duplicates", code, "as", fresh)
        self.world.sandbox.admin("items/change", item_id=made, values={self.profile.code.column: fresh})

    def monday_rename_column(self, one: Field) -> None:
        """Once the tool has seen the column: what it was called before that, nobody can tell it."""
        if not self._sql("select 1 from sync_state where value -> 'titles' is not null"):
            return
        self.number += 1
        self._tell("monday renames the column of", one.name)
        self.world.sandbox.admin(
            "columns/rename", board_id=self.board, column_id=one.column, title=f"{one.document or one.name} {self.number}"
        )

    # What people do with SQL

    def sql_create(self, draws: dict[str, int]) -> None:
        p, code = self.profile, self._new_code()
        values = {name: self.value(p.field(name), draw) for name, draw in draws.items()}
        values = {"title": f"Row {code}", **{name: value for name, value in values.items() if value is not None}}
        own = {p.field(name): value for name, value in values.items() if not p.field(name).shared}
        plain_columns = {one.sql: value for one, value in own.items() if not one.document}
        document = {self.title(one): value for one, value in own.items() if one.document}
        columns = {p.code.sql: code, **plain_columns, "metadata": json.dumps(document)}
        shared = {name: value for name, value in values.items() if p.field(name).shared}
        if shared:
            columns[p.via] = self._client(shared)
        self._tell("sql creates", code, values)
        self._do(
            f"insert into {p.table} ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))})", *columns.values()
        )
        for name, value in values.items():
            self._wrote(code, p.field(name), "postgres", value, None)

    def _client(self, shared: dict[str, str | None]) -> str:
        """The row of that e-mail, whose other values are then written over, or a new one."""
        p = self.profile
        email = next((value for name, value in shared.items() if p.field(name).kind == "email"), None)
        found = self._sql(f"select * from {p.shared} where lower(email) = lower(%s) order by created_at, id", email)
        if not found:
            columns = {p.field(name).sql: value for name, value in shared.items()}
            made = self._sql(
                f"insert into {p.shared} ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))}) returning id",
                *columns.values(),
            )
            return str(made[0]["id"])
        for name, value in shared.items():
            one = p.field(name)
            if one.kind != "email":
                self._replace_of_client(one, str(found[0]["id"]), email)
                self._do(f"update {p.shared} set {one.sql} = %s where id = %s", value, found[0]["id"])
        return str(found[0]["id"])

    def sql_edit(self, code: str, one: Field, draw: int) -> None:
        p, row = self.profile, self.row(code)
        if row is None:
            return
        value = self.value(one, draw)
        if one.kind == "email":  # two rows with one key are nobody's wish
            value = f"q{self.number}@example.com"
        if one.shared and row["client"] is None and value is None:
            return
        self._tell("sql edits", code, one.name, value)
        self._replace(one, code)
        if one.document or (one.shared and row["document"]):
            self._do(
                f"update {p.table} set metadata = metadata - %s || %s::jsonb where id = %s::uuid",
                self.title(one), json.dumps({self.title(one): value} if value is not None else {}), row["id"],
            )  # fmt: skip
        elif not one.shared:
            self._do(f"update {p.table} set {one.sql} = %s where id = %s::uuid", value, row["id"])
        elif row["client"] is None:
            made = self._client({one.name: value})
            self._do(f"update {p.table} set {p.via} = %s where id = %s::uuid", made, row["id"])
        else:
            self._do(f"update {p.shared} set {one.sql} = %s where id = %s", value, row["client"])
        if code in self.removed:
            self.revived.add(code)
            item = self.item(code)
            if value is None and item is not None and item["fields"] == (self.row(code) or row)["fields"]:
                self.kept.discard(code)  # what was written is undone
            elif not row["archived"] and not one.shared and one.distinct and value is not None:
                self.kept.add(code)
        if one.shared and row["client"] is not None:
            together = {other["code"] for other in self.rows() if other["client"] == row["client"]}
            for other in together - {code}:
                self.shared_edits.setdefault(other, set()).update(together - {other})
        self._wrote(code, one, "postgres", value, row["fields"][one.name])

    def sql_relate(self, code: str, other: str) -> None:
        """Point a row at the shared row of another. What the item shows otherwise by then is an edit of that row."""
        p, row, target = self.profile, self.row(code), self.row(other)
        if row is None or target is None or target["client"] is None or row["client"] == target["client"]:
            return
        self._tell("sql relates", code, "to the shared row of", other)
        for one in p.fields:
            if one.shared:
                self._replace(one, code)
                self.replaced.add((one.name, row["fields"][one.name]))
                item = self.item(code, "active")
                if item is not None and item["fields"][one.name] != row["fields"][one.name]:
                    self._replace_of_client(one, target["client"], target["fields"][email_of(p)])
        self._do(f"update {p.table} set {p.via} = %s where id = %s::uuid", target["client"], row["id"])
        if code in self.removed:
            self.revived.add(code)

    def sql_remove(self, code: str, how: str) -> None:
        p, row = self.profile, self.row(code)
        if row is None or (how == "archive" and row["archived"]):
            return
        self._tell(f"sql {how}s", code)
        self.kept.discard(code)
        if how == "archive":
            self._do(f"update {p.table} set archived_at = now() where id = %s::uuid", row["id"])
        else:
            self._do(f"delete from {p.table} where id = %s::uuid", row["id"])
        self.removed.add(code)
        self.revived.discard(code)
        self._let_go(row["fields"])

    def sql_restore(self, code: str) -> None:
        row = self.row(code)
        if row is not None and row["archived"]:
            self._tell("sql brings back", code)
            self._do(f"update {self.profile.table} set archived_at = null where id = %s::uuid", row["id"])
            self.revived.add(code)

    def sql_setting(self, code: str, enabled: bool, direction: str) -> None:
        row = self.row(code)
        if self.profile.settings and row is not None:
            self._tell("sql sets", code, enabled, direction)
            statement = "update jobs set sync_enabled = %s, sync_direction = %s where id = %s::uuid"
            self._do(statement, enabled, direction, row["id"])

    # What is noted of it

    def _tell(self, *words: Any) -> None:
        self.told.append(" ".join(str(word) for word in words))

    def _new_code(self) -> str:
        self.codes.append(f"C{len(self.codes) + 1}")
        return self.codes[-1]

    def _wrote(self, code: str, one: Field, side: str, value: str | None, before: str | None) -> None:
        if value is not None and one.distinct:
            self.written.append(Write(code, one.name, side, plain(one, value) or ""))
        if before is not None:
            self.replaced.add((one.name, before))

    def _let_go(self, fields: dict[str, str | None]) -> None:
        """Who removes a record gives up what it shows there."""
        self.replaced.update((name, value) for name, value in fields.items() if value is not None)

    def _replace(self, one: Field, code: str) -> None:
        """Who edits what several records show gives up what any of them shows."""
        if not one.shared:
            return
        clients = {row["client"] for row in self.rows() if row["code"] == code} - {None}
        items = self.items()
        email = next((name for name in items[0]["fields"] if name.endswith("email")), "") if items else ""
        emails = {item["fields"][email] for item in items if item["code"] == code} - {None}
        for client in clients or {None}:
            for each in emails or {None}:
                self._replace_of_client(one, client, each)

    def _replace_of_client(self, one: Field, client: Any, email: str | None) -> None:
        rows, items = self.rows(), self.items()
        codes = {row["code"] for row in rows if client is not None and str(row["client"]) == str(client)}
        for item in items:
            shown = next((value for name, value in item["fields"].items() if name.endswith("email")), None)
            if email is not None and shown is not None and shown.lower() == email.lower():
                codes.add(item["code"])
        shown_now = [each["fields"][one.name] for each in (*rows, *items) if each["code"] in codes]
        if client is not None:
            shown_now += [plain(one, row[one.sql]) for row in
                          self._sql(f"select {one.sql} from {self.profile.shared} where id = %s", str(client))]  # fmt: skip
        self.replaced.update((one.name, value) for value in shown_now if value is not None)

    # Runs

    def run(self, kind: str = "both", **options: Any) -> Any:
        """A run in this process; what goes wrong with a word of the tool's own is part of the history."""
        try:
            report = self._run(kind, self.world.db, self.world.monday, options)
        except SyncError as exc:
            self._tell(f"run {kind} {options or ''}: {type(exc).__name__}: {exc.message}")
            return None
        finally:
            self.world.door.forget()
            if self.world.door.failed:
                raise self.world.door.failed.pop()
        counts = {name: count for name, count in report.as_json().items() if count and name in COUNTS}
        self._tell(f"run {kind} {options or ''}: {counts}")
        return report

    def _run(self, kind: str, db: Database, monday: Monday, options: dict[str, Any]) -> Any:
        given: dict[str, Any] = {"mappings": {**self.world.shipped, self.mapping.entity: self.mapping},
                                 "options": PullOptions(**options)}  # fmt: skip
        if kind == "pull":
            return Pull(db, monday, self.mapping, self.board, **given).run()
        if kind == "push":
            return push_board(BoardSync(db, monday, self.mapping, self.board, **given, writes=(False, True)))
        return sync_both_ways(Pull(db, monday, self.mapping, self.board, **given, writes=(True, True)))

    def run_killed_making(self, kind: str, unit: str) -> None:
        """A run that is killed before or after its first document of new items is carried out."""
        with self.pipe():
            self.run_killed(kind, 1, unit, holding=b"create_item(")

    def run_killed(self, kind: str, at: int, unit: str, holding: bytes = b"", **options: Any) -> None:
        """A run in a process of its own that is killed at a statement, or before or after a request is carried out."""
        self._tell(f"run {kind} {options or ''} killed at {unit} {at} {holding.decode()}")
        pid = os.fork()
        if pid == 0:
            self._die(kind, at if unit == "statement" else None, options)
        if unit != "statement":
            self.world.door.expect(at, unit, lambda: _killed(pid), holding)
        os.write(self._go, b"!")
        os.waitpid(pid, 0)
        self.world.door.forget()
        while self._sql("select 1 from pg_stat_activity where application_name = 'mortal'"):
            time.sleep(0.001)

    def run_with(self, kind: str, at: int, when: str, act: Callable[[], None], **options: Any) -> None:
        """A run during which somebody does something, before or after a request is carried out."""
        self.world.door.expect(at, when, act)
        self.run(kind, **options)

    def _die(self, kind: str, dies_at: int | None, options: dict[str, Any]) -> None:
        try:
            os.read(self._start, 1)
            logging.disable(logging.CRITICAL)
            db = Mortal(**self.world.connection, application_name="mortal")
            db.dies_at = dies_at
            self._run(kind, db, self.world.client(PatientClock()), options)
        except BaseException:  # what a process says before it dies is no matter
            pass
        finally:
            os._exit(0)

    @contextmanager
    def pipe(self):
        """Lets a child wait until the door knows it."""
        self._start, self._go = os.pipe()
        try:
            yield
        finally:
            os.close(self._start)
            os.close(self._go)

    def change_rule(self, rule: str) -> None:
        self._tell("the rule is", rule)
        self.mapping = replace(self.mapping, conflict=rule)

    def fault(self, **wanted: Any) -> None:
        self._tell("fault", wanted)
        self.unnoticed |= wanted["kind"] in UNNOTICED
        self.world.sandbox.admin("faults/add", **wanted)

    def pass_time(self, seconds: float) -> None:
        """Time passes on both sides: what PostgreSQL remembers of it is older by that."""
        self._tell("time passes:", seconds)
        self.world.sandbox.admin("clock/advance", seconds=seconds)
        age = f"{seconds} seconds"
        with self.world.db.transaction() as tx:
            for table, column in (("sync_intents", "created_at"), ("sync_outbox", "changed_at"),
                                  ("sync_outbox", "next_try_at"), ("sync_mapping", "next_try_at")):  # fmt: skip
                statement = "update {table} set {column} = {column} - %s::interval"
                tx.execute(compose(statement, table=identifier(table), column=identifier(column)), (age,))

    # Quiet

    def quiet(self) -> None:
        """Nobody edits any more: two runs bring both sides together, a third has nothing to do."""
        self._tell("quiet")
        self.world.sandbox.admin("faults/clear")
        if self.profile.settings:
            self._do("update jobs set sync_enabled = true, sync_direction = 'bidirectional'")
        self._do("update sync_mapping set next_try_at = now() where next_try_at is not null and sync_status <> 'set_aside'")
        for _ in range(2):
            report = self.run(sweep=self.unnoticed, prefer=self.setup.at_last, allow_mass_delete=True)
            assert report is not None, "a run without trouble failed"
        self._check_that_nothing_is_left()
        self.check()

    def _check_that_nothing_is_left(self) -> None:
        before, writes = self._fingerprints(), self._mutations()
        report = self.run(allow_mass_delete=True)
        assert report is not None, "a run without trouble failed"
        assert self._mutations() == writes, "the third run still wrote to the board"
        changed = {table: (was, now) for (table, was), now in zip(before.items(), self._fingerprints().values())
                   if was != now}  # fmt: skip
        assert not changed, f"the third run still wrote to {changed}"
        done = report.as_json()
        assert not any(done[name] for name in ("created", "updated", "archived", "restored")), f"it reported {done}"
        assert report.complete, report.message

    def _mutations(self) -> int:
        return int(self.world.sandbox.service.counters["mutation"])

    def _fingerprints(self) -> dict[str, list[str]]:
        tables = (*self.profile.tables, "sync_mapping", "sync_conflicts", "sync_intents")
        lines = "select t.ctid::text || t.xmin::text || ' ' || t::text as line from {} as t"
        return {table: sorted(row["line"] for row in self._sql(lines.format(table))) for table in tables}

    # Judgement

    def check(self) -> None:
        """Both sides are equal field by field, nothing is doubled, and no value that somebody wrote is lost."""
        items, rows = self.items(), self.rows()
        self._check_presence(items, rows)
        living = {row["code"]: row for row in rows if not row["archived"]}
        for item in items:
            if item["state"] == "active" and item["code"] in living and not self._is_set_aside(item["code"]):
                self._check_equal(item, living[item["code"]])
        self._check_values(items, rows)

    def _check_presence(self, items: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
        for what, found in (("item", items), ("row", rows)):
            codes = [one["code"] for one in found]
            assert None not in codes, f"an {what} that nobody made: {found}"
            # Who deletes an item that a killed run has just made, and never heard of, gets another one of its row.
            codes = [one["code"] for one in found if one["code"] not in self.removed or one.get("state") in (None, "active")]
            twice = sorted({code for code in codes if codes.count(code) > 1})
            assert not twice, f"doubled as {what}: {twice}"
        here = {item["code"] for item in items if item["state"] == "active"}
        there = {row["code"] for row in rows if not row["archived"]}
        for code in self.codes:
            assert code in there or code not in self.kept, f"the row of {code} was edited, and went with its item"
            if code not in self.removed:
                assert code in there, f"{code} has no row, and nobody removed it"
                assert code in here or self._is_set_aside(code), f"{code} has no item, and nobody removed it"
            elif code in here and code not in there:
                stays = self.setup.row_removed == "ignore" or self._is_set_aside(code)
                assert stays, f"{code} is on the board and not in the table"
            elif code in there and code not in here:
                stays = self.setup.item_removed == "ignore" or code in self.revived or self._is_set_aside(code)
                stays = stays or self._is_left_alone(code)
                assert stays, f"{code} is in the table and not on the board"

    def _is_left_alone(self, code: str) -> bool:
        """Whether all who showed an edited shared row with it have been removed since, or show another one."""
        rows = {row["code"]: row["client"] for row in self.rows()}
        others = self.shared_edits.get(code, set())
        return bool(others) and all(one in self.removed or rows.get(one) != rows.get(code) for one in others)

    def _is_set_aside(self, code: str) -> bool:
        """Whether its item may have been made and cannot be found: without a sync id column nobody can tell."""
        row = self.row(code)
        found = row and self._sql("select 1 from sync_mapping where entity_id = %s and intent_key is not null", row["id"])
        return bool(found) and not self.setup.sync_id

    def _check_equal(self, item: dict[str, Any], row: dict[str, Any]) -> None:
        for one in self.profile.fields:
            ours, theirs = item["fields"][one.name], row["fields"][one.name]
            if equal(one, ours, theirs):
                continue
            assert one.shared, f"{item['code']} {one.name}: the board shows {ours!r}, the table {theirs!r}"
            known = self._sql("select base_postgres as b from sync_mapping where monday_id = %s", item["id"])
            assert known and one.name in (known[0]["b"] or {}), (
                f"{item['code']} {one.name}: the board shows {ours!r}, the shared row {theirs!r}, and nobody knows"
            )
            # Somebody else's cell fills the row, or it was there before this item came to it.
            other = ours is not None and one.name == email_of(self.profile)
            assert not other, f"{item['code']}: another's e-mail {ours!r} {theirs!r}"

    def _check_values(self, items: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
        shown = {(name, value) for one in (*items, *rows) for name, value in one["fields"].items()}
        for one in self.profile.fields:
            if one.shared:
                rows_of_all = self._sql(f"select {one.sql} from {self.profile.shared}")
                shown |= {(one.name, plain(one, row[one.sql])) for row in rows_of_all}
        disputed = self._disputed()
        for write in self.written:
            if (write.field, write.value) not in shown | disputed | self.replaced | self.exposed:
                raise Lost(f"{write.value!r}, written on {write.side} as {write.field} of {write.code}, is lost")

    def _disputed(self) -> set[tuple[str, str | None]]:
        """The values that stand in conflicts."""
        found: set[tuple[str, str | None]] = set()
        for row in self._sql("select field, monday_value, postgres_value from sync_conflicts"):
            name = self._conflict_field(row["field"])
            if name is not None:
                found |= {(name.name, plain(name, row[side])) for side in ("monday_value", "postgres_value")}
        return found

    def _conflict_field(self, name: str) -> Field | None:
        places = {place.column if not place.home else f"{place.home}.{place.column}": each
                  for each, place in self.mapping.places.items()}  # fmt: skip
        for one in self.profile.fields:
            home = next((each for each, related in self.mapping.related.items() if related.via == self.profile.via), "")
            declared = places.get(f"{home}.{one.sql}" if one.shared else one.sql)
            if name in (declared, f"metadata:{one.column}"):
                return one
        return None


def email_of(profile: Profile) -> str:
    """The field by which shared rows are found."""
    return next(one.name for one in profile.fields if one.kind == "email")


# Values as people see them


def _new_value(kind: str, number: int, draw: int) -> str:
    if kind == "numbers":
        return str(Decimal(number) + (Decimal("0.25") if draw % 2 else 0))
    if kind == "date":
        return (date(2026, 1, 1) + timedelta(days=number)).isoformat()
    if kind == "phone":
        return f"+1202555{number:04d}"
    odd = ("", "", " é😀", ' "q" \\', "\nline two" if kind == "long_text" else " 100%", "'")[draw % 6]
    return f"t{number}{odd}"


def sent(one: Field, value: str | None) -> Any:
    """What the board is told."""
    if value is None:
        return None
    shapes: dict[str, Callable[[str], Any]] = {
        "status": lambda text: {"label": text}, "date": lambda text: {"date": text},
        "email": lambda text: {"email": text, "text": text}, "long_text": lambda text: {"text": text},
        "phone": lambda text: {"phone": text, "countryShortName": "US"},
    }  # fmt: skip
    return shapes.get(one.kind, str)(value)


def _cell(one: Field, item: dict[str, Any], cells: dict[str, Any]) -> str | None:
    if one.column == "name":
        return plain(one, item["name"])
    cell = cells[one.column]
    if one.kind == "email" and cell["value"]:
        return plain(one, json.loads(cell["value"]).get("email"))
    if one.kind == "phone" and cell["value"]:
        return plain(one, json.loads(cell["value"]).get("phone"))
    return plain(one, cell["text"])


def plain(one: Field, value: Any) -> str | None:
    """A value of either side in one form; None when it is empty."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if one.kind == "numbers":
        try:
            return format(Decimal(text).normalize(), "f")
        except InvalidOperation:
            return text
    if one.kind == "phone":
        return "+" + text.lstrip("+")
    if one.kind == "email":
        return text.lower()
    if one.kind == "date":
        return text[:10]
    return text or None


def equal(one: Field, a: str | None, b: str | None) -> bool:
    return a == b


# The machine

NUMBERS = st.integers(0, 41)
KINDS = st.sampled_from(["both", "both", "pull", "push"])
PREFER = st.sampled_from([None, None, None, "monday", "postgres", "newest"])
UNNOTICED = {"partial", "drop_item", "drop_page", "empty_listing", "drop_cell", "lagging_reads"}
FAULTS = (
    {"kind": "html_502"}, {"kind": "html_504", "applied": True}, {"kind": "reset"}, {"kind": "lost_answer"},
    {"kind": "lost_answer"}, {"kind": "cut"}, {"kind": "partial", "rows": 1}, {"kind": "drop_item"}, {"kind": "drop_page"},
    {"kind": "empty_listing"}, {"kind": "drop_cell"}, {"kind": "lagging_reads", "seconds": 10},
    {"kind": "html_503", "count": 100},
)  # fmt: skip


class Histories(RuleBasedStateMachine):
    """Draws a history. What is drawn never depends on what the sides answer, so the same seed tells the same story."""

    world: ClassVar[World]
    profiles: ClassVar[tuple[str, ...]] = ("jobs", "jobs", "jobs", "projects")

    def __init__(self) -> None:
        super().__init__()
        self.history: History | None = None

    @property
    def h(self) -> History:
        assert self.history is not None
        return self.history

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        choose = lambda *values: data.draw(st.sampled_from(values))  # noqa: E731
        setup = Setup(
            profile=choose(*self.profiles), rule=choose("newest", "newest", "monday", "postgres", "manual"),
            item_removed=choose("archive", "archive", "delete", "ignore"),
            row_removed=choose("archive", "archive", "delete", "ignore"),
            triggers=choose(True, True, False), sync_id=choose(True, True, False), skew=choose(0, 0, 10, -10, -100_000),
            without_key=choose("own", "metadata"), key_changed=choose("rename", "relink"),
            at_last=choose("monday", "postgres"),
        )  # fmt: skip
        self.history = History(self.world, setup)
        self.h.told.append(str(setup))
        shared = [each for each, one in enumerate(self.h.profile.fields) if one.shared]
        for side in choose("", "m", "s", "ms", "sm", "mms", "mss"):
            draws = dict.fromkeys(shared, data.draw(st.integers(1, 3)))
            (self.h.monday_create if side == "m" else self.h.sql_create)(self._draws(draws))
        first = choose("both", "both", "pull", "push", None)
        if first:
            self.h.run(first)

    def _draws(self, many: dict[int, int]) -> dict[str, int]:
        fields = self.h.profile.fields
        return {fields[number % len(fields)].name: draw for number, draw in many.items()}

    def _field(self, number: int) -> Field:
        return self.h.profile.fields[number % len(self.h.profile.fields)]

    def _code(self, number: int) -> str:
        return self.h.codes[number % len(self.h.codes)]

    @rule(many=st.dictionaries(NUMBERS, NUMBERS, max_size=5))
    def monday_creates(self, many):
        self.h.monday_create(self._draws(many))

    @rule(many=st.dictionaries(NUMBERS, NUMBERS, max_size=5))
    def sql_creates(self, many):
        self.h.sql_create(self._draws(many))

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, name=NUMBERS, draw=NUMBERS)
    def monday_edits(self, which, name, draw):
        self.h.monday_edit(self._code(which), self._field(name), draw)

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, name=NUMBERS, draw=NUMBERS)
    def sql_edits(self, which, name, draw):
        self.h.sql_edit(self._code(which), self._field(name), draw)

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, name=NUMBERS, draw=NUMBERS, other=NUMBERS)
    def both_edit(self, which, name, draw, other):
        self.h.monday_edit(self._code(which), self._field(name), draw)
        self.h.sql_edit(self._code(which), self._field(name), other)

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, name=NUMBERS, draw=NUMBERS, how=st.sampled_from(["archive", "delete"]), on_board=st.booleans(),
          first=st.booleans(), then=KINDS)  # fmt: skip
    def one_edits_what_the_other_removes(self, which, name, draw, how, on_board, first, then):
        edit, remove = (
            (self.h.sql_edit, self.h.monday_remove) if on_board else (self.h.monday_edit, self.h.sql_remove)
        )
        if first:
            edit(self._code(which), self._field(name), draw)
        remove(self._code(which), how)
        if not first:
            edit(self._code(which), self._field(name), draw)
        self.h.run(then)

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, how=st.sampled_from(["archive", "delete"]))
    def monday_removes(self, which, how):
        self.h.monday_remove(self._code(which), how)

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, how=st.sampled_from(["archive", "delete"]))
    def sql_removes(self, which, how):
        self.h.sql_remove(self._code(which), how)

    @precondition(lambda self: self.history and self.h.removed)
    @rule(which=NUMBERS, side=st.sampled_from(["monday", "sql"]))
    def restores(self, which, side):
        (self.h.monday_restore if side == "monday" else self.h.sql_restore)(self._code(which))

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS)
    def duplicates(self, which):
        self.h.monday_duplicate(self._code(which))

    @precondition(lambda self: self.history and len(self.h.codes) > 1)
    @rule(which=NUMBERS, other=NUMBERS)
    def sql_relates(self, which, other):
        self.h.sql_relate(self._code(which), self._code(other))

    @precondition(lambda self: self.history and self.h.codes)
    @rule(which=NUMBERS, enabled=st.booleans(),
          direction=st.sampled_from(["bidirectional", "monday_to_pg", "pg_to_monday", "none"]))  # fmt: skip
    def changes_a_setting(self, which, enabled, direction):
        self.h.sql_setting(self._code(which), enabled, direction)

    @rule(what=st.sampled_from([1, 5, 400, 2_000, 100_000, "newest", "monday", "postgres", "manual", "title", "title"]))
    def something_else_changes(self, what):
        if isinstance(what, int):
            self.h.pass_time(what)
        elif what == "title":
            self.h.monday_rename_column(self.h.profile.field("extra"))
        else:
            self.h.change_rule(what)

    @rule(kind=KINDS, prefer=PREFER, full=st.booleans(), size=st.sampled_from([500, 2, 1]))
    def runs(self, kind, prefer, full, size):
        self.h.run(kind, prefer=prefer, full=full, batch_size=size)

    @rule(kind=KINDS)
    def runs_plainly(self, kind):
        self.h.run(kind)

    @rule(kind=KINDS, fault=st.sampled_from(FAULTS), nth=st.integers(1, 6), full=st.booleans())
    def runs_in_trouble(self, kind, fault, nth, full):
        wanted = dict(fault)
        operation = {"operation": "mutation"} if fault["kind"] == "lost_answer" else {}
        if fault["kind"] == "lost_answer":
            nth = 1 + nth % 2
        if fault["kind"] == "drop_cell":
            wanted["column_id"] = self._field(nth + 1).column
        self.h.fault(**wanted, match={"nth": nth, **operation})
        self.h.run(kind, full=full)
        self.world.sandbox.admin("faults/clear")

    @rule(kind=KINDS, at=st.integers(1, 60), unit=st.sampled_from(["statement", "before", "after"]))
    def runs_and_is_killed(self, kind, at, unit):
        with self.h.pipe():
            self.h.run_killed(kind, at if unit == "statement" else 1 + at % 8, unit)

    @rule(kind=st.sampled_from(["both", "push"]), at=st.integers(1, 60),
          unit=st.sampled_from(["statement", "before", "after"]),
          many=st.dictionaries(NUMBERS, NUMBERS, max_size=3))  # fmt: skip
    def is_killed_while_it_makes_an_item(self, kind, at, unit, many):
        self.h.sql_create(self._draws(many))
        with self.h.pipe():
            self.h.run_killed(kind, at if unit == "statement" else 1 + at % 5, unit)

    @precondition(lambda self: self.history and self.h.codes)
    @rule(kind=KINDS, at=st.integers(1, 7), when=st.sampled_from(["before", "after"]), which=NUMBERS, name=NUMBERS,
          draw=NUMBERS, side=st.sampled_from(["monday", "sql"]))  # fmt: skip
    def edits_while_it_runs(self, kind, at, when, which, name, draw, side):
        code, one = self._code(which), self._field(name)
        if side == "monday":
            act = lambda: self.h.monday_edit(code, one, draw, between=True)  # noqa: E731
        else:
            act = lambda: self.h.sql_edit(code, one, draw)  # noqa: E731
        self.h._tell("while it runs,", when, "request", at)
        self.h.run_with(kind, at, when, act)

    def teardown(self) -> None:
        if self.history is None:
            return
        try:
            self.h.quiet()
        except BaseException as exc:
            if hasattr(exc, "add_note"):
                exc.add_note("\n".join(self.h.told))
            raise


def _killed(pid: int) -> Any:
    """Kill a process that waits for its request to go on."""
    os.kill(pid, signal.SIGKILL)
    return NEVER_ARRIVES
