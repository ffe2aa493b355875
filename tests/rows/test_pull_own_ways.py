"""Checks related tables that answer a write otherwise: with triggers, defaults and dropped rows of the user's own."""

from __future__ import annotations

import pytest

from tests.kit.rows import change, project, row, rows

LAW = {"law": "Law & Co", "law_phone": "+12025550198"}


def trigger(db, table, body, when="before insert or update"):
    change(db, f"create function mend() returns trigger language plpgsql as $$ begin {body} return new; end $$")
    change(db, f"create trigger mend {when} on {table} for each row execute function mend()")


def held(db):
    return [found for found in rows(db, "sync_conflicts") if found["status"] == "open"]


@pytest.mark.parametrize(
    "table, body, cell, edits, stands",
    [
        ("customers", "new.name := upper(new.name);", "customer", ("Ann", "Bea", "Cleo"), "name"),
        (
            "customers",
            "new.phone := left(new.phone, 5);",
            "phone",
            ("+12025550101", "+13025550101", "+14025550101"),
            "phone",
        ),
        (
            "properties",
            "new.address_raw := trim(new.address_raw);",
            "address",
            (" A 1", "B 2 ", " C 3 "),
            "address_raw",
        ),
    ],
)
def test_what_a_trigger_makes_of_a_shared_row_holds_up_no_later_edit(bench, db, table, body, cell, edits, stands):
    trigger(db, table, body)
    fill = {"customer": "Ann", "email": "ann@example.com", "address": "A 1", "phone": "+12025550101"}
    first, second, third = edits
    items = [bench.item(1, **fill | {cell: first}), bench.item(2, **fill | {cell: first})]
    assert bench.take(*items).errors == 0
    assert bench.take(*items).unchanged == 2
    for number, text in enumerate((second, third)):
        items[0] = bench.item(1, at=f"2026-02-0{number + 1}", **fill | {cell: text})
        done = bench.take(*items)
        assert (done.updated, done.held, done.errors) == (1, 0, 0)
        assert not held(db)
        done = bench.take(*items)
        assert (done.updated, done.held, done.unchanged) == (0, 0, 2)
    # the other item goes its own way
    items[1] = bench.item(2, at="2026-03-01", **fill | {cell: first})
    done = bench.take(
        *items,
    )
    assert (done.held, done.errors) == (0, 0)


def test_what_a_trigger_makes_of_a_filled_row_is_what_the_others_are_known_to_show(bench, db):
    trigger(db, "customers", "new.phone := left(new.phone, 5);")
    fill = {"customer": "Ann", "email": "ann@example.com"}
    bench.take(bench.item(1, **fill))
    bench.take(bench.item(2, at="2026-02-01", **fill, phone="+12025550101"))
    assert row(db, "customers")["phone"] == "+1202"
    links = {found["monday_id"]: found for found in rows(db, "sync_mapping")}
    assert "+1202" in (links["1"]["base_postgres"] or {}).values()
    done = bench.take(bench.item(1, at="2026-03-01", **fill, phone="+13025550101"))
    assert (done.updated, done.held, done.errors) == (1, 0, 0)
    assert row(db, "customers")["phone"] == "+1302"


def test_a_related_row_gets_the_defaults_of_its_table(bench, db):
    change(db, "alter table customers alter phone set default '-', alter phone set not null")
    fill = {"customer": "Ann", "email": "ann@example.com"}
    done = bench.take(bench.item(1, **fill), bench.item(2, **fill | {"email": "bea@example.com"}, phone="+12025550101"))
    assert done.errors == 0 and sorted(found["phone"] for found in rows(db, "customers")) == ["+12025550101", "-"]
    done = bench.take(bench.item(2, at="2026-02-01", **fill | {"email": "bea@example.com"}, note="x"))
    assert (done.errors, done.held) == (0, 0)
    assert [found["phone"] for found in rows(db, "customers")] == ["-", "-"]
    assert bench.take(bench.item(1, **fill)).unchanged == 1


def test_a_page_on_which_nothing_is_new_comes_before_one_that_needs_a_default(bench, db):
    change(db, "alter table customers alter phone set default '-', alter phone set not null")
    bench.take(bench.item(1, email="ann@example.com"))
    engine = bench.engine()
    engine.take([bench.item(1, email="ann@example.com")])
    engine.take([bench.item(2, email="bea@example.com")])
    assert (engine.report.unchanged, engine.report.created, engine.report.errors) == (1, 1, 0)


@pytest.mark.parametrize("body", ["new.id := gen_random_uuid();", "if new.name = 'Bad' then return null; end if;"])
def test_a_related_row_that_is_not_there_as_it_was_sent_is_told(bench, db, body):
    trigger(db, "customers", body, "before insert")
    change(db, "alter table projects drop constraint if exists projects_customer_id_fkey cascade")
    done = bench.take(
        bench.item(1, customer="Bad", email="bad@example.com"),
        *([] if "uuid" in body else [bench.item(2, customer="Ann", email="ann@example.com")]),
    )
    assert done.errors == 1
    assert len(rows(db, "projects")) == len(rows(db, "customers")) == ("uuid" not in body)
    if "uuid" not in body:
        assert project(db, 2)["customer"]["name"] == "Ann"
