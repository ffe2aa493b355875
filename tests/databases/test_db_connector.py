"""Checks the connector against a real PostgreSQL: transactions, many at once, and what errors tell a user."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from psycopg2.extensions import parse_dsn

from databases.postgres.names import compose, identifier, table_name
from db_connector import Database, Transaction, TransactionConflict, connect
from errors import DatabaseError, DatabaseUnreachable, RowRejected, SchemaMissing, SettingsError, SyncError
from settings import load_settings
from tests.kit.postgres import Postgres


def on_another_connection(database_url: str, statement: str) -> Any:
    other = Database(database_url)
    try:
        with other.autocommit() as session:
            return session.value(statement)
    finally:
        other.close()


# Transactions


def test_what_raises_inside_a_transaction_leaves_no_trace(kinds: Database, database_url: str) -> None:
    with pytest.raises(KeyboardInterrupt), kinds.transaction() as tx:
        tx.execute("insert into words values (1, 'one')")
        raise KeyboardInterrupt
    assert kinds.execute_query("select count(*) as n from words") == [{"n": 0}]
    idle = "select count(*) from pg_stat_activity where state like 'idle in%' and datname = current_database()"
    assert on_another_connection(database_url, idle) == 0


def test_a_transaction_that_is_not_to_be_kept_gives_its_result_and_leaves_no_trace(kinds: Database) -> None:
    def work(tx: Transaction) -> int:
        return tx.execute("insert into words values (1, 'one')")

    assert kinds.run_in_transaction(work, keep=False) == 1
    assert kinds.execute_query("select * from words") == []


def test_a_failure_that_was_swallowed_cannot_pass_for_a_commit(kinds: Database) -> None:
    with pytest.raises(DatabaseError, match="kept nothing"), kinds.transaction() as tx:
        tx.execute("insert into words values (1, 'one')")
        with pytest.raises(RowRejected):
            tx.execute("insert into words values (1, 'again')")
    assert kinds.execute_query("select * from words") == []


def test_a_savepoint_keeps_the_good_rows_beside_the_bad_one(kinds: Database) -> None:
    with kinds.transaction() as tx:
        for number in (1, 2, 2, 3):
            try:
                with tx.savepoint():
                    tx.execute("insert into words values (%s, %s)", (number, f"word {number}"))
            except RowRejected:
                pass
    assert kinds.execute_query("select id from words order by id") == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize(("tool", "origin"), [(True, "tool"), (False, "")])
def test_a_trigger_can_tell_the_tools_own_transactions(db: Database, tool: bool, origin: str) -> None:
    ask = "select coalesce(current_setting('monday_sync.origin', true), '')"
    with db.transaction(tool=tool) as tx:
        assert tx.value(ask) == origin
    with db.transaction(tool=False) as tx:
        assert tx.value(ask) == ""


def test_a_read_only_transaction_refuses_to_write(kinds: Database) -> None:
    with pytest.raises(DatabaseError, match="does not allow writing"), kinds.transaction(read_only=True) as tx:
        tx.execute("insert into words values (1, 'one')")


def test_a_snapshot_does_not_see_what_others_commit_meanwhile(kinds: Database) -> None:
    with kinds.transaction(snapshot=True, read_only=True) as tx:
        assert tx.value("select count(*) from words") == 0
        kinds.execute_query("insert into words values (1, 'one')", fetch=False)
        assert tx.value("select count(*) from words") == 0


def test_a_large_table_streams_in_pages(db: Database) -> None:
    with db.transaction() as tx:
        pages = list(tx.stream("select n, '%' from generate_series(1, 25) n", page=10))
        assert [len(page) for page in pages] == [10, 10, 5]
        again = tx.stream(compose("select n from generate_series(1, %s) {n}", n=identifier("n")), (3,))
        assert list(again) == [[(1,), (2,), (3,)]]


def test_bulk_upserts_and_returns_in_one_statement(kinds: Database) -> None:
    upsert = (
        "insert into {table} as old (id, word) select id, word || %(suffix)s from {rows} "
        "on conflict (id) do update set word = excluded.word where old.word <> excluded.word returning id"
    )
    columns = {"id": "bigint", "word": "text"}
    kinds.execute_query("insert into words values (1, 'one!')", fetch=False)
    with kinds.transaction() as tx:
        before = kinds.statements
        rows = tx.bulk(upsert, columns, [(1, "one"), (2, "two")], {"suffix": "!"}, table=table_name("words"))
        assert rows == [(2,)]
        assert kinds.statements - before == 1
        assert tx.bulk(upsert, columns, [], {"suffix": "!"}, table=table_name("words")) == []


def test_a_query_returns_rows_by_name_or_a_count(kinds: Database) -> None:
    assert kinds.execute_query("insert into words values (%s, %s), (2, null)", (1, "one"), fetch=False) == 2
    assert kinds.execute_query("select * from words order by id") == [{"id": 1, "word": "one"}, {"id": 2, "word": None}]
    assert kinds.execute_query("delete from words") == []
    assert kinds.execute_query("select count(*) as n from words") == [{"n": 0}]


def test_sessions_speak_utc_and_tell_their_name(db: Database) -> None:
    shown = "select current_setting('TimeZone'), current_setting('application_name'), current_setting('lock_timeout')"
    with db.transaction() as tx:
        assert tx.row(shown) == ("UTC", "monday-sync", "10s")


# Many at once


def test_threads_share_a_few_connections(kinds: Database, database_url: str) -> None:
    few = Database(database_url, max_connections=3, application_name="few")

    def write(number: int) -> None:
        with few.transaction() as tx:
            tx.execute("insert into words values (%s, %s)", (number, str(number)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert few.execute_query("select count(*) as n from words") == [{"n": 20}]
    opened = "select count(*) as n from pg_stat_activity where application_name = 'few'"
    assert 1 <= kinds.execute_query(opened)[0]["n"] <= 3
    few.close()


def test_a_deadlock_is_tried_again_until_both_are_through(kinds: Database) -> None:
    kinds.execute_query("insert into words values (1, 'a'), (2, 'b')", fetch=False)
    meeting = threading.Barrier(2, timeout=10)
    tries: list[int] = []

    def cross(first: int, second: int) -> None:
        met: list[bool] = []

        def work(tx: Transaction) -> None:
            tries.append(first)
            tx.execute("update words set word = word || 'x' where id = %s", (first,))
            if not met:
                met.append(True)
                meeting.wait()
            tx.execute("update words set word = word || 'y' where id = %s", (second,))

        kinds.run_in_transaction(work)

    threads = [threading.Thread(target=cross, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    with kinds.transaction() as tx:
        assert tx.value("select array_agg(length(word)) from words") == [3, 3]


def test_a_lock_that_stays_is_given_up_after_a_bounded_number_of_tries(kinds: Database, database_url: str) -> None:
    hasty = Database(database_url, lock_timeout_s=0.02)
    tries = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        tx.execute("lock table words")

    with kinds.transaction() as holder:
        holder.execute("lock table words")
        with pytest.raises(TransactionConflict) as caught:
            hasty.run_in_transaction(work, tries=3)
    hasty.close()
    assert len(tries) == 3
    assert "pg_stat_activity" in caught.value.hint


def test_an_advisory_lock_is_held_by_one_at_a_time(db: Database) -> None:
    with db.try_lock("scheduler") as mine, db.try_lock("scheduler") as theirs, db.try_lock("other") as other:
        assert (mine, theirs, other) == (True, False, True)
    with db.try_lock("scheduler") as again:
        assert again


def test_a_notification_wakes_the_listener(db: Database) -> None:
    patient, impatient = db.listen("outbox", timeout_s=600), db.listen("outbox", timeout_s=0.05)
    assert (next(patient), next(impatient)) == (None, None)
    db.execute_query("select pg_notify('outbox', 'row 1'), pg_notify('outbox', 'row 2')")
    assert [next(patient), next(patient)] == ["row 1", "row 2"]
    assert [next(impatient), next(impatient), next(impatient)] == ["row 1", "row 2", None]


def test_a_listener_whose_connection_is_cut_says_so(db: Database) -> None:
    heard = db.listen("outbox", timeout_s=10)
    next(heard)
    listener = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query like 'listen%' and datname = "
    db.execute_query(f"{listener} current_database() and pid <> pg_backend_pid()")
    with pytest.raises(DatabaseUnreachable):
        next(heard)


def test_a_block_that_needs_more_connections_than_there_are_ends_with_an_error(db: Database, database_url: str) -> None:
    narrow = Database(database_url, max_connections=1, wait_s=0.05)
    with narrow.transaction(), pytest.raises(DatabaseError, match="stayed in use"):
        narrow.execute_query("select 1")
    narrow.close()


# What goes wrong


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("insert into words values (1, 'a'), (1, 'b')", RowRejected, "duplicate key"),
        ("insert into words values (null, 'a')", RowRejected, "null value"),
        ("select 'x'::numeric", RowRejected, "invalid input syntax"),
        ("do $$ begin raise exception 'not on sundays'; end $$", RowRejected, "not on sundays"),
        (
            "insert into words values (1, (select string_agg(md5(n::text), '') from generate_series(1, 900) n))",
            RowRejected,
            "index row",
        ),
        ("select * from sync_nowhere", DatabaseError, "sync_nowhere"),
        ("selec 1", DatabaseError, "syntax error"),
        ("select 1/0", RowRejected, "division by zero"),
    ],
)
def test_errors_say_what_postgresql_said(kinds: Database, statement: str, kind: type, words: str) -> None:
    with pytest.raises(SyncError) as caught:
        kinds.execute_query(statement)
    assert type(caught.value) is kind
    assert words in caught.value.message


def test_missing_tables_of_the_tool_point_to_init_db(postgres: Postgres) -> None:
    empty = postgres.database(postgres.connection["dbname"])
    with pytest.raises(SchemaMissing) as caught:
        empty.execute_query("select * from sync_mapping")
    assert caught.value.hint == "run: python main.py init-db"
    assert caught.value.exit_code == 2
    empty.close()


def test_a_read_only_database_says_so(kinds: Database, database_url: str) -> None:
    name = parse_dsn(database_url)["dbname"]
    kinds.execute_query(compose("alter database {name} set default_transaction_read_only = on", name=identifier(name)))
    fresh = Database(database_url)
    with pytest.raises(DatabaseError, match="does not allow writing") as caught:
        fresh.execute_query("insert into words values (1, 'one')", fetch=False)
    fresh.close()
    assert "read-only" in caught.value.hint


def test_a_connection_cut_inside_a_transaction_is_unreachable_and_replaced(kinds: Database, database_url: str) -> None:
    with pytest.raises(DatabaseUnreachable), kinds.transaction() as tx:
        tx.execute("insert into words values (1, 'one')")
        own = tx.value("select pg_backend_pid()")
        on_another_connection(database_url, f"select pg_terminate_backend({own}, 5000)")
        tx.execute("insert into words values (2, 'two')")
    assert kinds.execute_query("select count(*) as n from words") == [{"n": 0}]


def test_connections_that_died_in_the_pool_are_passed_over(kinds: Database, database_url: str) -> None:
    with kinds.transaction() as first, kinds.transaction() as second:
        pids = [tx.value("select pg_backend_pid()") for tx in (first, second)]
    for pid in pids:
        on_another_connection(database_url, f"select pg_terminate_backend({pid}, 5000)")
    with kinds.transaction() as tx:
        assert tx.value("select pg_backend_pid()") not in pids


def test_a_password_never_shows(postgres: Postgres) -> None:
    database = Database("postgresql://someone:s%40crit@127.0.0.1:9/nowhere")
    with pytest.raises(DatabaseUnreachable) as caught:
        database.execute_query("select 1")
    shown = f"{database!r} {caught.value.message} {caught.value.hint} {caught.value.__cause__!r}"
    assert "crit" not in shown
    assert "127.0.0.1:9/nowhere" in shown
    assert "start PostgreSQL" in caught.value.hint


@pytest.mark.parametrize("dsn", ["postgresql://u:secret%zz@h/d", "host=h secret", "postgresql://u:p@h:port/secret"])
def test_an_address_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database(dsn)
    assert "secret" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__!r}"


def test_a_database_that_does_not_exist_is_named(postgres: Postgres) -> None:
    with pytest.raises(DatabaseUnreachable, match="nowhere") as caught:
        postgres.database("nowhere").execute_query("select 1")
    assert "createdb" in caught.value.hint


def test_a_database_by_url_is_that_database(database_url: str) -> None:
    database = connect(load_settings({"DATABASE_URL": database_url}))
    found = database.execute_query("select 'dbname=' || current_database() as name")
    assert isinstance(found, list)
    assert found[0]["name"] in database_url
    database.close()
