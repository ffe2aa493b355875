"""Checks cells and rows that should not have been written: each costs its own item at most, and says why."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from mappings.loader import load_mappings
from models import Board, BoardColumn
from tests.kit.boards import cell_of
from tests.kit.pulls import PullBench
from tests.kit.rows import change, column, dump, link, logs, project, row, rows

EXTRA = {
    "numbers": BoardColumn("x", "Extra", "numbers"),
    "date": BoardColumn("x", "Extra", "date"),
    "people": BoardColumn("x", "Extra", "people"),
    "tomorrow": BoardColumn("x", "Extra", "hologram"),
    "dropdown": BoardColumn("x", "Extra", "dropdown"),
    "file": BoardColumn("x", "Extra", "file"),
    "checkbox": BoardColumn("x", "Extra", "checkbox"),
    "timeline": BoardColumn("x", "Extra", "timeline"),
}


def raw(value, text="", **more):
    return {"value": value if value is None else json.dumps(value), "text": text, **more}


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("numbers", raw("NaN", "NaN")),
        ("numbers", raw("Infinity", "Infinity")),
        ("numbers", raw("twelve", "twelve")),
        ("numbers", raw("9" * 20_000, "9" * 20_000)),
        ("numbers", raw("1e999999999", "1e999999999")),
        ("numbers", raw(["1"], "")),
        ("date", raw({"date": "0000-01-01"})),
        ("date", raw({"date": "2026-13-45"})),
        ("date", raw({"date": "2026-01-01", "time": "25:00:00"})),
        ("date", {"value": '{"date": "2026-01', "text": "2026-01-01"}),
        ("date", {"value": "[[[", "text": ""}),
        ("date", raw("soon")),
        ("people", raw({"personsAndTeams": "everybody"})),
        ("people", raw({"personsAndTeams": [{"id": "nobody"}]})),
        ("dropdown", raw({"ids": 7})),
        ("file", raw({"files": 7})),
        ("timeline", raw({"from": "today", "to": "tomorrow"})),
        ("checkbox", {"value": "{checked}", "text": ""}),
    ],
)
def test_a_cell_that_cannot_be_understood_costs_its_field_only(db, kind, cell):
    bench = PullBench(db, "projects", EXTRA[kind])
    report = bench.take(bench.item(1, "One"), bench.item(2, "Two", description="D", x=cell), bench.item(3, "Three"))
    assert sorted(column(db, "projects", "title")) == ["One", "Three", "Two"]
    two = row(db, "projects", title="Two")
    assert (two["description"], two["metadata"]) == ("D", {})
    assert (report.created, report.errors, report.exit_code) == (3, 1, 3)
    ((item_id, said),) = logs(db, "error")
    assert item_id == "2" and "x (Extra)" in said


def test_a_cell_that_was_mended_comes_in(db):
    bench = PullBench(db, "projects", EXTRA["numbers"])
    bench.take(bench.item(1, "One", x=raw("NaN", "NaN")))
    report = bench.take(bench.item(1, "One", at="2026-02-01", x="1.5"))
    assert (report.updated, report.errors) == (1, 0)
    assert row(db, "projects")["metadata"] == {"Extra": Decimal("1.5")}
    assert (link(db, 1)["sync_status"], link(db, 1)["attempts"]) == ("synced", 0)


def test_a_cell_that_broke_keeps_the_value_that_its_row_has(db):
    bench = PullBench(db, "projects", EXTRA["numbers"])
    bench.take(bench.item(1, "One", x="1"))
    report = bench.take(bench.item(1, "Uno", at="2026-02-01", x=raw("NaN", "NaN")))
    assert (report.errors, row(db, "projects")["title"], row(db, "projects")["metadata"]) == (1, "Uno", {"Extra": 1})
    assert (link(db, 1)["sync_status"], link(db, 1)["attempts"]) == ("error", 1)
    bench.take(bench.item(1, "Uno", at="2026-02-02", x="2"))
    assert (row(db, "projects")["title"], row(db, "projects")["metadata"]) == ("Uno", {"Extra": 2})


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("date", raw({"date": "0001-01-01"}), "0001-01-01"),
        ("date", raw({"date": "9999-12-31"}), "9999-12-31"),
        ("numbers", raw("1" + "0" * 100, "1"), 10**100),
        ("numbers", raw("1E+2", "1E+2"), 100),
        ("numbers", raw("-0.000000000000000000000000000001", ""), Decimal("-0.000000000000000000000000000001")),
        ("tomorrow", raw({"beam": [1, 2.50], "changed_at": "now"}, "beam"), {"beam": [1, Decimal("2.50")]}),
        ("tomorrow", {"value": "not json", "text": "shown"}, "not json"),
        ("tomorrow", {"value": None, "text": "shown"}, "shown"),
        ("checkbox", raw({"checked": "true"}, "v"), True),
    ],
)
def test_an_odd_cell_that_can_be_understood_is_kept(db, kind, cell, value):
    bench = PullBench(db, "projects", EXTRA[kind])
    items = [bench.item(1, x=cell)]
    assert bench.take(*items).errors == 0
    assert row(db, "projects")["metadata"] == {"Extra": value}
    before = dump(db)
    assert (bench.take(*items).changes, dump(db)) == (0, before)


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_fit_a_date_column(db, year):
    bench = PullBench(db, "projects")
    bench.take(bench.item(1, loss=year))
    assert project(db, 1)["storm"]["date"].isoformat() == year


@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\0b", "ab"), ("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83e\uddf1", "🧱"), ("\0", None)],
)
def test_what_postgresql_cannot_store_is_replaced_and_told(db, text, stored):
    bench = PullBench(db, "projects")
    bench.take(bench.item(1, text or "x", description=text), bench.item(2, "Two"))
    found = row(db, "projects", monday_id="1")
    assert (found["description"], found["title"] or None) == (stored, stored)
    assert [item_id for item_id, _ in logs(db)] == ["1"]
    before = dump(db)
    bench.take(bench.item(1, text or "x", description=text), bench.item(2, "Two"))
    assert dump(db) == before


def test_a_text_of_two_megabytes_is_stored(db):
    bench = PullBench(db, "projects")
    text = "Grüße " * 350_000
    bench.take(bench.item(1, description=text, note=text))
    assert (row(db, "projects")["description"], row(db, "notes")["content"]) == (text, text)


def test_a_key_that_is_too_long_for_an_index_costs_its_related_row_only(db):
    bench = PullBench(db, "projects")
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=20_000))
    report = bench.take(
        bench.item(1, "One", email="a@example.com"),
        bench.item(2, "Two", law=noise, law_phone="+12025550106", claim="C-2"),
        bench.item(3, "Three"),
    )
    assert (report.created, report.errors, rows(db, "pa_law")) == (3, 1, [])
    assert project(db, 2)["claim"]["claim_number"] == "C-2"
    assert "refused" in logs(db, "error")[0][1]


def test_an_email_of_300_characters_is_an_email(db):
    staff = PullBench(db, "users")
    address = "a" * 288 + "@example.com"
    staff.take(staff.item(1, email=address))
    assert row(db, "users")["email"] == address


@pytest.mark.parametrize(
    "address", ["no at sign", "two@@example.com", "a@example.com, b@example.com", "ünï@exämple.com"]
)
def test_an_email_that_is_none_is_kept_as_it_is(db, address):
    staff = PullBench(db, "users")
    assert staff.take(staff.item(1, email=address)).errors == 0
    assert row(db, "users")["email"] == address


def test_an_item_without_update_time_comes_in(db):
    bench = PullBench(db, "projects")
    bench.take(replace(bench.item(1, "One", email="a@example.com"), updated_at=None, created_at=None))
    bench.take(replace(bench.item(2, "Two", email="a@example.com"), updated_at=None))
    assert sorted(column(db, "projects", "title")) == ["One", "Two"]


def test_a_cell_that_was_not_delivered_is_not_empty(db):
    bench = PullBench(db, "projects")
    bench.take(bench.item(1, "One", description="kept", customer="Ann", email="a@example.com"))
    item = bench.item(1, "Uno", at="2026-02-01", customer="Ann", email="a@example.com")
    del item.cells["text40__1"]
    bench.take(item)
    assert (row(db, "projects")["title"], row(db, "projects")["description"]) == ("Uno", "kept")


def test_an_id_beyond_64_bits_is_an_id(db):
    bench = PullBench(db, "projects")
    assert bench.take(bench.item(10**30, "Far")).created == 1
    assert link(db, 10**30)["entity_id"] == row(db, "projects")["id"]


# Rows that PostgreSQL refuses

GADGETS = """
entity: gadgets
table: gadgets
board: {id: 4711}
fields:
  - {column: name, field: name}
  - {column: size, field: size}
  - {column: code, field: code}
"""


@pytest.fixture
def gadgets(db, tmp_path: Path):
    """Declares a mapping of a user's own, with texts that go into typed columns."""
    change(
        db,
        "create table gadgets (id uuid primary key default gen_random_uuid(), name text not null check (name <> 'Bad'),"
        " size integer, code varchar(5), archived_at timestamptz, created_at timestamptz default now(),"
        " updated_at timestamptz default now())",
    )
    (tmp_path / "gadgets.yaml").write_text(GADGETS)
    mapping = load_mappings([tmp_path])["gadgets"]
    columns = (BoardColumn("size", "Size", "text"), BoardColumn("code", "Code", "text"))
    return PullBench(
        db, mapping=mapping, board=Board("4711", "Gadgets", (BoardColumn("name", "Name", "name"), *columns))
    )


@pytest.mark.parametrize(
    ("cells", "refused"),
    [
        ({"size": "large"}, {"size"}),
        ({"size": "99999999999"}, {"size"}),
        ({"code": "too long"}, {"code"}),
        ({"size": "1.5"}, {"size"}),
        ({"size": "1.5", "code": "too long"}, {"size", "code"}),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_a_value_that_postgresql_refuses_costs_its_field_only(gadgets, db, cells, refused, before):
    if before:
        gadgets.take(gadgets.item(1, "One", size="1", code="1"))
    items = [gadgets.item(1, "Uno", at="2026-02-01", **{"size": "2", "code": "2", **cells})]
    items += [gadgets.item(number, f"G{number}", size="9") for number in range(2, 30)]
    report = gadgets.take(*items)
    assert (report.created + report.updated, report.errors, report.exit_code) == (29, 1, 3)
    kept = {"size": 1, "code": "1"} if before else {"size": None, "code": None}
    found = row(db, "gadgets", name="Uno")
    wanted = {"size": 2, "code": "2", **{field: kept[field] for field in refused}}
    assert {field: found[field] for field in wanted} == wanted
    ((item_id, said),) = logs(db, "error")
    assert item_id == "1" and all(f"{field}: PostgreSQL refused a row: " in said for field in refused)
    assert (link(db, 1, "gadgets")["sync_status"], link(db, 1, "gadgets")["attempts"]) == ("error", 1)
    gadgets.take(gadgets.item(1, "Eins", size="3", code="3", at="2026-03-01"))
    found = row(db, "gadgets", name="Eins")
    assert (found["size"], found["code"]) == (3, "3")
    assert (link(db, 1, "gadgets")["sync_status"], link(db, 1, "gadgets")["attempts"]) == ("synced", 0)


def test_a_refused_value_is_tried_again_with_growing_pauses_and_then_set_aside(gadgets, db):
    item = gadgets.item(1, "One", size="large")
    for attempt in range(1, 9):
        assert gadgets.take(item).errors == 1
        assert gadgets.take(item).errors == 0, "it pauses"
        found = link(db, 1, "gadgets")
        assert (found["attempts"], found["sync_status"]) == (attempt, "error" if attempt < 8 else "set_aside")
        change(db, "update sync_mapping set next_try_at = now() where next_try_at is not null")
    assert gadgets.take(item).errors == 0
    change(db, "update gadgets set code = 'mine'")
    assert gadgets.take(gadgets.item(1, "Uno", size="large", at="2026-02-01")).errors == 1
    assert (row(db, "gadgets")["name"], row(db, "gadgets")["code"]) == ("Uno", "mine")


@pytest.mark.parametrize(("name", "cells"), [("Bad", {}), ("Bad", {"size": "large"})])
def test_a_row_that_postgresql_refuses_costs_its_item_only(gadgets, db, name, cells):
    good = [gadgets.item(number, f"G{number}", size=str(number)) for number in range(1, 41)]
    good[17] = gadgets.item(18, name, at="2026-02-01", **cells)
    report = gadgets.take(*good)
    assert (report.created + report.updated, report.errors, report.exit_code) == (39, 1, 3)
    assert (len(rows(db, "gadgets")), sorted(column(db, "gadgets", "size"))[-1]) == (39, 40)
    ((item_id, said),) = logs(db, "error")
    assert item_id == "18" and "refused" in said


def test_a_refused_row_comes_in_when_its_item_is_mended(gadgets, db):
    gadgets.take(gadgets.item(1, "One", size="large"), gadgets.item(2, "Two", size="2"))
    report = gadgets.take(gadgets.item(1, "One", size="1", at="2026-02-01"), gadgets.item(2, "Two", size="2"))
    assert (report.updated, report.errors, sorted(column(db, "gadgets", "size"))) == (1, 0, [1, 2])


def test_texts_that_are_numbers_fit_a_numeric_column_and_stay_the_same(gadgets, db):
    items = [gadgets.item(1, "One", size=" 7 "), gadgets.item(2, "Two", size="08")]
    assert gadgets.take(*items).errors == 0
    assert sorted(column(db, "gadgets", "size")) == [7, 8]
    again = [gadgets.item(1, "Uno", size=" 7 ", at="2026-02-01"), gadgets.item(2, "Due", size="08", at="2026-02-01")]
    report = gadgets.take(*again)
    assert (report.updated, report.conflicts) == (2, 0)


def test_a_trigger_of_the_users_own_may_refuse_a_row(gadgets, db):
    change(
        db,
        "create function no_thirteen() returns trigger language plpgsql as $$ begin if new.size = 13 then"
        " raise exception 'no %%', new.size; end if; return new; end $$",
    )
    change(
        db, "create trigger no_thirteen before insert or update on gadgets for each row execute function no_thirteen()"
    )
    report = gadgets.take(*[gadgets.item(number, f"G{number}", size=str(number)) for number in range(10, 20)])
    assert (report.created, report.errors, row(db, "gadgets", name="G13")["size"]) == (10, 1, None)
    assert "size: PostgreSQL refused a row: no 13" in logs(db, "error")[0][1]


def test_cells_are_built_as_monday_sends_them():
    """Compares the builders of these tests, held against the shapes of the API."""
    assert cell_of(BoardColumn("x", "X", "numbers"), "1.50") == {"id": "x", "text": "1.50", "value": '"1.50"'}
    assert json.loads(cell_of(BoardColumn("x", "X", "date"), "2026-01-01")["value"])["date"] == "2026-01-01"
