"""Gives the tests of commands an installation that `doctor` looks at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db_connector import Database
from sandbox import Sandbox
from tests.kit.cli import Done, settings_for
from tests.kit.patient import Patient


@pytest.fixture
def patient(sandbox: Sandbox, database_url: str, db: Database, home: Path, run_cli: Callable[..., Done]) -> Patient:
    env = settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home))
    return Patient(env, db, sandbox, home, run_cli)
