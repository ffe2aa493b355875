"""Checks that whatever a column can hold comes to the board right, or is refused at the cost of its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from db_connector import Database
from tests.kit.pushes import PushBench, bench_of, text_of, things_with

EVERYTHING = "7810000303"
TYPES = """
create extension if not exists citext;
create type mood as enum ('ok', 'so so');
create domain counted as integer check (value > 0);
create domain words as text[];
create type pair as (a integer, b text);
"""
TABLE = """
create table things (
    id serial primary key, monday_id text, title text, note text, val {kind}, archived_at timestamptz,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()
)
"""


class Kind(NamedTuple):
    """Holds values of a column: what a cell shows of each, and those that no cell can show."""

    column: str
    sql_type: str
    shown: dict[str, str]
    refused: tuple[str, ...] = ()


KINDS = (
    Kind("text", "varchar(5)", {"'abcde'": "abcde", "''": "", "' '": ""}),
    Kind("text", "char(5)", {"'ab'": "ab"}),
    Kind("text", "citext", {"'ABC'": "ABC"}),
    Kind("text", "integer", {"-2147483648": "-2147483648", "0": "0"}),
    Kind("text", "numeric", {"'NaN'": "NaN", "'Infinity'": "Infinity", "0.10": "0.10"}),
    Kind("text", "double precision", {"'-Infinity'": "-Infinity", "0.1": "0.1", "1e22": "1" + "0" * 22}),
    Kind("text", "boolean", {"true": "true", "false": "false"}),
    Kind("text", "uuid", {"'6B3F2A52-0f0e-4c5e-9d2e-0d6d3f0f5a11'": "6b3f2a52-0f0e-4c5e-9d2e-0d6d3f0f5a11"}),
    Kind("text", "bytea", {r"'\xDE00'": r"\xde00", "''": r"\x"}),
    Kind("text", "bytea[]", {r"array['\xde'::bytea]": r"\xde"}),
    Kind("text", "interval", {"'26 hours'": "26:00:00", "'1 month'": "1 mon", "'-1 day'": "-1 days"}),
    Kind("text", "timetz", {"'12:00+05:30'": "12:00:00+05:30", "'24:00-12'": "24:00:00-12"}),
    Kind("text", "date", {"'infinity'": "infinity", "'0044-03-15 BC'": "0044-03-15 BC"}),
    Kind("text", "timestamptz", {"'infinity'": "infinity", "'12026-01-01'": "12026-01-01 00:00:00+00"}),
    Kind("text", "int4range", {"'[1,5)'": "[1,5)", "'(,)'": "(,)", "'empty'": "empty"}),
    Kind("text", "daterange", {"'[2026-01-01,infinity)'": "[2026-01-01,infinity)"}),
    Kind("text", "int4multirange", {"'{[1,5),[7,9)}'": "{[1,5),[7,9)}"}),
    Kind("text", "inet", {"'::1/64'": "::1/64"}),
    Kind("text", "bit(4)", {"'1010'": "1010"}),
    Kind("text", "money", {"'12.5'": "$12.50"}),
    Kind("text", "mood", {"'so so'": "so so"}),
    Kind("text", "mood[]", {"'{ok,\"so so\"}'": "ok, so so", "'{ok,null}'": '["ok",null]'}),
    Kind("text", "counted", {"5": "5"}),
    Kind("text", "words", {"'{a,null}'": '["a",null]'}),
    Kind("text", "pair", {"'(1,x)'": "(1,x)"}),
    Kind("text", "json", {"'null'": "", "'{\"a\":[null,1.0]}'": '{"a":[null,1.0]}'}),
    Kind(
        "text",
        "text[]",
        {"'{a,null}'": '["a",null]', "'[5:6]={a,b}'": "a, b", "'{{a,b},{c,d}}'": '[["a","b"],["c","d"]]'},
    ),
    Kind(
        "numbers",
        "numeric",
        {"0.10": "0.10", "1e30": "1" + "0" * 30},
        ("'NaN'", "'Infinity'", "'-Infinity'", "repeat('9', 20000)", "1e-16383"),
    ),
    Kind("numbers", "double precision", {"'-0'": "0", "1e22": "1" + "0" * 22}, ("'NaN'", "'Infinity'")),
    Kind("numbers", "bigint", {"-9223372036854775808": "-9223372036854775808"}),
    Kind(
        "date",
        "date",
        {"'0001-01-01'": "0001-01-01"},
        ("'infinity'", "'-infinity'", "'0044-03-15 BC'", "'12026-01-01'"),
    ),
    Kind("date", "timestamptz", {}, ("'infinity'", "'0001-01-01 00:00+14'", "'9999-12-31 23:59:59-12'")),
    Kind("hour", "time", {"'00:00'": "12:00 AM", "'23:59:59.999999'": "11:59 PM"}, ("'24:00'",)),
    Kind("hour", "timetz", {"'12:00+00'": "12:00 PM"}, ("'12:00+05'", "'24:00+00'")),
    Kind("hour", "interval", {"'14:30'": "02:30 PM"}, ("'26 hours'", "'1 day'", "'-1 hour'")),
    Kind("checkbox", "boolean", {"true": "v", "false": ""}),
    Kind(
        "dropdown",
        "text[]",
        {"'{Design}'": "Design", "'[5:5]={Design}'": "Design", "'{}'": ""},
        ("'{null}'", "'{Design,null}'", "'{{Design},{Marketing}}'"),
    ),
    Kind(
        "dropdown",
        "jsonb",
        {"'null'": "", "'[\"Design\"]'": "Design"},
        ("'[null]'", "'{\"a\": 1}'", "'[[\"Design\"]]'"),
    ),
    Kind("dropdown", "mood[]", {"'{}'": ""}, ("'{ok,null}'",)),
    Kind("people", "jsonb", {"'null'": "", "'[]'": ""}, ("'[null]'", "'[[1]]'", "'[{\"id\": 1e30}]'", "'\"x\"'")),
    Kind("timeline", "jsonb", {"'{}'": ""}, ('\'{"from": null, "to": null}\'', '\'{"from": {}, "to": []}\'', "'7'")),
    Kind("link", "jsonb", {"'null'": ""}, ("'[1]'", "'{\"url\": {}}'", "'true'")),
    Kind("location", "jsonb", {}, ('\'{"lat": "NaN", "lng": 1}\'', "'[null]'", '\'{"lat": [], "lng": 1}\'')),
    Kind("country", "jsonb", {}, ("'[null]'", "'{\"code\": null}'")),
    Kind("connect", "bigint[]", {"'{}'": ""}, ("'{null}'", "'{{1,2},{3,4}}'", "'{9223372036854775807}'")),
    Kind("rating", "integer", {"5": "5"}, ("11", "-1", "2147483647")),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.column} {kind.sql_type}")
def test_what_a_column_holds_is_shown_or_costs_its_field(
    db: Database, database_url: str, tmp_path: Path, kind: Kind
) -> None:
    column = "long" if kind.column == "text" else kind.column
    fields = {"name": "title", "text": "note", column: "val"}
    mapping = things_with("".join(f"  - {{column: {name}, field: {field}}}\n" for name, field in fields.items()))
    mapping, table = mapping.replace("7810000909", EVERYTHING), TYPES + TABLE.format(kind=kind.sql_type)
    with bench_of(db, database_url, tmp_path, mapping, table, boards="everything:0") as bench:
        bench.sandbox.admin("columns/add", board_id=bench.board, id="long", title="Long", type="text")
        bench.install_triggers()
        values = [*kind.shown, *kind.refused]
        for number, value in enumerate(values):
            bench.sql(f"insert into things (title, note, val) values ('New {number}', 'n', {cast(value, kind)})")
            bench.sql(f"insert into things (title) values ('Old {number}')")
        bench.push("both")
        for number, value in enumerate(values):
            bench.sql(f"update things set note = 'n', val = {cast(value, kind)} where title = 'Old {number}'")
        before = rows_of(bench)
        report = bench.push("both")
        items = {item["name"]: item for item in bench.items()}
        for number, value in enumerate(values):
            for name in (f"New {number}", f"Old {number}"):
                assert text_of(items[name], "text") == "n", f"{value}: the other field of {name}"
                assert text_of(items[name], column).strip() == kind.shown.get(value, ""), value
        assert report.exit_code == (3 if kind.refused else 0)
        told = bench.sql("select distinct monday_id from sync_logs where status = 'error' and message like '%%val: %%'")
        assert len(told) == 2 * len(kind.refused)
        bench.writes()
        bench.push("both", full=True)
        assert (bench.writes(), rows_of(bench)) == (0, before)


def cast(value: str, kind: Kind) -> str:
    return f"({value})::{kind.sql_type}"


def rows_of(bench: PushBench) -> list[Any]:
    return list(bench.sql("select title, note, val::text from things order by title"))
