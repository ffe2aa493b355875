"""Brings two sides together that both had data before they met: what is linked, what is reported, whose values stand."""

from __future__ import annotations

import json

import pytest

from sandbox import Sandbox
from tests.kit.cli import on_a_terminal
from tests.kit.pulls import Journey
from tests.kit.rows import change, row, rows
from tests.kit.shipped import USERS
from tests.kit.two_sides import WAYS, TwoSides


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
def test_equal_match_fields_are_linked_and_what_is_left_is_created(sides, way):
    both, board_only = sides.item("ann", A="a"), sides.item("bob", A="b")
    in_both, table_only = sides.insert("ann", A="a"), sides.insert("cem", A="c")
    sides.run(WAYS[way])
    if way == "push first":
        sides.sync("pg_to_monday")
    assert sides.board() == ["ann A=a", "bob A=b", "cem A=c"]
    assert [sides.in_table(name) for name in ("ann", "bob", "cem")] == ["A=a", "A=b", "A=c"]
    assert str(sides.link(both)["entity_id"]) == in_both
    assert sides.link(board_only)["entity_id"] and row(sides.db, "sync_mapping", entity_id=table_only)["monday_id"]
    assert len(rows(sides.db, "sync_mapping")) == 3


def test_case_and_outer_blanks_do_not_count_in_a_match_field(sides):
    item_id = sides.item("ann")
    row_id = sides.insert("ann")
    sides.update(row_id, email=" ANN@Example.com ")
    sides.sync()
    assert str(sides.link(item_id)["entity_id"]) == row_id
    assert len(rows(sides.db, "contacts")) == 1


SPELLINGS = [
    ("Tab", "Tab\t"),
    ("Tab", "Tab\n"),
    ("Tab", "Tab\u00a0"),
    ("Tab", "\ufeffTab\u3000"),
    ("Tab", "TAB\x0b"),
    ("Stra\u00dfe", "STRASSE"),
    ("M\u00fcller", "M\u00dcLLER"),
    ("M\u00fcller", "mu\u0308ller"),
    ("\u03bf\u03b4\u03bf\u03c2", "\u039f\u0394\u039f\u03a3"),
    ("\u0130", "i\u0307"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("on_board", "in_table"), [*SPELLINGS, *[(b, a) for a, b in SPELLINGS]])
def test_one_match_in_two_spellings_is_one_record(db, sandbox, way, on_board, in_table):
    sides = TwoSides(db, sandbox, match="role_title")
    item_id, row_id = sides.item(A=on_board), sides.insert(A=in_table)
    for report in sides.run(WAYS[way]):
        assert report.errors == 0
    assert len(sides.board()) == len(rows(db, "contacts")) == 1
    assert str(sides.link(item_id)["entity_id"]) == row_id
    sides.close()


@pytest.mark.parametrize(("on_board", "in_table"), [("Tab", "Tab\t"), ("tab", "TAB"), ("TAB", "tab\n"), ("Tab", "Tab")])
def test_a_row_that_comes_later_meets_its_item_in_another_spelling(db, sandbox, on_board, in_table):
    sides = TwoSides(db, sandbox, match="role_title")
    sides.sync("pg_to_monday")
    item_id, row_id = sides.item(A=on_board), sides.insert(A=in_table)
    sides.sync("pg_to_monday")
    assert len(sides.board()) == 1
    assert str(sides.link(item_id)["entity_id"]) == row_id
    sides.close()


@pytest.mark.parametrize("way", WAYS)
def test_clocks_do_not_decide_between_sides_that_lived_apart(sides, way):
    item_id = sides.item(A="X")
    sides.insert(A="Y")
    sides.changed_in_postgres(item_id, days=1)
    reports = sides.run(WAYS[way])
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X", "A=Y")
    assert [(report.held, report.first_held, report.exit_code) for report in reports] == [(1, 1, 3)] * len(reports)
    (kept,) = sides.conflicts()
    assert (kept["rule"], kept["winner"], kept["base_value"], kept["status"]) == ("first meeting", "held", None, "open")


def test_they_stay_held_in_later_runs_and_a_rule_settles_them_then(sides):
    item_id = sides.item(A="X", B="X")
    sides.insert(A="Y", B="X")
    for _ in range(2):
        assert sides.code() == 3
    assert sides.code(prefer="postgres") == 0
    assert (sides.on_board(item_id), sides.in_table()) == ("A=Y B=X", "A=Y B=X")


@pytest.mark.parametrize("rule, value", [("monday", "X"), ("postgres", "Y")])
def test_a_rule_that_the_mapping_declares_is_an_answer(db, sandbox, rule, value):
    sides = TwoSides(db, sandbox, conflict=rule)
    item_id = sides.item(A="X")
    sides.insert(A="Y")
    assert sides.code() == 0
    assert (sides.on_board(item_id), sides.in_table()) == (f"A={value}",) * 2
    sides.close()


def test_an_answer_for_the_first_meeting_leaves_other_conflicts_held(sides):
    old = sides.item("old", A="a")
    sides.sync()
    sides.edit(old, A="X")
    sides.update(sides.link(old)["entity_id"], A="Y")
    sides.sync(prefer="manual")
    new = sides.item("new", A="X")
    sides.insert("new", A="Y")
    sides.sync()
    sides.sync(first="monday")
    assert (sides.on_board(new), sides.in_table("new")) == ("A=X", "A=X")
    assert sides.in_table("old") == "A=Y"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("items, in_table", [(1, 2), (2, 1), (2, 2)])
def test_what_could_be_several_is_reported_and_nothing_is_guessed_or_made(sides, way, items, in_table):
    for _ in range(items):
        sides.item("ann", A="X")
    for _ in range(in_table):
        sides.insert("ann", A="Y")
    reports = sides.run(WAYS[way])
    assert len(sides.board()) == items
    assert len(rows(sides.db, "contacts")) == in_table
    assert rows(sides.db, "sync_mapping") == []
    assert all(report.skipped for report in reports if report.read)
    reasons = {row["reason"] for row in rows(sides.db, "sync_skipped")}
    assert reasons == {"several rows or items have the same value in the match field (email)"}


def test_once_it_can_be_told_it_is_linked(sides):
    item_id = sides.item("ann", A="X")
    keep, drop = sides.insert("ann", A="X"), sides.insert("ann", A="X")
    sides.sync()
    sides.sql("delete from contacts where id::text = %s", drop)
    sides.sync()
    assert str(sides.link(item_id)["entity_id"]) == keep
    assert rows(sides.db, "sync_skipped") == []


def test_empty_match_fields_match_nothing(sides):
    sides.sandbox.admin("items/create", board_id=sides.board_id, name="nobody", values={})
    change(sides.db, "insert into contacts (name) values ('somebody')")
    sides.sync()
    assert len(rows(sides.db, "contacts")) == 2
    assert sides.board() == ["nobody empty", "somebody empty"]


def test_a_row_made_later_is_linked_to_the_item_that_shows_the_same_before_one_is_made(sides):
    sides.sync("pg_to_monday")
    item_id = sides.item("ann", A="a")
    row_id = sides.insert("ann", A="a")
    sides.sync("pg_to_monday")
    assert sides.board() == ["ann A=a"]
    assert str(sides.link(item_id)["entity_id"]) == row_id


# Staff, by e-mail


@pytest.fixture
def staff(db, sandbox):
    made = Journey(db, sandbox)
    yield made
    for item in sandbox.admin("boards/snapshot", board_id=USERS):
        sandbox.admin("items/delete", item_id=item["id"])
    made.monday.close()


def member(sandbox, first, **more):
    email = {"email": f"{first.lower()}@example.com", "text": ""}
    values = {"text25": first, "text1": "Lee", "email7": email, **more}
    return str(sandbox.admin("items/create", board_id=USERS, name=first, values=values)["id"])


def test_staff_is_linked_by_e_mail_and_keeps_unequal_fields_held(staff, sandbox, db):
    item_id = member(sandbox, "Ann", text6="M")
    change(
        db,
        "insert into users (name, email, role, metadata) values ('Anna Lee', 'ANN@example.com', 'Sales Staff', '{}')",
    )
    report = staff.pull()
    assert (report.held, report.exit_code) == (1, 3)
    found = row(db, "users")
    assert (found["name"], found["metadata"]["shirt_size"]) == ("Anna Lee", "M")
    assert row(db, "sync_mapping", entity_type="user")["monday_id"] == item_id
    (conflict,) = rows(db, "sync_conflicts")
    assert (conflict["field"], conflict["monday_value"], conflict["postgres_value"]) == ("name", "Ann Lee", "Anna Lee")


# From the command line


def test_without_a_terminal_it_is_held_with_the_hint_how_to_say_who_wins(sides, environment, run_cli):
    item_id = sides.item(A="X")
    sides.insert(A="Y")
    done = run_cli("bidirectional", "--entity", "contacts", env=environment)
    assert done.code == 3
    assert "contacts: unequal fields in 1 record that both sides had before they met." in done.err
    assert "--prefer monday" in done.err
    assert sides.on_board(item_id) == "A=X"
    shape = json.loads(run_cli("bidirectional", "--entity", "contacts", "--json", env=environment).out)
    assert shape["entities"][0]["held"] == 1 and "first_held" not in shape["entities"][0]
    assert run_cli("bidirectional", "--entity", "contacts", "--prefer", "monday", env=environment).code == 0
    assert sides.in_table() == "A=X"


@pytest.mark.parametrize(
    "answer, code, board, table",
    [("monday", 0, "A=X", "A=X"), ("postgres", 0, "A=Y", "A=Y"), ("", 3, "A=X", "A=Y")],
    ids=["monday", "postgres", "hold"],
)
def test_in_a_terminal_it_is_asked_once_and_the_answer_stands_on_both_sides(
    sides, environment, answer, code, board, table
):
    item_id = sides.item(A="X", B="X")
    sides.insert(A="Y", B="X")
    ended, shown = on_a_terminal(["bidirectional", "--entity", "contacts"], [answer], environment)
    assert shown.count("Who wins?") == 1, shown
    assert (ended, sides.on_board(item_id), sides.in_table()) == (code, f"{board} B=X", f"{table} B=X")


def test_a_dry_run_asks_nothing_and_writes_nothing(sides, environment):
    item_id = sides.item(A="X")
    sides.insert(A="Y")
    ended, shown = on_a_terminal(["bidirectional", "--entity", "contacts", "--dry-run"], [], environment)
    assert "Who wins?" not in shown
    assert ended == 3
    assert rows(sides.db, "sync_mapping") == [] and sides.on_board(item_id) == "A=X"
