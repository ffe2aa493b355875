"""Pushes to a sandbox: in this process, or in one that is killed at a chosen step (`tests/kit/kills.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from msgspec import Struct

from db_connector import Database
from mappings.loader import load_mappings
from monday_api import Limits, Monday
from sandbox import Sandbox
from state import triggers
from state.turns import working_on
from sync.report import EntityReport
from tests.kit.clocks import SharedClock
from tests.kit.kills import KillBench, Killed
from tests.kit.relay import Relay
from tests.kit.runs import parts_of, run

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

STEADY = Limits(random=lambda: 0.5)
"""Limits of a client that always draws the middle of a random pause."""


def things_with(fields: str, more: str = "") -> str:
    """Returns the mapping of things with other fields."""
    return THINGS.partition("fields:")[0] + more + "fields:\n" + fields


# A push in a process of its own


class Order(Struct, frozen=True):
    """Holds what a run needs to know in another process."""

    database: str
    url: str
    admin_url: str
    token: str
    mappings: str
    direction: str = "push"
    entity: str = "things"

    def carry_out(self) -> EntityReport:
        db = Database(self.database)
        clock = SharedClock(self.admin_url, self.token)
        monday = Monday(token=self.token, url=f"{self.url}/v2", clock=clock, limits=STEADY)
        mappings = load_mappings([Path(self.mappings)])
        mapping = mappings[self.entity]
        try:
            with working_on(db, mapping.entity_type):
                return run(self.direction, parts_of(db, monday, mappings), mapping)
        finally:
            monday.close()
            db.close()


# The bench


class PushBench(KillBench):
    """Holds a board and a table, and runs between them."""

    def __init__(self, db: Database, url: str, sandbox: Sandbox, folder: Path, mapping: str = THINGS) -> None:
        self.db, self.database, self.sandbox = db, url, sandbox
        self.relay = Relay(sandbox)
        self.folder = folder / "mappings"
        self.folder.mkdir(exist_ok=True)
        self.use(mapping)
        self.board = str(self.mapping.board_id)
        self.connect()

    def connect(self) -> None:
        """Makes a client that knows nothing yet."""
        clock = SharedClock(self.sandbox.url, self.sandbox.token)
        self.monday = Monday(token=self.sandbox.token, url=self.sandbox.graphql_url, clock=clock, limits=STEADY)

    def use(self, mapping: str) -> None:
        """Goes by this mapping file from now on."""
        (self.folder / "things.yaml").write_text(mapping)
        self.mappings = load_mappings([self.folder])
        self.mapping = self.mappings["things"]

    def close(self) -> None:
        self.relay.close()
        self.monday.close()

    def insert(self, count: int, **values: str) -> None:
        """Inserts rows, with different values in each."""
        note, state = values.get("note", "'note ' || i"), values.get("state", "null")
        title = values.get("title", "'Thing ' || i")
        numbers = f"generate_series(1, {count}) as i"
        self.sql(f"insert into things (title, note, state) select {title}, {note}, {state} from {numbers}")

    def install_triggers(self) -> None:
        with self.db.transaction() as tx:
            triggers.install(tx, self.mappings.values())

    # Runs

    def push(self, direction: str = "push", **options: Any) -> EntityReport:
        """Runs in this process, to the end."""
        with working_on(self.db, self.mapping.entity_type):
            return run(direction, parts_of(self.db, self.monday, self.mappings), self.mapping, **options)

    def begin(self, direction: str = "push") -> Killed:
        url, admin_url, token = self.relay.url, self.sandbox.url, self.sandbox.token
        return Killed(Order(self.database, url, admin_url, token, str(self.folder), direction))

    def retry(self) -> None:
        """Ends the pauses of what was refused."""
        self.sql("update sync_mapping set next_try_at = now() - interval '1 second' where next_try_at is not null")

    def later(self, minutes: float) -> None:
        self.sandbox.admin("clock/advance", seconds=minutes * 60)

    # Looking

    def items(self, state: str = "active") -> list[dict[str, Any]]:
        return list(self.sandbox.admin("boards/snapshot", board_id=self.board, state=state))

    def shown(self, column: str, state: str = "active") -> list[str]:
        """Returns the texts of a column over the board, sorted."""
        return sorted(text_of(item, column) for item in self.items(state))

    def writes(self) -> int:
        """Counts the mutations that the sandbox was sent since the last look."""
        count = len(self.sandbox.admin("requests", operation="mutation"))
        self.sandbox.admin("requests/reset")
        return count

    def links(self) -> list[dict[str, Any]]:
        return list(self.sql("select * from sync_mapping where entity_type = 'thing' order by entity_id"))

    def must_be_equal(self) -> None:
        """Checks that each row has its one item, which shows it; that no other item is there; and that nothing is to do."""
        rows = self.sql("select id::text, title, note, state from things where archived_at is null order by id")
        wanted = sorted((row["title"], row["note"] or "", row["state"] or "") for row in rows)
        items = self.items()
        assert sorted((item["name"], text_of(item, "text"), text_of(item, "status")) for item in items) == wanted
        if self.mapping.sync_id:
            made = [text_of(item, "sync_id") for item in items if text_of(item, "sync_id")]
            assert len(made) == len(set(made)), "an item was doubled"
        links = {link["entity_id"]: link for link in self.links() if link["archived_at"] is None and link["monday_id"]}
        assert set(links) == {row["id"] for row in rows}
        assert sorted(link["monday_id"] for link in links.values()) == sorted(str(item["id"]) for item in items)
        assert self.sql("select count(*) as n from sync_intents")[0]["n"] == 0
        self.writes()
        report = self.push()
        assert self.writes() == 0, "the run after it still had something to write"
        assert (report.errors, report.created, report.updated) == (0, 0, 0), report


def text_of(item: dict[str, Any], column: str) -> str:
    """Returns what a cell of a snapshot shows."""
    if column == "name":
        return str(item["name"])
    return str(item["cells"].get(column, {}).get("text") or "")


def load_items(bench: PushBench, count: int, name: str = "Item", days_ago: int = 30) -> list[str]:
    """Loads items that were not touched since those days, each updated a minute after the other. Returns their ids."""
    begun = datetime.now(timezone.utc) - timedelta(days=days_ago)
    items = [
        {
            "name": f"{name} {n}",
            "values": {"text": f"text {n}"},
            "updated_at": f"{begun + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}",
        }
        for n in range(count)
    ]
    return list(bench.sandbox.admin("items/load", board_id=bench.board, items=items))


@contextmanager
def bench_of(
    db: Database, url: str, folder: Path, mapping: str = THINGS, table: str = TABLE, **sandbox: Any
) -> Iterator[PushBench]:
    """Makes a bench with a sandbox of its own, whose board has a column for the sync id."""
    with nameless_bench_of(db, url, folder, mapping, table, **sandbox) as bench:
        bench.sandbox.admin("columns/add", board_id=bench.board, id="sync_id", title="Sync ID", type="text")
        yield bench


@contextmanager
def nameless_bench_of(
    db: Database, url: str, folder: Path, mapping: str = THINGS, table: str = TABLE, **sandbox: Any
) -> Iterator[PushBench]:
    """Makes a bench whose board has no column for the sync id."""
    with Sandbox(**{"boards": "empty:0", "seed": 1, "limits": "off", **sandbox}) as running:
        with db.transaction() as tx:
            tx.execute(table)
        bench = PushBench(db, url, running, folder, mapping)
        try:
            yield bench
        finally:
            bench.close()
