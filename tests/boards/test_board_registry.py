"""Checks `boards list`, `status`, `summary` and `remove`."""

from __future__ import annotations

import pytest

from tests.kit.deployed import BOARD, Deployment

TEXT = ("text1", "Notes", "text")


@pytest.fixture
def world(world: Deployment) -> Deployment:
    world.board(TEXT, items=3)
    world.deploy()
    return world


def test_the_register_knows_every_deployed_board(world: Deployment) -> None:
    world.deploy(board=world.board(TEXT, items=2, id=99_000_002, name="Others"), name="other")
    listed = {entry["name"]: entry for entry in world.json("boards", "list")["boards"]}
    members = ("board_id", "table_name", "items", "status")
    assert {name: tuple(entry[member] for member in members) for name, entry in listed.items()} == {
        "planning": (str(BOARD), "planning", 3, "deployed"),
        "other": ("99000002", "other", 2, "deployed"),
    }
    summary = world.json("boards", "summary")
    assert (summary["boards"], summary["items"], summary["failed"]) == (2, 5, [])
    assert "planning" in world.cli("boards", "list").out and "boards: 2" in world.cli("boards", "summary").out


def test_status_tells_the_last_run(world: Deployment) -> None:
    world.pull()
    status = world.json("boards", "status", "planning")
    assert status["last_run"]["outcome"] == "success" and status["waiting"] == 0 and status["columns"] == 1
    assert "planning: board Planning" in world.cli("boards", "status", "planning").out


def test_remove_takes_a_board_out_of_the_register_and_nothing_else(world: Deployment) -> None:
    done = world.cli("boards", "remove", "planning")
    assert "stay" in done.out and "drop table planning" in done.out
    assert world.json("boards", "list") == {"boards": []}
    assert world.mapping_path().exists() and len(world.rows()) == 3
    assert world.pull()["errors"] == 0


def test_a_removed_board_that_is_deployed_again_keeps_its_mapping_and_its_rows(world: Deployment) -> None:
    path = world.mapping_path()
    path.write_text(path.read_text().replace("contract: evolve", "contract: freeze   # agreed with sales"))
    world.cli("boards", "remove", "planning")
    world.admin("items/change", item_id=world.ids()[0], values={"text1": "changed meanwhile"})
    world.deploy()
    assert "contract: freeze   # agreed with sales" in path.read_text()
    assert world.column("Notes") == ["changed meanwhile", None, None]
    assert world.json("boards", "status", "planning")["items"] == 3


@pytest.mark.parametrize("command", ["status", "remove", "reload", "update"])
def test_a_board_that_is_not_deployed_is_said_so(world: Deployment, command: str) -> None:
    done = world.cli("boards", command, "nobody", code=2)
    assert "nobody" in done.err and "planning" in done.err
