"""Gives the tests of commands an empty database, `init` by its flags, and an installation that `doctor` looks at."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db_connector import Database
from sandbox import Sandbox
from tests.kit.cli import Done, settings_for
from tests.kit.patient import Patient
from tests.kit.postgres import Postgres


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Makes a MONDAY_SYNC_HOME that is empty: tests look at all that a first command leaves in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    """Makes a database without any table."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def first_env(sandbox: Sandbox, home: Path) -> dict[str, str]:
    return {"MONDAY_SYNC_HOME": str(home), "MONDAY_API_URL": sandbox.graphql_url, "MONDAY_GIVE_UP_AFTER": "5"}


@pytest.fixture
def by_flags(run_cli, first_env, home: Path, tmp_path: Path, sandbox: Sandbox, empty_url: str):
    """Runs `init` with files for the key and the address of the database, and no terminal."""
    (tmp_path / "key").write_text(f"{sandbox.token}\n")
    (tmp_path / "url").write_text(f"{empty_url}\n")
    both = ("--key-file", str(tmp_path / "key"), "--database-url-file", str(tmp_path / "url"))

    def run(*arguments: str, given: tuple[str, ...] = both, **more: str) -> Done:
        return run_cli("init", *given, *arguments, env={**first_env, **more})

    return run


@pytest.fixture
def patient(sandbox: Sandbox, database_url: str, db: Database, home: Path, run_cli: Callable[..., Done]) -> Patient:
    env = settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home))
    return Patient(env, db, sandbox, home, run_cli)
