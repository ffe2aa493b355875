"""Starts the two sides of the demo of queries: a stand-in for SmartSuite, and a shop in MariaDB, or in PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import secrets
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from commands.demo_parts import ANSWER_S, Commands, address_of, demo_database, demo_folder, started, without_settings
from config.hiding import Hiding
from db_connector import Database
from errors import SourceUnreachable
from settings import PROJECT, Settings

ACCOUNT = "demo0001"
EXAMPLE = PROJECT / "config" / "sync_mappings.example.yml"
SAMPLE = PROJECT / "deploy" / "mysql"

# The tables of deploy/mysql in PostgreSQL, in a schema of their own: the tool has a table `customers` itself.
IN_POSTGRES = """
create schema shop;
create table shop.customers (
    id integer primary key, name text not null, email text, balance numeric(12, 2) not null, status text not null,
    signup_date date, notes text, updated_at timestamptz not null default clock_timestamp());
create table shop.orders (
    id integer primary key, number text not null unique, customer_id integer not null references shop.customers,
    total numeric(12, 2) not null, status text not null, paid boolean not null, ordered_on date not null,
    updated_at timestamptz not null default clock_timestamp());
"""


class Suite(Hiding, Struct, frozen=True):
    """Describes the stand-in for SmartSuite: where it answers, and the key that it accepts."""

    HIDDEN: ClassVar = frozenset({"token"})

    url: str
    token: str

    @property
    def api_url(self) -> str:
        """Returns the address of its API."""
        return f"{self.url}/api/v1"

    def records(self, table_id: str) -> list[dict[str, Any]]:
        """Returns the records of a table as SmartSuite shows them, the oldest first."""
        order = [{"field": "autonumber", "direction": "asc"}]
        body = {"sort": order, "filter": {}}
        found = self._ask("POST", f"applications/{table_id}/records/list/?offset=0&limit=1000", body)["items"]
        return list(found)

    def change(self, table_id: str, record_id: str, **values: object) -> None:
        """Changes a record as a user does."""
        self._ask("PATCH", f"applications/{table_id}/records/{record_id}/", values)

    def _ask(self, method: str, path: str, body: object) -> dict[str, Any]:
        headers = {"Authorization": f"Token {self.token}", "Account-Id": ACCOUNT, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.api_url}/{path}", json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answered:
            return dict(json.loads(answered.read()))


class Source(Struct, frozen=True):
    """Holds the database of the shop: its name, the settings that lead to it, and how an application changes it."""

    name: str
    settings: Mapping[str, str]
    execute: Callable[[str], object]
    is_mysql: bool = True

    def mapping(self, example: str) -> str:
        """Returns the file of syncs for it, made of the example."""
        if self.is_mysql:
            return example
        text = example.replace("database: mysql", "database: postgres")
        return re.sub(r"\b(from|join) (customers|orders)\b", r"\1 shop.\2", text)


class Shop(Commands, frozen=True):
    """Holds both sides of the demo of queries."""

    suite: Suite
    source: Source
    home: Path


@contextmanager
def open_shop(given: Settings) -> Iterator[Shop]:
    """Starts both sides, with the sample rows. Everything is stopped and removed at the end."""
    token = secrets.token_urlsafe(24)
    words = ["-m", "sandbox", "--service", "smartsuite", "--port", "0", "--tables", "customers,orders"]
    with (
        demo_folder() as home,
        started([*words, "--account", ACCOUNT], {**os.environ, "SANDBOX_TOKEN": token}) as child,
        demo_database(given, home) as target,
    ):
        suite = Suite(address_of(child), token)
        db = Database(target)
        try:
            with _source(home, db) as source:
                environment = {
                    **without_settings(os.environ),
                    **source.settings,
                    "MONDAY_SYNC_HOME": str(home),
                    "SMARTSUITE_TOKEN": token,
                    "SMARTSUITE_ACCOUNT_ID": ACCOUNT,
                    "SMARTSUITE_API_URL": suite.api_url,
                    "DATABASE_URL": target,
                }
                yield Shop(db, environment, suite, source, home)
        finally:
            db.close()


@contextmanager
def _source(home: Path, db: Database) -> Iterator[Source]:
    """Makes the shop in a MariaDB of the demo's own; in PostgreSQL where none is installed, or none starts."""
    from databases.mysql.private import PrivateServer, is_installed

    if not is_installed():
        yield _in_postgres(db)
        return
    folder = home / "mariadb"
    folder.mkdir(mode=0o700)
    server = PrivateServer(folder)
    try:
        yield _in_mariadb(server) or _in_postgres(db)
    finally:
        server.stop()


def _in_mariadb(server: Any) -> Source | None:
    try:
        server.start()
    except SourceUnreachable:
        return None
    address = server.add_reader("shop", "reader", secrets.token_hex(12))
    server.execute(*_statements("1-tables.sql"), *_statements("2-rows.sql"), database="shop")
    ((version,),) = server.execute("select version()")
    settings = {
        "MYSQL_HOST": address.host,
        "MYSQL_PORT": str(address.port),
        "MYSQL_USER": address.user,
        "MYSQL_PASSWORD": address.password,
        "MYSQL_DATABASE": address.database,
    }
    name = f"MariaDB {str(version).partition('-')[0]}"
    return Source(name, settings, lambda statement: server.execute(statement, database="shop"))


def _in_postgres(db: Database) -> Source:
    def execute(*statements: str) -> None:
        with db.transaction(tool=False) as tx:
            tx.execute("set local search_path = shop")
            for statement in statements:
                tx.execute(statement)

    execute(IN_POSTGRES, *_statements("2-rows.sql"))
    with db.transaction(read_only=True) as tx:
        version = str(tx.value("select current_setting('server_version')")).split()[0]
    return Source(f"PostgreSQL {version}", {}, execute, is_mysql=False)


def _statements(name: str) -> list[str]:
    """Returns the statements of a file of samples; each ends with a semicolon at the end of a line."""
    text = (SAMPLE / name).read_text(encoding="utf-8")
    return [statement for statement in text.split(";\n") if statement.strip()]
