"""Checks that a mirror or a formula comes as the type that the mapping gives it; what is none is NULL and told."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal

import pytest

from mappings.bound import bind
from mappings.loader import load_mapping
from mappings.read_items import ItemReader
from models import Board, BoardColumn, Item
from sandbox import Sandbox
from services.monday.cells.kinds import MONDAY_KINDS
from tests.kit.cli import settings_for

MOMENT = datetime(2026, 1, 31, 14, 30, tzinfo=timezone.utc)
SHOWN = [
    ("numeric", "12.50", Decimal("12.50")),
    ("numeric", " -3 ", Decimal(-3)),
    ("numeric", "1,234,567.5", Decimal("1234567.5")),
    ("numeric", "1,234.5", Decimal("1234.5")),
    ("numeric", "1 234 567", Decimal(1234567)),
    ("numeric", "1e3", Decimal(1000)),
    ("numeric", "1,234", None),
    ("numeric", "12, 15", None),
    ("numeric", "12 €", None),
    ("numeric", "NaN", None),
    ("numeric", "Infinity", None),
    ("numeric", "Not a number", None),
    ("integer", "12", 12),
    ("integer", "12.0", 12),
    ("integer", "12.5", None),
    ("integer", "3000000000", None),
    ("bigint", "3000000000", 3000000000),
    ("bigint", "1e30", None),
    ("boolean", "true", True),
    ("boolean", "v", True),
    ("boolean", "FALSE", False),
    ("boolean", "0", False),
    ("boolean", "perhaps", None),
    ("boolean", "v, v", None),
    ("date", "2026-01-31", date(2026, 1, 31)),
    ("date", "2026-01-31 14:30", date(2026, 1, 31)),
    ("date", "2026-02-30", None),
    ("date", "31/01/2026", None),
    ("date", "2026-01-31, 2026-02-01", None),
    ("timestamptz", "2026-01-31T14:30:00Z", MOMENT),
    ("timestamptz", "soon", None),
    ("time", "14:30", time(14, 30)),
    ("time", "25:00", None),
    ("text", "12.50", "12.50"),
]


MAPPING = """
entity: shown
board: {{id: 77}}
table: shown
fields:
  - {{column: name, field: name}}
  - {{column: computed, field: value{given}}}
"""


def reader_of(tmp_path, kind, sql_type, given):
    """Returns what reads a board whose computed column fills a table column of that type."""
    path = tmp_path / "shown.yaml"
    path.write_text(MAPPING.format(given=given))
    board = Board("77", "Shown", columns=(BoardColumn("computed", "Sum", kind),))
    return ItemReader(bind(load_mapping(path), board, MONDAY_KINDS, {"shown": {"name": "text", "value": sql_type}}))


@pytest.mark.parametrize("given", ["", "as"])
@pytest.mark.parametrize("kind", ["mirror", "formula"])
@pytest.mark.parametrize("sql_type, text, value", SHOWN)
def test_a_computed_text_comes_as_the_type_that_it_is_given(tmp_path, kind, sql_type, text, value, given):
    reader = reader_of(tmp_path, kind, sql_type, f", as: {sql_type}" if given else "")
    cell = {"id": "computed", "text": None, "value": None, "display_value": text}
    item = Item("1", "one", "active", None, None, None, "77", None, {"computed": cell})
    found = reader.read(item).record.get("value")
    assert (found, type(found)) == (value, type(value))
    assert reader.unparsed == ({"computed": {"1": text}} if value is None else {})


@pytest.mark.parametrize("kind", ["mirror", "formula"])
def test_an_empty_cell_is_null_and_not_told(tmp_path, kind):
    reader = reader_of(tmp_path, kind, "numeric", "")
    for shown in (None, "", "null"):
        cell = {"id": "computed", "text": "", "value": None, "display_value": shown}
        item = Item("1", "one", "active", None, None, None, "77", None, {"computed": cell})
        assert reader.read(item).record == {"name": "one"} and reader.unparsed == {}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


def test_what_shows_no_such_value_is_null_in_the_table_and_told_by_the_run(db, database_url, sandbox, home, run_cli):
    columns = [
        {"id": "n", "title": "N", "type": "numbers"},
        {"id": "computed", "title": "Half", "type": "formula", "settings": {"formula": "{n} / 2"}},
    ]
    board = sandbox.admin("boards/create", name="Shown", columns=columns)["id"]
    for name, number in (("even", 4), ("odd", 5), ("none", None)):
        sandbox.admin("items/create", board_id=board, name=name, values={"n": number} if number else {})
    with db.transaction() as tx:
        tx.execute("create table shown (id uuid primary key default gen_random_uuid(), name text, value integer)")
    (home / "mappings").mkdir()
    with db.transaction() as tx:
        tx.execute("alter table shown add archived_at timestamptz, add updated_at timestamptz")
    text = MAPPING.format(given="").replace("77", str(board))
    (home / "mappings" / "shown.yaml").write_text(text)
    env = settings_for(sandbox, database_url)
    done = run_cli("monday-to-pg", "--entity", "shown", env=env)
    assert done.code == 0, done.err
    with db.transaction(read_only=True) as tx:
        assert tx.rows("select name, value from shown order by 1") == [("even", 2), ("none", None), ("odd", None)]
        assert tx.value("select message from sync_logs where operation = 'read'").endswith("is NULL there: '2.5'")
    assert "column computed (Half) shows no whole number in 1 item, and is NULL there" in done.err
    checked = run_cli("validate", "--entity", "shown", env=env)
    assert checked.code == 0, checked.out
