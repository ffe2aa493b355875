"""Where monday.com does not answer, a few tasks find that out, and the others do not ask."""

from __future__ import annotations

import socket

import pytest

from state.accounts import Accounts
from state.due import LOOK, RUN, Due
from tests.kit.live import SECOND_PROFILE, LiveWorld
from tests.kit.workshop import Workshop, workshop


@pytest.fixture
def shop(here: LiveWorld, tmp_path):
    with workshop(here, tmp_path, MONDAY_GIVE_UP_AFTER="0.3") as made:
        yield made


def tasks(shop: Workshop, rounds: int) -> list[str]:
    """Has runs begun, and returns what became of them."""
    shop.outcomes.clear()
    for _ in range(rounds):
        for entity in SECOND_PROFILE:
            shop.work.due.mark([Due("acme", entity, RUN)])
            shop.work.run("acme", entity)
    return list(shop.outcomes)


def test_after_some_failures_no_task_asks_until_one_has_tried_and_found_an_answer(here, shop):
    here.sandbox.admin("faults/add", kind="random_5xx", percent=100)
    assert tasks(shop, 3)[:3] == ["failed"] * 3
    before = here.sandbox.admin("counters")["requests"]
    assert set(tasks(shop, 3)) == {"put_off"} and here.sandbox.admin("counters")["requests"] == before
    here.sandbox.admin("faults/clear")
    assert set(tasks(shop, 1)) == {"put_off"}, "nobody knows yet that it is back"
    here.change("update sync_outages set until = now()")
    assert tasks(shop, 1) == ["done", "done"]
    assert here.value("select count(*) from sync_outages") == 0 and here.differences() == []


def test_one_task_alone_tries_again(here, shop):
    here.change("insert into sync_outages (address, failures, until) values (%s, 3, now())", here.sandbox.graphql_url)
    here.sandbox.admin("faults/add", kind="random_5xx", percent=100)
    assert sorted(tasks(shop, 2)) == ["failed", "put_off", "put_off", "put_off"]


def test_a_failure_of_one_board_holds_up_no_other(here, shop):
    here.change("insert into sync_outages (address, failures, until) values (%s, 2, now())", here.sandbox.graphql_url)
    assert tasks(shop, 1) == ["done", "done"]
    assert here.value("select count(*) from sync_outages") == 0, "a good answer ends it"


def test_a_database_server_that_says_nothing_is_asked_by_one_task_at_a_time(here, shop, tmp_path):
    with socket.create_server(("127.0.0.1", 0), backlog=20) as silent:
        port = silent.getsockname()[1]
        (tmp_path / "silent").write_text(f"postgresql://globex@127.0.0.1:{port}/globex?connect_timeout=2")
        Accounts(here.db).add("globex", {"DATABASE_URL_FILE": str(tmp_path / "silent")})
        shop.outcomes.clear()
        for _ in range(5):
            shop.work.due.mark([Due("globex", "", LOOK)])
            shop.work.look("globex")
        assert shop.outcomes == [*["failed"] * 3, *["put_off"] * 2]
    assert "as other tasks have found" in here.value("select message from sync_due where account = 'globex'")
    assert tasks(shop, 1) == ["done", "done"], "another account's server is asked"


def test_what_ends_its_processes_waits_between_its_tries_and_is_done_once_it_can_be(here, shop):
    shop.outcomes.clear()
    here.change("update sync_due set starts = 8 where entity = 'contacts' and task = 'run'")
    shop.work.run("acme", "contacts")
    (row,) = here.sql("select starts, message, due_at > now() as waits from sync_due where entity = 'contacts'")
    assert row["starts"] == 9 and row["waits"] and "begun 8 times without an end; it waits 60 s" in row["message"]
    assert shop.outcomes == []
    here.change("update sync_due set due_at = now() where entity = 'contacts'")
    shop.work.run("acme", "contacts")
    assert shop.outcomes == ["done"]
    (row,) = here.sql("select starts, message from sync_due where entity = 'contacts' and task = 'run'")
    assert row == {"starts": 0, "message": None}
