"""Runs RabbitMQ in the place of the usual broker: BROKER=rabbitmq make test TESTS=tests/jobs/test_kills.py"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.kit.waiting import until

PROGRAM = "/usr/sbin/rabbitmq-server"
LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


def is_wanted() -> bool:
    """Says whether the tests are to run over RabbitMQ."""
    return os.environ.get("BROKER") == "rabbitmq"


class RabbitMq:
    """Runs one server on loopback, as Debian installs it. It keeps its queues over a kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._node_port = _free_port(), _free_port()
        for path in (folder, folder.parent):
            os.chmod(path, 0o755)
        shutil.chown(folder, "rabbitmq", "rabbitmq")
        self.start()

    @property
    def url(self) -> str:
        """Returns the value for `BROKER_URL`."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Starts the server, with what it kept."""
        own = {
            "RABBITMQ_NODENAME": f"fleet{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": LOOPBACK,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self.process = subprocess.Popen(
            [PROGRAM],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self._answers, 90, "an answer of RabbitMQ")

    def kill(self) -> None:
        """Kills it: what was started runs it as another user, in a session of its own."""
        started = psutil.Process(self.process.pid)
        for process in (*started.children(recursive=True), started):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        until(lambda: not self._answers(), 20, "its end")

    def stop(self) -> None:
        """Ends it; what it kept is thrown away."""
        if self.process.poll() is None:
            self.kill()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as line:
                line.settimeout(2)
                line.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(line.recv(8))
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
