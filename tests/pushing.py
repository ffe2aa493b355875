"""Pushes to a sandbox: in this process, or in one that is killed at a chosen step.

Between the tool and the sandbox stands a gate that can hold a chosen request before it goes on, or its answer after it
was carried out. A step inside PostgreSQL is held by a lock on a table. Nothing of the tool is patched.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from db_connector import Database
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from monday_api import Limits, Monday
from sandbox import Sandbox
from sandbox.client import Admin
from state import triggers
from state.turns import working_on
from sync.board import BoardSync, PullOptions
from sync.report import EntityReport
from sync_monday_to_pg import Pull
from sync_pg_to_monday import push_board, sync_both_ways
from timing import Clock

BOARD = "7810000909"
THINGS = """
entity: things
entity_type: thing
table: things
board: {id: 7810000909}
item_name: [title]
sync_id: {id: sync_id, title: Sync ID}
fields:
  - {column: name, field: title}
  - {column: text, field: note}
  - {column: status, field: state}
"""
TABLE = """
create table things (
    id uuid primary key default gen_random_uuid(), monday_id text, title text, note text, state text,
    archived_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz not null default now())
"""
SECONDS = 20.0
STEADY = Limits(random=lambda: 0.5)

# The gate


@dataclass
class Hold:
    """A request to stop at: its operation (or PUT), which one of them, and whether before or after it was carried out."""

    operation: str
    number: int = 1
    after: bool = False
    seen: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    goes_on: bool = False
    """Whether a request that was held is carried out after all once it is let go."""


class Gate:
    """Stands before a sandbox and counts what goes through."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.target = urlsplit(sandbox.url).netloc
        self.holds: list[Hold] = []
        self.passed: Counter[str] = Counter()
        self.bodies: list[tuple[str, bytes]] = []
        self.drop_answers: set[str] = set()
        self._lock = threading.Lock()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                gate.relay(self)

            do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that was killed is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def hold(self, operation: str, number: int = 1, after: bool = False) -> Hold:
        """Stop at this request from now on."""
        one = Hold(operation, number, after)
        with self._lock:
            self.holds.append(one)
        return one

    def relay(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        operation = operation_of(handler, body)
        self.bodies.append((operation, body))
        hold = self._hold_for(operation)
        if hold is not None and not hold.after:
            hold.reached.set()
            hold.go.wait(SECONDS)
            if not hold.goes_on:
                handler.close_connection = True
                return
        answer = self._forward(handler, body)
        if hold is not None and hold.after:
            hold.reached.set()
            hold.go.wait(SECONDS)
        if answer is None or operation in self.drop_answers:
            handler.close_connection = True
            return
        status, headers, content = answer
        with suppress(OSError):
            handler.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "date", "server"):
                    handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

    def _hold_for(self, operation: str) -> Hold | None:
        with self._lock:
            self.passed[operation] += 1
            for one in self.holds:
                if one.operation == operation and not one.reached.is_set():
                    one.seen += 1
                    if one.seen == one.number:
                        return one
        return None

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[Any], bytes] | None:
        connection = http.client.HTTPConnection(self.target, timeout=SECONDS)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            content = answer.read().replace(f"http://{self.target}".encode(), self.url.encode())
            return answer.status, answer.getheaders(), content
        except (OSError, http.client.HTTPException):
            return None  # the sandbox broke the connection: so do we
        finally:
            connection.close()

    def close(self) -> None:
        for one in self.holds:
            one.go.set()
        self._server.shutdown()
        self._server.server_close()


def operation_of(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    """The name of a GraphQL operation, or the method."""
    if handler.command != "POST":
        return handler.command
    text = str(json.loads(body).get("query", ""))
    return text.split("(")[0].split("{")[0].split()[-1]


# A push in a process of its own


class HastyClock(Clock):
    """Whoever waits makes the sandbox's clock move on, and nothing else."""

    def __init__(self, url: str, token: str) -> None:
        self._admin = Admin(url, token)
        self._waited = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._waited)

    def monotonic(self) -> float:
        return time.monotonic() + self._waited

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._waited += seconds
            with suppress(OSError):
                self._admin("clock/advance", seconds=seconds)
            time.sleep(0.01)


@dataclass(frozen=True)
class Order:
    """What a run needs to know, in this process or in another."""

    database: str
    url: str
    admin_url: str
    token: str
    mappings: str
    direction: str = "push"
    entity: str = "things"

    def carry_out(self, **options: Any) -> EntityReport:
        db = Database(self.database)
        clock = HastyClock(self.admin_url, self.token)
        monday = Monday(token=self.token, url=f"{self.url}/v2", clock=clock, limits=STEADY)
        mappings = load_mappings([Path(self.mappings)])
        mapping = mappings[self.entity]
        try:
            with working_on(db, mapping.entity_type):
                return run(self.direction, db, monday, mapping, mappings, **options)
        finally:
            monday.close()
            db.close()


def run(
    direction: str, db: Database, monday: Monday, mapping: Mapping, mappings: dict[str, Mapping], **options: Any
) -> EntityReport:
    """One run over one entity."""
    board, how = str(mapping.board_id), {"mappings": mappings, "options": PullOptions(**options)}
    if direction == "push":
        return push_board(BoardSync(db, monday, mapping, board, writes=(False, True), **how))  # type: ignore[arg-type]
    if direction == "pull":
        return Pull(db, monday, mapping, board, **how).run()  # type: ignore[arg-type]
    return sync_both_ways(Pull(db, monday, mapping, board, writes=(True, True), **how))  # type: ignore[arg-type]


def _child(order: Order) -> None:
    os.setpgrp()
    order.carry_out()


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.pushing"])


class Killed:
    """A run in another process, which will not come to its end."""

    def __init__(self, order: Order) -> None:
        self.process = FORKS.Process(target=_child, args=(order,), daemon=True)
        self.process.start()

    def kill(self) -> None:
        os.kill(int(self.process.pid or 0), signal.SIGKILL)
        self.process.join(SECONDS)
        assert self.process.exitcode == -signal.SIGKILL


def until(true: Callable[[], Any], what: str = "what was waited for") -> Any:
    """What it became."""
    end = time.monotonic() + SECONDS
    while not (found := true()):
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.005)
    return found


# The bench


class Bench:
    """A board, a table, and pushes between them."""

    def __init__(self, db: Database, url: str, sandbox: Sandbox, folder: Path, mapping: str = THINGS) -> None:
        self.db, self.database, self.sandbox = db, url, sandbox
        self.gate = Gate(sandbox)
        self.folder = folder / "mappings"
        self.folder.mkdir(exist_ok=True)
        self.use(mapping)
        self.board = str(self.mapping.board_id)
        self.connect()

    def connect(self) -> None:
        """A client that knows nothing yet."""
        clock = HastyClock(self.sandbox.url, self.sandbox.token)
        self.monday = Monday(token=self.sandbox.token, url=self.sandbox.graphql_url, clock=clock, limits=STEADY)

    def use(self, mapping: str) -> None:
        """Go by this mapping file from now on."""
        (self.folder / "things.yaml").write_text(mapping)
        self.mappings = load_mappings([self.folder])
        self.mapping = self.mappings["things"]

    def close(self) -> None:
        self.gate.close()
        self.monday.close()

    def sql(self, statement: str, *params: Any) -> Any:
        return self.db.execute_query(statement, params, fetch=statement.lstrip().startswith(("select", "with")))

    def insert(self, count: int, **values: str) -> None:
        """New rows, with different values in each."""
        note, state = values.get("note", "'note ' || i"), values.get("state", "null")
        title = values.get("title", "'Thing ' || i")
        numbers = f"generate_series(1, {count}) as i"
        self.sql(f"insert into things (title, note, state) select {title}, {note}, {state} from {numbers}")

    def install_triggers(self) -> None:
        with self.db.transaction() as tx:
            triggers.install(tx, self.mappings.values())

    def order(self, direction: str = "push") -> Order:
        return Order(self.database, self.gate.url, self.sandbox.url, self.sandbox.token, str(self.folder), direction)

    def push(self, direction: str = "push", **options: Any) -> EntityReport:
        """A run in this process, to its end."""
        with working_on(self.db, self.mapping.entity_type):
            return run(direction, self.db, self.monday, self.mapping, self.mappings, **options)

    def begin(self, direction: str = "push") -> Killed:
        return Killed(self.order(direction))

    def kill_at(self, operation: str, number: int = 1, after: bool = False, direction: str = "push") -> Hold:
        """Let a run come as far as this request, and kill it there."""
        hold = self.gate.hold(operation, number, after)
        child = self.begin(direction)
        until(hold.reached.is_set, f"{operation} {number}")
        child.kill()
        if after:
            hold.go.set()
        return hold

    def kill_at_lock(self, table: str, mode: str, hold: Hold | None = None, direction: str = "push") -> None:
        """Let a run come as far as this table (after `hold`, if one is given), and kill it there."""
        with ExitStack() as stack:
            if hold is None:
                stack.enter_context(self.locked(table, mode))
            child = self.begin(direction)
            if hold is not None:
                until(hold.reached.is_set, hold.operation)
                stack.enter_context(self.locked(table, mode))
                hold.go.set()
            waiting = "select 1 from pg_locks where not granted and relation = %s::regclass"
            until(lambda: self.sql(waiting, table), f"a wait for {table}")
            child.kill()

    @contextmanager
    def locked(self, table: str, mode: str) -> Iterator[None]:
        with self.db.transaction(tool=False) as tx:
            tx.execute(f"lock table {table} in {mode} mode")
            yield

    def retry(self) -> None:
        """The pauses of what was refused are over."""
        self.sql("update sync_mapping set next_try_at = now() - interval '1 second' where next_try_at is not null")

    # Looking

    def later(self, minutes: float) -> None:
        self.sandbox.admin("clock/advance", seconds=minutes * 60)

    def items(self, state: str = "active") -> list[dict[str, Any]]:
        return list(self.sandbox.admin("boards/snapshot", board_id=self.board, state=state))

    def shown(self, column: str, state: str = "active") -> list[str]:
        """The texts of a column over the board, sorted."""
        return sorted(text_of(item, column) for item in self.items(state))

    def writes(self) -> int:
        """How many mutations the sandbox was sent since the last look."""
        count = len(self.sandbox.admin("requests", operation="mutation"))
        self.sandbox.admin("requests/reset")
        return count

    def links(self) -> list[dict[str, Any]]:
        return list(self.sql("select * from sync_mapping where entity_type = 'thing' order by entity_id"))

    def must_be_equal(self) -> None:
        """Each row has its one item, which shows it; nothing else is on the board; and nothing is left to do."""
        rows = self.sql("select id::text, title, note, state from things where archived_at is null order by id")
        wanted = sorted((row["title"], row["note"] or "", row["state"] or "") for row in rows)
        items = self.items()
        assert sorted((one["name"], text_of(one, "text"), text_of(one, "status")) for one in items) == wanted
        if self.mapping.sync_id:
            made = [text_of(item, "sync_id") for item in items if text_of(item, "sync_id")]
            assert len(made) == len(set(made)), "an item was doubled"
        links = {one["entity_id"]: one for one in self.links() if one["archived_at"] is None and one["monday_id"]}
        assert set(links) == {row["id"] for row in rows}
        assert sorted(one["monday_id"] for one in links.values()) == sorted(str(one["id"]) for one in items)
        assert self.sql("select count(*) as n from sync_intents")[0]["n"] == 0
        self.writes()
        report = self.push()
        assert self.writes() == 0, "the run after it still had something to write"
        assert (report.errors, report.created, report.updated) == (0, 0, 0), report


def text_of(item: dict[str, Any], column: str) -> str:
    """What a cell of a snapshot shows."""
    if column == "name":
        return str(item["name"])
    return str(item["cells"].get(column, {}).get("text") or "")


@contextmanager
def bench_of(
    db: Database, url: str, folder: Path, mapping: str = THINGS, table: str = TABLE, sync_id: bool = True,
    boards: str = "empty:0", limits: str = "off",
) -> Iterator[Bench]:  # fmt: skip
    """A bench with a sandbox of its own."""
    with Sandbox(boards=boards, seed=1, limits=limits) as sandbox:
        with db.transaction() as tx:
            tx.execute(table)
        bench = Bench(db, url, sandbox, folder, mapping)
        if sync_id:
            sandbox.admin("columns/add", board_id=bench.board, id="sync_id", title="Sync ID", type="text")
        try:
            yield bench
        finally:
            bench.close()
