"""Counts, and writes what was counted as text for Prometheus: the only file that imports `prometheus_client`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
ACKNOWLEDGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TEXT = "text/plain; version=0.0.4"
"""The type of what `/metrics` answers."""


class _Collectors(CollectorRegistry):
    """Leaves out the `_created` series: the library switches those for a whole process."""

    def collect(self) -> Iterator[Metric]:
        """Yields each metric with its samples."""
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class Registry:
    """Makes the metrics of one server: several of a process count apart."""

    def __init__(self) -> None:
        self._collectors = _Collectors()

    def counter(self, name: str, about: str, labels: Sequence[str] = ()) -> Counter:
        """Returns what only grows."""
        return Counter(name, about, labels, registry=self._collectors)

    def gauge(self, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
        """Returns what is set."""
        return Gauge(name, about, labels, registry=self._collectors)

    def seconds(
        self, name: str, about: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        """Returns what counts lengths of time."""
        return Histogram(name, about, labels, registry=self._collectors, buckets=buckets)

    def value(self, name: str, **labels: str) -> float:
        """Returns the present value of one sample; 0 before the first."""
        return self._collectors.get_sample_value(name, labels) or 0.0

    def text(self) -> str:
        """Returns what `/metrics` answers."""
        return generate_latest(self._collectors).decode()
