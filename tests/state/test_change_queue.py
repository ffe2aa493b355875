"""Checks what the triggers note of tables of every shape, and that no writer ever fails by them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from db_connector import Database
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from state import triggers
from tests.kit.pushes import TABLE, THINGS
from tests.kit.shipped import PROJECT


@pytest.fixture
def things(tmp_path: Path) -> Mapping:
    (tmp_path / "things.yaml").write_text(THINGS)
    return load_mappings([tmp_path])["things"]


def install(db: Database, *mappings: Mapping) -> None:
    with db.transaction() as tx:
        triggers.install(tx, mappings)


def made(db: Database, table: str, note: str = "text") -> None:
    db.execute_query(TABLE.replace("table things", f"table {table}").replace("note text", f"note {note}"), fetch=False)
    db.execute_query(f"insert into {table} (title) values ('One')", fetch=False)


PROJECTS = load_mappings([PROJECT / "mappings"])["projects"]


def change(db: Database, statement: str) -> None:
    db.execute_query(statement, fetch=False)


def noted(db: Database) -> list[str]:
    return [row["entity_type"] for row in db.execute_query("delete from sync_outbox returning entity_type, id")]


LONG = "a_schema_that_has_a_very_long_name_"


@pytest.mark.parametrize(
    "first, other",
    [
        ("orders.planning", "orders_planning"),
        (LONG + ".planning_2026", LONG + ".planning_2027"),
        ('"Planning"', "planning"),
        ('"plan ning"', '"plan.ning"'),
    ],
)
def test_tables_with_names_that_look_alike_are_watched_each_for_itself(
    db: Database, things: Mapping, first: str, other: str
) -> None:
    change(db, f"create schema orders; create schema {LONG}")
    made(db, first)
    made(db, other)
    change(db, f"alter table {other} rename note to remark")
    remark = {
        name: replace(place, column="remark") if name == "note" else place for name, place in things.places.items()
    }
    install(db, replace(things, table=first), replace(things, entity_type="other", table=other, places=remark))
    change(db, f"update {first} set note = 'new'")
    assert noted(db) == ["thing"]
    change(db, f"update {other} set remark = 'new'")
    assert noted(db) == ["other"]


@pytest.mark.parametrize("kind", ["json", "json[]", "point", "point[]", "polygon"])
def test_columns_whose_values_postgresql_cannot_compare_are_watched(db: Database, things: Mapping, kind: str) -> None:
    values = {
        "json": "'[1]'",
        "json[]": "array['[1]'::json]",
        "point": "'(1,2)'",
        "point[]": "array[point '(1,2)']",
        "polygon": "'((1,2),(3,4))'",
    }
    made(db, "things", note=kind)
    install(db, things)
    change(db, f"update things set note = {values[kind]}")
    assert noted(db) == ["thing"]
    change(db, f"update things set note = {values[kind]}")
    assert noted(db) == []


def test_a_column_that_is_renamed_fails_no_writer_and_everything_is_noted(db: Database, things: Mapping) -> None:
    made(db, "things")
    install(db, things)
    change(db, "alter table things rename note to remark")
    change(db, "update things set remark = 'new'")
    assert noted(db) == ["thing"]
    change(db, "insert into things (title) values ('Two')")
    change(db, "delete from things where title = 'Two'")
    assert noted(db) == ["thing", "thing"]


def test_a_column_may_be_called_like_the_end_of_a_function(db: Database, things: Mapping) -> None:
    made(db, "things")
    odd = "$monday_sync_body$; drop table things; --"
    change(db, f'alter table things rename note to "{odd}"')
    places = {name: replace(place, column=odd) if name == "note" else place for name, place in things.places.items()}
    install(db, replace(things, places=places))
    change(db, f"update things set \"{odd}\" = 'new'")
    assert noted(db) == ["thing"]


def entries(db: Database) -> set[tuple[str, str]]:
    rows = db.execute_query("delete from sync_outbox returning row_id, operation, id")
    return {(row["operation"], row["row_id"]) for row in rows}


def test_a_row_with_another_primary_key_is_another_row(db: Database, things: Mapping) -> None:
    made(db, "things")
    install(db, things)
    old = db.execute_query("select id::text from things")[0]["id"]
    change(db, "update things set id = 'aaaaaaaa-0000-4000-8000-000000000001'")
    assert entries(db) == {("delete", old), ("insert", "aaaaaaaa-0000-4000-8000-000000000001")}


def project(db: Database, title: str) -> str:
    return db.execute_query("insert into projects (title) values (%s) returning id::text", (title,))[0]["id"]


def test_a_row_that_moves_to_another_record_is_news_to_both(db: Database) -> None:
    install(db, PROJECTS)
    first, other = project(db, "One"), project(db, "Other")
    change(db, f"insert into notes (project_id, content) values ('{first}', 'x')")
    entries(db)
    change(db, f"update notes set project_id = '{other}'")
    assert entries(db) == {("update", first), ("update", other)}


def test_a_table_that_is_emptied_is_news_to_every_record_that_has_an_item(db: Database) -> None:
    install(db, PROJECTS)
    row_id = project(db, "One")
    project(db, "without an item")
    change(db, f"insert into sync_mapping (entity_type, entity_id, monday_id) values ('project', '{row_id}', '77')")
    for table in ("notes", "projects cascade"):
        entries(db)
        change(db, f"truncate {table}")
        assert entries(db) == {("delete", row_id)}


# Which columns an update has changed, for each entity that watches them

WIDE = [f"c{n}" for n in range(150)]


def columns_noted(db: Database) -> dict[str, list[tuple[str, list[str] | None]]]:
    """Returns, and deletes, what the queue holds: by entity, the operation and the columns (sorted) of each entry."""
    found = db.execute_query("delete from sync_outbox returning entity_type, operation, columns, id")
    by_entity: dict[str, list[tuple[str, list[str] | None]]] = {}
    for row in sorted(found, key=lambda row: row["id"]):
        columns = row["columns"] and sorted(row["columns"])
        by_entity.setdefault(row["entity_type"], []).append((row["operation"], columns))
    return by_entity


def of_all(thing: Mapping, entity_type: str, columns: list[str]) -> Mapping:
    """Makes the mapping of an entity that shows these columns alone."""
    place = thing.places["note"]
    places = {name: replace(place, column=name) for name in columns}
    return replace(thing, entity_type=entity_type, places=places, only={})


@pytest.fixture
def wide(db: Database, things: Mapping) -> None:
    made(db, "things")
    change(db, "alter table things " + ", ".join(f"add column {name} integer default 0" for name in WIDE))
    shown = {"first": WIDE[:2], "all": WIDE, "last": WIDE[-2:]}
    install(db, *(of_all(things, name, columns) for name, columns in shown.items()))


@pytest.mark.parametrize(
    "changed, expected",
    [
        (["c0"], {"first": ["c0"], "all": ["c0"]}),
        (["c1", "c59", "c60"], {"first": ["c1"], "all": ["c1", "c59", "c60"]}),
        (["c119", "c120"], {"all": ["c119", "c120"]}),
        (["c149"], {"all": ["c149"], "last": ["c149"]}),
        (WIDE, {"first": WIDE[:2], "all": WIDE, "last": WIDE[-2:]}),
    ],
)
def test_each_entity_is_told_which_of_its_own_columns_changed(
    db: Database, wide: None, changed: list[str], expected: dict[str, list[str]]
) -> None:
    change(db, "update things set " + ", ".join(f"{name} = 1" for name in changed))
    assert columns_noted(db) == {name: [("update", sorted(columns))] for name, columns in expected.items()}


def test_a_change_of_a_column_that_nobody_shows_is_noted_for_nobody(db: Database, wide: None) -> None:
    change(db, "update things set note = 'new', c7 = c7")
    assert columns_noted(db) == {}


def test_a_new_primary_key_is_news_to_every_entity_with_no_column_named(db: Database, wide: None) -> None:
    change(db, "update things set id = gen_random_uuid()")
    told = columns_noted(db)
    assert set(told) == {"first", "all", "last"}
    assert all(sorted(entries) == [("delete", None), ("insert", None)] for entries in told.values())


def test_rows_of_one_table_can_be_known_by_another_column_for_each_entity(db: Database, things: Mapping) -> None:
    made(db, "things")
    by_title = replace(of_all(things, "titled", ["note"]), primary_key="title")
    install(db, of_all(things, "thing", ["note"]), by_title)
    change(db, "update things set note = 'new'")
    found = db.execute_query("delete from sync_outbox returning entity_type, row_id, columns")
    own = db.execute_query("select id::text from things")[0]["id"]
    assert sorted((row["entity_type"], row["row_id"], *row["columns"]) for row in found) == [
        ("thing", own, "note"),
        ("titled", "One", "note"),
    ]
    change(db, "update things set title = 'Other'")
    found = db.execute_query("delete from sync_outbox returning entity_type, row_id, operation")
    assert sorted(row["operation"] for row in found if row["entity_type"] == "titled") == ["delete", "insert"]
