"""Kills the daemon at random moments, while users edit both sides: nothing is lost and nothing is doubled.

Some kills are enough for every run of the suite. For a hundred: KILLS=100 make test TESTS=tests/test_daemon_kills.py
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from monday_api import Monday
from sync.board import Opening, open_board
from tests.kit.live import BOARDS, LiveWorld, living, running, subscribe_to, world
from tests.kit.people import People
from tests.kit.runs import parts_of
from tests.kit.shipped import CONTACTS, MAPPINGS, ORGANIZATIONS
from tests.kit.waiting import until

KILLS = int(os.environ.get("KILLS", "4"))
SEED = int(os.environ.get("SEED", "1"))


@pytest.fixture
def here(db: Database, database_url: str, home: Path) -> Iterator[LiveWorld]:
    with world(db, database_url, home, "organizations:1,contacts:6") as found:
        for board in (CONTACTS, ORGANIZATIONS):
            found.sandbox.admin("columns/add", board_id=board, id="sync_id", title="Sync ID", type="text")
        yield found


@pytest.mark.parametrize("later", ["the row moves on", "nothing moves on"])
def test_a_kill_after_monday_took_a_change_makes_no_conflict_with_oneself(here, later):
    with living(here, subscribe=False) as live:
        live.settle()
    item, row = sorted(here.pairs().items())[0]
    here.change("update contacts set notes = 'first' where id = %s", row)
    with Monday(token=here.sandbox.token, url=here.sandbox.graphql_url) as monday:
        parts = parts_of(here.db, monday, MAPPINGS)
        sync = open_board(parts, MAPPINGS["contacts"], CONTACTS, Opening(writes=(True, True)))
        (items,) = monday.items([item], sync.bound.wanted)
        assert sync.writer.send(sync.engine.take(items, force=True).outgoing).answers
    # Here it was killed: monday.com has the change, and that it has is not written down.
    if later == "the row moves on":
        here.change("update contacts set notes = 'second' where id = %s", row)
    with living(here, subscribe=False) as live:
        live.settle()
    wanted = "first" if later == "nothing moves on" else "second"
    assert here.snapshot()[item]["notes"] == wanted == here.row_of(item)["notes"]
    assert here.sql("select * from sync_conflicts") == []


def settle(here: LiveWorld, seconds: float) -> None:
    """Waits until both sides are equal. Says what differs, if they do not become it."""
    end = time.monotonic() + seconds
    while here.waiting() != (0, 0) or here.differences():
        if time.monotonic() > end:
            log = (here.home / "webhook_handler.log").read_text()[-3000:]
            aside = here.sql("select * from sync_inbox where done_at is null limit 5")
            raise AssertionError(f"{here.waiting()} {here.differences()[:10]} {aside} {log}")
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(60 + 12 * KILLS)
def test_kills_at_random_moments_lose_nothing_and_double_nothing(here):
    dice = random.Random(SEED)
    with running(here, "webhook", "--port", "0") as first:
        subscribe_to(here, first.base, frozenset(BOARDS.values()))
        until(lambda: len(here.pairs()) == 6, 30)
        port = first.base.rpartition(":")[2]
        with People(here, SEED) as people:
            time.sleep(dice.uniform(0.1, 0.6))
            first.kill()
            for _ in range(KILLS - 1):
                with running(here, "webhook", "--port", port) as process:
                    time.sleep(dice.uniform(0, 1.5))
                    process.kill()
    assert people.problem is None, people.problem
    here.sandbox.admin("clock/advance", seconds=61)
    with running(here, "webhook", "--port", port) as process:
        settle(here, 60 + KILLS)
        time.sleep(0.5)
        assert here.differences() == []
        assert process.end() == 0
    people.check()
    assert len(people.made) > 10 * KILLS
