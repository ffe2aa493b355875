"""Checks properties, and rows that are found by name, number and date."""

from __future__ import annotations

import pytest

from tests.kit.rows import dump, project, row, rows

# Properties


@pytest.mark.parametrize(
    ("first", "second", "number"),
    [
        ("12 Main St, Springfield, IL 62704", "12 Main St, Springfield, IL 62704", 1),
        ("12 Main St, Springfield, IL 62704", "12 Main St, Springfield, Illinois 62704, USA", 1),
        ("12 Main St, Springfield, IL 62704", "13 Main St, Springfield, IL 62704", 2),
        ("see notes", "see notes", 1),
        ("see notes", "see file", 2),
    ],
)
def test_a_property_is_found_by_customer_street_and_zip_or_else_as_written(bench, db, first, second, number):
    bench.take_pages(
        [bench.item(1, email="a@example.com", address=first)], [bench.item(2, email="a@example.com", address=second)]
    )
    assert len(rows(db, "properties")) == number


def test_customers_do_not_share_a_property(bench, db):
    address = "12 Main St, Springfield, IL 62704"
    bench.take(
        bench.item(1, email="a@example.com", address=address), bench.item(2, email="b@example.com", address=address)
    )
    assert len({row["customer_id"] for row in rows(db, "properties")}) == 2


def test_a_changed_address_is_corrected_in_place_while_only_this_project_uses_it(bench, db):
    bench.take(bench.item(1, email="a@example.com", address="12 Main St, Springfield, IL 62704"))
    before = row(db, "properties")
    bench.take(bench.item(1, email="a@example.com", address="14 Main St, Springfield, IL 62705", at="2026-02-01"))
    found = row(db, "properties")
    assert (found["id"], found["street"], found["zip"]) == (before["id"], "14 Main St", "62705")


def test_a_changed_address_is_a_new_property_when_others_use_the_old_one(bench, db):
    address = "12 Main St, Springfield, IL 62704"
    bench.take(*[bench.item(number, email="a@example.com", address=address) for number in (1, 2)])
    bench.take(bench.item(1, email="a@example.com", address="14 Main St, Springfield, IL 62704", at="2026-02-01"))
    assert (project(db, 1)["property"]["street"], project(db, 2)["property"]["street"]) == ("14 Main St", "12 Main St")


def test_an_address_that_is_cleared_empties_the_property_of_this_project(bench, db):
    bench.take(bench.item(1, email="a@example.com", address="12 Main St, Springfield, IL 62704"))
    bench.take(bench.item(1, email="a@example.com", at="2026-02-01"))
    assert bench.take(bench.item(1, email="a@example.com", at="2026-02-02")).changes == 0
    found = project(db, 1)["property"]
    assert found is None or (found["street"], found["address_raw"]) == (None, None)


def test_a_customer_that_is_renamed_in_place_keeps_its_property(bench, db):
    address = "12 Main St, Springfield, IL 62704"
    bench.take(bench.item(1, email="a@example.com", address=address))
    before = row(db, "properties")
    bench.take(bench.item(1, email="b@example.com", address=address, at="2026-02-01"))
    assert (row(db, "properties")["id"], row(db, "properties")["customer_id"]) == (
        before["id"],
        row(db, "customers")["id"],
    )


# Rows by name, number and date


@pytest.mark.parametrize(
    ("table", "spellings", "number"),
    [
        ("sales_teams", [{"team": "Red"}, {"team": "RED"}, {"team": " red "}], 1),
        ("insurances", [{"insurer": "Acme"}, {"insurer": "ACME"}, {"insurer": "acme "}], 1),
        ("pa_law", [{"law": "Law LLP"}, {"law": "law llp"}, {"law": " LAW LLP"}], 1),
        ("pa_law", [{"law": " MÜLLER & Söhne"}, {"law": "müller & söhne"}, {"law": "Müller & SÖHNE "}], 1),
        ("policies", [{"policy": "P-1"}, {"policy": "P-1"}, {"policy": "P-2"}], 2),
        ("insurance_claims", [{"claim": "C-1"}, {"claim": "C-1"}, {"claim": "C-2"}], 2),
        ("storms", [{"loss": "2025-05-05"}, {"loss": "2025-05-05 10:00:00"}, {"loss": "2025-05-06"}], 2),
        (
            "users",
            [{"partner_email": "a@example.com"}, {"pm_email": "A@example.com"}, {"rep_email": "a@Example.com"}],
            1,
        ),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_rows_are_shared_by_their_natural_keys(bench, db, table, spellings, number, apart):
    items = [bench.item(at, **cells) for at, cells in enumerate(spellings, start=1)]
    bench.take_pages(*([[item] for item in items] if apart else [items]))
    assert len(rows(db, table)) == number
    before = dump(db)
    bench.take_pages(*([[item] for item in items] if apart else [items]))
    assert dump(db) == before


def test_one_person_in_several_roles_of_a_project_is_one_row(bench, db):
    same = {"partner_email": "a@example.com", "pm_email": "A@example.com", "estimator_email": "a@example.com"}
    bench.take(bench.item(1, partner="Ann", pm="Ann", **same))
    found = project(db, 1)
    assert found["partner_id"] == found["project_manager_id"] == found["estimator_id"] == row(db, "users")["id"]


def test_a_person_whose_email_changes_is_another_person(bench, db):
    bench.take(bench.item(1, partner="Ann", partner_email="a@example.com"))
    bench.take(bench.item(1, partner="Bob", partner_email="b@example.com", at="2026-02-01"))
    assert {row["email"]: row["name"] for row in rows(db, "users")} == {"a@example.com": "Ann", "b@example.com": "Bob"}
    assert project(db, 1)["partner"]["email"] == "b@example.com"
