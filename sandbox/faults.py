"""Failures to order: which requests they hit, and what they do to them."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any

INSTEAD = {"html", "reset", "timeout", "error"}          # nothing is executed, unless the fault says `applied`
AFTER = {"cut", "lost_answer", "partial"}                # executed, then spoiled
READING = {"drop_item", "drop_page", "drop_cell", "empty_listing", "hide_board", "fail_above"}
LASTING = {"hide_board", "fail_above", "random_5xx"}     # until they are cleared, unless a count is given
KINDS = INSTEAD | AFTER | READING | {"random_5xx", "lagging_reads"} | {
    f"{form}_{status}" for form in ("html", "json") for status in (500, 502, 503, 504, 520)}


@dataclass
class Fault:
    id: int
    kind: str
    match: dict[str, Any] = field(default_factory=dict)
    count: int | None = 1
    settings: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    def hits(self, operation: str, fields: set[str], text: str) -> bool:
        """Counts the matching requests: `nth` is the first that is hit, `count` how many are."""
        wanted = self.match
        if wanted.get("operation") not in (None, operation) or wanted.get("field") not in (None, *fields):
            return False
        if wanted.get("contains") and wanted["contains"] not in text:
            return False
        self.seen += 1
        if self.seen < wanted.get("nth", 1) or self.count is not None and self.fired >= self.count:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True)
class FaultHit:
    kind: str
    settings: dict[str, Any]


class Faults:
    def __init__(self, seed: int) -> None:
        self.rules: list[Fault] = []
        self._random = random.Random(seed + 2)
        self._next = 1
        self._lock = threading.Lock()

    def add(self, wanted: dict[str, Any]) -> Fault:
        kind = wanted.get("kind")
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(sorted(KINDS))}")
        settings = {k: v for k, v in wanted.items() if k not in ("kind", "match", "count")}
        count = wanted.get("count", None if kind in LASTING else 1)
        with self._lock:
            fault = Fault(self._next, kind, dict(wanted.get("match") or {}), count, settings)
            self._next += 1
            self.rules.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self.rules.clear()

    def for_request(self, operation: str, fields: set[str], text: str) -> list[FaultHit]:
        with self._lock:
            return [FaultHit(*self._kind_of(f)) for f in self.rules if f.hits(operation, fields, text)
                    and (f.kind != "random_5xx" or self._random.uniform(0, 100) < f.settings.get("percent", 10))]

    def _kind_of(self, fault: Fault) -> tuple[str, dict[str, Any]]:
        if fault.kind == "random_5xx":
            return f"html_{self._random.choice((500, 502, 503, 504))}", fault.settings
        return fault.kind, fault.settings


def spoil(data: Any, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Null some rows (or one field of them) of the first list of items found; the errors that go with it."""
    found = first_items(data, [])
    if found is None:
        return []
    rows, path = found
    errors = []
    for index in range(len(rows) // 2, min(len(rows), len(rows) // 2 + int(settings.get("rows", 1)))):
        here, name = [*path, index], settings.get("null_field")
        if name and isinstance(rows[index], dict):
            rows[index][name] = None
            here.append(name)
        else:
            rows[index] = None
        errors.append({"message": "Internal server error", "path": here,
                       "extensions": {"code": "INTERNAL_SERVER_ERROR", "status_code": 500}})
    return errors


def first_items(data: Any, path: list[Any]) -> tuple[list[Any], list[Any]] | None:
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "items" and isinstance(value, list) and value:
                return value, [*path, key]
            found = first_items(value, [*path, key])
            if found:
                return found
    if isinstance(data, list):
        for index, value in enumerate(data):
            found = first_items(value, [*path, index])
            if found:
                return found
    return None
