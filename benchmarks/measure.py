"""Runs programs as child processes and measures wall time, CPU and memory, and the CPU time of PostgreSQL meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil
import requests
from msgspec import Struct, field

from benchmarks.boards import PROJECT, Rendering

STARTER = str(PROJECT / "benchmarks" / "child.py")


class Spent(Struct, frozen=True):
    """Holds what a child process cost."""

    wall: float
    cpu: float
    memory: int
    """Peak, in bytes; with what processes that it started have for themselves."""
    postgres: float
    """CPU seconds of the server's processes meanwhile."""
    out: str = ""
    started_at: float = 0.0
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the child wrote about itself: seconds in the address library, statements."""


class Failed(Exception):
    """Says that a child failed, with its standard error."""


def spent(
    module: str, *arguments: str, env: Mapping[str, str] | None = None, postgres: psutil.Process | None = None
) -> Spent:
    """Runs `python -m module`, or a file, to its end."""
    with tempfile.TemporaryDirectory(prefix="monday-sync-bench-run-") as folder:
        out, err, notes, used = (Path(folder) / name for name in ("out", "err", "notes", "used"))
        program = [module] if module.endswith(".py") else ["-m", module]
        environment = {**_bare_environment(), **(env or {}), "BENCHMARK_NOTES": str(notes)}
        before = cpu_of(postgres)
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            starter = subprocess.Popen(
                [sys.executable, "-S", "-E", STARTER, str(used), sys.executable, *program, *arguments],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            with _watched(starter.pid) as others:
                starter.wait()
        told = orjson.loads(used.read_bytes()) if used.exists() else {"code": starter.returncode}
        if told["code"]:
            raise Failed(f"{module} ended with {told['code']}: {out.read_text()[-1000:]} {err.read_text()[-2000:]}")
        return Spent(
            told["wall"],
            told["cpu"],
            told["memory"] + max(others, default=0),
            cpu_of(postgres) - before,
            out.read_text(),
            told["started_at"],
            orjson.loads(notes.read_bytes()) if notes.exists() else {},
        )


@contextmanager
def _watched(starter: int) -> Iterator[list[int]]:
    """Looks at the memory that processes which a child started do not share with it, in bytes, ten times a second."""
    found: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            with suppress(psutil.Error):
                children = psutil.Process(starter).children()
                others = [other for child in children for other in child.children(recursive=True)]
                found.append(sum(other.memory_full_info().uss for other in others))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def _bare_environment() -> dict[str, str]:
    """Returns the environment without settings of the user that would change a measurement.

    Without compiled modules kept, each start would compile them all.
    """
    others = ("MONDAY_", "DATABASE_", "PG", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


def cpu_of(postmaster: psutil.Process | None) -> float:
    """Returns the CPU seconds of a server and all its processes, also of those that have ended."""
    if postmaster is None:
        return 0.0
    times = postmaster.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in postmaster.children():
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return total


class Serving(Struct, frozen=True):
    """Holds a server of rendered pages."""

    url: str

    def told(self) -> dict[str, Any]:
        """Returns what the server was asked since it last began to count."""
        return orjson.loads(requests.get(self.url + "/told", timeout=10).content)

    def forget(self) -> None:
        """Begins to count from zero."""
        requests.delete(self.url + "/told", timeout=10)


@contextmanager
def serving(rendering: Rendering, items: int, *more: str) -> Iterator[Serving]:
    """Serves the first `items` items of each rendered board from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server", str(rendering.folder), "--items", str(items), *more]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Serving(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
