"""Checks how many calls a pull makes, whatever the filter by update time understands, and what it finds with them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from monday_api import Monday
from sandbox import Sandbox
from tests.kit.clocks import SharedClock
from tests.kit.pulls import Journey
from tests.kit.shipped import USERS
from tests.kit.staff import staff_item

READINGS = pytest.mark.parametrize("reading", ["exact", "days", "relative", "refused"])
SIZES = pytest.mark.parametrize("count", [60, 3000])


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


def understand(sandbox, reading):
    if reading != "refused":
        sandbox.admin("switches", last_updated=reading)
        return
    match = {"contains": "__last_updated__"}
    refusal = {"code": "InvalidArgumentException", "message": "no such column", "status": 200, "http": 200}
    sandbox.admin("faults/add", kind="error", count=1_000_000, match=match, **refusal)


def load(sandbox, count, days=0.0, apart=timedelta(hours=1)):
    """Loads items, the newest of them updated so many days ago."""
    newest = datetime.now(timezone.utc) - timedelta(days=days)
    items = [
        {**staff_item(n), "updated_at": f"{newest - apart * (count - n):%Y-%m-%dT%H:%M:%SZ}"}
        for n in range(1, count + 1)
    ]
    ids = list(sandbox.admin("items/load", board_id=USERS, items=items))
    sandbox.admin("clock/advance", seconds=5)  # the board's own time is of a second that is over
    return ids


def understood(db):
    with db.transaction(read_only=True) as tx:
        return tx.value("select value from sync_state where name = 'update_filter'")


def calls_of(journey, **options):
    before = journey.calls()
    report = journey.pull(**options)
    return journey.calls() - before, report


def pulled_by_a_new_process(db, sandbox):
    fresh = Journey(db, sandbox)
    found = calls_of(fresh)
    fresh.monday.close()
    return found


@READINGS
@SIZES
@pytest.mark.parametrize("days", [0, 40])
def test_an_unchanged_board_costs_at_most_four_calls_from_the_second_run_on(journey, sandbox, db, reading, count, days):
    understand(sandbox, reading)
    load(sandbox, count, days)
    assert journey.pull().created == count
    found = [calls_of(journey), calls_of(journey), pulled_by_a_new_process(db, sandbox)]
    assert [calls <= most for (calls, _), most in zip(found, (4, 2, 2), strict=True)] == [True] * 3
    assert [(report.changes, report.complete) for _, report in found] == [(0, True)] * 3
    assert db.execute_query("select 1 from sync_listing") == []


@READINGS
def test_a_board_of_which_all_was_updated_within_the_overlap_costs_no_more(journey, sandbox, db, reading):
    understand(sandbox, reading)
    load(sandbox, 3000, apart=timedelta(0))
    journey.pull()
    assert [calls_of(journey)[0] <= most for most in (4, 2)] == [True, True]


@READINGS
@SIZES
def test_ten_changes_cost_six_calls_or_one_listing_where_no_filter_works(journey, sandbox, db, reading, count):
    understand(sandbox, reading)
    ids = load(sandbox, count, days=40)
    journey.pull()
    journey.pull()
    for number in range(10):
        sandbox.admin("items/change", item_id=ids[number * (count // 10)], values={"text25": f"Changed {number}"})
    sandbox.admin("clock/advance", seconds=5)
    calls, report = calls_of(journey)
    assert (report.updated, report.complete) == (10, True)
    assert calls <= (6 if reading != "refused" else 2 + -(-count // 500) + 1)
    assert calls_of(journey)[0] <= 2


@READINGS
def test_what_the_filter_understands_is_kept_and_learnt_again_once_a_day(journey, sandbox, db, reading):
    understand(sandbox, reading)
    load(sandbox, 60)
    journey.pull()
    journey.pull()
    kept = {"exact": "seconds", "days": "days", "relative": "words", "refused": "nothing"}
    assert understood(db) == kept[reading]
    sandbox.admin("faults/clear")
    understand(sandbox, "days")
    journey.pull(sweep=True)
    assert understood(db) == "days"


@READINGS
@pytest.mark.parametrize("ago", [0, 400])
def test_a_copied_item_is_found_with_the_next_run_and_one_that_hides_a_removal_by_the_sweep(
    journey, sandbox, db, reading, ago
):
    understand(sandbox, reading)
    ids = load(sandbox, 60)
    journey.pull()
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(901, ago=ago)])
    assert journey.pull().created == 1
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(902, ago=400)])
    sandbox.admin("items/delete", item_id=ids[3])
    report = journey.pull(sweep=True)
    assert (report.created, report.archived, report.complete) == (1, 1, True)


@READINGS
@pytest.mark.parametrize("seconds", [60, 1800])
def test_a_change_that_a_filter_which_lags_hides_at_first_is_found(journey, sandbox, db, reading, seconds):
    understand(sandbox, reading)
    ids = load(sandbox, 60, days=40)
    journey.pull()
    journey.pull()
    sandbox.admin("switches", lag_seconds=seconds)
    sandbox.admin("items/change", item_id=ids[5], values={"text25": "Late"})
    first = journey.pull()
    sandbox.admin("clock/advance", seconds=seconds + 1)
    assert first.updated + journey.pull().updated == 1


@READINGS
def test_a_change_within_the_second_of_the_first_pull_is_found(journey, sandbox, db, reading):
    """The board's own time, which is of that second, does not move once more."""
    understand(sandbox, reading)
    ids = load(sandbox, 60, days=40)
    sandbox.admin("items/change", item_id=ids[1], values={"text25": "Before"})
    journey.pull()
    sandbox.admin("items/change", item_id=ids[2], values={"text25": "After"})
    assert journey.pull().updated == 1


def test_a_first_pull_that_is_not_whole_is_no_sweep(journey, sandbox, db):
    load(sandbox, 60)
    clock = SharedClock(sandbox.url, sandbox.token)
    journey.monday = Monday(token=sandbox.token, url=sandbox.graphql_url, clock=clock)
    sandbox.admin("faults/add", kind="partial", rows=1, count=1000, match={"contains": "column_values"})
    first = journey.pull()
    assert (first.created, first.complete) == (59, False)
    sandbox.admin("faults/clear")
    report = journey.pull()
    assert (report.created, report.complete) == (1, True)


def test_everything_is_read_without_its_ids_first_where_a_sweep_has_just_listed_them(journey, sandbox, db):
    load(sandbox, 1500, days=40)
    sandbox.admin("clock/advance", seconds=3600)
    journey.pull()
    journey.pull(sweep=True)
    calls, report = calls_of(journey, full=True)
    assert (calls, report.read, report.changes, report.complete) == (1 + 3, 1500, 0, True)


def test_a_full_read_lists_ids_first_once_anything_was_changed_since_the_sweep(journey, sandbox, db):
    ids = load(sandbox, 60, days=40)
    sandbox.admin("clock/advance", seconds=3600)
    journey.pull()
    journey.pull(sweep=True)
    sandbox.admin("items/delete", item_id=ids[3])
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(901, ago=400)])
    report = journey.pull(full=True)
    assert (report.created, report.archived, report.complete) == (1, 1, True)


def test_what_the_pages_of_a_full_read_leave_out_is_read_although_no_ids_were_listed_first(journey, sandbox, db):
    ids = load(sandbox, 60, days=40)
    sandbox.admin("clock/advance", seconds=3600)
    journey.pull()
    journey.pull(sweep=True)
    sandbox.admin("faults/add", kind="drop_item", item_id=ids[7], match={"contains": "column_values"})
    report = journey.pull(full=True, batch_size=20)
    assert (report.read, report.changes, report.archived, report.complete) == (60, 0, 0, True)
