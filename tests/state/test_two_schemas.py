"""Runs the tool in two schemas of one database: neither waits for the other, and each hears of what is its own."""

import threading

import pytest

from databases.postgres.names import compose, identifier
from db_connector import Database
from mappings.loader import load_mappings
from state import triggers
from state.schema import init_db
from state.turns import try_turn, working_on

LONG = "a_schema_with_as_long_a_name_as_postgresql_keeps_of_a_name_63__"
THINGS = """
entity: things
entity_type: thing
table: {table}
board: {{id: 7}}
item_name: [title]
fields:
  - {{column: name, field: title}}
"""
TABLE = "create table {name} (id uuid primary key default gen_random_uuid(), title text, archived_at timestamptz)"


@pytest.fixture
def worlds(db, database_url):
    """Makes the tool's tables in two schemas of one database."""
    opened = []

    def make(*schemas: str) -> list[Database]:
        for schema in schemas:
            db.execute_query(compose("create schema {name}", name=identifier(schema)), fetch=False)
            opened.append(Database(database_url, options=f'-csearch_path="{schema}"'))
            init_db(opened[-1])
        return opened

    yield make
    for world in opened:
        world.close()


@pytest.fixture
def things(tmp_path):
    """Loads a mapping of things in a table."""

    def load(table: str):
        (tmp_path / "things.yaml").write_text(THINGS.format(table=table))
        return load_mappings([tmp_path])["things"]

    return load


def heard(db: Database) -> int:
    rows = db.execute_query("select id from sync_outbox")
    assert isinstance(rows, list)
    return len(rows)


@pytest.mark.parametrize("names", [("one", "two"), ("One", "one"), (LONG, LONG[:-1] + "2")])
def test_each_schema_has_turns_of_its_own(worlds, names):
    one, two = worlds(*names)
    with working_on(one, "thing"), two.transaction() as tx:
        assert try_turn(tx, "thing")
    with working_on(one, "thing"), one.transaction() as tx:
        assert not try_turn(tx, "thing")
    with one.try_lock("scheduled:a") as mine, two.try_lock("scheduled:a") as theirs:
        assert (mine, theirs) == (True, True)


def test_a_turn_is_one_under_two_search_paths_that_find_the_same_tables(worlds, database_url):
    (one,) = worlds("one")
    other = Database(database_url, options="-csearch_path=before_it,one")
    with other.transaction() as tx:
        tx.execute("create schema before_it")
    with working_on(one, "thing"), other.transaction() as tx:
        assert not try_turn(tx, "thing")
    other.close()


@pytest.mark.parametrize("names", [("one", "two"), (LONG, LONG[:-1] + "2")])
def test_a_change_wakes_the_listener_of_its_own_schema(worlds, things, names):
    one, two = worlds(*names)
    for db in (one, two):
        with db.transaction() as tx:
            tx.execute(compose(TABLE, name=identifier("things")))
            triggers.install(tx, [things("things")])
    listeners = [db.listen(triggers.channel(db), timeout_s=0.2) for db in (one, two)]
    assert [next(listener) for listener in listeners] == [None, None]
    two.execute_query("insert into things (title) values ('new')", fetch=False)
    assert [next(listener) for listener in listeners] == [None, "things"]
    assert (heard(one), heard(two)) == (0, 1)


def test_two_schemas_that_watch_one_table_both_hear_of_it(worlds, things, db):
    one, two = worlds("one", "two")
    db.execute_query(compose(TABLE, name=identifier("public", "things")), fetch=False)
    for world in (one, two, one):
        with world.transaction() as tx:
            triggers.install(tx, [things("public.things")])
            assert triggers.installed(tx, things("public.things"))
    db.execute_query("insert into public.things (title) values ('new')", fetch=False)
    assert (heard(one), heard(two)) == (1, 1)
    # what the tool writes for one is news for the other
    with one.transaction() as tx:
        tx.execute("update public.things set title = 'newer'")
    assert (heard(one), heard(two)) == (1, 2)


def test_a_table_that_another_schema_watches_does_not_count_as_watched(worlds, things, db):
    one, two = worlds("one", "two")
    db.execute_query(compose(TABLE, name=identifier("public", "things")), fetch=False)
    with one.transaction() as tx:
        triggers.install(tx, [things("public.things")])
    with two.transaction() as tx:
        assert not triggers.installed(tx, things("public.things"))


def test_two_schemas_are_made_at_once(worlds, database_url):
    (one,) = worlds("one")
    with one.transaction() as tx:
        tx.execute("select pg_advisory_xact_lock(hashtextextended('monday-sync:one:schema', 0))")
        made = threading.Thread(target=worlds, args=("two",))
        made.start()
        made.join(20)
        assert not made.is_alive()
