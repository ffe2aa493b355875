"""What the daemon counts, in the text format of Prometheus. Names and meanings: docs/metrics.md."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.report import RunReport

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
Labels = tuple[str, ...]


class Metric:
    """One name with its values, one for each set of labels."""

    kind = "untyped"

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.about = about
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def value(self, *labels: str) -> float:
        """What it shows now."""
        with self._lock:
            return self._values.get(labels, 0.0)

    def lines(self) -> Iterator[str]:
        """Help, type and samples."""
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} {self.kind}"
        yield from self._samples()

    def _samples(self) -> Iterator[str]:
        with self._lock:
            values = sorted(self._values.items())
        for labels, value in values:
            yield sample(self.name, zip(self.labels, labels), value)


class Counter(Metric):
    """A number that only grows."""

    kind = "counter"

    def add(self, *labels: str, by: float = 1) -> None:
        """Count."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0.0) + by


class Gauge(Metric):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """What it is now."""
        with self._lock:
            self._values[labels] = value


class Histogram(Metric):
    """How often something took how long."""

    kind = "histogram"

    def __init__(self, name: str, about: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> None:
        super().__init__(name, about, labels)
        self.buckets = tuple(buckets)
        self._counts: dict[Labels, list[int]] = {}

    def observe(self, value: float, *labels: str) -> None:
        """One more."""
        with self._lock:
            counts = self._counts.setdefault(labels, [0] * (len(self.buckets) + 1))
            counts[bisect_left(self.buckets, value)] += 1
            self._values[labels] = self._values.get(labels, 0.0) + value

    def _samples(self) -> Iterator[str]:
        with self._lock:
            found = [(labels, list(counts), self._values[labels]) for labels, counts in sorted(self._counts.items())]
        for labels, counts, total in found:
            named, running = list(zip(self.labels, labels)), 0
            for bound, count in zip((*map(str, self.buckets), "+Inf"), counts):
                running += count
                yield sample(f"{self.name}_bucket", [*named, ("le", bound)], running)
            yield sample(f"{self.name}_sum", named, total)
            yield sample(f"{self.name}_count", named, running)


def sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    """One line."""
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    number = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    return f"{name}{{{shown}}} {number}" if shown else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Metrics:
    """All that one daemon counts."""

    def __init__(self) -> None:
        self.events = Counter("monday_sync_events_total", "Deliveries by what became of them.", ["outcome"])
        self.acknowledge = Histogram(
            "monday_sync_acknowledge_seconds", "From a delivery's arrival to its answer.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        )  # fmt: skip
        self.pulled = Histogram("monday_sync_pull_seconds", "From an event's arrival to its rows.", ["entity"])
        self.pushed = Histogram("monday_sync_push_seconds", "From a commit to the board.", ["entity"])
        self.records = Counter("monday_sync_records_total", "Records written.", ["entity", "side", "operation"])
        self.echoes = Counter(
            "monday_sync_echoes_total", "Events that were the tool's own writes coming back.", ["entity"]
        )
        self.near_misses = Counter(
            "monday_sync_near_misses_total", "News about items the tool had written less than 10 s before.", ["entity"]
        )
        self.failures = Counter("monday_sync_failures_total", "Rounds of work that failed.", ["entity", "error"])
        self.runs = Counter("monday_sync_runs_total", "Runs that the daemon started.", ["entity", "kind", "outcome"])
        self.inbox = Gauge("monday_sync_inbox_entries", "Events that wait.", ["state"])
        self.inbox_age = Gauge("monday_sync_inbox_oldest_seconds", "How long the oldest event has been waiting.")
        self.outbox = Gauge("monday_sync_outbox_entries", "Changes of rows that wait.", ["entity"])
        self.outbox_age = Gauge(
            "monday_sync_outbox_oldest_seconds", "How long the oldest has been waiting.", ["entity"]
        )
        self.set_aside = Gauge("monday_sync_set_aside_records", "Records given up after their tries.", ["entity"])
        self.last_success = Gauge("monday_sync_last_success_timestamp_seconds", "When work last went well.", ["entity"])
        self.listening = Gauge("monday_sync_listening", "1 while the daemon hears of changes in PostgreSQL.")
        self.api_calls = Counter("monday_sync_api_calls_total", "Calls to monday.com by what made them.", ["source"])
        self.started = Gauge("monday_sync_start_timestamp_seconds", "When the daemon started.")

    def note_run(self, entity: str, kind: str, report: RunReport) -> None:
        """A run came to its end."""
        self.runs.add(entity, kind, "failed" if report.problems else "success")
        self.api_calls.add("run", by=report.api["calls"])

    def note_live_calls(self, calls: float) -> None:
        """So many calls has the work between the runs made since the start."""
        self.api_calls.add("live", by=calls - self.api_calls.value("live"))

    def all(self) -> list[Metric]:
        """Every metric, in the order in which they are declared."""
        return [one for one in vars(self).values() if isinstance(one, Metric)]

    def text(self) -> str:
        """What `/metrics` answers."""
        return "\n".join(line for one in self.all() for line in one.lines()) + "\n"
