"""Syncs of queries are work of an account like any other: a worker runs them, at the account's interval."""

from __future__ import annotations

import json

import pytest

import main  # noqa: F401 - it hands the program in
from jobs.work import Work
from settings import Settings
from state.accounts import Accounts
from state.due import LOOK, RUN, Due
from tests.kit.syncs import World, shop_world


@pytest.fixture
def world(db, database_url, tmp_path):
    """Makes both sides of a sync, at the home of the account acme."""
    (tmp_path / "acme").mkdir()
    with shop_world(db, database_url, tmp_path / "acme") as made:
        yield made


@pytest.fixture
def work(world: World, database_url, tmp_path):
    """Makes what a worker works with, for an account that has no board."""
    settings = Settings(home=tmp_path, database_url=database_url, accounts=tmp_path)
    made = Work(settings, lambda due, starts: True)
    for name, text in (("token", world.suite.token), ("url", database_url)):
        (tmp_path / name).write_text(text)
    Accounts(made._control).add(
        world.home.name,
        {
            "DATABASE_URL_FILE": str(tmp_path / "url"),
            "SMARTSUITE_TOKEN_FILE": str(tmp_path / "token"),
            "SMARTSUITE_ACCOUNT_ID": world.suite.account_id,
            "SMARTSUITE_API_URL": world.env["SMARTSUITE_API_URL"],
            "SYNC_INTERVAL_MINUTES": "5",
        },
    )
    yield made
    made.close()


def due_in(world: World) -> float:
    """Returns in how many seconds the sync is due."""
    (row,) = world.db.execute_query(
        "select extract(epoch from due_at - now())::float8 as s, message from sync_due where entity = 'sync:shop'"
    )
    assert row["message"] is None
    return float(row["s"])


def test_a_sync_is_found_is_run_and_is_due_again_at_its_interval(world, work):
    world.rows(3)
    name = world.home.name
    work.look(name)
    assert due_in(world) <= 0
    work.run(name, "sync:shop")
    assert len(world.records()) == 3
    assert 200 < due_in(world) <= 300
    world.rows(2, begin=4)
    work.run(name, "sync:shop")
    assert len(world.records()) == 3, "it is not due yet"
    work.due.mark([Due(name, "sync:shop", RUN)])
    work.run(name, "sync:shop")
    assert len(world.records()) == 5


def test_a_sync_that_is_taken_out_of_the_file_is_forgotten(world, work):
    name = world.home.name
    work.look(name)
    world.write_sync("other")
    work.due.mark([Due(name, "", LOOK)])
    work._open.close(name)
    work.look(name)
    found = world.db.execute_query("select entity from sync_due where task = 'run'")
    assert json.dumps([row["entity"] for row in found]) == '["sync:other"]'
