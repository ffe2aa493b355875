"""Runs pgbouncer before a server, where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2

from databases.postgres.programs import account_of_server
from tests.kit.waiting import until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def pgbouncer(connection: Mapping[str, Any], database: str, mode: str, **more: object) -> Iterator[str]:
    """Pools the sessions of a database. Yields the value for `DATABASE_URL`."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder = Path(name)
        folder.chmod(0o755)
        user, password = connection.get("user", "postgres"), connection.get("password", "")
        (folder / "users.txt").write_text(f'"{user}" "{password}"\n')
        target = " ".join(f"{key}='{connection[key]}'" for key in ("host", "port") if key in connection)
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "server_login_retry": 1,
            "query_wait_timeout": 20,
            "auth_type": "any" if not password else "plain",
            "auth_file": folder / "users.txt",
            "pool_mode": mode,
            **more,
        }
        lines = [f"{key} = {value}" for key, value in settings.items()]
        if not password:
            target += f" user='{user}'"
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{database} = {target} dbname='{database}'\n[pgbouncer]\n" + "\n".join(lines) + "\n"
        )
        server_account = account_of_server()  # that can enter the folder of the server's socket
        account = ["-u", server_account.pw_name] if server_account else []
        with subprocess.Popen(
            [PROGRAM, "-q", *account, folder / "pgbouncer.ini"], stderr=subprocess.DEVNULL
        ) as running:
            url = f"postgresql://{quote(user)}:{quote(password or 'none')}@127.0.0.1:{port}/{database}"
            try:
                until(lambda: _answers(url), 20, "an answer of pgbouncer")
                yield url
            finally:
                running.terminate()


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=3).close()
    except psycopg2.OperationalError:
        return False
    return True
