"""Runs `main.py` on a terminal of its own, as a user does: what it shows is read, answers and Ctrl-C are typed."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from tests.kit.cli import MAIN, without_settings
from tests.kit.shipped import PROJECT

PATIENCE_S = 60.0
UNTIL_IT_READS_S = 0.1
"""A prompt that is shown may still be switching the echo off, which throws away what was typed before."""
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal(Struct):
    """Holds a running command and the terminal in front of it."""

    pid: int
    ours: int
    shown: str = ""
    """All that it has shown so far."""
    read: int = 0
    """How much of that was waited for."""

    def wait_for(self, text: str) -> None:
        """Waits until the text is shown, after all that was waited for before."""
        until = time.monotonic() + PATIENCE_S
        while (found := self.shown.find(text, self.read)) < 0:
            assert time.monotonic() < until and self._more(), f"{text!r} is not shown:\n{self.shown}"
        self.read = found + len(text)

    def type(self, text: str) -> None:
        """Types what is no whole line, such as Ctrl-C."""
        time.sleep(UNTIL_IT_READS_S)
        os.write(self.ours, text.encode())

    def send(self, number: int) -> None:
        """Sends a signal to the command."""
        time.sleep(UNTIL_IT_READS_S)
        os.kill(self.pid, number)

    def answer(self, question: str, text: str) -> None:
        """Waits for a question, and types a line."""
        self.wait_for(question)
        self.type(f"{text}\n")

    def echoes(self) -> bool:
        """Says whether what is typed is shown."""
        return bool(termios.tcgetattr(self.ours)[3] & termios.ECHO)

    def end(self) -> int:
        """Waits for the end of the command, and returns its exit code."""
        while self._more():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _more(self) -> bool:
        if not select.select([self.ours], [], [], PATIENCE_S)[0]:
            return False
        try:
            part = os.read(self.ours, 4096)
        except OSError:  # how Linux says that no process has the terminal open any more
            return False
        self.shown += part.decode("utf-8", "replace")
        return bool(part)


@contextmanager
def terminal(*arguments: str, env: dict[str, str]) -> Iterator[Terminal]:
    """Starts `main.py` on a terminal that Ctrl-C comes from."""
    environment = {**without_settings(), "TERM": "dumb", "COLUMNS": "200", **env}
    pid, ours = pty.fork()
    if pid == 0:
        os.chdir(PROJECT)
        os.execve(sys.executable, [sys.executable, MAIN, *arguments], environment)
    try:
        yield Terminal(pid, ours)
    finally:
        os.close(ours)
