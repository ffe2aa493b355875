"""Checks customers that several items share: how they are found, what fills them, and what each item is known to show."""

from __future__ import annotations

import random

import pytest

from tests.kit.rows import change, column, dump, link, project, row, rows


def customer(db, number):
    return project(db, number)["customer"]


# Who the customer is


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ({"email": "a@example.com"}, {"email": "A@Example.com"}, True),
        ({"email": "a@example.com", "customer": "Ann"}, {"email": "a@example.com", "customer": "Bob"}, True),
        ({"email": "a@example.com"}, {"email": "b@example.com"}, False),
        ({"customer": "Ann", "phone": "+12025550101"}, {"customer": "ANN", "phone": "+12025550101"}, True),
        ({"customer": "Ann", "phone": "+12025550101"}, {"customer": "Ann", "phone": "+12025550102"}, False),
        ({"customer": "Ann"}, {"customer": "Ann"}, False),
        ({"phone": "+12025550101"}, {"phone": "+12025550101"}, False),
        (
            {"customer": "Ann", "phone": "+12025550101", "email": "a@example.com"},
            {"customer": "Ann", "phone": "+12025550101", "email": "b@example.com"},
            False,
        ),
        (
            {"customer": "Ann", "phone": "+12025550101"},
            {"customer": "Ann", "phone": "+12025550101", "email": "a@example.com"},
            True,
        ),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_items_have_one_customer_or_two(bench, db, first, second, shared, apart):
    pages = (
        [[bench.item(1, **first)], [bench.item(2, **second)]]
        if apart
        else [[bench.item(1, **first), bench.item(2, **second)]]
    )
    bench.take_pages(*pages)
    assert (customer(db, 1)["id"] == customer(db, 2)["id"]) is shared
    assert len(rows(db, "customers")) == 2 - shared


def test_adopting_a_customer_without_email_gives_it_the_email_and_others_stay_with_it(bench, db):
    bench.take(bench.item(1, customer="Ann", phone="+12025550101"))
    bench.take(bench.item(2, customer="ann", phone="+12025550101", email="ann@example.com", at="2026-02-01"))
    found = row(db, "customers")
    assert found["email"] == "ann@example.com"
    assert customer(db, 1)["id"] == customer(db, 2)["id"]


def test_a_customer_with_another_email_is_not_adopted_by_name_and_phone(bench, db):
    bench.take(bench.item(1, customer="Ann", phone="+12025550101", email="ann@example.com"))
    bench.take(bench.item(2, customer="Ann", phone="+12025550101", email="ann2@example.com"))
    assert sorted(column(db, "customers", "email")) == ["ann2@example.com", "ann@example.com"]


def test_a_customer_made_with_sql_is_used(bench, db):
    change(db, "insert into customers (name, email, phone) values ('Ann SQL', 'ANN@example.com', null)")
    bench.take(bench.item(1, customer="Ann", email="ann@example.com", phone="+12025550101"))
    found = row(db, "customers")
    assert found["phone"] == "+12025550101"


SPELLINGS = ["Tab", "Tab\t", "Tab\n", "\u00a0Tab", "TAB\u3000", "tab\ufeff", "\x0bTab"]


@pytest.mark.parametrize("in_table", SPELLINGS)
@pytest.mark.parametrize("on_board", SPELLINGS)
def test_a_row_of_sql_in_another_spelling_is_the_row_of_its_key(bench, db, on_board, in_table):
    change(db, "insert into pa_law (name) values (%s)", in_table)
    change(db, "insert into customers (name, email) values ('Ann', %s)", in_table)
    change(db, "insert into policies (policy_number) values (%s)", in_table.replace("TAB", "Tab").replace("tab", "Tab"))
    bench.take(bench.item(1, law=on_board, email=on_board, policy=on_board.replace("TAB", "Tab").replace("tab", "Tab")))
    assert [len(rows(db, table)) for table in ("pa_law", "customers", "policies")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Stra\u00dfe", "STRASSE"),
        ("M\u00fcller", "mu\u0308LLER"),
        ("\u03bf\u03b4\u03bf\u03c2", "\u039f\u0394\u039f\u03a3"),
        ("\u0130", "i\u0307"),
    ],
)
@pytest.mark.parametrize("made_by", ["item before", "item of the same page", "SQL"])
def test_case_and_normal_form_do_not_count_in_any_script(bench, db, first, second, made_by):
    if made_by == "SQL":
        change(db, "insert into pa_law (name) values (%s)", first)
        bench.take(bench.item(1, law=second))
    elif made_by == "item before":
        bench.take_pages([bench.item(1, law=first)], [bench.item(2, law=second)])
    else:
        bench.take(bench.item(1, law=first), bench.item(2, law=second))
    assert len(rows(db, "pa_law")) == 1


# An e-mail changes


def test_a_changed_email_that_another_customer_has_relinks_the_project(bench, db):
    bench.take(
        bench.item(1, email="a@example.com", customer="Ann"), bench.item(2, email="b@example.com", customer="Bob")
    )
    bench.take(bench.item(1, email="B@example.com", customer="Ann", at="2026-02-01"))
    assert customer(db, 1)["id"] == customer(db, 2)["id"]
    assert sorted(column(db, "customers", "email")) == ["a@example.com", "b@example.com"]


def test_a_changed_email_renames_a_customer_that_no_other_project_uses(bench, db):
    bench.take(bench.item(1, email="a@example.com", customer="Ann"))
    before = row(db, "customers")
    bench.take(bench.item(1, email="new@example.com", customer="Ann", at="2026-02-01"))
    found = row(db, "customers")
    assert (found["id"], found["email"], found["name"]) == (before["id"], "new@example.com", "Ann")


def test_a_changed_email_makes_a_new_customer_when_others_use_the_old_one(bench, db):
    bench.take(
        bench.item(1, email="a@example.com", customer="Ann"), bench.item(2, email="a@example.com", customer="Ann")
    )
    bench.take(bench.item(1, email="new@example.com", customer="Ann", at="2026-02-01"))
    assert (customer(db, 1)["email"], customer(db, 2)["email"]) == ("new@example.com", "a@example.com")
    assert (customer(db, 1)["name"], customer(db, 2)["name"]) == ("Ann", "Ann")


def test_projects_that_change_to_one_new_email_at_once_share_the_new_customer(bench, db):
    bench.take(*[bench.item(number, email="a@example.com") for number in (1, 2, 3)])
    bench.take(*[bench.item(number, email="new@example.com", at="2026-02-01") for number in (1, 2)])
    assert customer(db, 1)["id"] == customer(db, 2)["id"] != customer(db, 3)["id"]
    assert len(rows(db, "customers")) == 2


def test_two_projects_that_swap_emails_swap_customers(bench, db):
    bench.take(
        bench.item(1, email="a@example.com", customer="Ann"), bench.item(2, email="b@example.com", customer="Bob")
    )
    bench.take(
        bench.item(1, email="b@example.com", customer="Bob", at="2026-02-01"),
        bench.item(2, email="a@example.com", customer="Ann", at="2026-02-01"),
    )
    assert (customer(db, 1)["email"], customer(db, 1)["name"]) == ("b@example.com", "Bob")
    assert (customer(db, 2)["email"], customer(db, 2)["name"]) == ("a@example.com", "Ann")
    assert len(rows(db, "customers")) == 2


@pytest.mark.parametrize("earlier", [1, 2])
def test_a_customer_that_another_item_of_the_page_comes_to_is_not_renamed_under_it(bench, db, earlier):
    bench.take(bench.item(1, email="a@example.com", customer="Ann"))
    times = {1: "2026-02-01", 2: "2026-02-02"} if earlier == 1 else {1: "2026-02-02", 2: "2026-02-01"}
    bench.take(
        bench.item(1, email="new@example.com", customer="Ann", at=times[1]),
        bench.item(2, email="a@example.com", customer="Al", at=times[2]),
    )
    assert (customer(db, 1)["email"], customer(db, 2)["email"]) == ("new@example.com", "a@example.com")


def test_an_email_that_is_cleared_leaves_the_customer_its_name_and_phone(bench, db):
    bench.take(bench.item(1, email="a@example.com", customer="Ann", phone="+12025550101"))
    bench.take(bench.item(1, customer="Ann", phone="+12025550101", at="2026-02-01"))
    found = row(db, "customers")
    assert (found["email"], found["name"], found["phone"]) == (None, "Ann", "+12025550101")


def test_a_customer_whose_cells_are_all_cleared_is_unlinked_or_emptied(bench, db):
    bench.take(bench.item(1, email="a@example.com"), bench.item(2, email="a@example.com"))
    bench.take(bench.item(1, at="2026-02-01"))
    assert row(db, "customers")["email"] == "a@example.com"
    assert project(db, 1)["customer"] is None
    assert customer(db, 2)["email"] == "a@example.com"


def test_a_relinked_project_shows_its_own_cells_in_a_customer_of_its_own(bench, db):
    """Its phone was known to differ from the shared row; a row of its own shows what its cell says."""
    bench.take(
        bench.item(1, email="a@example.com", phone="+12025550101", at="2026-01-01"),
        bench.item(2, email="a@example.com", phone="+12025550102", at="2026-01-02"),
    )
    assert row(db, "customers")["phone"] == "+12025550102"
    bench.take(bench.item(1, email="new@example.com", phone="+12025550101", at="2026-02-01"))
    assert (customer(db, 1)["phone"], customer(db, 2)["phone"]) == ("+12025550101", "+12025550102")


# Shown unequally


def phones(bench, *, first_at="2026-01-01", second_at="2026-01-02", first="+12025550101", second="+12025550102"):
    return (
        bench.item(1, email="a@example.com", phone=first, at=first_at),
        bench.item(2, email="a@example.com", phone=second, at=second_at),
    )


HOW = ["one page", "two pages", "two runs", "two pages reversed", "two runs reversed"]


def take(bench, how, first, second):
    pair = [second, first] if "reversed" in how else [first, second]
    if how == "one page":
        return [bench.take(*pair)]
    if "pages" in how:
        return [bench.take_pages([pair[0]], [pair[1]])]
    return [bench.take(item) for item in pair]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("first_at", "second_at", "fills"),
    [("2026-01-01", "2026-01-02", 2), ("2026-01-02", "2026-01-01", 1), ("2026-01-01", "2026-01-01", 2)],
)
def test_the_item_updated_last_then_the_higher_id_fills_the_row(bench, db, how, first_at, second_at, fills):
    reports = take(bench, how, *phones(bench, first_at=first_at, second_at=second_at))
    shown = {1: "+12025550101", 2: "+12025550102"}
    assert row(db, "customers")["phone"] == shown[fills]
    assert sum(report.conflicts for report in reports) == 0
    other = 3 - fills
    assert link(db, other)["base"]["customer.phone"] == shown[other]
    assert link(db, other)["base_postgres"] == {"customer.phone": shown[fills]}
    assert link(db, fills)["base_postgres"] is None


def test_ids_are_compared_as_numbers(bench, db):
    def item(number):
        return bench.item(number, email="a@example.com", phone=f"+12025550{number:03d}")

    bench.take_pages([item(9), item(100)], [item(50)])
    assert row(db, "customers")["phone"] == "+12025550100"


@pytest.mark.parametrize("how", HOW)
def test_a_cell_that_is_known_to_differ_is_no_news_in_any_later_run(bench, db, how):
    pair = phones(bench)
    take(bench, how, *pair)
    before = dump(db)
    for _ in range(2):
        assert bench.take(*pair).changes == 0
    assert dump(db) == before
    again = [bench.item(1, email="a@example.com", phone="+12025550101", description="Other", at="2026-03-01")]
    report = bench.take(*again)
    assert (report.updated, report.conflicts) == (1, 0)
    assert row(db, "customers")["phone"] == "+12025550102"
    assert link(db, 1)["base_postgres"] == {"customer.phone": "+12025550102"}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("blank", [1, 2])
def test_a_blank_never_empties_what_another_item_gives(bench, db, how, blank):
    given = {"first": None} if blank == 1 else {"second": None}
    take(bench, how, *phones(bench, **given))
    shown = "+12025550102" if blank == 1 else "+12025550101"
    assert row(db, "customers")["phone"] == shown
    assert "customer.phone" not in link(db, blank)["base"]
    assert link(db, blank)["base_postgres"] == {"customer.phone": shown}


@pytest.mark.parametrize("who", [1, 2])
def test_a_later_edit_of_any_of_the_cells_reaches_the_row(bench, db, who):
    bench.take(*phones(bench))
    bench.take(bench.item(who, email="a@example.com", phone="+12025550109", at="2026-02-01"))
    assert row(db, "customers")["phone"] == "+12025550109"


@pytest.mark.parametrize(("who", "unseen"), [(1, True), (2, False)])
def test_a_cell_cleared_later_empties_the_row_and_a_value_that_it_never_showed_is_kept(bench, db, who, unseen):
    bench.take(*phones(bench))
    report = bench.take(bench.item(who, email="a@example.com", at="2026-02-01"))
    assert (row(db, "customers")["phone"], report.conflicts) == (None, int(unseen))


def test_an_edit_of_an_older_cell_wins_over_a_cell_that_was_updated_later_without_it(bench, db):
    bench.take(*phones(bench))
    bench.take(
        bench.item(1, email="a@example.com", phone="+12025550109", at="2026-02-01"),
        bench.item(2, email="a@example.com", phone="+12025550102", description="x", at="2026-02-02"),
    )
    assert row(db, "customers")["phone"] == "+12025550109"


def test_the_row_that_an_item_leaves_stays_as_it_is(bench, db):
    bench.take(*phones(bench))
    bench.take(bench.item(2, email="b@example.com", phone="+12025550102", at="2026-02-01"))
    assert customer(db, 1)["phone"] == "+12025550102"
    assert link(db, 1)["base_postgres"] == {"customer.phone": "+12025550102"}


def test_a_project_that_comes_to_a_customer_of_others_is_known_to_differ_in_all_its_cells(bench, db):
    bench.take(
        bench.item(1, email="a@example.com", customer="Ann", phone="+12025550101", at="2026-02-05"),
        bench.item(2, email="b@example.com", customer="Bob", phone="+12025550102", at="2026-01-01"),
    )
    bench.take(bench.item(2, email="a@example.com", customer="Bob", phone="+12025550102", at="2026-02-01"))
    assert (customer(db, 2)["name"], customer(db, 2)["phone"]) == ("Ann", "+12025550101")
    assert link(db, 2)["base_postgres"] == {"customer.name": "Ann", "customer.phone": "+12025550101"}
    assert (
        bench.take(bench.item(2, email="a@example.com", customer="Bob", phone="+12025550102", at="2026-02-02")).changes
        == 0
    )


@pytest.mark.parametrize("how", ["two pages", "two runs"])
def test_two_projects_whose_policy_has_two_insurers_are_known_to_differ(bench, db, how):
    first = bench.item(1, policy="P-1", insurer="Acme", insurer_phone="+12025550101", at="2026-01-01")
    second = bench.item(2, policy="P-1", insurer="Other", at="2026-01-02")
    take(bench, how, first, second)
    assert project(db, 1)["insurance"]["company_name"] == "Other"
    assert link(db, 1)["base"]["insurance.company_name"] == "Acme"
    assert link(db, 1)["base_postgres"] == {"insurance.company_name": "Other", "insurance.company_phone": None}
    report = bench.take(
        bench.item(1, policy="P-1", insurer="Acme", insurer_phone="+12025550101", job="x", at="2026-02-02")
    )
    assert report.conflicts == 0
    assert project(db, 1)["insurance"]["company_name"] == "Other"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 5, 20])
def test_what_a_link_remembers_of_an_insurer_is_what_the_row_shows_through_its_policy(bench, db, seed, size):
    made = random.Random(seed)
    items = [
        bench.item(
            number,
            at=f"2026-01-{made.randint(1, 20):02}",
            policy=made.choice(["P-1", "P-2", None]),
            insurer=(insurer := made.choice(["Acme", "Other", "Third"])),
            insurer_phone={"Acme": "+12025550101", "Other": "+12025550102"}.get(insurer),
        )
        for number in range(1, 21)
    ]
    bench.take_pages(*[items[at : at + size] for at in range(0, 20, size)])
    for number in range(1, 21):
        shown, known = project(db, number)["insurance"] or {}, link(db, number)
        agreed = {**known["base"], **(known["base_postgres"] or {})}
        for field in ("company_name", "company_phone"):
            assert agreed.get(f"insurance.{field}") == shown.get(field)


@pytest.mark.parametrize("how", ["two pages", "two runs"])
def test_a_person_shown_unequally_in_two_roles_is_known_to_differ(bench, db, how):
    take(
        bench,
        how,
        bench.item(1, partner="Bob", partner_email="bob@example.com", at="2026-01-01"),
        bench.item(2, pm="Bobby", pm_email="bob@example.com", pm_phone="+12025550101", at="2026-01-02"),
    )
    assert row(db, "users")["name"] == "Bobby"
    assert link(db, 1)["base_postgres"] == {"partner.name": "Bobby", "partner.metadata.phone": "+12025550101"}


def test_an_edit_of_the_row_by_sql_is_not_taken_for_known(bench, db):
    bench.take(*phones(bench))
    change(db, "update customers set phone = '+12025550199'")
    bench.take(bench.item(1, email="a@example.com", phone="+12025550101", description="x", at="2026-02-01"))
    assert row(db, "customers")["phone"] == "+12025550199"
    assert link(db, 1)["base_postgres"] == {"customer.phone": "+12025550102"}
