"""Makes a small world for the second pair: a source table in PostgreSQL, a table of SmartSuite, and a file of syncs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from db_connector import Database
from sandbox import SmartSuite
from tests.kit.cli import Done, run_main

QUERY = """
select id, name, amount, stage, born, note, updated_at
from shop
where updated_at > :last_sync_time and name not like '%:last_sync_time%'
"""
SHOP = """
create table shop (
    id bigint, name text, amount numeric(12, 2), stage text, born date, note text,
    updated_at timestamptz not null default now())
"""
MYSQL_SHOP = """
create table customers (
    id bigint unsigned primary key, name varchar(200), amount decimal(12, 2), stage varchar(20), born date, note text,
    vip bit(1), hours time,
    updated_at datetime(6) not null default now(6) on update now(6))
"""
MYSQL_QUERY = """
select id, name, amount, stage, born, note, updated_at -- :last_sync_time, 100%
from customers
where updated_at > :last_sync_time and name not like '50%:last_sync_time';
"""
COLUMNS = {"name": "title", "amount": "Amount", "stage": "Stage", "born": "Born", "note": "Note"}
CHOICES = [{"value": "aLq4Z", "label": "New"}, {"value": "pA1dX", "label": "Paid"}]
FIELDS = (
    {"label": "External id", "field_type": "textfield"},
    {"label": "Amount", "field_type": "currencyfield"},
    {"label": "Stage", "field_type": "singleselectfield", "choices": CHOICES},
    {"label": "Born", "field_type": "datefield"},
    {"label": "Note", "field_type": "textareafield"},
)


class World(Struct, dict=True):
    """Holds both sides, and runs the tool between them."""

    suite: SmartSuite
    db: Database
    home: Path
    env: dict[str, str]
    table_id: str = ""
    slugs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self.suite.admin("tables/create", name="Shop", fields=list(FIELDS))
        self.table_id, self.slugs = made["id"], {"Title": "title", **made["slugs"]}
        self.write_sync()

    def write_sync(self, name: str = "shop", query: str = QUERY, **more: Any) -> None:
        """Writes the file of syncs, with one sync."""
        sync = {
            "name": name,
            "source": {"query": query, "primary_key": "id", "database": "postgres", **more.pop("source", {})},
            "destination": {
                "table_id": self.table_id,
                "external_id_field": "External id",
                "field_mappings": COLUMNS,
                **more.pop("destination", {}),
            },
            "transformations": {"stage": {"type": "choice", "value_map": {"n": "New", "p": "Paid"}}},
            **more,
        }
        (self.home / "config").mkdir(exist_ok=True)
        # JSON is YAML.
        (self.home / "config" / "sync_mappings.yml").write_text(json.dumps({"syncs": [sync]}, indent=1))

    def run(self, *arguments: str, **more: Any) -> Done:
        """Runs `main.py run` for the sync."""
        return run_main(self.home, "run", "--sync-name", "shop", *arguments, env=self.env, **more)

    def counts(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs, and returns what the run tells of the sync."""
        done = self.run("--json", *arguments)
        assert done.code == code, (done.err, done.out)
        told = json.loads(done.out)
        return {**told["entities"][0], "calls": told["api"]["calls"]}

    def rows(self, count: int, begin: int = 1) -> None:
        """Adds rows to the source."""
        self.db.execute_query(
            """
            insert into shop (id, name, amount, stage, born)
            select n, 'Customer ' || n, n + 0.50, case when mod(n, 2) = 0 then 'n' else 'p' end, date '2020-01-01' + n::int
            from generate_series(%s, %s) as n
            """,
            (begin, begin + count - 1),
            fetch=False,
        )

    def execute(self, statement: str) -> None:
        """Runs a statement in the source."""
        self.db.execute_query(statement, fetch=False)

    def snapshot(self) -> list[dict[str, Any]]:
        """Returns the records as SmartSuite shows them."""
        shown = self.suite.admin("tables/snapshot", table_id=self.table_id)
        return list(shown["records"] if isinstance(shown, dict) else shown)

    def records(self) -> dict[str, dict[str, Any]]:
        """Returns the records by external id, each by label. No two may have one external id."""
        labels = {slug: label for label, slug in self.slugs.items()}
        found = [
            {labels[name]: value for name, value in record.items() if name in labels} for record in self.snapshot()
        ]
        keys = [record["External id"] for record in found]
        assert len(set(keys)) == len(keys), "a record was made twice"
        return dict(zip(keys, found, strict=True))

    def fault(self, kind: str, **more: Any) -> None:
        """Orders a failure."""
        self.suite.admin("faults/add", kind=kind, **more)

    def switch(self, **switches: Any) -> None:
        """Sets switches of the stand-in."""
        self.suite.admin("switches", **switches)


@contextmanager
def shop_world(db: Database, database_url: str, home: Path) -> Iterator[World]:
    """Starts a stand-in for SmartSuite, and makes the source table."""
    with SmartSuite() as suite:
        env = {
            "DATABASE_URL": database_url,
            "SMARTSUITE_TOKEN": suite.token,
            "SMARTSUITE_ACCOUNT_ID": suite.account_id,
            "SMARTSUITE_API_URL": suite.api_url,
        }
        db.execute_query(SHOP, fetch=False)
        yield World(suite, db, home, env)
