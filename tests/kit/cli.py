"""Runs `main.py` as users do: in a process of its own, or on a terminal, with the settings given and no others."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from sandbox import Sandbox
from tests.kit.forked import Child, forks
from tests.kit.shipped import PROJECT

SETTINGS = ("MONDAY_", "ALERT_", "HEARTBEAT_", "DATABASE_URL", "WEBHOOK_BASE_URL", "PORT", "DEBUG", "LOG_FORMAT", "PG")
MAIN = str(PROJECT / "main.py")


class Done(Struct, frozen=True):
    """Says how a command ended."""

    code: int
    out: str
    err: str


def without_settings() -> dict[str, str]:
    """Returns the environment of this process without any setting of the tool."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}


def settings_for(sandbox: Sandbox, database_url: str, **more: str) -> dict[str, str]:
    """Returns the settings by which a command works between a sandbox and a database."""
    return {
        "DATABASE_URL": database_url,
        "MONDAY_API_KEY": sandbox.token,
        "MONDAY_API_URL": sandbox.graphql_url,
        **more,
    }


def run_main(home: Path, *arguments: str, env: dict[str, str] | None = None, timeout: float = 60.0) -> Done:
    """Runs `python main.py ...` to its end, in a process that need not import the tool anew."""
    return Done(*forks().run(_order(arguments, {"MONDAY_SYNC_HOME": str(home), **(env or {})}), timeout))


def run_python(*arguments: str, env: dict[str, str] | None = None, **options: Any) -> Done:
    """Runs Python in the project's folder, to its end."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**without_settings(), "PYTHONIOENCODING": "utf-8", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        **{"cwd": PROJECT, "timeout": 60.0, **options},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start_main(
    *arguments: str,
    env: dict[str, str],
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.DEVNULL,
    stderr: Any = subprocess.DEVNULL,
    start_new_session: bool = False,
) -> Child:
    """Starts `python main.py ...` likewise, and goes on. What it says is thrown away unless a file or a pipe is given."""
    return forks().start(_order(arguments, env, start_new_session), stdin, stdout, stderr)


def _order(arguments: Sequence[str], env: dict[str, str], group: bool = False) -> dict[str, Any]:
    return {"main": MAIN, "arguments": arguments, "env": {**without_settings(), **env}, "group": group}


def start_python(*arguments: str, env: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """Starts Python in the project's folder and goes on."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**without_settings(), **env},
        text=True,
        **{"stdin": nothing, "stdout": nothing, "stderr": nothing, **options},
    )


def on_a_terminal(
    arguments: Sequence[str], answers: Sequence[str], env: dict[str, str], stdout: int | None = None
) -> tuple[int, str]:
    """Runs `main.py` with a terminal for its input and its messages, and types the answers.

    Returns the exit code and what the terminal showed. `stdout` keeps the results away from the terminal.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, MAIN, *arguments],
        cwd=PROJECT,
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        env={**without_settings(), "TERM": "dumb", **env},
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    shown = b""
    while read := _read(ours):
        shown += read
    os.close(ours)
    return process.wait(60), shown.decode("utf-8", "replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that no process has the terminal open any more
        return b""
