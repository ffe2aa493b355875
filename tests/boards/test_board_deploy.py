"""Checks `boards deploy`: one command from a board to a table in step, in both directions, and again after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from boards.types_of_tables import INSTEAD_OF, load_types
from tests.kit.cli import start_main
from tests.kit.deployed import BOARD, EVERYTHING, Deployment
from tests.kit.waiting import until

TEXT = ("text1", "Notes", "text")
PLAIN = (TEXT, ("status1", "Status", "status"), ("numbers1", "Budget", "numbers"))


def test_a_board_becomes_a_table_that_stays_in_sync(world: Deployment) -> None:
    world.board(*PLAIN, items=3, text1="first", numbers1="12.50")
    world.deploy("--schema", "orders")
    assert world.columns("orders.planning") == [
        "Item ID",
        "Name",
        "Group",
        "Notes",
        "Status",
        "Budget",
        "Created at",
        "Updated at",
        "Archived at",
    ]
    assert world.column("Notes", "orders.planning") == ["first"] * 3
    item = world.column("Item ID", "orders.planning")[0]
    world.admin("items/change", item_id=item, values={"text1": "second"})
    world.admin("items/archive", item_id=world.column("Item ID", "orders.planning")[2])
    assert world.pull()["updated"] == 1
    assert world.column("Notes", "orders.planning") == ["second", "first", "first"]
    assert [moment is None for moment in world.column("Archived at", "orders.planning")] == [True, True, False]
    quiet = world.json("monday-to-pg", "--entity", "planning")["entities"][0]["to_postgres"]
    assert quiet == {"created": 0, "updated": 0, "archived": 0}


def test_odd_titles_and_twins_are_columns_like_any_other(world: Deployment) -> None:
    titles = [
        "Done (100%)",
        '"quoted"',
        "select",
        "Twin",
        "Twin",
        "t" * 70,
        "🧱",
        "",
        "Name",
        "a.b",
        "$body$",
        "x{y}%s",
    ]
    world.board(*((f"c{number}", title, "text") for number, title in enumerate(titles)), items=1)
    world.deploy()
    item = world.column("Item ID")[0]
    world.admin("items/change", item_id=item, values={f"c{number}": f"v{number}" for number in range(len(titles))})
    assert world.pull()["updated"] == 1
    row = world.rows()[0]
    titles = ("Done (100%)", '"quoted"', "select", "Twin", "Twin (c4)")
    assert [row[title] for title in titles] == ["v0", "v1", "v2", "v3", "v4"]
    assert row["🧱"] == "v6" and row["c7"] == "v7" and row["Name (c8)"] == "v8" and row["x{y}%s"] == "v11"
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.sql("update planning set {a} = 'theirs', {b} = 'too', {c} = 'three'", a="Done (100%)", b="x{y}%s", c="$body$")
    assert world.pull()["to_monday"]["updated"] == 1
    (shown,) = world.sandbox.admin("boards/snapshot", board_id=BOARD)
    assert [shown["cells"][column]["text"] for column in ("c0", "c11", "c10")] == ["theirs", "too", "three"]


def test_plain_names_are_in_snake_case(world: Deployment) -> None:
    world.board(("c1", "Done (100%)", "numbers"), ("c2", "Status", "text"), ("c3", "status", "text"))
    world.deploy("--names", "plain")
    assert world.columns() == [
        "item_id",
        "name",
        "group",
        "done_100",
        "status",
        "status_c3",
        "created_at",
        "updated_at",
        "archived_at",
    ]


def test_a_dry_run_shows_everything_and_makes_nothing(world: Deployment) -> None:
    world.board(*PLAIN)
    shown = world.json("boards", "deploy", "--board-id", str(BOARD), "--name", "planning", "--dry-run")
    assert '"Budget" numeric' in shown["ddl"][0] and "numbers1" in shown["mapping"]
    assert not world.mapping_path().exists() and not (world.home / "generated").exists()
    assert world.json("boards", "list") == {"boards": []}
    assert world.db.execute_query("select to_regclass('planning') as found") == [{"found": None}]


def test_labels_keep_their_ids_and_people_have_their_names(everything: Deployment) -> None:
    everything.deploy(board=str(EVERYTHING))
    assert everything.entry("status")["labels"] == {0: "Working on it", 1: "Done", 2: "Stuck", 3: "Waiting", 7: "Old"}
    people = next(cell for cell in everything.column("People") if cell)
    assert all(person.keys() == {"id", "kind", "name"} for person in people)


def test_subitems_are_a_table_under_their_parents(everything: Deployment) -> None:
    everything.deploy("--subitems", board=str(EVERYTHING))
    parents = set(everything.column("Item ID"))
    below = everything.rows("planning_subitems")
    assert below and {row["Parent item ID"] for row in below} <= parents
    everything.sandbox.admin("items/change", item_id=below[0]["Item ID"], values={"text": "anew"})
    assert everything.pull("planning_subitems")["updated"] == 1
    assert everything.rows("planning_subitems")[0]["Text"] == "anew"


def test_a_row_that_sql_inserts_below_becomes_a_subitem_of_its_parent(everything: Deployment) -> None:
    everything.deploy("--subitems", board=str(EVERYTHING))
    for name in ("planning", "planning_subitems"):
        everything.set("direction", "bidirectional", name=name)
    everything.cli("setup", "--entity", "planning_subitems")
    parent = everything.rows("planning_subitems")[0]["Parent item ID"]
    everything.sql(
        "insert into planning_subitems ({name}, {parent}, {note})"
        f" values ('Below', {parent}, 'by SQL'), ('Lost', null, 'by SQL')",
        name="Name",
        parent="Parent item ID",
        note="Text",
    )
    told = everything.json("run", "--entity", "planning_subitems", code=3)["entities"][0]
    assert (told["to_monday"]["created"], told["errors"]) == (1, 1)
    made = next(row for row in everything.rows("planning_subitems") if row["Name"] == "Below")
    assert made["Parent item ID"] == parent
    assert everything.json("run", "--entity", "planning_subitems", code=3)["entities"][0]["to_monday"]["created"] == 0
    everything.sql("delete from planning_subitems where {name} = 'Lost'", name="Name")
    quiet = everything.pull("planning_subitems")
    assert (quiet["updated"], quiet["errors"]) == (0, 0)


def test_a_board_without_items_is_an_empty_table_that_fills(world: Deployment) -> None:
    world.board(*PLAIN, items=0)
    world.deploy()
    assert world.rows() == []
    world.sandbox.admin("items/create", board_id=BOARD, name="First")
    assert world.pull()["created"] == 1 and world.column("Name") == ["First"]


def test_a_board_of_300_columns_is_a_table_of_300_columns_both_ways(world: Deployment) -> None:
    world.board(*((f"c{number}", f"Column {number}", "text") for number in range(300)), items=2, c0="a", c299="z")
    world.deploy()
    assert len(world.columns()) == 306
    assert [(row["Column 0"], row["Column 299"]) for row in world.rows()] == [("a", "z")] * 2
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.sql("update planning set {last} = 'pushed'", last="Column 299")
    world.pull()
    assert {world.cells(item)["c299"]["text"] for item in world.ids()} == {"pushed"}


@pytest.mark.parametrize("taken", ["mappings/planning.deploying", "generated/planning.yml"])
def test_a_file_that_cannot_be_written_is_told_and_the_deploy_can_be_repeated(world: Deployment, taken: str) -> None:
    board = world.board(*PLAIN)
    in_the_way = world.home / f"{taken}.new"
    in_the_way.mkdir(parents=True)
    told = world.cli("boards", "deploy", "--board-id", board, "--name", "planning", "--yes", code=2).err
    assert f"error: {world.home / taken} cannot be written (Is a directory)." in told and "hint: " in told
    in_the_way.rmdir()
    world.cli("boards", "deploy", "--board-id", board, "--name", "planning", "--yes")


def test_the_same_deploy_again_does_nothing(world: Deployment) -> None:
    world.board(*PLAIN)
    world.deploy()
    before = world.mapping_path().read_bytes()
    assert "deployed already" in world.deploy().out
    assert world.mapping_path().read_bytes() == before


def test_names_and_tables_that_are_taken_are_refused(world: Deployment) -> None:
    world.board(*PLAIN)
    world.sql("create table planning (id bigint)")
    done = world.cli("boards", "deploy", "--board-id", str(BOARD), "--name", "planning", "--yes", code=2)
    assert "--existing-table" in done.err
    assert world.cli("boards", "deploy", "--board-id", str(BOARD), "--name", "users", "--yes", code=2)
    assert world.columns() == ["id"]


def test_a_board_called_like_the_file_of_types_leaves_that_file_alone(world: Deployment) -> None:
    board = world.board(*PLAIN, name="Types")
    types = world.mapping_path("types")
    types.parent.mkdir()
    types.write_text("types: {rating: smallint}\n")
    world.cli("boards", "deploy", "--board-id", board, "--name", "types", "--yes", code=2)
    world.cli("boards", "deploy", "--board-id", board, "--yes")
    assert types.read_text() == "types: {rating: smallint}\n" and world.columns(f"board_{BOARD}")


def test_a_mapping_that_a_user_edited_is_not_written_anew(world: Deployment) -> None:
    board = world.board(*PLAIN)
    world.deploy()
    world.set("contract", "freeze  # it is ours")
    before = world.mapping_path().read_bytes()
    world.cli("boards", "remove", "planning")
    deploy = ("boards", "deploy", "--board-id", board, "--name", "planning", "--yes")
    assert str(world.mapping_path()) in world.cli(*deploy, "--table", "other", code=2).err
    assert "Deployed planning" in world.cli(*deploy).err and world.mapping_path().read_bytes() == before
    world.sql("drop table planning")
    world.cli("boards", "remove", "planning")
    assert "Move it away" in world.cli(*deploy, code=2).err
    assert world.mapping_path().read_bytes() == before and world.json("boards", "list") == {"boards": []}
    world.mapping_path().unlink()
    world.deploy()
    assert len(world.rows()) == 3


def test_a_mapping_that_was_not_edited_does_not_hinder_a_new_table(world: Deployment) -> None:
    world.board(*PLAIN)
    world.deploy()
    world.cli("boards", "remove", "planning")
    world.sql("drop table planning")
    world.deploy()
    assert len(world.rows()) == 3


def test_the_subitems_of_a_table_with_a_long_name_have_a_table_of_their_own(everything: Deployment) -> None:
    everything.deploy("--subitems", "--table", "a" * 40, board=str(EVERYTHING))
    tables = {entry["name"]: entry["table_name"] for entry in everything.json("boards", "list")["boards"]}
    assert tables["planning"] == "a" * 40 and len(tables["planning_subitems"]) == 40
    assert everything.rows(tables["planning_subitems"])


def test_titles_of_any_letters_are_read_back_from_the_mapping_as_they_are(world: Deployment) -> None:
    titles = [f"No{odd}tes" for odd in "\x85\u2028\u2029\t\n\x7f\ufeff"]
    world.board(*((f"c{number}", title, "text") for number, title in enumerate(titles)), c0="a", c6="z")
    world.deploy()
    assert [entry["title"] for entry in world.mapping()["fields"][4:]] == titles
    assert [(row[titles[0]], row[titles[6]]) for row in world.rows()] == [("a", "z")] * 3


DEPLOY = ("boards", "deploy", "--board-id", str(BOARD), "--name", "planning", "--yes", "--quiet")


def test_a_second_deploy_waits_for_the_first_and_finds_it_done(world: Deployment) -> None:
    world.board(*PLAIN, items=300)
    started = [start_main(*DEPLOY, env=world.env, stdout=subprocess.PIPE) for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sum("deployed already" in text for text in told) == 1
    assert len(world.rows()) == 300 and world.json("boards", "list")["boards"][0]["status"] == "deployed"
    assert world.json("boards", "summary")["failed"] == []


STAGES = {
    "the table is made": "select to_regclass('planning')",
    "items are read": "select to_regclass('stg_planning')",
    "the items are live": "select min({key}) from planning",
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_deploy_killed_half_way_is_repeated_and_whole(world: Deployment, stage: str) -> None:
    world.board(*PLAIN, items=0)
    items = [{"name": f"Item {number}", "values": {"text1": str(number)}} for number in range(1200)]
    world.sandbox.admin("items/load", board_id=BOARD, items=items)
    world.sandbox.admin("latency", ms=60)
    process = start_main(*DEPLOY, env=world.env)
    until(lambda: process.poll() is not None or world.reached(STAGES[stage]))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    world.sandbox.admin("latency", ms=0)
    world.deploy()
    assert len(world.rows()) == 1200 and world.json("boards", "status", "planning")["items"] == 1200
    assert sorted(path.name for path in (world.home / "mappings").iterdir()) == ["planning.yaml"]
    assert world.db.execute_query("select to_regclass('stg_planning') as left_over") == [{"left_over": None}]
    assert (world.home / "generated" / "planning.yml").exists()
    assert world.pull()["created"] == 0


def test_the_generated_script_syncs_the_board_from_anywhere(world: Deployment, tmp_path: Path) -> None:
    world.board(*PLAIN)
    world.deploy()
    script = world.home / "generated" / "get_board_planning.py"
    env = {name: value for name, value in world.env.items() if name != "MONDAY_SYNC_HOME"}
    done = subprocess.run(
        [str(script), "--json"], cwd=tmp_path, env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and json.loads(done.stdout)["entities"][0]["entity"] == "planning"


@pytest.mark.parametrize("name", ["Planning", 'Say "hi" {{ x }} \\ \n# $(id)', "🧱"])
def test_the_generated_flow_has_trigger_retries_and_timeout_and_its_command_runs(world: Deployment, name: str) -> None:
    world.board(*PLAIN, name=name)
    world.deploy()
    flow = YAML(typ="safe").load((world.home / "generated" / "planning.yml").read_text(encoding="utf-8"))
    (task,) = flow["tasks"]
    assert (task["retry"]["maxAttempts"], task["timeout"]) == (4, "PT1H")
    assert (flow["triggers"][0]["cron"], flow["concurrency"]) == ("*/15 * * * *", {"limit": 1, "behavior": "CANCEL"})
    assert task["env"]["DATABASE_URL"] == "{{ secret('DATABASE_URL') }}"
    shell, env = ["/bin/sh", "-e", "-c", *task["commands"]], {**os.environ, **world.env}
    done = subprocess.run(shell, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["exit_code"] == 0
    assert compile((world.home / "generated" / "get_board_planning.py").read_text(encoding="utf-8"), "script", "exec")


def test_inside_kestra_log_lines_take_its_form(world: Deployment) -> None:
    world.board(*PLAIN)
    world.deploy()
    world.admin("columns/rename", column_id="text1", title="Remarks")
    done = world.cli("run", "--entity", "planning", env={"LOG_FORMAT": "kestra"})
    lines = [json.loads(line[2:-2]) for line in done.err.splitlines() if line.startswith("::") and line.endswith("::")]
    assert lines and len(lines) == len(done.err.splitlines())
    assert lines[0]["logs"][0]["level"] in ("INFO", "WARN") and "Remarks" in lines[0]["logs"][0]["message"]


@pytest.mark.parametrize("place", [1, 2, -1])
def test_types_of_a_users_choice_hold_the_values_and_stay_quiet(everything: Deployment, place: int) -> None:
    shipped = load_types(everything.home).types
    chosen = {kind: INSTEAD_OF[name][place % len(INSTEAD_OF[name])] for kind, name in shipped.items()}
    chosen["numbers"] = "text" if place < 0 else "numeric"  # its values have decimals
    (everything.home / "mappings").mkdir()
    YAML().dump({"types": chosen}, everything.home / "mappings" / "types.yaml")
    everything.deploy(board=str(EVERYTHING))
    quiet = everything.json("monday-to-pg", "--entity", "planning", "--full")["entities"][0]
    assert (quiet["unchanged"], quiet["to_postgres"]["updated"]) == (9, 0)


def test_a_deploy_seals_what_it_has_read_as_a_run_does(everything: Deployment) -> None:
    def seals() -> list[str | None]:
        rows = everything.db.execute_query("select seal from sync_mapping order by monday_id")
        return [row["seal"] for row in rows]

    everything.deploy(board=str(EVERYTHING))
    deployed = seals()
    assert len(set(deployed)) == 9 and all(deployed)
    everything.sql("update sync_mapping set seal = null, monday_hash = null")
    everything.json("monday-to-pg", "--entity", "planning", "--full")
    assert seals() == deployed
