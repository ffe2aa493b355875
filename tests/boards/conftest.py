"""Gives the tests of boards a deployment to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from tests.kit.deployed import Deployment, deployment


@pytest.fixture
def world(db: Database, database_url: str, home: Path) -> Iterator[Deployment]:
    with deployment(db, database_url, home) as made:
        yield made


@pytest.fixture
def everything(db: Database, database_url: str, home: Path) -> Iterator[Deployment]:
    with deployment(db, database_url, home, "everything:9") as made:
        yield made
