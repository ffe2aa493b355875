"""Checks that a listing which ends early removes nothing, whatever a run was told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errors import GuardStop, Incomplete
from sandbox import Sandbox
from tests.kit.rows import rows

MANY = 1100
"""More than two pages of a listing."""
WAYS = ("monday_to_pg", "bidirectional")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def ids(sides, sandbox):
    made = sides.items(MANY, A="a")
    sides.sync()
    yield made
    sandbox.admin("faults/clear")


def end_listings(sandbox, count=1, after=1):
    sandbox.admin("faults/add", kind="end_listing", match={"contains": "items_page", "nth": after}, count=count)


def living(db):
    return sum(row["archived_at"] is None for row in rows(db, "contacts"))


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("how", ["full", "sweep"])
def test_a_listing_that_ends_early_is_incomplete_and_removes_nothing(sides, sandbox, ids, direction, flag, how):
    end_listings(sandbox)
    with pytest.raises(Incomplete) as stopped:
        sides.sync(direction, allow_mass_delete=flag, **{how: True})
    assert stopped.value.exit_code == 3
    assert "--allow-mass-delete" not in f"{stopped.value.message} {stopped.value.hint}"
    assert living(sides.db) == MANY
    assert sides.code(direction, sweep=True) == 0


@pytest.mark.parametrize("flag", [False, True])
def test_items_that_are_really_gone_do_not_take_along_those_a_short_listing_lacks(sides, sandbox, ids, flag):
    for item_id in ids[:30]:
        sides.act("delete", item_id)
    end_listings(sandbox)
    with pytest.raises(Incomplete):
        sides.sync(sweep=True, allow_mass_delete=flag)
    assert living(sides.db) == MANY


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("number", [1, 30, 1099])
def test_items_that_the_token_may_not_see_any_more_are_not_taken_for_removed(sides, sandbox, ids, flag, number):
    sandbox.admin("faults/add", kind="hide_items", ids=ids[:number])
    with pytest.raises(Incomplete) as stopped:
        sides.sync(sweep=True, allow_mass_delete=flag)
    assert str(MANY) in stopped.value.message
    assert living(sides.db) == MANY


def test_items_that_are_gone_without_a_trace_are_removed(sides, sandbox, ids):
    for item_id in ids[:3]:
        sandbox.admin("items/purge", item_id=item_id)
    assert sides.sync(sweep=True).archived == 3
    assert sides.code() == 0


def test_many_items_that_are_really_gone_still_stop_at_the_guard(sides, ids):
    for item_id in ids[:150]:
        sides.act("archive", item_id)
    with pytest.raises(GuardStop):
        sides.sync(sweep=True)
    assert sides.sync(sweep=True, allow_mass_delete=True).archived == 150


def test_a_first_pull_whose_listings_all_end_at_one_place_is_incomplete(sides, sandbox):
    sides.items(MANY, A="a")
    end_listings(sandbox, count=50)
    report = sides.sync("monday_to_pg", batch_size=500)
    assert (report.complete, report.exit_code) == (False, 3)
    sandbox.admin("faults/clear")
    assert sides.sync("monday_to_pg").exit_code == 0
    assert living(sides.db) == MANY


def test_a_first_push_to_a_board_that_was_listed_in_part_makes_nothing(sides, sandbox):
    """The links are lost: the ids that the tool wrote into its items are all that tells."""
    sides.mapping = replace(sides.mapping, match=None)
    for number in range(120):
        sides.insert(f"n{number}")
    assert sides.sync("pg_to_monday").created == 120
    sides.sql("delete from sync_mapping")
    sides.sql("delete from sync_state where name like 'push:%%' or name like 'pull:%%'")
    sandbox.admin("faults/add", kind="drop_page", match={"contains": "items_page"})
    assert sides.code("pg_to_monday") == 3
    sandbox.admin("faults/clear")
    assert sides.code("pg_to_monday") == 0
    assert len(sandbox.admin("boards/snapshot", board_id=sides.board_id)) == 120
