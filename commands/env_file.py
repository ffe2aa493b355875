"""Changes settings in a `.env` file: what stands between them stays, and the file before the change is kept."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from config.env_file import Piece, pieces_of
from errors import NotWritten, SettingsError
from settings import PROJECT

PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,~?&=-]+")
"""Values that every reader of `.env` files takes as they are."""
ASSIGNMENT = re.compile(
    r"""
    (?P<name> \s* (?:export[^\S\r\n]+)? (?:'[^']+'|[^=\#\s]+) ) [^\S\r\n]* =? [^\S\r\n]*?
    (?: '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | [^\r\n]*? )
    (?P<rest> (?:[^\S\r\n]+\#[^\r\n]*)? [^\S\r\n]* (?:\r\n|\n|\r|\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)
BOM = "\ufeff"


def quoted(value: str) -> str:
    """Returns a value as it stands in the file: as it is, or in quotes with what would end them escaped."""
    if PLAIN.fullmatch(value) or not value:
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def changed(text: str, values: Mapping[str, str]) -> str:
    """Returns the text with these settings; all other lines stay as they are. An empty value takes a setting back.

    A value in `NAME_FILE` would stand beside the new value of NAME: its line becomes that of NAME.
    """
    pieces = pieces_of(text)
    eol = "\r\n" if "\r\n" in text else "\n"
    for name, value in values.items():
        there = [number for number, piece in enumerate(pieces) if piece.name in (name, f"{name}_FILE")]
        for number in there:
            # of several lines the last counts; the others must not come to count in its place
            own = value if number == there[-1] else ""
            pieces[number] = _with_value(pieces[number], name, own)
        if not there and value:
            ended = not pieces or pieces[-1].text.endswith(("\n", "\r"))
            pieces.append(Piece(f"{'' if ended else eol}{name}={quoted(value)}{eol}", 0, name, value, False))
    return "".join(piece.text for piece in pieces)


def _with_value(piece: Piece, name: str, value: str) -> Piece:
    found = ASSIGNMENT.fullmatch(piece.text)
    assert found is not None and piece.name is not None
    before, _, after = found["name"].rpartition(piece.name)
    return Piece(f"{before}{name}{after}={quoted(value)}{found['rest']}", piece.line, name, value, False)


# The file


def target_of(path: Path) -> Path:
    """Returns the file to write: that which a link names. Raises SettingsError where it could not be replaced."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise SettingsError(f"{path} is no file.", hint="Move it away, or set MONDAY_SYNC_HOME to another folder.")
    folder = _nearest(target.parent)
    if not folder.is_dir():
        raise NotWritten(target, NotADirectoryError(0, f"{folder} is no folder"))
    for needed in (target, folder) if target.exists() else (folder,):
        if not os.access(needed, os.W_OK):
            raise NotWritten(target, PermissionError(0, f"{needed} is not writable"))
    return target


def _nearest(folder: Path) -> Path:
    """Returns the folder, or the first above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def text_of(path: Path) -> str:
    """Returns the text of the file; where there is none yet, that of `.env.example`, which explains each setting."""
    for place in (path, PROJECT / ".env.example"):
        try:
            with open(place, encoding="utf-8", newline="") as file:
                text = file.read()
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is no UTF-8 text"
            raise SettingsError(f"{place} cannot be read ({reason}).") from exc
        if wrong := next((piece for piece in pieces_of(text.removeprefix(BOM)) if piece.wrong), None):
            raise SettingsError(f"{place}, line {wrong.line}: this is not NAME=value.", hint="Correct that line.")
        return text
    return ""


def write(path: Path, values: Mapping[str, str]) -> bool:
    """Changes settings in the file, and keeps the file before as `.env.old`. Returns whether anything changed.

    Only the owner may read both. A kill leaves the file before or the file after, never a half.
    """
    target = target_of(path)
    try:
        text = text_of(target)
        bom = BOM if text.startswith(BOM) else ""
        new = bom + changed(text.removeprefix(BOM), values)
        if target.exists() and new == text:
            target.chmod(stat.S_IRUSR | stat.S_IWUSR)
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            _put(target.with_name(target.name + ".old"), text, target)
        _put(target, new, target)
    except OSError as exc:
        raise NotWritten(target, exc) from exc
    return True


def _put(path: Path, text: str, owned_as: Path) -> None:
    """Puts a file in its place as a whole. It belongs to the owner of the file that it stands for."""
    number, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # with the mode 0600
    part = Path(name)
    try:
        with open(number, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if owned_as.exists() and os.name != "nt" and os.geteuid() == 0:
            owner = owned_as.stat()
            os.chown(part, owner.st_uid, owner.st_gid)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
