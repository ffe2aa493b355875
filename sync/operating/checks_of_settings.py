"""Checks the settings, the folder of the tool's files, the packages, and the mapping files."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path

from errors import EXIT_FAILED
from settings import BOARD, ENVIRONMENT, NAMES, PROJECT
from sync.operating.check import Check, Seen, fault, note, ok, warning
from sync.operating.examined import Examined
from values.wording import plural

GROUP = "settings"
NEAR = 0.84
"""How like two names are of which one may be a slip of the other."""
LITTLE_ROOM, NO_ROOM = 1_000_000_000, 50_000_000


def checks(examined: Examined) -> list[Check]:
    """Returns the checks that need neither a database nor monday.com."""
    return [
        Check("env.file", GROUP, lambda: _file(examined)),
        Check("env.values", GROUP, lambda: _values(examined)),
        Check("env.names", GROUP, lambda: _names(examined)),
        Check("env.hidden", GROUP, lambda: _hidden(examined)),
        Check("home.rights", GROUP, lambda: _rights(examined.home)),
        Check("home.room", GROUP, lambda: _room(examined.home)),
        Check("python.packages", GROUP, _packages),
        Check("mapping.files", GROUP, lambda: _mappings(examined)),
    ]


def _file(examined: Examined) -> Iterator[Seen]:
    path = examined.home / ".env"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        yield ok(f"no {path}: all settings come from the environment")
        return
    except OSError as exc:
        yield fault(f"{path} cannot be looked at ({exc.strerror}).", f"Let the user of the tool read it: {path}")
        return
    if mode & 0o077:
        yield warning(f"{path} can be read by other users (mode {mode:04o}).", f"chmod 600 {path}", str(path))
    else:
        yield ok(f"{path} has mode {mode:04o}")


def _values(examined: Examined) -> Iterator[Seen]:
    for mistake in examined.reading.mistakes:
        name = mistake.partition(" ")[0]
        yield fault(mistake, f"Correct it in {_origin(examined, name)}; .env.example explains each.", name)
    if not examined.reading.mistakes:
        yield ok(f"{plural(len(examined.reading.origins), 'setting')} read")


def _origin(examined: Examined, name: str) -> str:
    where = examined.reading.origins.get(name, "")
    return where or str(examined.home / ".env")


def _names(examined: Examined) -> Iterator[Seen]:
    """Finds names that no setting has, and that are near one that has: a slip leaves the setting unset."""
    boards = [BOARD + word for word in ("USERS", "DATA", "CONTACTS", "ORGANIZATIONS")]
    known = [*NAMES, *boards, *(f"{name}_FILE" for name in (*NAMES, *boards))]
    slips = [name for name in examined.reading.written if name not in known and not name.startswith(BOARD)]
    found = False
    for name in dict.fromkeys(slips):
        if near := get_close_matches(name.upper(), known, 1, NEAR):
            found = True
            yield warning(f"{name} is no setting; did you mean {near[0]}?", f"Rename {name} to {near[0]}.", name)
    if not found:
        yield ok("no name is near that of a setting")


def _hidden(examined: Examined) -> Iterator[Seen]:
    for name in examined.reading.hidden:
        path = examined.home / ".env"
        remedy = f"Take {name} out of the one or the other: unset {name}, or delete its line in {path}."
        yield note(f"{name} stands in {path} too, with another value; {ENVIRONMENT} wins.", remedy, name)
    if not examined.reading.hidden:
        yield ok(f"nothing in .env is hidden by {ENVIRONMENT}")


def _rights(home: Path) -> Iterator[Seen]:
    """Makes a file and removes it: the only way to know."""
    if not home.is_dir():
        yield fault(
            f"{home} is no folder.", f"mkdir -p {home}, or set MONDAY_SYNC_HOME to another.", "MONDAY_SYNC_HOME"
        )
        return
    places = [path for name in ("", "logs", "cache", "data") if (path := home / name).is_dir()]
    refused = [(path, why) for path in places if (why := _refused(path))]
    for path, why in refused:
        yield fault(
            f"No file can be made in {path} ({why}).", f"Let the user of the tool write there: {path}", str(path)
        )
    if not refused:
        yield ok(f"{home} can be written")


def _refused(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as exc:
        return exc.strerror or "unknown"


def _room(home: Path) -> Iterator[Seen]:
    folder = next((path for path in (home, *home.absolute().parents) if path.is_dir()), Path(os.sep))
    free = shutil.disk_usage(folder).free
    told = f"{free / 1e9:.1f} GB free at {folder}"
    remedy = f"Make room there, or set MONDAY_SYNC_HOME to a folder on another disk than that of {home}."
    if free < NO_ROOM:
        yield fault(f"Only {told}.", remedy, str(home), EXIT_FAILED)
    elif free < LITTLE_ROOM:
        yield warning(f"Only {told}.", remedy, str(home))
    else:
        yield ok(told)


def _packages() -> Iterator[Seen]:
    """Compares what is installed with what the tool was tested with."""
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    others = []
    for name, version in pinned.items():
        try:
            found = metadata.version(name.partition("[")[0])  # without its extras
        except metadata.PackageNotFoundError:
            found = "not installed"
        if found != version.strip():
            others.append(f"{name} {found} (tested with {version.strip()})")
    if others:
        yield note(f"Other packages than tested: {', '.join(others)}.", "python -m pip install -r requirements.txt")
    else:
        yield ok(f"{plural(len(pinned), 'package')} as tested")


def _mappings(examined: Examined) -> Iterator[Seen]:
    chosen = examined.chosen()
    yield ok(f"{plural(len(chosen), 'mapping')}: {', '.join(mapping.entity for mapping in chosen)}")
