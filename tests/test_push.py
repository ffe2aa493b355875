"""What a push writes: every kind of cell there and back, what monday.com refuses, policies, limits, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from errors import DailyLimitReached, MondayRefused
from services.monday.cells.kinds import COLUMN_TYPES
from tests.pushing import TABLE, THINGS, Bench, bench_of, text_of

EVERYTHING = "7810000303"

KINDS: dict[str, tuple[str, str, str]] = {
    # column id: type of the table column, a value, another
    "text": ("text", "'Grüße 🧱'", "'x' || repeat('y', 3000)"),
    "long_text": ("text", "E'line 1\\nline 2'", "repeat('z', 2000)"),
    "numbers": ("numeric", "1234567890.123456789", "0"),
    "status": ("text", "'Done'", "'Stuck'"),
    "dropdown": ("text[]", "array['Design', 'Sales, EMEA']", "array['Marketing']"),
    "date": ("timestamptz", "'2026-06-15 09:30:00+00'", "'2026-12-31 23:59:59+00'"),
    "timeline": ("jsonb", """'{"from": "2026-03-01", "to": "2026-03-15"}'""",
                 """'{"from": "2026-03-02", "to": "2026-03-02"}'"""),
    "week": ("jsonb", """'{"from": "2026-03-16", "to": "2026-03-22"}'""",
             """'{"from": "2026-03-23", "to": "2026-03-29"}'"""),
    "people": ("jsonb", """'[{"id": USER1, "kind": "person"}]'""",
               """'[{"id": USER0, "kind": "person"}, {"id": USER1, "kind": "person"}]'"""),
    "checkbox": ("boolean", "true", "false"),
    "email": ("text", "'ann@example.com'", "'Bob.Two@example.com'"),
    "phone": ("text", "'+12025550169'", "'+442079460958'"),
    "link": ("jsonb", """'{"url": "https://example.com/a", "text": "A"}'""",
             """'{"url": "https://example.com/b", "text": "B b"}'"""),
    "location": ("jsonb", """'{"lat": "29.9773", "lng": "31.1325", "address": "Giza"}'""",
                 """'{"lat": "-33.8568", "lng": "151.2153", "address": "Sydney"}'"""),
    "country": ("jsonb", """'{"code": "DE", "name": "Germany"}'""", """'{"code": "US", "name": "United States"}'"""),
    "rating": ("integer", "4", "1"),
    "hour": ("time", "'14:30'", "'00:00'"),
    "world_clock": ("text", "'Europe/London'", "'America/New_York'"),
    "color_picker": ("text", "'#FF5733'", "'#037F4C'"),
    "tags": ("text[]", "array['TAG0']", "array['TAG1', 'TAG0']"),
    "connect": ("bigint[]", "array[ITEM0]", "array[ITEM1, ITEM0]"),
    "dependency": ("bigint[]", "array[ITEM1]", "array[ITEM0]"),
}  # fmt: skip
TYPE_OF = {"connect": "board_relation"}


@pytest.fixture
def bench(db: Database, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(db, database_url, tmp_path) as one:
        one.install_triggers()
        yield one


def things_with(fields: str, more: str = "") -> str:
    """The mapping with other fields."""
    return THINGS.partition("fields:")[0] + more + "fields:\n" + fields


# Every kind of cell


@pytest.fixture
def everything(db: Database, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    fields = "".join(f"  - {{column: {one}, field: {one}}}\n" for one in KINDS)
    mapping = things_with("  - {column: name, field: title}\n" + fields)
    columns = ", ".join(f"{one} {kind}" for one, (kind, _, _) in KINDS.items())
    table = (
        f"create table things (id uuid primary key default gen_random_uuid(), monday_id text, title text, {columns},"
        " archived_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz default now())"
    )
    mapping = mapping.replace("7810000909", EVERYTHING)
    with bench_of(db, database_url, tmp_path, mapping, table, boards="everything:3") as one:
        one.install_triggers()
        yield one


def values_on(bench: Bench, place: int) -> dict[str, str]:
    """SQL of a value for each column, with ids that exist on the board."""
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


def mine(bench: Bench) -> dict[str, Any]:
    return dict(bench.sql("select * from things where title = 'Mine'")[0])


def test_every_kind_that_can_be_written_is_in_the_table_above() -> None:
    writable = {name for name, kind in COLUMN_TYPES.items() if kind.write} - {"name"}
    assert {TYPE_OF.get(column, column) for column in KINDS} == writable


def test_every_kind_of_value_goes_to_the_board_and_comes_back_the_same(everything: Bench) -> None:
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


def test_an_import_carries_the_same_values(everything: Bench) -> None:
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
    [("numeric(12,2)", "1.005", "2.75"), ("numeric(5,-1)", "1235", "20"), ("real", "16777217", "2.5"),
     ("real", "0.1", "2.5"), ("double precision", "0.1234567890123456789", "2.5"), ("numeric", "1.005", "2.5")],
)  # fmt: skip
def test_what_a_column_rounds_is_no_edit(
    db: Database, database_url: str, tmp_path: Path, kind: str, value: str, other: str
) -> None:
    fields = {"name": "title", "price": "state", "text": "note"}
    mapping = things_with("".join(f"  - {{column: {one}, field: {field}}}\n" for one, field in fields.items()))
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


# Rows that an item knows by their natural key


@pytest.fixture
def keyed(db: Database, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    rules = "key: [lower(note)]\nskip_without_key: no note\nduplicate: duplicate note\n"
    with bench_of(db, database_url, tmp_path, THINGS.replace("item_name:", rules + "item_name:")) as one:
        one.install_triggers()
        one.insert(2)
        one.push()
        yield one


def at_rest(bench: Bench) -> None:
    bench.must_be_equal()
    bench.writes()
    report = bench.push("both", full=True)
    assert (bench.writes(), report.errors, report.skipped, report.to_postgres.updated) == (0, 0, 0, 0)


@pytest.mark.parametrize("way", ["push", "both"])
def test_a_key_that_sql_takes_away_and_gives_back_goes_to_the_board(keyed: Bench, way: str) -> None:
    for change in ("note = null", "state = 'Done'", "note = 'given back'"):
        keyed.sql(f"update things set {change} where title = 'Thing 1'")
        assert keyed.push(way).to_monday.updated == 1
    assert keyed.shown("text") == ["given back", "note 2"]
    at_rest(keyed)


@pytest.mark.parametrize("way", ["push", "both"])
def test_keys_that_sql_hands_on_or_swaps_go_to_the_board(keyed: Bench, way: str) -> None:
    keyed.sql("update things set note = 'note 3' where title = 'Thing 1'")
    keyed.sql("update things set note = 'note 1' where title = 'Thing 2'")
    keyed.push(way)
    assert keyed.shown("text") == ["note 1", "note 3"]
    at_rest(keyed)
    keyed.sql("update things set note = case note when 'note 1' then 'note 3' else 'note 1' end")
    assert keyed.push(way).to_monday.updated == 2
    at_rest(keyed)


@pytest.mark.parametrize("way", ["push", "both"])
def test_a_row_that_another_one_with_its_key_replaces_takes_its_item_along(keyed: Bench, way: str) -> None:
    with keyed.db.transaction(tool=False) as tx:
        tx.execute("delete from things where title = 'Thing 1'")
        tx.execute("insert into things (title, note) values ('Another', 'note 1')")
    keyed.push(way)
    assert sorted(keyed.shown("name")) == ["Another", "Thing 2"]
    at_rest(keyed)


def test_a_row_without_a_key_becomes_an_item_that_follows_it(keyed: Bench) -> None:
    keyed.sql("insert into things (title) values ('Without')")
    keyed.push()
    keyed.sql("update things set title = 'Still without' where title = 'Without'")
    keyed.push()
    assert "Still without" in keyed.shown("name")
    assert {link["sync_status"] for link in keyed.links()} == {"synced"}


# What monday.com refuses


def test_a_value_that_is_refused_costs_its_field_only(bench: Bench) -> None:
    bench.insert(3)
    bench.push()
    bench.sql("update things set note = 'new', state = 'No such label' where title = 'Thing 2'")
    report = bench.push()
    assert (report.errors, report.exit_code) == (1, 3)
    assert bench.shown("text") == ["new", "note 1", "note 3"]
    (log,) = bench.sql("select message from sync_logs where operation = 'push' and status = 'error'")
    assert log["message"].startswith("state: ")
    (link,) = [one for one in bench.links() if one["next_try_at"]]
    assert (link["attempts"], link["sync_status"]) == (1, "error")


def test_what_was_refused_is_tried_again_after_growing_pauses_and_set_aside_in_the_end(bench: Bench) -> None:
    bench.insert(1, state="'No such label'")
    pauses = []
    for attempt in range(1, 9):
        report = bench.push()
        (link,) = bench.links()
        assert link["attempts"] == attempt
        assert bench.push().to_monday.updated == 0, "not before its time"
        assert bench.links()[0]["attempts"] == attempt
        if link["next_try_at"]:
            pauses.append(round((link["next_try_at"] - link["updated_at"]).total_seconds() / 60))
        bench.retry()
    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    assert (report.set_aside, bench.links()[0]["sync_status"]) == (1, "set_aside")
    bench.sandbox.admin("labels/add", board_id=bench.board, column_id="status", label_id=9, name="No such label")
    bench.sql("update things set note = 'and on'")
    assert bench.push().errors == 0
    assert (bench.links()[0]["attempts"], bench.shown("status")) == (0, ["No such label"])


@pytest.mark.parametrize("first", ["an item", "a row"])
def test_whoever_edits_a_row_does_not_wait_for_the_pause_of_what_was_refused_before(bench: Bench, first: str) -> None:
    if first == "an item":
        bench.insert(1)
        bench.push()
        bench.sql("update things set state = 'No such label'")
    else:
        bench.insert(1, state="'No such label'")
    assert bench.push().errors == 1
    bench.sql("update things set note = 'another field'")
    assert bench.push().errors == 1, "it is refused again"
    assert bench.shown("text") == ["another field"]
    assert bench.links()[0]["attempts"] == 2
    assert bench.push().to_monday.updated == 0, "and pauses again"
    bench.sql("update things set state = 'Done'")
    assert bench.push().errors == 0
    bench.must_be_equal()


def test_a_row_with_a_refused_value_becomes_an_item_all_the_same(bench: Bench) -> None:
    bench.insert(2, state="case when i = 1 then 'No such label' end")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (2, 1)
    assert bench.shown("text") == ["note 1", "note 2"]
    bench.sql("update things set state = null")
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_labels_are_made_when_the_mapping_says_so_and_only_in_that_column(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    mapping = things_with("""
  - {column: name, field: title}
  - {column: status, field: state, create_labels: true}
  - {column: other, field: note}
""")
    with bench_of(db, database_url, tmp_path, mapping) as bench:
        other = {"id": "other", "title": "Other", "type": "status", "labels": ["Known"]}
        bench.sandbox.admin("columns/add", board_id=bench.board, **other)
        bench.insert(3, note="case when i = 1 then 'Mistyped' else 'Known' end", state="'Made ' || mod(i, 2)")
        report = bench.push()
        assert (report.to_monday.created, report.errors) == (3, 1)
        bench.sql("update things set note = 'Mistyped too', state = 'Made later' where title = 'Thing 2'")
        assert bench.push().errors == 2, "the new one, and the one that pauses"
        assert bench.shown("status") == ["Made 1", "Made 1", "Made later"]
        assert bench.shown("other") == ["", "Known", "Known"]
        labels = next(one for one in bench.monday.board(bench.board).columns if one.id == "other").settings
        assert "Mistyped" not in str(labels)


def test_a_name_that_is_too_long_is_cut_on_the_board_and_whole_in_its_row(bench: Bench) -> None:
    bench.insert(1, title="repeat('n', 300)")
    assert bench.push().errors == 1
    bench.push("both")
    assert bench.shown("name") == ["n" * 255]
    assert bench.sql("select length(title) as n from things")[0]["n"] == 300
    bench.sql("update things set title = 'short'")
    bench.retry()
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("title", ["null", "''", "'   '"])
def test_a_row_without_a_name_becomes_an_item_that_has_one(bench: Bench, title: str) -> None:
    bench.insert(1, title=title)
    assert bench.push().to_monday.created == 1
    assert bench.shown("name")[0].startswith("thing ")
    bench.writes()
    bench.push()
    assert bench.writes() == 0


def test_a_name_cannot_be_cleared(bench: Bench) -> None:
    bench.insert(1)
    bench.push()
    bench.sql("update things set title = null, note = 'kept'")
    assert bench.push().errors == 1
    assert (bench.shown("name"), bench.shown("text")) == (["Thing 1"], ["kept"])


# Addresses


@pytest.fixture
def places(db: Database, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    mapping = things_with("""
  - {column: name, field: title}
  - {column: text, fields: [street, city, state, zip, country], transform: address_parts}
""")
    table = (
        "create table things (id uuid primary key default gen_random_uuid(), monday_id text, title text, street text,"
        " city text, state text, zip text, country text, archived_at timestamptz,"
        " created_at timestamptz not null default now(), updated_at timestamptz default now())"
    )
    with bench_of(db, database_url, tmp_path, mapping, table) as one:
        one.install_triggers()
        yield one


@pytest.mark.parametrize("street, city, zip, country, line", [
    ("Hauptstr. 1", "München", "80331", "Germany", "Hauptstr. 1, München, 80331, Germany"),
    (None, "Dallas", None, None, "Dallas"),
    ("5 Elm St", "Paris", None, "France", "5 Elm St, Paris, France"),
])  # fmt: skip
def test_parts_whose_line_cannot_be_taken_apart_again_stay_as_they_are(
    places: Bench, street: str | None, city: str, zip: str | None, country: str | None, line: str
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
def objects(db: Database, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    mapping = things_with("""
  - {column: name, field: title}
  - {columns: [text, city, state, zip], field: about.address, transform: address_object}
""")
    table = (
        "create table things (id uuid primary key default gen_random_uuid(), monday_id text, title text, about jsonb,"
        " archived_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz default now())"
    )
    with bench_of(db, database_url, tmp_path, mapping, table) as one:
        for column in ("city", "state", "zip"):
            one.sandbox.admin("columns/add", board_id=one.board, id=column, title=column.upper(), type="text")
        one.install_triggers()
        yield one


AUSTIN = {"street": "1 A St", "city": "Austin", "state": "TX", "zip": "78701", "county": "Travis", "gate": {"code": 7}}


def test_an_object_keeps_what_no_cell_shows(objects: Bench) -> None:
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
    assert [bench.shown(column) for column in ("text", "city", "state", "zip")] == [[line], ["Austin"], ["TX"], ["78701"]]
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


# Read-only fields


@pytest.mark.parametrize("policy, errors, note", [("error", 0, "sql"), ("ignore", 0, "sql"), ("revert", 0, "board")])
def test_a_read_only_field_follows_its_policy(
    db: Database, database_url: str, tmp_path: Path, policy: str, errors: int, note: str
) -> None:
    mapping = things_with(f"""
  - {{column: name, field: title}}
  - {{column: text, field: note, read_only: {policy}}}
""")
    with bench_of(db, database_url, tmp_path, mapping) as bench:
        bench.install_triggers()
        bench.insert(1, note="null")
        bench.push("both")
        bench.sandbox.admin("items/change", item_id=bench.items()[0]["id"], values={"text": "board"})
        bench.push("both")
        bench.sql("update things set note = 'sql'")
        bench.writes()
        report = bench.push("both")
        assert (bench.writes(), report.errors) == (0, errors)
        assert (bench.shown("text"), bench.sql("select note from things")[0]["note"]) == (["board"], note)
        refused = bench.sql("select * from sync_logs where operation = 'push' and status = 'warning'")
        assert bool(refused) is (policy == "error")


def test_a_read_only_value_of_a_new_row_is_not_taken_from_it(db: Database, database_url: str, tmp_path: Path) -> None:
    mapping = things_with("  - {column: name, field: title}\n  - {column: text, field: note, read_only: error}\n")
    with bench_of(db, database_url, tmp_path, mapping) as bench:
        bench.install_triggers()
        bench.insert(1)
        bench.push("both")
        bench.push("both")
        assert (bench.shown("text"), bench.sql("select note from things")[0]["note"]) == ([""], "note 1")


# Trouble on the way


def test_what_was_answered_before_the_daily_limit_is_taken_in_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.insert(60)
    bench.sandbox.admin(
        "faults/add", kind="error", code="DAILY_LIMIT_EXCEEDED", message="Daily limit exceeded", http=429, status=429,
        match={"field": "create_item", "nth": 2}, count=1,
    )  # fmt: skip
    with pytest.raises(DailyLimitReached):
        bench.push()
    assert len(bench.items()) == 25
    assert len([link for link in bench.links() if link["monday_id"]]) == 25
    bench.connect()  # the next day
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("fault", [
    {"kind": "html_502"}, {"kind": "html_504", "applied": True}, {"kind": "lost_answer"}, {"kind": "cut"},
    {"kind": "error", "code": "COMPLEXITY_BUDGET_EXHAUSTED", "message": "Complexity", "status": 429, "retry_in_seconds": 7},
    {"kind": "error", "code": "", "message": "Resource is currently locked", "http": 423, "status": 423},
    {"kind": "error", "code": "RATE_LIMIT_EXCEEDED", "message": "Minute limit rate exceeded", "http": 429, "status": 429},
], ids=lambda fault: fault["code"] if fault.get("code") else fault["kind"])  # fmt: skip
def test_one_failure_on_the_way_changes_nothing_about_the_outcome(bench: Bench, fault: dict[str, Any]) -> None:
    bench.insert(50)
    bench.sandbox.admin("faults/add", **fault, match={"operation": "mutation", "nth": 2})
    bench.push()
    bench.sandbox.admin("faults/add", **fault, match={"operation": "mutation"})
    bench.sql("update things set note = 'edited'")
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("rows", [1, 60])
def test_a_column_that_the_token_may_not_edit_costs_its_field_only(bench: Bench, rows: int) -> None:
    bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id="status")
    bench.insert(rows, state="'Done'")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (rows, rows)
    bench.sql("update things set note = 'edited', state = 'Stuck'")
    bench.retry()
    report = bench.push()
    assert (report.to_monday.updated, report.errors) == (rows, rows)
    assert bench.shown("text") == ["edited"] * rows
    bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id="status", restricted=False)
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_token_that_may_not_write_at_all_is_told_at_once(bench: Bench) -> None:
    bench.insert(60)
    bench.push()
    bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id="status")
    bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id="text")
    bench.writes()
    bench.sql("update things set note = 'edited', state = 'Stuck'")
    with pytest.raises(MondayRefused):
        bench.push()
    assert bench.writes() <= 4


def test_a_change_whose_answer_never_comes_is_kept(bench: Bench) -> None:
    bench.insert(1)
    bench.push()
    bench.sql("update things set note = 'edited'")
    bench.sandbox.admin("faults/add", kind="json_500", match={"field": "change_multiple_column_values"}, count=40)
    bench.push()
    assert bench.links()[0]["next_try_at"] is not None
    bench.sandbox.admin("faults/clear")
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_change_of_a_row_whose_item_is_gone_is_kept_and_shown(bench: Bench) -> None:
    bench.insert(2)
    bench.push()
    item = bench.items()[0]
    bench.sandbox.admin("items/archive", item_id=item["id"])
    bench.sql("update things set note = 'edited'")
    report = bench.push()
    assert (report.errors, report.to_monday.updated) == (1, 1)
    (link,) = [one for one in bench.links() if one["monday_id"] == item["id"]]
    assert "not on the board" in link["last_error"]
    bench.sandbox.admin("items/restore", item_id=item["id"])
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_full_board_takes_what_it_can_and_the_rest_waits(bench: Bench) -> None:
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=30)
    bench.insert(60)
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (30, 30)
    assert len(bench.items()) == 30
    assert len([link for link in bench.links() if link["next_try_at"]]) == 30
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=100)
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_retry_that_is_cut_off_is_not_forgotten(bench: Bench) -> None:
    bench.insert(1, state="'No such label'")
    bench.push()
    bench.sandbox.admin("labels/add", board_id=bench.board, column_id="status", label_id=9, name="No such label")
    bench.retry()
    bench.kill_at("ChangeItems", 1)
    bench.push()
    bench.must_be_equal()


# What it costs


def test_new_rows_go_through_the_import_and_its_answers_are_read_a_page_at_a_time(bench: Bench) -> None:
    bench.insert(1_100)
    before = bench.monday.stats.calls
    assert bench.push().to_monday.created == 1_100
    # The board, the job, its state twice, and three pages.
    assert bench.monday.stats.calls - before <= 8
    bench.must_be_equal()


def test_without_a_sync_id_column_new_rows_go_in_documents_of_25(db: Database, database_url: str, tmp_path: Path) -> None:
    with bench_of(db, database_url, tmp_path, sync_id=False) as bench:
        bench.install_triggers()
        bench.insert(500)
        before = bench.monday.stats.calls
        assert bench.push().to_monday.created == 500
        # The board, whose token it is, and 20 documents.
        assert bench.monday.stats.calls - before <= 22


def test_a_thousand_changes_cost_36_calls(bench: Bench) -> None:
    bench.insert(1_000)
    bench.push()
    bench.sql("update things set note = 'edited ' || title")
    before = bench.monday.stats.calls
    assert bench.push().to_monday.updated == 1_000
    assert bench.monday.stats.calls - before <= 36
    bench.must_be_equal()


def test_fields_of_one_item_travel_in_one_change(bench: Bench) -> None:
    bench.insert(1)
    bench.push()
    bench.sql("update things set title = 'Other', note = 'edited', state = (select null)")
    bench.writes()
    bench.push()
    assert bench.writes() == 1
    assert [text_of(item, "text") for item in bench.items()] == ["edited"]
