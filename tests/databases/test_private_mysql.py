"""A MariaDB of its own is made, also where making its data fails at first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from databases.mysql.private import PrivateServer, program
from errors import SourceUnreachable
from tests.kit import mariadb

FAILS = """#!/bin/sh
echo x >> {folder}/tries
if [ "$(wc -l < {folder}/tries)" -le {times} ]; then echo "[ERROR] no room"; echo "at https://example.com"; exit 1; fi
exec {program} "$@"
"""


def server_whose_data_fails(folder: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> PrivateServer:
    made = program("mariadb-install-db")
    script = folder / "mariadb-install-db"
    script.write_text(FAILS.format(folder=folder, times=times, program=made))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (folder / "server").mkdir()
    return PrivateServer(folder / "server")


def test_data_that_could_not_be_made_is_made_at_the_second_try(tmp_path, monkeypatch):
    mariadb.needed()
    server = server_whose_data_fails(tmp_path, monkeypatch, times=1)
    try:
        server.start()
        assert server.execute("select 1") == [(1,)]
    finally:
        server.stop()
    assert (tmp_path / "tries").read_text().split() == ["x", "x"]


def test_what_keeps_the_data_from_being_made_twice_is_told(tmp_path, monkeypatch):
    mariadb.needed()
    with pytest.raises(SourceUnreachable, match=r"could not make its data: \[ERROR\] no room$"):
        server_whose_data_fails(tmp_path, monkeypatch, times=2).start()
