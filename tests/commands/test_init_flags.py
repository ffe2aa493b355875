"""Checks `init` without a terminal: what its flags answer, what is missing, and answers that fail their test."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import parse_dsn

from commands.env_file import quoted
from db_connector import Database
from sandbox import Sandbox
from settings import load_settings
from tests.kit.cli import start_main
from tests.kit.first_runs import files_of, tables_of
from tests.kit.postgres import Postgres
from tests.kit.shipped import PROJECT, USERS


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:12,projects:12") as sandbox:
        yield sandbox


def test_flags_answer_all_questions(by_flags, home: Path, sandbox: Sandbox, empty_url: str) -> None:
    done = by_flags("--board", f"users={USERS}", "--webhook-url", "https://hooks.example/")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "Next: python main.py monday-to-pg --entity users --entity projects"
    settings = load_settings({"MONDAY_SYNC_HOME": str(home)})
    assert (settings.api_key, settings.database_url) == (sandbox.token, empty_url)
    assert settings.webhook_base_url == "https://hooks.example" and tables_of(empty_url) > 10


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ((), ["--key-file FILE or --key-stdin", "--database-url-file FILE or --embedded", "--board ENTITY=ID"]),
        (("--yes",), ["--key-file FILE or --key-stdin"]),
        (("--embedded",), ["--key-file FILE or --key-stdin", "--board ENTITY=ID"]),
        (("--key-file", "key", "--no-boards"), ["--database-url-file FILE or --embedded"]),
    ],
)
def test_without_a_terminal_all_missing_flags_are_named_at_once(by_flags, home: Path, given, missing) -> None:
    done = by_flags(given=given)
    assert done.code == 2 and done.out == ""
    every = ["--key-file FILE or --key-stdin", "--database-url-file FILE or --embedded", "--board ENTITY=ID"]
    assert [flag for flag in every if flag in done.err] == missing and not list(home.iterdir())


@pytest.mark.parametrize(
    "pair", ["--key-file x --key-stdin", "--embedded --database-url-file x", "--no-boards --board users=1"]
)
def test_two_flags_for_one_question_are_a_mistake(by_flags, pair: str) -> None:
    done = by_flags(*pair.split(), given=())
    assert done.code == 2 and "not both" in done.err


@pytest.mark.parametrize("given", ["users", "users=", "=5"])
def test_a_board_without_an_entity_or_an_id_is_a_mistake(by_flags, given: str) -> None:
    done = by_flags("--board", given)
    assert done.code == 2 and "ENTITY=ID" in done.err


FAILURES = {
    "refused key": ({}, "made-up-wrong-key", "", "Not authenticated", 2),
    "two words": ({}, "two words", "", "holds blanks", 2),
    "empty file": ({}, " \n", "", "is empty", 2),
    "no monday.com": (
        {"MONDAY_API_URL": "http://127.0.0.1:1/v2", "MONDAY_GIVE_UP_AFTER": "1"},
        "",
        "",
        "monday.com",
        1,
    ),
    "no address": ({"MONDAY_API_URL": "{url}/none"}, "", "", "MONDAY_API_URL", 2),
    "no database": ({}, "", "postgresql://app@127.0.0.1:1/app", "could not be reached", 1),
    "no such database": ({}, "", "{url} dbname=none", "does not exist", 1),
    "wrong address": ({}, "", "mysql://x", "no PostgreSQL address", 2),
}


@pytest.mark.parametrize("case", FAILURES)
def test_an_answer_that_fails_its_test_ends_it_and_changes_nothing(
    by_flags, home: Path, tmp_path: Path, sandbox: Sandbox, empty_url: str, case: str
) -> None:
    more, key, url, said, code = FAILURES[case]
    (home / ".env").write_text("A=1\n")
    if key:
        (tmp_path / "key").write_text(key)
    if url:
        words = " ".join(f"{name}={value}" for name, value in parse_dsn(empty_url).items() if name != "dbname")
        (tmp_path / "url").write_text(url.replace("{url}", words))
    address = sandbox.graphql_url.removesuffix("/v2")
    done = by_flags("--yes", **{name: value.replace("{url}", address) for name, value in more.items()})
    assert done.code == code and said in done.err + done.out, done
    assert files_of(home) == {".env": "A=1\n"} and tables_of(empty_url) == 0


RIGHTS = {
    "read-only": ("alter role {role} set default_transaction_read_only = on", "is read-only"),
    "no rights": ("revoke create on schema public from public", "may not make tables in schema public"),
    "no schema": ("alter role {role} set search_path = 'none'", "names no schema"),
}


@pytest.mark.parametrize("case", RIGHTS)
def test_a_database_that_cannot_be_written_is_refused(
    by_flags, home: Path, tmp_path: Path, empty_url: str, case: str
) -> None:
    statement, said = RIGHTS[case]
    role = f"test_{uuid.uuid4().hex[:12]}"
    db = Database(empty_url)
    db.execute_query(f"create role {role} login", fetch=False)
    try:
        db.execute_query("grant create on schema public to public", fetch=False)
        db.execute_query(statement.format(role=role), fetch=False)
        options = {**parse_dsn(empty_url), "user": role}
        (tmp_path / "url").write_text(" ".join(f"{name}={value}" for name, value in options.items()))
        done = by_flags("--yes")
    finally:
        db.execute_query(f"drop role {role}", fetch=False)
        db.close()
    assert done.code == 1 and said in done.err, done.err
    assert not list(home.iterdir())


def test_a_setting_in_the_environment_that_hides_the_file_is_told(by_flags, home: Path, sandbox: Sandbox) -> None:
    done = by_flags("--yes", MONDAY_API_KEY="made-up-old-key", DATABASE_URL_FILE=str(home / "none"))
    assert done.code == 2 and "DATABASE_URL_FILE" in done.err
    done = by_flags("--yes", MONDAY_API_KEY="made-up-old-key")
    assert done.code == 0 and "MONDAY_API_KEY is set in the environment, which wins over .env" in done.err
    assert f"MONDAY_API_KEY={sandbox.token}\n" in (home / ".env").read_text()


WRONG = {"MONDAY_API_KEY": "two words", "DATABASE_URL": "mysql://x", "MONDAY_BOARD_ID_USERS": "x"}


def test_wrong_values_are_told_and_replaced(by_flags, home: Path, sandbox: Sandbox, empty_url: str) -> None:
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in WRONG.items()) + "# end\n")
    done = by_flags("--yes")
    assert done.code == 0 and [line.split()[1] for line in done.err.splitlines()[:3]] == [*WRONG]
    after = f"MONDAY_API_KEY={sandbox.token}\nDATABASE_URL={quoted(empty_url)}\nMONDAY_BOARD_ID_USERS=\n# end\n"
    assert (home / ".env").read_text() == after


def test_other_mistakes_in_the_file_are_told_before_anything(by_flags, home: Path) -> None:
    (home / ".env").write_text("PORT=x\nDEBUG=y\nMONDAY_API_KEY=two words\n")
    done = by_flags("--yes")
    assert done.code == 2 and "PORT must be" in done.err and "DEBUG must be" in done.err and done.out == ""


def test_the_embedded_database_takes_the_place_of_an_address(
    by_flags, home: Path, tmp_path: Path, folder: Path
) -> None:
    (folder / ".env").write_text("DATABASE_URL=postgresql://127.0.0.1:1/none # mine\nA=1\n")
    given = ("--key-file", str(tmp_path / "key"), "--embedded", "--yes")
    done = by_flags(given=given, MONDAY_SYNC_HOME=str(folder))
    assert done.code == 0 and "embedded: its data will be in" in done.out, done
    assert "\nDATABASE_URL= # mine\nA=1\n" in "\n" + (folder / ".env").read_text()
    again = by_flags(given=given, MONDAY_SYNC_HOME=str(folder))
    assert again.code == 0 and "of the tool's tables are there" in again.out


def test_the_key_comes_from_stdin(first_env, home: Path, sandbox: Sandbox, empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(empty_url)
    words = ["init", "--key-stdin", "--database-url-file", str(tmp_path / "url"), "--yes"]
    process = start_main(*words, env=first_env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(f"{sandbox.token}\n", timeout=60)
    assert process.returncode == 0, err
    assert (
        "Next: python main.py monday-to-pg" in out
        and f"MONDAY_API_KEY={sandbox.token}\n" in (home / ".env").read_text()
    )


def test_two_boards_for_an_entity_are_a_mistake(by_flags) -> None:
    done = by_flags("--board", f"users={USERS}", "--board", "users=1")
    assert done.code == 2 and "names an entity twice" in done.err and done.out == ""


def test_an_unknown_entity_and_an_unknown_board_are_told(by_flags) -> None:
    done = by_flags("--board", "user=1")
    assert done.code == 2 and "unknown entity: user" in done.err and "users" in done.err
    done = by_flags("--board", "users=1234")
    assert done.code == 2 and "1234" in done.err


def test_a_home_that_is_not_there_is_made(by_flags, tmp_path: Path) -> None:
    done = by_flags("--yes", MONDAY_SYNC_HOME=str(tmp_path / "new" / "home"))
    assert done.code == 0 and (tmp_path / "new" / "home" / ".env").stat().st_mode & 0o777 == 0o600


def test_without_boards_the_next_command_looks_at_one(by_flags, sandbox: Sandbox) -> None:
    done = by_flags("--no-boards")
    assert done.code == 0 and done.out.splitlines()[-1] == "Next: python main.py boards discover --board-id ID"


def test_a_mapping_of_the_users_own_is_shown_as_it_flows(by_flags, home: Path) -> None:
    (home / "mappings").mkdir()
    text = (PROJECT / "mappings" / "users.yaml").read_text()
    (home / "mappings" / "users.yaml").write_text(f"{text}\ndirection: pg_to_monday\n")
    done = by_flags("--yes")
    assert done.code == 0 and done.out.splitlines()[-1] == "Next: python main.py pg-to-monday --entity users", done
    (home / "mappings" / "users.yaml").write_text(f"{text}\ndirection: none\n")
    done = by_flags("--yes")
    assert done.code == 0 and done.out.splitlines()[-1] == "Next: python main.py monday-to-pg --entity projects", done


def test_a_database_of_another_encoding_is_told(by_flags, postgres: Postgres, tmp_path: Path) -> None:
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    admin = postgres.database(postgres.connection["dbname"], max_connections=1)
    with admin.autocommit() as session:
        session.execute(
            f"create database {name} template template0 encoding 'LATIN1' locale_provider libc lc_collate 'C' lc_ctype 'C'"
        )
    admin.close()
    try:
        (tmp_path / "url").write_text(postgres.url(name))
        done = by_flags("--yes")
        assert "encoding LATIN1" in done.out and "UTF8 takes all" in done.out, done
    finally:
        postgres.drop(name)
