"""Checks what was refused: tried again after growing pauses, set aside, and shown to the user."""

from __future__ import annotations

import json

import pytest

from tests.kit.rows import column, rows


@pytest.fixture
def refused(sides, ann, sandbox):
    """Makes a change that monday.com does not take."""
    item_id, row_id = ann
    fault = {"kind": "error", "code": "ColumnValueException", "http": 200, "message": "no such value"}
    sandbox.admin("faults/add", match={"operation": "mutation"}, count=1000, **fault)
    sides.update(row_id, A="Y")
    yield item_id, row_id
    sandbox.admin("faults/clear")


def later(sides):
    sides.sql("update sync_mapping set next_try_at = now() where next_try_at is not null")


def test_a_refused_change_is_tried_again_with_growing_pauses_and_then_set_aside(sides, refused):
    item_id, _ = refused
    pauses = []
    for _ in range(7):
        assert sides.code() == 3
        found = sides.link(item_id)
        pauses.append(round((found["next_try_at"] - found["updated_at"]).total_seconds() / 60))
        later(sides)
    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    report = sides.sync()
    assert (report.set_aside, report.exit_code) == (1, 3)
    found = sides.link(item_id)
    assert (found["sync_status"], found["attempts"], found["next_try_at"]) == ("set_aside", 8, None)
    assert "no such value" in found["last_error"]
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["error"]


def test_within_its_pause_it_is_not_tried(sides, refused, sandbox):
    sides.sync()
    before = sides.link(refused[0])["attempts"]
    sides.run(["pg_to_monday", "bidirectional", "monday_to_pg"])
    assert sides.link(refused[0])["attempts"] == before


def test_other_records_do_not_wait_for_it(sides, refused, sandbox):
    sides.sync()
    sandbox.admin("faults/clear")
    sides.sql("update contacts set role_title = 'Z' where name = 'bob'")
    sides.sync()
    assert sides.board() == ["ann A=a B=b", "bob A=Z"]


def test_what_waits_is_listed_tried_now_and_taken(sides, refused, cli, sandbox):
    item_id, row_id = refused
    sides.sync()
    (entry,) = json.loads(cli("retry", "list", "--json").out)["waiting"]
    assert (entry["entity"], entry["entity_id"], entry["attempts"], entry["set_aside"]) == (
        "contacts",
        row_id,
        1,
        False,
    )
    assert "no such value" in entry["last_error"] and entry["next_try_at"]
    assert "no such value" in cli("retry", "list").out
    sandbox.admin("faults/clear")
    assert sides.code() == 3 and sides.on_board(item_id) == "A=a B=b"
    assert "1 record will be tried" in cli("retry", "now", item_id).out
    assert "no such value" in cli("retry", "list").out  # until it was tried
    assert sides.code() == 0
    assert sides.on_board(item_id) == "A=Y B=b"
    assert "Nothing waits" in cli("retry", "list").out


def test_what_was_set_aside_is_tried_again_for_an_entity_and_for_all(sides, refused, cli, sandbox):
    item_id, _ = refused
    sides.sync()
    sandbox.admin("faults/clear")
    for arguments in (["now", "--entity", "contacts"], ["now"]):
        sides.sql(
            "update sync_mapping set attempts = 8, next_try_at = null, sync_status = 'set_aside' where attempts > 0"
        )
        assert cli("retry", *arguments).code == 0
    assert sides.code() == 0
    assert sides.on_board(item_id) == "A=Y B=b"


def test_what_is_given_up_stays_as_it_is_on_both_sides_until_a_user_edits_it(sides, refused, cli, sandbox):
    item_id, row_id = refused
    sides.sync()
    assert cli("retry", "drop", row_id).code == 0
    sandbox.admin("faults/clear")
    for options in ({}, {"full": True}):
        assert sides.code(**options) == 0
    assert (sides.on_board(item_id), sides.in_table()) == ("A=a B=b", "A=Y B=b")
    sides.update(row_id, A="Z")
    sides.sync()
    assert sides.on_board(item_id) == "A=Z B=b"


@pytest.mark.parametrize("direction", ["bidirectional", "pg_to_monday"])
def test_a_dry_run_counts_what_it_would_tell_monday(sides, ann, direction):
    item_id, row_id = ann
    sides.update(row_id, A="Y")
    planned = sides.sync(direction, dry_run=True)
    assert (planned.to_monday.updated, sides.on_board(item_id)) == (1, "A=a B=b")
    done = sides.sync(direction)
    assert (done.to_monday.updated, planned.changes) == (1, done.changes)


def test_giving_up_wants_to_be_told_what(cli):
    assert cli("retry", "drop").code == 2
    assert cli("retry", "now", "4711").code == 2


def test_an_item_that_postgresql_refuses_pauses_and_is_set_aside_too(sides, ann, sandbox):
    item_id, _ = ann
    sides.sql("alter table contacts add constraint short check (coalesce(length(role_title), 9) < 5) not valid")
    sides.edit(item_id, A="much too long")
    for _ in range(8):
        assert sides.code("monday_to_pg") == 3
        later(sides)
    assert sides.link(item_id)["sync_status"] == "set_aside"
    sides.sql("alter table contacts drop constraint short")
    assert sides.sync("monday_to_pg").set_aside == 1
    assert rows(sides.db, "contacts", name="ann")[0]["role_title"] == "a"
    sandbox.admin("clock/advance", seconds=2)
    sides.edit(item_id, A="new")
    assert sides.code("monday_to_pg") == 0
    assert sides.in_table() == "A=new B=b"


def test_a_new_item_that_postgresql_refuses_is_tried_again_with_growing_pauses(sides, ann, cli):
    sides.sql("alter table contacts add constraint short check (coalesce(length(role_title), 9) < 5) not valid")
    item_id = sides.item("eve", A="much too long")
    assert sides.sync("monday_to_pg").errors == 1
    (entry,) = json.loads(cli("retry", "list", "--json").out)["waiting"]
    assert (entry["kind"], entry["monday_id"], entry["attempts"], entry["set_aside"]) == ("item", item_id, 1, False)
    sides.sql("alter table contacts drop constraint short")
    assert sides.code("monday_to_pg") == 3, "its pause is not over"
    sides.sql("update sync_skipped set next_try_at = now()")
    assert sides.code("monday_to_pg") == 0
    assert sides.in_table("eve") == "A=much too long"


def test_a_new_item_that_postgresql_refuses_is_set_aside_after_its_tries(sides, ann, cli):
    sides.sql("alter table contacts add constraint short check (coalesce(length(role_title), 9) < 5) not valid")
    sides.item("eve", A="much too long")
    for number in range(8):
        report = sides.sync("monday_to_pg")
        assert (report.errors, report.set_aside, report.exit_code) == (1, int(number == 7), 3)
        sides.sql("update sync_skipped set next_try_at = now() where next_try_at is not null")
    assert sides.sync("monday_to_pg").set_aside == 1
    sides.sql("alter table contacts drop constraint short")
    assert sides.code("monday_to_pg") == 3
    assert cli("retry", "now").code == 0
    assert sides.code("monday_to_pg") == 0
    assert sides.in_table("eve") == "A=much too long"


def test_the_status_tells_what_is_in_step_from_what_was_refused(sides, refused, cli):
    sides.sync()
    sides.sql("alter table contacts add constraint short check (coalesce(length(role_title), 9) < 5) not valid")
    sides.item("eve", A="much too long")
    sides.sync()
    sides.sql("update sync_mapping set attempts = 8, next_try_at = null, sync_status = 'set_aside' where attempts > 0")
    sides.sql(
        "insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body, done_at)"
        " values ('t1', %s, '1', 'change_column_value', '{{}}', now())",
        sides.board_id,
    )
    status = json.loads(cli("status", "--json").out)
    (contacts,) = [entry for entry in status["entities"] if entry["entity"] == "contacts"]
    counts = {name: contacts[name] for name in ("active", "in_step", "errors", "set_aside")}
    assert counts == {"active": 2, "in_step": 1, "errors": 1, "set_aside": 1}
    assert (contacts["skipped"], status["inbox"]) == ([], 0)
    assert "contacts: 2 records refused: python main.py retry list" in cli("status").out


def test_what_is_to_be_tried_now_can_still_be_given_up(sides, refused, cli):
    _, row_id = refused
    sides.sync()
    assert cli("retry", "now", row_id).code == 0
    assert "1 record given up" in cli("retry", "drop", row_id).out
    assert sides.code() == 0


def test_an_event_that_was_set_aside_is_listed_tried_and_given_up(sides, ann, cli):
    sides.sql(
        "insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body, attempts, next_try_at, last_error)"
        " values ('t1', %s, %s, 'change_column_value', '{{}}', 8, 'infinity', 'no such board')",
        sides.board_id,
        ann[0],
    )
    (entry,) = json.loads(cli("retry", "list", "--json").out)["waiting"]
    assert (entry["kind"], entry["monday_id"], entry["set_aside"]) == ("event", ann[0], True)
    assert entry["last_error"] == "no such board"
    assert cli("retry", "now", ann[0]).code == 0
    (event,) = sides.db.execute_query("select attempts, next_try_at, done_at from sync_inbox")
    assert event == {"attempts": 0, "next_try_at": None, "done_at": None}
    sides.sql("update sync_inbox set attempts = 8, next_try_at = 'infinity'")
    assert cli("retry", "drop", "--all").code == 0
    (event,) = sides.db.execute_query("select done_at is not null as done from sync_inbox")
    assert event["done"]
