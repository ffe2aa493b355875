"""Runs a daemon over a real database and a sandbox, on a real socket: in this process, or in one of its own."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests
from msgspec import Struct
from msgspec.structs import replace
from psycopg2.extensions import parse_dsn

from db_connector import Database
from main import compose
from monday_api import Monday
from realtime.daemon import Daemon, open_daemon
from realtime.subscriptions import Subscriptions
from realtime.worker_settings import WorkerSettings
from sandbox import Sandbox
from services.monday.webhook_signatures import Access
from settings import Settings
from state import triggers
from tests.kit.cli import settings_for, start_main
from tests.kit.forked import Child
from tests.kit.shipped import CONTACTS, MAPPINGS, ORGANIZATIONS
from tests.kit.waiting import until
from webhook_handler import serve

SECRET = "a signing secret of thirty-two bytes or more"
BOARDS = {"MONDAY_BOARD_ID_CONTACTS": CONTACTS, "MONDAY_BOARD_ID_ORGANIZATIONS": ORGANIZATIONS}
SECOND_PROFILE = ("organizations", "contacts")
QUICK = WorkerSettings(debounce_s=0.02)


class LiveWorld(Struct):
    """Holds a sandbox with the second profile's boards, and a database with their triggers."""

    db: Database
    url: str
    sandbox: Sandbox
    home: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            home=self.home,
            api_key=self.sandbox.token,
            api_url=self.sandbox.graphql_url,
            webhook_secret=SECRET,
            database_url=self.url,
            environment=BOARDS,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Returns the same settings for a process of its own."""
        return settings_for(
            self.sandbox, self.url, MONDAY_WEBHOOK_SECRET=SECRET, MONDAY_SYNC_HOME=str(self.home), **BOARDS
        )

    def sql(self, statement: str, *params: Any) -> list[dict[str, Any]]:
        found = self.db.execute_query(statement, params)
        assert isinstance(found, list)
        return found

    def change(self, statement: str, *params: Any) -> None:
        """Changes rows as an application does."""
        self.db.execute_query(statement, params, fetch=False)

    def value(self, statement: str, *params: Any) -> Any:
        rows = self.sql(statement, *params)
        return next(iter(rows[0].values())) if rows else None

    def snapshot(self, board: str = CONTACTS) -> dict[str, dict[str, Any]]:
        """Returns the board's active items: column id → text, and the name."""
        found = self.sandbox.admin("boards/snapshot", board_id=board)
        return {item["id"]: shown(item) for item in found if item["state"] == "active"}

    def row_of(self, item_id: str, entity: str = "contact") -> dict[str, Any]:
        """Returns the row of an item."""
        table = f"{entity}s"
        statement = f"""
            select t.*
            from {table} as t
            join sync_mapping as l on l.entity_id = t.id::text
            where l.monday_id = %s and l.entity_type = %s
        """
        return self.sql(statement, item_id, entity)[0]

    def differences(self) -> list[str]:
        """Lists where the boards and the tables do not show the same; empty when they are equal."""
        return [
            *self._differences("contact", CONTACTS, ("role_title", "notes", "phone", "email")),
            *self._differences("organization", ORGANIZATIONS, ("notes",)),
        ]

    def _differences(self, entity: str, board: str, columns: Sequence[str]) -> list[str]:
        items, pairs, found = self.snapshot(board), self.pairs(entity), []
        rows = {str(row["id"]): row for row in self.sql(f"select * from {entity}s where archived_at is null")}
        for item_id, item in items.items():
            row = rows.pop(pairs.get(item_id, ""), None)
            if row is None:
                found.append(f"item {item_id} ({item['name']}) has no row")
                continue
            for name in ("name", *columns):
                if (row[name] or "").strip() != item[name].strip():
                    found.append(f"item {item_id}: {name} is {item[name]!r} on the board and {row[name]!r} in the row")
        return found + [f"row {row_id} ({row['name']}) has no item" for row_id, row in rows.items()]

    def pairs(self, entity: str = "contact") -> dict[str, str]:
        """Returns the living links: item → row."""
        statement = """
            select monday_id, entity_id
            from sync_mapping
            where entity_type = %s and archived_at is null and monday_id is not null
        """
        rows = self.sql(statement, entity)
        return {row["monday_id"]: row["entity_id"] for row in rows}

    def waiting(self) -> tuple[int, int]:
        """Counts the entries of inbox and outbox that wait."""
        statement = """
            select
                (select count(*) from sync_inbox where done_at is null) as inbox,
                (select count(*) from sync_outbox) as outbox
        """
        row = self.sql(statement)[0]
        return row["inbox"], row["outbox"]


def shown(item: dict[str, Any]) -> dict[str, Any]:
    return {"name": item["name"], **{name: cell["text"] or "" for name, cell in item["cells"].items()}}


@contextmanager
def world(
    db: Database, url: str, home: Path, boards: str = "organizations:3,contacts:6", **how: Any
) -> Iterator[LiveWorld]:
    """Starts a sandbox with the second profile's boards, and installs the triggers in the database."""
    with db.transaction() as tx:
        triggers.install(tx, [MAPPINGS[name] for name in SECOND_PROFILE])
    with Sandbox(boards=boards, seed=1, **how) as sandbox:
        yield LiveWorld(db, url, sandbox, home)


class Live(Struct):
    """Holds a daemon that runs in this process."""

    world: LiveWorld
    daemon: Daemon
    base: str
    gate: Access

    def post(self, body: Any, path: str = "/webhook", **headers: str) -> requests.Response:
        return requests.post(self.base + path, json=body, headers=headers, timeout=10)

    def event(self, board: str = CONTACTS, **members: Any) -> requests.Response:
        """Sends an event to the board's own address, unsigned."""
        return self.post({"event": {"boardId": int(board), **members}}, f"/webhook/{self.gate.token(board)}")

    def settle(self, seconds: float = 20.0) -> None:
        """Waits until nothing is under way any more."""
        end = time.monotonic() + seconds
        quiet = 0
        while quiet < 3:
            assert time.monotonic() < end, (
                f"still busy after {seconds} s: {self.world.waiting()} {self.daemon.health()}"
            )
            self.world.sandbox.admin("webhooks/wait", seconds=5)
            idle = self.world.waiting() == (0, 0) and all(worker.caught_up for worker in self.daemon.workers.values())
            quiet = quiet + 1 if idle else 0
            time.sleep(0.06)


@contextmanager
def living(
    world: LiveWorld,
    entities: Sequence[str] = SECOND_PROFILE,
    workers: WorkerSettings = QUICK,
    subscribe: bool = True,
    settings: Settings | None = None,
    caught_up: bool = True,
) -> Iterator[Live]:
    """Starts a daemon and its web server, with its webhooks made, and everything looked over once."""
    settings = settings or world.settings
    with open_daemon(compose(), settings, tuple(entities), workers) as daemon:
        server = serve(daemon, "127.0.0.1", 0, settings.webhook_secret)
        try:
            live = Live(world, daemon, server.url, Access(settings.webhook_secret, daemon.boards))
            if subscribe:
                subscribe_to(world, server.url, daemon.boards)
            daemon.start()
            if caught_up:
                until(lambda: all(worker.caught_up for worker in daemon.workers.values()), 30, "catching up")
            yield live
        finally:
            server.close()
            assert daemon.stop(20), "a worker did not end"


def subscribe_to(
    world: LiveWorld, base: str, boards: Sequence[str] | frozenset[str], secret: str = SECRET, account: str = ""
) -> None:
    with Monday(token=world.sandbox.token, url=world.sandbox.graphql_url) as monday:
        kept = Subscriptions(world.db, monday, Access(secret, boards), f"{base}/webhook{account and f'/{account}'}")
        for mapping in (MAPPINGS[name] for name in SECOND_PROFILE):
            board = BOARDS[str(mapping.board_setting)]
            if board in boards:
                steps = kept.register(mapping, board)
                assert not [step.problem for step in steps if step.problem]


class Process(Struct):
    """Runs `main.py webhook` (or another command that goes on) as a child."""

    child: Child
    line: str

    @property
    def base(self) -> str:
        return self.line.split()[-1]

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def end(self, seconds: float = 30.0) -> int:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(seconds)


@contextmanager
def running(world: LiveWorld, command: str, *arguments: str, first_line: bool = True, **env: str) -> Iterator[Process]:
    """Starts a command of main.py in a process of its own, over the second profile, and ends it at the end."""
    entities = [word for name in SECOND_PROFILE for word in ("--entity", name)]
    errors = open(world.home / "stderr.txt", "a", encoding="utf-8")
    settings = {**world.environment, **env}
    child = start_main(command, *entities, *arguments, env=settings, stdout=subprocess.PIPE, stderr=errors)
    errors.close()
    assert child.stdout is not None
    watchdog = threading.Timer(110, child.kill)
    watchdog.start()
    try:
        line = child.stdout.readline() if first_line else ""
        assert line or not first_line, (world.home / "stderr.txt").read_text()
        yield Process(child, line)
    finally:
        watchdog.cancel()
        if child.poll() is None:
            child.kill()
        child.wait()
        child.stdout.close()


def with_settings(world: LiveWorld, **changed: Any) -> Settings:
    return replace(world.settings, **changed)


def first_item(here: LiveWorld) -> str:
    """Returns the oldest item of the contacts' board."""
    return min(here.snapshot(), key=int)


@contextmanager
def away(here: LiveWorld) -> Iterator[None]:
    """Makes PostgreSQL let no connection in, until the end of the block."""
    name = parse_dsn(here.url)["dbname"]
    with closing(Database(here.url, dbname="postgres", max_connections=1)) as admin:
        with admin.autocommit() as session:
            session.execute(f'alter database "{name}" with allow_connections false')
            session.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        try:
            yield
        finally:
            with admin.autocommit() as session:
                session.execute(f'alter database "{name}" with allow_connections true')
