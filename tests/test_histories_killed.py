"""Walks through histories in which a run was killed, and which once ended badly."""

from __future__ import annotations

import pytest

from tests.kit.runs import parts_of, run

KILLS = [(when, at) for when in ("before", "after") for at in range(1, 7)] + [
    ("statement", at) for at in range(3, 61, 3)
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "sync_id"), [("both", True), ("push", True), ("push", False)])
def test_a_kill_at_a_request_or_a_statement_loses_and_doubles_nothing(history, kind, sync_id):
    for unit, at in KILLS:
        h = history(sync_id=sync_id, rule="monday")
        h.monday.create({"client.email": 1, "client.name": 0, "amount": 1})
        h.run("pull")
        h.sql.create({"client.email": 2, "remarks": 0})
        h.sql.edit("C1", "amount", 1)
        h.monday.edit("C1", "remarks", 1)
        h.runs.killed(kind, at, unit)

        h.quiet()


def test_an_item_in_doubt_that_a_user_renamed_gets_no_row_of_its_own(history):
    h = history(sync_id=False)
    h.sql.create({"title": 0})
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.monday.edit("C1", "title", 0)
    h.sql.edit("C1", "title", 0)

    h.quiet()


def test_an_item_whose_row_went_while_it_was_made_stays_when_a_pull_has_given_it_another(history):
    h = history()
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.sql.remove("C1", "delete")
    h.run("pull")

    h.quiet()


def test_an_item_made_of_a_row_that_was_archived_meanwhile_gets_no_second_row_where_items_stay(history):
    h = history(sync_id=False, row_removed="ignore")
    h.sql.create({})
    h.runs.killed_making("push", "before")
    h.sql.remove("C1", "archive")

    h.quiet()


def test_an_item_made_of_a_row_that_was_archived_meanwhile_comes_back_as_that_row(history):
    h = history(sync_id=False)
    h.sql.create({})
    h.runs.killed_making("push", "before")
    h.sql.remove("C1", "archive")
    h.run()
    h.monday.restore("C1")

    h.quiet()

    assert not h.row("C1").archived


def test_an_item_that_goes_is_missed_although_the_run_before_has_made_one(history):
    h = history()
    h.monday.create({})
    h.monday.create({})
    h.run()
    h.sql.create({})
    h.runs.killed_making("push", "before")
    h.run()
    h.monday.remove("C2", "archive")

    h.quiet()


def test_an_item_in_doubt_whose_row_was_archived_is_left_to_a_person(history):
    h = history(sync_id=False)
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.sql.remove("C1", "archive")
    h.monday.edit("C1", "title", 0)

    h.quiet()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sync_id", [True, False])
def test_a_kill_while_an_item_goes_whose_row_was_archived_as_it_was_made_leaves_it_to_the_next_run(history, sync_id):
    for unit, at in KILLS:
        h = history(sync_id=sync_id)
        h.sql.create({})
        h.runs.killed_making("push", "after")
        h.sql.remove("C1", "archive")
        h.runs.killed("both", at, unit)

        h.quiet()


@pytest.mark.parametrize("pulled", [False, True])
def test_a_copy_of_an_item_that_went_before_the_tool_knew_of_it_is_an_item_of_its_own(history, pulled):
    h = history(at_last="postgres")
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.monday.duplicate("C1")
    h.monday.remove("C1", "archive")
    if pulled:
        h.run("pull")
    else:
        h.sql.edit("C1", "title", 0)

    h.quiet()


def test_an_item_that_a_user_renamed_before_the_tool_knew_of_it_is_left_to_the_push(history):
    h = history(sync_id=False)
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.monday.edit("C1", "title", 0)
    h.monday.create({})
    h.run("pull")

    h.quiet()


@pytest.mark.parametrize("row_removed", ["archive", "ignore"])
def test_a_row_that_was_archived_before_its_item_was_made_is_not_brought_back_by_what_monday_adds(history, row_removed):
    h = history(profile="projects", row_removed=row_removed)  # a new project shows a stage
    h.monday.create({})
    h.run()
    h.sql.create({})
    h.runs.killed_making("both", "before")
    h.sql.remove("C2", "archive")

    h.quiet()

    assert h.row("C2").archived


def test_a_made_item_is_looked_for_by_mondays_clock_however_far_it_is_off(history):
    h = history(skew=-100_000, sync_id=False)
    h.monday.create({})
    h.run()
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.pass_time(2000)  # monday.com has forgotten the key

    h.quiet()


def test_an_item_is_known_again_with_the_token_of_another_user(history):
    h = history()
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.pass_time(2000)  # monday.com has forgotten the key
    other = h.sides.admin("state")["users"][1]["id"]
    h.sides.admin("tokens/add", token="another-token-not-a-real-one", user_id=other)
    with h.world.client(h.world.clock, "another-token-not-a-real-one") as monday:
        run("push", parts_of(h.world.db, monday, {}), h.sides.mapping)

    h.quiet()


@pytest.mark.parametrize("how", ["archive", "delete"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("seconds", [0, 2000])
def test_an_item_that_was_removed_before_the_tool_knew_of_it_is_not_made_again(history, how, rows, seconds):
    h = history()
    for _ in range(rows):
        h.sql.create({})
    h.runs.killed_making("push", "after")
    h.monday.remove("C1", how)
    h.pass_time(seconds)  # monday.com forgets the key after a while

    h.quiet()

    assert [item.code for item in h.items()].count("C1") == 1
    assert h.row("C1").archived


@pytest.mark.parametrize("code", [None, "USER_UNAUTHORIZED", "SomethingOfTomorrow", ""])
def test_an_item_that_may_have_gone_is_made_again_where_the_token_may_not_read_the_activity_log(history, code):
    h = history()
    h.sql.create({})
    h.runs.killed_making("push", "after")
    h.monday.remove("C1", "archive")
    h.pass_time(2000)
    h.sides.admin("switches", logs_allowed=code is not None)
    if code is not None:
        fault = {"kind": "error", "code": code, "message": "No logs for you", "http": 200, "count": 1000}
        h.sides.admin("faults/add", **fault, match={"field": "boards", "contains": "ActivityLogs"})
    try:
        h.run()
        assert [item.state for item in h.items()] == ["archived", "active"]
        assert not h.row("C1").archived
    finally:
        h.sides.admin("faults/clear")
        h.sides.admin("switches", logs_allowed=True)

    h.quiet()
