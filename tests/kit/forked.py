"""Runs `main.py` in a process of its own, forked from one that has imported the tool and done nothing else.

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
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from typing import IO, Any

from msgspec import Struct, field

from tests.kit.shipped import PROJECT

ORDER, IN, OUT, ERR, ENDED = range(5)
"""The files that come with an order: itself, the three that every process has, and where the end of the child is told."""
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


class Child:
    """Holds a command that was begun; it is used as a `subprocess.Popen` of texts is."""

    def __init__(self, pid: int, answer: IO[str], pipes: tuple[Any, Any, Any], arguments: Sequence[str]) -> None:
        self.pid, self.args = pid, arguments
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = pipes
        self._answer = answer
        self._guard = threading.Lock()

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        if (code := self._look(timeout)) is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, given: str = "", timeout: float | None = None) -> tuple[str | None, str | None]:
        """Writes all that is given, reads both outputs to their ends, and waits for the end of the process."""
        read: dict[Any, str] = {}
        readers = [
            threading.Thread(target=lambda pipe=pipe: read.update({pipe: pipe.read()}), daemon=True)
            for pipe in (self.stdout, self.stderr)
            if pipe
        ]
        for reader in readers:
            reader.start()
        if self.stdin:
            with suppress(BrokenPipeError), self.stdin:
                self.stdin.write(given)
        for reader in readers:
            reader.join(timeout)
        self.wait(timeout)
        out, err = (pipe and read[pipe] for pipe in (self.stdout, self.stderr))
        self._close()
        return out, err

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.wait()

    def __del__(self) -> None:
        self._answer.close()

    def _look(self, seconds: float | None) -> int | None:
        with self._guard:
            if self.returncode is None and select.select([self._answer], [], [], seconds)[0]:
                self.returncode = int(self._answer.readline())
                self._answer.close()
            return self.returncode

    def _close(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe:
                pipe.close()


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
                stdin=DEVNULL,
                stdout=DEVNULL,
            )
        self._orders = ours

    def start(self, order: dict[str, Any], stdin: Any, stdout: Any, stderr: Any) -> Child:
        """Begins a command. Each of the three files is a file, PIPE or DEVNULL."""
        with ExitStack() as theirs:
            written = theirs.enter_context(tempfile.TemporaryFile())
            written.write(json.dumps(order).encode())
            written.seek(0)
            files, pipes = [written.fileno()], []
            for number, given in enumerate((stdin, stdout, stderr)):
                file, pipe = _ends(given, writes=number == 0)
                files.append(file)
                pipes.append(pipe)
                if given in (PIPE, DEVNULL):
                    theirs.callback(os.close, file)
            told, ended = os.pipe()
            theirs.callback(os.close, ended)
            answer = open(told, buffering=1)
            socket.send_fds(self._orders, [b"!"], [*files, ended])
        return Child(int(answer.readline()), answer, (pipes[0], pipes[1], pipes[2]), order["arguments"])

    def run(self, order: dict[str, Any], timeout: float) -> tuple[int, str, str]:
        """Runs a command to its end. Returns its exit code, and what it wrote to stdout and to stderr."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = self.start(order, DEVNULL, out, err)
            try:
                return child.wait(timeout), _text(out), _text(err)
            except subprocess.TimeoutExpired as exc:
                child.kill()
                child.wait()
                raise subprocess.TimeoutExpired(exc.cmd, timeout, _text(out), _text(err)) from None

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


def _ends(given: Any, writes: bool) -> tuple[int, Any]:
    """Returns the child's end of a file, and this process's end if it is a pipe."""
    if given == DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    if given != PIPE:
        return given if isinstance(given, int) else given.fileno(), None
    read, write = os.pipe()
    if writes:
        return read, open(write, "w", encoding="utf-8")
    return write, open(read, encoding="utf-8")


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode()


# In the process that forks


class Server(Struct, dict=True):
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
                message, files, _, _ = socket.recv_fds(self.orders, 1, 5)
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
            with suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(ended, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(ended)

    def _order(self, files: list[int]) -> dict[str, Any]:
        """Reads the order, and leaves nothing open but the three files that every process has."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for mine in (self.orders, self.woken, self.waker):
            mine.close()
        for number, file in enumerate(files[IN:ENDED]):
            os.dup2(file, number)
        with open(files[ORDER], "rb") as written:
            order: dict[str, Any] = json.load(written)
        for left in (*files[IN:], *self.children.values()):
            os.close(left)
        return order


def carry_out(order: dict[str, Any]) -> None:
    """Runs `main.py` as Python runs a script."""
    if order["group"]:
        os.setsid()
    # As Python makes them; those of the process that forks belong to other files.
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.argv = [order["main"], *order["arguments"]]
    runpy.run_path(order["main"], run_name="__main__")


if __name__ == "__main__":
    for part in ("realtime.daemon", "web.app"):
        import_module(part)
    import_module("main").compose()  # imports the parts of most commands; what is missing here a child imports itself
    gc.freeze()
    if given := Server(socket.socket(fileno=int(sys.argv[1]))).serve():
        carry_out(given)
