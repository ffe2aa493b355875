"""Counts what the daemon does, for Prometheus. Names and meanings: docs/metrics.md."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from sync.report import SERVICES, RunReport
from terminal.counting import ACKNOWLEDGE_SECONDS, Registry

NEAR_S = 10.0
ENTITY = ("entity",)


class Metrics:
    """Holds all that one daemon counts."""

    def __init__(self) -> None:
        self._registry = registry = Registry()
        self._live_calls = 0.0
        self._lock = threading.Lock()
        counter, gauge, seconds = registry.counter, registry.gauge, registry.seconds
        self.events = counter("monday_sync_events_total", "Deliveries by what became of them.", ["outcome"])
        self.acknowledge = seconds(
            "monday_sync_acknowledge_seconds", "From a delivery's arrival to its answer.", buckets=ACKNOWLEDGE_SECONDS
        )
        self.pulled = seconds("monday_sync_pull_seconds", "From an event's arrival to its rows.", ENTITY)
        self.pushed = seconds("monday_sync_push_seconds", "From a commit to the board.", ENTITY)
        self.records = counter("monday_sync_records_total", "Records written.", ["entity", "side", "operation"])
        self.echoes = counter("monday_sync_echoes_total", "Events that were the tool's own writes coming back.", ENTITY)
        self.near_misses = counter(
            "monday_sync_near_misses_total", "News about items the tool had written less than 10 s before.", ENTITY
        )
        self.failures = counter("monday_sync_failures_total", "Rounds of work that failed.", ["entity", "error"])
        self.runs = counter("monday_sync_runs_total", "Runs that the daemon started.", ["entity", "kind", "outcome"])
        self.inbox = gauge("monday_sync_inbox_entries", "Events that wait.", ["state"])
        self.inbox_age = gauge("monday_sync_inbox_oldest_seconds", "How long the oldest event has been waiting.")
        self.outbox = gauge("monday_sync_outbox_entries", "Changes of rows that wait.", ENTITY)
        self.outbox_age = gauge("monday_sync_outbox_oldest_seconds", "How long the oldest has been waiting.", ENTITY)
        self.set_aside = gauge("monday_sync_set_aside_records", "Records given up after their tries.", ENTITY)
        self.last_success = gauge("monday_sync_last_success_timestamp_seconds", "When work last went well.", ENTITY)
        self.listening = gauge("monday_sync_listening", "1 while the daemon hears of changes in PostgreSQL.")
        self.api_calls = counter("monday_sync_api_calls_total", "Calls to monday.com by what made them.", ["source"])
        self.started = gauge("monday_sync_start_timestamp_seconds", "When the daemon started.")

    def delivered(self, outcome: str) -> None:
        """Counts a delivery by its outcome."""
        self.events.labels(outcome).inc()

    def acknowledged(self, seconds: float) -> None:
        """Counts how long a delivery waited for its answer."""
        self.acknowledge.observe(seconds)

    def note_run(self, entity: str, kind: str, report: RunReport) -> None:
        """Counts a run that has ended, and its calls."""
        self.runs.labels(entity, kind, "failed" if report.problems else "success").inc()
        # those of a sync of a query went to another service
        if report.direction not in SERVICES:
            self.api_calls.labels("run").inc(report.api["calls"])

    def note_live_calls(self, calls: float) -> None:
        """Counts the calls of the work between the runs: `calls` is their number since the start."""
        with self._lock:
            self.api_calls.labels("live").inc(max(0.0, calls - self._live_calls))
            self._live_calls = max(calls, self._live_calls)

    def value(self, name: str, **labels: str) -> float:
        """Returns the present value of one sample; 0 before the first."""
        return self._registry.value(name, **labels)

    def text(self) -> str:
        """Returns what `/metrics` answers."""
        return self._registry.text()


class OwnWrites:
    """Remembers which items the tool has just written. Nothing is decided by it: it serves two metrics only."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def note(self, item_ids: Iterable[str]) -> None:
        """Notes that these items are written now."""
        now = time.monotonic()
        self._at = {item_id: at for item_id, at in self._at.items() if now - at < NEAR_S}
        self._at |= dict.fromkeys(item_ids, now)

    def near(self, item_id: str) -> bool:
        """Says whether an item was written less than 10 s ago."""
        return time.monotonic() - self._at.get(item_id, -NEAR_S) < NEAR_S
