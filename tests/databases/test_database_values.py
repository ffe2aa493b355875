"""Checks that values and names go to PostgreSQL and come back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases.postgres.names import compose, identifier, identifiers, joined, table_name
from db_connector import Database, json_text
from errors import DatabaseUnreachable, RowRejected, SettingsError
from tests.kit.kinds import EVERY_KIND


@pytest.mark.parametrize("way", ["copy_in", "bulk"])
def test_every_kind_of_value_comes_back_as_it_was_written(kinds: Database, way: str) -> None:
    rows = [tuple(EVERY_KIND.values()), tuple(None for _ in EVERY_KIND)]
    with kinds.transaction() as tx:
        if way == "copy_in":
            kept: list[int] = []
            tx.copy_in("kinds", list(EVERY_KIND), rows, kept.append)
            assert kept == [2]
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
        kept: list[int] = []
        tx.copy_in("words", ["id", "word"], ((number, str(number)) for number in range(2_500)), kept.append)
        assert tx.row("select count(*), sum(id) from words") == (2_500, sum(range(2_500)))
        assert kept == [2_500]


def thousand(since: int = 0) -> list[tuple[int, str]]:
    return [(number, str(number)) for number in range(since, since + 1_000)]


MANY = thousand()


def test_rows_are_copied_while_the_caller_goes_on_and_stand_there_for_the_next_statement(kinds: Database) -> None:
    with kinds.transaction() as tx:
        tx.copy_in("words", ["id", "word"], MANY)
        tx.copy_in("words", ["id", "word"], thousand(1_000))
        assert tx.value("select count(*) from words") == 2_000
    with kinds.transaction() as tx:
        tx.copy_in("words", ["id", "word"], thousand(2_000))
    assert kinds.execute_query("select count(*)::int as n from words") == [{"n": 3_000}]


@pytest.mark.parametrize("then", ["a statement", "a copy", "the end"])
def test_a_row_that_copy_refuses_is_told_by_what_comes_next_and_nothing_is_kept(kinds: Database, then: str) -> None:
    with pytest.raises(RowRejected), kinds.transaction() as tx:
        tx.copy_in("words", ["id", "word"], [*MANY, (1_001, "a\0b")])
        if then == "a statement":
            tx.execute("select 1")
        if then == "a copy":
            tx.copy_in("words", ["id", "word"], MANY)
    with kinds.transaction() as tx:
        assert tx.value("select count(*) from words") == 0


def test_an_error_of_the_caller_meanwhile_undoes_the_copy_and_leaves_the_connection_usable(kinds: Database) -> None:
    for rows in (MANY, [*MANY, (1_001, "a\0b")]):
        with pytest.raises(ZeroDivisionError), kinds.transaction() as tx:
            tx.copy_in("words", ["id", "word"], rows)
            raise ZeroDivisionError
        assert kinds.execute_query("select count(*)::int as n from words") == [{"n": 0}]


def test_a_refused_copy_within_a_savepoint_undoes_no_more_than_the_savepoint(kinds: Database) -> None:
    with kinds.transaction() as tx:
        tx.copy_in("words", ["id", "word"], MANY)
        with pytest.raises(RowRejected), tx.savepoint():
            tx.copy_in("words", ["id", "word"], [*thousand(1_000), (2_001, "a\0b")])
        assert tx.value("select count(*) from words") == 1_000


def test_a_check_that_refuses_the_number_of_kept_rows_undoes_them(kinds: Database) -> None:
    def refuse(kept: int) -> None:
        raise RowRejected(f"{kept} rows")

    with pytest.raises(RowRejected, match="1000 rows"), kinds.transaction() as tx:
        tx.copy_in("words", ["id", "word"], MANY, refuse)
    assert kinds.execute_query("select count(*)::int as n from words") == [{"n": 0}]


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
        ("interval '26 hours'", "26:00:00"),
        ("interval '1 month'", "1 mon"),
        ("interval '-1 day'", "-1 days"),
        ("array[interval '1 month', null]", ["1 mon", None]),
        ("timetz '12:00+05:30'", "12:00:00+05:30"),
        ("timetz '24:00-12'", "24:00:00-12"),
        ("'\\xde00'::bytea", "\\xde00"),
        ("''::bytea", "\\x"),
        ("array['\\xde'::bytea, null]", ["\\xde", None]),
        ("'[1,5)'::int4range", "[1,5)"),
        ("'(,)'::int8range", "(,)"),
        ("'empty'::numrange", "empty"),
        ("'[2026-01-01,infinity)'::daterange", "[2026-01-01,infinity)"),
        ("'[2026-01-01,)'::tstzrange", '["2026-01-01 00:00:00+00",)'),
        ("array['[1,2)'::int4range]", ["[1,2)"]),
        ("'[2:3]={1,null}'::int[]", [1, None]),
        ("'{{a,b},{c,null}}'::text[]", [["a", "b"], ["c", None]]),
        ("'{}'::text[]", []),
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
    ("written", "quoted"),
    [
        ("users", '"users"'),
        ("public.Users", '"public"."Users"'),
        ('boards."Q1.2 ""plan"""', '"boards"."Q1.2 ""plan"""'),
    ],
)
def test_a_table_name_is_split_at_the_dot_outside_quotes(database_url: str, written: str, quoted: str) -> None:
    with closing(psycopg2.connect(database_url)) as connection:
        assert table_name(written).as_string(connection) == quoted


@pytest.mark.parametrize("written", ["", "a.b.c", ".", 'a"b', "a.", '"'])
def test_what_is_no_table_name_is_refused(written: str) -> None:
    with pytest.raises(SettingsError):
        table_name(written)


def test_a_percent_sign_in_plain_sql_needs_no_doubling(db: Database) -> None:
    assert db.execute_query("select 'a%b' like 'a%' as fits") == [{"fits": True}]
