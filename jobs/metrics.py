"""Counts what doors and workers do, for Prometheus. Names and meanings: docs/metrics.md."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from errors import SettingsError
from terminal.counting import ACKNOWLEDGE_SECONDS, TEXT, Registry
from terminal.web_server import WebServer

TASK = ("task",)


class DoorMetrics:
    """Holds what one door counts, of all accounts."""

    def __init__(self) -> None:
        self._registry = registry = Registry()
        self._oldest = registry.gauge(
            "monday_sync_due_oldest_seconds", "For how long the oldest work of all accounts has been due."
        )
        self._events = registry.counter(
            "monday_sync_door_events_total", "Deliveries of all accounts by what became of them.", ["outcome"]
        )
        self._acknowledge = registry.seconds(
            "monday_sync_door_acknowledge_seconds",
            "From a delivery's arrival to its answer.",
            buckets=ACKNOWLEDGE_SECONDS,
        )
        self._started = registry.gauge("monday_sync_door_start_timestamp_seconds", "When the door started.")
        self._started.set(time.time())

    def delivered(self, outcome: str) -> None:
        """Counts a delivery by its outcome."""
        self._events.labels(outcome).inc()

    def acknowledged(self, seconds: float) -> None:
        """Counts how long a delivery waited for its answer."""
        self._acknowledge.observe(seconds)

    def text(self, due_oldest_s: float) -> str:
        """Returns what `/metrics` answers. NaN: the control database does not answer."""
        self._oldest.set(due_oldest_s)
        return self._registry.text()


class WorkerMetrics:
    """Holds what the processes of one worker count together: each child tells its parent through a pipe."""

    def __init__(self) -> None:
        self._registry = registry = Registry()
        self._tasks = registry.counter("monday_sync_tasks_total", "Tasks by what became of them.", ["task", "outcome"])
        self._seconds = registry.seconds("monday_sync_task_seconds", "How long tasks took.", TASK)
        self._late = registry.seconds(
            "monday_sync_task_late_seconds", "How long tasks had been due at their start.", TASK
        )
        self._busy = registry.gauge("monday_sync_worker_busy_slots", "Tasks that are being done.")
        self._started = registry.gauge("monday_sync_worker_start_timestamp_seconds", "When the worker started.")
        self._started.set(time.time())
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def note(self, task: str, outcome: str, late_s: float, seconds: float) -> None:
        """Tells of a task that has ended, in a child. A parent that does not listen costs the count, no more."""
        line = json.dumps([task, outcome, round(late_s, 3), round(seconds, 3)]) + "\n"
        try:
            os.write(self._write, line.encode())
        except OSError:
            return

    def listen(self) -> None:
        """Counts, in the parent, what the children tell."""
        threading.Thread(target=self._listen, name="metrics", daemon=True).start()

    def text(self, busy: int) -> str:
        """Returns what `/metrics` answers."""
        self._busy.set(busy)
        return self._registry.text()

    def _listen(self) -> None:
        with open(self._read, encoding="utf-8") as told:
            for line in told:
                task, outcome, late_s, seconds = json.loads(line)
                self._tasks.labels(task, outcome).inc()
                self._seconds.labels(task).observe(seconds)
                self._late.labels(task).observe(late_s)


Note = Callable[[str, str, float, float], None]
"""Takes a task, what became of it, for how many seconds it had been due at its start, and how many it took."""


def nobody(task: str, outcome: str, late_s: float, seconds: float) -> None:
    """Counts nothing: this process is no worker."""


def metrics_server(address: tuple[str, int], measure: Callable[[], str]) -> WebServer:
    """Returns a server for the metrics, at a free port where the port is taken. Raises SettingsError."""

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start("404 Not Found", [("Content-Length", "0")])
            return []
        body = measure().encode()
        start("200 OK", [("Content-Type", f"{TEXT}; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [body]

    host, port = address
    try:
        return WebServer(app, host, port, threads=1)
    except SettingsError:
        if port == 0:
            raise
    return WebServer(app, host, 0, threads=1)
