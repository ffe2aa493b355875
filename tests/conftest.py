"""Gives every test what it may ask for: a real PostgreSQL, a database of its own on it, a home, and the command line.

The server is `DATABASE_URL`'s if that is set, else an embedded one that all workers of a run share. Each test's database
is a clone of a template to which `schema.sql` was applied once.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from databases.postgres.embedded import LocalPostgres
from db_connector import Database
from mappings.kept_trees import KeptTrees
from mappings.loader import load_mappings
from tests.kit.cli import Done, run_main, settings_for
from tests.kit.forked import end_forks
from tests.kit.mariadb import MariaDB, needed
from tests.kit.postgres import FILE_BY_FILE, RUN_FOLDER, RUN_PREFIX, Postgres, memory_folder, server_folder
from tests.kit.shipped import PROJECT


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background of a script ignores Ctrl-C
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, so that the run cleans up
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix=RUN_PREFIX, dir=memory_folder())
        os.chmod(os.environ[RUN_FOLDER], 0o711)  # as root, the server runs as another account and must get through


def pytest_unconfigure(config: pytest.Config) -> None:
    """Cleans up at the end of the whole run, also when a worker crashed and left the server to itself."""
    end_forks()
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ[RUN_FOLDER])
    if os.environ.get("DATABASE_URL"):
        with closing(Postgres.of_url(os.environ["DATABASE_URL"])) as used:
            used.drop_all()
    if (folder / "postgres").exists():
        LocalPostgres(folder / "postgres", throwaway=True).end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Starts the server of this run."""
    if os.environ.get("DATABASE_URL"):
        with closing(Postgres.of_url(os.environ["DATABASE_URL"])) as given:
            yield given
        return
    server = LocalPostgres(Path(os.environ[RUN_FOLDER]) / "postgres", throwaway=True)
    with closing(Postgres(server.start(), FILE_BY_FILE)) as made:
        yield made
    server.stop()


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """Makes the database that tests clone. The first worker of a run applies `schema.sql` to it."""
    name = f"test_{postgres.run}_template"
    with closing(postgres.database(postgres.connection["dbname"], max_connections=1)) as beside:
        with beside.transaction() as tx:
            tx.execute("select pg_advisory_xact_lock(hashtext(%s))", (name,))
            if not tx.value("select 1 from pg_database where datname = %s", (name,)):
                postgres.create(name)
                _apply_schema(postgres, name)
    return name


def _apply_schema(postgres: Postgres, name: str) -> None:
    database = postgres.database(name)
    try:
        with database.transaction() as tx:
            tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
    except BaseException:
        database.close()
        postgres.drop(name)
        raise
    database.close()


@pytest.fixture
def database_url(postgres: Postgres, template: str) -> Iterator[str]:
    """Returns the address of a database of this test's own, with the tool's tables."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """Opens that database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Makes a folder for a server of this test's own."""
    with server_folder() as path:
        yield path


@pytest.fixture(scope="session")
def kept_mappings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes the cache of a home in which the shipped mappings were read once."""
    cache = tmp_path_factory.mktemp("kept") / "cache"
    load_mappings([PROJECT / "mappings"], KeptTrees(cache))
    return cache


@pytest.fixture
def home(tmp_path: Path, kept_mappings: Path) -> Path:
    """Makes a MONDAY_SYNC_HOME of this test's own, without a `.env`. Only the shipped mappings were read in it before."""
    folder = tmp_path / "home"
    shutil.copytree(kept_mappings, folder / "cache")
    return folder


@pytest.fixture
def run_cli(home: Path) -> Callable[..., Done]:
    """Runs `python main.py ...` with the settings given and no others: `run_cli("status", env={"DATABASE_URL": url})`."""
    return lambda *arguments, **options: run_main(home, *arguments, **options)


# Each of the following imports what it is made of, for the tests that ask for it only.

# A sandbox on the one side, the database on the other. A test file that needs boards has a `sandbox` of its own.


@pytest.fixture(scope="module")
def sandbox():
    """Starts a sandbox without boards."""
    from sandbox import Sandbox

    with Sandbox() as running:
        yield running


@pytest.fixture
def journey(db, sandbox):
    """Pulls by the shipped mappings over the boards of the test's `sandbox`."""
    from tests.kit.pulls import Journey

    made = Journey(db, sandbox)
    yield made
    made.monday.close()


@pytest.fixture
def sides(db, sandbox):
    """Makes a board of contacts in the test's `sandbox`, and their table."""
    from tests.kit.two_sides import TwoSides

    made = TwoSides(db, sandbox)
    yield made
    made.close()


@pytest.fixture
def sides_with_bob(sides):
    """Adds an item that no test touches: a listing without any item is another matter."""
    sides.item("bob")
    return sides


@pytest.fixture
def environment(database_url, sandbox, sides, home):
    """Returns the settings by which `main.py` works on those sides."""
    from tests.kit.two_sides import mapping_file

    (home / "mappings").mkdir()
    (home / "mappings" / "contacts.yaml").write_text(mapping_file(sides.board_id))
    return settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home))


@pytest.fixture
def cli(run_cli, environment):
    """Runs `main.py` on those sides."""
    return lambda *arguments, **more: run_cli(*arguments, env=environment, **more)


# A board and a table of things


@pytest.fixture
def bench(db, database_url, tmp_path):
    """Makes a board and a table of things, with triggers."""
    from tests.kit.pushes import bench_of

    with bench_of(db, database_url, tmp_path) as made:
        made.install_triggers()
        yield made


@pytest.fixture
def nameless(db, database_url, tmp_path):
    """Makes the same with a board that has no column for the sync id."""
    from tests.kit.pushes import nameless_bench_of

    with nameless_bench_of(db, database_url, tmp_path) as made:
        made.install_triggers()
        yield made


# A daemon that lives


@pytest.fixture
def here(db, database_url, home):
    """Makes a sandbox and a database with triggers, ready for a daemon."""
    from tests.kit.live import world

    with world(db, database_url, home) as found:
        yield found


@pytest.fixture
def live(here):
    """Starts a daemon between them."""
    from tests.kit.live import living

    with living(here) as found:
        yield found


# Histories


@pytest.fixture(scope="module")
def history_world(postgres, template):
    """Makes what the histories of this process share."""
    from tests.histories.world import World

    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    logger = logging.getLogger("monday_sync")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    made = World({**postgres.connection, "dbname": name})
    yield made
    made.close()
    logger.setLevel(level)
    postgres.drop(name)


@pytest.fixture
def history(history_world):
    """Begins a history: `history(rule="monday")`."""
    from tests.histories.history import History
    from tests.histories.world import Setup

    return lambda **setup: History(history_world, Setup(**setup))


@pytest.fixture(scope="session")
def server() -> Iterator[MariaDB]:
    """Starts the MariaDB of this worker."""
    needed()
    running = MariaDB()
    yield running
    running.close()
