"""The door to PostgreSQL, against a real one: values both ways, transactions, errors and what they tell a person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases.postgres.names import compose, identifier, identifiers, joined, table_name
from db_connector import Database, Transaction, TransactionConflict, connect, json_text
from errors import DatabaseError, DatabaseUnreachable, RowRejected, SchemaMissing, SettingsError, SyncError
from settings import load_settings
from tests.conftest import Postgres

NOON = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)
EVERY_KIND = {
    "text": "a\tb\\c\nd\re\"f'g{h},i NULL \\N é 🙂",
    "integer": -5,
    "bigint": 9_223_372_036_854_775_807,
    "numeric": Decimal("12345678901234567890.123456789012345678901"),
    "boolean": False,
    "date": date(2026, 2, 28),
    "time": time(23, 59, 59),
    "timestamptz": NOON,
    "text[]": ["a", "", None, 'q"\\,{}', "NULL"],
    "jsonb": {"n": Decimal("0.10"), "big": 10**30, "list": [1, None, "x"]},
    "uuid": "6b3f2a52-0f0e-4c5e-9d2e-0d6d3f0f5a11",
}


@pytest.fixture
def kinds(db: Database) -> Database:
    """A database with a table of every kind, its columns named by their types."""
    with db.transaction() as tx:
        columns = ", ".join(f'"{kind}" {kind}' for kind in EVERY_KIND)
        tx.execute(f"create table kinds ({columns})")
        tx.execute("create table words (id bigint primary key, word text unique)")
    return db


def on_another_connection(database_url: str, statement: str) -> Any:
    other = Database(database_url)
    try:
        with other.autocommit() as session:
            return session.value(statement)
    finally:
        other.close()


# Values


@pytest.mark.parametrize("way", ["copy_in", "bulk"])
def test_every_kind_of_value_comes_back_as_it_was_written(kinds: Database, way: str) -> None:
    rows = [tuple(EVERY_KIND.values()), tuple(None for _ in EVERY_KIND)]
    with kinds.transaction() as tx:
        if way == "copy_in":
            assert tx.copy_in("kinds", list(EVERY_KIND), rows) == 2
        else:
            names = {kind: kind for kind in EVERY_KIND}
            tx.bulk("insert into kinds select * from {rows}", names, rows)
            assert tx.rowcount == 2
        assert tx.rows("select * from kinds") == rows


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.none() | texts, st.lists(st.none() | texts, max_size=3), texts), min_size=1))
def test_any_text_survives_copy_and_bulk(db: Database, rows: list[tuple[Any, ...]]) -> None:
    columns = {"a": "text", "b": "text[]", "j": "jsonb"}
    given_rows = [(a, b, json_text(j)) for a, b, j in rows]
    with db.transaction() as tx:
        tx.execute("create temp table t (a text, b text[], j jsonb) on commit drop")
        tx.copy_in("t", list(columns), given_rows)
        assert tx.rows("select a, b, j from t") == rows
        assert tx.bulk("select a, b, j from {rows}", columns, given_rows) == rows


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_a_text_that_postgresql_cannot_store_is_a_rejected_row(kinds: Database, text: str) -> None:
    with kinds.transaction() as tx:
        for attempt in (
            lambda: tx.copy_in("words", ["id", "word"], [(1, text)]),
            lambda: tx.bulk("insert into words select * from {rows}", {"id": "bigint", "word": "text"}, [(1, text)]),
            lambda: tx.execute("insert into words values (1, %s)", (text,)),
            lambda: tx.execute("select %s::jsonb", (json_text([text]),)),
        ):
            with pytest.raises(RowRejected), tx.savepoint():
                attempt()
        assert tx.value("select count(*) from words") == 0


def test_an_error_of_the_rows_themselves_passes_through_copy(kinds: Database) -> None:
    def rows() -> Iterator[tuple[int, str]]:
        yield 1, "one"
        raise DatabaseUnreachable("the page was cut short")

    with pytest.raises(DatabaseUnreachable, match="the page was cut short"):
        with kinds.transaction() as tx:
            tx.copy_in("words", ["id", "word"], rows())
    assert kinds.execute_query("select * from words") == []


def test_copy_takes_more_rows_than_a_chunk_holds(kinds: Database) -> None:
    with kinds.transaction() as tx:
        assert tx.copy_in("words", ["id", "word"], ((number, str(number)) for number in range(2_500))) == 2_500
        assert tx.row("select count(*), sum(id) from words") == (2_500, sum(range(2_500)))


def test_rows_of_unequal_length_are_refused(kinds: Database) -> None:
    with pytest.raises(ValueError, match="zip"), kinds.transaction() as tx:
        tx.copy_in("words", ["id", "word"], [(1, "one"), (2,)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("date 'infinity'", "infinity"),
        ("date '-infinity'", "-infinity"),
        ("date '0044-03-15 BC'", "0044-03-15 BC"),
        ("date '12026-01-01'", "12026-01-01"),
        ("timestamptz 'infinity'", "infinity"),
        ("timestamp '10000-01-01 00:00'", "10000-01-01 00:00:00"),
        ("time '24:00'", "24:00:00"),
        ("array[date '2026-01-01', 'infinity']", [date(2026, 1, 1), "infinity"]),
        ("timestamptz '2026-07-01 14:00+02'", datetime(2026, 7, 1, 12, tzinfo=timezone.utc)),
        ("interval '26 hours'", timedelta(hours=26)),
        ("interval '3000000 years'", "3000000 years"),
        ("array['6b3f2a52-0f0e-4c5e-9d2e-0d6d3f0f5a11'::uuid]", ["6b3f2a52-0f0e-4c5e-9d2e-0d6d3f0f5a11"]),
        ("numeric '0.10'", Decimal("0.10")),
        ("jsonb '[0.10, 1e2, 18446744073709551616]'", [Decimal("0.10"), 100, 2**64]),
        ("json '{\"a\": 1.50}'", {"a": Decimal("1.50")}),
        ("null::jsonb", None),
    ],
)
def test_what_postgresql_holds_is_read_without_loss(db: Database, expression: str, value: Any) -> None:
    with db.transaction() as tx:
        found = tx.value(f"select {expression}")
    assert (found, str(found)) == (value, str(value))


def test_a_number_of_many_thousand_digits_is_read(db: Database) -> None:
    with db.transaction() as tx:
        assert tx.value("select ('[' || repeat('9', 5000) || ']')::jsonb") == [Decimal("9" * 5000)]


def test_json_keeps_every_digit() -> None:
    assert json_text({"a": Decimal("1.10"), "b": 10**25, "c": [True, None]}) == (
        '{"a":1.10,"b":10000000000000000000000000,"c":[true,null]}'
    )
    with pytest.raises(RowRejected):
        json_text(Decimal("NaN"))


# Names


@pytest.mark.parametrize("name", ["plain", "Done (100%)", '%s "quoted" {brace}', "a.b", "Ümläut 🙂", "%(x)s"])
def test_a_name_may_hold_any_character(db: Database, name: str) -> None:
    table = identifier("public", name)
    with db.transaction() as tx:
        tx.execute(compose("create table {table} ({column} text)", table=table, column=identifier(name)))
        tx.copy_in(table, [name], [("copied",)])
        insert = "insert into {table} ({names}) select {names} from {rows}"
        tx.bulk(insert, {name: "text"}, [("bulk",)], table=table, names=identifiers([name]))
        statement = compose("select {column} from {table} where {column} <> %s", table=table, column=identifier(name))
        assert tx.rows(statement, ("bulk",)) == [("copied",)]
        like = "select {column} from {table} where {column} like 'b%%'"
        assert tx.rows(compose(like, table=table, column=identifier(name))) == [("bulk",)]


def test_pieces_of_a_statement_are_joined(db: Database) -> None:
    both = joined(" and ", [compose("{c} like '%%'", c=identifier("a%")), compose("{c} = %s", c=identifier("b"))])
    text = "select count(*) from (values ('x', 1)) as t ({names}) where {both}"
    statement = compose(text, names=identifiers(["a%", "b"]), both=both)
    with db.transaction() as tx:
        assert tx.value(statement, (1,)) == 1


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("users", ["users"]),
        ("public.Users", ["public", "Users"]),
        ('boards."Q1.2 ""plan"""', ["boards", 'Q1.2 "plan"']),
    ],
)
def test_a_table_name_is_split_at_the_dot_outside_quotes(written: str, names: list[str]) -> None:
    assert table_name(written) == identifier(*names)


@pytest.mark.parametrize("written", ["", "a.b.c", ".", 'a"b', "a.", '"'])
def test_what_is_no_table_name_is_refused(written: str) -> None:
    with pytest.raises(SettingsError):
        table_name(written)


def test_a_percent_sign_in_plain_sql_needs_no_doubling(db: Database) -> None:
    assert db.execute_query("select 'a%b' like 'a%' as fits") == [{"fits": True}]


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
    with kinds.transaction() as tx:
        assert tx.value("select count(*) from pg_stat_activity where application_name = 'few'") <= 3
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


def test_a_block_that_needs_more_connections_than_there_are_ends_with_an_error(database_url: str) -> None:
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
        ("insert into words values (1, (select string_agg(md5(n::text), '') from generate_series(1, 900) n))",
         RowRejected, "index row"),
        ("select * from sync_nowhere", DatabaseError, "sync_nowhere"),
        ("selec 1", DatabaseError, "syntax error"),
        ("select 1/0", RowRejected, "division by zero"),
    ],
)  # fmt: skip
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
    with kinds.transaction() as tx:
        name = tx.value("select current_database()")
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
    with kinds.transaction() as one, kinds.transaction() as two:
        pids = [tx.value("select pg_backend_pid()") for tx in (one, two)]
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
