"""Compares what `/metrics` answers with the tables of docs/metrics.md."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.kit.shipped import PROJECT

METRICS = PROJECT / "docs" / "metrics.md"


def documented(after: str) -> dict[str, tuple[str, set[str]]]:
    """Returns name → kind and labels of the first table after a line of docs/metrics.md."""
    table = METRICS.read_text().partition(f"{after}\n")[2].partition("|---|")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `monday_sync_")]
    return {name.strip(" `"): (kind.strip(), set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def check(text: str, after: str) -> None:
    """Expects exactly the metrics of that table, each with its labels."""
    shown, told = {}, documented(after)
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        shown[name] = family.type
        labels = told[name][1] | ({"le"} if family.type == "histogram" else set())
        for sample in family.samples:
            assert set(sample.labels) <= labels and set(sample.labels) | {"le"} >= labels and not sample.value < 0
            assert not sample.name.endswith("_created")
    assert shown == {name: kind for name, (kind, _) in told.items()}
