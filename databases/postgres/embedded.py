"""Starts, shares, recovers and stops the embedded PostgreSQL. Only its programs come from the wheel.

One folder holds one cluster: `data`, the socket `s`, `server.log`, and two lock files. Every process that uses it holds a
shared lock on `users`; the kernel drops it however the process ends, and the last process stops the server. A server
whose last process was killed runs on, is found by the next process, and is stopped at its end.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from databases.postgres.programs import (
    USE_A_SERVER,
    account_of_server,
    detached,
    find_programs,
    reachable_programs,
    succeeds,
)
from errors import DatabaseError

log = logging.getLogger("monday_sync.embedded")

ROOTS_DATA = Path("/var/lib/monday-sync")
PORT = 5432
START_S = 120.0
STOP_S = 60.0
LOG_BYTES = 10_000_000
# The address of a socket holds 107 bytes on Linux, 103 on macOS, `/.s.PGSQL.5432` included.
SOCKET_FOLDER_BYTES = 80
INITDB = (
    *("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-instructions"),
    # The same order of texts on every system, and none that changes with the system's C library.
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
timezone = 'UTC'
log_timezone = 'UTC'
# Rows that are refused are reported by the tool; a second copy of people's data in a log has no use.
log_min_messages = log
log_error_verbosity = terse
"""
THROWAWAY = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def server_of(home: Path) -> LocalPostgres:
    """Returns the server of a MONDAY_SYNC_HOME, in `data/postgres` below it.

    PostgreSQL refuses to run as root, and the account it runs as instead may not be able to enter that folder, when it is
    below /root for example. It then lives in /var/lib/monday-sync/<a hash of the home>.
    """
    root = home.absolute() / "data" / "postgres"
    account = account_of_server()
    with _explained(root):
        root.parent.mkdir(parents=True, exist_ok=True)
    if account is None or succeeds(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(root.parent)]):
        return LocalPostgres(root)
    if (root / "data" / "PG_VERSION").exists():
        raise DatabaseError(
            f"The database in {root} cannot be entered by the account {account.pw_name!r} that PostgreSQL runs as.",
            hint=f"Run chmod o+x on the folders above it, or run as an ordinary user. {USE_A_SERVER}",
        )
    elsewhere = ROOTS_DATA / _hash(root)
    with _explained(elsewhere):
        ROOTS_DATA.mkdir(parents=True, exist_ok=True)
        ROOTS_DATA.chmod(0o711)
    log.info("The embedded PostgreSQL keeps its data in %s: its account cannot enter %s.", elsewhere, root.parent)
    return LocalPostgres(elsewhere)


def has_data(home: Path) -> bool:
    """Says whether the server of a home was made already. Makes nothing itself."""
    root = home.absolute() / "data" / "postgres"
    return any((place / "data" / "PG_VERSION").exists() for place in (root, ROOTS_DATA / _hash(root)))


def remove(home: Path = Path()) -> None:
    """Stops the server of a home, also when it is in use, and deletes its data."""
    server = server_of(home)
    if server.root.exists():
        server.end()
        shutil.rmtree(server.root)


class LocalPostgres:
    """Runs one cluster in a folder of its own. As root, the folder is given to the account that PostgreSQL runs as."""

    def __init__(self, root: Path, throwaway: bool = False) -> None:
        self.root = root.absolute()
        self.data, self.log = self.root / "data", self.root / "server.log"
        self.throwaway = throwaway
        self._users: IO[bytes] | None = None
        self._pid = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._as_account: dict[str, Any] = {}
        self._programs = Path()

    @property
    def sockets(self) -> Path:
        """Returns the folder of the server's socket. libpq takes a comma in it for a list of hosts."""
        folder = self.root / "s"
        if len(os.fsencode(folder)) <= SOCKET_FOLDER_BYTES and "," not in str(folder):
            return folder
        return Path(tempfile.gettempdir()) / f"monday-sync-{os.geteuid()}-{_hash(self.root)}"

    def is_made(self) -> bool:
        """Says whether there is a cluster in its folder; nothing is made or started."""
        return (self.data / "PG_VERSION").exists()

    def start(self) -> dict[str, Any]:
        """Starts the server, or finds it running, and returns the keyword arguments to connect with."""
        with _explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self.root / "lock"):
                self._prepare()
                self._sign_in()
                if not self._running():
                    self._initialise()
                    self._launch()
        return {"host": str(self.sockets), "port": PORT, "user": "postgres", "dbname": "postgres"}

    def stop(self) -> None:
        """Ends this process's use of the server; the last process stops it."""
        if self._users is None or os.getpid() != self._pid:  # a forked child leaves nothing that it did not enter
            return
        users, self._users = self._users, None
        atexit.unregister(self.stop)
        try:
            with users, _locked(self.root / "lock"):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._shut_down()
        except OSError:
            # Others use it still; or the folder was removed, which PostgreSQL notices and ends by itself.
            if self._child:
                self._child.returncode = 0  # it keeps running, and subprocess need not warn of that

    def end(self) -> None:
        """Stops the server, also when it is in use."""
        with _locked(self.root / "lock"):
            self._shut_down()

    # Before the server

    def _prepare(self) -> None:
        self._programs = find_programs()
        self.sockets.mkdir(exist_ok=True, mode=0o700)
        account = account_of_server()
        if self.sockets.lstat().st_uid not in (os.geteuid(), account and account.pw_uid):
            raise DatabaseError(f"{self.sockets} belongs to another user.", hint=USE_A_SERVER)
        if account:
            self._as_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for folder in (self.root, self.sockets):
                os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)
            self._programs = reachable_programs(self._programs, account, self.root / "server")

    def _sign_in(self) -> None:
        if self._users is None:
            self._users = open(self.root / "users", "ab")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self._pid = os.getpid()
            atexit.register(self.stop)

    def _initialise(self) -> None:
        if self.is_made():
            return self._check_version()
        # Renamed when whole: an initdb that was killed leaves nothing that looks like a cluster.
        new = self.root / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        failure = self._run("initdb", "-D", str(new), *INITDB, *(["--no-sync"] if self.throwaway else []))
        if failure:
            raise _initdb_failed(failure)
        with open(new / "postgresql.conf", "a", encoding="utf-8") as configuration:
            configuration.write(CONFIGURATION + (THROWAWAY if self.throwaway else ""))
        new.rename(self.data)

    def _check_version(self) -> None:
        cluster = (self.data / "PG_VERSION").read_text().strip()
        told = subprocess.run(
            [str(self._programs / "postgres"), "--version"], capture_output=True, text=True, cwd="/", **self._as_account
        ).stdout
        version = re.search(r"\) (\d+)", told)
        if version and version[1] != cluster:
            raise DatabaseError(
                f"The data in {self.data} was written by PostgreSQL {cluster}, and this is PostgreSQL {version[1]}.",
                hint=f"Dump it with pg_dump {cluster} and restore it, or move the folder away to begin anew.",
            )

    def _run(self, program: str, *arguments: str) -> str:
        """Runs a program of PostgreSQL to its end, and returns what it said if it failed."""
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                **detached(output),
                cwd=self.root,
                **self._as_account,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        return said.strip() or f"{program} ended with {done.returncode}" if done.returncode else ""

    # The server

    def _running(self) -> bool:
        """Says whether a server answers. Waits while it starts, recovers or stops; forgets a server that is gone."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            pid, state = self._postmaster()
            if pid is None:
                return False
            if not self._is_server(pid):
                self._forget()
                return False
            if state == "ready" and self._answers():
                return True
            time.sleep(0.02)
        raise DatabaseError(f"The embedded PostgreSQL (process {pid}) does not answer.", hint=f"See {self.log}.")

    def _postmaster(self) -> tuple[int | None, str]:
        """Reads the server's process and state from the file that it keeps while it runs."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None, ""

    def _is_server(self, pid: int) -> bool:
        """Says whether a process is the server: after a crash or a reboot the number may be another's, or a zombie's."""
        if self._child and self._child.pid == pid:
            return self._child.poll() is None
        import psutil  # takes its time, and a first start never asks

        try:
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.name().startswith("postgres")
                and os.path.realpath(process.cwd()) == os.path.realpath(self.data)
            )
        except psutil.Error:
            return False

    def _forget(self) -> None:
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.sockets / f".s.PGSQL.{PORT}"))
            except OSError:
                return False
        return True

    def _launch(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            begin = self.log.stat().st_size if self.log.exists() else 0
            if self._launched(end):
                return
            said = self.log.read_bytes()[begin:].decode(errors="replace").strip()
            # Children of a server that was killed hold its memory for a moment longer.
            if "shared memory block" not in said:
                raise DatabaseError(f"The embedded PostgreSQL did not start:\n{said[-1500:]}", hint=f"See {self.log}.")
            time.sleep(0.2)
        raise DatabaseError("The embedded PostgreSQL did not start in time.", hint=f"See {self.log}.")

    def _launched(self, end: float) -> bool:
        # Not by pg_ctl: it goes through a shell, which some paths break. The socket's folder is a list, hence the quotes;
        # it is given each time, so that the folder can be moved.
        quoted = '"' + str(self.sockets).replace('"', '""') + '"'
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-p", str(PORT), "-k", quoted]
        with open(self.log, "ab") as output:
            self._child = subprocess.Popen(
                command,
                **detached(output),
                cwd=self.root,
                start_new_session=True,  # Ctrl-C is meant for the tool, which stops the server at its end
                umask=0o077,
                **self._as_account,
            )
        while time.monotonic() < end and self._child.poll() is None:
            if self._postmaster() == (self._child.pid, "ready") and self._answers():
                return True
            time.sleep(0.01)
        return False

    def _shut_down(self) -> None:
        pid, _ = self._postmaster()
        if pid is None or not self._is_server(pid):
            return
        # SIGINT is the fast way: it ends the sessions and writes everything down. SIGQUIT leaves that to the next start.
        for number, patience in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, 5.0)):
            os.kill(pid, number)
            # The file, not the process: a process without a parent that waits stays in the table when it is long gone.
            if _soon(lambda: not (self.data / "postmaster.pid").exists(), patience):
                break
        if self._child and self._child.pid == pid:
            self._child.wait(10)


def _initdb_failed(said: str) -> DatabaseError:
    if "effective user" in said:
        return DatabaseError(
            f"PostgreSQL does not run as user {os.geteuid()}, who has no name on this system (no line in /etc/passwd).",
            hint=f"Run as a user with a name. {USE_A_SERVER}",
        )
    return DatabaseError(f"The embedded PostgreSQL could not make its data folder:\n{said[-1500:]}", hint=USE_A_SERVER)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        hint = f"Make it writable, or set MONDAY_SYNC_HOME to a folder that is. {USE_A_SERVER}"
        raise DatabaseError(f"The embedded PostgreSQL cannot use {folder}: {exc}.", hint=hint) from exc


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _soon(happened: Callable[[], bool], patience: float) -> bool:
    end = time.monotonic() + patience
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
