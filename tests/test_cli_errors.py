"""Checks what a user can get wrong: one clear line, a hint, the right exit code, no traceback, no secret."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from databases.postgres.names import compose, identifier
from db_connector import Database
from sandbox import Sandbox
from tests.kit.cli import MAIN, settings_for
from tests.kit.shipped import PROJECTS

PASSWORD = "pass-word-nobody-may-see"
KEY = "key-that-nobody-may-see"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


@pytest.fixture
def env(sandbox: Sandbox, database_url: str) -> dict[str, str]:
    return settings_for(sandbox, database_url, MONDAY_GIVE_UP_AFTER="2")


@pytest.fixture
def refused(run_cli: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a command that cannot work, and checks what holds for every one of them."""

    def run(code: int, *arguments: str, env: dict[str, str], hint: str = "", **options: Any) -> Any:
        done = run_cli(*arguments, env=env, **options)
        assert done.code == code, done.err
        assert len(re.findall(r"^error: ", done.err, re.M)) == 1, done.err
        assert "Traceback" not in done.err + done.out
        if hint:
            found = re.search(r"^hint: (.*)$", done.err, re.M)
            assert found and hint in found[1], done.err
        for secret in (PASSWORD, KEY, env.get("MONDAY_API_KEY") or KEY):
            assert secret not in done.err + done.out
        return done

    return run


def runs(db: Database) -> list[Any]:
    return list(db.execute_query("select exit_code, outcome from sync_runs order by started_at"))  # type: ignore[arg-type]


# The key and the boards


def test_without_a_key_nothing_is_begun(refused, env, db):
    done = refused(2, "monday-to-pg", env={**env, "MONDAY_API_KEY": ""}, hint=".env")
    assert "MONDAY_API_KEY is not set" in done.err and done.out == ""
    assert runs(db) == []


def test_a_wrong_key_is_told_once_though_there_are_two_boards(refused, env, db):
    refused(2, "monday-to-pg", env={**env, "MONDAY_API_KEY": KEY}, hint="MONDAY_API_KEY")
    assert runs(db) == [{"exit_code": 2, "outcome": "failed"}]


def test_a_key_with_blanks_is_refused_unseen(refused, env):
    refused(2, "monday-to-pg", env={**env, "MONDAY_API_KEY": f"{KEY} {KEY}"})


def test_a_board_that_is_not_visible_costs_its_own_entity_only(refused, env, db):
    done = refused(2, "monday-to-pg", "--json", env={**env, "MONDAY_BOARD_ID_USERS": "4711"}, hint="Share")
    assert "4711" in done.err
    users, projects = json.loads(done.out)["entities"]
    assert "4711" in users["message"] and not users["complete"]
    assert projects["created"] == 5


def test_a_board_that_is_not_set_is_passed_over_unless_it_is_named(refused, run_cli, env):
    assert run_cli("monday-to-pg", env=env).code == 0
    done = refused(2, "monday-to-pg", "--entity", "contacts", env=env, hint=".env")
    assert "MONDAY_BOARD_ID_CONTACTS" in done.err


def test_an_unknown_entity_is_named_with_those_that_are_known(refused, env, db):
    done = refused(2, "monday-to-pg", "--entity", "user", env=env, hint="users")
    assert "Unknown entity: user" in done.err and runs(db) == []


def test_an_address_that_does_not_answer_ends_the_run_after_the_time_that_was_set(refused, env, db):
    silent = {**env, "MONDAY_API_URL": "http://127.0.0.1:9/v2", "MONDAY_GIVE_UP_AFTER": "1"}
    done = refused(1, "monday-to-pg", "--json", env=silent, hint="nothing is lost")
    report = json.loads(done.out)
    assert [entity.get("message") for entity in report["entities"]][1] == "not run"
    assert runs(db) == [{"exit_code": 1, "outcome": "failed"}]


# Mappings


def test_every_mistake_of_a_mapping_is_told_with_file_and_line(refused, env, home: Path, db):
    (home / "mappings").mkdir()
    (home / "mappings" / "mine.yaml").write_text(
        "entity: mine\nboard: {id: x}\ntabel: mine\nfields:\n  - {column: a, feild: b}\ndirection: sideways\n"
    )
    done = refused(2, "monday-to-pg", env=env, hint="docs/mappings.md")
    for line in (2, 3, 5, 6):
        assert re.search(rf"mine\.yaml:{line}: ", done.err), line
    assert "did you mean 'table'" in done.err and runs(db) == []


def test_a_mapping_that_is_no_yaml_is_told_with_its_line(refused, env, home: Path):
    (home / "mappings").mkdir()
    (home / "mappings" / "mine.yaml").write_text("entity: mine\n  board: [\n")
    assert re.search(r"mine\.yaml:\d+: ", refused(2, "validate", "--offline", env=env).err)


def test_a_mapping_whose_table_is_missing_costs_its_own_entity_only(refused, env, home: Path):
    (home / "mappings").mkdir()
    (home / "mappings" / "mine.yaml").write_text(
        "entity: mine\nboard: {id: 6727219152}\ntable: nowhere\nfields:\n  - {column: name, field: name}\n"
    )
    done = refused(2, "monday-to-pg", "--json", env=env)
    assert "nowhere" in done.err
    complete = {entity["entity"]: entity["complete"] for entity in json.loads(done.out)["entities"]}
    assert complete == {"mine": False, "users": True, "projects": True}


@pytest.mark.parametrize("arguments", [("run",), ("monday-to-pg",)])
def test_an_entity_that_does_not_flow_is_a_mistake_in_its_mapping(refused, env, home: Path, arguments):
    (home / "mappings").mkdir()
    (home / "mappings" / "still.yaml").write_text(
        f"entity: still\nboard: {{id: {PROJECTS}}}\ntable: projects\ndirection: none\n"
        "fields:\n  - {column: name, field: title}\n"
    )
    done = refused(2, *arguments, "--entity", "still", env=env, hint="`direction`")
    assert "its mapping says none" in done.err


# The database


def test_a_database_that_cannot_be_reached_is_told_without_its_password(refused, env):
    url = f"postgresql://somebody:{PASSWORD}@127.0.0.1:1/nowhere"
    done = refused(1, "monday-to-pg", env={**env, "DATABASE_URL": url}, hint="DATABASE_URL")
    assert "127.0.0.1:1/nowhere" in done.err


def test_a_wrong_role_is_told(refused, env, postgres):
    place = {
        key: str(postgres.connection.get(key, default)) for key, default in (("host", "localhost"), ("port", 5432))
    }
    url = f"host='{place['host']}' port={place['port']} user=nobody_here password={PASSWORD} dbname=postgres"
    refused(1, "status", env={**env, "DATABASE_URL": url}, hint="DATABASE_URL")


def test_an_address_of_a_database_that_is_none_is_a_mistake_in_the_settings(refused, env):
    done = refused(2, "monday-to-pg", env={**env, "DATABASE_URL": f"mysql://a:{PASSWORD}@b/c"})
    assert "DATABASE_URL" in done.err


def test_an_option_that_postgresql_does_not_know_is_named(refused, env):
    url = f"postgresql://a:{PASSWORD}@b/c?nosuchoption=1"
    done = refused(2, "status", env={**env, "DATABASE_URL": url}, hint="nosuchoption")
    assert "does not know: nosuchoption" in done.err


@pytest.mark.parametrize(
    "url", ["postgresql://a:1/c?secret=d@e/f", "postgresql://b/c?password=d&secret=e", "host=b password=a secret=d"]
)
def test_what_may_be_a_piece_of_a_password_is_not_taken_for_an_option(refused, env, url):
    assert "secret" not in refused(2, "status", env={**env, "DATABASE_URL": url}, hint="postgresql://").err


def test_a_database_without_the_tables_is_told_how_to_get_them(refused, env, postgres, run_cli):
    name = "bare_" + re.sub(r"\W", "", env["DATABASE_URL"])[-12:]
    postgres.create(name)
    try:
        bare = {**env, "DATABASE_URL": postgres.url(name)}
        refused(2, "monday-to-pg", env=bare, hint="python main.py init-db")
        assert run_cli("init-db", env=bare).code == 0
        assert run_cli("monday-to-pg", env=bare).code == 0
    finally:
        postgres.drop(name)


@pytest.mark.parametrize("columns", ["id serial primary key, email text", "id uuid primary key, email jsonb"])
def test_a_table_of_a_stranger_in_the_way_is_told_and_stays(refused, postgres, columns):
    name = f"strange_{uuid.uuid4().hex[:12]}"
    postgres.create(name)
    db = postgres.database(name)
    try:
        db.execute_query(f"create table users ({columns})", fetch=False)
        refused(1, "init-db", env={"DATABASE_URL": postgres.url(name)}, hint="database of the tool's own")
        assert db.execute_query("select count(*) from pg_tables where schemaname = 'public'") == [{"count": 1}]
    finally:
        db.close()
        postgres.drop(name)


def test_what_a_table_that_was_there_gets_is_told(run_cli, postgres):
    name = f"strange_{uuid.uuid4().hex[:12]}"
    postgres.create(name)
    db = postgres.database(name)
    try:
        db.execute_query("create table users (id uuid primary key, email text)", fetch=False)
        first, second = (run_cli("init-db", env={"DATABASE_URL": postgres.url(name)}) for _ in range(2))
        assert (first.code, second.code) == (0, 0)
        assert "users was there already, and got: monday_id, " in first.out
        assert "was there already" not in second.out
    finally:
        db.close()
        postgres.drop(name)


def test_a_read_only_database_fails_and_leaves_nothing(refused, env, db):
    with db.autocommit() as session:
        name = session.value("select current_database()")
        statement = "alter database {name} set default_transaction_read_only = on"
        session.execute(compose(statement, name=identifier(name)))
    done = refused(2, "monday-to-pg", env=env, hint="set default_transaction_read_only = off")
    assert "lets transactions only read" in done.err and done.out == ""


# Settings and arguments


def test_all_mistakes_of_the_settings_are_told_at_once(refused, env):
    wrong = {**env, "PORT": "eighty", "DEBUG": "perhaps", "MONDAY_BOARD_ID_USERS": "12a", "LOG_FORMAT": "xml"}
    done = refused(2, "monday-to-pg", env=wrong, hint=".env.example")
    for name in ("PORT", "DEBUG", "MONDAY_BOARD_ID_USERS", "LOG_FORMAT"):
        assert f"  - {name} must be" in done.err


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("monday-to-pg", "--batch-size", "0"), "--batch-size"),
        (("monday-to-pg", "--limit", "many"), "--limit"),
        (("monday-to-pg", "--prefer", "mine"), "--prefer"),
        (("monday-to-pg", "--no-such-option"), "--no-such-option"),
        (("no-such-command",), "no-such-command"),
        (("run", "--limit", "0"), "--limit"),
        (("monday-to-pg", "--unify"), "--unify"),
    ],
)
def test_a_wrong_argument_is_named_and_help_is_offered(refused, env, arguments, told):
    done = refused(2, *arguments, env=env, hint="python main.py")
    assert told in done.err and done.out == ""


# Files


def test_a_cache_file_that_is_no_snapshot_is_told(refused, env, tmp_path: Path):
    other = tmp_path / "other.gz"
    other.write_bytes(b"not gzip at all")
    done = refused(2, "monday-to-pg", "--entity", "users", "--cache-file", str(other), env=env, hint="--cache-file")
    assert str(other) in done.err and other.read_bytes() == b"not gzip at all"


def test_one_cache_file_cannot_hold_two_boards(refused, env, tmp_path: Path):
    refused(2, "monday-to-pg", "--cache-file", str(tmp_path / "both.gz"), env=env, hint="--entity")


def test_a_cache_file_in_a_folder_that_is_none_leaves_nothing(refused, env, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "snapshot.gz"
    refused(1, "monday-to-pg", "--entity", "users", "--cache-file", str(path), env=env, hint="--cache-file")
    assert sorted(os.listdir(tmp_path)) == ["file", "home"]
    assert (tmp_path / "file").read_text() == "mine"
    assert [path for path in (tmp_path / "home").rglob("*") if path.suffix == ".gz" or ".gz" in path.name] == []


def test_a_log_that_cannot_be_written_costs_one_warning(run_cli, env, home: Path):
    (home / "monday_sync.log").mkdir()
    done = run_cli("monday-to-pg", "--entity", "projects", env=env)
    assert done.code == 0
    assert done.err.count("cannot be written") == 1 and "Traceback" not in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_costs_one_warning(run_cli, env, home: Path):
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = run_cli("monday-to-pg", "--entity", "projects", env=env)
    assert done.code == 0 and done.err.count("cannot be written") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_costs_one_warning(run_cli, env, home: Path):
    (home / "monday_sync.log").symlink_to("/dev/full")
    done = run_cli("monday-to-pg", "--entity", "projects", env=env)
    assert done.code == 0 and done.err.count("cannot be written") == 1


def test_no_secret_stands_in_the_log(refused, run_cli, env, home: Path):
    refused(2, "monday-to-pg", env={**env, "MONDAY_API_KEY": KEY, "DEBUG": "0"})
    run_cli("monday-to-pg", env={**env, "DEBUG": "1"})
    text = (home / "monday_sync.log").read_text()
    assert text and KEY not in text and env["MONDAY_API_KEY"] not in text
    assert stat.S_IMODE((home / "monday_sync.log").stat().st_mode) == 0o600


def test_json_logs_are_one_object_a_line_errors_too(run_cli, env):
    done = run_cli("monday-to-pg", "--entity", "nobody", env={**env, "LOG_FORMAT": "json"})
    (line,) = done.err.splitlines()
    told = json.loads(line)
    assert (done.code, told["level"]) == (2, "error") and "nobody" in told["message"] and "users" in told["hint"]


def test_debug_shows_the_traceback(run_cli, env):
    done = run_cli("monday-to-pg", "--entity", "nobody", env={**env, "DEBUG": "1"})
    assert done.code == 2 and "Traceback" in done.err


# The output


@pytest.fixture
def shell(env, home: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a line of the shell in which `main` is the command line."""

    def run(line: str) -> subprocess.CompletedProcess[str]:
        main = f"{shlex.quote(sys.executable)} {shlex.quote(MAIN)}"
        environment = {**os.environ, **env, "MONDAY_SYNC_HOME": str(home)}
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line.replace('main', main, 1)}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize("command", ["status", "mapping", "mapping --json", "boards list", "runs"])
def test_a_reader_that_goes_away_ends_a_command_quietly(shell, command):
    done = shell(f"main {command} | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_whose_reader_goes_away_comes_to_its_end(shell, db):
    assert shell("main monday-to-pg | true").returncode == 0
    assert runs(db) == [{"exit_code": 0, "outcome": "success"}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", ["status --json", "status", "run --entity users --json", "mapping", "--help"])
def test_output_that_cannot_be_written_is_told_in_one_line(shell, command):
    done = shell(f"main {command} >/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: The output could not be written: No space left on device."
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("command", ["status", "monday-to-pg", "monday-to-pg --json"])
def test_a_closed_output_is_no_reason_to_stop(shell, command):
    done = shell(f"main {command} <&- >&-")
    assert done.returncode == 0 and "error" not in done.stderr
