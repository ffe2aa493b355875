"""Starts a MariaDB of the tests' own, where one is installed."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest

INSTALL = "apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core"
ADMIN = {"host": "127.0.0.1", "user": "root", "autocommit": True, "charset": "utf8mb4"}


def program(name: str) -> str | None:
    """Returns the path of a program; the server's own is often not on a user's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def needed() -> None:
    """Skips the test where no MariaDB is installed; in CI it fails."""
    if program("mariadbd") and program("mariadb-install-db"):
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"MariaDB is missing: {INSTALL}")
    pytest.skip(f"needs MariaDB: {INSTALL}")


class MariaDB:
    """Runs a private server, with a reader as in production."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mdb-"))
        self.user = getpass.getuser()
        self._install()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._start()
        self.execute("create database shop character set utf8mb4")
        self.execute("create user reader@'127.0.0.1' identified by 'pw:@/%'")
        self.execute("grant select on shop.* to reader@'127.0.0.1'")

    def _install(self) -> None:
        done = subprocess.run(
            [
                *(str(program("mariadb-install-db")), "--no-defaults", f"--user={self.user}"),
                *(f"--datadir={self.folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db"),
                *("--skip-name-resolve", "--innodb-log-file-size=8M"),
            ],
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start(self) -> None:
        folder = self.folder
        self.process = subprocess.Popen(
            [
                *(str(program("mariadbd")), "--no-defaults", f"--user={self.user}", f"--datadir={folder}/data"),
                *(f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--log-error={folder}/err.log"),
                *(f"--tmpdir={folder}", "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"),
                *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"),
                *("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--performance-schema=off"),
                "--innodb-flush-log-at-trx-commit=0",
            ],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while True:
            try:
                return self.execute("select 1")
            except pymysql.MySQLError:
                assert time.monotonic() < until, (folder / "err.log").read_text()
                time.sleep(0.1)

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Runs statements as the administrator."""
        connection: Any = pymysql.connect(port=self.port, database=database, ssl_disabled=True, **ADMIN)  # type: ignore[arg-type]
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def close(self) -> None:
        """Ends the server, and removes its folder."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
