"""Checks what a user decides about columns: asked on a terminal, told by options, kept in the mapping with its date."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence

import pytest

from tests.kit.cli import on_a_terminal
from tests.kit.deployed import BOARD, Deployment

COLUMNS = (
    ("text1", "Notes", "text"),
    ("rel1", "Crew", "board_relation"),
    ("formula1", "Left", "formula"),
    ("file1", "Plans", "file"),
    ("dep1", "After", "dependency"),
    ("mirror1", "Shown", "mirror"),
)
KINDS = {"rel1": "relations", "formula1": "formulas", "file1": "files", "dep1": "dependencies", "mirror1": "mirrors"}
TODAY = r"20\d\d-\d\d-\d\d"


@pytest.fixture
def world(world: Deployment) -> Deployment:
    world.board(*COLUMNS, items=2, text1="words")
    world.admin("columns/settings", column_id="rel1", boardIds=[BOARD], allowMultipleItems=True)
    first, second = world.ids()
    world.admin("items/change", item_id=first, values={"rel1": {"item_ids": [second]}})
    return world


def on_terminal(world: Deployment, arguments: Sequence[str], answers: Sequence[str]) -> tuple[int, str]:
    return on_a_terminal(arguments, answers, world.env, stdout=subprocess.DEVNULL)


def decisions(world: Deployment) -> dict[str, str]:
    """Returns column → what the mapping says was decided about it, when that has a date."""
    found = {}
    for entry in world.mapping()["fields"]:
        for word in ("accepted", "rejected"):
            if re.fullmatch(TODAY, str(entry.get(word, ""))):
                found[entry["column"]] = word
    return found


def asked_for(world: Deployment, *command: str) -> set[str]:
    """Returns the kinds of cells that a command asks monday.com for by fields of their own."""
    world.sandbox.admin("requests/reset")
    world.cli(*command)
    return set(re.findall(r"on (\w+)Value", json.dumps(world.sandbox.admin("requests"))))


DEPLOY = ("boards", "deploy", "--board-id", str(BOARD), "--name", "planning")


def test_on_a_terminal_each_hard_column_is_asked_about_with_a_sample_of_its_values(world: Deployment) -> None:
    code, shown = on_terminal(world, DEPLOY, ["y", "n", "", "n", "n", "y"])
    assert code == 0, shown
    assert "\x1b[" not in shown.split("Make planning?")[0]  # no bar is drawn over the questions
    questions = re.findall(r"(\w+ \(\w+\): [^\r\n]*?)\. Fetch it", shown)
    assert questions == [
        f"Crew (board_relation): [{world.ids()[1]}]",
        "Left (formula): no values yet",
        "Plans (file): no values yet",
        "After (dependency): no values yet",
        "Shown (mirror): no values yet",
    ]
    assert decisions(world) == {
        "rel1": "accepted",
        "formula1": "rejected",
        "file1": "accepted",
        "dep1": "rejected",
        "mirror1": "rejected",
    }
    assert world.columns()[3:6] == ["Notes", "Crew", "Plans"]


def test_a_no_to_the_last_question_makes_nothing(world: Deployment) -> None:
    code, shown = on_terminal(world, DEPLOY, ["y", "y", "y", "y", "y", "n"])
    assert code == 0 and "Interrupted" not in shown and not world.mapping_path().exists()
    assert world.db.execute_query("select to_regclass('planning') as found") == [{"found": None}]


def test_the_last_question_about_a_table_of_ones_own_is_about_the_mapping(world: Deployment) -> None:
    world.db.execute_query("create table mine (id bigint primary key, notes text)", fetch=False)
    code, shown = on_terminal(world, (*DEPLOY, "--existing-table", "mine"), ["n"])
    assert code == 0 and "Map the board to mine?" in shown and "Make" not in shown


def test_a_quiet_deploy_that_asks_nothing_shows_results_only(world: Deployment) -> None:
    shown = world.cli(*DEPLOY, "--yes", "--quiet").out
    assert shown.startswith("Pulled planning: ") and "Wrote " in shown


def test_on_a_terminal_update_asks_about_what_is_new(world: Deployment) -> None:
    world.deploy("--auto-reject", ",".join(KINDS.values()))
    world.admin("columns/add", id="formula2", title="Total", type="formula")
    world.admin("columns/add", id="formula3", title="Share", type="formula")
    world.pull()
    code, shown = on_terminal(world, ("boards", "update", "planning"), ["n", "y"])
    assert code == 0 and "Total (formula)" in shown and "Share (formula)" in shown
    assert (decisions(world)["formula2"], decisions(world)["formula3"]) == ("rejected", "accepted")
    assert "Share" in world.columns() and "Total" not in world.columns()


@pytest.mark.parametrize("column, kind", KINDS.items())
def test_auto_reject_decides_by_kind_and_yes_about_the_others(world: Deployment, column: str, kind: str) -> None:
    world.deploy("--auto-reject", kind)
    assert decisions(world) == {kind: "rejected" if kind == column else "accepted" for kind in KINDS}


def test_an_unknown_kind_is_named(world: Deployment) -> None:
    done = world.cli(*DEPLOY, "--yes", "--auto-reject", "relations,pictures", code=2)
    assert "pictures" in done.err and "mirrors" in done.err


def test_without_a_terminal_and_without_yes_nothing_is_made(world: Deployment) -> None:
    done = world.cli(*DEPLOY, code=2)
    assert "Left (formulas)" in done.err and "--auto-reject" in done.err
    assert "Nothing was done" in world.cli(*DEPLOY, "--auto-reject", ",".join(KINDS.values()), code=2).err
    assert world.json("boards", "list") == {"boards": []}


def test_a_rejected_column_is_not_fetched_at_all_and_stays_rejected(world: Deployment) -> None:
    world.deploy("--auto-reject", "mirrors,formulas")
    assert asked_for(world, "monday-to-pg", "--entity", "planning", "--full") == {"BoardRelation", "Dependency"}
    assert asked_for(world, "boards", "reload", "planning") == {"BoardRelation", "Dependency"}
    assert {"Left", "Shown"}.isdisjoint(world.columns())


def test_comments_of_a_person_survive_what_the_tool_writes(world: Deployment) -> None:
    world.deploy()
    path = world.mapping_path()
    path.write_text(path.read_text().replace("contract: evolve", "contract: evolve   # agreed with sales"))
    world.admin("columns/add", id="new1", title="New", type="text")
    world.pull()
    assert "contract: evolve   # agreed with sales" in path.read_text() and world.entry("new1")["field"] == "New"


def test_what_a_person_decides_in_the_mapping_is_respected(world: Deployment) -> None:
    world.deploy()
    path = world.mapping_path()
    text = re.sub(rf"(type: formula\n +)accepted: '{TODAY}'", r"\1rejected: '2026-01-31'", path.read_text())
    path.write_text(text)
    assert asked_for(world, "run", "--entity", "planning") == {"BoardRelation", "Dependency", "Mirror"}
    assert world.entry("formula1")["rejected"] == "2026-01-31"
