"""Checks the decision: two sides of a record, what they last agreed on, and what has to happen."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Winner
from sync.reconcile import Move, Rules, Side, decide, reconcile, winner_of

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def same(name, a, b):
    """As for texts: outer blanks do not count, and nothing is every emptiness."""
    return (a or "").strip() == (b or "").strip()


def alike(a, b):
    return same("", a, b)


def plan_for(base, monday, postgres, rules=None, times=(None, None), base_postgres=...):
    sides = (
        Side({"f": monday}, {"f": base}, {"f": times[0]}),
        Side({"f": postgres}, {"f": base if base_postgres is ... else base_postgres}, {"f": times[1]}),
    )
    return reconcile(*sides, ["f"], rules or Rules(), same)


# One field


@pytest.mark.parametrize(
    ("base", "monday", "postgres", "move"),
    [
        ("Todo", "Todo", "Todo", Move.SETTLED),
        ("Todo", "Done", "Todo", Move.TO_POSTGRES),
        ("Todo", "Todo", "Done", Move.TO_MONDAY),
        ("Todo", "Done", "Done", Move.AGREED),
        ("Todo", "Done", "Stuck", Move.CONFLICT),
        ("Todo", None, "Todo", Move.TO_POSTGRES),
        ("Todo", "Todo", None, Move.TO_MONDAY),
        ("Todo", None, None, Move.AGREED),
        ("Todo", None, "Done", Move.CONFLICT),
        (None, None, None, Move.SETTLED),
        (None, "Done", None, Move.TO_POSTGRES),
        (None, None, "Done", Move.TO_MONDAY),
        (None, "Done", "Done", Move.AGREED),
        (None, "Done", "Stuck", Move.CONFLICT),
        ("Todo", " Todo ", "Todo", Move.SETTLED),
        ("Todo", " Done ", "Done", Move.AGREED),
        (None, "", "  ", Move.SETTLED),
    ],
)
def test_a_field_moves_by_who_changed_it(base, monday, postgres, move):
    assert decide(base, base, monday, postgres, alike) is move


@pytest.mark.parametrize(
    ("base_monday", "base_postgres", "monday", "postgres", "move"),
    [
        ("A", "B", "A", "B", Move.SETTLED),
        ("A", "B", "C", "B", Move.TO_POSTGRES),
        ("A", "B", "A", "C", Move.TO_MONDAY),
        ("A", "B", "B", "B", Move.AGREED),
        ("A", "B", "A", "A", Move.AGREED),
        ("A", "B", "C", "C", Move.AGREED),
        ("A", "B", "C", "D", Move.CONFLICT),
        ("A", "B", "B", "A", Move.CONFLICT),
        (None, "B", None, "B", Move.SETTLED),
        (None, "B", "A", "B", Move.TO_POSTGRES),
        ("A", None, None, None, Move.AGREED),
        ("A", "B", None, "B", Move.TO_POSTGRES),
    ],
)
def test_what_is_known_to_differ_is_no_news(base_monday, base_postgres, monday, postgres, move):
    assert decide(base_monday, base_postgres, monday, postgres, alike) is move


def test_a_value_of_its_own_that_an_item_loses_to_its_shared_row_stands_in_a_conflict():
    plan = plan_for("own", "own", "new", base_postgres="shared")
    assert plan.to_monday == {"f": "new"}
    [kept] = plan.conflicts
    assert (kept.base, kept.monday, kept.postgres, kept.rule, kept.winner) == (
        "own",
        "own",
        "new",
        "shared",
        Winner.POSTGRES,
    )
    assert not plan.held


def test_a_value_that_a_shared_row_loses_to_an_item_that_showed_it_otherwise_stands_in_a_conflict():
    plan = plan_for("own", "new", "shared", base_postgres="shared")
    assert plan.to_postgres == {"f": "new"}
    [kept] = plan.conflicts
    assert (kept.monday, kept.postgres, kept.rule, kept.winner) == ("new", "shared", "shared", Winner.MONDAY)


def test_an_empty_cell_loses_nothing_to_its_shared_row():
    plan = plan_for(None, None, "new", base_postgres="shared")
    assert (plan.to_monday, plan.conflicts) == ({"f": "new"}, [])


def test_what_moves_is_written_and_agreed():
    plan = plan_for("Todo", "Done", "Todo")
    assert (plan.to_postgres, plan.to_monday, plan.quiet) == ({"f": "Done"}, {}, False)
    assert (plan.base_monday, plan.base_postgres) == ({"f": "Done"}, {"f": "Done"})
    plan = plan_for("Todo", "Todo", "Done")
    assert (plan.to_postgres, plan.to_monday) == ({}, {"f": "Done"})


def test_an_agreement_is_remembered_and_nothing_is_written():
    plan = plan_for("Todo", " Done", "Done")
    assert (plan.quiet, plan.conflicts, plan.base_monday, plan.base_postgres) == (
        True,
        [],
        {"f": " Done"},
        {"f": "Done"},
    )


def test_two_people_who_change_different_fields_both_keep_their_change():
    base = {"name": "Ann", "phone": "1", "city": "Rome"}
    plan = reconcile(Side({**base, "name": "Anna"}, base), Side({**base, "phone": "2"}, base), base, Rules(), same)
    assert (plan.to_postgres, plan.to_monday, plan.conflicts) == ({"name": "Anna"}, {"phone": "2"}, [])


# Conflicts


@pytest.mark.parametrize(
    ("rule", "monday_at", "postgres_at", "winner"),
    [
        ("monday", None, None, Winner.MONDAY),
        ("postgres", None, None, Winner.POSTGRES),
        ("manual", NOON, NOON + timedelta(hours=1), Winner.HELD),
        ("newest", NOON, NOON + timedelta(seconds=2), Winner.POSTGRES),
        ("newest", NOON + timedelta(seconds=2), NOON, Winner.MONDAY),
        ("newest", NOON, NOON + timedelta(seconds=1.999), Winner.HELD),
        ("newest", NOON + timedelta(seconds=1.999), NOON, Winner.HELD),
        ("newest", NOON, NOON, Winner.HELD),
        ("newest", None, NOON, Winner.HELD),
        ("newest", NOON, None, Winner.HELD),
        ("newest", None, None, Winner.HELD),
        ("newest", NOON, (NOON + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-5))), Winner.POSTGRES),
    ],
)
def test_a_rule_names_a_winner_or_the_field_is_held(rule, monday_at, postgres_at, winner):
    assert winner_of(rule, monday_at, postgres_at) is winner
    plan = plan_for("base", "ours", "theirs", Rules(rule), (monday_at, postgres_at))
    (conflict,) = plan.conflicts
    shown = (conflict.field, conflict.base, conflict.monday, conflict.postgres, conflict.rule, conflict.winner)
    assert shown == ("f", "base", "ours", "theirs", rule, winner)
    assert (conflict.monday_changed_at, conflict.postgres_changed_at) == (monday_at, postgres_at)
    assert plan.to_postgres == ({"f": "ours"} if winner is Winner.MONDAY else {})
    assert plan.to_monday == ({"f": "theirs"} if winner is Winner.POSTGRES else {})
    assert plan.held == ([conflict] if winner is Winner.HELD else [])
    if winner is Winner.HELD:
        assert (plan.waiting, plan.base_monday, plan.base_postgres) == ({"f"}, {"f": "base"}, {"f": "base"})


def test_a_fields_own_rule_comes_before_the_mappings():
    base, rules = {"a": "0", "b": "0"}, Rules("monday", {"b": "postgres"})
    plan = reconcile(Side({"a": "1", "b": "1"}, base), Side({"a": "2", "b": "2"}, base), base, rules, same)
    assert (plan.to_postgres, plan.to_monday) == ({"a": "1"}, {"b": "2"})
    assert [(conflict.field, conflict.rule) for conflict in plan.conflicts] == [("a", "monday"), ("b", "postgres")]


@pytest.mark.parametrize("policy", ["error", "ignore", "revert"])
def test_of_a_read_only_field_monday_has_the_last_word(policy):
    plan = plan_for("base", "ours", "theirs", Rules("postgres", read_only={"f": policy}))
    assert (plan.to_postgres, plan.to_monday) == ({"f": "ours"}, {})
    assert [(conflict.rule, conflict.winner) for conflict in plan.conflicts] == [("read-only", Winner.MONDAY)]


@pytest.mark.parametrize(
    ("policy", "write_monday", "to_postgres", "refused", "waiting", "base_postgres"),
    [
        ("error", True, {}, {"f"}, set(), "base"),
        ("error", False, {}, set(), {"f"}, "base"),
        ("ignore", True, {}, set(), set(), "theirs"),
        ("ignore", False, {}, set(), set(), "theirs"),
        ("revert", True, {"f": "base"}, set(), set(), "base"),
        ("revert", False, {"f": "base"}, set(), set(), "base"),
    ],
)
def test_what_sql_does_to_a_read_only_field_is_the_mappings_choice(
    policy, write_monday, to_postgres, refused, waiting, base_postgres
):
    plan = plan_for("base", "base", "theirs", Rules(read_only={"f": policy}, write_monday=write_monday))
    assert (plan.to_postgres, plan.to_monday, set(plan.refused), plan.waiting) == (to_postgres, {}, refused, waiting)
    assert (plan.base_monday["f"], plan.base_postgres["f"]) == ("base", base_postgres)


# One-way runs


@pytest.mark.parametrize(
    ("monday", "postgres", "to_postgres", "waiting"),
    [
        ("new", "base", {"f": "new"}, set()),
        ("base", "new", {}, {"f"}),
        ("new", "new", {}, set()),
        ("new", "other", {"f": "new"}, set()),
    ],
)
def test_a_pull_writes_its_own_side_and_lets_the_other_wait(monday, postgres, to_postgres, waiting):
    plan = plan_for("base", monday, postgres, Rules("monday", write_monday=False))
    assert (plan.to_postgres, plan.to_monday, plan.waiting) == (to_postgres, {}, waiting)


@pytest.mark.parametrize("write_postgres", [False, True])
def test_a_conflict_that_the_other_side_won_is_told_once_and_stays_news_for_it(write_postgres):
    """The loser's value is superseded; the winner's waits for a run that may write it."""
    rules = Rules(
        "postgres" if write_postgres else "monday", write_postgres=write_postgres, write_monday=not write_postgres
    )
    plan = plan_for("base", "ours", "theirs", rules)
    assert (plan.quiet, plan.waiting, len(plan.conflicts)) == (True, {"f"}, 1)
    again = plan_for(plan.base_monday["f"], "ours", "theirs", rules, base_postgres=plan.base_postgres["f"])
    assert (again.quiet, again.waiting, again.conflicts) == (True, {"f"}, [])
    both = plan_for(plan.base_monday["f"], "ours", "theirs", Rules("manual"), base_postgres=plan.base_postgres["f"])
    assert (both.to_postgres, both.to_monday) == (({}, {"f": "theirs"}) if write_postgres else ({"f": "ours"}, {}))


# Whatever comes

VALUES = st.sampled_from([None, "", "a", " a", "b", "c"])
FIELDS = ("one", "two", "three")
RECORDS = st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES))
TIMES = st.sampled_from([None, NOON, NOON + timedelta(seconds=1), NOON + timedelta(minutes=1)])
SIDES = st.builds(Side, RECORDS, RECORDS, st.fixed_dictionaries(dict.fromkeys(FIELDS, TIMES)))
POLICIES = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["error", "ignore", "revert"]), max_size=2)
NAMED = st.sampled_from(["newest", "monday", "postgres", "manual"])
RULES = st.builds(Rules, NAMED, st.dictionaries(st.sampled_from(FIELDS), NAMED), POLICIES, st.booleans(), st.booleans())


@given(SIDES, SIDES, RULES)
def test_a_run_never_writes_a_side_that_it_may_not_write(monday, postgres, rules):
    plan = reconcile(monday, postgres, FIELDS, rules, same)
    assert rules.write_postgres or not plan.to_postgres
    assert rules.write_monday or not plan.to_monday
    assert not (plan.to_monday.keys() & rules.read_only.keys())


@given(SIDES, SIDES, RULES)
def test_every_field_has_one_fate(monday, postgres, rules):
    plan = reconcile(monday, postgres, FIELDS, rules, same)
    for name in FIELDS:
        fates = [name in plan.to_postgres, name in plan.to_monday, name in plan.waiting, name in plan.refused]
        assert sum(fates) <= 1
        images = monday.base[name], postgres.base[name], monday.now[name], postgres.now[name]
        news = decide(*images, alike) not in (Move.SETTLED, Move.AGREED)
        assert not news or any(fates) or rules.read_only.get(name) == "ignore"
        assert news or not any(fates)


@given(SIDES, SIDES, RULES)
def test_a_plan_that_was_carried_out_leaves_nothing_but_what_waits(monday, postgres, rules):
    plan = reconcile(monday, postgres, FIELDS, rules, same)
    now_monday = {**monday.now, **plan.to_monday}
    now_postgres = {**postgres.now, **plan.to_postgres}
    again = reconcile(
        Side(now_monday, plan.base_monday, monday.changed_at),
        Side(now_postgres, plan.base_postgres, postgres.changed_at),
        FIELDS,
        rules,
        same,
    )
    assert again.quiet
    assert (again.waiting, again.refused) == (plan.waiting, plan.refused)
    for name in {*plan.to_monday, *plan.to_postgres}:
        assert same(name, now_monday[name], now_postgres[name])


@given(SIDES, SIDES, RULES)
def test_a_decision_changes_nothing_that_it_is_given(monday, postgres, rules):
    before = copy.deepcopy((monday, postgres, rules))
    assert reconcile(monday, postgres, FIELDS, rules, same) == reconcile(monday, postgres, FIELDS, rules, same)
    assert (monday, postgres, rules) == before


@given(SIDES, SIDES, RULES)
def test_a_conflict_is_never_silent(monday, postgres, rules):
    plan = reconcile(monday, postgres, FIELDS, rules, same)
    fought = {
        name
        for name in FIELDS
        if decide(monday.base[name], postgres.base[name], monday.now[name], postgres.now[name], alike) is Move.CONFLICT
    }
    lost = {name for name in plan.to_monday if monday.now[name] is not None}
    lost |= {name for name in plan.to_postgres if postgres.now[name] is not None}
    moved = {name for name in FIELDS if not alike(monday.base[name], postgres.base[name])} - set(rules.read_only)
    told = {conflict.field for conflict in plan.conflicts}
    assert told - set(rules.read_only) == (fought | lost & moved) - set(rules.read_only)
    assert fought <= told


def test_every_combination_of_images_has_a_move():
    values = (None, "a", "b", "c")
    for images in product(values, repeat=4):
        assert decide(*images, alike) in Move
