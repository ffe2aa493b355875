"""Checks cells whose row would have no key, and policies without a number."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from tests.kit.rows import dump, logs, project, row, rows

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
    assert len({shown["policy"]["id"] for shown in found}) == 3
    assert {shown["policy"]["policy_number"] for shown in found} == {None}
    assert len({shown["insurance"]["id"] for shown in found}) == 1
    assert [shown["claim"] and shown["claim"]["policy_id"] == shown["policy"]["id"] for shown in found] == [
        True,
        True,
        None,
    ]


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
