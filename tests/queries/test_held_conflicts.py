"""Fields that were changed on both sides: which value counts by each rule, and how a user decides what is held."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main


@pytest.fixture
def edited(bench):
    """Makes a record whose note a person and the source have changed since it was written."""

    def make(rule):
        bench.write_sync(on_conflict=rule)
        bench.insert(3)
        bench.run()
        bench.edit("2", note="by a person")
        bench.mysql("update things set note = 'by the source', title = 'New title' where id = 2")
        return bench.run()

    return make


def conflicts(bench, *arguments, code=0):
    done = run_main(bench.home, "conflicts", *arguments, "--json", env=bench.env)
    assert done.code == code, done.err
    return json.loads(done.out)


def waiting(bench):
    return conflicts(bench, "list")["of_syncs"]


@pytest.mark.parametrize(
    ("rule", "shown", "status", "winner", "held"),
    [
        ("mysql", "by the source", "resolved", "mysql", 0),
        ("smartsuite", "by a person", "resolved", "smartsuite", 0),
        ("manual", "by a person", "open", "held", 1),
    ],
)
def test_a_rule_decides_which_value_counts_and_both_are_kept(bench, edited, rule, shown, status, winner, held):
    report = edited(rule)
    assert (report.conflicts, report.held, report.exit_code) == (1, held, 3 if held else 0)
    assert bench.shown()["2"] == {**bench.rows()["2"], "note": shown}
    (kept,) = conflicts(bench, "list", "--all")["of_syncs"]
    told = ("base_value", "smartsuite_value", "source_value", "rule", "winner", "status")
    assert [kept[name] for name in told] == ["note 2", "by a person", "by the source", rule, winner, status]
    assert (kept["sync"], kept["key"], kept["field"]) == ("things", "2", "note")
    assert kept["smartsuite_changed_at"] and kept["source_changed_at"]
    bench.calls()
    assert bench.run().held == 0
    assert bench.calls() == [], "what waits costs no call"


@pytest.mark.parametrize(("winner", "shown"), [("mysql", "by the source"), ("smartsuite", "by a person")])
def test_what_is_held_is_settled_by_hand(bench, edited, winner, shown):
    edited("manual")
    (held,) = waiting(bench)
    (settled,) = conflicts(bench, "resolve", held["id"][:8], "--winner", winner)["conflicts"]
    assert settled["resolved"] and settled["winner"] == winner
    assert not waiting(bench)
    bench.run(full=True)
    assert bench.shown()["2"]["note"] == shown
    bench.mysql("update things set title = 'Later' where id = 2")
    assert bench.run().conflicts == 0
    assert bench.shown()["2"] == {**bench.rows()["2"], "note": shown}


def test_a_decision_can_be_changed(bench, edited):
    edited("smartsuite")
    (kept,) = conflicts(bench, "list", "--all")["of_syncs"]
    conflicts(bench, "resolve", kept["id"], "--winner", "mysql")
    bench.must_be_equal()


def test_what_a_person_edited_since_is_overwritten_only_by_force(bench, edited):
    edited("manual")
    (held,) = waiting(bench)
    bench.edit("2", note="second thoughts")
    (refused,) = conflicts(bench, "resolve", held["id"], "--winner", "mysql", code=3)["conflicts"]
    assert "--force" in refused["problem"]
    assert bench.shown()["2"]["note"] == "second thoughts"
    conflicts(bench, "resolve", held["id"], "--winner", "mysql", "--force")
    bench.must_be_equal()


def test_a_later_change_of_the_row_is_part_of_the_same_conflict(bench, edited):
    edited("manual")
    (first,) = waiting(bench)
    bench.mysql("update things set note = 'again' where id = 2")
    bench.run()
    (second,) = waiting(bench)
    assert (second["id"], second["source_value"]) == (first["id"], "again")
    assert second["base_value"] == "note 2"


@pytest.mark.parametrize("by", ["the source", "a person", "a person who agrees"])
def test_a_conflict_that_is_none_any_more_ends(bench, edited, by):
    edited("manual")
    if by == "the source":
        bench.mysql("update things set note = 'note 2', title = 'New title' where id = 2")
    else:
        bench.edit("2", note="note 2" if by == "a person" else "by the source")
        bench.mysql("update things set amount = 77 where id = 2")
    bench.run()
    assert not waiting(bench)
    shown = bench.shown()["2"]["note"]
    assert shown == ("by a person" if by == "the source" else "by the source")


def test_another_rule_decides_what_was_held(bench, edited):
    edited("manual")
    bench.write_sync(on_conflict="mysql")
    bench.run()
    assert not waiting(bench)
    bench.must_be_equal()


def test_all_that_a_sync_holds_is_settled_at_once_and_the_table_names_it(bench, edited):
    edited("manual")
    listed = run_main(bench.home, "conflicts", "list", env=bench.env)
    assert "by a person" in listed.out and "by the source" in listed.out, listed.out
    shown = run_main(bench.home, "conflicts", "show", waiting(bench)[0]["id"][:8], env=bench.env)
    assert "by a person" in shown.out
    done = run_main(bench.home, "conflicts", "resolve", "--entity", "things", "--winner", "mysql", env=bench.env)
    assert done.code == 0 and "mysql has won" in done.out, done.err
    bench.must_be_equal()


def test_a_side_that_a_conflict_does_not_have_is_told(bench, edited):
    edited("manual")
    (held,) = waiting(bench)
    env = {**bench.env, "MONDAY_API_KEY": "not-a-real-one"}
    done = run_main(bench.home, "conflicts", "resolve", held["id"], "--winner", "monday", env=env)
    assert done.code == 2 and "mysql, smartsuite" in done.err, done.err
    done = run_main(bench.home, "conflicts", "resolve", "00000000", "--winner", "mysql", env=bench.env)
    assert done.code == 2 and "names no conflict" in done.err, done.err
