"""Hears of changes by writers that fire no ordinary trigger: replicas, and writers of a part of a table."""

from __future__ import annotations

import logging
import uuid

import pytest

from databases.postgres.names import compose, identifier
from db_connector import Database
from mappings.loader import load_mappings
from state import triggers

THINGS = """
entity: things
entity_type: thing
table: things
board: {id: 7}
item_name: [title]
fields:
  - {column: name, field: title}
  - {column: text, field: note}
"""
COLUMNS = "id int not null, title text, note text, other text, archived_at timestamptz"
TABLES = {
    "a table": [f"create table things ({COLUMNS}, primary key (id))"],
    "partitions": [
        f"create table things ({COLUMNS}, primary key (id)) partition by range (id)",
        "create table low partition of things for values from (0) to (100)",
        "create table high partition of things for values from (100) to (1000) partition by range (id)",
        "create table highest partition of high for values from (500) to (1000)",
        "create table highish (note text, id int not null, title text, other text, archived_at timestamptz, extra int)",
        "alter table highish drop extra",
        "alter table high attach partition highish for values from (100) to (500)",
    ],
    "children": [
        f"create table things ({COLUMNS}, primary key (id))",
        "create table low (extra int) inherits (things)",
        "create table highest () inherits (low)",
    ],
}


@pytest.fixture
def mapping(tmp_path):
    (tmp_path / "things.yaml").write_text(THINGS)
    return load_mappings([tmp_path])["things"]


def make(db: Database, shape: str) -> None:
    with db.transaction() as tx:
        for statement in TABLES[shape]:
            tx.execute(statement)


def install(db, mapping):
    with db.transaction() as tx:
        triggers.install(tx, [mapping])
        assert triggers.installed(tx, mapping)


def heard(db: Database, statement: str, replica: bool = False) -> list[tuple[str, str]]:
    """Returns what was noted of a statement, and forgets it."""
    with db.transaction(tool=False) as tx:
        if replica:
            tx.execute("set local session_replication_role = replica")
        tx.execute(statement)
    with db.transaction() as tx:
        return sorted(tx.rows("with gone as (delete from sync_outbox returning *) select row_id, operation from gone"))


WRITES = [
    ("insert into {t} (id, title) values (510, 'a'), (511, 'b')", [("510", "insert"), ("511", "insert")]),
    ("update {t} set note = 'new' where id = 510", [("510", "update")]),
    ("update {t} set other = 'unmapped'", []),
    ("update {t} set note = note", []),
    ("update {t} set id = 512 where id = 511", [("511", "delete"), ("512", "insert")]),
    ("delete from {t} where id = 510", [("510", "delete")]),
]


@pytest.mark.parametrize("replica", [False, True], ids=["origin", "replica"])
@pytest.mark.parametrize(
    ("shape", "written"),
    [
        ("a table", "things"),
        ("partitions", "things"),
        ("partitions", "high"),
        ("partitions", "highest"),
        ("children", "highest"),
        ("children", "things"),
    ],
)
def test_every_writer_is_heard_once_by_whichever_name_it_writes(db, mapping, shape, written, replica):
    make(db, shape)
    install(db, mapping)
    for statement, expected in WRITES:
        assert heard(db, statement.format(t=written), replica) == expected, statement


@pytest.mark.parametrize("replica", [False, True], ids=["origin", "replica"])
def test_a_table_emptied_by_a_replica_notes_every_record_with_an_item(db, mapping, replica):
    make(db, "a table")
    install(db, mapping)
    link = "insert into sync_mapping (monday_id, entity_id, entity_type) values ('9', '1', 'thing')"
    db.execute_query(link, fetch=False)
    assert heard(db, "truncate things", replica) == [("1", "delete")]


def test_what_a_replica_changes_after_a_column_was_renamed_is_noted(db, mapping):
    make(db, "a table")
    install(db, mapping)
    heard(db, "insert into things (id, title) values (1, 'a'), (2, 'b')")
    heard(db, "alter table things rename note to notes")
    assert heard(db, "update things set title = 'c' where id = 1", replica=True) == [("1", "update")]
    assert heard(db, "delete from things where id = 1", replica=True) == [("1", "delete")]


def test_the_tools_own_writes_are_not_heard_in_a_session_that_is_a_replica(db, mapping):
    make(db, "a table")
    install(db, mapping)
    with db.transaction() as tx:
        tx.execute("set local session_replication_role = replica")
        tx.execute("insert into things (id, title) values (1, 'a')")
    assert heard(db, "select 1") == []


def test_an_outbox_that_is_replicated_itself_gets_no_second_entry(db, mapping):
    make(db, "a table")
    install(db, mapping)
    slotless = "connect = false, create_slot = false, slot_name = none, enabled = false"
    with db.autocommit() as session:
        session.execute(f"create subscription copies connection 'dbname=x' publication p with ({slotless})")
        session.execute(
            "insert into pg_subscription_rel (srsubid, srrelid, srsubstate)"
            " select oid, 'sync_outbox'::regclass, 'r' from pg_subscription where subname = 'copies'"
        )
    try:
        assert heard(db, "insert into things (id, title) values (1, 'a')", replica=True) == []
        assert heard(db, "insert into things (id, title) values (2, 'a')") == [("2", "insert")]
    finally:
        db.execute_query("drop subscription copies", fetch=False)


def test_a_partition_made_later_counts_as_unheard_until_it_has_its_triggers(db, mapping):
    make(db, "partitions")
    install(db, mapping)
    db.execute_query("create table later partition of things for values from (1000) to (2000)", fetch=False)
    with db.transaction() as tx:
        assert not triggers.installed(tx, mapping)
    install(db, mapping)
    assert heard(db, "insert into later (id, title) values (1500, 'a')") == [("1500", "insert")]
    assert heard(db, "insert into later (id, title) values (1501, 'a')", replica=True) == [("1501", "insert")]


@pytest.mark.parametrize("operation", ["insert", "update", "delete", "truncate"])
def test_a_trigger_that_is_off_counts_as_none(db, mapping, operation):
    make(db, "a table")
    install(db, mapping)
    db.execute_query(f"alter table things disable trigger monday_sync_{operation}", fetch=False)
    with db.transaction() as tx:
        assert not triggers.installed(tx, mapping)


def test_a_view_is_told_and_compared(db, mapping, caplog):
    db.execute_query(f"create table base ({COLUMNS})", fetch=False)
    db.execute_query("create view things as select * from base", fetch=False)
    caplog.set_level(logging.WARNING, "monday_sync")
    with db.transaction() as tx:
        triggers.install(tx, [mapping])
        assert not triggers.installed(tx, mapping)
    assert "things takes no triggers" in caplog.text


def test_a_role_that_does_not_own_the_table_hears_ordinary_writers_and_is_told(db, database_url, mapping, caplog):
    make(db, "a table")
    role = f"monday_sync_{uuid.uuid4().hex[:8]}"
    db.execute_query(compose("create role {role} login", role=identifier(role)), fetch=False)
    try:
        for right in (
            "trigger, select, insert, update, delete on all tables in schema public to {role}",
            "create, usage on schema public to {role}",
        ):
            db.execute_query(compose(f"grant {right}", role=identifier(role)), fetch=False)
        caplog.set_level(logging.WARNING, "monday_sync")
        other = Database(database_url, user=role)
        install(other, mapping)
        other.close()
        assert "public.things belongs to another role" in caplog.text
        assert heard(db, "insert into things (id, title) values (1, 'a')") == [("1", "insert")]
    finally:
        for statement in ("drop owned by {role} cascade", "drop role {role}"):
            db.execute_query(compose(statement, role=identifier(role)), fetch=False)
