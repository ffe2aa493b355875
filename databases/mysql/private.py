"""Runs a MariaDB of the tool's own in a folder, for the demo, benchmarks and tests: where its programs are installed.

It listens on the loopback address alone, and its accounts have passwords that are made up at its start. It ends with the
process that started it, also when that one is killed.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymysql

from databases.mysql.source import Address
from errors import SourceUnreachable

HOST = "127.0.0.1"
ADMIN = "admin"
INSTALL = "apt-get install --no-install-recommends mariadb-server-core mariadb-client-core"
START_S, STOP_S = 60.0, 30.0

# The shell ends the server when its input is closed, which the system does at the end of the starting process.
WATCHED = 'exec 3<&0; "$@" 3<&- & server=$!; (cat <&3; kill $server) >/dev/null 2>&1 & wait $server'

ACCOUNTS = """
create user {admin}@'{host}' identified by '{password}';
grant all on *.* to {admin}@'{host}' with grant option;
drop user if exists root@localhost, root@'{host}', root@'::1', root@'{name}';
"""


def program(name: str) -> str | None:
    """Returns the path of a program; a server's own is often not on a user's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def is_installed() -> bool:
    """Tells whether a server can be started here."""
    return bool(program("mariadbd") and program("mariadb-install-db"))


class PrivateServer:
    """Holds one server in a folder of its own, which has to exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._password = secrets.token_hex(16)
        self._user = f"--user={getpass.getuser()}"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Makes the data, starts the server, and waits until it answers. Raises SourceUnreachable."""
        self._make_data()
        accounts = self.folder / "accounts.sql"
        accounts.touch(mode=0o600)
        accounts.write_text(ACCOUNTS.format(admin=ADMIN, host=HOST, password=self._password, name=socket.gethostname()))
        self.port = _free_port()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", WATCHED, "sh", *self._command(accounts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the starting process alone
        )
        until = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "err.log").read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                self.stop()
                raise SourceUnreachable(f"MariaDB did not start: {said[-1][:300]}", hint=INSTALL)
            time.sleep(0.05)
        accounts.unlink()

    def stop(self) -> None:
        """Ends the server; its folder stays."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def address(self, database: str, user: str = ADMIN, password: str | None = None) -> Address:
        """Returns where a database of it is, for the administrator or another user."""
        return Address(HOST, self.port, user, database, self._password if password is None else password)

    def add_reader(self, database: str, user: str, password: str) -> Address:
        """Makes a database, and a user that may only read it. Returns where that user finds it."""
        self.execute(
            f"create database {database} character set utf8mb4",
            f"create user {user}@'{HOST}' identified by '{password}'",
            f"grant select on {database}.* to {user}@'{HOST}'",
        )
        return self.address(database, user, password)

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Runs statements as the administrator, and returns what the last one finds."""
        with self.connected(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def connected(self, database: str | None) -> Any:
        """Opens a connection of the administrator."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=ADMIN,
            password=self._password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            ssl_disabled=True,
        )

    def _answers(self) -> bool:
        try:
            self.execute("select 1")
        except pymysql.MySQLError:
            return False
        return True

    def _make_data(self) -> None:
        """Makes the data; once more where that fails: it was seen to fail once, and not again."""
        if self._has_made_data():
            return
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        if not self._has_made_data():
            said = (self.folder / "install.log").read_text(errors="replace").strip().splitlines()
            told = [line for line in said if "ERROR" in line] or said
            raise SourceUnreachable(f"MariaDB could not make its data: {''.join(told[-1:])[:300]}", hint=INSTALL)

    def _has_made_data(self) -> bool:
        words = [
            *(str(program("mariadb-install-db")), "--no-defaults", self._user, f"--datadir={self.folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"),
            "--innodb-log-file-size=8M",
        ]
        with (self.folder / "install.log").open("wb") as said:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
            try:
                return process.wait(START_S) == 0
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise

    def _command(self, accounts: Path) -> Sequence[str]:
        folder = self.folder
        return [
            *(str(program("mariadbd")), "--no-defaults", self._user, f"--datadir={folder}/data"),
            # a path of a socket may be too long
            *("--socket=", f"--pid-file={folder}/pid", f"--log-error={folder}/err.log", f"--tmpdir={folder}"),
            *(f"--bind-address={HOST}", f"--port={self.port}", "--skip-name-resolve", f"--init-file={accounts}"),
            *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"),
            *("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--performance-schema=off"),
            "--innodb-flush-log-at-trx-commit=0",
        ]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port
