"""Gives the run of the tests a PostgreSQL server: that of `DATABASE_URL`, or an embedded one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from msgspec import Struct
from psycopg2.extensions import parse_dsn

from databases.postgres.embedded import LocalPostgres
from databases.postgres.names import compose, identifier
from db_connector import Database

RUN_FOLDER = "MONDAY_SYNC_TEST_RUN"
"""Names the folder in which the workers of a run find what they share."""
RUN_PREFIX = "monday-sync-test-"
ROOM = 1_000_000_000
FILE_BY_FILE = "strategy file_copy"
"""Clones a database without writing all of it into the WAL: cheaper where nothing is written to a disk."""


def memory_folder() -> str | None:
    """Returns a folder in memory with room for a server, if there is one: a database there is cloned 30 times faster."""
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < ROOM:
        return None
    return None if os.statvfs(folder).f_flag & os.ST_NOEXEC else folder


class Postgres(Struct, frozen=True, dict=True):
    """Makes and drops databases on a server."""

    connection: dict[str, Any]
    cloning: str = ""
    """Options of `create database` for a clone."""

    @classmethod
    def of_url(cls, url: str) -> Postgres:
        return cls({"dbname": "postgres", **parse_dsn(url)})

    @property
    def run(self) -> str:
        """Names this run; the name is part of the names of all databases that it makes."""
        return Path(os.environ[RUN_FOLDER]).name.removeprefix(RUN_PREFIX).lower()

    def database(self, name: str, **options: Any) -> Database:
        return Database(**{**self.connection, "dbname": name}, **options)

    def url(self, name: str) -> str:
        """Returns a value for `DATABASE_URL`; the folder of a socket goes where other hosts go."""
        return f"postgresql:///?{urlencode({**self.connection, 'dbname': name}, quote_via=quote)}"

    def create(self, name: str, template: str = "template0", locale: str = "") -> None:
        """Makes a database. `locale` are options of `create database`."""
        options = locale if template == "template0" else self.cloning
        self._do("create database {name} template {template} " + options, name=name, template=template)

    def drop(self, name: str) -> None:
        self._do("drop database if exists {name} with (force)", name=name)

    def drop_all(self) -> None:
        """Drops the template, and the databases of tests that did not come to their end."""
        made = "select datname from pg_database where datname like %s"
        names = [row["datname"] for row in cast(list, self.admin.execute_query(made, (f"test\\_{self.run}\\_%",)))]
        for name in names:
            self.drop(name)

    @cached_property
    def admin(self) -> Database:
        """Returns the connection by which databases are made and dropped; one stays open for all."""
        return self.database(self.connection["dbname"], max_connections=1)

    def close(self) -> None:
        self.admin.close()

    def _do(self, statement: str, **names: str) -> None:
        with self.admin.autocommit() as session:
            session.execute(compose(statement, **{key: identifier(name) for key, name in names.items()}))


@contextmanager
def server_folder() -> Iterator[Path]:
    """Makes a folder for a server that outlives no test. As root, the server's account cannot enter pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="monday-sync-pg-", dir=memory_folder()))
    path.chmod(0o711)
    yield path
    for left in path.rglob("data/postmaster.pid"):
        LocalPostgres(left.parent.parent).end()
    shutil.rmtree(path)
