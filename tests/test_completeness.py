"""Checks that each run proves itself whole: what an answer leaves out is read after all, or named."""

from __future__ import annotations

import pytest

from errors import BoardNotVisible
from sandbox import Sandbox
from tests.kit.rows import rows
from tests.kit.shipped import USERS
from tests.kit.staff import load_staff, staff_item

ITEMS, PAGE = 40, 10
CELLS = {"contains": "column_values"}


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


def rename(sandbox, ids):
    for number, item_id in enumerate(ids):
        sandbox.admin("items/change", item_id=item_id, values={"text25": f"Changed {number}"})


def on_board(sandbox):
    found = sandbox.admin("boards/snapshot", board_id=USERS, state="active")
    items = found["items"] if isinstance(found, dict) else found
    return {str(item["id"]): item["cells"]["text25"]["text"] or "" for item in items}


def stored(db):
    return {row["monday_id"]: row["name"] or "" for row in rows(db, "users") if not row["archived_at"]}


def whole_or_said(report, sandbox, db):
    """Checks that both are equal, or said not to be; and that nothing was removed either way."""
    assert not [row for row in rows(db, "users") if row["archived_at"]]
    return stored(db) == on_board(sandbox) or (report.exit_code == 3 and not report.complete)


def hurt(sandbox, kind, nth, **match):
    more = {"column_id": "text25"} if kind == "drop_cell" else {}
    sandbox.admin("faults/add", kind=kind, match={**match, "nth": nth}, **more)


def fired(sandbox):
    found = sandbox.admin("faults")
    return [fault["fired"] for fault in (found["faults"] if isinstance(found, dict) else found)]


EVERY_LOSS = pytest.mark.parametrize(
    ("kind", "nth"), [(kind, nth) for kind in ("drop_page", "drop_item", "drop_cell") for nth in (1, 2, 4)]
)


@EVERY_LOSS
def test_what_a_first_read_leaves_out_is_read_after_all(journey, sandbox, db, kind, nth):
    load_staff(sandbox, ITEMS, text2="Springfield")
    hurt(sandbox, kind, nth, **CELLS)
    report = journey.pull(batch_size=PAGE)
    assert fired(sandbox) == [1]
    assert (stored(db), report.complete) == (on_board(sandbox), True)


@EVERY_LOSS
def test_what_a_full_read_leaves_out_is_read_after_all(journey, sandbox, db, kind, nth):
    """All items are known here, so that no count could tell."""
    ids = load_staff(sandbox, ITEMS, text2="Springfield")
    journey.pull()
    rename(sandbox, ids)
    hurt(sandbox, kind, nth, **CELLS)
    report = journey.pull(batch_size=PAGE, full=True)
    assert fired(sandbox) == [1]
    assert (stored(db), report.complete) == (on_board(sandbox), True)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("kind", ["drop_page", "drop_item", "drop_cell"])
def test_what_several_cursors_leave_out_is_read_after_all(journey, sandbox, db, kind, workers):
    ids = load_staff(sandbox, ITEMS, text2="Springfield")
    journey.pull()
    rename(sandbox, ids)
    hurt(sandbox, kind, 2, **CELLS)
    report = journey.pull(batch_size=PAGE, full=True, max_workers=workers)
    assert (stored(db), report.complete) == (on_board(sandbox), True)


@EVERY_LOSS
def test_what_a_sweep_leaves_out_is_not_taken_for_removed(journey, sandbox, db, kind, nth):
    ids = load_staff(sandbox, 1200 if kind == "drop_page" else ITEMS)
    journey.pull()
    rename(sandbox, ids[:5])
    hurt(sandbox, kind, min(nth, 3 if kind == "drop_page" else 1), field="boards" if nth == 1 else None)
    try:
        report = journey.pull(sweep=True)
    except Exception as exc:
        assert getattr(exc, "exit_code", 0) in (3, 4), exc
        sandbox.admin("faults/clear")
        report = journey.pull(sweep=True)
    assert whole_or_said(report, sandbox, db)


@pytest.mark.parametrize("kind", ["drop_page", "drop_item", "drop_cell"])
@pytest.mark.parametrize("changed", [1, 6])
def test_a_change_that_the_filter_leaves_out_is_found_by_this_run_or_the_next(journey, sandbox, db, kind, changed):
    """The newest times are seen, and the change before them is not: its time must not be passed by."""
    ids = load_staff(sandbox, ITEMS, text2="Springfield")
    journey.pull()
    journey.pull()  # sweeps, so that the next one does not
    for number, item_id in enumerate(ids[:changed]):
        sandbox.admin("clock/advance", seconds=600)
        sandbox.admin("items/change", item_id=item_id, values={"text25": f"Changed {number}"})
    more = {"item_id": ids[0]} if kind == "drop_item" else {"column_id": "text25"} if kind == "drop_cell" else {}
    sandbox.admin("faults/add", kind=kind, match=CELLS, **more)
    first = journey.pull()
    assert fired(sandbox) == [1]
    if stored(db) != on_board(sandbox):
        assert first.changes == 0
        journey.pull()
    assert stored(db) == on_board(sandbox)


def test_a_change_made_while_a_long_read_runs_is_not_passed_by(journey, sandbox, db):
    """Its item was read before it, and another item shows a later time."""
    ids = load_staff(sandbox, ITEMS, text2="Springfield")
    seen = []

    def progress(entity, done, total):
        seen.append(done)
        if done == PAGE:
            sandbox.admin("items/change", item_id=ids[0], values={"text25": "Early"})
            sandbox.admin("clock/advance", seconds=3000)
            for item_id in ids[-3:]:
                sandbox.admin("items/change", item_id=item_id, values={"text25": "Late"})

    journey.pull(sweep=True)
    journey.pull(batch_size=PAGE, full=True, progress=progress)
    assert len(seen) >= 4
    journey.pull()
    assert stored(db) == on_board(sandbox)


def test_a_board_whose_count_lies_is_complete_by_its_ids(journey, sandbox, db):
    load_staff(sandbox, ITEMS, text2="Springfield")
    sandbox.admin("switches", lag_seconds=3600)
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(99, ago=1)])
    report = journey.pull()
    assert (len(stored(db)), report.complete) == (ITEMS + 1, True)
    assert journey.pull().changes == 0


@pytest.mark.parametrize("options", [{}, {"full": True}, {"sweep": True}, {"full": True, "max_workers": 3}])
def test_a_board_that_cannot_be_seen_is_an_error_that_names_it(journey, sandbox, db, options):
    load_staff(sandbox, ITEMS, text2="Springfield")
    journey.pull()
    sandbox.admin("faults/add", kind="hide_board", board_id=USERS)
    with pytest.raises(BoardNotVisible, match=USERS):
        journey.pull(**options)
    assert len(stored(db)) == ITEMS
