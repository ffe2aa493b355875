"""Checks the command line as a user or an orchestrator meets it: real processes, a real PostgreSQL, a sandbox on a port."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner

from db_connector import Database
from main import cli
from sandbox import Sandbox
from tests.kit.cli import run_python, settings_for, start_main
from tests.kit.shipped import PROJECTS, USERS
from tests.kit.waiting import until

ITEMS = 60

COUNT = {"type": "integer", "minimum": 0}
WRITTEN = {
    "type": "object",
    "properties": {"created": COUNT, "updated": COUNT, "archived": COUNT},
    "required": ["created", "updated", "archived"],
    "additionalProperties": False,
}
COUNTS = ("read", "created", "updated", "unchanged", "skipped", "archived", "restored", "conflicts", "held", "errors")
ENTITY = {
    "type": "object",
    "properties": {
        "entity": {"type": "string"},
        "board_id": {"type": "string"},
        **dict.fromkeys((*COUNTS, "set_aside"), COUNT),
        "complete": {"type": "boolean"},
        "to_postgres": WRITTEN,
        "to_monday": WRITTEN,
    },
    "required": ["entity", "board_id", *COUNTS, "set_aside", "complete", "to_postgres", "to_monday"],
}
RUN = {
    "type": "object",
    "properties": {
        "run_id": {"type": "string"},
        "direction": {"enum": ["monday_to_pg", "pg_to_monday", "bidirectional"]},
        "started_at": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "duration_s": {"type": "number", "minimum": 0},
        "exit_code": {"type": "integer"},
        "api": {
            "type": "object",
            "properties": {"calls": COUNT, "complexity": COUNT, "retries": COUNT, "waited_s": {"type": "number"}},
            "required": ["calls", "complexity", "retries", "waited_s"],
            "additionalProperties": False,
        },
        "entities": {"type": "array", "items": ENTITY},
        "runs": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1},
    },
    "required": ["run_id", "direction", "started_at", "duration_s", "exit_code", "api", "entities", "runs"],
    "additionalProperties": False,
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards=f"users:{ITEMS},projects:10") as sandbox:
        yield sandbox


@pytest.fixture
def env(sandbox: Sandbox, database_url: str) -> dict[str, str]:
    return settings_for(sandbox, database_url, MONDAY_GIVE_UP_AFTER="5")


def report_of(done: Any) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(done.out)
    jsonschema.validate(report, RUN)
    return report


def commands() -> list[tuple[str, click.Command]]:
    return sorted(cli.commands.items())


@pytest.mark.parametrize("name, command", commands(), ids=[name for name, _ in commands()])
def test_help_of_every_command_ends_with_an_example_that_can_be_given(name: str, command: click.Command):
    text = click.Context(command, info_name=name).command.get_help(click.Context(command, info_name=name))
    example = re.search(r"Example:\n  python main.py (.+)$", text)
    assert example
    first, *arguments = example[1].split()
    assert first == name
    command.make_context(name, arguments)


def every_command(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)


@pytest.mark.parametrize("path", list(every_command(cli)), ids=" ".join)
def test_an_example_is_one_line_on_a_narrow_terminal_too(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "50")
    shown = CliRunner().invoke(cli, [*path, "--help"], terminal_width=50).output
    assert (
        len(re.findall(r"^  python main\.py .+$", shown, re.M)) == 1 and shown.rstrip().splitlines()[-2] == "Example:"
    )


@pytest.mark.parametrize("group", [(), ("boards",), ("conflicts",)], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_and_is_a_mistake(run_cli, group):
    done = run_cli(*group)
    assert done.code == 2 and done.out == ""
    assert done.err.startswith("Usage: python main.py") and "error" not in done.err and "hint" not in done.err


def test_help_needs_no_settings(run_cli: Callable[..., Any]):
    done = run_cli("--help", env={"DATABASE_URL": "nonsense"})
    assert done.code == 0 and "monday-to-pg" in done.out


def test_a_pull_brings_the_items_and_a_second_one_changes_nothing(run_cli, env, db: Database):
    first, second = run_cli("monday-to-pg", env=env), run_cli("monday-to-pg", env=env)
    assert (first.code, second.code) == (0, 0)
    assert re.search(r"^Pulled projects: 10 items read, 10 new \(.+\)\.$", first.out, re.M)
    assert second.out.splitlines()[-1].startswith("0 changes in ")
    assert db.execute_query("select count(*) from projects") == [{"count": 10}]


def test_an_unchanged_board_is_not_read_as_a_whole_by_the_next_process(run_cli, env):
    run_cli("monday-to-pg", env=env)
    again = report_of(run_cli("monday-to-pg", "--json", env=env))
    assert [entity["read"] for entity in again["entities"]] == [1, 1]


def test_json_is_one_object_of_the_documented_shape_and_nothing_else(run_cli, env):
    done = run_cli("monday-to-pg", "--json", env=env)
    report = report_of(done)
    assert report["exit_code"] == done.code == 0
    users = report["entities"][0]
    assert (users["entity"], users["board_id"], users["read"]) == ("users", USERS, ITEMS)
    assert users["created"] + users["skipped"] == ITEMS
    assert report["api"]["calls"] > 0


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(run_cli, env, db: Database):
    done = run_cli("monday-to-pg", "--entity", "projects", "--dry-run", env=env)
    assert done.code == 0
    assert len(re.findall(r"^  would create project \d+", done.out, re.M)) == 10
    assert done.out.rstrip().endswith("Nothing was written.")
    for table in ("projects", "customers", "sync_mapping", "sync_runs", "sync_logs"):
        assert db.execute_query(f"select count(*) from {table}") == [{"count": 0}]


@pytest.mark.parametrize("arguments, read", [(("--limit", "3"), 3), (("--test",), 10), (("--test", "--limit", "4"), 4)])
def test_a_limit_reads_so_many_items_of_the_named_entity_only(run_cli, env, arguments, read):
    report = report_of(run_cli("monday-to-pg", "--entity", "users", "--json", *arguments, env=env))
    assert [(entity["entity"], entity["read"]) for entity in report["entities"]] == [("users", read)]


def test_boards_side_by_side_keep_the_order_and_come_to_the_same(run_cli, database_url, db: Database):
    with Sandbox(boards="users:20,organizations:5,contacts:10") as sandbox:
        boards = {"MONDAY_BOARD_ID_CONTACTS": "7810000101", "MONDAY_BOARD_ID_ORGANIZATIONS": "7810000202"}
        key = {"MONDAY_API_URL": sandbox.graphql_url, "MONDAY_API_KEY": sandbox.token}
        names = ("users", "organizations", "contacts")
        chosen = [word for name in names for word in ("--entity", name)]
        env = {"DATABASE_URL": database_url, **boards, **key}
        report = report_of(run_cli("monday-to-pg", "--max-workers", "3", "--json", *chosen, env=env))
    assert {entity["entity"]: entity["read"] for entity in report["entities"]} == dict(zip(names, (20, 5, 10)))
    order = [entity["entity"] for entity in report["entities"]]
    assert order.index("organizations") < order.index("contacts")


def test_quiet_says_nothing_on_stderr(run_cli, env):
    run_cli("monday-to-pg", env=env)
    done = run_cli("monday-to-pg", "--quiet", env=env)
    assert (done.code, done.err) == (0, "")


def test_warnings_of_a_kind_are_shown_a_few_times_and_logged_all(run_cli, env, home: Path):
    done = run_cli("monday-to-pg", "--full", env=env | {"MONDAY_BOARD_ID_DATA": USERS})
    assert done.err.count("Skipping user with empty email") <= 3
    run_cli("monday-to-pg", "--entity", "users", env=env)
    assert "Skipping user with empty email" in (home / "monday_sync.log").read_text()


@pytest.mark.parametrize("arguments", [("--entity", "users", "--limit", "3", "--json"), ("--help",)])
def test_the_pull_is_a_script_of_its_own_with_the_same_options(env, home: Path, arguments):
    done = run_python("sync_monday_to_pg.py", *arguments, env={**env, "MONDAY_SYNC_HOME": str(home)})
    assert done.code == 0, done.err
    if "--json" in arguments:
        assert report_of(done)["entities"][0]["read"] == 3
    else:
        assert "--allow-mass-delete" in done.out


def test_a_shell_can_pull_the_staff_board_with_one_line(env, home: Path):
    line = "from sync_monday_to_pg import sync_sales_staff; print(sync_sales_staff(limit=10).read)"
    done = run_python("-c", line, env={**env, "MONDAY_SYNC_HOME": str(home)})
    assert (done.code, done.out) == (0, "10\n"), done.err


def test_status_counts_links_and_names_what_was_left_out(run_cli, env):
    run_cli("monday-to-pg", env=env)
    status = json.loads(run_cli("status", "--json", env=env).out)
    users, projects = status["entities"]
    assert users["active"] + sum(skip["items"] for skip in users["skipped"]) == ITEMS
    assert projects["active"] == 10 and projects["watermark"] and projects["last_run"]["outcome"] == "success"
    assert status["inbox"] == status["outbox"] == 0
    text = run_cli("status", env=env).out
    assert "users" in text and "left out" in text


def test_status_lists_the_first_duplicates(run_cli, env, sandbox: Sandbox):
    sandbox.admin("items/create", board_id=USERS, name="one", values={"email7": {"email": "a@example.com", "text": ""}})
    second = sandbox.admin(
        "items/create", board_id=USERS, name="two", values={"email7": {"email": "A@example.com", "text": ""}}
    )
    run_cli("monday-to-pg", "--entity", "users", env=env)
    status = json.loads(run_cli("status", "--json", env=env).out)
    duplicates = next(skip for skip in status["entities"][0]["skipped"] if skip["reason"] == "duplicate email")
    assert str(second["id"]) in duplicates["first"] or duplicates["items"] > len(duplicates["first"])


def test_runs_lists_the_newest_first(run_cli, env):
    run_cli("monday-to-pg", "--entity", "users", env=env)
    run_cli("monday-to-pg", "--entity", "projects", env=env)
    runs = json.loads(run_cli("runs", "--limit", "5", "--json", env=env).out)["runs"]
    assert [run["entities"][0]["entity"] for run in runs] == ["projects", "users"]
    assert {run["exit_code"] for run in runs} == {0}
    assert "monday_to_pg" in run_cli("runs", env=env).out


def test_the_guard_stops_one_entity_before_it_removes_any_and_lets_the_others_go_on(run_cli, env, sandbox, db):
    run_cli("monday-to-pg", env=env)
    before = db.execute_query("select count(*) from sync_mapping where archived_at is null and entity_type = 'user'")
    items = sandbox.query("{ boards(ids: [%s]) { items_page(limit: 500) { items { id } } } }" % USERS)
    for item in items["data"]["boards"][0]["items_page"]["items"][:40]:
        sandbox.admin("items/delete", item_id=item["id"])

    stopped = run_cli("monday-to-pg", "--sweep", "--json", env=env)
    users, projects = report_of(stopped)["entities"]
    assert stopped.code == 4 and "--allow-mass-delete" in stopped.err
    assert "missing" in users["message"] and users["archived"] == 0
    assert projects["complete"] and "message" not in projects
    after = db.execute_query("select count(*) from sync_mapping where archived_at is null and entity_type = 'user'")
    assert after == before

    through = run_cli("monday-to-pg", "--sweep", "--allow-mass-delete", "--json", env=env)
    assert through.code == 0 and report_of(through)["entities"][0]["archived"] > 20


LOST = """
    import os, time
    import main

    def struck(*arguments):
        os.kill(os.getpid(), int(os.environ["NUMBER"]))
        time.sleep(1)

    class Resource:
        __del__ = struck

    def work(*arguments, **options):
        Resource()
        for _ in range(100):
            time.sleep(0.1)

    main.cli.main = work
    main.script("status")
"""


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_strikes_while_something_is_thrown_away_is_not_lost(number: int, code: int, home: Path):
    settings = {"NUMBER": str(int(number)), "MONDAY_SYNC_HOME": str(home)}
    done = run_python("-c", textwrap.dedent(LOST), env=settings, timeout=30)
    assert done.code == code, done.err
    assert "Traceback" not in done.err


PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def test_a_run_that_is_terminated_tells_its_report_and_is_entered_as_interrupted(
    env, sandbox, home: Path, db: Database
):
    sandbox.admin("latency", ms=3000)
    child = start_main("monday-to-pg", "--json", env={**env, "MONDAY_SYNC_HOME": str(home)}, **PIPES)
    until(lambda: db.execute_query("select id from sync_runs"), 20)
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=20)
    sandbox.admin("latency", ms=0)
    assert child.returncode == json.loads(out)["exit_code"] == 143
    assert "Interrupted" in err and "Traceback" not in err
    assert db.execute_query("select outcome from sync_runs") == [{"outcome": "interrupted"}]


def test_ctrl_c_ends_with_one_line_and_130(env, sandbox, home: Path, db: Database):
    sandbox.admin("latency", ms=3000)
    settings = {**env, "MONDAY_SYNC_HOME": str(home)}
    child = start_main("monday-to-pg", env=settings, **PIPES)
    until(lambda: db.execute_query("select id from sync_runs"), 20)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=20)
    sandbox.admin("latency", ms=0)
    assert child.returncode == 130
    assert len(err.strip().splitlines()) == 1 and "Interrupted" in err


def test_validate_finds_nothing_wrong_with_the_shipped_mappings(run_cli, env):
    done = run_cli("validate", "--json", env=env)
    result = json.loads(done.out)
    assert (done.code, result["findings"], result["against"]) == (0, [], ["files", "tables", "boards"])


def test_validate_offline_needs_neither_database_nor_key(run_cli):
    assert run_cli("validate", "--offline", env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}).code == 0


def test_validate_tells_missing_columns_and_types_that_do_not_fit(run_cli, env, home: Path, db: Database):
    (home / "mappings").mkdir()
    (home / "mappings" / "jobs.yaml").write_text(
        "entity: jobs\n"
        f"board: {{id: {PROJECTS}}}\n"
        "table: jobs\n"
        "fields:\n"
        "  - {column: name, field: title}\n"
        "  - {column: numbers0, field: price}\n"
        "  - {column: nowhere, field: lost}\n"
        "rest: metadata\n"
    )
    db.execute_query("create table jobs (id uuid primary key, title text, price boolean, metadata text)", fetch=False)
    done = run_cli("validate", "--entity", "jobs", env=env)
    assert done.code == 2
    for expected in (
        "has no column nowhere",
        "table jobs has no column lost",
        "jobs.price is boolean, and field price is number",
        "jobs.metadata must be jsonb",
    ):
        assert expected in done.out


def test_the_mapping_of_an_entity_is_shown_column_by_column(run_cli):
    done = run_cli("mapping", "--entity", "users")
    assert done.code == 0
    assert re.search(r"text25 \+ text1\s+<->\s+users\.name\s+join", done.out)
    columns = json.loads(run_cli("mapping", "--entity", "users", "--json").out)["columns"]
    assert {"files3"} == {column["board_column"] for column in columns if column["board_column"] == "files3"}


def test_init_db_can_be_run_twice(run_cli, database_url):
    for _ in range(2):
        done = run_cli("init-db", env={"DATABASE_URL": database_url})
        assert done.code == 0 and done.out.startswith("The tables are ready in ")


@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
def test_a_round_trip_works_in_each_version_of_the_api(run_cli, env, sandbox, db, version):
    env = {**env, "MONDAY_API_VERSION": version}
    assert run_cli("monday-to-pg", env=env).code == 0
    assert run_cli("setup", "--yes", env=env).code == 0
    mine = "id = (select id from users order by monday_id limit 1)"
    db.execute_query(f"update users set name = 'By SQL' where {mine}", fetch=False)
    done = run_cli("pg-to-monday", "--entity", "users", "--json", env=env)
    assert done.code == 0 and report_of(done)["entities"][0]["updated"] == 1
    assert run_cli("bidirectional", env=env).code == 0
    assert db.execute_query("select name from users where name = 'By SQL'") == [{"name": "By SQL"}]


@pytest.mark.parametrize("rest", ["", "/v3", "/boards/7"])
def test_an_address_where_the_api_is_not_is_told_as_that_and_at_once(run_cli, env, sandbox, rest):
    done = run_cli("monday-to-pg", env={**env, "MONDAY_API_URL": sandbox.url + rest})
    assert done.code == 2 and "hint: Check MONDAY_API_URL" in done.err and "MONDAY_API_KEY" not in done.err
