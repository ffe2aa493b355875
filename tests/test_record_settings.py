"""The settings of single records: respected whichever way a record is met, and nothing lost while they forbid it."""

from __future__ import annotations

import json

import pytest

from sandbox import Sandbox
from sync.records import find
from tests.builders import USERS, Journey, change, column, row, rows
from tests.two_sides import WAYS


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def sides(sides):
    sides.item("bob")  # a listing without any item is another matter
    return sides


@pytest.fixture
def ann(sides):
    """A record in step: item, row."""
    return sides.pair(A="a", B="b")


PLACES = {
    "row": "update contacts set {} where id::text = %s",
    "link": "update sync_mapping set {} where entity_id = %s",
}


def settings(sides, where, row_id, text):
    sides.sql(PLACES[where].format(text), row_id)


CLOSED = {
    "off": ("sync_enabled = false", False, False),
    "none": ("sync_direction = 'none'", False, False),
    "monday_to_pg": ("sync_direction = 'monday_to_pg'", True, False),
    "pg_to_monday": ("sync_direction = 'pg_to_monday'", False, True),
    "bidirectional": ("sync_direction = 'bidirectional'", True, True),
}
OPEN = "sync_enabled = true, sync_direction = 'bidirectional'"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("setting", CLOSED)
def test_changes_flow_as_the_record_allows_and_the_others_follow_when_it_does(sides, ann, setting, where, way):
    item_id, row_id = ann
    text, pulls, pushes = CLOSED[setting]
    settings(sides, where, row_id, text)
    sides.edit(item_id, A="X")
    sides.update(row_id, B="Y")
    sides.run(WAYS[way])
    assert sides.on_board(item_id) == ("A=X B=Y" if pushes else "A=X B=b")
    assert sides.in_table() == ("A=X B=Y" if pulls else "A=a B=Y")
    settings(sides, where, row_id, OPEN)
    sides.run(WAYS[way])
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X B=Y", "A=X B=Y")
    assert [report.changes for report in sides.run(WAYS[way])] == [0] * len(WAYS[way])


@pytest.mark.parametrize("where", PLACES)
def test_a_conflict_of_a_record_that_is_off_is_not_decided_until_it_is_on(sides, ann, where):
    item_id, row_id = ann
    settings(sides, where, row_id, "sync_enabled = false")
    sides.edit(item_id, A="X")
    sides.update(row_id, A="Y")
    assert sides.code(prefer="monday") == 0
    assert (sides.on_board(item_id), sides.in_table(), sides.conflicts()) == ("A=X B=b", "A=Y B=b", [])
    settings(sides, where, row_id, OPEN)
    sides.sync(prefer="postgres")
    assert (sides.on_board(item_id), sides.in_table()) == ("A=Y B=b", "A=Y B=b")


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("setting", ["sync_enabled = false", "sync_direction = 'pg_to_monday'"])
def test_an_item_that_goes_meanwhile_takes_its_row_along_once_it_may(sides, ann, where, setting):
    item_id, row_id = ann
    settings(sides, where, row_id, setting)
    sides.act("archive", item_id)
    for _ in range(2):
        assert sides.code() == 0
        assert sides.in_table() == "A=a B=b"
    settings(sides, where, row_id, OPEN)
    assert sides.code() == 0
    assert sides.in_table() == "archived"


@pytest.mark.parametrize("setting", ["sync_enabled = false", "sync_direction = 'monday_to_pg'"])
@pytest.mark.parametrize("direction", ["bidirectional", "pg_to_monday"])
def test_a_row_that_goes_meanwhile_takes_its_item_along_once_it_may(sides, ann, setting, direction):
    item_id, row_id = ann
    settings(sides, "link", row_id, setting)
    sides.sql("delete from contacts where id::text = %s", row_id)
    sides.sync(direction)
    assert sides.on_board(item_id) == "A=a B=b"
    settings(sides, "link", row_id, OPEN)
    sides.sync(direction)
    assert sides.on_board(item_id) == "archived"


def test_a_new_row_that_is_off_gets_its_item_when_it_is_switched_on(sides):
    row_id = sides.insert(A="a", sync_enabled="false")
    sides.sync()
    assert sides.board() == ["bob empty"]
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["disabled"]
    settings(sides, "row", row_id, "sync_enabled = true")
    sides.sync()
    assert sides.board() == ["ann A=a", "bob empty"]
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["synced"]


@pytest.mark.parametrize("where", PLACES)
def test_the_status_says_that_a_record_is_off_and_what_it_is_afterwards(sides, ann, where):
    item_id, row_id = ann
    settings(sides, where, row_id, "sync_enabled = false")
    sides.sync("monday_to_pg")
    assert sides.link(item_id)["sync_status"] == "disabled"
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["disabled"]
    settings(sides, where, row_id, OPEN)
    sides.sync("monday_to_pg")
    assert sides.link(item_id)["sync_status"] == "synced"
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["synced"]


def test_the_settings_of_an_entity_without_columns_for_them_stand_on_its_links(db):
    with Sandbox(boards="users:0") as sandbox:
        journey = Journey(db, sandbox)
        text = {"text25": "Old", "email7": {"email": "a@example.com", "text": "a@example.com"}}
        item_id = sandbox.admin("items/create", board_id=USERS, name="One", values=text)["id"]
        journey.pull()
        change(db, "update sync_mapping set sync_enabled = false")
        sandbox.admin("items/change", item_id=item_id, values={"text25": "New"})
        assert journey.pull().exit_code == 0
        assert row(db, "users")["name"] == "Old"
        assert row(db, "sync_mapping")["sync_status"] == "disabled"
        change(db, "update sync_mapping set sync_enabled = true")
        journey.pull()
        assert row(db, "users")["name"] == "New"
        journey.monday.close()


def test_the_row_says_that_its_edit_found_no_item_until_it_is_taken_back(sides, ann):
    item_id, row_id = ann
    sides.act("archive", item_id)
    sides.update(row_id, A="Y")
    assert sides.code("pg_to_monday") == 3
    assert sides.link(item_id)["sync_status"] == "error"
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["error"]
    sides.update(row_id, A="a")
    sides.sql("update sync_mapping set next_try_at = now() where next_try_at is not null")
    assert sides.code("pg_to_monday") == 0
    assert sides.link(item_id)["sync_status"] == "synced"
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["synced"]


def test_the_row_says_that_its_edit_is_on_the_board_once_the_item_is_there_again(sides, ann):
    item_id, row_id = ann
    sides.act("archive", item_id)
    sides.update(row_id, A="Y")
    sides.sync("pg_to_monday")
    sides.act("restore", item_id)
    sides.sql("update sync_mapping set next_try_at = now() where next_try_at is not null")
    assert sides.code("pg_to_monday") == 0
    assert sides.on_board(item_id) == "A=Y B=b"
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["synced"]


@pytest.mark.parametrize("direction", ["bidirectional", "pg_to_monday"])
def test_a_row_that_is_there_again_without_its_item_says_so_itself(sides, ann, direction):
    item_id, row_id = ann
    sides.act("archive", item_id)
    sides.sync()
    sides.sql("update contacts set archived_at = null where id::text = %s", row_id)
    assert sides.code(direction) == 3
    assert sides.link(item_id)["sync_status"] == "conflict"
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["conflict"]
    sides.act("restore", item_id)
    assert sides.code() == 0
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["synced"]


# From the command line


def test_a_record_is_found_by_any_of_its_names(sides, ann):
    item_id, row_id = ann
    with sides.db.transaction(read_only=True) as tx:
        for given in (item_id, row_id, f"contacts/{row_id}", f"contacts/{item_id}", f" {item_id} "):
            shown = find(tx, [sides.mapping], given).as_json()
            assert (shown["entity"], shown["entity_id"], shown["monday_id"]) == ("contacts", row_id, item_id)
            assert (shown["sync_enabled"], shown["sync_direction"]) == (True, "bidirectional")
            assert (shown["sync_status"], shown["archived"]) == ("synced", False)


def test_a_record_is_shown_to_a_person_with_what_is_held_of_it(sides, ann, cli):
    item_id, row_id = ann
    sides.edit(item_id, A="X")
    sides.update(row_id, A="Y")
    sides.sync(prefer="manual")
    done = cli("record", item_id)
    assert done.code == 0
    assert "sync status      conflict" in done.out and "role_title (" in done.out


def test_settings_are_changed_from_the_command_line_where_the_application_sees_them(sides, ann, cli):
    item_id, row_id = ann
    assert cli("record", item_id, "--disable", "--direction", "monday_to_pg").code == 0
    seen = row(sides.db, "contacts", name="ann")
    assert (seen["sync_enabled"], seen["sync_direction"], seen["sync_status"]) == (False, "monday_to_pg", "disabled")
    shown = json.loads(cli("record", item_id, "--enable", "--direction", "bidirectional", "--json").out)
    assert (shown["sync_enabled"], shown["sync_direction"], shown["sync_status"]) == (True, "bidirectional", "synced")


def test_what_names_no_record_ends_with_exit_2(sides, cli):
    for given, words in (("4711", "There is no record 4711."), ("nobody/1", "Unknown entity: nobody.")):
        done = cli("record", given)
        assert done.code == 2
        assert words in done.err


def test_a_row_whose_item_is_gone_for_good_gets_a_new_one(sides, ann, cli):
    item_id, row_id = ann
    sides.act("archive", item_id)
    sides.sync()
    sides.sql("update contacts set archived_at = null where id::text = %s", row_id)
    assert sides.code() == 3
    done = cli("record", f"contacts/{row_id}", "--recreate", "--json")
    assert done.code == 0, done.err
    new = json.loads(done.out)["monday_id"]
    assert new not in (None, item_id)
    assert row(sides.db, "contacts", name="ann")["monday_id"] == new
    assert sides.on_board(new) == "A=a B=b"
    assert sides.code() == 0
    assert sides.board() == ["ann A=a B=b", "bob empty"]


def test_an_item_that_is_on_the_board_is_not_made_again(sides, ann, cli):
    item_id, _ = ann
    done = cli("record", item_id, "--recreate")
    assert done.code == 3
    assert "is on the board" in done.err


# What was refused


@pytest.fixture
def refused(sides, ann, sandbox):
    """A change that monday.com does not take."""
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
    (one,) = json.loads(cli("retry", "list", "--json").out)["waiting"]
    assert (one["entity"], one["entity_id"], one["attempts"], one["set_aside"]) == ("contacts", row_id, 1, False)
    assert "no such value" in one["last_error"] and one["next_try_at"]
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
        sides.sql("update sync_mapping set attempts = 8, next_try_at = null, sync_status = 'set_aside' where attempts > 0")
        assert cli("retry", *arguments).code == 0
    assert sides.code() == 0
    assert sides.on_board(item_id) == "A=Y B=b"


def test_what_is_given_up_stays_as_it_is_on_both_sides_until_somebody_edits_it(sides, refused, cli, sandbox):
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
    sides.sql("alter table contacts add constraint short check (length(role_title) < 5)")
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
    sides.sql("alter table contacts add constraint short check (length(role_title) < 5)")
    item_id = sides.item("eve", A="much too long")
    assert sides.sync("monday_to_pg").errors == 1
    (one,) = json.loads(cli("retry", "list", "--json").out)["waiting"]
    assert (one["kind"], one["monday_id"], one["attempts"], one["set_aside"]) == ("item", item_id, 1, False)
    sides.sql("alter table contacts drop constraint short")
    assert sides.code("monday_to_pg") == 3, "its pause is not over"
    sides.sql("update sync_skipped set next_try_at = now()")
    assert sides.code("monday_to_pg") == 0
    assert sides.in_table("eve") == "A=much too long"


def test_a_new_item_that_postgresql_refuses_is_set_aside_after_its_tries(sides, ann, cli):
    sides.sql("alter table contacts add constraint short check (length(role_title) < 5)")
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
    sides.sql("alter table contacts add constraint short check (length(role_title) < 5)")
    sides.item("eve", A="much too long")
    sides.sync()
    sides.sql("update sync_mapping set attempts = 8, next_try_at = null, sync_status = 'set_aside' where attempts > 0")
    sides.sql(
        "insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body, done_at)"
        " values ('t1', %s, '1', 'change_column_value', '{{}}', now())", sides.board_id
    )  # fmt: skip
    status = json.loads(cli("status", "--json").out)
    (contacts,) = [one for one in status["entities"] if one["entity"] == "contacts"]
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
        " values ('t1', %s, %s, 'change_column_value', '{{}}', 8, 'infinity', 'no such board')", sides.board_id, ann[0]
    )  # fmt: skip
    (one,) = json.loads(cli("retry", "list", "--json").out)["waiting"]
    assert (one["kind"], one["monday_id"], one["set_aside"], one["last_error"]) == ("event", ann[0], True, "no such board")
    assert cli("retry", "now", ann[0]).code == 0
    (event,) = sides.db.execute_query("select attempts, next_try_at, done_at from sync_inbox")
    assert event == {"attempts": 0, "next_try_at": None, "done_at": None}
    sides.sql("update sync_inbox set attempts = 8, next_try_at = 'infinity'")
    assert cli("retry", "drop", "--all").code == 0
    (event,) = sides.db.execute_query("select done_at is not null as done from sync_inbox")
    assert event["done"]
