"""Starts the embedded PostgreSQL with the settings that users get, and makes fresh databases on it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from databases.postgres.embedded import LocalPostgres
from databases.postgres.names import compose, identifier
from db_connector import Database, Transaction
from state.schema import init_db

FOREIGN_KEYS = """
select conrelid::regclass::text, confrelid::regclass::text
from pg_constraint
where contype = 'f'
  and conrelid <> confrelid
"""

DIGEST = """
select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)
from {name} as t
"""


class Postgres:
    """Holds a server and its fresh databases."""

    def __init__(self, server: LocalPostgres) -> None:
        self.connection = server.start()
        pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
        self.process = psutil.Process(pid)
        self._numbers = itertools.count(1)
        self._do("create database template_bench")
        with self.open("template_bench") as db:
            init_db(db)

    def url(self, name: str) -> str:
        """Returns an address for DATABASE_URL."""
        return f"postgresql://{self.connection['user']}@{quote(self.connection['host'], safe='')}/{name}"

    def fresh(self) -> str:
        """Makes a database with the tool's tables after all earlier work is on disk, and returns its name."""
        name = f"bench_{next(self._numbers)}"
        self._do("create database {name} template template_bench", name)
        self._do("checkpoint")
        return name

    def drop(self, name: str) -> None:
        """Removes a database."""
        self._do("drop database {name} with (force)", name)

    @contextmanager
    def open(self, name: str) -> Iterator[Database]:
        """Opens a database."""
        db = Database(**{**self.connection, "dbname": name}, max_connections=2)
        try:
            yield db
        finally:
            db.close()

    def _do(self, statement: str, name: str = "") -> None:
        with self.open("postgres") as db, db.autocommit() as session:
            session.execute(compose(statement, name=identifier(name)))


@contextmanager
def running(connections: int | None = None) -> Iterator[Postgres]:
    """Starts a server in a folder of its own, which is removed at the end. `connections`: more than it has by default."""
    folder = Path(tempfile.mkdtemp(prefix="monday-sync-bench-"))
    os.chmod(folder, 0o711)  # as root, the server runs as another account and must get through
    server = LocalPostgres(folder / "postgres")
    try:
        if connections:
            db = Database(**server.start())
            with db.autocommit() as session:
                session.execute("alter system set max_connections = %s", (connections,))
                # of a thousand databases it would be most of the transactions
                session.execute("alter system set autovacuum_naptime = '1 d'")
            db.close()
            server.end()
        yield Postgres(server)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def filled_tables(tx: Transaction) -> list[str]:
    """Returns the tables that hold rows; a table comes after those that its foreign keys point at."""
    names = [row[0] for row in tx.rows("select tablename from pg_tables where schemaname = 'public' order by 1")]
    left = [name for name in names if tx.value(compose("select true from {name} limit 1", name=identifier(name)))]
    needs: dict[str, set[str]] = {name: set() for name in left}
    for table, other in tx.rows(FOREIGN_KEYS):
        if table in needs and other in needs:
            needs[table].add(other)
    order: list[str] = []
    while left:
        order += [name for name in left if needs[name] <= set(order)]
        left = [name for name in left if name not in order]
    return order


def digest(tx: Transaction, tables: list[str]) -> dict[str, list[Any]]:
    """Returns the number of rows of each table, and a sum over their contents that does not depend on the order."""
    found = {}
    for name in tables:
        count, total = tx.rows(compose(DIGEST, name=identifier(name)))[0]
        found[name] = [int(count), str(total)]
    return found
