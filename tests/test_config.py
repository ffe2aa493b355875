"""Checks settings: where they come from, what they must look like, and that secrets do not show."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.pretty import pretty_repr

from errors import SettingsError
from settings import PROJECT, load_settings

SECRETS = {
    "MONDAY_API_KEY": "made-up-key",
    "MONDAY_WEBHOOK_SECRET": "made-up-signing",
    "DATABASE_URL": "postgresql://app:made-up-password@db.example/app",
}


def load(home: Path, **environ: str):
    return load_settings({"MONDAY_SYNC_HOME": str(home), **environ})


def mistakes_of(home: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(home, **environ)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_nothing_has_to_be_set(home: Path) -> None:
    settings = load(home)
    assert (settings.api_url, settings.api_version) == ("https://api.monday.com/v2", "2026-10")
    assert (settings.api_key, settings.database_url, settings.daily_calls) == (None, None, None)
    assert (settings.give_up_after, settings.debug, settings.log_format) == (300.0, False, "text")


def test_the_home_is_the_projects_folder_unless_it_is_set(tmp_path: Path) -> None:
    assert load_settings({}).home == PROJECT
    assert load_settings({"MONDAY_SYNC_HOME": "elsewhere"}, cwd=tmp_path).home == tmp_path / "elsewhere"


ADDRESSES = ("json://a/b,c", "slack://A/B/C", "mailto://u:p@c")


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("MONDAY_API_KEY", "  key\n", "api_key", "key"),
        ("MONDAY_API_URL", "http://127.0.0.1:8000/v2/", "api_url", "http://127.0.0.1:8000/v2"),
        ("MONDAY_API_VERSION", "2026-07", "api_version", "2026-07"),
        ("MONDAY_DAILY_CALLS", "1000", "daily_calls", 1000),
        ("MONDAY_KEEP_LOGS_DAYS", "30", "keep_logs_days", 30),
        ("MONDAY_SECOND_PROCESS_FROM", "20000", "second_process_from", 20000),
        ("MONDAY_SECOND_PROCESS_FROM", "Off", "second_process_from", None),
        ("MONDAY_GIVE_UP_AFTER", "0.5", "give_up_after", 0.5),
        ("ALERT_URLS", "json://a/b,c, slack://A/B/C\nmailto://u:p@c,", "alert_urls", ADDRESSES),
        ("HEARTBEAT_URL", "https://ping.example/abc", "heartbeat_url", "https://ping.example/abc"),
        ("WEBHOOK_BASE_URL", "https://hooks.example/in/", "webhook_base_url", "https://hooks.example/in"),
        ("DATABASE_URL", "postgres:///app?host=/tmp", "database_url", "postgres:///app?host=/tmp"),
        ("DATABASE_URL", "host=/tmp password='a b'", "database_url", "host=/tmp password='a b'"),
        ("DATABASE_URL", "postgresql://a:1,b:2/app", "database_url", "postgresql://a:1,b:2/app"),
        ("PORT", "0", "port", 0),
        ("WORKER_METRICS", "0.0.0.0:9000", "worker_metrics", ("0.0.0.0", 9000)),
        ("WORKER_METRICS", "Off", "worker_metrics", None),
        ("DEBUG", "Yes", "debug", True),
        ("DEBUG", "0", "debug", False),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("LOG_FORMAT", "  ", "log_format", "text"),
        ("LOG_FORMAT", "kestra", "log_format", "kestra"),
    ],
)
def test_a_setting_is_read(home: Path, name: str, value: str, field: str, read: object) -> None:
    assert getattr(load(home, **{name: value}), field) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONDAY_API_KEY", "two words"),
        ("MONDAY_API_KEY", "ключ"),
        ("MONDAY_API_URL", "api.monday.com"),
        ("MONDAY_API_URL", "https://"),
        ("MONDAY_API_URL", "https://host:port/"),
        ("MONDAY_API_URL", "https://user:password@host/"),
        ("MONDAY_API_VERSION", "latest"),
        ("MONDAY_BOARD_ID_USERS", "5764059860x"),
        ("MONDAY_BOARD_ID_ANYTHING", "-1"),
        ("MONDAY_DAILY_CALLS", "0"),
        *(("MONDAY_KEEP_LOGS_DAYS", value) for value in ("0", "-1", "90 days", "1.5", "36501")),
        *(("MONDAY_SECOND_PROCESS_FROM", value) for value in ("0", "-1", "never")),
        ("MONDAY_GIVE_UP_AFTER", "5 min"),
        *(("ALERT_URLS", value) for value in ("example.com", "json://", "json://a, b c", "://a")),
        ("ALERT_LINK", "runbook"),
        ("HEARTBEAT_URL", "https://user:password@host/"),
        ("WEBHOOK_BASE_URL", "ftp://host"),
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "sqlite"),
        ("DATABASE_URL", "postgresql://u:p/w@host/db"),
        ("DATABASE_URL", "postgresql://u:p@w@host/db"),
        ("DATABASE_URL", "host=a b"),
        ("PORT", "65536"),
        ("WORKER_METRICS", "9808"),
        ("DEBUG", "maybe"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named(home: Path, name: str, value: str) -> None:
    assert mistakes_of(home, **{name: value}).startswith(name)


def test_inside_kestra_log_lines_take_its_form_unless_another_is_asked_for(home: Path) -> None:
    assert load(home, KESTRA_CONFIGURATION="x").log_format == "kestra"
    assert load(home, KESTRA_CONFIGURATION="x", LOG_FORMAT="text").log_format == "text"


def test_all_mistakes_are_named_at_once(home: Path) -> None:
    (home / ".env").write_text("DEBUG=maybe\nthis is no setting\n")
    message = mistakes_of(home, PORT="x", MONDAY_BOARD_ID_DATA="y", MONDAY_API_KEY_FILE="/no/such/file")
    assert message.startswith("5 settings are wrong")
    for words in ("PORT", "MONDAY_BOARD_ID_DATA", "MONDAY_API_KEY_FILE", "DEBUG", ".env, line 2"):
        assert words in message


def test_the_environment_wins_over_env_file_and_a_blank_does_not(home: Path) -> None:
    (home / ".env").write_text("PORT=1\nLOG_FORMAT=json\nexport DEBUG=1\n")
    settings = load(home, PORT="2", LOG_FORMAT="")
    assert (settings.port, settings.log_format, settings.debug) == (2, "json", True)


def test_a_value_in_env_file_is_taken_as_it_is_written(home: Path) -> None:
    (home / ".env").write_bytes("\ufeffMONDAY_API_KEY='pa$$word${HOME}#1'  # mine\r\n".encode())
    assert load(home).api_key == "pa$$word${HOME}#1"


def test_the_env_file_itself_is_never_written_into_the_environment(home: Path) -> None:
    import os

    (home / ".env").write_text("MONDAY_BOARD_ID_NEW=17\n")
    assert load(home).board_id("MONDAY_BOARD_ID_NEW") == "17"
    assert "MONDAY_BOARD_ID_NEW" not in os.environ


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_can_be_kept_in_a_file(home: Path, name: str) -> None:
    (home / "secret").write_text(SECRETS[name] + "\n")
    field = {"MONDAY_API_KEY": "api_key", "MONDAY_WEBHOOK_SECRET": "webhook_secret", "DATABASE_URL": "database_url"}[
        name
    ]
    assert getattr(load(home, **{f"{name}_FILE": str(home / "secret")}), field) == SECRETS[name]
    (home / ".env").write_text(f"{name}_FILE=secret\n")
    assert getattr(load(home), field) == SECRETS[name]


def test_a_setting_and_its_file_together_are_a_mistake(home: Path) -> None:
    (home / "secret").write_text("key")
    assert "both set" in mistakes_of(home, MONDAY_API_KEY="key", MONDAY_API_KEY_FILE=str(home / "secret"))


def test_a_setting_of_the_environment_stands_before_the_env_files_file(home: Path) -> None:
    (home / ".env").write_text("MONDAY_API_KEY_FILE=secret\n")
    (home / "secret").write_text("from the file's file".replace(" ", "-"))
    assert load(home, MONDAY_API_KEY="from-the-environment").api_key == "from-the-environment"


def test_other_programs_variables_are_left_alone(home: Path) -> None:
    others = {"SSL_CERT_FILE": "/no/such/file", "SOME_PORT": "x", "REPORT": "9", "MONDAY": "y"}
    assert replace(load(home, **others), environment={}) == replace(load(home), environment={})


def test_boards_have_the_shipped_ids_until_told_otherwise(home: Path) -> None:
    settings = load(home, MONDAY_BOARD_ID_DATA="42", ROADMAP="43")
    names = "MONDAY_BOARD_ID_USERS", "MONDAY_BOARD_ID_DATA", "MONDAY_BOARD_ID_CONTACTS", "ROADMAP"
    assert [settings.board_id(name) for name in names] == ["5764059860", "42", None, "43"]


def test_a_board_id_under_any_name_must_be_a_number(home: Path) -> None:
    with pytest.raises(SettingsError, match="ROADMAP must be a number"):
        load(home, ROADMAP="our roadmap").board_id("ROADMAP")


def test_the_key_is_asked_for_only_when_it_is_needed(home: Path) -> None:
    with pytest.raises(SettingsError, match="MONDAY_API_KEY is not set") as caught:
        load(home).require_key()
    assert str(home / ".env") in caught.value.hint
    assert load(home, MONDAY_API_KEY="key").require_key() == "key"


def test_secrets_never_show(home: Path) -> None:
    assert "made-up" not in repr(load(home, **SECRETS)) + pretty_repr(load(home, **SECRETS))
    broken = {
        "MONDAY_API_KEY": "made-up key",
        "DATABASE_URL": "mysql://app:made-up@host/",
        "MONDAY_API_URL": "https://made-up@host",
        "PORT": "made-up-and-put-on-the-wrong-line",
    }
    message = mistakes_of(home, **broken)
    assert "made-up" not in message
    assert message.startswith("4 settings")
