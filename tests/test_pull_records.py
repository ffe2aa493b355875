"""Project items as rows: every table they feed, what a change writes, and what it leaves alone."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from models import BoardColumn
from tests.builders import (
    COMPANY,
    EXTRAS,
    FULL,
    Bench,
    change,
    column,
    dump,
    link,
    logs,
    project,
    row,
    rows,
)


@pytest.fixture
def bench(db):
    return Bench(db, "projects", *EXTRAS)


@pytest.fixture
def full(bench):
    """One project with every cell filled, pulled."""
    bench.take(bench.item(1, "Roof 1", **FULL))
    return bench


def part(found, name, *columns):
    return tuple(found[name][one] for one in columns)


# A whole record


def someone(name, email, phone, role):
    return {"name": name, "email": email, "metadata": {"phone": phone}, "role": role}


@pytest.mark.parametrize(
    ("home", "shows"),
    [
        ("customer", {"name": "Ann Lee", "email": "ann@example.com", "phone": "+12025550169"}),
        (
            "property",
            {
                "address_raw": "12 Main St, Springfield, IL 62704", "street": "12 Main St", "city": "Springfield",
                "state": "IL", "zip": "62704", "country": None,
                "measurements": [{"id": "7", "name": "plan.pdf", "url": "https://files.example.com/resources/7/plan.pdf"}],
                "one_click_codes": [{"id": "8", "name": "codes.pdf", "url": "https://files.example.com/resources/8/codes.pdf"}],
            },
        ),
        ("note", {"content": "Has a dog"}),
        ("team", {"name": "Red Hammers"}),
        ("partner", someone("Bob Part", "bob@example.com", "+12025550101", "Partner")),
        ("project_manager", someone("Pam Plan", "pam@example.com", "+12025550102", "Project Manager")),
        ("estimator", someone("Ed Stim", "ed@example.com", "+12025550103", "Estimator")),
        ("superintendent", someone("Sue Per", "sue@example.com", "+12025550104", "Superintendent")),
        ("sales_rep", someone("Sal Rep", "sal@example.com", "+12025550105", "Sales Representative")),
        ("pa_law", {"name": "Law LLP", "phone": "+12025550106", "email": "law@example.com"}),
        ("claim", {"claim_number": "C-1", "adjuster_phone": "+12025550108", "adjuster_email": "adj@example.com"}),
        ("policy", {"policy_number": "P-1"}),
        ("insurance", {"company_name": "Acme Mutual", "company_phone": "+12025550107", "company_email": "acme@example.com"}),
        ("storm", {"date": date(2025, 5, 5)}),
    ],
)  # fmt: skip
def test_a_full_item_fills_the_row_of(full, db, home, shows):
    found = project(db, 1)[home]
    assert {name: found[name] for name in shows} == shows


def test_a_full_item_fills_the_project(full, db):
    found = project(db, 1)
    shows = {
        "monday_id": "1", "title": "Roof 1", "name": "JP-1", "description": "New roof", "status": "pending",
        "stage": "Waiting", "link": "https://jobs.example.com/1", "company_cam_link": "https://cam.example.com/1",
        "estimated_value": Decimal("12.50"), "total_payment": Decimal("3.10"), "phase": "pre-sale",
        "production_status": "not_started", "metadata": {}, "archived_at": None,
    }  # fmt: skip
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
        ("New", "pending"), ("Hold", "pending"), ("Waiting", "pending"), ("In Progress", "active"), ("Working", "active"),
        ("Done", "completed"), ("Completed", "completed"), ("Approved", "completed"), ("Cancelled", "cancelled"),
        ("Rejected", "cancelled"), ("  wOrking ", "active"), ("Something else", "pending"), (None, "pending"),
    ],
)  # fmt: skip
def test_status_is_read_from_the_stage_which_is_kept_as_shown(bench, db, stage, status):
    bench.take(bench.item(1, stage=stage))
    assert (row(db, "projects")["status"], row(db, "projects")["stage"]) == (status, stage)


@pytest.mark.parametrize("text", ["  as written ", "one\ntwo", "Grüße 🧱", "-", "a\u00a0b", "%s {x} \\ '"])
def test_texts_are_stored_exactly_as_written(bench, db, text):
    bench.take(bench.item(1, description=text))
    assert row(db, "projects")["description"] == text


# Second runs


def spread(bench, number, **changed):
    """Items that share some rows and have others of their own."""
    return [
        bench.item(
            one, f"Roof {one}",
            **{
                **FULL, "email": f"c{one}@example.com", "phone": f"+1202555{one:04d}", "claim": f"C-{one}",
                "policy": f"P-{one // 2}", "address": f"{one} Main St, Springfield, IL 62704", "num9": f"{one}.10",
                "partner_email": None if one % 5 == 0 else "bob@example.com", **changed,
            },
        )
        for one in range(1, number + 1)
    ]  # fmt: skip


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
        {"email": "ANN@Example.com"}, {"email": " ann@example.com "}, {"customer": " Ann Lee "}, {"team": "Red Hammers "},
        {"phone": " +12025550169"}, {"phone": "12025550169"}, {"price": "12.5"}, {"partner_email": "BOB@example.com"},
        {"insurer": "Acme Mutual  "}, {"description": " New roof"}, {"rep_first": " Sal "},
    ],
)  # fmt: skip
def test_outer_blanks_and_other_spellings_rewrite_nothing(full, db, changed):
    before = dump(db, *COMPANY)
    report = full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, **changed}))
    assert (report.changes, dump(db, *COMPANY)) == (0, before)


def test_a_change_of_one_field_writes_that_record_alone(bench, db):
    bench.take(*spread(bench, 10))
    before = dump(db, *COMPANY)
    items = spread(bench, 10)
    items[3] = bench.item(4, "Roof 4", at="2026-02-01", **{**FULL, "email": "c4@example.com", "phone": "+12025550004",
        "claim": "C-4", "policy": "P-2", "address": "4 Main St, Springfield, IL 62704", "num9": "4.10",
        "description": "Other"})  # fmt: skip
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


STATEMENTS_A_PAGE = 30


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


# Cells without a row


TITLES = {
    "partner": {"partner": ("Bob Part", "PARTNER"), "partner_phone": ("+12025550101", "PARTNER PHONE")},
    "project manager": {"pm": ("Pam", "PM"), "pm_phone": ("+12025550102", "PM PHONE")},
    "sales rep": {"rep_first": ("Sal", "REP FIRST"), "rep_last": ("Rep", "REP LAST")},
    "adjuster": {
        "adjuster_phone": ("+12025550108", "ADJUSTER PHONE"),
        "adjuster_email": ("a@example.com", "ADJUSTER EMAIL"),
    },
    "law firm": {"law_phone": ("+12025550106", "LAW PHONE"), "law_email": ("law@example.com", "LAW EMAIL")},
    "insurer": {"insurer_phone": ("+12025550107", "INSURER PHONE")},
}


@pytest.mark.parametrize("who", TITLES)
def test_cells_whose_row_would_have_no_key_stand_in_metadata_and_are_told_once(bench, db, caplog, who):
    cells = {name: value for name, (value, _) in TITLES[who].items()}
    with caplog.at_level(logging.WARNING):
        report = bench.take(bench.item(1, **cells))
    titles = {title: value for value, title in TITLES[who].values()}
    assert row(db, "projects")["metadata"] == titles
    (said,) = logs(db)
    assert said[0] == "1" and all(title in said[1] for title in titles)
    assert len(caplog.records) == 1
    assert report.exit_code == 0
    caplog.clear()
    before = dump(db)
    assert bench.take(bench.item(1, **cells)).changes == 0
    bench.take(bench.item(1, description="Other", at="2026-02-01", **cells))
    assert (len(logs(db)), caplog.records) == (1, [])
    assert before["users"] == dump(db)["users"] == []


@pytest.mark.parametrize(
    ("who", "key", "table"),
    [
        ("partner", {"partner_email": "bob@example.com"}, "users"),
        ("project manager", {"pm_email": "pam@example.com"}, "users"),
        ("sales rep", {"rep_email": "sal@example.com"}, "users"),
        ("adjuster", {"claim": "C-9"}, "insurance_claims"),
        ("law firm", {"law": "Law LLP"}, "pa_law"),
        ("insurer", {"insurer": "Acme Mutual"}, "insurances"),
    ],
)
def test_kept_cells_move_into_a_row_when_its_key_appears_and_back_when_it_goes(bench, db, who, key, table):
    cells = {name: value for name, (value, _) in TITLES[who].items()}
    titles = {title: value for value, title in TITLES[who].values()}
    bench.take(bench.item(1, num9="1.5", **cells))
    bench.take(bench.item(1, num9="1.5", at="2026-02-01", **cells, **key))
    assert row(db, "projects")["metadata"] == {"Score": Decimal("1.5")}
    made = row(db, table)
    assert all(value in str(made) for name, value in cells.items() if name not in ("rep_first", "rep_last"))
    bench.take(bench.item(1, num9="1.5", at="2026-02-02", **cells))
    assert row(db, "projects")["metadata"] == {"Score": Decimal("1.5"), **titles}
    assert row(db, table)["id"] == made["id"]
    before = dump(db)
    assert bench.take(bench.item(1, num9="1.5", at="2026-02-02", **cells)).changes == 0
    assert dump(db) == before


def test_a_kept_cell_that_changes_changes_in_metadata(bench, db):
    bench.take(bench.item(1, partner="Bob"))
    bench.take(bench.item(1, partner="Bobby", at="2026-02-01"))
    assert row(db, "projects")["metadata"] == {"PARTNER": "Bobby"}
    bench.take(bench.item(1, at="2026-02-02"))
    assert row(db, "projects")["metadata"] == {}


# Policies without number


def test_an_insurer_and_a_claim_without_policy_number_hang_on_a_policy_of_this_project_alone(bench, db):
    bench.take(
        bench.item(1, insurer="Acme", claim="C-1"),
        bench.item(2, insurer="Acme", claim="C-2"),
        bench.item(3, insurer="Acme"),
    )
    found = [project(db, number) for number in (1, 2, 3)]
    assert len({one["policy"]["id"] for one in found}) == 3
    assert {one["policy"]["policy_number"] for one in found} == {None}
    assert len({one["insurance"]["id"] for one in found}) == 1
    assert [one["claim"] and one["claim"]["policy_id"] == one["policy"]["id"] for one in found] == [True, True, None]


def test_a_policy_number_that_appears_goes_into_the_policy_of_the_project(bench, db):
    bench.take(bench.item(1, insurer="Acme", claim="C-1"))
    before = project(db, 1)
    bench.take(bench.item(1, insurer="Acme", claim="C-1", policy="P-1", at="2026-02-01"))
    found = project(db, 1)
    assert (found["policy"]["id"], found["policy"]["policy_number"]) == (before["policy"]["id"], "P-1")
    assert len(rows(db, "policies")) == 1


def test_a_policy_number_that_others_have_takes_claim_and_project_along(bench, db):
    bench.take(bench.item(1, insurer="Acme", claim="C-1"), bench.item(2, policy="P-1"))
    bench.take(bench.item(1, insurer="Acme", claim="C-1", policy="P-1", at="2026-02-01"))
    found, other = project(db, 1), project(db, 2)
    assert found["policy"]["id"] == other["policy"]["id"] == found["claim"]["policy_id"]
    assert other["insurance"]["company_name"] == "Acme"


def test_an_insurer_that_goes_leaves_nothing_of_its_own_in_the_project(bench, db):
    bench.take(bench.item(1, insurer="Acme"))
    bench.take(bench.item(1, at="2026-02-01"))
    assert (row(db, "projects")["policy_id"], project(db, 1)["insurance"]) == (None, None)
    assert bench.take(bench.item(1, at="2026-02-01")).changes == 0


# PostgreSQL edited meanwhile


def test_a_field_changed_with_sql_alone_stays_and_waits(full, db):
    change(db, "update projects set description = 'By SQL'")
    change(db, "update customers set name = 'Ann SQL'")
    for at in ("2026-02-01", "2026-02-02"):
        report = full.take(full.item(1, "Roof 1", at=at, **FULL))
        assert (report.changes, report.conflicts) == (0, 0)
    assert (row(db, "projects")["description"], row(db, "customers")["name"]) == ("By SQL", "Ann SQL")
    base = link(db, 1)["base"]
    assert (base["description"], base["customer.name"]) == ("New roof", "Ann Lee")


def test_two_fields_of_one_record_changed_on_both_sides_both_survive(full, db):
    change(db, "update projects set description = 'By SQL'")
    change(db, "update customers set phone = '+12025550177'")
    report = full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "job": "JP-2", "customer": "Anna Lee"}))
    found = project(db, 1)
    assert (found["description"], found["name"]) == ("By SQL", "JP-2")
    assert part(found, "customer", "name", "phone") == ("Anna Lee", "+12025550177")
    assert (report.conflicts, report.updated) == (0, 1)


@pytest.mark.parametrize(
    ("options", "winner", "status", "description", "code"),
    [
        ({}, "held", "open", "By SQL", 3),
        ({"prefer": "monday"}, "monday", "resolved", "By hand", 0),
        ({"prefer": "postgres"}, "postgres", "resolved", "By SQL", 0),
        ({"prefer": "manual"}, "held", "open", "By SQL", 3),
    ],
)
def test_a_field_changed_on_both_sides_is_a_conflict_that_is_recorded(
    full, db, options, winner, status, description, code
):
    change(db, "update projects set description = 'By SQL'")
    changed = full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "By hand"})
    report = full.take(changed, **options)
    assert (report.conflicts, report.exit_code) == (1, code)
    found = row(db, "sync_conflicts")
    values = ("field", "base_value", "monday_value", "postgres_value", "winner", "status", "monday_id", "entity_type")
    expected = ("description", "New roof", "By hand", "By SQL", winner, status, "1", "project")
    assert tuple(found[name] for name in values) == expected
    assert (found["resolved_at"] is None) == (status == "open")
    assert row(db, "projects")["description"] == description
    full.take(changed, **options)
    assert len(rows(db, "sync_conflicts")) == 1


def test_a_held_conflict_is_settled_by_a_later_run_with_a_rule(full, db):
    change(db, "update projects set description = 'By SQL'")
    changed = full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "By hand"})
    full.take(changed)
    full.take(changed, prefer="monday")
    assert row(db, "projects")["description"] == "By hand"
    assert full.take(changed).exit_code == 0


def test_the_same_value_on_both_sides_is_agreement(full, db):
    change(db, "update projects set description = 'Same'")
    report = full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "Same"}))
    assert (report.conflicts, report.changes) == (0, 0)
    assert link(db, 1)["base"]["description"] == "Same"


def test_a_row_deleted_with_sql_comes_back_when_its_item_changes_and_not_before(full, db):
    change(db, "delete from projects")
    assert full.take(full.item(1, "Roof 1", **FULL)).changes == 0
    assert rows(db, "projects") == []
    full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "Still going"}))
    found = project(db, 1)
    assert (found["description"], found["customer"]["email"], found["note"]["content"]) == (
        "Still going", "ann@example.com", "Has a dog",
    )  # fmt: skip
    assert link(db, 1)["entity_id"] == found["id"]


def test_a_related_row_deleted_with_sql_stays_away_until_its_cells_change(full, db):
    change(db, "delete from pa_law")
    full.take(full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "Other"}))
    assert rows(db, "pa_law") == []
    changed = full.item(1, "Roof 1", at="2026-02-02", **{**FULL, "law": "Other LLP", "description": "Other"})
    assert full.take(changed).held == 1
    full.take(changed, prefer="monday")
    assert row(db, "pa_law")["name"] == "Other LLP"


# Rules and dry runs


def test_a_dry_run_writes_nothing_and_plans_the_same(full, db):
    items = [
        full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "Other"}),
        full.item(2, "Roof 2", partner="No Mail"),
    ]
    before = dump(db)
    planned = full.take(*items, dry_run=True)
    assert dump(db) == before
    done = full.take(*items)
    assert replace(done, plans=[]) == replace(planned, plans=[])
    assert (done.created, done.updated) == (1, 1)


def test_a_dry_run_names_what_it_would_do(full):
    engine = full.engine(dry_run=True)
    engine.take([full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "Other"}), full.item(2, "Roof 2")])
    assert engine.plans == ["update project 1: description", "create project 2: status, title"]


@pytest.mark.parametrize("rule", ["sync_enabled = false", "sync_direction = 'pg_to_monday'", "sync_direction = 'none'"])
def test_a_record_that_takes_nothing_from_monday_is_left_alone_until_it_may(full, db, rule):
    change(db, f"update sync_mapping set {rule}")
    before = dump(db, *COMPANY)
    changed = full.item(1, "Roof 1", at="2026-02-01", **{**FULL, "description": "Other", "customer": "Anna"})
    report = full.take(changed)
    assert (report.changes, dump(db, *COMPANY)) == (0, before)
    change(db, "update sync_mapping set sync_enabled = true, sync_direction = 'bidirectional'")
    full.take(changed)
    assert row(db, "projects")["description"] == "Other"


CONTACT = {"email": BoardColumn("email", "E-mail", "email"), "phone": BoardColumn("phone", "Phone", "phone")}


@pytest.mark.parametrize("rule", ["sync_enabled = false", "sync_direction = 'pg_to_monday'", "sync_direction = 'none'"])
def test_the_settings_on_an_applications_own_rows_count_too(db, rule):
    contacts = Bench(db, "contacts")
    contacts.take(contacts.item(1, "Ann", phone="1"))
    change(db, f"update contacts set {rule}")
    report = contacts.take(contacts.item(1, "Anna", phone="2", at="2026-02-01"))
    assert (report.changes, row(db, "contacts")["name"]) == (0, "Ann")


# Mappings that change


def test_a_changed_mapping_is_applied_to_items_that_did_not_change(full, db):
    binding = next(one for one in full.mapping.bindings if one.fields == ("description",))
    place = replace(full.mapping.places["description"], column="metadata", key="about")
    other = replace(
        full.mapping,
        bindings=tuple(
            replace(one, fields=("metadata.about",)) if one is binding else one for one in full.mapping.bindings
        ),
        places={**full.mapping.places, "metadata.about": place},
    )
    Bench(db, mapping=other, board=full.board).take(full.item(1, "Roof 1", **FULL))
    assert row(db, "projects")["metadata"] == {"about": "New roof"}
