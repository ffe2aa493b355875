"""Two homes on one database agree on the mapping of a deployed board: its text lives in the database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from tests.kit.deployed import BOARD, Deployment, deployment
from tests.kit.staff import days_ago

COLUMNS = (("text1", "Notes", "text"), ("num1", "Budget", "numbers"))


@pytest.fixture
def world(db: Database, database_url: str, home: Path) -> Iterator[Deployment]:
    with deployment(db, database_url, home) as made:
        made.board(*COLUMNS, items=0)
        item = {"name": "Item", "values": {"text1": "words", "num1": "5"}, "updated_at": days_ago(1)}
        made.sandbox.admin("items/load", board_id=BOARD, items=[item] * 30)
        made.deploy()
        yield made


def beside(world: Deployment, with_copy: bool) -> Deployment:
    """Returns a second home on the same database, perhaps with a copy of the mapping."""
    home = world.home.parent / "second"
    (home / "mappings").mkdir(parents=True)
    if with_copy:
        shutil.copy(world.mapping_path(), home / "mappings")
    return Deployment(world.db, world.url, home, world.sandbox)


@pytest.mark.parametrize("with_copy", [True, False])
def test_runs_of_two_homes_in_turn_make_one_column_and_read_nothing_twice(world: Deployment, with_copy: bool) -> None:
    second = beside(world, with_copy)
    world.pull()
    world.admin("columns/add", id="new1", title="New", type="text")
    world.admin("columns/rename", column_id="text1", title="Remarks")
    world.admin("columns/retype", column_id="num1", type="text")
    world.admin("items/change", item_id=world.ids()[0], values={"new1": "hello", "num1": "five"})
    read = [home.pull()["read"] for _ in range(10) for home in (world, second)]
    assert read[0] == 30 and max(read[1:]) <= 1
    columns = world.columns()
    assert [name for name in columns if "New" in name] == ["New"]
    assert {"Remarks", "Budget", "Budget (numbers)"} <= set(columns) and "Notes" not in columns
    rows = world.rows()
    assert [rows[0][name] for name in ("New", "Remarks", "Budget")] == ["hello", "words", "five"]
    assert {(row["New"], row["Remarks"], row["Budget"], row["Budget (numbers)"]) for row in rows[1:]} == {
        (None, "words", None, 5)
    }
