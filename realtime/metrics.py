"""Counts what the daemon does, for Prometheus (`prometheus_client`). Names and meanings: docs/metrics.md."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from sync.report import SERVICES, RunReport

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
ACKNOWLEDGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NEAR_S = 10.0
ENTITY = ("entity",)


class Registry(CollectorRegistry):
    """Holds the metrics of one daemon, without the `_created` series: the library switches those for a whole process."""

    def collect(self) -> Iterator[Metric]:
        """Yields each metric with its samples."""
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class Metrics:
    """Holds all that one daemon counts."""

    def __init__(self) -> None:
        self._registry = registry = Registry()
        self._live_calls = 0.0
        self._lock = threading.Lock()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        seconds = partial(Histogram, registry=registry, buckets=SECONDS)
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
        return self._registry.get_sample_value(name, labels) or 0.0

    def text(self) -> str:
        """Returns what `/metrics` answers."""
        return generate_latest(self._registry).decode()


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
