"""A look each hour costs one call for all boards of an account; a board that has moved is compared."""

from __future__ import annotations

import pytest

from jobs.work import Work
from state import pauses
from state.due import LOOK, RUN, Due
from tests.kit.live import SECOND_PROFILE, LiveWorld
from tests.kit.workshop import workshop


@pytest.fixture
def work(here: LiveWorld, tmp_path):
    """Makes what a worker works with, for one account."""
    with workshop(here, tmp_path) as made:
        yield made.work


def hour(work: Work) -> None:
    """Has the account looked at, and does what is due then."""
    work.due.mark([Due("acme", "", LOOK)])
    work.look("acme")
    for entity in SECOND_PROFILE:
        work.run("acme", entity)


def runs(here: LiveWorld) -> int:
    return int(here.value("select count(*) from sync_runs"))


def calls(here: LiveWorld) -> int:
    return int(here.sandbox.admin("counters")["requests"])


def an_hour_later(here: LiveWorld) -> None:
    here.change("""update sync_state set value = jsonb_set(value, '{at}', '"2020-01-01T00:00:00+00:00"')
                   where name = 'marks'""")


def test_boards_that_stand_still_cost_one_call_and_no_run(here, work):
    hour(work)
    assert runs(here) == 2 and here.differences() == []
    an_hour_later(here)
    before = calls(here)
    hour(work)
    assert (runs(here), calls(here) - before) == (2, 1)


def test_a_board_that_has_moved_is_compared_and_the_others_are_not(here, work):
    hour(work)
    item = min(here.snapshot(), key=int)
    here.sandbox.admin("items/change", item_id=item, values={"notes": "moved"})
    an_hour_later(here)
    hour(work)
    assert runs(here) == 3 and here.row_of(item)["notes"] == "moved"


def test_a_board_is_compared_once_a_day_and_where_events_may_be_lost_all_the_same(here, work):
    hour(work)
    here.change("""update sync_state set value = jsonb_set(value, '{at}', '"2020-01-01T00:00:00+00:00"')
                   where name like 'mark:%%'""")
    an_hour_later(here)
    hour(work)
    assert runs(here) == 4
    work.due.mark([Due("acme", "contacts", RUN)], sweep=True)
    work.run("acme", "contacts")
    assert runs(here) == 5
    assert not here.value("select bool_or(sweep) from sync_due"), "a sweep that was made is asked for no more"
    hour(work)
    assert runs(here) == 5


def test_a_board_that_moved_while_its_entity_was_paused_is_compared_after_it(here, work):
    hour(work)
    pauses.pause(here.db, "contacts", "a test")
    item = min(here.snapshot(), key=int)
    here.sandbox.admin("items/change", item_id=item, values={"notes": "moved while paused"})
    an_hour_later(here)
    hour(work)
    assert here.row_of(item)["notes"] != "moved while paused"
    pauses.resume(here.db, "contacts")
    an_hour_later(here)
    hour(work)
    assert here.row_of(item)["notes"] == "moved while paused"


def test_rows_without_triggers_are_compared_each_hour(here, work):
    hour(work)
    for row in here.sql("select tgname from pg_trigger where tgrelid = 'contacts'::regclass and not tgisinternal"):
        here.change(f'drop trigger "{row["tgname"]}" on contacts')
    an_hour_later(here)
    hour(work)
    assert runs(here) == 3
