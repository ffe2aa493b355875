"""Checks `init` as a user meets it: on a terminal, against a sandbox and a real PostgreSQL, and by its flags alone."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from sandbox import Sandbox
from tests.kit.postgres import Postgres
from tests.kit.shipped import PROJECTS, USERS
from tests.kit.terminal import CTRL_C, CTRL_D, terminal


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:12,projects:12") as sandbox:
        yield sandbox


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    """Makes a database without any table."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def env(sandbox: Sandbox, home: Path) -> dict[str, str]:
    return {"MONDAY_SYNC_HOME": str(home), "MONDAY_API_URL": sandbox.graphql_url, "MONDAY_GIVE_UP_AFTER": "5"}


def tables_of(url: str) -> int:
    db = Database(url)
    try:
        return int(db.execute_query("select count(*) as n from pg_tables where schemaname = 'public'")[0]["n"])  # type: ignore[index]
    finally:
        db.close()


def test_a_first_run_asks_tests_writes_makes_and_looks(env, home: Path, sandbox: Sandbox, empty_url: str) -> None:
    with terminal("init", env=env) as shown:
        shown.answer("MONDAY_API_KEY (not shown)", sandbox.token)
        shown.wait_for("monday.com: the key of ")
        shown.answer("DATABASE_URL (not shown) [embedded]", empty_url)
        shown.wait_for("the tables can be made")
        shown.answer(f"Board of users [{USERS}]", "")
        shown.answer(f"Board of projects [{PROJECTS}]", "")
        shown.answer("Board of organizations [-]", "")
        shown.answer("Board of contacts [-]", "")
        shown.answer("Public address for webhooks, if any [-]", "https://hooks.example")
        shown.answer("and make the tables? [Y/n]", "")
        assert shown.end() == 0, shown.shown
    text = (home / ".env").read_text()
    assert f"\nMONDAY_API_KEY={sandbox.token}\n" in text and "\nWEBHOOK_BASE_URL=https://hooks.example\n" in text
    assert sandbox.token not in shown.shown and tables_of(empty_url) > 10
    assert "Next: python main.py monday-to-pg --entity users --entity projects" in shown.shown
    assert "would create" in shown.shown


QUESTIONS = (
    *("MONDAY_API_KEY (not shown)", "DATABASE_URL (not shown)"),
    *(f"Board of {entity} [" for entity in ("users", "projects", "organizations", "contacts")),
    *("Public address for webhooks", "make the tables? [Y/n]"),
)


@pytest.mark.parametrize(
    ("key", "code"), [(CTRL_C, 130), (CTRL_D, 130), ("", 143)], ids=["ctrl-c", "end of input", "sigterm"]
)
@pytest.mark.parametrize("left_at", QUESTIONS)
def test_ctrl_c_at_a_question_leaves_all_as_it_was(
    env, home, sandbox: Sandbox, empty_url: str, left_at: str, key: str, code: int
):
    (home / ".env").write_text("# mine\nPORT=8081\n")
    answers = {QUESTIONS[0]: sandbox.token, QUESTIONS[1]: empty_url}
    with terminal("init", env=env) as shown:
        for question in QUESTIONS[: QUESTIONS.index(left_at)]:
            shown.answer(question, answers.get(question, ""))
        shown.wait_for(left_at)
        if key:
            shown.type(key)
        else:
            shown.send(signal.SIGTERM)
        assert shown.end() == code, shown.shown
    assert (home / ".env").read_text() == "# mine\nPORT=8081\n"
    assert [path.name for path in home.iterdir()] == [".env"] and tables_of(empty_url) == 0
