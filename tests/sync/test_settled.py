"""Checks that without a new edit the next run writes nothing: not of what items show otherwise, nor of what fields imply."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from db_connector import Database
from sandbox import Sandbox
from tests.kit.company import Company
from tests.kit.rows import rows


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:0,projects:0") as running:
        yield running


@pytest.fixture
def company(db: Database, sandbox: Sandbox) -> Iterator[Company]:
    made = Company(db, sandbox)
    yield made
    made.close()


# Items that show a shared row in another spelling

SHARED = {
    "law": ("pa_law", "name", ["Müller & Söhne", "MÜLLER & SÖHNE", "müller & söhne "]),
    "insurer": ("insurances", "company_name", ["Acme Mutual", "ACME MUTUAL", "acme\u00a0"]),
    "team": ("sales_teams", "name", ["Straße", "STRASSE", "straße"]),
    "policy": ("policies", "policy_number", ["P-1", "P-1 ", "\tP-1"]),
    "customer": ("customers", "name", ["Ann Lee", "ANN LEE", "ann lee"]),
}
WITH = {"insurer": {"policy": "P-7"}, "customer": {"phone": "+12025550169"}}


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("pages", ["one page", "a page each", "a run each", "row first"])
def test_items_that_spell_a_shared_row_otherwise_keep_their_cells(company, name, pages):
    table, column, spellings = SHARED[name]
    if name == "insurer":
        spellings = ["Acme Mutual", "ACME MUTUAL", "acme mutual\u00a0"]
    if pages == "row first":
        company.sql(f"insert into {table} ({column}) values (%s)", spellings[1].upper())
    items = []
    for number, spelling in enumerate(spellings):
        items.append(company.item(f"Roof {number}", **{name: spelling}, **WITH.get(name, {})))
        if pages == "a run each":
            company.run("pull")
    shown = [company.cell(item_id, name) for item_id in items]
    company.run("pull", **({"batch_size": 1} if pages == "a page each" else {}))
    company.set_up()
    assert company.is_quiet()
    assert [company.cell(item_id, name) for item_id in items] == shown
    assert len(rows(company.db, table)) == (2 if pages == "row first" and name == "customer" else 1)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_whichever_item_is_edited_last_only_unify_makes_them_alike(company, order):
    items = [company.item(f"Roof {number}", law=law) for number, law in enumerate(SHARED["law"][2])]
    for number in order:
        company.edit(items[number], description=f"edited {number}")
        company.run("both")
    company.set_up()
    assert company.is_quiet()
    assert len({company.cell(item_id, "law").strip() for item_id in items}) == 3
    assert company.run("push", unify=True).to_monday.updated
    assert len({company.cell(item_id, "law").strip() for item_id in items}) == 1
    assert company.is_quiet()


def test_a_spelling_that_a_user_corrects_in_the_row_reaches_every_item(company):
    items = [company.item(f"Roof {number}", law=law) for number, law in enumerate(SHARED["law"][2])]
    company.run("both")
    company.set_up()
    company.sql("update pa_law set name = 'Mueller & Soehne'")
    company.run("both")
    assert {company.cell(item_id, "law") for item_id in items} == {"Mueller & Soehne"}
    assert company.is_quiet()


def test_a_spelling_that_is_corrected_on_the_only_item_reaches_its_row(company):
    item_id = company.item(law="müller")
    company.run("both")
    company.set_up()
    company.edit(item_id, law="Müller")
    company.run("both")
    assert [row["name"] for row in rows(company.db, "pa_law")] == ["Müller"]
    assert company.is_quiet()
    assert company.cell(item_id, "law") == "Müller"


def test_a_spelling_that_is_corrected_on_one_of_several_items_stays_its_own(company):
    first, second = company.item(law="Müller"), company.item("Roof 2", law="Müller")
    company.run("both")
    company.set_up()
    company.edit(first, law="MÜLLER")
    company.run("both")
    assert company.is_quiet()
    assert [company.cell(item_id, "law") for item_id in (first, second)] == ["MÜLLER", "Müller"]
    assert [row["name"] for row in rows(company.db, "pa_law")] == ["Müller"]
