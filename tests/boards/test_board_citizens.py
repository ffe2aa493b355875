"""Checks that a deployed board works in every command that names an entity, in real time, and on a schedule."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from mappings.loader import load_mappings
from monday_api import Monday
from realtime.subscriptions import Subscriptions
from services.monday.webhook_signatures import Access
from tests.kit.cli import start_main
from tests.kit.deployed import BOARD, EVERYTHING, Deployment, deployment
from tests.kit.live import SECRET, Live, LiveWorld, living
from tests.kit.shipped import PROJECT
from tests.kit.waiting import until


@pytest.fixture
def world(world: Deployment) -> Deployment:
    world.board(("text1", "Notes", "text"), ("num1", "Budget", "numbers"), items=3, text1="words", num1="5")
    world.deploy()
    return world


def both_ways(world: Deployment) -> None:
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning", "--yes")
    world.pull()


@pytest.fixture
def live(world: Deployment) -> Iterator[Live]:
    """Starts the daemon over the deployed board, both ways, with its webhooks made."""
    both_ways(world)
    here = LiveWorld(world.db, world.url, world.sandbox, world.home)
    with living(here, ["planning"], subscribe=False) as live:
        mapping = load_mappings([PROJECT / "mappings", world.home / "mappings"])["planning"]
        with Monday(token=world.sandbox.token, url=world.sandbox.graphql_url) as monday:
            Subscriptions(world.db, monday, Access(SECRET, [str(BOARD)]), f"{live.base}/webhook").register(
                mapping, str(BOARD)
            )
        yield live


def test_in_real_time_an_edit_on_either_side_reaches_the_other(world: Deployment, live: Live) -> None:
    item = world.column("Item ID")[0]
    world.admin("items/change", item_id=item, values={"text1": "from the board"})
    until(lambda: world.column("Notes")[0] == "from the board")
    world.sql(f"update planning set {{notes}} = 'from SQL' where {{key}} = {item}", notes="Notes", key="Item ID")
    until(lambda: world.cells(item)["text1"]["text"] == "from SQL")
    world.sandbox.admin("items/create", board_id=BOARD, name="Another")
    until(lambda: "Another" in world.column("Name"))
    world.sql("insert into planning ({name}) values ('Made by SQL')", name="Name")
    until(lambda: len(world.sandbox.admin("boards/snapshot", board_id=BOARD)) == 5)
    live.settle()
    shown = {int(item["id"]): item["name"] for item in world.sandbox.admin("boards/snapshot", board_id=BOARD)}
    assert {row["Item ID"]: row["Name"] for row in world.rows()} == shown


@pytest.fixture
def below(db: Database, database_url: str, home: Path) -> Iterator[tuple[Deployment, Live]]:
    """Starts the daemon over a board with its subitems, its webhooks made by the command line."""
    with deployment(db, database_url, home, "everything:9") as made:
        made.deploy("--subitems", board=str(EVERYTHING))
        here = LiveWorld(db, database_url, made.sandbox, home)
        with living(here, ["planning", "planning_subitems"], subscribe=False) as live:
            address = {"WEBHOOK_BASE_URL": live.base, "MONDAY_WEBHOOK_SECRET": SECRET}
            for what in ("register", "register", "list"):
                made.cli("webhooks", what, "--entity", "planning", "--entity", "planning_subitems", env=address)
            yield made, live


def test_in_real_time_an_edit_of_a_subitem_reaches_its_row(below: tuple[Deployment, Live]) -> None:
    world, live = below
    row = world.rows("planning_subitems")[0]
    world.sandbox.admin("items/change", item_id=row["Item ID"], values={"text": "anew"})
    until(lambda: world.rows("planning_subitems")[0]["Text"] == "anew")
    world.sandbox.admin("items/rename", item_id=row["Item ID"], name="Renamed below")
    until(lambda: world.rows("planning_subitems")[0]["Name"] == "Renamed below")
    world.sandbox.admin("items/archive", item_id=row["Item ID"])
    until(lambda: world.rows("planning_subitems")[0]["Archived at"] is not None)


def test_a_subitem_that_was_moved_is_read_by_itself(below: tuple[Deployment, Live]) -> None:
    world, live = below
    moved, parents = world.column("Item ID", "planning_subitems")[0], world.column("Item ID")
    live.settle()
    live.event(
        str(EVERYTHING),
        type="move_subitem",
        subitem=moved,
        sourcePulseId=parents[0],
        destPulseId=parents[1],
        sourceBoardId=EVERYTHING,
        destBoardId=EVERYTHING,
    )
    asked = world.db.execute_query("select monday_id from sync_inbox where monday_board_id <> %s", (str(EVERYTHING),))
    assert asked == [{"monday_id": str(moved)}]


def test_subitems_alone_have_no_webhooks(below: tuple[Deployment, Live]) -> None:
    world, live = below
    told = world.cli(
        "webhooks",
        "register",
        "--entity",
        "planning_subitems",
        code=2,
        env={"WEBHOOK_BASE_URL": live.base, "MONDAY_WEBHOOK_SECRET": SECRET},
    )
    assert "--entity planning" in told.err


def test_in_real_time_a_board_that_changes_is_followed_and_no_crash(world: Deployment, live: Live) -> None:
    item = world.column("Item ID")[0]
    world.admin("columns/add", id="new1", title="New", type="text")
    world.admin("items/change", item_id=item, values={"new1": "hello"})
    until(lambda: "New" in world.columns() and world.column("New")[0] == "hello")
    world.admin("columns/rename", column_id="text1", title="Remarks")
    assert world.pull()["errors"] == 0  # a run beside the daemon renames the column under it
    world.admin("items/change", item_id=item, values={"text1": "after the rename"})
    until(lambda: world.column("Remarks")[0] == "after the rename")
    world.admin("columns/retype", column_id="num1", type="text")
    world.admin("items/change", item_id=item, values={"num1": "five"})
    world.admin("columns/delete", column_id="new1")
    world.admin("items/change", item_id=item, values={"text1": "after the retype"})
    until(lambda: world.column("Remarks")[0] == "after the retype")
    live.settle()
    assert world.pull()["errors"] == 0
    row = world.rows()[0]
    assert (row["Remarks"], row["Budget"], row["Budget (numbers)"], row["New"]) == (
        "after the retype",
        "five",
        5,
        "hello",
    )
    assert live.daemon.workers[str(BOARD)].trouble is None


def test_a_schedule_keeps_a_deployed_board_in_step(world: Deployment) -> None:
    item = world.column("Item ID")[0]
    world.admin("items/change", item_id=item, values={"text1": "changed"})
    process = start_main(
        "scheduled", "--entity", "planning", "--direction", "monday-to-pg", "--run-immediately", env=world.env
    )
    try:
        until(lambda: world.column("Notes")[0] == "changed")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_every_command_takes_a_deployed_board_by_its_name(world: Deployment) -> None:
    both_ways(world)
    item = world.column("Item ID")[0]
    world.sql("update planning set {notes} = 'pushed'", notes="Notes")
    assert world.json("pg-to-monday", "--entity", "planning")["entities"][0]["to_monday"]["updated"] == 3
    world.admin("items/change", item_id=item, values={"text1": "theirs"})
    world.sql("update planning set {notes} = 'ours'", notes="Notes")
    held = world.json("bidirectional", "--entity", "planning", "--prefer", "manual", code=3)["entities"][0]
    assert held["held"] == 1
    conflict = world.json("conflicts", "list", "--entity", "planning")["conflicts"][0]
    assert [conflict[field] for field in ("field", "monday_value", "postgres_value")] == ["Notes", "theirs", "ours"]
    world.cli("conflicts", "resolve", "--entity", "planning", "--winner", "monday")
    assert world.column("Notes")[0] == "theirs"
    findings = world.json("validate", "--entity", "planning")["findings"]
    assert [finding["message"] for finding in findings if "wins in this home" not in finding["message"]] == []
    assert "planning.Notes" in world.cli("mapping", "--entity", "planning").out
    assert "planning" in world.cli("status").out
    assert world.json("record", f"planning/{item}")["entity"] == "planning"
    plan = world.cli(
        "webhooks",
        "register",
        "--entity",
        "planning",
        "--dry-run",
        env={"WEBHOOK_BASE_URL": "http://127.0.0.1:9", "MONDAY_WEBHOOK_SECRET": SECRET},
    ).out
    assert "change_column_value" in plan and str(BOARD) in plan
    world.cli("monday-to-pg", "--entity", "planning", "--limit", "2", "--dry-run")
    assert world.json("monday-to-pg", "--entity", "planning", "--sweep")["entities"][0]["complete"]
