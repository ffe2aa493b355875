"""Checks conflicts as users meet them: which rule decided and why, what is kept, and how any of them is turned round."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from errors import SettingsError
from state.disputes import SUPERSEDED, conflicts_of, find, names_of
from sync.resolve import REFUSED, resolve
from tests.kit.rows import column
from tests.kit.runs import parts_of
from tests.kit.shipped import MAPPINGS
from tests.kit.two_sides import WAYS, TwoSides


@pytest.fixture
def sides(sides_with_bob):
    return sides_with_bob


@pytest.fixture
def dispute(sides):
    """Makes a record in step, and edits it on both sides."""

    def make(rule="manual", a="a", b="b", **fields):
        item_id, row_id = sides.pair(A=a, B=b)
        sides.edit(item_id, A="X")
        sides.update(row_id, A="Y", **fields)
        sides.sync(prefer=rule)
        return item_id, row_id

    return make


def decide(sides, winner, *given, force=False):
    """Does what `conflicts resolve` does, in this process."""
    mappings = {**MAPPINGS, "contacts": sides.mapping}
    names = names_of(mappings.values(), ())
    with sides.db.transaction(read_only=True) as tx:
        some = find(tx, names, given) if given else conflicts_of(tx, names, everything=True)
    return resolve(parts_of(sides.db, sides.monday, mappings), some, winner, force)


def problems(settled):
    return [outcome.problem for outcome in settled]


def test_what_was_agreed_both_values_both_times_the_rule_and_the_winner_are_kept(sides, dispute):
    item_id, row_id = dispute("postgres")
    (kept,) = sides.conflicts()
    assert (kept["entity_type"], kept["entity_id"], kept["monday_id"]) == ("contact", row_id, item_id)
    assert (kept["base_value"], kept["monday_value"], kept["postgres_value"]) == ("a", "X", "Y")
    assert (kept["field"], kept["rule"]) == ("role_title", "postgres")
    assert (kept["winner"], kept["status"]) == ("postgres", "resolved")
    assert kept["monday_changed_at"] and kept["postgres_changed_at"] and kept["resolved_at"]


def test_a_field_has_a_rule_of_its_own(db, sandbox):
    sides = TwoSides(db, sandbox)
    own = {"role_title": "postgres"}
    bindings = tuple(replace(binding, conflict=own.get(binding.fields[0])) for binding in sides.mapping.bindings)
    sides.mapping = replace(sides.mapping, bindings=bindings, conflict="monday")
    item_id = sides.item(A="a", B="b")
    sides.sync()
    sides.edit(item_id, A="X", B="X")
    sides.update(sides.link(item_id)["entity_id"], A="Y", B="Y")
    sides.sync()
    assert (sides.on_board(item_id), sides.in_table()) == ("A=Y B=X", "A=Y B=X")
    rules = {conflict["field"]: conflict["rule"] for conflict in sides.conflicts()}
    assert rules == {"role_title": "postgres", "notes": "monday"}
    sides.close()


def test_the_rule_of_a_run_stands_over_that_of_a_field(db, sandbox):
    sides = TwoSides(db, sandbox)
    bindings = [replace(binding, conflict="postgres") for binding in sides.mapping.bindings]
    sides.mapping = replace(sides.mapping, bindings=tuple(bindings))
    item_id = sides.item(A="a")
    sides.sync()
    sides.edit(item_id, A="X")
    sides.update(sides.link(item_id)["entity_id"], A="Y")
    sides.sync(prefer="monday")
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X", "A=X")
    sides.close()


def test_the_newest_is_told_by_the_time_of_the_cell_not_of_the_item(sides, sandbox):
    item_id = sides.item(A="a", B="b")
    sides.sync()
    sides.edit(item_id, B="X")  # long text, which keeps its own time
    sides.update(sides.link(item_id)["entity_id"], B="Y")
    sides.changed_in_postgres(item_id, minutes=1)
    sandbox.admin("clock/advance", seconds=3600)
    sides.edit(item_id, A="later")
    sides.sync()
    assert sides.on_board(item_id) == "A=later B=Y"


@pytest.mark.parametrize("way", WAYS)
def test_the_newest_is_told_by_the_time_of_the_field_not_of_the_row(sides, way):
    item_id = sides.item(A="a", B="b")
    sides.sync()
    row_id = sides.link(item_id)["entity_id"]
    sides.update(row_id, B="old")
    sides.edit(item_id, B="new")
    sides.changed_in_postgres(item_id, hours=-1)
    sides.update(row_id, A="later")
    sides.sql("update sync_outbox set changed_at = now() + interval '1 hour' where columns = array['role_title']")
    sides.run(WAYS[way])
    assert (sides.on_board(item_id), sides.in_table()) == ("A=later B=new",) * 2


def test_a_conflict_that_is_held_is_kept_once_however_many_runs_meet_it(sides, dispute):
    dispute()
    reports = sides.run(["bidirectional", "monday_to_pg", "pg_to_monday"], prefer="manual")
    assert [(report.held, report.conflicts, report.exit_code) for report in reports] == [(1, 1, 3)] * 3
    assert len(sides.conflicts()) == 1


def test_a_held_conflict_follows_further_edits(sides, dispute):
    item_id, _ = dispute()
    sides.edit(item_id, A="Z")
    sides.sync(prefer="manual")
    (kept,) = sides.conflicts()
    assert (kept["base_value"], kept["monday_value"], kept["postgres_value"], kept["status"]) == ("a", "Z", "Y", "open")


@pytest.mark.parametrize("side, winner", [("monday", "postgres"), ("postgres", "monday")])
def test_a_held_conflict_is_over_when_a_user_makes_both_sides_equal(sides, dispute, side, winner):
    item_id, row_id = dispute()
    if side == "monday":
        sides.edit(item_id, A="Y")
    else:
        sides.update(row_id, A="X")
    assert sides.code(prefer="manual") == 0
    (kept,) = sides.conflicts()
    assert (kept["status"], kept["winner"]) == ("resolved", winner)
    assert sides.link(item_id)["sync_status"] == "synced"


def test_a_held_conflict_is_settled_by_another_rule_in_the_same_row_of_sync_conflicts(sides, dispute):
    item_id, _ = dispute()
    assert sides.code(prefer="monday") == 0
    (kept,) = sides.conflicts()
    assert (kept["rule"], kept["winner"], kept["status"]) == ("monday", "monday", "resolved")
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X B=b", "A=X B=b")


def test_the_time_of_postgresql_is_remembered_while_a_conflict_is_held(sides, dispute, sandbox):
    item_id, _ = dispute()
    sides.sql("update sync_conflicts set postgres_changed_at = postgres_changed_at + interval '1 day'")
    assert sides.code() == 0
    assert sides.on_board(item_id) == "A=Y B=b"


@pytest.mark.parametrize("side", ["monday", "postgres"])
def test_an_edit_of_another_field_decides_nothing_of_what_is_held(sides, sandbox, side):
    item_id, row_id = sides.pair(A="a", B="b")
    sides.edit(item_id, A="X")
    sides.update(row_id, A="Y")
    sides.changed_in_postgres(item_id, seconds=1)
    assert sides.code() == 3
    if side == "monday":
        sandbox.admin("clock/advance", seconds=60)
        sides.edit(item_id, B="later")
    else:
        sides.update(row_id, B="later")
        sides.changed_in_postgres(item_id, minutes=1)
    assert sides.code() == 3
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X B=later", "A=Y B=later")


def test_what_the_tool_itself_writes_decides_nothing_of_what_is_held(sides, sandbox):
    item_id, row_id = sides.pair(A="a", B="b")
    sides.edit(item_id, A="X")
    sides.update(row_id, A="Y", B="later")
    sides.changed_in_postgres(item_id, seconds=1)
    sandbox.admin("clock/advance", seconds=60)
    assert sides.code() == 3
    assert sides.code() == 3
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X B=later", "A=Y B=later")


def test_the_status_of_the_row_tells_the_application(sides, dispute):
    dispute()
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["conflict"]
    sides.sync(prefer="monday")
    assert column(sides.db, "contacts", "sync_status", email="ann@example.com") == ["synced"]


# Deciding, and deciding otherwise


@pytest.mark.parametrize("winner, value", [("monday", "X"), ("postgres", "Y")])
@pytest.mark.parametrize("before", ["manual", "monday", "postgres"])
def test_the_value_of_the_winner_comes_to_both_sides_whatever_was_decided(sides, dispute, before, winner, value):
    item_id, _ = dispute(before)
    assert problems(decide(sides, winner)) == [""]
    assert (sides.on_board(item_id), sides.in_table()) == (f"A={value} B=b",) * 2
    (kept,) = sides.conflicts()
    assert (kept["winner"], kept["status"]) == (winner, "resolved")
    assert kept["resolved_at"]
    assert [report.changes for report in sides.run(["bidirectional", "monday_to_pg", "pg_to_monday"])] == [0] * 3


def test_an_emptied_field_that_lost_comes_back_empty(sides, sandbox):
    item_id = sides.item(A="a", B="b")
    sides.sync()
    sides.edit(item_id, A="X")
    sides.update(sides.link(item_id)["entity_id"], A=None)
    sides.sync(prefer="monday")
    decide(sides, "postgres")
    assert (sides.on_board(item_id), sides.in_table()) == ("B=b", "B=b")


@pytest.mark.parametrize("side", ["monday", "postgres"])
def test_what_a_user_has_edited_since_is_left_alone_and_named(sides, dispute, side):
    item_id, row_id = dispute("monday")
    if side == "monday":
        sides.edit(item_id, A="later")
    else:
        sides.update(row_id, A="later")
    (problem,) = problems(decide(sides, "postgres"))
    assert ("monday.com" if side == "monday" else "PostgreSQL") in problem
    assert sides.code() == 0
    assert (sides.on_board(item_id), sides.in_table()) == ("A=later B=b", "A=later B=b")
    assert [conflict["winner"] for conflict in sides.conflicts()] == ["monday"]


def test_with_force_it_is_written_over(sides, dispute):
    item_id, _ = dispute("monday")
    sides.edit(item_id, A="later")
    assert problems(decide(sides, "postgres", force=True)) == [""]
    assert (sides.on_board(item_id), sides.in_table()) == ("A=Y B=b", "A=Y B=b")


def test_edits_of_other_fields_since_then_stay(sides, dispute):
    item_id, row_id = dispute("monday")
    sides.edit(item_id, B="theirs")
    sides.update(row_id, phone="+12025550123")
    decide(sides, "postgres")
    sides.sync()
    assert (sides.on_board(item_id), sides.in_table()) == ("A=Y B=theirs", "A=Y B=theirs")
    assert column(sides.db, "contacts", "phone", email="ann@example.com") == ["+12025550123"]


def test_of_several_conflicts_about_a_field_the_last_one_stands(sides, dispute):
    item_id, row_id = dispute("monday")
    sides.edit(item_id, A="X2")
    sides.update(row_id, A="Y2")
    sides.sync(prefer="monday")
    settled = {outcome.conflict["postgres_value"]: outcome.problem for outcome in decide(sides, "postgres")}
    assert settled == {"Y": SUPERSEDED, "Y2": ""}
    assert sides.on_board(item_id) == "A=Y2 B=b"


@pytest.mark.parametrize("before", ["monday", "manual"])
def test_a_value_that_monday_refuses_stays_in_postgresql_and_is_tried_again(sides, dispute, sandbox, before):
    item_id, _ = dispute(before)
    fault = {"kind": "error", "code": "ColumnValueException", "http": 200, "message": "no"}
    sandbox.admin("faults/add", match={"operation": "mutation"}, count=50, **fault)
    try:
        assert problems(decide(sides, "postgres")) == [REFUSED]
    finally:
        sandbox.admin("faults/clear")
    assert (sides.on_board(item_id), sides.in_table()) == ("A=X B=b", "A=Y B=b")
    sides.sql("update sync_mapping set next_try_at = now() where next_try_at is not null")
    assert sides.code() == 0
    assert sides.on_board(item_id) == "A=Y B=b"


def test_a_record_that_is_off_is_not_decided(sides, dispute):
    item_id, row_id = dispute()
    sides.sql("update contacts set sync_enabled = false where id::text = %s", row_id)
    assert "keep it off" in problems(decide(sides, "monday"))[0]
    assert [conflict["status"] for conflict in sides.conflicts()] == ["open"]


def test_a_decision_that_a_run_has_taken_and_could_not_carry_out_is_kept_once(sides, sandbox):
    item_id = sides.item(A="a")
    sides.sync()
    sides.edit(item_id, A="X")
    sides.update(sides.link(item_id)["entity_id"], A="Y")
    fault = {"kind": "error", "code": "ColumnValueException", "http": 200, "message": "no"}
    sandbox.admin("faults/add", match={"operation": "mutation"}, count=50, **fault)
    for _ in range(2):
        sides.sync(prefer="postgres")
    sandbox.admin("faults/clear")
    sides.sql("update sync_mapping set next_try_at = now() where next_try_at is not null")
    sides.sync(prefer="postgres")
    assert [conflict["winner"] for conflict in sides.conflicts()] == ["postgres"]
    assert sides.on_board(item_id) == "A=Y"


# From the command line


def test_conflicts_are_listed_shown_and_resolved_from_the_command_line(sides, dispute, cli):
    item_id, row_id = dispute()
    listed = cli("conflicts", "list")
    assert listed.code == 0
    for word in ("contacts", item_id, "role_title", "X", "Y", "manual", "held"):
        assert word in listed.out
    (conflict,) = json.loads(cli("conflicts", "list", "--json").out)["conflicts"]
    assert (conflict["entity"], conflict["field"], conflict["status"]) == ("contacts", "role_title", "open")
    assert conflict["monday_value"] == "X"
    shown = cli("conflicts", "show", conflict["id"][:8])
    assert shown.code == 0 and "base value           a" in shown.out
    done = cli("conflicts", "resolve", conflict["id"][:8], "--winner", "postgres")
    assert (done.code, done.err) == (0, "")
    assert "postgres has won" in done.out
    assert sides.on_board(item_id) == "A=Y B=b"
    assert "no conflicts" in cli("conflicts", "list").out
    assert "postgres" in cli("conflicts", "list", "--all").out


def test_all_that_wait_of_an_entity_are_resolved_at_once_and_what_was_decided_stays(sides, cli):
    items = [sides.item(f"p{number}", A="a") for number in range(3)]
    sides.sync()
    for item_id in items:
        sides.edit(item_id, A="X")
        sides.update(sides.link(item_id)["entity_id"], A="Y")
        sides.sync(prefer="monday" if item_id == items[0] else "manual")
    done = cli("conflicts", "resolve", "--entity", "contacts", "--winner", "postgres", "--json")
    assert done.code == 0
    assert [conflict["resolved"] for conflict in json.loads(done.out)["conflicts"]] == [True, True]
    assert [sides.on_board(item_id) for item_id in items] == ["A=X", "A=Y", "A=Y"]


def test_what_could_not_be_resolved_ends_with_exit_3_and_says_why(sides, dispute, cli):
    item_id, _ = dispute()
    sides.act("archive", item_id)
    done = cli("conflicts", "resolve", "--entity", "contacts", "--winner", "monday")
    assert done.code == 3
    assert "not resolved: its item or its row is gone" in done.out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["conflicts", "show", "ffffffff"], "names no conflict"),
        (["conflicts", "resolve", "--winner", "monday"], "Name conflicts by their ids, or an entity."),
        (["conflicts", "resolve", "ffffffff", "--winner", "me"], "'me' is not one of"),
        (["conflicts", "list", "--entity", "nobody"], "Unknown entity: nobody."),
    ],
)
def test_what_cannot_be_meant_ends_with_exit_2(cli, arguments, words):
    done = cli(*arguments)
    assert done.code == 2
    assert words in done.err


def test_a_beginning_of_an_id_that_names_several_conflicts_is_refused(sides, dispute):
    dispute(B="Y")
    sides.sql("update sync_conflicts set id = ('aaaaaaaa' || substr(id::text, 9))::uuid")
    sides.sql(
        "insert into sync_conflicts (id, entity_type, field, rule, winner) values"
        " ('aaaaaaaa-0000-4000-8000-000000000000', 'contact', 'notes', 'manual', 'held')"
    )
    with sides.db.transaction(read_only=True) as tx, pytest.raises(SettingsError, match="names several conflicts"):
        find(tx, names_of(MAPPINGS.values(), ()), ["aaaaaaaa"])
