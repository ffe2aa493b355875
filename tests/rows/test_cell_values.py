"""Checks that whatever a cell can hold comes into a column of any type, or is refused at the cost of its field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db_connector import Database
from mappings.loader import load_mappings
from models import Board, BoardColumn, Item
from tests.kit.pulls import PullBench
from tests.kit.rows import change, logs, row, rows

TYPES = (
    *(
        "text",
        "varchar(5)",
        "char(5)",
        "citext",
        '"char"',
        "name",
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "numeric(5,2)",
    ),
    *(
        "numeric(5,-1)",
        "real",
        "double precision",
        "money",
        "boolean",
        "date",
        "timestamp",
        "timestamptz",
        "time",
        "timetz",
    ),
    *("interval", "uuid", "json", "jsonb", "bytea", "inet", "cidr", "macaddr", "int4range", "daterange", "tstzrange"),
    *(
        "bit(4)",
        "varbit",
        "text[]",
        "integer[]",
        "date[]",
        "mood",
        "mood[]",
        "counted",
        "short",
        "pair",
        "point",
        "tsvector",
        "tsquery",
        "jsonpath",
        "xml",
        "oid",
    ),
)
MAKE_TYPES = """
create extension if not exists citext;
create type mood as enum ('ok', 'so so');
create domain counted as integer check (value > 0);
create domain short as varchar(3);
create type pair as (a integer, b text);
"""
MAPPING = """
entity: gadgets
table: gadgets
board: {id: 4711}
fields:
  - {column: name, field: name}
  - {column: note, field: note}
"""
ODD_TEXTS = (
    *(
        "too long",
        "x" * 70_000,
        "99999999999999999999",
        "1e400",
        "NaN",
        "Infinity",
        "-infinity",
        "1.005",
        "1,5",
        "0044-03-15 BC",
    ),
    *(
        "2026-02-30",
        "2026-13-01",
        "12026-01-01",
        "24:00",
        "24:00:01",
        "12:00+99",
        "maybe",
        "yes",
        "{",
        "{}",
        "[1,2",
        "[5,1)",
    ),
    *(
        "null",
        "NULL",
        "\\N",
        "\\x0",
        "\\xdead",
        "{a,NULL}",
        "{{1},{2,3}}",
        "'",
        '"',
        "$1",
        "%s",
        "%(a)s",
        "\n",
        "\t",
        " ",
        "'; --",
    ),
    *("a\0b", "\0", "a\ud800b", "\ud83e\uddf1", "\ufffd", "e\u0301", "🧱" * 3, "so so", "bad", "(1,x)", "10.0.0.1/33"),
)


@pytest.fixture
def gadgets(db: Database, tmp_path: Path) -> Iterator[PullBench]:
    """Declares a mapping of a text cell for a column of each type."""
    columns = ", ".join(f"v{number} {kind}" for number, kind in enumerate(TYPES))
    change(db, MAKE_TYPES)
    change(
        db,
        f"create table gadgets (id uuid primary key default gen_random_uuid(), name text, note text, {columns},"
        " archived_at timestamptz, created_at timestamptz default now(), updated_at timestamptz default now())",
    )
    fields = "".join(f"  - {{column: v{number}, field: v{number}}}\n" for number in range(len(TYPES)))
    (tmp_path / "gadgets.yaml").write_text(MAPPING + fields)
    mapping = load_mappings([tmp_path])["gadgets"]
    names = ["note", *(f"v{number}" for number in range(len(TYPES)))]
    about = (BoardColumn("name", "Name", "name"), *(BoardColumn(name, name, "text") for name in names))
    yield PullBench(db, mapping=mapping, board=Board("4711", "Gadgets", about))


def refused_or_stored(bench: PullBench, item: Item, texts: dict[str, str]) -> None:
    """Checks an item's row: each of the fields is there or told, and the others are there."""
    db = bench.db
    report = bench.take(item)
    found: dict[str, Any] = row(db, "gadgets", name=item.name)
    assert found["note"] == "note"
    told = " ".join(said for _, said in logs(db, "error"))
    assert report.errors == bool(told)
    for name, text in texts.items():
        empty = found[name] in (None, "", [], {}) and text.replace("\0", "").strip()
        assert not empty or f"{name}: " in told or f"{name}, " in told or text in ("null", "NULL", "{}"), (name, text)
    before = rows(db, "gadgets", name=item.name)
    assert bench.take(item).changes == 0 and str(rows(db, "gadgets", name=item.name)) == str(before)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_any_text_goes_into_any_column_or_costs_its_field(gadgets: PullBench, text: str) -> None:
    for first in range(0, len(TYPES), 8):
        change(gadgets.db, "delete from sync_logs")
        texts = {f"v{number}": text for number in range(first, min(first + 8, len(TYPES)))}
        refused_or_stored(gadgets, gadgets.item(first + 1, f"Item {first}", note="note", **texts), texts)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), min_size=1, max_size=12), number=st.integers(0, len(TYPES) - 1))
def test_a_made_up_text_goes_into_any_column_or_costs_its_field(gadgets: PullBench, text: str, number: int) -> None:
    change(gadgets.db, "delete from gadgets; ")
    change(gadgets.db, "delete from sync_mapping")
    change(gadgets.db, "delete from sync_logs")
    refused_or_stored(gadgets, gadgets.item(1, "One", note="note", **{f"v{number}": text}), {f"v{number}": text})
