"""Random histories over the stand-in for monday.com and a real PostgreSQL, and those that once ended badly.

`tests/histories.py` says what a history is made of and how it is judged. `make soak` walks through many more of them.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from monday_api import Monday
from sync.board import BoardSync
from sync_pg_to_monday import push_board
from tests.histories import Histories, History, Setup, World

HISTORIES = 200
BATCHES = 8
STEPS = 16


@pytest.fixture(scope="module")
def world(postgres, template) -> Iterator[World]:
    """What the histories of this process share."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    level, logger = logging.ERROR, logging.getLogger("monday_sync")
    level, _ = logger.level, logger.setLevel(logging.CRITICAL)
    made = World({**postgres.connection, "dbname": name})
    yield made
    made.close()
    logger.setLevel(level)
    postgres.drop(name)


@pytest.fixture
def history(world):
    """A history of one's own: `history(rule="monday")`."""
    return lambda **setup: History(world, Setup(**setup))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_after_any_history_both_sides_are_equal_and_nothing_is_lost_or_doubled(world, batch):
    machine = type("Histories", (Histories,), {"world": world})
    how = settings(
        max_examples=HISTORIES // BATCHES, stateful_step_count=STEPS, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    run_state_machine_as_test(seed(batch)(machine), settings=how)


# Histories that once ended badly


def test_what_sql_wrote_into_a_row_that_no_item_shows_yet_is_not_filled_over(history):
    h = history()
    h.monday_create({"client.email": 1, "client.name": 0})
    h.sql_create({"client.email": 1, "client.name": 0})

    h.quiet()


KILLS = [(when, at) for when in ("before", "after") for at in range(1, 7)] + [("statement", at) for at in range(3, 61, 3)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "sync_id"), [("both", True), ("push", True), ("push", False)])
def test_a_kill_at_a_request_or_a_statement_loses_and_doubles_nothing(history, kind, sync_id):
    for unit, at in KILLS:
        h = history(sync_id=sync_id, rule="monday")
        h.monday_create({"client.email": 1, "client.name": 0, "amount": 1})
        h.run("pull")
        h.sql_create({"client.email": 2, "remarks": 0})
        h.sql_edit("C1", h.profile.field("amount"), 1)
        h.monday_edit("C1", h.profile.field("remarks"), 1)
        with h.pipe():
            h.run_killed(kind, at, unit)

        h.quiet()


def test_a_renamed_column_takes_what_sql_wrote_under_its_old_title_along_before_an_item_is_made_of_it(history):
    h = history()
    h.monday_create({})
    h.run("pull")
    h.sql_create({"extra": 0})
    h.monday_rename_column(h.profile.field("extra"))
    h.run("push")

    h.quiet()


def test_a_row_that_was_edited_does_not_go_with_its_item(history):
    h = history(item_removed="delete")
    h.monday_create({"amount": 1})
    h.run()
    h.sql_edit("C1", h.profile.field("amount"), 1)
    h.monday_remove("C1", "delete")
    h.run()

    h.quiet()


def test_an_archived_row_that_was_edited_is_not_deleted_with_its_item(history):
    h = history(item_removed="delete")
    h.monday_create({"amount": 1})
    h.run()
    h.sql_remove("C1", "archive")
    h.sql_edit("C1", h.profile.field("amount"), 1)
    h.monday_remove("C1", "archive")
    h.run()

    h.quiet()


def test_edits_of_a_shared_row_from_several_items_at_once_reach_all_who_show_it(history):
    h = history(profile="projects")
    h.monday_create({"customer.name": 0, "customer.phone": 0, "customer.email": 1})
    h.monday_duplicate("C1")
    h.monday_duplicate("C1")
    h.run("both")
    h.monday_edit("C1", h.profile.field("customer.name"), 0)
    h.monday_edit("C2", h.profile.field("customer.phone"), 0)
    h.monday_edit("C3", h.profile.field("title"), 0)

    h.quiet()

    assert len({(item["fields"]["customer.name"], item["fields"]["customer.phone"]) for item in h.items()}) == 1


@pytest.mark.parametrize("items", [1, 2])
def test_what_a_row_shows_by_sql_and_no_item_shows_is_not_filled_over_by_a_copy_of_an_item_that_differs(history, items):
    h = history()
    person = {"client.name": 0, "client.phone": 0, "client.email": 1}
    for _ in range(items):
        h.monday_create(person)
    h.sql_create(person)
    h.run("pull")
    h.monday_duplicate("C1")

    h.quiet()


def test_an_item_in_doubt_that_somebody_renamed_gets_no_row_of_its_own(history):
    h = history(sync_id=False)
    h.sql_create({"title": 0})
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.monday_edit("C1", h.profile.field("title"), 0)
    h.sql_edit("C1", h.profile.field("title"), 0)

    h.quiet()


def test_a_row_goes_with_its_item_although_another_item_edited_the_row_that_both_show(history):
    h = history()
    h.monday_create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.monday_duplicate("C1")
    h.run()
    h.monday_edit("C1", h.profile.field("client.phone"), 0)
    h.monday_remove("C2", "delete")

    h.quiet()

    assert h.row("C2")["archived"]


def test_a_copy_of_an_item_whose_row_was_removed_is_an_item_of_its_own(history):
    h = history()
    h.sql_create({})
    h.run()
    h.monday_duplicate("C1")
    h.sql_remove("C1", "archive")
    h.run("push")

    h.quiet()

    assert not h.row("C2")["archived"]


def test_an_item_whose_row_went_while_it_was_made_stays_when_a_pull_has_given_it_another(history):
    h = history()
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.sql_remove("C1", "delete")
    h.run("pull")

    h.quiet()


def test_an_item_made_of_a_row_that_was_archived_meanwhile_gets_no_second_row_where_items_stay(history):
    h = history(sync_id=False, row_removed="ignore")
    h.sql_create({})
    h.run_killed_making("push", "before")
    h.sql_remove("C1", "archive")

    h.quiet()


def test_an_item_made_of_a_row_that_was_archived_meanwhile_comes_back_as_that_row(history):
    h = history(sync_id=False)
    h.sql_create({})
    h.run_killed_making("push", "before")
    h.sql_remove("C1", "archive")
    h.run()
    h.monday_restore("C1")

    h.quiet()

    assert not h.row("C1")["archived"]


def test_an_item_that_goes_is_missed_although_the_run_before_has_made_one(history):
    h = history()
    h.monday_create({})
    h.monday_create({})
    h.run()
    h.sql_create({})
    h.run_killed_making("push", "before")
    h.run()
    h.monday_remove("C2", "archive")

    h.quiet()


def test_an_item_in_doubt_whose_row_was_archived_is_left_to_a_person(history):
    h = history(sync_id=False)
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.sql_remove("C1", "archive")
    h.monday_edit("C1", h.profile.field("title"), 0)

    h.quiet()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sync_id", [True, False])
def test_a_kill_while_an_item_goes_whose_row_was_archived_as_it_was_made_leaves_it_to_the_next_run(history, sync_id):
    for unit, at in KILLS:
        h = history(sync_id=sync_id)
        h.sql_create({})
        h.run_killed_making("push", "after")
        h.sql_remove("C1", "archive")
        with h.pipe():
            h.run_killed("both", at, unit)

        h.quiet()


@pytest.mark.parametrize("pulled", [False, True])
def test_a_copy_of_an_item_that_went_before_anybody_knew_of_it_is_an_item_of_its_own(history, pulled):
    h = history(at_last="postgres")
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.monday_duplicate("C1")
    h.monday_remove("C1", "archive")
    if pulled:
        h.run("pull")
    else:
        h.sql_edit("C1", h.profile.field("title"), 0)

    h.quiet()


def test_an_item_that_somebody_renamed_before_anybody_knew_of_it_is_left_to_the_push(history):
    h = history(sync_id=False)
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.monday_edit("C1", h.profile.field("title"), 0)
    h.monday_create({})
    h.run("pull")

    h.quiet()


@pytest.mark.parametrize("row_removed", ["archive", "ignore"])
def test_a_row_that_was_archived_before_its_item_was_made_is_not_brought_back_by_what_monday_adds(history, row_removed):
    h = history(profile="projects", row_removed=row_removed)  # a new project shows a stage
    h.monday_create({})
    h.run()
    h.sql_create({})
    h.run_killed_making("both", "before")
    h.sql_remove("C2", "archive")

    h.quiet()

    assert h.row("C2")["archived"]


def test_a_made_item_is_looked_for_by_mondays_clock_however_far_it_is_off(history):
    h = history(skew=-100_000, sync_id=False)
    h.monday_create({})
    h.run()
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.pass_time(2000)  # monday.com has forgotten the key

    h.quiet()


def test_an_item_is_known_again_with_the_token_of_another_user(history, world):
    h = history()
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.pass_time(2000)  # monday.com has forgotten the key
    other = list(world.sandbox.service.world.users)[1]
    world.sandbox.admin("tokens/add", token="another-token-not-a-real-one", user_id=other)
    with Monday(token="another-token-not-a-real-one", url=world.sandbox.graphql_url, clock=world.clock) as monday:
        push_board(BoardSync(world.db, monday, h.mapping, h.board, writes=(False, True)))

    h.quiet()


def test_who_is_given_another_shared_row_takes_what_the_item_shows_along(history):
    h = history(profile="projects")
    h.monday_create({"customer.name": 0, "customer.phone": 0, "customer.email": 1})
    h.monday_create({"customer.name": 0, "customer.phone": 0, "customer.email": 3})
    h.sql_create({"customer.name": 0, "customer.phone": 0, "customer.email": 3})
    h.run()
    h.monday_edit("C1", h.profile.field("customer.name"), 0)
    h.sql_edit("C1", h.profile.field("customer.name"), 0)
    h.sql_relate("C1", "C3")

    h.quiet()


def test_a_cell_that_differs_from_its_shared_row_stands_in_a_conflict_when_the_row_is_written_over_it(history):
    h = history()
    h.monday_create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.run()
    h.monday_duplicate("C1")
    h.monday_edit("C1", h.profile.field("client.name"), 0)
    h.sql_edit("C1", h.profile.field("client.name"), 0)
    h.monday_edit("C2", h.profile.field("client.name"), 0)
    h.run()

    h.quiet()


@pytest.mark.parametrize("seconds", [0, 3])
def test_an_edit_of_a_shared_row_is_news_to_a_dispute_also_where_a_copy_has_filled_the_row_before(history, seconds):
    h = history()
    person = {"client.name": 0, "client.phone": 0, "client.email": 1}
    h.monday_create(person)
    h.sql_create(person)
    h.run()
    h.monday_duplicate("C1")
    h.monday_edit("C1", h.profile.field("client.name"), 0)
    h.sql_edit("C1", h.profile.field("client.name"), 0)
    h.monday_duplicate("C1")
    h.run()
    h.pass_time(seconds)
    h.monday_duplicate("C1")
    h.pass_time(3)
    h.monday_edit("C3", h.profile.field("client.name"), 0)
    h.run()

    h.quiet()


@pytest.mark.parametrize("how", ["archive", "delete"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("seconds", [0, 2000])
def test_an_item_that_was_removed_before_anybody_knew_of_it_is_not_made_again(history, how, rows, seconds):
    h = history()
    for _ in range(rows):
        h.sql_create({})
    h.run_killed_making("push", "after")
    h.monday_remove("C1", how)
    h.pass_time(seconds)  # monday.com forgets the key after a while

    h.quiet()

    assert [item["code"] for item in h.items()].count("C1") == 1
    assert h.row("C1")["archived"]


@pytest.mark.parametrize("code", [None, "USER_UNAUTHORIZED", "SomethingOfTomorrow", ""])
def test_an_item_that_may_have_gone_is_made_again_where_the_token_may_not_read_the_activity_log(history, world, code):
    h = history()
    h.sql_create({})
    h.run_killed_making("push", "after")
    h.monday_remove("C1", "archive")
    h.pass_time(2000)
    world.sandbox.admin("switches", logs_allowed=code is not None)
    if code is not None:
        fault = {"kind": "error", "code": code, "message": "No logs for you", "http": 200, "count": 1000}
        world.sandbox.admin("faults/add", **fault, match={"field": "boards", "contains": "ActivityLogs"})
    try:
        h.run()
        assert [item["state"] for item in h.items()] == ["archived", "active"]
        assert not h.row("C1")["archived"]
    finally:
        world.sandbox.admin("faults/clear")
        world.sandbox.admin("switches", logs_allowed=True)

    h.quiet()


def test_an_edit_that_was_undone_keeps_no_row_from_going_with_its_item(history):
    h = history()
    h.monday_create({})
    h.run()
    h.monday_remove("C1", "archive")
    h.sql_edit("C1", h.profile.field("due"), 0)
    h.sql_edit("C1", h.profile.field("due"), 6)

    h.quiet()

    assert h.row("C1")["archived"]


def test_a_row_whose_shared_row_was_edited_and_left_to_it_alone_is_held_when_its_item_is_gone(history):
    h = history()
    person = {"client.name": 0, "client.phone": 0, "client.email": 1}
    h.monday_create(person)
    h.sql_create(person)
    h.run()
    h.sql_remove("C1", "archive")
    h.monday_edit("C1", h.profile.field("title"), 0)
    h.run()
    h.monday_remove("C2", "archive")
    h.sql_remove("C1", "archive")
    h.monday_edit("C1", h.profile.field("client.email"), 5)
    h.sql_edit("C1", h.profile.field("client.email"), 0)

    h.quiet()

    assert not h.row("C2")["archived"]
    (link,) = h._sql("select sync_status from sync_mapping where entity_id = %s", str(h.row("C2")["id"]))
    assert link["sync_status"] == "conflict"


def test_an_edit_that_reached_the_board_keeps_no_row_from_going_with_its_item(history):
    h = history()
    h.monday_create({})
    h.run()
    h.sql_remove("C1", "archive")
    h.monday_edit("C1", h.profile.field("title"), 0)
    h.run()
    h.sql_edit("C1", h.profile.field("title"), 0)
    h.run()
    h.monday_remove("C1", "archive")

    h.quiet()

    assert h.row("C1")["archived"]


def test_items_that_show_a_shared_row_unlike_it_are_made_to_show_it_on_demand(history):
    h = history()
    h.monday_create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.monday_create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.run()
    shown = {item["fields"]["client.name"] for item in h.items()}
    assert len(shown) == 2
    assert h.run().changes == 0
    report = h.run(unify=True)
    assert report.to_monday.updated == 1
    assert len({item["fields"]["client.name"] for item in h.items()}) == 1
    assert h._sql("select 1 from sync_mapping where base_postgres is not null") == []

    h.quiet()
