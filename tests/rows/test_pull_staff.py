"""Checks staff items as rows of `users`: which row each has, what it shows, and what is left out."""

from __future__ import annotations

import logging

import pytest

from state import outbox, triggers
from tests.kit.pulls import PullBench
from tests.kit.rows import change, column, dump, link, logs, project, row, rows


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("Ann", "Lee", "Ann Lee"),
        ("  Ann ", " Lee  ", "Ann Lee"),
        ("Ann", None, "Ann"),
        (None, "Lee", "Lee"),
        ("   ", "Lee", "Lee"),
        ("Mary Ann", "von Lee", "Mary Ann von Lee"),
        (None, None, None),
    ],
)
def test_names_are_joined_from_trimmed_parts(staff, db, first, last, name):
    staff.take(staff.item(1, first=first, last=last, email="ann@example.com"))
    assert row(db, "users")["name"] == name


@pytest.mark.parametrize(
    ("rm", "wra", "email"),
    [
        ("rm@example.com", "wra@example.com", "rm@example.com"),
        (None, "wra@example.com", "wra@example.com"),
        ("  rm@example.com ", None, "rm@example.com"),
        ("   ", "wra@example.com", "wra@example.com"),
    ],
)
def test_the_rm_address_is_the_email_else_the_wra_address(staff, db, rm, wra, email):
    staff.take(staff.item(1, email=rm, wra=wra))
    assert row(db, "users")["email"] == email


def test_the_row_says_whose_item_it_is_and_that_it_is_sales_staff(staff, db):
    report = staff.take(staff.item(11, first="Ann", email="ann@example.com", wra="w@example.com", shirt="XL"))
    found = row(db, "users")
    assert (found["monday_id"], found["role"], found["archived_at"]) == ("11", "Sales Staff", None)
    assert found["metadata"] == {"wra_email": "w@example.com", "shirt_size": "XL"}
    assert link(db, 11, "user")["entity_id"] == found["id"]
    assert (report.read, report.created, report.to_postgres.created, report.exit_code) == (1, 1, 1, 0)


# No e-mail


def test_an_item_without_email_is_skipped_with_a_line_in_the_log_and_a_row(staff, db, caplog):
    with caplog.at_level(logging.WARNING):
        report = staff.take(staff.item(1, first="No", email=None), staff.item(2, email="a@example.com"))
    assert (report.skipped, report.created, report.errors, report.exit_code) == (1, 1, 0, 0)
    assert [record.getMessage() for record in caplog.records] == ["Skipping user with empty email (user 1)"]
    (entry,) = rows(db, "sync_logs", operation="skip")
    assert (entry["status"], entry["message"], entry["monday_id"]) == ("warning", "Skipping user with empty email", "1")


def test_a_skipped_item_is_counted_but_not_said_again_by_the_next_run(staff, db, caplog):
    staff.take(staff.item(1, first="No"))
    before = dump(db)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        report = staff.take(staff.item(1, first="No"))
    assert (report.skipped, caplog.records) == (1, [])
    assert dump(db) == before


def test_a_skipped_item_that_changes_and_still_has_no_email_is_not_said_again(staff, db):
    staff.take(staff.item(1, first="No"))
    staff.take(staff.item(1, first="Nobody", at="2026-01-02"))
    assert logs(db) == [("1", "Skipping user with empty email")]


def test_a_skipped_item_that_gets_an_email_comes_in(staff, db):
    staff.take(staff.item(1, first="No"))
    report = staff.take(staff.item(1, first="Ann", email="ann@example.com", at="2026-01-02"))
    assert (report.created, report.skipped) == (1, 0)
    assert row(db, "users")["name"] == "Ann"
    assert rows(db, "sync_skipped") == []


def test_a_linked_item_that_loses_its_email_leaves_its_row_as_it_was(staff, db):
    staff.take(staff.item(1, first="Ann", email="ann@example.com"))
    report = staff.take(staff.item(1, first="Anna", at="2026-01-02"))
    assert report.skipped == 1
    assert (row(db, "users")["name"], row(db, "users")["email"]) == ("Ann", "ann@example.com")
    staff.take(staff.item(1, first="Anna", email="ann@example.com", at="2026-01-03"))
    assert row(db, "users")["name"] == "Anna"


# Duplicates


@pytest.mark.parametrize(
    "pages", [[[10, 20, 30]], [[30, 20, 10]], [[30], [20], [10]], [[20], [10], [30]], [[20, 30], [10]]]
)
def test_of_items_with_one_email_the_lowest_id_has_the_row_whatever_the_page(staff, db, pages):
    def item(number):
        return staff.item(number, first=f"N{number}", email=("Ann@Example.com", "ann@example.com")[number == 20])

    report = staff.take_pages(*[[item(number) for number in page] for page in pages])
    found = row(db, "users")
    assert (found["monday_id"], found["name"]) == ("10", "N10")
    assert sorted(column(db, "sync_skipped", "monday_id")) == ["20", "30"]
    assert column(db, "sync_mapping", "monday_id") == ["10"]
    assert {message for _, message in logs(db)} == {"duplicate email"}
    assert (report.errors, report.exit_code) == (0, 0)


def test_a_duplicate_is_logged_once_and_writes_nothing_in_the_next_run(staff, db, caplog):
    items = [staff.item(1, email="a@example.com"), staff.item(2, email="A@example.com")]
    staff.take(*items)
    before = dump(db)
    caplog.clear()
    report = staff.take(*items)
    assert (report.skipped, report.unchanged, caplog.records) == (1, 1, [])
    assert dump(db) == before
    assert logs(db) == [("2", "duplicate email")]


def test_the_next_item_takes_over_when_the_holder_changes_its_email(staff, db):
    first, second = staff.item(1, first="One", email="a@example.com"), staff.item(2, first="Two", email="a@example.com")
    staff.take(first, second)
    staff.take(staff.item(1, first="One", email="b@example.com", at="2026-01-02"))
    report = staff.take(second)
    assert (report.created, report.skipped) == (1, 0)
    assert {row["email"]: row["monday_id"] for row in rows(db, "users")} == {"b@example.com": "1", "a@example.com": "2"}
    assert rows(db, "sync_skipped") == []


def test_the_next_item_takes_over_when_the_holder_goes_and_keeps_the_row_when_a_lower_id_comes_back(staff, db):
    first, second = staff.item(1, first="One", email="a@example.com"), staff.item(2, first="Two", email="a@example.com")
    staff.take(first, second)
    row_id = row(db, "users")["id"]
    staff.engine().remove(["1"])
    assert row(db, "users")["archived_at"] is not None
    staff.take(second)
    found = row(db, "users")
    assert (found["id"], found["monday_id"], found["name"], found["archived_at"]) == (row_id, "2", "Two", None)
    report = staff.take(staff.item(1, first="One", email="a@example.com", at="2026-01-05"))
    assert report.skipped == 1
    assert (row(db, "users")["monday_id"], row(db, "users")["name"]) == ("2", "Two")


def test_an_email_with_a_slash_waits_for_its_key_like_any_other(staff, db):
    items = [staff.item(1, email="a/b@example.com"), staff.item(2, email="a/b@example.com")]
    staff.take(*items)
    engine = staff.engine()
    with db.transaction() as tx:
        assert engine.waiting_for_a_free_key(tx) == []
    staff.engine().remove(["1"])
    with db.transaction() as tx:
        assert engine.waiting_for_a_free_key(tx) == ["2"]


def test_a_linked_item_that_takes_the_email_of_another_is_left_as_it_was(staff, db):
    staff.take(staff.item(1, first="One", email="a@example.com"), staff.item(2, first="Two", email="b@example.com"))
    report = staff.take(staff.item(2, first="Two", email="a@example.com", at="2026-01-02"))
    assert report.skipped == 1
    assert sorted(column(db, "users", "email")) == ["a@example.com", "b@example.com"]
    assert logs(db) == [("2", "duplicate email")]


def of_a_partner(staff, db):
    projects = PullBench(db, "projects")
    projects.take(projects.item(7, partner="Bob", partner_email="a@example.com"))


def of_a_user_who_is_gone(staff, db):
    staff.take(staff.item(1, first="One", email="a@example.com"))
    staff.engine().remove(["1"])


def of_sql(staff, db):
    change(db, "insert into users (name, email, role) values ('Sue', 'A@example.com', 'Sales Staff')")


@pytest.mark.parametrize("freed", ["delete from users where {}", "update users set email = 'c@example.com' where {}"])
@pytest.mark.parametrize(
    "whose, why",
    [(of_a_partner, "is none of users"), (of_a_user_who_is_gone, "its item is gone"), (of_sql, "has no item")],
    ids=["partner", "gone", "SQL"],
)
def test_a_linked_item_that_comes_to_the_email_of_another_row_is_told_and_comes_in_when_it_is_free(
    staff, db, whose, why, freed
):
    staff.take(staff.item(2, first="Two", email="b@example.com"))
    whose(staff, db)
    (theirs,) = [found["id"] for found in rows(db, "users") if found["email"].lower() == "a@example.com"]
    before = dump(db, "users")
    moved = staff.item(2, first="Two", email="a@example.com", at="2026-01-02")
    report = staff.take(moved)
    told = f"row {theirs} has this key, and {why}; the item comes in when no row has the key"
    assert (report.skipped, report.errors, logs(db)) == (1, 0, [("2", told)])
    assert dump(db, "users") == before
    engine = staff.engine()
    with db.transaction() as tx:
        assert engine.waiting_for_a_free_key(tx) == []
    change(db, freed.format("id = %s"), theirs)
    with db.transaction() as tx:
        assert engine.waiting_for_a_free_key(tx) == ["2"]
    report = staff.take(moved)
    assert (report.updated, report.skipped) == (1, 0)
    assert row(db, "users", monday_id="2")["email"] == "a@example.com"


def test_two_items_that_swap_their_emails_keep_their_rows(staff, db):
    staff.take(staff.item(1, first="One", email="a@example.com"), staff.item(2, first="Two", email="b@example.com"))
    for _ in range(2):
        report = staff.take(
            staff.item(1, first="One", email="b@example.com", at="2026-01-02"),
            staff.item(2, first="Two", email="a@example.com", at="2026-01-02"),
        )
    assert report.errors == 0
    assert {row["monday_id"] for row in rows(db, "users")} == {"1", "2"}


# Teams


def test_team_rows_are_made_when_missing_and_shared_without_case(staff, db):
    staff.take_pages(
        [staff.item(1, email="a@example.com", team="Red"), staff.item(2, email="b@example.com", team=" red ")],
        [staff.item(3, email="c@example.com", team="RED"), staff.item(4, email="d@example.com", team="Blue")],
        [staff.item(5, email="e@example.com", team=None), staff.item(6, email="f@example.com", team=" red ")],
    )
    teams = {row["id"]: row["name"] for row in rows(db, "sales_teams")}
    assert sorted(teams.values()) == ["Blue", "Red"]
    found = [teams.get(user["team_id"]) for user in sorted(rows(db, "users"), key=lambda user: user["email"])]
    assert found == ["Red", "Red", "Red", "Blue", None, "Red"]


def test_a_team_named_with_outer_blanks_is_found_again_by_the_next_page(staff, db):
    staff.take_pages(
        [staff.item(1, email="a@example.com", team=" Red ")],
        [staff.item(2, email="b@example.com", team="Red")],
        [staff.item(3, email="c@example.com", team=" Red ")],
    )
    assert len(rows(db, "sales_teams")) == 1


def test_a_team_that_was_made_with_sql_is_used(staff, db):
    change(db, "insert into sales_teams (name, region) values ('Red', 'North')")
    staff.take(staff.item(1, email="a@example.com", team="red"))
    assert [(row["name"], row["region"]) for row in rows(db, "sales_teams")] == [("Red", "North")]


def test_a_change_of_team_points_at_another_row_and_leaves_the_old_one(staff, db):
    staff.take(staff.item(1, email="a@example.com", team="Red"))
    staff.take(staff.item(1, email="a@example.com", team="Blue", at="2026-01-02"))
    assert column(db, "sales_teams", "name") == ["Red", "Blue"]
    assert row(db, "users")["team_id"] == row(db, "sales_teams", name="Blue")["id"]
    staff.take(staff.item(1, email="a@example.com", at="2026-01-03"))
    assert row(db, "users")["team_id"] is None


# Users that projects made


def test_a_row_that_a_project_made_becomes_sales_staff_when_a_staff_item_has_its_email(db):
    projects, staff = PullBench(db, "projects"), PullBench(db, "users")
    projects.take(projects.item(7, partner="Bob", partner_email="bob@example.com", partner_phone="+12025550101"))
    made = row(db, "users")
    assert (made["role"], made["monday_id"]) == ("Partner", None)
    report = staff.take(staff.item(1, first="Robert", last="Part", email="BOB@example.com"))
    found = row(db, "users")
    assert (found["id"], found["role"], found["monday_id"], found["name"]) == (
        made["id"],
        "Sales Staff",
        "1",
        "Robert Part",
    )
    assert (report.created + report.updated, report.conflicts, report.exit_code) == (1, 0, 0)
    assert project(db, 7)["partner"]["id"] == made["id"]
    assert link(db, 7)["base_postgres"] == {"partner.name": "Robert Part"}


@pytest.mark.parametrize("first", ["staff", "project"])
def test_a_project_that_names_a_staff_member_otherwise_is_known_to_differ_whichever_came_first(db, first):
    projects, staff = PullBench(db, "projects"), PullBench(db, "users")
    person = staff.item(1, first="Robert", email="bob@example.com", phone="+12025550111")
    roof = projects.item(7, pm="Bob", pm_email="bob@example.com", pm_phone="+12025550101")
    for bench, item in [(staff, person), (projects, roof)] if first == "staff" else [(projects, roof), (staff, person)]:
        bench.take(item)
    different = {"project_manager.name": "Robert", "project_manager.metadata.phone": "+12025550111"}
    assert link(db, 7)["base_postgres"] == different
    assert (
        projects.take(
            projects.item(7, pm="Bob", pm_email="bob@example.com", pm_phone="+12025550101", job="x")
        ).conflicts
        == 0
    )
    assert (row(db, "users")["name"], link(db, 7)["base_postgres"]) == ("Robert", different)


def test_a_later_change_of_the_staff_item_is_news_to_the_projects_that_show_it(db):
    projects, staff = PullBench(db, "projects"), PullBench(db, "users")
    staff.take(staff.item(1, first="Bob", email="bob@example.com"))
    projects.take(projects.item(7, pm="Bob", pm_email="bob@example.com"))
    with db.transaction() as tx:
        triggers.install(tx, [staff.mapping, projects.mapping])
    staff.take(staff.item(1, first="Robert", email="bob@example.com", at="2026-02-01"))
    with db.transaction() as tx:
        assert list(outbox.noted(tx, projects.mapping).roots) == [project(db, 7)["id"]]
        assert outbox.noted(tx, staff.mapping).roots == {}
    assert link(db, 7)["base_postgres"] is None


def test_the_staff_item_owns_name_role_and_phone_of_its_row(db):
    projects, staff = PullBench(db, "projects"), PullBench(db, "users")
    staff.take(staff.item(1, first="Robert", email="bob@example.com", phone="+12025550111"))
    staff_row = row(db, "users")
    projects.take(projects.item(7, partner="Bobby", partner_email="bob@example.com", partner_phone="+12025550101"))
    assert row(db, "users") == staff_row
    projects.take(
        projects.item(7, partner="Bobb", partner_email="bob@example.com", partner_phone="+12025550102", at="2026-02-01")
    )
    assert row(db, "users") == staff_row
    assert project(db, 7)["partner"]["id"] == staff_row["id"]


def test_a_project_may_update_a_person_that_no_staff_item_owns_but_never_the_role(db):
    projects = PullBench(db, "projects")
    projects.take(projects.item(7, partner="Bob", partner_email="bob@example.com"))
    projects.take(projects.item(8, pm="Bobby", pm_email="bob@example.com", pm_phone="+12025550101", at="2026-02-01"))
    found = row(db, "users")
    assert (found["name"], found["role"], found["metadata"]) == ("Bobby", "Partner", {"phone": "+12025550101"})
    assert project(db, 7)["partner"]["id"] == project(db, 8)["project_manager"]["id"] == found["id"]


def test_a_row_whose_role_was_changed_with_sql_is_sales_staff_again_when_its_item_changes(staff, db):
    staff.take(staff.item(1, first="Ann", email="ann@example.com"))
    change(db, "update users set role = 'Former'")
    report = staff.take(staff.item(1, first="Anna", email="ann@example.com", at="2026-01-02"))
    assert report.errors == 0
    assert (row(db, "users")["role"], row(db, "users")["name"]) == ("Sales Staff", "Anna")


def test_a_staff_row_that_no_item_has_met_is_linked_by_email(staff, db):
    change(db, "insert into users (name, email, role) values ('Ann Lee', 'ann@example.com', 'Sales Staff')")
    report = staff.take(staff.item(1, first="Ann", last="Lee", email="ANN@example.com", shirt="XL"))
    found = row(db, "users")
    assert (found["monday_id"], found["metadata"], report.conflicts) == ("1", {"shirt_size": "XL"}, 0)


@pytest.mark.parametrize(
    "in_table", ["ann@example.com", "ann@example.com\t", "\u00a0ANN@example.com", "ann@EXAMPLE.com\n"]
)
def test_a_row_of_sql_whose_email_is_spelt_otherwise_is_the_item_s(staff, db, in_table):
    change(db, "insert into users (email, role) values (%s, 'Sales Staff')", in_table)
    report = staff.take(staff.item(1, first="Ann", email="ann@example.com"), staff.item(2, email="ANN@example.com"))
    assert len(rows(db, "users")) == 1
    assert report.skipped == 1
