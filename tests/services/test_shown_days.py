"""Checks that a date column of a table takes the day that the board shows, and a timestamptz column the moment."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone

import pytest

from mappings.bound import bind
from mappings.loader import load_mapping
from mappings.read_items import ItemReader
from models import Board, BoardColumn, Item
from sandbox import Sandbox
from services.monday.cells.kinds import MONDAY_KINDS
from tests.kit.cli import settings_for

MAPPING = "entity: days\nboard: {id: 77}\ntable: days\nfields:\n  - {column: due, field: due}\n"


@pytest.mark.parametrize(
    "sql_type, value, text, read",
    [
        ("date", {"date": "2026-06-15", "time": "03:30:00"}, "2026-06-14 22:30", date(2026, 6, 14)),
        ("date", {"date": "2026-06-15", "time": "23:30:00"}, "2026-06-16 08:30", date(2026, 6, 16)),
        ("date", {"date": "2026-06-15", "time": "23:30:00"}, "Jun 16, 08:30 AM", date(2026, 6, 15)),
        ("date", {"date": "2026-06-15"}, "2026-06-15", date(2026, 6, 15)),
        ("date", {"date": "2026-06-15", "time": None}, "", date(2026, 6, 15)),
        (
            "timestamp with time zone",
            {"date": "2026-06-15", "time": "03:30:00"},
            "2026-06-14 22:30",
            datetime(2026, 6, 15, 3, 30, tzinfo=timezone.utc),
        ),
    ],
)
def test_a_day_is_the_one_that_the_board_shows(tmp_path, sql_type, value, text, read):
    (tmp_path / "days.yaml").write_text(MAPPING)
    board = Board("77", "Days", (BoardColumn("due", "Due", "date"),))
    mapping = load_mapping(tmp_path / "days.yaml")
    reader = ItemReader(bind(mapping, board, MONDAY_KINDS, {"days": {"due": sql_type}}))
    cell = {"id": "due", "text": text, "value": json.dumps(value)}
    item = Item("1", "one", "active", None, None, None, "77", None, {"due": cell})
    assert reader.read(item).record["due"] == read


def test_both_ways_a_shown_day_is_no_edit(db, database_url, home, run_cli):
    with Sandbox() as sandbox:
        columns = [{"id": "due", "title": "Due", "type": "date"}]
        board = sandbox.admin("boards/create", name="Days", columns=columns)["id"]
        due = {"date": "2026-06-15", "time": "03:30:00"}
        item = sandbox.admin("items/create", board_id=board, name="late", values={"due": due})["id"]
        with db.transaction() as tx:
            tx.execute(
                "create table days (id uuid primary key default gen_random_uuid(), name text, due date,"
                " archived_at timestamptz, updated_at timestamptz)"
            )
        (home / "mappings").mkdir()
        text = MAPPING.replace("77", str(board)) + "  - {column: name, field: name}\nitem_name: [name]\n"
        (home / "mappings" / "days.yaml").write_text(text)
        env = settings_for(sandbox, database_url)
        for _ in range(2):
            done = run_cli("bidirectional", "--entity", "days", env=env)
            assert done.code == 0, done.err
            with db.transaction(read_only=True) as tx:
                assert tx.value("select due from days") == date(2026, 6, 14)
            (shown,) = sandbox.admin("boards/snapshot", board_id=board)
            assert shown["id"] == item and "03:30" in json.dumps(shown)
