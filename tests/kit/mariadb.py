"""Starts a MariaDB of the tests' own, where one is installed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from databases.mysql.private import INSTALL, PrivateServer, is_installed

READER = {"MYSQL_USER": "reader", "MYSQL_PASSWORD": "pw:@/%", "MYSQL_DATABASE": "shop"}


def needed() -> None:
    """Skips the test where no MariaDB is installed; in CI it fails."""
    if is_installed():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"MariaDB is missing: {INSTALL}")
    pytest.skip(f"needs MariaDB: {INSTALL}")


class MariaDB(PrivateServer):
    """Runs a private server with a database `shop`, and a reader as in production."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="mdb-")))
        self.start()
        self.add_reader(READER["MYSQL_DATABASE"], READER["MYSQL_USER"], READER["MYSQL_PASSWORD"])

    @property
    def settings(self) -> dict[str, str]:
        """Returns the settings with which the reader finds it."""
        return {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(self.port), **READER}

    def close(self) -> None:
        """Ends the server, and removes its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
