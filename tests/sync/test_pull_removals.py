"""Checks items that come, go and come back, over a real socket: what a sweep finds, what it removes, what stops it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errors import BoardNotVisible, GuardStop, Incomplete
from sandbox import Sandbox
from tests.kit.rows import COMPANY, change, column, dump, link, logs, row, rows
from tests.kit.shipped import PROJECTS, USERS
from tests.kit.staff import days_ago, load_staff, staff_item

LINKS = ("sync_mapping", "sync_skipped", "sync_logs", "sync_conflicts")


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0,projects:0") as running:
        yield running


def archived(db):
    return sorted(row["monday_id"] for row in rows(db, "users") if row["archived_at"])


# Gone and back


@pytest.mark.parametrize("how", ["archive", "delete", "purge", "move_to_board"])
def test_the_row_of_an_item_that_is_gone_is_archived(journey, sandbox, db, how):
    ids = load_staff(sandbox, 5)
    journey.pull()
    more = {"board_id": PROJECTS} if how == "move_to_board" else {}
    sandbox.admin(f"items/{how}", item_id=ids[2], **more)
    report = journey.pull()
    assert (report.archived, report.to_postgres.archived, report.exit_code) == (1, 1, 0)
    assert archived(db) == [ids[2]]
    assert link(db, ids[2], "user")["archived_at"] is not None
    before = dump(db)
    again = journey.pull()
    assert (again.changes, again.archived, dump(db)) == (0, 0, before)


@pytest.mark.parametrize("how", ["archive", "delete"])
def test_an_item_that_is_restored_has_its_row_back(journey, sandbox, db, how):
    ids = load_staff(sandbox, 5)
    journey.pull()
    made = row(db, "users", monday_id=ids[2])["id"]
    sandbox.admin(f"items/{how}", item_id=ids[2])
    journey.pull()
    sandbox.admin("items/restore", item_id=ids[2])
    report = journey.pull()
    assert (report.restored, report.created, archived(db)) == (1, 0, [])
    assert row(db, "users", monday_id=ids[2])["id"] == made
    assert link(db, ids[2], "user")["archived_at"] is None
    assert journey.pull().changes == 0


@pytest.mark.parametrize("at", [400, 0])
def test_a_copied_item_is_found_however_old_its_update_time_is(journey, sandbox, db, at):
    load_staff(sandbox, 5)
    journey.pull()
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(9, ago=at)])
    report = journey.pull()
    assert (report.created, report.complete) == (1, True)
    assert "a9@example.com" in column(db, "users", "email")


def test_an_item_that_was_restored_and_changed_shows_its_change(journey, sandbox, db):
    ids = load_staff(sandbox, 3)
    journey.pull()
    sandbox.admin("items/archive", item_id=ids[0])
    journey.pull()
    sandbox.admin("items/restore", item_id=ids[0])
    sandbox.admin("items/change", item_id=ids[0], values={"text25": "Anna"})
    journey.pull()
    assert (row(db, "users", monday_id=ids[0])["name"], archived(db)) == ("Anna", [])


def test_a_removed_item_whose_row_was_edited_leaves_the_row(journey, sandbox, db):
    ids = load_staff(sandbox, 3)
    journey.pull()
    change(db, "update users set name = 'By SQL' where monday_id = %s", ids[1])
    sandbox.admin("items/delete", item_id=ids[1])
    report = journey.pull()
    assert (archived(db), report.archived) == ([], 0)
    assert row(db, "users", monday_id=ids[1])["name"] == "By SQL"
    assert [item_id for item_id, _ in logs(db)] == [ids[1]]
    before = dump(db, *COMPANY, *LINKS)
    assert journey.pull().complete is True
    assert dump(db, *COMPANY, *LINKS) == before


@pytest.mark.parametrize(("action", "left", "marked"), [("delete", 2, []), ("ignore", 3, []), ("archive", 3, [1])])
def test_what_a_removal_does_is_the_mappings_choice(journey, sandbox, db, action, left, marked):
    journey.mappings["users"] = replace(journey.mappings["users"], on_item_removed=action)
    ids = load_staff(sandbox, 3)
    journey.pull()
    sandbox.admin("items/delete", item_id=ids[1])
    report = journey.pull()
    assert (len(rows(db, "users")), archived(db)) == (left, [ids[row] for row in marked])
    assert report.archived == (action != "ignore")
    assert journey.pull().complete is True


def test_a_deleted_projects_note_goes_and_its_customer_stays(journey, sandbox, db):
    journey.mappings["projects"] = replace(journey.mappings["projects"], on_item_removed="delete")
    values = {"text43__1": "Has a dog", "text65__1": "Ann", "email4__1": {"email": "a@example.com", "text": "a"}}
    made = sandbox.admin("items/create", board_id=PROJECTS, name="Roof", values=values)
    journey.pull("projects")
    sandbox.admin("items/delete", item_id=made["id"])
    sandbox.admin("items/create", board_id=PROJECTS, name="Other")
    journey.pull("projects")
    assert (column(db, "projects", "title"), rows(db, "notes"), column(db, "customers", "name")) == (
        ["Other"],
        [],
        ["Ann"],
    )


@pytest.mark.parametrize("rule", ["sync_enabled = false", "sync_direction = 'pg_to_monday'"])
def test_the_row_of_a_record_that_takes_nothing_from_monday_stays_when_its_item_goes(journey, sandbox, db, rule):
    ids = load_staff(sandbox, 3)
    journey.pull()
    change(db, f"update sync_mapping set {rule} where monday_id = %s", ids[1])
    sandbox.admin("items/delete", item_id=ids[1])
    report = journey.pull()
    assert (archived(db), report.archived, report.complete) == ([], 0, True)
    assert journey.pull().complete is True


# Guards


def shrink(sandbox, ids, number):
    for item_id in ids[:number]:
        sandbox.admin("items/delete", item_id=item_id)


@pytest.mark.parametrize("options", [{}, {"full": True}, {"sweep": True}, {"dry_run": True}])
@pytest.mark.parametrize("masked", [0, 25])
def test_a_run_that_would_remove_much_stops_before_it_does_anything(journey, sandbox, db, options, masked):
    ids = load_staff(sandbox, 60)
    journey.pull()
    journey.pull(sweep=True)
    shrink(sandbox, ids, 25)
    sandbox.admin("items/change", item_id=ids[-1], values={"text25": "Changed"})
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(100 + number, ago=0) for number in range(masked)])
    before = dump(db)
    with pytest.raises(GuardStop) as stop:
        journey.pull(**options)
    assert dump(db) == before
    assert stop.value.exit_code == 4
    assert "25 of 60" in stop.value.message and "--allow-mass-delete" in stop.value.hint


def test_skipped_items_do_not_hide_a_large_removal(journey, sandbox, db):
    ids = load_staff(sandbox, 40)
    nobody = {"name": "No mail", "updated_at": days_ago(30)}
    sandbox.admin("items/load", board_id=USERS, items=[nobody] * 30)
    journey.pull()
    journey.pull(sweep=True)
    shrink(sandbox, ids, 25)
    sandbox.admin("items/change", item_id=ids[-1], values={"text25": "Changed"})
    before = dump(db)
    with pytest.raises(GuardStop):
        journey.pull()
    assert dump(db) == before


def test_the_flag_lets_a_large_removal_through(journey, sandbox, db):
    ids = load_staff(sandbox, 60)
    journey.pull()
    shrink(sandbox, ids, 25)
    with pytest.raises(GuardStop):
        journey.pull()
    report = journey.pull(allow_mass_delete=True)
    assert (report.archived, len(archived(db)), report.exit_code) == (25, 25, 0)


@pytest.mark.parametrize(("number", "removed"), [(60, 20), (230, 22)])
def test_few_records_or_a_small_share_are_removed_without_a_flag(journey, sandbox, db, number, removed):
    ids = load_staff(sandbox, number)
    journey.pull()
    shrink(sandbox, ids, removed)
    assert journey.pull().archived == removed


def test_an_empty_listing_is_guarded_even_with_one_link(journey, sandbox, db):
    ids = load_staff(sandbox, 1)
    journey.pull()
    sandbox.admin("items/delete", item_id=ids[0])
    with pytest.raises(GuardStop):
        journey.pull()
    assert archived(db) == []
    assert journey.pull(allow_mass_delete=True).archived == 1


def test_an_empty_answer_to_a_listing_removes_nothing(journey, sandbox, db):
    load_staff(sandbox, 5)
    journey.pull()
    before = dump(db)
    sandbox.admin("faults/add", kind="empty_listing", count=None)
    with pytest.raises((GuardStop, Incomplete)):
        journey.pull(full=True)
    assert dump(db) == before


@pytest.mark.parametrize("options", [{"full": True}, {"sweep": True}])
def test_an_item_that_a_listing_leaves_out_is_not_removed(journey, sandbox, db, options):
    ids = load_staff(sandbox, 5)
    journey.pull()
    before = dump(db)
    sandbox.admin("faults/add", kind="drop_item", item_id=ids[1], count=None, match={"contains": "items_page"})
    with pytest.raises(Incomplete) as told:
        journey.pull(**options)
    assert (dump(db), told.value.exit_code) == (before, 3)
    assert ids[1] in told.value.message
    sandbox.admin("faults/clear")
    assert journey.pull(**options).exit_code == 0


def test_a_page_that_a_listing_leaves_out_removes_nothing(journey, sandbox, db):
    load_staff(sandbox, 5)
    journey.pull()
    sandbox.admin("faults/add", kind="drop_page", count=None, match={"contains": "items_page"})
    with pytest.raises((GuardStop, Incomplete)):
        journey.pull(sweep=True)
    assert archived(db) == []


@pytest.mark.parametrize("options", [{}, {"full": True}, {"sweep": True}])
def test_a_board_that_is_not_visible_removes_nothing(journey, sandbox, db, options):
    load_staff(sandbox, 5)
    journey.pull()
    before = dump(db)
    sandbox.admin("faults/add", kind="hide_board", board_id=USERS)
    with pytest.raises(BoardNotVisible) as told:
        journey.pull(**options)
    assert (dump(db), told.value.exit_code) == (before, 2)


def test_a_limited_run_removes_nothing(journey, sandbox, db):
    ids = load_staff(sandbox, 10)
    journey.pull()
    shrink(sandbox, ids, 3)
    report = journey.pull(limit=2)
    assert (report.read, report.archived, archived(db)) == (2, 0, [])
    assert journey.pull().archived == 3


def test_a_first_run_with_a_limit_is_completed_by_the_next(journey, sandbox, db):
    load_staff(sandbox, 10)
    assert journey.pull(limit=3).created == 3
    assert journey.pull().created == 7
    assert len(rows(db, "users")) == 10


# Items left out


def test_skipped_items_that_vanish_are_forgotten(journey, sandbox, db):
    load_staff(sandbox, 3)
    (nobody,) = sandbox.admin("items/load", board_id=USERS, items=[{"name": "No mail", "updated_at": days_ago(30)}])
    (second,) = sandbox.admin("items/load", board_id=USERS, items=[staff_item(7, "a1@example.com")])
    assert journey.pull().skipped == 2
    shrink(sandbox, [nobody, second], 2)
    report = journey.pull()
    assert (rows(db, "sync_skipped"), report.complete, report.archived) == ([], True, 0)


def test_a_linked_item_that_lost_its_email_is_counted_once(journey, sandbox, db):
    ids = load_staff(sandbox, 3)
    journey.pull()
    sandbox.admin("items/change", item_id=ids[1], values={"email7": None})
    for _ in range(3):
        report = journey.pull()
        assert (report.skipped, report.complete, report.exit_code) == (1, True, 0)
    assert logs(db) == [(ids[1], "Skipping user with empty email")]
    assert len(rows(db, "users")) == 3


@pytest.mark.parametrize("how", ["change", "delete"])
def test_the_next_of_two_duplicates_takes_over_at_the_next_read(journey, sandbox, db, how):
    ids = load_staff(sandbox, 2, email="same@example.com")
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(9, ago=1)])  # so that the others are long past
    journey.pull()
    assert row(db, "users", email="same@example.com")["monday_id"] == ids[0]
    if how == "change":
        values = {"email7": {"email": "other@example.com", "text": "other@example.com"}}
        sandbox.admin("items/change", item_id=ids[0], values=values)
    else:
        sandbox.admin("items/load", board_id=USERS, items=[staff_item(5)])
        sandbox.admin("items/delete", item_id=ids[0])
    for sweep in (True, False):
        report = journey.pull(sweep=sweep)
    assert row(db, "users", email="same@example.com")["monday_id"] == ids[1]
    assert (rows(db, "sync_skipped"), report.complete, report.changes, archived(db)) == ([], True, 0, [])
