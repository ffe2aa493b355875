"""Checks the settings of single records: respected whichever way a record is met, and nothing lost while they forbid it."""

from __future__ import annotations

import json

import pytest

from sandbox import Sandbox
from sync.records import find
from tests.kit.pulls import Journey
from tests.kit.rows import change, column, row
from tests.kit.shipped import USERS
from tests.kit.two_sides import WAYS

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
