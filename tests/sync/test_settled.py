"""Checks that without a new edit the next run writes nothing: not of what items show otherwise, nor of what fields imply."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from db_connector import Database
from sandbox import Sandbox
from tests.kit.boards import FULL
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


@pytest.fixture
def staff(db: Database, sandbox: Sandbox) -> Iterator[Company]:
    made = Company(db, sandbox, "users")
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


# What follows from a record's own news


SQL_UPDATES = {
    "stage": "update projects set stage = 'Approved'",
    "stage that no word means": "update projects set stage = 'Looking'",
    "status": "update projects set status = 'completed'",
    "status of several words": "update projects set status = 'active'",
    "stage and status that agree": "update projects set stage = 'Done', status = 'completed'",
    "stage and status that do not": "update projects set stage = 'Done', status = 'active'",
    "no stage": "update projects set stage = null",
    "no status": "update projects set status = ''",
    "neither": "update projects set stage = null, status = ''",
    "street": "update properties set street = '99 Oak Ave'",
    "city and zip": "update properties set city = 'Chicago', zip = '60601'",
    "no zip": "update properties set zip = null",
    "country": "update properties set country = 'USA'",
    "line": "update properties set address_raw = '5 Elm St, Austin, TX 73301'",
    "line that no parser knows": "update properties set address_raw = 'behind the barn'",
    "no line": "update properties set address_raw = null",
    "line and parts that do not agree": "update properties set address_raw = '5 Elm St, Austin, TX 73301', city = 'Reno'",
    "no address": "update properties set (address_raw, street, city, state, zip) = (null, null, null, null, null)",
    "link": "update projects set link = 'https://example.com/2'",
    "no link": "update projects set link = null",
    "rep": "update users set name = 'Mary Jane Watson' where email = 'sal@example.com'",
    "rep of one word": "update users set name = 'Cher' where email = 'sal@example.com'",
    "loss": "update storms set date = '2025-06-06'",
    "price": "update projects set estimated_value = 7.5",
    "phone": "update customers set phone = '(202) 555-0170'",
    "name with blanks": "update customers set name = ' Ann  Lee '",
}
SQL_INSERTS = {
    "stage": ("stage", "'Approved'", "", ""),
    "status": ("status", "'completed'", "", ""),
    "stage and status that do not agree": ("stage, status", "'Done', 'active'", "", ""),
    "parts": ("", "", "street, city, state, zip", "'12 Main St', 'Springfield', 'IL', '62704'"),
    "some parts": ("", "", "street, city", "'12 Main St', 'Springfield'"),
    "a street": ("", "", "street", "'12 Main St'"),
    "a zip": ("", "", "zip", "'62704'"),
    "line": ("", "", "address_raw", "'12 Main St, Springfield, IL 62704'"),
    "line that no parser knows": ("", "", "address_raw", "'behind the barn'"),
    "line and a part": ("", "", "address_raw, city", "'12 Main St, Springfield, IL 62704', 'Reno'"),
    "link": ("link", "'https://example.com/2'", "", ""),
}
BY = ("push", "both")


@pytest.mark.parametrize("direction", BY)
@pytest.mark.parametrize("what", SQL_UPDATES)
def test_what_sql_changed_is_settled_by_the_run_that_tells_it(company, what, direction):
    cells = {name: FULL[name] for name in ("stage", "link", "address", "customer", "phone", "price", "loss")}
    reps = {name: FULL[name] for name in ("rep_first", "rep_last", "rep_email")}
    company.item(**cells, **reps)
    company.run("both")
    company.set_up()
    assert company.is_quiet()
    company.sql(SQL_UPDATES[what])
    assert company.run(direction).errors == 0
    assert company.is_quiet()


@pytest.mark.parametrize("direction", BY)
@pytest.mark.parametrize("what", SQL_INSERTS)
def test_what_sql_inserted_is_settled_by_the_run_that_makes_the_item(company, what, direction):
    columns, values, parts, part_values = SQL_INSERTS[what]
    company.item("Roof 0")
    company.run("both")
    company.set_up()
    with_property = f"with p as (insert into properties ({parts}) values ({part_values}) returning id)" if parts else ""
    names, shown = ["title"], ["'Roof 1'"]
    if parts:
        names, shown = [*names, "property_id"], [*shown, "(select id from p)"]
    if columns:
        names, shown = [*names, columns], [*shown, values]
    company.sql(f"{with_property} insert into projects ({', '.join(names)}) values ({', '.join(shown)})")
    assert company.run(direction).errors == 0
    assert company.is_quiet()


BOARD_EDITS = {
    "stage": {"stage": "Approved"},
    "no stage": {"stage": None},
    "address": {"address": "5 Elm St, Austin, TX 73301"},
    "no address": {"address": None},
    "line that no parser knows": {"address": "behind the barn"},
    "link": {"link": "https://example.com/2"},
    "rep": {"rep_first": "Mary Jane"},
}


@pytest.mark.parametrize("direction", ("pull", "both"))
@pytest.mark.parametrize("what", BOARD_EDITS)
@pytest.mark.parametrize("new", (False, True))
def test_what_the_board_changed_is_settled_by_the_run_that_reads_it(company, what, direction, new):
    company.item("Roof 0")
    item_id = (
        ""
        if new
        else company.item(stage="Waiting", address=FULL["address"], rep_first="Sal", rep_email="sal@example.com")
    )
    company.run("both")
    company.set_up()
    if new:
        company.item(rep_email="sal@example.com", **BOARD_EDITS[what])
    else:
        company.edit(item_id, **BOARD_EDITS[what])
    assert company.run(direction).errors == 0
    assert company.is_quiet()


STAFF_UPDATES = {
    "name": "update users set name = 'Mary Jane Watson'",
    "email": "update users set email = 'new@example.com'",
    "wra": """update users set metadata = metadata || '{"wra_email": "wra@example.com"}'""",
    "no wra": "update users set metadata = metadata - 'wra_email'",
    "address line": """update users set metadata = metadata || '{"address": {"raw": "5 Elm St, Austin, TX 73301"}}'""",
    "address parts": """update users set metadata = metadata || '{"address": {"street": "5 Elm St", "city": "Austin"}}'""",
    "address with zip": """update users set metadata = metadata || '{"address": {"street": "5 Elm St", "zip": "73301"}}'""",
    "address as a text": """update users set metadata = metadata || '{"address": "5 Elm St, Austin, TX 73301"}'""",
    "no address": "update users set metadata = metadata - 'address'",
    "state": """update users set metadata = jsonb_set(metadata, '{address,state}', '"Texas"')""",
    "phone": """update users set metadata = metadata || '{"phone": "(202) 555-0170"}'""",
    "team": "update sales_teams set name = 'blue'",
}
STAFF = {
    "both e-mails": {"email": "ann@example.com", "wra": "ann2@example.com"},
    "one e-mail": {"wra": "ann@example.com"},
}


@pytest.mark.parametrize("direction", BY)
@pytest.mark.parametrize("mails", STAFF)
@pytest.mark.parametrize("what", STAFF_UPDATES)
def test_what_sql_changed_of_staff_is_settled_by_the_run_that_tells_it(staff, what, mails, direction):
    where = {"address": "12 Main St", "city": "Springfield", "state": "IL", "zip": "62704"}
    staff.item("Ann", first="Ann", last="Lee", shirt="XL", phone="+12025550169", **STAFF[mails], **where)
    staff.run("both")
    staff.set_up()
    assert staff.is_quiet()
    staff.sql(STAFF_UPDATES[what])
    assert staff.run(direction).errors == 0
    assert staff.is_quiet()


STAFF_INSERTS = {
    "name and email": "{}",
    "other email": '{"wra_email": "wra@example.com"}',
    "address line": '{"address": {"raw": "5 Elm St, Austin, TX 73301"}}',
    "address parts": '{"address": {"street": "5 Elm St", "city": "Austin", "state": "Texas", "zip": "73301"}}',
    "address as a text": '{"address": "5 Elm St, Austin, TX 73301"}',
    "phone": '{"phone": "(202) 555-0170"}',
}


@pytest.mark.parametrize("direction", BY)
@pytest.mark.parametrize("what", STAFF_INSERTS)
def test_what_sql_inserted_of_staff_is_settled_by_the_run_that_makes_the_item(staff, what, direction):
    staff.item("Bob", first="Bob", email="bob@example.com")
    staff.run("both")
    staff.set_up()
    insert = (
        "insert into users (name, email, role, metadata) values ('Ann Mary Lee', 'Ann@example.com ', 'Sales Staff', %s)"
    )
    staff.sql(insert, STAFF_INSERTS[what])
    assert staff.run(direction).errors == 0
    assert staff.is_quiet()


# One way


@pytest.mark.parametrize("what", SQL_UPDATES)
def test_a_mapping_that_only_tells_the_board_leaves_the_tables_alone(db, sandbox, what):
    company = Company(db, sandbox, direction="pg_to_monday")
    company.set_up()
    company.sql("insert into projects (title, stage, status) values ('Roof 1', 'Waiting', 'pending')")
    company.run("push")
    company.sql(SQL_UPDATES[what])
    before = company.state()[1:]
    company.run("push")
    assert company.state()[1:] == before
    assert company.is_quiet("push", "push")
    company.close()
