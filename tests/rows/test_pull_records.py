"""Checks project items as rows: every table they feed, what a change writes, and what it leaves alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.kit.boards import FULL
from tests.kit.rows import COMPANY, change, column, dump, logs, part, project, row, rows

# A whole record


def user_row(name, email, phone, role):
    return {"name": name, "email": email, "metadata": {"phone": phone}, "role": role}


@pytest.mark.parametrize(
    ("home", "shows"),
    [
        ("customer", {"name": "Ann Lee", "email": "ann@example.com", "phone": "+12025550169"}),
        (
            "property",
            {
                "address_raw": "12 Main St, Springfield, IL 62704",
                "street": "12 Main St",
                "city": "Springfield",
                "state": "IL",
                "zip": "62704",
                "country": None,
                "measurements": [
                    {"id": "7", "name": "plan.pdf", "url": "https://files.example.com/resources/7/plan.pdf"}
                ],
                "one_click_codes": [
                    {"id": "8", "name": "codes.pdf", "url": "https://files.example.com/resources/8/codes.pdf"}
                ],
            },
        ),
        ("note", {"content": "Has a dog"}),
        ("team", {"name": "Red Hammers"}),
        ("partner", user_row("Bob Part", "bob@example.com", "+12025550101", "Partner")),
        ("project_manager", user_row("Pam Plan", "pam@example.com", "+12025550102", "Project Manager")),
        ("estimator", user_row("Ed Stim", "ed@example.com", "+12025550103", "Estimator")),
        ("superintendent", user_row("Sue Per", "sue@example.com", "+12025550104", "Superintendent")),
        ("sales_rep", user_row("Sal Rep", "sal@example.com", "+12025550105", "Sales Representative")),
        ("pa_law", {"name": "Law LLP", "phone": "+12025550106", "email": "law@example.com"}),
        ("claim", {"claim_number": "C-1", "adjuster_phone": "+12025550108", "adjuster_email": "adj@example.com"}),
        ("policy", {"policy_number": "P-1"}),
        (
            "insurance",
            {"company_name": "Acme Mutual", "company_phone": "+12025550107", "company_email": "acme@example.com"},
        ),
        ("storm", {"date": date(2025, 5, 5)}),
    ],
)
def test_a_full_item_fills_the_row_of(full, db, home, shows):
    found = project(db, 1)[home]
    assert {name: found[name] for name in shows} == shows


def test_a_full_item_fills_the_project(full, db):
    found = project(db, 1)
    shows = {
        "monday_id": "1",
        "title": "Roof 1",
        "name": "JP-1",
        "description": "New roof",
        "status": "pending",
        "stage": "Waiting",
        "link": "https://jobs.example.com/1",
        "company_cam_link": "https://cam.example.com/1",
        "estimated_value": Decimal("12.50"),
        "total_payment": Decimal("3.10"),
        "phase": "pre-sale",
        "production_status": "not_started",
        "metadata": {},
        "archived_at": None,
    }
    assert {name: found[name] for name in shows} == shows
    assert str(found["estimated_value"]) == "12.50"


def test_a_full_items_rows_point_at_each_other(full, db):
    found = project(db, 1)
    customer, policy = found["customer"]["id"], found["policy"]["id"]
    assert found["property"]["customer_id"] == found["policy"]["customer_id"] == customer
    assert found["policy"]["insurance_id"] == found["insurance"]["id"]
    assert found["claim"]["policy_id"] == policy
    assert part(found, "note", "customer_id", "property_id", "project_id") == (
        customer,
        found["property"]["id"],
        found["id"],
    )


def test_an_item_with_a_name_alone_is_a_project_and_nothing_else(bench, db):
    report = bench.take(bench.item(1, "Bare"))
    found = project(db, 1)
    assert (found["title"], found["status"], found["stage"], found["metadata"]) == ("Bare", "pending", None, {})
    assert report.errors == 0
    empty = ("users", "sales_teams", "customers", "properties", "notes", "pa_law", "insurances", "policies", "storms")
    assert [len(rows(db, table)) for table in (*empty, "insurance_claims")] == [0] * 10


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        ("New", "pending"),
        ("Hold", "pending"),
        ("Waiting", "pending"),
        ("In Progress", "active"),
        ("Working", "active"),
        ("Done", "completed"),
        ("Completed", "completed"),
        ("Approved", "completed"),
        ("Cancelled", "cancelled"),
        ("Rejected", "cancelled"),
        ("  wOrking ", "active"),
        ("Something else", "pending"),
        (None, "pending"),
    ],
)
def test_status_is_read_from_the_stage_which_is_kept_as_shown(bench, db, stage, status):
    bench.take(bench.item(1, stage=stage))
    assert (row(db, "projects")["status"], row(db, "projects")["stage"]) == (status, stage)


@pytest.mark.parametrize("text", ["  as written ", "one\ntwo", "Grüße 🧱", "-", "a\u00a0b", "%s {x} \\ '"])
def test_texts_are_stored_exactly_as_written(bench, db, text):
    bench.take(bench.item(1, description=text))
    assert row(db, "projects")["description"] == text


# Second runs


def spread(bench, number, **changed):
    """Returns items that share some rows and have others of their own."""
    return [
        bench.item(
            place,
            f"Roof {place}",
            **{
                **FULL,
                "email": f"c{place}@example.com",
                "phone": f"+1202555{place:04d}",
                "claim": f"C-{place}",
                "policy": f"P-{place // 2}",
                "address": f"{place} Main St, Springfield, IL 62704",
                "num9": f"{place}.10",
                "partner_email": None if place % 5 == 0 else "bob@example.com",
                **changed,
            },
        )
        for place in range(1, number + 1)
    ]


def test_a_second_run_writes_nothing_at_all_and_says_so(bench, db):
    bench.take(*spread(bench, 30))
    before = dump(db)
    report = bench.take(*spread(bench, 30))
    assert (report.read, report.unchanged, report.changes, report.errors) == (30, 30, 0, 0)
    assert dump(db) == before


def test_the_order_of_items_is_no_news(bench, db):
    bench.take(*spread(bench, 30))
    before = dump(db)
    report = bench.take(*reversed(spread(bench, 30)))
    assert (report.changes, dump(db)) == (0, before)


def test_what_changes_around_a_value_is_no_news(bench, db):
    """`changed_at` inside the cells, the order of members, and the item's update time, without new content."""
    bench.take(*spread(bench, 5))
    before = dump(db, *COMPANY)
    again = []
    for item in spread(bench, 5):
        cells = {}
        for name, cell in item.cells.items():
            value = cell["value"]
            if value and value.startswith("{"):
                value = value[:-1] + ', "changed_at": "2026-05-05T05:05:05Z"}'
            cells[name] = {"value": value, "text": cell["text"], "id": name}
        again.append(replace(item, cells=cells, updated_at="2026-05-05T05:05:05Z"))
    report = bench.take(*again)
    assert (report.changes, report.unchanged, dump(db, *COMPANY)) == (0, 5, before)
    assert logs(db, "error") == []


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "ANN@Example.com"},
        {"email": " ann@example.com "},
        {"customer": " Ann Lee "},
        {"team": "Red Hammers "},
        {"phone": " +12025550169"},
        {"phone": "12025550169"},
        {"price": "12.5"},
        {"partner_email": "BOB@example.com"},
        {"insurer": "Acme Mutual  "},
        {"description": " New roof"},
        {"rep_first": " Sal "},
    ],
)
def test_outer_blanks_and_other_spellings_rewrite_nothing(full, db, changed):
    before = dump(db, *COMPANY)
    report = full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, **changed}))
    assert (report.changes, dump(db, *COMPANY)) == (0, before)


def test_a_change_of_one_field_writes_that_record_alone(bench, db):
    bench.take(*spread(bench, 10))
    before = dump(db, *COMPANY)
    items = spread(bench, 10)
    items[3] = bench.item(
        4,
        "Roof 4",
        at="2026-02-01",
        **{
            **FULL,
            "email": "c4@example.com",
            "phone": "+12025550004",
            "claim": "C-4",
            "policy": "P-2",
            "address": "4 Main St, Springfield, IL 62704",
            "num9": "4.10",
            "description": "Other",
        },
    )
    report = bench.take(*items)
    assert (report.changes, report.updated, report.unchanged) == (1, 1, 9)
    after = dump(db, *COMPANY)
    assert [table for table in COMPANY if after[table] != before[table]] == ["projects"]
    assert len(set(after["projects"]) - set(before["projects"])) == 1
    assert column(db, "projects", "description", monday_id="4") == ["Other"]


def test_a_change_of_one_related_field_leaves_the_other_tables_alone(full, db):
    before = dump(db, *COMPANY)
    full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "law_phone": "+12025550199"}))
    after = dump(db, *COMPANY)
    assert {table for table in COMPANY if after[table] != before[table]} <= {"pa_law"}
    assert row(db, "pa_law")["phone"] == "+12025550199"


STATEMENTS_A_PAGE = 31
"""The first page asks once what the tables do by themselves."""


@pytest.mark.parametrize("number", [2, 400])
def test_a_page_takes_a_fixed_number_of_statements(bench, db, number):
    engine = bench.engine()
    before = db.statements
    engine.take(spread(bench, number))
    first = db.statements - before
    assert engine.report.created == number
    items = spread(
        bench,
        number,
        stage="Done",
        customer="Anna",
        note="Other",
        law_phone="+12025550198",
        team="Blue",
        at="2026-02-01",
    )
    engine = bench.engine()
    before = db.statements
    engine.take(items)
    assert engine.report.updated == number
    assert max(first, db.statements - before) <= STATEMENTS_A_PAGE


# Notes


def test_there_is_one_note_a_project_and_an_emptied_one_keeps_its_row(full, db):
    note = row(db, "notes")
    full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "note": "Has two dogs"}))
    assert (row(db, "notes")["id"], row(db, "notes")["content"]) == (note["id"], "Has two dogs")
    full.take(full.item(1, "Roof 1", at="2026-02-02", **{**FULL, "note": None}))
    assert (row(db, "notes")["id"], row(db, "notes")["content"]) == (note["id"], "")
    before = dump(db, *COMPANY)
    report = full.take(full.item(1, "Roof 1", at="2026-02-03", **{**FULL, "note": None}))
    assert (report.changes, dump(db, *COMPANY)) == (0, before)
    full.take(full.item(1, "Roof 1", at="2026-02-04", **{**FULL, "note": "A cat"}))
    assert (row(db, "notes")["id"], row(db, "notes")["content"]) == (note["id"], "A cat")


def test_a_note_goes_with_its_project(full, db):
    change(db, "delete from projects")
    assert rows(db, "notes") == []
    assert len(rows(db, "customers")) == 1
