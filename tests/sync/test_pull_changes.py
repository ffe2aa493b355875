"""Checks what an incremental read finds, and columns of the board that come and go."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from tests.kit.pulls import Journey
from tests.kit.rows import COMPANY, MEMORY, change, dump, row, rows
from tests.kit.shipped import PROJECTS, USERS
from tests.kit.staff import load_staff, staff_item


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0,projects:0") as running:
        yield running


# Incremental reads


def test_a_later_run_reads_only_what_changed(journey, sandbox, db):
    ids = load_staff(sandbox, 40)
    journey.pull()
    sandbox.admin("items/change", item_id=ids[7], values={"text25": "Changed"})
    before = journey.calls()
    report = journey.pull()
    assert (report.updated, report.created, report.archived) == (1, 0, 0)
    assert report.read < 5
    assert journey.calls() - before <= 6
    before = journey.calls()
    report = journey.pull()
    assert (report.changes, report.read < 5, journey.calls() - before <= 3) == (0, True, True)


@pytest.mark.parametrize("understands", ["exact", "days", "relative"])
def test_changes_are_found_whatever_the_filter_by_update_time_understands(journey, sandbox, db, understands):
    sandbox.admin("switches", last_updated=understands)
    ids = load_staff(sandbox, 20)
    journey.pull()
    sandbox.admin("items/change", item_id=ids[7], values={"text25": "Changed"})
    assert journey.pull().updated == 1
    assert journey.pull().changes == 0


def test_a_change_within_the_overlap_is_not_missed(journey, sandbox, db):
    """An item updated some minutes before the newest one known, but listed only later."""
    ids = load_staff(sandbox, 20)
    journey.pull()
    sandbox.admin("items/change", item_id=ids[3], values={"text25": "Newest"})
    journey.pull()
    sandbox.admin("clock/advance", seconds=-120)
    sandbox.admin("items/change", item_id=ids[4], values={"text25": "Late"})
    assert journey.pull().updated == 1
    assert row(db, "users", monday_id=ids[4])["name"] == "Late"


def test_a_change_that_moves_no_update_time_is_found_by_a_full_run(journey, sandbox, db):
    values = {"status": {"index": 1}}
    sandbox.admin("items/load", board_id=USERS, items=[staff_item(1, **values), staff_item(2, ago=1)])
    journey.pull()
    sandbox.admin("labels/rename", board_id=USERS, column_id="status", label_id=1, name="Ready")
    journey.pull()
    assert journey.pull(full=True).updated == 1
    assert row(db, "users", email="a1@example.com")["metadata"]["Onboarding"] == "Ready"


def test_a_second_run_over_both_boards_writes_nothing_at_all(db):
    with Sandbox(boards="users:60,projects:120") as sandbox:
        journey = Journey(db, sandbox)
        first = [journey.pull("users"), journey.pull("projects")]
        before = dump(db)
        for options in ({}, {"full": True}, {}):
            reports = [journey.pull(entity, **options) for entity in ("users", "projects")]
            assert [report.changes for report in reports] == [0, 0]
            assert [report.skipped <= first[0].skipped for report in reports] == [True, True]
        journey.monday.close()
    after = dump(db)
    differing = [table for table in (*COMPANY, *MEMORY) if after[table] != before[table]]
    assert differing in ([], ["sync_state"])  # when the last sweep was


def test_a_pull_reads_the_same_whatever_the_size_and_order_of_pages(postgres, template, db):
    def everything(options, order):
        with Sandbox(boards="users:70,projects:70") as sandbox:
            sandbox.admin("switches", order=order)
            journey = Journey(db, sandbox)
            for entity in ("users", "projects"):
                journey.pull(entity, **options)
            journey.monday.close()
        shown = "name, email, role, metadata"
        found = {
            "users": db.execute_query(f"select {shown} from users order by lower(email)"),
            "customers": db.execute_query(
                "select name, email, phone from customers order by lower(email), name, phone"
            ),
            "projects": db.execute_query("select title, stage, metadata from projects order by monday_id::bigint"),
        }
        change(
            db,
            "truncate users, customers, projects, properties, policies, insurance_claims, insurances, pa_law, notes,"
            " storms, sales_teams, sync_mapping, sync_state, sync_skipped, contacts, organizations",
        )
        return found

    assert everything({}, "board") == everything({"batch_size": 17}, "shuffle")


# Columns of the board


def test_a_renamed_column_takes_its_key_along(journey, sandbox, db):
    load_staff(sandbox, 3, numbers="7.50", rating={"rating": 4})
    journey.pull()
    sandbox.admin("columns/rename", board_id=USERS, column_id="numbers", title="Share")
    report = journey.pull()
    assert report.changes == 0
    found = row(db, "users", email="a1@example.com")["metadata"]
    assert (str(found["Share"]), found["Rating"], "Commission %" in found) == ("7.50", 4, False)
    assert [row["message"] for row in rows(db, "sync_logs", operation="rename")] == [
        "column 'Commission %' is called 'Share' now"
    ]
    before = dump(db, *COMPANY, "sync_mapping")
    assert journey.pull(full=True).changes == 0
    assert dump(db, *COMPANY, "sync_mapping") == before


def test_two_columns_that_swap_their_titles_swap_their_keys(journey, sandbox, db):
    load_staff(sandbox, 2, numbers="7.50", rating={"rating": 4})
    journey.pull()
    sandbox.admin("columns/rename", board_id=USERS, column_id="numbers", title="Rating")
    sandbox.admin("columns/rename", board_id=USERS, column_id="rating", title="Commission %")
    assert journey.pull(full=True).changes == 0
    found = row(db, "users", email="a1@example.com")["metadata"]
    assert (str(found["Rating"]), found["Commission %"]) == ("7.50", 4)


def test_a_renamed_column_takes_the_cells_along_that_have_no_row(journey, sandbox, db):
    values = {"partner_name__1": "Bob", "text43__1": "note"}
    made = sandbox.admin("items/create", board_id=PROJECTS, name="Roof", values=values)
    journey.pull("projects")
    sandbox.admin("columns/rename", board_id=PROJECTS, column_id="partner_name__1", title="Brought by")
    sandbox.admin("items/change", item_id=made["id"], values={"text43__1": "other"})
    journey.pull("projects")
    assert row(db, "projects")["metadata"]["Brought by"] == "Bob"
    sandbox.admin("items/change", item_id=made["id"], values={"partner_name__1": "Bobby"})
    report = journey.pull("projects")
    assert (row(db, "projects")["metadata"]["Brought by"], report.conflicts) == ("Bobby", 0)
    assert [name for name in row(db, "projects")["metadata"] if row(db, "projects")["metadata"][name] == "Bob"] == []


def test_a_new_column_is_filled_and_a_deleted_one_leaves_what_it_fed(journey, sandbox, db):
    ids = load_staff(sandbox, 2, numbers="7.50")
    journey.pull()
    sandbox.admin("columns/add", board_id=USERS, id="extra", title="Extra", type="text")
    sandbox.admin("items/change", item_id=ids[0], values={"extra": "new"})
    journey.pull()
    assert row(db, "users", monday_id=ids[0])["metadata"]["Extra"] == "new"
    sandbox.admin("columns/delete", board_id=USERS, column_id="numbers")
    journey.pull()
    assert str(row(db, "users", monday_id=ids[1])["metadata"]["Commission %"]) == "7.50"


@pytest.mark.parametrize("gone", ["text25", "text1", "text6", "phone", "text2", "status_13", "email__1"])
def test_a_mapped_column_that_is_gone_leaves_what_it_fed_as_it_is(journey, sandbox, db, gone, caplog):
    values = {
        "text1": "Last",
        "text6": "XL",
        "phone": {"phone": "+12025550169", "countryShortName": "US"},
        "text2": "Chatham",
        "text": "12 Main St, Springfield, IL 62704",
        "status_13": {"index": 1},
    }
    load_staff(sandbox, 2, **values)
    journey.pull()
    before = rows(db, "users")
    sandbox.admin("columns/delete", board_id=USERS, column_id=gone)
    report = journey.pull(full=True)
    assert (report.changes, rows(db, "users")) == (0, before)
    assert any(gone in record.getMessage() for record in caplog.records)
