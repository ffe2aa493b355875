"""Runs a sync of a query of MariaDB: in this process, with a clock that does not wait, or in one that is killed."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from db_connector import Database
from mappings.query_syncs import load_syncs
from sandbox import SmartSuite
from services.smartsuite.client import SmartSuite as Client
from settings import Settings, read_settings
from state.turns import working_on
from sync.options import PullOptions, RunOptions
from sync.parts import Client as Unused
from sync.queries.parts import SuiteParts, credentials
from sync.report import EntityReport
from sync_mysql_to_smartsuite import copy_rows
from tests.kit.clocks import PatientClock
from tests.kit.kills import MORTAL, KillBench, Killed, Mortal
from tests.kit.relay import Relay

NAME = "things"
SLUGS = {"key": "skey000001", "title": "title", "amount": "samount001", "note": "snote00001", "due": "sdue000001"}
FIELDS = [
    {"slug": SLUGS["key"], "label": "External id", "field_type": "textfield"},
    {"slug": SLUGS["amount"], "label": "Amount", "field_type": "numberfield"},
    {"slug": SLUGS["note"], "label": "Note", "field_type": "textareafield"},
    {"slug": SLUGS["due"], "label": "Due", "field_type": "datefield"},
]
TABLE = """
create or replace table things (
    id varchar(40) primary key, title varchar(100), amount decimal(12, 2), note text, due date,
    updated_at datetime(6) not null default now(6) on update now(6))
"""
QUERY = "select id, title, amount, note, due, updated_at from things where updated_at >= :last_sync_time"
COLUMNS = {column: slug for column, slug in SLUGS.items() if column != "key"}


class QueryOrder(Struct, frozen=True):
    """Holds what a run needs to know in another process."""

    home: str
    env: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, Any], ...] = ()
    dies_at: int | None = None
    """The statement at which the process dies."""

    def settings(self) -> Settings:
        return read_settings({"MONDAY_SYNC_HOME": self.home, **dict(self.env)}, self.home).settings

    def carry_out(self) -> EntityReport:
        settings = self.settings()
        with closing(Mortal(settings.database_url or "", application_name=MORTAL)) as db:
            db.dies_at = self.dies_at
            return run_in(settings, db, dict(self.options))


def _no_monday() -> Any:
    raise AssertionError("a sync of a query asks monday.com")


def run_in(settings: Settings, db: Database, options: dict[str, Any]) -> EntityReport:
    """Runs the sync. Raises the SyncError that ends it."""
    sync = load_syncs(settings.home)[NAME]
    suite = Client(settings.smartsuite_url, *credentials(settings), clock=PatientClock())
    parts = SuiteParts(settings, db, {}, Unused(_no_monday), suite=suite)
    with closing(suite), working_on(db, sync.turn):
        return copy_rows(parts, sync, sync.table_id, RunOptions(PullOptions(**options)), None)


class QueryBench(Struct, KillBench, dict=True):
    """Holds a table of MariaDB, a table of SmartSuite, and the sync between them."""

    db: Database
    database: str
    suite: SmartSuite
    server: Any
    home: Path
    destination: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.relay = Relay(self.suite)
        self.begin_anew(**self.destination)

    def begin_anew(self, **destination: str) -> None:
        """Makes empty tables on both sides."""
        self.mysql(TABLE)
        self.table_id = self.suite.admin("tables/create", name="Things", fields=FIELDS)["id"]
        self.write_sync(**destination)

    def write_sync(self, query: str = QUERY, **destination: str) -> None:
        """Writes the file of syncs: with these keys in its `destination`."""
        sync = {
            "name": NAME,
            "source": {"query": query, "primary_key": "id", "updated_at_field": "updated_at"},
            "destination": {
                "table_id": self.table_id,
                "external_id_field": SLUGS["key"],
                "field_mappings": COLUMNS,
                **destination,
            },
        }
        (self.home / "config").mkdir(exist_ok=True)
        (self.home / "config" / "sync_mappings.yml").write_text(json.dumps({"syncs": [sync]}))

    @property
    def env(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database,
            "SMARTSUITE_TOKEN": self.suite.token,
            "SMARTSUITE_ACCOUNT_ID": self.suite.account_id,
            "SMARTSUITE_API_URL": f"{self.relay.url}/api/v1",
            **self.server.settings,
        }

    def close(self) -> None:
        self.relay.close()

    # Runs

    def order(self, **options: Any) -> QueryOrder:
        return QueryOrder(str(self.home), tuple(self.env.items()), tuple(options.items()))

    def run(self, **options: Any) -> EntityReport:
        """Runs in this process, to the end."""
        return run_in(self.order().settings(), self.db, options)

    def begin(self, direction: str = "") -> Killed:
        return Killed(self.order(**({"sweep": True} if direction == "sweep" else {})))

    def later(self) -> None:
        """Lets time pass: what was put off is due, and what is in doubt is so for long."""
        self.sql("update sync_records set next_try_at = now() - interval '1 second' where next_try_at is not null")
        self.sql("update sync_records set intent_at = intent_at - interval '1 hour' where intent_at is not null")

    # Both sides

    def mysql(self, *statements: str) -> Any:
        return self.server.execute(*statements, database="shop")

    def insert(self, count: int, begin: int = 1) -> None:
        self.mysql(
            "insert into things (id, title, amount, note) select seq, concat('Thing ', seq), seq + 0.5,"
            f" concat('note ', seq) from seq_{begin}_to_{begin + count - 1}"
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        """Returns the rows by key, each as its record is to show it."""
        found = self.mysql("select id, title, amount, note, due from things")
        return {
            key: {
                "title": title or "",
                "amount": "" if amount is None else f"{amount.normalize():f}",
                "note": note or "",
                "due": "" if due is None else due.isoformat(),
            }
            for key, title, amount, note, due in found
        }

    def items(self) -> list[dict[str, Any]]:
        """Returns the records, each with its id, key and fields as texts."""
        return [
            {"id": item["id"], **{column: _text(item.get(slug)) for column, slug in SLUGS.items()}}
            for item in self.suite.admin("tables/snapshot", table_id=self.table_id)
        ]

    def shown(self) -> dict[str, dict[str, Any]]:
        """Returns the records by key. No two may have one key."""
        items = self.items()
        found = {item["key"]: {name: item[name] for name in COLUMNS} for item in items}
        assert len(found) == len(items), f"a record was doubled: {sorted(item['key'] for item in items)}"
        return found

    def edit(self, key: str, **values: Any) -> None:
        """Edits a record, as a person does."""
        (record,) = [item["id"] for item in self.items() if item["key"] == key]
        self.suite.admin(
            "records/change", record_id=record, values={SLUGS[name]: value for name, value in values.items()}
        )

    def calls(self) -> list[str]:
        """Returns the calls since the last look."""
        made = [request["call"] for request in self.suite.admin("requests")]
        self.suite.admin("requests/reset")
        return made

    def must_be_equal(self) -> None:
        """Checks that each row has its one record, which shows it, that no other is there, and that nothing is to do."""
        assert self.shown() == self.rows()
        self.calls()
        report = self.run(sweep=True, allow_mass_delete=True)
        assert self.calls() == [], "the run after it still made calls"
        assert (report.errors, report.created, report.updated, report.archived) == (0, 0, 0, 0), report
        linked = self.sql("select source_key, record_id from sync_records where removed_at is null")
        assert {row["source_key"]: row["record_id"] for row in linked} == {
            item["key"]: item["id"] for item in self.items()
        }
        doubtful = self.sql("select source_key from sync_records where intent_at is not null or sent is not null")
        assert doubtful == []


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("date") or "")[:10]
    return "" if value is None else str(value)
