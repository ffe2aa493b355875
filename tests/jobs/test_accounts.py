"""Accounts of an installation: kept with references to their secrets only, and none sees the settings of another."""

from __future__ import annotations

import json
import os

import pytest

from tests.kit.cli import MAIN, run_python
from tests.kit.live import BOARDS, SECRET

TOKEN = "a-made-up-key-of-acme"


@pytest.fixture
def at(run_cli, database_url, tmp_path):
    """Runs `main.py` in an installation whose control database is its own."""
    env = {"MONDAY_SYNC_HOME": str(tmp_path), "CONTROL_DATABASE_URL": database_url}
    return lambda *arguments, **more: run_cli(*arguments, env={**env, **more.pop("env", {})}, **more)


@pytest.fixture
def acme(at, tmp_path, sandbox, database_url):
    """Adds an account."""
    for name, text in (("key", sandbox.token), ("url", database_url)):
        (tmp_path / name).write_text(text)
    done = at(
        *("accounts", "add", "acme", "--key-file", str(tmp_path / "key"), "--database-url-file", str(tmp_path / "url")),
        *("--set", f"MONDAY_API_URL={sandbox.graphql_url}", "--set", "MONDAY_BOARD_ID_CONTACTS=1"),
    )
    assert done.code == 0, done.err
    return "acme"


def test_accounts_are_listed_shown_changed_and_removed(at, acme):
    assert [a["account"] for a in json.loads(at("accounts", "list", "--json").out)["accounts"]] == ["acme"]
    assert at("accounts", "set", "acme", "MONDAY_BOARD_ID_USERS=7", "MONDAY_BOARD_ID_CONTACTS=").code == 0
    shown = at("accounts", "show", "acme").out
    assert "MONDAY_BOARD_ID_USERS=7" in shown and "CONTACTS" not in shown and "acme: works" in shown
    assert at("accounts", "remove", "acme", "--yes").code == 0
    gone = at("accounts", "show", "acme")
    assert gone.code == 2 and "There is no account 'acme'" in gone.err


def test_the_same_name_cannot_be_added_twice(at, acme):
    again = at("accounts", "add", "acme")
    assert again.code == 2 and "accounts set acme" in again.err


@pytest.mark.parametrize("name", ["MONDAY_API_KEY", "DATABASE_URL", "MONDAY_WEBHOOK_SECRET", "MYSQL_PASSWORD"])
def test_a_secret_is_taken_as_the_path_of_a_file_only(at, acme, name):
    refused = at("accounts", "set", "acme", f"{name}={TOKEN}")
    assert refused.code == 2 and f"{name}_FILE=PATH" in refused.err
    assert TOKEN not in refused.err and TOKEN not in at("accounts", "show", "acme").out


@pytest.mark.parametrize("pair", ["BROKER_URL=redis://b", "MONDAY_SYNC_HOME=/x", "MONDAY_SYNC_ACCOUNT=b", "NONE=1"])
def test_a_setting_that_is_no_accounts_own_is_refused(at, acme, pair):
    assert at("accounts", "set", "acme", pair).code == 2


@pytest.mark.parametrize("name", ["Acme", "a b", "../acme", "-a", "a" * 49, ""])
def test_a_name_that_cannot_be_part_of_an_address_is_refused(at, name):
    done = at("accounts", "add", "--", name)
    assert done.code == 2 and "name of an account" in done.err


def test_a_command_of_an_account_takes_no_setting_of_its_caller(at, acme):
    others = {"MONDAY_API_KEY": "of-another", "DATABASE_URL": "postgresql://nowhere/x", **BOARDS}
    done = at("--account", "acme", "status", "--json", env=others)
    assert done.code in (0, 3), done.err
    facts = at("--account", "acme", "doctor", "settings", "--json", env=others)
    assert "nowhere" not in facts.out and "of-another" not in facts.out


def test_an_account_that_is_not_there_is_told(at):
    done = at("--account", "nobody", "status")
    assert done.code == 2 and "There is no account 'nobody'" in done.err


def test_an_account_has_none_of_the_usual_boards(at, acme):
    done = at("--account", "acme", "status", "--json")
    assert "5764059860" not in done.out


def test_a_paused_account_says_who_paused_it_and_why(at, acme):
    assert at("accounts", "pause", "acme", "--why", "moves").code == 0
    shown = at("accounts", "show", "acme").out
    assert "paused since" in shown and ": moves" in shown
    (row,) = json.loads(at("fleet", "--json").out)["accounts"]
    assert row["paused_at"] and row["paused_why"] == "moves"
    assert at("accounts", "resume", "acme").code == 0
    assert "acme: works" in at("accounts", "show", "acme").out


@pytest.mark.parametrize("command", ["worker", "beat", "door"])
def test_without_celery_the_command_says_how_to_install_it(command, tmp_path, database_url):
    text = (
        f"import sys; sys.modules['celery'] = None; sys.argv = ['main.py', '{command}']\n"
        f"import runpy; runpy.run_path({MAIN!r}, run_name='__main__')"
    )
    env = {"MONDAY_SYNC_HOME": str(tmp_path), "DATABASE_URL": database_url, "BROKER_URL": "redis://127.0.0.1:1/0"}
    done = run_python("-c", text, env=env)
    assert done.code == 2 and "python -m pip install -r requirements-cluster.txt" in done.err


@pytest.mark.parametrize("missing", ["BROKER_URL", "CONTROL_DATABASE_URL"])
def test_a_worker_says_which_setting_it_needs(at, missing, database_url):
    env = {"BROKER_URL": "redis://127.0.0.1:1/0", "CONTROL_DATABASE_URL": database_url}
    env[missing] = ""
    done = at("worker", env=env)
    assert done.code == 2 and f"{missing} is not set" in done.err


def test_a_table_of_accounts_holds_no_secret(at, acme, db, sandbox):
    kept = str(db.execute_query("select settings::text from sync_accounts"))
    assert sandbox.token not in kept and SECRET not in kept and os.sep + "key" in kept
