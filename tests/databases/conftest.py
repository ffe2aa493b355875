"""Gives the tests of databases a table with a column of every kind."""

from __future__ import annotations

import pytest

from db_connector import Database
from tests.kit.kinds import EVERY_KIND


@pytest.fixture
def kinds(db: Database) -> Database:
    """Makes a table with a column of every kind, named by its type."""
    with db.transaction() as tx:
        columns = ", ".join(f'"{kind}" {kind}' for kind in EVERY_KIND)
        tx.execute(f"create table kinds ({columns})")
        tx.execute("create table words (id bigint primary key, word text unique)")
    return db
