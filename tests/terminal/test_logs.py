"""Checks logs: what stands in them, how the file turns over, and what must not stand in them."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import Settings
from terminal import logs

SECRETS = Settings(
    api_key="key-nobody-may-see",
    webhook_secret="hook-nobody-may-see",
    database_url="postgresql://me:pa%40ss-word@localhost/x",
)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handlers, propagate = list(logs.log.handlers), logs.log.propagate
    yield
    for handler in list(logs.log.handlers):
        logs.log.removeHandler(handler)
        handler.close()
    logs.log.handlers, logs.log.propagate = handlers, propagate


def settings(home: Path, **changes: object) -> Settings:
    known = {"api_key": SECRETS.api_key, "webhook_secret": SECRETS.webhook_secret, "database_url": SECRETS.database_url}
    return Settings(**{"home": home, **known, **changes})  # type: ignore[arg-type]


def lines(home: Path) -> list[str]:
    return (home / logs.LOG_FILE).read_text(encoding="utf-8").splitlines()


def test_a_person_reads_a_sentence_and_the_file_has_time_and_level(home: Path, capsys: pytest.CaptureFixture[str]):
    logs.set_up(settings(home))
    logs.log.info("Pulled %s.", "users")
    logs.log.error("It broke.", extra={"hint": "Mend it."})
    assert capsys.readouterr().err == "Pulled users.\nerror: It broke.\nhint: Mend it.\n"
    assert [line.split(" ", 1)[1] for line in lines(home)[:2]] == ["INFO    Pulled users.", "ERROR   It broke."]
    assert lines(home)[0][10] == "T" and "hint: Mend it." in lines(home)[2]


def test_quiet_leaves_warnings_and_errors(home: Path, capsys: pytest.CaptureFixture[str]):
    logs.set_up(settings(home), quiet=True)
    logs.log.info("a note")
    logs.log.warning("a warning")
    assert capsys.readouterr().err == "warning: a warning\n"
    assert len(lines(home)) == 2


@pytest.mark.parametrize(
    "secret", ["key-nobody-may-see", "hook-nobody-may-see", "pa%40ss-word", "pa@ss-word", SECRETS.database_url]
)
@pytest.mark.parametrize("log_format", ["text", "json", "kestra"])
def test_secrets_are_masked_also_in_tracebacks(home: Path, capsys, secret: str, log_format: str):
    logs.set_up(settings(home, log_format=log_format))
    try:
        raise ValueError(f"refused: {secret}")
    except ValueError:
        logs.log.error("with %s", secret, exc_info=True, extra={"hint": secret})
    told = capsys.readouterr().err + (home / logs.LOG_FILE).read_text()
    assert secret not in told and "***" in told and "ValueError" in told


def test_a_password_given_as_words_is_masked_too():
    assert "s3cret word" in logs.secrets_of(Settings(database_url="host=x password='s3cret word' dbname=y"))
    assert "s3cret" in logs.secrets_of(Settings(database_url="password=s3cret host=x"))


def test_json_lines_are_one_object_each(home: Path, capsys: pytest.CaptureFixture[str]):
    logs.set_up(settings(home, log_format="json"))
    logs.log.warning("two\nlines %s", "é")
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["logger"], told["message"]) == ("warning", "monday_sync", "two\nlines é")
    assert json.loads(lines(home)[0]) == told


@pytest.mark.parametrize(
    "level, word", [("info", "INFO"), ("warning", "WARN"), ("error", "ERROR"), ("critical", "ERROR")]
)
def test_kestra_finds_level_and_message_in_a_line_of_its_own(home: Path, capsys, level: str, word: str):
    logs.set_up(settings(home, log_format="kestra"))
    getattr(logs.log, level)("two\nlines %s", "é", extra={"hint": "Mend it."})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("::") and line.endswith("::")
    assert json.loads(line[2:-2]) == {"logs": [{"level": word, "message": "two\nlines é\nhint: Mend it."}]}


def test_a_full_file_moves_into_logs_and_the_oldest_goes(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "FILE_BYTES", 1000)
    logs.set_up(settings(home), quiet=True)
    for number in range(200):
        logs.log.info("line %d of a good length to fill the file", number)
    old = sorted((home / "logs").iterdir())
    assert [path.name for path in old] == [f"monday_sync.log.{number}" for number in range(1, logs.OLD_FILES + 1)]
    assert "line 199" in lines(home)[-1]
    assert {stat.S_IMODE(path.stat().st_mode) for path in [home / logs.LOG_FILE, *old]} == {0o600}


def test_a_file_that_another_process_moved_is_not_written_to_any_more(home: Path):
    logs.set_up(settings(home), quiet=True)
    logs.log.info("before")
    (home / logs.LOG_FILE).rename(home / "moved")
    logs.log.info("after")
    assert "after" in lines(home)[0] and "after" not in (home / "moved").read_text()


def test_a_file_that_cannot_be_written_is_told_once(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / logs.LOG_FILE).mkdir()
    logs.set_up(settings(home))
    for _ in range(3):
        logs.log.info("a note")
    err = capsys.readouterr().err
    assert err.count("a note") == 3 and err.count("cannot be written") == 1


@pytest.mark.parametrize("number, code", [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOSPC, 2), (errno.ENOENT, 1)])
def test_what_the_rights_of_a_file_forbid_is_no_mistake_of_the_tool(number: int, code: int):
    told = logs.unexpected(OSError(number, "the reason", "/some/file"))
    assert told.exit_code == code and told.hint
    assert (told.message == "/some/file cannot be written (the reason).") == (code == 2)


def test_a_thousand_warnings_of_a_kind_are_counted_after_a_few(home: Path, capsys: pytest.CaptureFixture[str]):
    limited = logs.set_up(settings(home))
    for number in range(1000):
        logs.log.warning("%s (%s %s)", "duplicate email", "user", number)
    logs.log.warning("%s (%s %s)", "another kind", "user", 7)
    assert capsys.readouterr().err.count("duplicate email") == logs.LINES_OF_A_KIND
    assert limited.held_back() == 1000 - logs.LINES_OF_A_KIND
    assert sum("duplicate email" in line for line in lines(home)) == 1000


@pytest.mark.parametrize("log_format", ["text", "json", "kestra"])
def test_secrets_of_further_accounts_are_masked_beside_the_installations_own(home: Path, capsys, log_format: str):
    logs.set_up(settings(home, log_format=log_format))
    logs.mask_also(Settings(api_key="key-of-another-account"))
    logs.log.error("%s and %s", SECRETS.api_key, "key-of-another-account")
    told = capsys.readouterr().err + "\n".join(lines(home))
    assert "*** and ***" in told and "nobody-may-see" not in told and "another-account" not in told
