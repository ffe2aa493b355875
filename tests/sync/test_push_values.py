"""Checks that every kind of value goes to the board and comes back, and addresses with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from services.monday.cells.kinds import COLUMN_TYPES
from tests.kit.pushes import TABLE, PushBench, bench_of, things_with

EVERYTHING = "7810000303"

KINDS: dict[str, tuple[str, str, str]] = {
    # column id: type of the table column, a value, another
    "text": ("text", "'Grüße 🧱'", "'x' || repeat('y', 3000)"),
    "long_text": ("text", "E'line 1\\nline 2'", "repeat('z', 2000)"),
    "numbers": ("numeric", "1234567890.123456789", "0"),
    "status": ("text", "'Done'", "'Stuck'"),
    "dropdown": ("text[]", "array['Design', 'Sales, EMEA']", "array['Marketing']"),
    "date": ("timestamptz", "'2026-06-15 09:30:00+00'", "'2026-12-31 23:59:59+00'"),
    "timeline": (
        "jsonb",
        """'{"from": "2026-03-01", "to": "2026-03-15"}'""",
        """'{"from": "2026-03-02", "to": "2026-03-02"}'""",
    ),
    "week": (
        "jsonb",
        """'{"from": "2026-03-16", "to": "2026-03-22"}'""",
        """'{"from": "2026-03-23", "to": "2026-03-29"}'""",
    ),
    "people": (
        "jsonb",
        """'[{"id": USER1, "kind": "person"}]'""",
        """'[{"id": USER0, "kind": "person"}, {"id": USER1, "kind": "person"}]'""",
    ),
    "checkbox": ("boolean", "true", "false"),
    "email": ("text", "'ann@example.com'", "'Bob.Two@example.com'"),
    "phone": ("text", "'+12025550169'", "'+442079460958'"),
    "link": (
        "jsonb",
        """'{"url": "https://example.com/a", "text": "A"}'""",
        """'{"url": "https://example.com/b", "text": "B b"}'""",
    ),
    "location": (
        "jsonb",
        """'{"lat": "29.9773", "lng": "31.1325", "address": "Giza"}'""",
        """'{"lat": "-33.8568", "lng": "151.2153", "address": "Sydney"}'""",
    ),
    "country": ("jsonb", """'{"code": "DE", "name": "Germany"}'""", """'{"code": "US", "name": "United States"}'"""),
    "rating": ("integer", "4", "1"),
    "hour": ("time", "'14:30'", "'00:00'"),
    "world_clock": ("text", "'Europe/London'", "'America/New_York'"),
    "color_picker": ("text", "'#FF5733'", "'#037F4C'"),
    "tags": ("text[]", "array['TAG0']", "array['TAG1', 'TAG0']"),
    "connect": ("bigint[]", "array[ITEM0]", "array[ITEM1, ITEM0]"),
    "dependency": ("bigint[]", "array[ITEM1]", "array[ITEM0]"),
}
TYPE_OF = {"connect": "board_relation"}


# Every kind of cell


@pytest.fixture
def everything(db: Database, database_url: str, tmp_path: Path) -> Iterator[PushBench]:
    fields = "".join(f"  - {{column: {kind}, field: {kind}}}\n" for kind in KINDS)
    mapping = things_with("  - {column: name, field: title}\n" + fields)
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in KINDS.items())
    table = (
        f"create table things (id uuid primary key default gen_random_uuid(), monday_id text, title text, {columns},"
        " archived_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz default now())"
    )
    mapping = mapping.replace("7810000909", EVERYTHING)
    with bench_of(db, database_url, tmp_path, mapping, table, boards="everything:3") as bench:
        bench.install_triggers()
        yield bench


def values_on(bench: PushBench, place: int) -> dict[str, str]:
    """Returns SQL of a value for each column, with ids that exist on the board."""
    users = [user["id"] for user in bench.sandbox.admin("state")["users"]]
    tags = [tag["name"] for tag in bench.monday.account.tags()]
    items = sorted(item["id"] for item in bench.items())
    known = {f"USER{n}": users[n] for n in range(2)} | {f"TAG{n}": tags[n] for n in range(2)}
    known |= {f"ITEM{n}": items[n] for n in range(2)}
    found = {}
    for column, given in KINDS.items():
        text = given[place]
        for name, value in known.items():
            text = text.replace(name, value)
        found[column] = text
    return found


def mine(bench: PushBench) -> dict[str, Any]:
    return dict(bench.sql("select * from things where title = 'Mine'")[0])


def test_every_kind_of_the_board_that_can_be_written_is_in_the_table_above(everything: PushBench) -> None:
    on_board = {column.type for column in everything.monday.board(everything.board).columns}
    writable = {name for name, kind in COLUMN_TYPES.items() if kind.write and name in on_board} - {"name"}
    assert {TYPE_OF.get(column, column) for column in KINDS} == writable


def test_every_kind_of_value_goes_to_the_board_and_comes_back_the_same(everything: PushBench) -> None:
    bench = everything
    bench.push("pull")
    first = values_on(bench, 1)
    bench.sql(f"insert into things (title, {', '.join(first)}) values ('Mine', {', '.join(first.values())})")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (1, 0)
    for values in (first, values_on(bench, 2), dict.fromkeys(KINDS, "null"), first):
        settings = ", ".join(f"{name} = {sql}" for name, sql in values.items())
        bench.sql(f"update things set {settings} where title = 'Mine'")
        before = mine(bench)
        assert bench.push().errors == 0
        bench.writes()
        report = bench.push("both", full=True)
        assert bench.writes() == 0
        assert (report.errors, report.conflicts, report.to_postgres.updated) == (0, 0, 0)
        assert mine(bench) == {**before, "monday_id": mine(bench)["monday_id"]}
        item = next(item for item in bench.items() if item["name"] == "Mine")
        shown = {column for column in KINDS if item["cells"][column]["value"]}
        expected = {column for column, sql in values.items() if sql not in ("null", "false")}
        assert shown == expected - {"connect", "dependency"}, "whose ids are not in `value`"


def test_an_import_carries_the_same_values(everything: PushBench) -> None:
    bench = everything
    bench.push("pull")
    first = values_on(bench, 1)
    made = f"select 'Many ' || i, {', '.join(first.values())} from generate_series(1, 200) as i"
    bench.sql(f"insert into things (title, {', '.join(first)}) {made}")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (200, 0)
    bench.writes()
    report = bench.push("both", full=True)
    assert (bench.writes(), report.errors, report.to_postgres.updated) == (0, 0, 0)


@pytest.mark.parametrize(
    "kind, value, other",
    [
        ("numeric(12,2)", "1.005", "2.75"),
        ("numeric(5,-1)", "1235", "20"),
        ("real", "16777217", "2.5"),
        ("real", "0.1", "2.5"),
        ("double precision", "0.1234567890123456789", "2.5"),
        ("numeric", "1.005", "2.5"),
    ],
)
def test_what_a_column_rounds_is_no_edit(
    db: Database, database_url: str, tmp_path: Path, kind: str, value: str, other: str
) -> None:
    fields = {"name": "title", "price": "state", "text": "note"}
    mapping = things_with("".join(f"  - {{column: {item}, field: {field}}}\n" for item, field in fields.items()))
    table = TABLE.replace("state text", f"state {kind}")
    with bench_of(db, database_url, tmp_path, mapping, table) as bench:
        bench.sandbox.admin("columns/add", board_id=bench.board, id="price", title="Price", type="numbers")
        item = bench.sandbox.admin("items/create", board_id=bench.board, name="One", values={"price": value})["id"]
        bench.push("both")
        bench.writes()
        for _ in range(2):
            assert bench.push("both", full=True).conflicts == 0
        bench.sql("update things set note = 'another field'")
        bench.push("both")
        assert (bench.shown("price"), bench.shown("text")) == ([value], ["another field"])
        bench.sandbox.admin("items/change", item_id=item, values={"text": "from the board"})
        bench.push("both")
        bench.sql(f"update things set state = {other}")
        bench.push("both")
        assert bench.shown("price") == [other]
        bench.writes()
        report = bench.push("both", full=True)
        assert (bench.writes(), report.to_postgres.updated, report.conflicts) == (0, 0, 0)


# Addresses


@pytest.fixture
def places(db: Database, database_url: str, tmp_path: Path) -> Iterator[PushBench]:
    mapping = things_with("""
  - {column: name, field: title}
  - {column: text, fields: [street, city, state, zip, country], transform: address_parts}
""")
    table = (
        "create table things (id uuid primary key default gen_random_uuid(), monday_id text, title text, street text,"
        " city text, state text, zip text, country text, archived_at timestamptz,"
        " created_at timestamptz not null default now(), updated_at timestamptz default now())"
    )
    with bench_of(db, database_url, tmp_path, mapping, table) as bench:
        bench.install_triggers()
        yield bench


@pytest.mark.parametrize(
    "street, city, zip, country, line",
    [
        ("Hauptstr. 1", "München", "80331", "Germany", "Hauptstr. 1, München, 80331, Germany"),
        (None, "Dallas", None, None, "Dallas"),
        ("5 Elm St", "Paris", None, "France", "5 Elm St, Paris, France"),
    ],
)
def test_parts_whose_line_cannot_be_taken_apart_again_stay_as_they_are(
    places: PushBench, street: str | None, city: str, zip: str | None, country: str | None, line: str
) -> None:
    parts = (street, city, zip, country)
    places.sql("insert into things (title, street, city, zip, country) values ('Made', %s, %s, %s, %s)", *parts)
    places.sql("insert into things (title) values ('Changed')")
    assert places.push("both").errors == 0
    places.sql("update things set street = %s, city = %s, zip = %s, country = %s where title = 'Changed'", *parts)
    report = places.push("both")
    assert (places.shown("text"), report.errors, report.to_postgres.updated) == ([line, line], 0, 0)
    places.writes()
    again = places.push("both", full=True)
    assert (places.writes(), again.changes, again.errors) == (0, 0, 0)
    rows = places.sql("select street, city, zip, country from things")
    assert [tuple(row.values()) for row in rows] == [parts, parts]


@pytest.fixture
def objects(db: Database, database_url: str, tmp_path: Path) -> Iterator[PushBench]:
    mapping = things_with("""
  - {column: name, field: title}
  - {columns: [text, city, state, zip], field: about.address, transform: address_object}
""")
    table = (
        "create table things (id uuid primary key default gen_random_uuid(), monday_id text, title text, about jsonb,"
        " archived_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz default now())"
    )
    with bench_of(db, database_url, tmp_path, mapping, table) as bench:
        for column in ("city", "state", "zip"):
            bench.sandbox.admin("columns/add", board_id=bench.board, id=column, title=column.upper(), type="text")
        bench.install_triggers()
        yield bench


AUSTIN = {"street": "1 A St", "city": "Austin", "state": "TX", "zip": "78701", "county": "Travis", "gate": {"code": 7}}


def test_an_object_keeps_what_no_cell_shows(objects: PushBench) -> None:
    bench, line = objects, "1 A St, Austin, TX 78701"

    def quiet(expected: dict[str, Any]) -> None:
        report = bench.push("both")
        assert (report.errors, report.conflicts) == (0, 0)
        bench.writes()
        again = bench.push("both", full=True)
        assert (bench.writes(), again.changes, again.errors) == (0, 0, 0)
        assert bench.sql("select about -> 'address' as found from things")[0]["found"] == expected

    bench.sql("insert into things (title, about) values ('Made', %s)", json.dumps({"address": AUSTIN}))
    quiet({"raw": line, **AUSTIN})
    assert [bench.shown(column) for column in ("text", "city", "state", "zip")] == [
        [line],
        ["Austin"],
        ["TX"],
        ["78701"],
    ]
    bench.sandbox.admin("items/change", item_id=bench.items()[0]["id"], values={"city": "Waco"})
    quiet({"raw": line, **AUSTIN, "city": "Waco"})
    bench.sql("update things set about = jsonb_set(about, '{address,floor}', '3')")
    quiet({"raw": line, **AUSTIN, "city": "Waco", "floor": 3})
    bench.sql("update things set about = about #- '{address,raw}'")
    quiet({"raw": "1 A St, Waco, TX 78701", **AUSTIN, "city": "Waco", "floor": 3})
    bench.sql("update things set about = about #- '{address,raw}'")
    quiet({"raw": "1 A St, Waco, TX 78701", **AUSTIN, "city": "Waco", "floor": 3})
    bench.sql("update things set about = jsonb_set(about #- '{address,raw}', '{address,zip}', '\"78702\"')")
    quiet({"raw": "1 A St, Waco, TX 78702", **AUSTIN, "city": "Waco", "zip": "78702", "floor": 3})
    assert (bench.shown("text"), bench.shown("zip")) == (["1 A St, Waco, TX 78702"], ["78702"])
