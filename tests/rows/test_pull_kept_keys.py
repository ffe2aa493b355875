"""Checks that natural keys of root rows need no look-up where no row has them, and that what others write is seen."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kit.rows import COMPANY, MEMORY, change, column, link, rows

NEVER = 1 << 30


def by_turns(staff, *steps):
    """Takes the pages of one run, and does between them what is no page."""
    engine = staff.engine()
    for step in steps:
        step() if callable(step) else engine.take(list(step))
    return engine.report


def empty(db):
    change(db, f"truncate {', '.join((*COMPANY, *MEMORY))} cascade")


def statements(db, store, email):
    """Returns how many statements it takes to find the row of a key, in a page's transaction."""
    with db.transaction(snapshot=True) as tx:
        before = db.statements
        assert store.holders(tx, [(email,)], new=1) == {}
        return db.statements - before


def test_a_key_that_no_row_has_is_not_looked_up(staff, db):
    store = staff.engine().store
    statements(db, store, "ann@example.com")
    # where a transaction of another database comes between, one statement more asks whether it has written here
    new = min(statements(db, store, f"bob{number}@example.com") for number in range(9))
    again = min(statements(db, store, "bob1@example.com") for _ in range(9))
    assert new < again, "a page before may have made a row with the key"


def test_a_row_that_sql_makes_between_pages_is_met(staff, db):
    by_turns(
        staff,
        [staff.item(1, email="ann@example.com")],
        lambda: change(db, "insert into users (name, email, role) values ('Bob', 'BOB@example.com', 'Sales Staff')"),
        [staff.item(2, "Bob", email="bob@example.com")],
    )
    assert len(rows(db, "users")) == 2
    assert link(db, 2, "user")["entity_id"] in column(db, "users", "id", email="BOB@example.com")


def test_other_tables_may_be_written_between_pages(staff, db):
    store = staff.engine().store
    statements(db, store, "ann@example.com")
    change(db, "insert into storms (date) values ('2026-01-01')")
    new = statements(db, store, "bob@example.com")
    change(db, "insert into storms (date) values ('2026-01-02')")
    assert new < statements(db, store, "bob@example.com")


def test_a_key_that_sql_gives_a_row_between_pages_is_taken(staff, db):
    report = by_turns(
        staff,
        [staff.item(1, email="ann@example.com")],
        lambda: change(db, "update users set email = 'bob@example.com'"),
        [staff.item(2, "Bob", email="bob@example.com")],
    )
    assert report.skipped == 1
    assert column(db, "users", "email") == ["bob@example.com"]


def test_items_of_two_pages_with_one_key_have_one_row(staff, db):
    report = by_turns(
        staff,
        [staff.item(1, email="ann@example.com")],
        [staff.item(2, email="Ann@Example.com"), staff.item(3, email="bob@example.com")],
    )
    assert (report.created, report.skipped) == (2, 1)
    assert column(db, "users", "email") == ["ann@example.com", "bob@example.com"]


def test_keys_of_a_page_that_was_undone_can_be_had(staff, db):
    change(db, "alter table users add constraint refusing check (name <> 'refused')")
    engine = staff.engine()
    engine.take([staff.item(1, first="refused", email="ann@example.com")])
    engine.take([staff.item(2, first="Ann", email="ann@example.com")])
    assert (engine.report.created, engine.report.errors) == (1, 1)


# Many pages, with other writers between them


class Walk:
    """Takes the same random pages with the same random changes by SQL between them, whatever is kept."""

    def __init__(self, staff: Any, seed: int) -> None:
        self.staff, self.db, self.random = staff, staff.db, random.Random(seed)

    def go(self) -> None:
        """Walks."""
        number, engine = 0, self.staff.engine()
        for _ in range(7):
            items = {}
            for _ in range(self.random.randint(1, 5)):
                number += 1
                item = self.item(self.random.randint(1, number))
                items[item.id] = item
            engine.take(list(items.values()))
            if self.random.random() < 0.4:
                self.write()

    def item(self, number: int) -> Any:
        email = self.random.choice([f"a{self.random.randint(1, 9)}@example.com", f"B{number}@example.com", None])
        team = self.random.choice(["Red", "Blue", None])
        return self.staff.item(number, f"No {number}", f"2026-0{self.random.randint(1, 9)}-01", email=email, team=team)

    def write(self) -> None:
        """Writes as users do."""
        at = self.random.randint(1, 9)
        statement = self.random.choice(
            [
                f"insert into users (name, email, role) values ('Sql', 'a{at}@example.com', 'Sales Staff') "
                "on conflict do nothing",
                f"update users set email = 'b{at}@example.com' where email = 'a{at}@example.com' "
                f"and not exists (select from users where lower(email) = 'b{at}@example.com')",
                f"delete from users where email = 'a{at}@example.com'",
                "select 1",
            ]
        )
        change(self.db, statement)


def shown(db):
    """Returns what the rows show and what their links say, without ids."""
    names = {found["id"]: found["email"] for found in rows(db, "users")}
    links = [
        (found["monday_id"], names.get(found["entity_id"]), str(found["base"]), str(found["base_postgres"]))
        for found in rows(db, "sync_mapping")
    ]
    skipped = [(found["monday_id"], found["reason"], found["key"]) for found in rows(db, "sync_skipped")]
    users = [(found["email"], found["name"], found["monday_id"]) for found in rows(db, "users")]
    return sorted(users, key=str), sorted(links, key=str), sorted(skipped, key=str)


@pytest.mark.parametrize("seed", range(20))
def test_any_pages_end_alike_whether_keys_are_kept_or_not(staff, db, seed):
    ends = []
    for keep_from in (1, NEVER):
        empty(db)
        staff.keep_from = keep_from
        Walk(staff, seed).go()
        ends.append(shown(db))
    assert ends[0] == ends[1]
