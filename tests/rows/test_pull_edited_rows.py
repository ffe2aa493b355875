"""Checks pulls over rows that SQL has edited, dry runs, and mappings that change."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from models import BoardColumn
from tests.kit.boards import FULL
from tests.kit.pulls import PullBench
from tests.kit.rows import COMPANY, change, dump, link, part, project, row, rows

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
    ("options", "winner", "description"),
    [
        ({}, "held", "By SQL"),
        ({"prefer": "monday"}, "monday", "By hand"),
        ({"prefer": "postgres"}, "postgres", "By SQL"),
        ({"prefer": "manual"}, "held", "By SQL"),
    ],
)
def test_a_field_changed_on_both_sides_is_a_conflict_that_is_recorded(full, db, options, winner, description):
    status, code = ("open", 3) if winner == "held" else ("resolved", 0)
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
        "Still going",
        "ann@example.com",
        "Has a dog",
    )
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
    contacts = PullBench(db, "contacts")
    contacts.take(contacts.item(1, "Ann", phone="1"))
    change(db, f"update contacts set {rule}")
    report = contacts.take(contacts.item(1, "Anna", phone="2", at="2026-02-01"))
    assert (report.changes, row(db, "contacts")["name"]) == (0, "Ann")


# Mappings that change


def test_a_changed_mapping_is_applied_to_items_that_did_not_change(full, db):
    binding = next(binding for binding in full.mapping.bindings if binding.fields == ("description",))
    place = replace(full.mapping.places["description"], column="metadata", key="about")
    other = replace(
        full.mapping,
        bindings=tuple(
            replace(each, fields=("metadata.about",)) if each is binding else each for each in full.mapping.bindings
        ),
        places={**full.mapping.places, "metadata.about": place},
    )
    PullBench(db, mapping=other, board=full.board).take(full.item(1, "Roof 1", **FULL))
    assert row(db, "projects")["metadata"] == {"about": "New roof"}
