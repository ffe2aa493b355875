"""Checks `init` as a user meets it: on a terminal, against a sandbox and a real PostgreSQL, and by its flags alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.kit.first_runs import files_of, tables_of
from tests.kit.shipped import PROJECTS, USERS
from tests.kit.terminal import CTRL_C, CTRL_D, terminal


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:12,projects:12") as sandbox:
        yield sandbox


def test_a_first_run_asks_tests_writes_makes_and_looks(first_env, home: Path, sandbox: Sandbox, empty_url: str) -> None:
    with terminal("init", env=first_env) as shown:
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
    first_env, home, sandbox: Sandbox, empty_url: str, left_at: str, key: str, code: int
):
    (home / ".env").write_text("# mine\nPORT=8081\n")
    answers = {QUESTIONS[0]: sandbox.token, QUESTIONS[1]: empty_url}
    with terminal("init", env=first_env) as shown:
        for question in QUESTIONS[: QUESTIONS.index(left_at)]:
            shown.answer(question, answers.get(question, ""))
        shown.wait_for(left_at)
        if key:
            shown.type(key)
        else:
            shown.send(signal.SIGTERM)
        assert shown.end() == code, shown.shown
        assert shown.echoes()
    assert (home / ".env").read_text() == "# mine\nPORT=8081\n"
    assert [path.name for path in home.iterdir()] == [".env"] and tables_of(empty_url) == 0


# Once more, with what is set


def test_run_again_what_is_set_is_the_default_and_the_file_stays(
    first_env, home: Path, sandbox: Sandbox, empty_url: str
):
    text = f"# mine\nMONDAY_API_KEY={sandbox.token} # a key\nPORT=8081\nDATABASE_URL='{empty_url}'\n"
    (home / ".env").write_text(text)
    with terminal("init", env=first_env) as shown:
        shown.answer("MONDAY_API_KEY (not shown) [is set]", "")
        shown.answer("DATABASE_URL (not shown) [is set; 'embedded' for", "")
        for question in QUESTIONS[2:]:
            shown.answer(question, "")
        assert shown.end() == 0, shown.shown
    assert files_of(home) == {".env": text} and f"{home / '.env'} is as it was" in shown.shown


def test_run_again_a_new_answer_takes_the_place_of_the_old(
    first_env, home: Path, sandbox: Sandbox, empty_url: str
) -> None:
    old = "A=1\nMONDAY_API_KEY=old # a key\nDATABASE_URL=postgresql://nobody@127.0.0.1:1/none\n# end\n"
    (home / ".env").write_text(old)
    with terminal("init", env=first_env) as shown:
        shown.answer("MONDAY_API_KEY (not shown) [is set]", sandbox.token)
        shown.answer("DATABASE_URL (not shown) [is set", empty_url)
        for question in QUESTIONS[2:]:
            shown.answer(question, "")
        assert shown.end() == 0, shown.shown
    new = f"A=1\nMONDAY_API_KEY={sandbox.token} # a key\nDATABASE_URL={empty_url}\n# end\n"
    assert files_of(home) == {".env": new, ".env.old": old}


def test_with_no_at_the_end_nothing_is_changed(first_env, home: Path, sandbox: Sandbox, empty_url: str) -> None:
    with terminal("init", env=first_env) as shown:
        for question, answer in zip(QUESTIONS, (sandbox.token, empty_url, *("",) * 5, "n"), strict=True):
            shown.answer(question, answer)
        assert shown.end() == 0
    assert "Nothing was changed." in shown.shown and not list(home.iterdir()) and tables_of(empty_url) == 0


# Answers that fail their test


def test_a_refused_key_is_asked_for_again_three_times(first_env, home: Path) -> None:
    with terminal("init", env=first_env) as shown:
        for _ in range(3):
            shown.answer("MONDAY_API_KEY (not shown)", "made-up-wrong-key")
            shown.wait_for("error: ")
        assert shown.end() == 2
    assert "made-up-wrong-key" not in shown.shown and not list(home.iterdir())


def test_what_is_no_key_is_asked_for_again(first_env, sandbox: Sandbox) -> None:
    with terminal("init", env=first_env) as shown:
        shown.answer("MONDAY_API_KEY (not shown)", "two words")
        shown.answer("MONDAY_API_KEY (not shown)", sandbox.token)
        shown.wait_for("the key of")
        shown.wait_for("DATABASE_URL (not shown)")
        shown.type(CTRL_C)
        assert shown.end() == 130


def test_a_database_that_is_away_is_asked_for_again(first_env, sandbox: Sandbox, empty_url: str) -> None:
    with terminal("init", env=first_env) as shown:
        shown.answer("MONDAY_API_KEY (not shown)", sandbox.token)
        shown.answer("DATABASE_URL (not shown)", "postgresql://app:made-up-word@127.0.0.1:1/app")
        shown.wait_for("could not be reached")
        shown.answer("DATABASE_URL (not shown)", "no address")
        shown.wait_for("is no PostgreSQL address")
        shown.answer("DATABASE_URL (not shown)", empty_url)
        shown.wait_for("the tables can be made")
        shown.type(CTRL_C)
        assert shown.end() == 130
    assert "made-up-word" not in shown.shown


def test_a_board_that_does_not_fit_is_asked_for_again(first_env, sandbox: Sandbox, empty_url: str) -> None:
    with terminal("init", env=first_env) as shown:
        shown.answer(QUESTIONS[0], sandbox.token)
        shown.answer(QUESTIONS[1], empty_url)
        shown.answer("Board of users [", "1234")
        shown.wait_for("error: ")
        shown.answer("Board of users [", "https://x.monday.com/boards/5764059860")
        shown.wait_for("must be a number")
        shown.answer("Board of users [", USERS)
        shown.wait_for("Board of projects [")
        shown.type(CTRL_C)
        assert shown.end() == 130


# Boards


def test_a_dash_takes_a_board_back(first_env, home: Path, sandbox: Sandbox, empty_url: str) -> None:
    text = f"MONDAY_API_KEY={sandbox.token}\nDATABASE_URL={empty_url}\nMONDAY_BOARD_ID_USERS={USERS}\nWEBHOOK_BASE_URL=http://x\n"
    (home / ".env").write_text(text)
    answers = {f"Board of users [{USERS}]": "-", "Public address for webhooks, if any [http://x]": "-"}
    with terminal("init", env=first_env) as shown:
        for question in QUESTIONS:
            longer = next((known for known in answers if known.startswith(question)), question)
            shown.answer(longer, answers.get(longer, ""))
        assert shown.end() == 0, shown.shown
    lines = (home / ".env").read_text().splitlines()
    assert lines[2:] == ["MONDAY_BOARD_ID_USERS=", "WEBHOOK_BASE_URL="]
    assert "Next: python main.py monday-to-pg --entity projects" in shown.shown


def test_a_board_that_is_set_and_not_seen_is_asked_about(
    first_env, home: Path, sandbox: Sandbox, empty_url: str, by_flags
) -> None:
    text = f"MONDAY_API_KEY={sandbox.token}\nDATABASE_URL={empty_url}\nMONDAY_BOARD_ID_CONTACTS=1234\n"
    (home / ".env").write_text(text)
    with terminal("init", env=first_env) as shown:
        for question in QUESTIONS[:5]:
            shown.answer(question, "")
        shown.answer("Board of contacts [1234]", "")
        shown.wait_for("1234")
        shown.answer("Board of contacts [1234]", "-")
        shown.answer(QUESTIONS[-2], "")
        shown.answer(QUESTIONS[-1], "")
        assert shown.end() == 0, shown.shown
    assert "MONDAY_BOARD_ID_CONTACTS=\n" in (home / ".env").read_text()
