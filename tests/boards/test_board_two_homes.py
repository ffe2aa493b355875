"""Two homes on one database agree on the mapping of a deployed board: its text lives in the database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boards.following import settle
from db_connector import Database
from settings import load_settings
from sync.parts import open_parts
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


def versions(world: Deployment) -> list[tuple[int, str]]:
    found = world.db.execute_query("select version, changed_by from sync_mappings order by version")
    return [(row["version"], row["changed_by"]) for row in found]


def test_a_home_from_before_gives_its_mapping_to_the_database_once(world: Deployment) -> None:
    world.sql("delete from sync_mappings")
    second = beside(world, with_copy=True)
    assert second.pull()["errors"] == 0 and world.pull()["errors"] == 0
    assert versions(world) == [(1, "import")]
    world.admin("columns/add", id="new1", title="New", type="text")
    world.pull()
    second.pull()
    assert versions(world) == [(1, "import"), (2, "drift")]
    assert second.mapping_path().read_text() == world.mapping_path().read_text()


def test_a_copy_of_the_tools_own_never_wins_over_a_newer_version(world: Deployment) -> None:
    second = beside(world, with_copy=True)
    world.admin("columns/add", id="new1", title="New", type="text")
    world.pull()
    assert "row of sync_mappings for planning" in second.cli("mapping").out
    assert second.cli("mapping", "diff").out.startswith("No file")
    second.pull()
    assert second.entry("new1")["field"] == "New" and second.columns() == world.columns()


def test_a_file_that_a_user_keeps_wins_and_every_look_says_so(world: Deployment) -> None:
    second = beside(world, with_copy=True)
    second.set("contract", "freeze")
    said = f"{second.mapping_path()} differs from version 1 in the database, and wins in this home."
    assert said in second.cli("run", "--entity", "planning").err
    for command in (("status",), ("validate", "--entity", "planning"), ("doctor", "--entity", "planning")):
        assert said in second.cli(*command, code=None).out.replace("\n   ", "")
    assert "version 1, the file wins" in second.cli("mapping").out
    assert "+contract: freeze" in second.cli("mapping", "diff", code=3).out
    assert said not in world.cli("run", "--entity", "planning").err
    world.admin("columns/add", id="new1", title="New", type="text")
    second.pull()
    assert "New" not in world.columns()
    second.cli("mapping", "import", str(second.mapping_path()))
    world.pull()
    assert "New" not in world.columns() and world.mapping()["contract"] == "freeze"


def test_a_users_own_file_takes_over_the_column_that_another_home_has_made(world: Deployment) -> None:
    second = beside(world, with_copy=True)
    second.mapping_path().write_text(second.mapping_path().read_text() + "# ours\n")
    world.admin("columns/add", id="new1", title="New", type="text")
    world.admin("columns/rename", column_id="text1", title="Remarks")
    world.admin("columns/retype", column_id="num1", type="text")
    world.pull()
    columns = world.columns()
    assert second.pull()["errors"] == 0 and second.columns() == columns
    assert "# ours" in second.mapping_path().read_text() and second.entry("text1")["field"] == "Remarks"
    assert world.pull()["errors"] == 0 and "# ours" in world.mapping_path().read_text()


def test_a_mapping_is_exported_changed_and_imported(world: Deployment) -> None:
    second, folder = beside(world, with_copy=False), world.home / "out"
    second.cli("mapping", "export", "--to", str(folder))
    path = folder / "planning.yaml"
    assert path.read_text() == world.mapping_path().read_text() == second.cli("mapping", "export", "planning").out
    path.write_text(path.read_text().replace("contract: evolve", "contract: freeze"))
    assert "is no version" in second.cli("mapping", "export", "--to", str(folder), code=2).err
    assert second.json("mapping", "import", str(path)) == {"entity": "planning", "version": 2, "changed": True}
    assert second.json("mapping", "import", str(path))["changed"] is False
    assert "contract: freeze" in world.cli("mapping", "export", "planning").out
    assert "contract: evolve" in world.cli("mapping", "export", "planning", "--version", "1").out
    assert second.json("mapping", "diff", str(path))["files"][0]["state"] == "the same"
    assert "planning" in world.cli("mapping", "export", "nobody", code=2).err


def test_an_import_that_cannot_be_meant_names_the_line_and_changes_nothing(world: Deployment) -> None:
    path = world.home / "wrong.yaml"
    text = world.mapping_path().read_text()
    path.write_text(text.replace("contract:", "contarct:"))
    assert f"{path}:{text[: text.index('contract:')].count(chr(10)) + 1}: unknown key" in (
        world.cli("mapping", "import", str(path), code=2).err
    )
    path.write_text(text + "after: [nobody]\n")
    assert "nobody" in world.cli("mapping", "import", str(path), code=2).err
    world.admin("columns/add", id="new1", title="New", type="text")
    world.pull()
    path.write_text(text)
    assert "New" in world.cli("mapping", "import", str(path), code=2).err
    assert versions(world) == [(1, "boards deploy"), (2, "drift")]


def test_a_row_that_cannot_be_meant_is_named_with_its_line(world: Deployment) -> None:
    world.sql("update sync_mappings set text = replace(text, 'contract:', 'contarct:'), digest = 'other'")
    world.mapping_path().unlink()
    told = world.cli("run", "--entity", "planning", code=2).err
    assert "row of sync_mappings for planning, line " in told and "unknown key 'contarct'" in told


def test_a_removed_board_is_a_file_of_the_home_that_removed_it(world: Deployment) -> None:
    second = beside(world, with_copy=False)
    second.cli("boards", "remove", "planning")
    assert second.mapping_path().exists() and second.pull()["errors"] == 0
    second.mapping_path().unlink()
    assert "Unknown entity" in second.cli("run", "--entity", "planning", code=2).err


def test_a_schema_without_the_table_asks_for_init_db(world: Deployment) -> None:
    world.sql("drop table sync_mappings")
    assert "init-db" in world.cli("run", "--entity", "planning", code=None).err
    world.cli("init-db")
    assert world.pull()["errors"] == 0


def test_homes_that_follow_the_same_change_at_once_make_one_column(world: Deployment) -> None:
    second = beside(world, with_copy=True)
    world.admin("columns/add", id="new1", title="New", type="text")
    homes = [world.home, second.home] * 2
    with open_parts(load_settings(world.env)) as parts, ThreadPoolExecutor(len(homes)) as threads:
        board, mapping = parts.monday.board(str(BOARD)), parts.mappings["planning"]
        settled = list(threads.map(lambda home: settle(parts.db, mapping, board, home), homes))
    assert {"New"} == {name for name in world.columns() if "New" in name}
    assert all("New" in made.mapping.places for made in settled) and versions(world)[1:] == [(2, "drift")]
