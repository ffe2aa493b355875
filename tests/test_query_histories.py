"""Walks through random histories of a query of MariaDB and its table of SmartSuite, and those that once ended badly.

`tests/histories/query_machine.py` says what a history is made of, `query_oracle.py` how it is judged. `make soak` walks
through many more of them.
"""

from __future__ import annotations

import uuid

import pytest

from tests.histories.query_machine import QueryHistories, QueryWorld
from tests.histories.walking import walk
from tests.kit.mariadb import MariaDB, needed

HISTORIES = 16
BATCHES = 2
STEPS = 12


@pytest.fixture(scope="module")
def query_world(postgres, template):
    needed()
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    server = MariaDB()
    made = QueryWorld({**postgres.connection, "dbname": name}, postgres.url(name), server)
    yield made
    made.close()
    server.close()
    postgres.drop(name)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_after_any_history_records_show_their_rows_and_nothing_is_lost_or_doubled(query_world, batch):
    walk(QueryHistories, query_world, batch, HISTORIES // BATCHES, STEPS)
