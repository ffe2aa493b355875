"""Checks that settings are written into `.env` so that they are read back exactly, and that all else stays."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from commands.env_file import changed, quoted, target_of, write
from config.env_file import pieces_of
from errors import NotWritten, SettingsError
from settings import load_settings

KEY = "MONDAY_API_KEY"


def read(text: str) -> dict[str, str | None]:
    return dict(dotenv_values(stream=io.StringIO(text), interpolate=False))


@pytest.mark.parametrize(
    "value",
    [
        *("plain", "a#b", "a #b", "#", "a b", "it's", "'", "''", '"', 'say "x"', "\\", "\\\\", "\\'", "a\\", "\\n"),
        *(
            "$HOME",
            "${HOME}",
            "a$",
            "$(ls)",
            "`ls`",
            "a=b",
            "=",
            "ü",
            "鍵",
            "🔑",
            "a;b",
            "a|b",
            "!x",
            "a\tb",
            "%40",
            "*",
        ),
        "postgresql://us%40er:p'#\\\"$w d@db.example:5432/sync?sslmode=require",
        "host=/tmp password='it\\'s \\\\ # $x'",
    ],
)
def test_a_value_is_read_back_exactly(value: str) -> None:
    for before in ("", "A=1\n", f"{KEY}=old # why\n", f"{KEY}=\n", f"{KEY}='x'\nB=2"):
        assert read(changed(before, {KEY: value}))[KEY] == value


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1))
def test_any_text_is_read_back_exactly(value: str) -> None:
    assert read(f"A={quoted(value)} # note\nB=2\n") == {"A": value, "B": "2"}


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("", {"A": "1"}, "A=1\n"),
        ("# why\n\nA=1 # here\n\n# end", {"A": "2"}, "# why\n\nA=2 # here\n\n# end"),
        ("B=2", {"A": "1"}, "B=2\nA=1\n"),
        ("B=2\r\n", {"A": "1"}, "B=2\r\nA=1\r\n"),
        ("A=1\r\nB=2\r\n", {"A": "3"}, "A=3\r\nB=2\r\n"),
        ("export A='x y' # z\nB", {"A": "1"}, "export A=1 # z\nB"),
        ("A", {"A": "1"}, "A=1"),
        ("  A = 1\n", {"A": "2"}, "  A=2\n"),
        ("A= # note\n", {"A": "2"}, "A=2 # note\n"),
        ("A=#1\n", {"A": "2"}, "A=2\n"),
        ('A="x\ny"\nB=1\n', {"A": "2"}, "A=2\nB=1\n"),
        ("A=1\nA=2\n", {"A": "3"}, "A=\nA=3\n"),
        ("A=1\nA=\n", {"A": ""}, "A=\nA=\n"),
        ("A_FILE=/run/key\nB=1\n", {"A": "3"}, "A=3\nB=1\n"),
        ("A_FILE=/run/key\nA=\n", {"A": "3"}, "A=\nA=3\n"),
        ("AA=1\n# A=0\n", {"A": ""}, "AA=1\n# A=0\n"),
        ("'A'=1\n", {"A": "2"}, "'A'=2\n"),
        ("A=1", {}, "A=1"),
    ],
)
def test_only_the_lines_of_the_settings_change(before: str, values: dict[str, str], after: str) -> None:
    assert changed(before, values) == after


def test_a_file_taken_apart_is_the_same_file_again() -> None:
    text = "\n# a\r\nA=1 # b\n\n\nexport B='x\ny'\n  C\n"
    assert "".join(piece.text for piece in pieces_of(text)) == text


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_before_is_kept_and_only_the_owner_reads_both(home: Path) -> None:
    path = home / ".env"
    path.write_text("# mine\nMONDAY_API_KEY=old\n")
    path.chmod(0o644)
    assert write(path, {KEY: "new"})
    assert path.read_text() == "# mine\nMONDAY_API_KEY=new\n"
    assert (home / ".env.old").read_text() == "# mine\nMONDAY_API_KEY=old\n"
    assert mode(path) == mode(home / ".env.old") == 0o600
    assert sorted(os.listdir(home)) == [".env", ".env.old"]


def test_without_a_change_nothing_is_written(home: Path) -> None:
    path = home / ".env"
    path.write_text("MONDAY_API_KEY=old\n")
    assert not write(path, {KEY: "old"})
    assert os.listdir(home) == [".env"] and mode(path) == 0o600


def test_a_first_file_explains_each_setting(home: Path) -> None:
    assert write(home / "deeper" / ".env", {KEY: "a key#", "DATABASE_URL": ""})
    text = (home / "deeper" / ".env").read_text()
    assert "\nMONDAY_API_KEY='a key#'\n" in text and "# The port of" in text and text.count(f"\n{KEY}") == 1
    assert mode(home / "deeper" / ".env") == 0o600 and os.listdir(home / "deeper") == [".env"]


def test_a_mark_of_byte_order_stays_at_the_beginning(home: Path) -> None:
    path = home / ".env"
    path.write_bytes(b"\xef\xbb\xbfMONDAY_API_KEY=old\r\n")
    write(path, {KEY: "new", "DATABASE_URL": "host=/tmp"})
    assert path.read_bytes() == b"\xef\xbb\xbfMONDAY_API_KEY=new\r\nDATABASE_URL=host=/tmp\r\n"
    assert load_settings({"MONDAY_SYNC_HOME": str(home)}).api_key == "new"


def test_a_link_stays_and_the_file_that_it_names_is_written(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "real" / "settings.env"
    real.parent.mkdir()
    real.write_text("MONDAY_API_KEY=old\n")
    (home / ".env").symlink_to(real)
    write(home / ".env", {KEY: "new"})
    assert (home / ".env").is_symlink() and real.read_text() == "MONDAY_API_KEY=new\n"
    assert (real.parent / "settings.env.old").read_text() == "MONDAY_API_KEY=old\n"


def test_what_is_no_file_is_refused(home: Path) -> None:
    (home / ".env").mkdir()
    with pytest.raises(SettingsError, match="is no file"):
        target_of(home / ".env")


def test_a_home_that_is_a_file_is_refused(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(NotWritten, match="file is no folder"):
        target_of(home / "file" / ".env")


def said_to_a_user(path: Path) -> str:
    """Asks for the file to write as a user without any rights, in a process of its own. Returns the error."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            target_of(path)
        except SettingsError as exc:
            os.write(theirs, f"{type(exc).__name__}: {exc.message}".encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours) as said:
        return said.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user without rights")
@pytest.mark.parametrize("closed", ["folder", "file", "new folder"])
def test_a_place_that_cannot_be_written_is_told_beforehand(folder: Path, closed: str) -> None:
    path = folder / "new" / ".env" if closed == "new folder" else folder / ".env"
    if closed != "new folder":
        path.write_text("A=1\n")
        path.chmod(0o644 if closed == "file" else 0o666)
    folder.chmod(0o777 if closed == "file" else 0o755)
    assert (
        said_to_a_user(path)
        == f"NotWritten: {path} cannot be written ({path if closed == 'file' else folder} is not writable)."
    )
    folder.chmod(0o777)
    path.unlink(missing_ok=True)
    assert said_to_a_user(path) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_written_by_root_the_file_still_belongs_to_its_owner(home: Path) -> None:
    path = home / ".env"
    path.write_text("A=1\n")
    os.chown(path, 65534, 65534)
    write(path, {KEY: "new"})
    assert {(home / name).stat().st_uid for name in (".env", ".env.old")} == {65534}


@pytest.mark.parametrize(("text", "said"), [("A=1\n?? x\n", "line 2"), ("A='x\n", "line 1")])
def test_a_line_that_cannot_be_read_is_told_and_the_file_stays(home: Path, text: str, said: str) -> None:
    (home / ".env").write_text(text)
    with pytest.raises(SettingsError, match=said):
        write(home / ".env", {KEY: "new"})
    assert (home / ".env").read_text() == text
