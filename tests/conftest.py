"""What every test may ask for: a real PostgreSQL, a database of its own on it, a home, and the command line.

The server is `DATABASE_URL`'s if that is set, else an embedded one that all workers of a run share. Each test's database
is a clone of a template to which `schema.sql` was applied once.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import pytest
from psycopg2.extensions import parse_dsn

from databases.postgres.embedded import LocalPostgres
from databases.postgres.names import compose, identifier
from db_connector import Database

PROJECT = Path(__file__).resolve().parent.parent
RUN_FOLDER = "MONDAY_SYNC_TEST_RUN"  # the workers of a run find in it what they share
RUN_PREFIX = "monday-sync-test-"
ROOM = 1_000_000_000
SETTINGS = ("MONDAY_", "DATABASE_URL", "WEBHOOK_BASE_URL", "PORT", "DEBUG", "LOG_FORMAT", "PG")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, so that the run cleans up
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix=RUN_PREFIX, dir=memory_folder())
        os.chmod(os.environ[RUN_FOLDER], 0o711)  # as root, the server runs as another account and must get through


def memory_folder() -> str | None:
    """A folder in memory with room for a server, if there is one: a database there is cloned 30 times faster."""
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < ROOM:
        return None
    return None if os.statvfs(folder).f_flag & os.ST_NOEXEC else folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """At the end of the whole run, also when a worker crashed and left the server to itself."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ[RUN_FOLDER])
    if os.environ.get("DATABASE_URL"):
        Postgres.of_url(os.environ["DATABASE_URL"]).drop_all()
    if (folder / "postgres").exists():
        LocalPostgres(folder / "postgres", throwaway=True).end()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Postgres:
    """A server on which databases can be made and dropped."""

    connection: dict[str, Any]

    @classmethod
    def of_url(cls, url: str) -> Postgres:
        return cls({"dbname": "postgres", **parse_dsn(url)})

    @property
    def run(self) -> str:
        """A name for this run, in the names of all databases that it makes."""
        return Path(os.environ[RUN_FOLDER]).name.removeprefix(RUN_PREFIX).lower()

    def database(self, name: str, **options: Any) -> Database:
        return Database(**{**self.connection, "dbname": name}, **options)

    def url(self, name: str) -> str:
        """For `DATABASE_URL`; the folder of a socket goes where other hosts go."""
        return f"postgresql:///?{urlencode({**self.connection, 'dbname': name}, quote_via=quote)}"

    def create(self, name: str, template: str = "template0") -> None:
        self._do("create database {name} template {template}", name=name, template=template)

    def drop(self, name: str) -> None:
        self._do("drop database if exists {name} with (force)", name=name)

    def drop_all(self) -> None:
        """The template, and what tests left that did not come to their end."""
        admin = self.database(self.connection["dbname"], max_connections=1)
        made = "select datname from pg_database where datname like %s"
        names = [row["datname"] for row in cast(list, admin.execute_query(made, (f"test\\_{self.run}\\_%",)))]
        admin.close()
        for name in names:
            self.drop(name)

    def _do(self, statement: str, **names: str) -> None:
        admin = self.database(self.connection["dbname"], max_connections=1)
        try:
            with admin.autocommit() as session:
                session.execute(compose(statement, **{key: identifier(name) for key, name in names.items()}))
        finally:
            admin.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this run."""
    if os.environ.get("DATABASE_URL"):
        yield Postgres.of_url(os.environ["DATABASE_URL"])
        return
    server = LocalPostgres(Path(os.environ[RUN_FOLDER]) / "postgres", throwaway=True)
    yield Postgres(server.start())
    server.stop()


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The database that tests clone: `schema.sql` applied once in a run, whichever worker comes first."""
    name = f"test_{postgres.run}_template"
    admin = postgres.database(postgres.connection["dbname"], max_connections=2)
    with admin.transaction() as tx:
        tx.execute("select pg_advisory_xact_lock(hashtext(%s))", (name,))
        if not tx.value("select 1 from pg_database where datname = %s", (name,)):
            postgres.create(name)
            _apply_schema(postgres, name)
    admin.close()
    return name


def _apply_schema(postgres: Postgres, name: str) -> None:
    schema = PROJECT / "schema.sql"
    if not schema.exists():
        return
    database = postgres.database(name)
    try:
        with database.transaction() as tx:
            tx.execute(schema.read_text(encoding="utf-8"))
    except BaseException:
        database.close()
        postgres.drop(name)
        raise
    database.close()


@pytest.fixture
def database_url(postgres: Postgres, template: str) -> Iterator[str]:
    """The address of a database of this test's own, with the tool's tables."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """That database, open."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A MONDAY_SYNC_HOME of this test's own, without a `.env`."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run_cli(home: Path) -> Callable[..., Done]:
    """Runs `python main.py ...` with the settings given and no others: `run_cli("status", env={"DATABASE_URL": url})`."""

    def run(*arguments: str, env: dict[str, str] | None = None, timeout: float = 60.0, **options: Any) -> Done:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        done = subprocess.run(
            [sys.executable, str(PROJECT / "main.py"), *arguments],
            env={**inherited, "MONDAY_SYNC_HOME": str(home), "PYTHONIOENCODING": "utf-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            **{"cwd": PROJECT, **options},
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


# What has a sandbox of its test's choice on one side. Each imports what it is made of, for those who ask for it only.


@pytest.fixture
def journey(db, sandbox):
    """The shipped mappings over the boards of the test's `sandbox`."""
    from tests.builders import Journey

    made = Journey(db, sandbox)
    yield made
    made.monday.close()


@pytest.fixture
def sides(db, sandbox):
    """A board of contacts in the test's `sandbox`, and their table."""
    from tests.two_sides import TwoSides

    made = TwoSides(db, sandbox)
    yield made
    made.close()


@pytest.fixture
def environment(database_url, sandbox, sides, home):
    """The settings by which `main.py` works on those sides."""
    from tests.two_sides import mapping_file

    (home / "mappings").mkdir()
    (home / "mappings" / "contacts.yaml").write_text(mapping_file(sides.board_id))
    return {"DATABASE_URL": database_url, "MONDAY_API_KEY": sandbox.token, "MONDAY_API_URL": sandbox.graphql_url}


@pytest.fixture
def cli(run_cli, environment):
    """`main.py` on those sides."""
    return lambda *arguments, **more: run_cli(*arguments, env=environment, **more)


# A daemon that lives


@pytest.fixture
def here(db, database_url, home):
    """A sandbox and a database with triggers, ready for a daemon."""
    from tests.live import world

    with world(db, database_url, home) as found:
        yield found


@pytest.fixture
def live(here):
    """A daemon at work between them."""
    from tests.live import living

    with living(here) as found:
        yield found
