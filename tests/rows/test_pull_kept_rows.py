"""Checks what is kept of shared rows from page to page: what another transaction writes between two pages is seen."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kit.pulls import PullBench
from tests.kit.rows import COMPANY, MEMORY, change, column, link, project, row, rows

NEVER = 1 << 30
SHARED = ("customer", "property", "team", "policy", "claim", "storm", "pa_law", "partner", "sales_rep")


# One writer at a time


def by_turns(bench, *steps):
    """Takes the pages of one run, and does between them what is no page."""
    engine = bench.engine()
    for step in steps:
        step() if callable(step) else engine.take(list(step))
    return engine.report


def statements(bench, db):
    """Returns how many statements a second page takes that is like the first."""
    change(db, f"truncate {', '.join((*COMPANY, *MEMORY))} cascade")
    engine = bench.engine()
    engine.take([bench.item(1, customer="Ann", email="ann@example.com", law="Law LLP", team="Red", policy="P-1")])
    before = db.statements
    engine.take([bench.item(2, customer="Ann", email="ann@example.com", law="Law LLP", team="Red", policy="P-1")])
    assert project(db, 1)["customer_id"] == project(db, 2)["customer_id"]
    return db.statements - before


def test_what_a_page_made_is_not_looked_up_by_the_next(bench, db):
    kept, bench.keep_from = statements(bench, db), NEVER
    assert kept < statements(bench, db)


def test_a_row_that_sql_makes_between_pages_is_found(bench, db):
    by_turns(
        bench,
        [bench.item(1, email="ann@example.com")],
        lambda: change(db, "insert into customers (name, email) values ('Bob', 'bob@example.com')"),
        [bench.item(2, email="bob@example.com")],
    )
    assert project(db, 2)["customer"]["name"] == "Bob"
    assert len(rows(db, "customers")) == 2


def test_a_key_that_sql_changes_between_pages_is_another_row(bench, db):
    by_turns(
        bench,
        [bench.item(1, email="ann@example.com")],
        lambda: change(db, "update customers set email = 'new@example.com'"),
        [bench.item(2, email="ann@example.com"), bench.item(3, email="new@example.com")],
    )
    assert project(db, 1)["customer_id"] == project(db, 3)["customer_id"] != project(db, 2)["customer_id"]


def test_what_sql_fills_in_between_pages_is_not_filled_over(bench, db):
    by_turns(
        bench,
        [bench.item(1, email="ann@example.com")],
        lambda: change(db, "update customers set phone = '+12025550199'"),
        [bench.item(2, email="ann@example.com", phone="+12025550111", at="2026-05-01")],
    )
    assert row(db, "customers")["phone"] == "+12025550199"
    assert link(db, 2)["base_postgres"] == {"customer.phone": "+12025550199"}


def test_a_row_that_sql_deletes_between_pages_is_made_again(bench, db):
    by_turns(
        bench,
        [bench.item(1, email="ann@example.com")],
        lambda: change(db, "update projects set customer_id = null"),
        lambda: change(db, "delete from customers"),
        [bench.item(2, email="ann@example.com")],
    )
    assert column(db, "customers", "email") == ["ann@example.com"]
    assert project(db, 2)["customer"] is not None


def test_a_transaction_that_began_before_a_page_and_ends_after_it_is_seen(bench, db):
    with db.beside() as session:
        session.execute("begin")
        session.execute("insert into customers (name, email) values ('Bob', 'bob@example.com')")
        by_turns(
            bench,
            [bench.item(1, email="ann@example.com")],
            lambda: session.execute("commit"),
            [bench.item(2, email="bob@example.com")],
        )
    assert project(db, 2)["customer"]["name"] == "Bob"


def test_a_run_of_another_entity_between_pages_is_seen(bench, db):
    staff = PullBench(db, "users")
    by_turns(
        bench,
        [bench.item(1, rep_first="Sal", rep_email="sal@example.com")],
        lambda: staff.take(staff.item(7, "Sal Other", email="sal@example.com")),
        [bench.item(2, rep_first="Sam", rep_email="sal@example.com", at="2026-09-01")],
    )
    assert project(db, 1)["sales_rep_id"] == project(db, 2)["sales_rep_id"]
    assert len(column(db, "users", "id", email="sal@example.com")) == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_rows_of_a_page_that_was_undone_are_not_known(bench, db, dry_run):
    change(db, "alter table projects add constraint refusing check (title <> 'refused')")
    engine = bench.engine(dry_run=dry_run)
    engine.take([bench.item(1, "refused", email="ann@example.com")])
    engine.take([bench.item(2, email="ann@example.com")])
    if not dry_run:
        assert project(db, 2)["customer"]["email"] == "ann@example.com"
        assert engine.report.errors == 1
    assert len(rows(db, "customers")) == (not dry_run)


# Many pages, with other writers between them


class Walk:
    """Takes the same random pages with the same random changes by SQL between them, whatever is kept."""

    def __init__(self, bench: PullBench, seed: int) -> None:
        self.bench, self.db, self.random = bench, bench.db, random.Random(seed)

    def go(self) -> None:
        """Walks."""
        number, engine = 0, self.bench.engine()
        for _ in range(6):
            items = []
            for _ in range(self.random.randint(1, 12)):
                known = number and self.random.random() < 0.2
                item = self.item(self.random.randint(1, number) if known else number + 1)
                number += not known
                if all(item.id != other.id for other in items):
                    items.append(item)
            engine.take(items)
            if self.random.random() < 0.4:
                self.write()

    def item(self, number: int) -> Any:
        """Makes an item out of few values, so that many items share rows."""
        pick, some = self.random.choice, ["1", "2", "3", None]
        # of rows with one key the oldest is meant: no two that are made at once may have one
        who, rep, firm, at = pick(some), pick(some), pick(some), pick(some)
        cells = {
            "customer": who and pick([f"Ann {who}", f"ANN {who}", None]),
            "email": who and pick([f"{who}@example.com", None]),
            "phone": who and pick([f"+1202555010{who}", None]),
            "policy": at and f"P-{at}",
            "claim": pick(["C-1", "C-2", None]),
            "insurer": firm and pick([f"Acme {firm}", f"ACME {firm}"]),
            "insurer_email": firm and pick([f"ins{firm}@example.com", None]),
            "team": pick(["Red", "Blue", None]),
            "rep_first": rep and f"Rep {rep}",
            "rep_email": rep and f"rep{rep}@example.com",
            "rep_phone": rep and pick([f"+1202555020{rep}", None]),
            "law": pick(["Law LLP", None]),
            "address": pick(["12 Main St, Springfield, IL 62704", "9 Elm St, Austin, TX 73301", None]),
        }
        name = "refused" if self.random.random() < 0.05 else f"Roof {number}"
        at = f"2026-0{self.random.randint(1, 9)}-01"
        return self.bench.item(number, name, at, **{field: value for field, value in cells.items() if value})

    def write(self) -> None:
        """Writes as users do."""
        at = self.random.choice("123")
        statement = self.random.choice(
            [
                f"update customers set phone = '+12025550109' where email = '{at}@example.com'",
                f"update customers set email = '{at}{at}@example.com' where email = '{at}@example.com'",
                f"insert into customers (name, email) values ('Sql', '{at}@example.com')",
                f"update users set email = null where email = 'rep{at}@example.com'",
                "update insurances set company_name = 'Other' where company_email = 'ins1@example.com'",
                "select 1",
            ]
        )
        change(self.db, statement)


def shown(db):
    """Returns what the projects show and what their links say, without ids."""
    found: dict[str, Any] = {}
    for item_id in column(db, "projects", "monday_id"):
        at, about = project(db, item_id), link(db, item_id)
        around = {name: part and {key: part[key] for key in sorted(part) if key in FACTS} for name, part in whole(at)}
        found[item_id] = (around, about["base"], about["base_postgres"], about["monday_hash"])
    together = {name: sorted(groups(db, f"{name}_id")) for name in SHARED}
    counts = {table: len(rows(db, table)) for table in COMPANY}
    return found, together, counts


FACTS = {
    "name",
    "email",
    "phone",
    "phone_number",
    "first_name",
    "last_name",
    "role",
    "policy_number",
    "claim_number",
    "company_name",
    "company_email",
}


def whole(found):
    return [(name, found[name]) for name in (*SHARED, "insurance")]


def groups(db, pointer):
    """Returns which projects share a row."""
    together: dict[Any, list[int]] = {}
    for found in rows(db, "projects"):
        if found[pointer] is not None:
            together.setdefault(found[pointer], []).append(int(found["monday_id"]))
    return [sorted(items) for items in together.values()]


@pytest.mark.parametrize("seed", range(20))
def test_any_pages_end_alike_whether_rows_are_kept_or_not(bench, db, seed):
    change(db, "alter table projects add constraint refusing check (title <> 'refused')")
    ends = []
    for keep_from in (1, NEVER):
        change(db, f"truncate {', '.join((*COMPANY, *MEMORY))} cascade")
        bench.keep_from = keep_from
        Walk(bench, seed).go()
        ends.append(shown(db))
    assert ends[0] == ends[1]
