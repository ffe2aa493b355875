"""Runs `main.py` to its end in a process of its own, forked from one that has imported the tool and done nothing else.

Hundreds of tests run a command, and to import the tool costs more than most commands. So each worker of pytest has one
process that imports it (`python -m tests.kit.forked`) and forks for every command. The child gets its arguments, settings
and outputs, and runs `main.py` as `__main__`, from its first line to the end of a process as Python ends it.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any

from tests.kit.shipped import PROJECT

ORDER, OUT, ERR, ENDED = range(4)
"""The files that come with an order: itself, the two outputs, and where the end of the child is told."""


class Forks:
    """Holds the process that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=PROJECT,
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._orders = ours

    def run(self, main: str, arguments: Sequence[str], env: dict[str, str], timeout: float) -> tuple[int, str, str]:
        """Runs a command to its end. Returns its exit code, and what it wrote to stdout and to stderr."""
        with tempfile.TemporaryFile() as order, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            order.write(json.dumps({"main": main, "arguments": arguments, "env": env}).encode())
            order.seek(0)
            told, ended = os.pipe()
            with open(told) as answer:
                files = [order.fileno(), out.fileno(), err.fileno(), ended]
                socket.send_fds(self._orders, [b"!"], files)
                os.close(ended)
                pid = int(answer.readline())
                if not select.select([answer], [], [], timeout)[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([main, *arguments], timeout, _text(out), _text(err))
                return int(answer.readline()), _text(out), _text(err)

    def close(self) -> None:
        """Ends the process."""
        self._orders.close()
        self.process.wait(10)


@cache
def forks() -> Forks:
    """Returns the process that forks for this one."""
    return Forks()


def end_forks() -> None:
    """Ends it, if it was ever asked for."""
    if forks.cache_info().currsize:
        forks().close()
        forks.cache_clear()


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode()


# In the process that forks


@dataclass
class Server:
    """Takes orders, forks for each, and tells how the child ended."""

    orders: socket.socket
    children: dict[int, int] = field(default_factory=dict)
    """Process → the file where its end is told."""

    def __post_init__(self) -> None:
        self.woken, self.waker = socket.socketpair()
        self.waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.waker.fileno())

    def serve(self) -> dict[str, Any] | None:
        """Returns an order to the child that is to carry it out, and None when there will be no more."""
        while True:
            ready = select.select([self.orders, self.woken], [], [])[0]
            if self.woken in ready:
                self.woken.recv(4096)
                self._tell_ends()
            if self.orders in ready:
                message, files, _, _ = socket.recv_fds(self.orders, 1, 4)
                if not message:
                    return None
                pid = os.fork()
                if pid == 0:
                    return self._order(files)
                self.children[pid] = files[ENDED]
                os.write(files[ENDED], b"%d\n" % pid)
                for file in files[:ENDED]:
                    os.close(file)

    def _tell_ends(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            ended = self.children.pop(pid)
            os.write(ended, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(ended)

    def _order(self, files: list[int]) -> dict[str, Any]:
        """Reads the order, and leaves nothing open but the outputs."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for mine in (self.orders, self.woken, self.waker):
            mine.close()
        os.dup2(files[OUT], 1)
        os.dup2(files[ERR], 2)
        with open(files[ORDER], "rb") as file:
            order: dict[str, Any] = json.load(file)
        for left in (*files[OUT:], *self.children.values()):
            os.close(left)
        return order


def carry_out(order: dict[str, Any]) -> None:
    """Runs `main.py` as Python runs a script."""
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.argv = [order["main"], *order["arguments"]]
    runpy.run_path(order["main"], run_name="__main__")


if __name__ == "__main__":
    import main

    main.compose()  # imports what most commands do; the rest a child imports itself
    gc.freeze()
    if given := Server(socket.socket(fileno=int(sys.argv[1]))).serve():
        carry_out(given)
