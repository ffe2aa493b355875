"""Checks large boards: several cursors at once, and few calls for few changes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sandbox import Sandbox
from tests.kit.pulls import Journey
from tests.kit.rows import column, rows
from tests.kit.shipped import USERS


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


def load(sandbox, count, **more):
    begun = datetime.now(timezone.utc) - timedelta(hours=count)
    items = [
        {
            "name": f"Staff {n}",
            "updated_at": f"{begun + timedelta(hours=n):%FT%TZ}",
            **more,
            "values": {"text25": f"N{n}", "email7": {"email": f"a{n}@example.com", "text": "a"}},
        }
        for n in range(count)
    ]
    return sandbox.admin("items/load", board_id=USERS, items=items)


@pytest.mark.parametrize("understands", ["exact", "days", "relative"])
def test_ten_changes_cost_at_most_five_calls_however_large_the_board_is(journey, sandbox, db, understands):
    ids = load(sandbox, 1600)
    sandbox.admin("switches", last_updated=understands)
    journey.pull()
    journey.pull()
    for number in range(10):
        sandbox.admin("items/change", item_id=ids[number * 100], values={"text25": f"Changed {number}"})
    before = journey.calls()
    report = journey.pull()
    assert (report.updated, report.complete) == (10, True)
    assert journey.calls() - before <= 5


def test_ten_changes_found_by_a_new_process_cost_at_most_five_calls(journey, sandbox, db):
    ids = load(sandbox, 1600)
    journey.pull()
    journey.pull()
    for number in range(10):
        sandbox.admin("items/change", item_id=ids[number * 100], values={"text25": f"Changed {number}"})
    fresh = Journey(db, sandbox)
    assert fresh.pull().updated == 10
    assert fresh.calls() <= 5
    fresh.monday.close()


def test_an_edit_behind_the_back_of_a_read_is_news_to_the_next_run_though_our_clock_is_an_hour_ahead(
    journey, sandbox, db
):
    sandbox.admin("clock/advance", seconds=-3600)
    load(sandbox, 30)
    order = [item.id for page in journey.monday.pages(USERS) for item in page.items]

    def edit(entity: str, done: int, total: int | None) -> None:
        if done == 10:
            sandbox.admin("items/change", item_id=order[0], values={"text25": "Edited"})
            sandbox.admin("clock/advance", seconds=1200)
            sandbox.admin("items/change", item_id=order[-1], values={"text25": "Later"})

    journey.pull()
    journey.pull(full=True, batch_size=10, progress=edit)
    journey.pull()
    assert rows(db, "users", monday_id=order[0])[0]["name"] == "Edited"


@pytest.mark.parametrize("workers", [2, 4])
def test_a_board_with_one_large_group_is_read_whole_by_several_cursors(journey, sandbox, db, workers):
    groups = [group_id for group_id, _ in journey.monday.board(USERS).groups]
    large = load(sandbox, 340, group_id=groups[0])
    assert len(large) == 340
    report = journey.pull(max_workers=workers, batch_size=20)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (340, True, 340)


@pytest.mark.parametrize("items, several", [(60, False), (80, True)])
def test_several_cursors_read_a_board_only_if_each_has_two_pages(journey, sandbox, db, items, several):
    groups = [group_id for group_id, _ in journey.monday.board(USERS).groups]
    load(sandbox, items, group_id=groups[0])
    report = journey.pull(max_workers=4, batch_size=20)
    assert (report.created, report.complete) == (items, True)
    assert any(request["name"] == "GroupPage" for request in sandbox.admin("requests", last=1000)) == several


@pytest.fixture
def parted(sandbox, journey):
    """Loads a board of which one group holds all 2,400 items, with three labels in a status column and some blanks."""
    labels = ({"label": "Working on it"}, {"label": "Done"}, {"label": "Stuck"}, None)
    groups = [group_id for group_id, _ in journey.monday.board(USERS).groups]
    begun = datetime.now(timezone.utc) - timedelta(hours=2_400)
    items = [
        {
            "name": f"Staff {n}",
            "updated_at": f"{begun + timedelta(hours=n):%FT%TZ}",
            "group_id": groups[0],
            "values": {"email7": {"email": f"a{n}@example.com", "text": "a"}, "status": labels[n % 4]},
        }
        for n in range(2_400)
    ]
    sandbox.admin("items/load", board_id=USERS, items=items)
    # a run that has no page to wait for is not served sooner by more cursors
    sandbox.admin("switches", latency_ms=500)
    return sandbox


def filtered(sandbox) -> int:
    """Counts the requests that asked for a part of a group; each of them met a fault."""
    return sum(bool(request["faults"]) for request in sandbox.admin("requests", last=1000))


def test_a_group_that_holds_nearly_everything_is_parted_by_its_labels_when_cursors_have_nothing_to_do(
    parted, journey, db
):
    parted.admin("faults/add", kind="drop_cell", column_id="none", count=1000, match={"contains": "any_of"})
    report = journey.pull(max_workers=4, batch_size=100)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (2_400, True, 2_400)
    assert filtered(parted) >= 2


def test_a_server_that_will_not_filter_is_asked_for_whole_groups(parted, journey, db):
    parted.admin(
        "faults/add",
        kind="error",
        code="InvalidArgumentException",
        message="no such operator",
        status=200,
        http=200,
        count=1000,
        match={"contains": "any_of"},
    )
    report = journey.pull(max_workers=4, batch_size=100)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (2_400, True, 2_400)
    assert filtered(parted)


def test_items_that_a_filter_hides_are_found_all_the_same(parted, journey, db):
    """No source says whether "none of these labels" lets blank cells through."""
    parted.admin("faults/add", kind="drop_page", count=1000, match={"contains": "not_any_of"})
    report = journey.pull(max_workers=4, batch_size=100)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (2_400, True, 2_400)
    assert filtered(parted)
