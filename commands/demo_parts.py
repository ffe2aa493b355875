"""Starts what a demo shows: programs of the project, a folder, a PostgreSQL. All of them end with the demo.

Every child reads from a pipe that the demo holds. The system closes that pipe at the end of the demo, even when the demo
is killed, and the child ends. The database is removed with its server, or is dropped.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

from msgspec import Struct

from config.hiding import Hiding
from databases.postgres.connection_strings import connection_string
from databases.postgres.names import compose, identifier
from db_connector import Database
from errors import EXIT_IN_STEP, EXIT_LEFTOVERS, EXIT_USAGE, SettingsError, SyncError
from settings import NAMES, PROJECT, Settings
from terminal.console import say

STOP_S = 5.0
ANSWER_S = 30.0


class Child(Struct, frozen=True):
    """Holds a program that the demo started."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    """What it writes to stderr."""

    def lines(self) -> Iterator[str]:
        """Yields the lines of its output, each when it is written."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.decode(errors="replace").rstrip("\n")

    def complaint(self) -> str:
        """Returns what it wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")


class Commands(Hiding, Struct, frozen=True):
    """Holds the database of a demo, and the environment in which commands find both sides."""

    HIDDEN: ClassVar = frozenset({"environment"})

    db: Database
    environment: Mapping[str, str]

    def run(self, *words: str, **settings: str) -> None:
        """Runs a command of main.py and shows its output. When it fails, the demo ends with its exit code."""
        show_command(*words)
        with self.started(*words, **settings) as child:
            for line in child.lines():
                show(line)
            code = child.process.wait()
            # waiting records are no failure
            if code not in (EXIT_IN_STEP, EXIT_LEFTOVERS):
                sys.stderr.write(child.complaint())
                sys.exit(code)

    @contextmanager
    def started(self, *words: str, **settings: str) -> Iterator[Child]:
        """Starts a command of main.py with some more settings, and stops it at the end."""
        with started(["main.py", *words], {**self.environment, **settings}) as child:
            yield child

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Returns what a query finds."""
        with self.db.transaction(read_only=True) as tx:
            return tx.dicts(query)


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without the user's settings: the demo never uses their account or database."""
    names = {name: name.removesuffix("_FILE") for name in environment}
    return {
        name: environment[name]
        for name, setting in names.items()
        if setting not in NAMES and not setting.startswith("MONDAY_")
    }


def show(line: str) -> None:
    """Writes a line to stdout at once."""
    say(line)
    sys.stdout.flush()


def show_command(*words: str) -> None:
    """Writes a command as a user types it."""
    show(f"\n$ python main.py {' '.join(words)}")


# Children


@contextmanager
def started(words: list[str], environment: Mapping[str, str]) -> Iterator[Child]:
    """Starts a program of the project in a process of its own, and stops it at the end."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "commands.child", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=PROJECT,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C reaches the demo alone, and the demo stops its children
        )
        try:
            yield Child(process, errors)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the process to end, and kills it when it does not."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:  # it does not react
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def address_of(child: Child) -> str:
    """Returns the address that the stand-in writes as soon as it answers."""
    url = next(child.lines(), "")
    # it ended before it listened
    if not url:
        usage = child.process.wait(ANSWER_S) == EXIT_USAGE
        said = child.complaint().strip().splitlines() or ["it ended without a message"]
        message = f"The stand-in did not start: {said[-1]}"
        raise (SettingsError if usage else SyncError)(message, hint="See: python -m sandbox --help")
    return url


# The folder and the database


@contextmanager
def demo_folder() -> Iterator[Path]:
    # As root, PostgreSQL runs as another account, which must be able to enter the folder.
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    open_to_all = [place for place in places if place.is_dir() and _passable(place)]
    folder = Path(tempfile.mkdtemp(prefix="monday-sync-demo-", dir=(open_to_all or places)[0] if _is_root() else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        # Programs of PostgreSQL that were interrupted may still write into it.
        until = time.monotonic() + STOP_S
        while folder.exists() and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _passable(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder.resolve(), *folder.resolve().parents))


@contextmanager
def demo_database(given: Settings, folder: Path) -> Iterator[str]:
    """Makes a database of the demo's own, on the user's server or on one started for it; yields how to connect."""
    # the user's own server
    if given.database_url:
        with _on_server(given.database_url) as target:
            yield target
        return
    from databases.postgres.embedded import LocalPostgres

    server = LocalPostgres(folder / "postgres", throwaway=True)
    try:
        yield connection_string(**server.start())
    finally:
        server.stop()


@contextmanager
def _on_server(url: str) -> Iterator[str]:
    """Makes a new database beside the one of DATABASE_URL, whose tables are never touched."""
    chosen = f"monday_sync_demo_{secrets.token_hex(4)}"
    name = identifier(chosen)
    admin = Database(url, max_connections=1)
    try:
        with admin.autocommit() as session:
            session.execute(compose("create database {name}", name=name))
        try:
            yield connection_string(url, dbname=chosen)
        finally:
            with admin.autocommit() as session:
                session.execute(compose("drop database if exists {name} with (force)", name=name))
    finally:
        admin.close()
