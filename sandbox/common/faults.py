"""Keeps the failures that a test ordered, and finds those that hit a request."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection, Iterable

from msgspec import Struct, field

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Ended, Refusal

STATUSES = (500, 502, 503, 504, 520)
KINDS = {
    # nothing is carried out, unless the fault says `applied`
    *("html", "reset", "timeout", "error"),
    *(f"{form}_{status}" for form in ("html", "json") for status in STATUSES),
    "random_5xx",
    # carried out, then spoiled
    *("cut", "lost_answer", "partial"),
}
LASTING = {"random_5xx"}  # until they are cleared, unless a count is given
HTML = "<html><head><title>{0} error</title></head><body><center><h1>{0} error</h1></center></body></html>"


class Fault(Struct):
    """Holds one order, and counts the requests that it met."""

    id: int
    kind: str
    match: JsonObject = field(default_factory=dict)
    count: int | None = 1
    settings: JsonObject = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    def hits(self, operation: str, fields: Collection[str], text: str) -> bool:
        """Counts a request that matches: `nth` is the first that is hit, `count` how many are."""
        wanted = self.match
        # other kind of request
        if wanted.get("operation") not in (None, operation) or wanted.get("field") not in (None, *fields):
            return False
        if wanted.get("contains") and wanted["contains"] not in text:
            return False
        self.seen += 1
        # too early, or often enough already
        if self.seen < wanted.get("nth", 1) or self.count is not None and self.fired >= self.count:
            return False
        self.fired += 1
        return True


class FaultHit(Struct, frozen=True):
    """Holds a fault that hits the present request."""

    kind: str
    settings: JsonObject

    @property
    def applied(self) -> bool:
        """Says whether the request is carried out before it fails."""
        return bool(self.settings.get("applied"))


class Faults:
    """Holds the orders. `kinds` and `lasting` name what a stand-in knows beyond the faults of any HTTP server."""

    def __init__(self, seed: int, kinds: Iterable[str] = (), lasting: Iterable[str] = ()) -> None:
        self.kinds, self.lasting = {*KINDS, *kinds}, {*LASTING, *lasting}
        self.rules: list[Fault] = []
        self._random = random.Random(seed + 2)
        self._next = 1
        self._lock = threading.Lock()

    def add(self, wanted: JsonObject) -> Fault:
        kind = wanted.get("kind")
        if not isinstance(kind, str) or kind not in self.kinds:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(sorted(self.kinds))}")
        settings = {name: value for name, value in wanted.items() if name not in ("kind", "match", "count")}
        count = wanted.get("count", None if kind in self.lasting else 1)
        with self._lock:
            fault = Fault(self._next, kind, dict(wanted.get("match") or {}), count, settings)
            self._next += 1
            self.rules.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self.rules.clear()

    def for_request(self, operation: str, fields: Collection[str], text: str) -> list[FaultHit]:
        """Finds the faults that hit a request, by its operation, its root fields and its text."""
        with self._lock:
            matching = [fault for fault in self.rules if fault.hits(operation, fields, text)]
            return [self._hit(fault) for fault in matching if self._strikes(fault)]

    def _strikes(self, fault: Fault) -> bool:
        return fault.kind != "random_5xx" or self._random.uniform(0, 100) < fault.settings.get("percent", 10)

    def _hit(self, fault: Fault) -> FaultHit:
        if fault.kind == "random_5xx":
            return FaultHit(f"html_{self._random.choice((500, 502, 503, 504))}", fault.settings)
        return FaultHit(fault.kind, fault.settings)


def break_off(hit: FaultHit) -> None:
    """Raises what a fault of the connection or of a gateway gives in place of an answer."""
    if hit.kind == "reset":
        raise Ended("reset")
    if hit.kind == "timeout":
        time.sleep(float(hit.settings.get("seconds", 60)))
        raise Ended("close")
    form, _, status = hit.kind.partition("_")
    if form == "html" and status:
        raise Refusal(int(status), HTML.format(status))


def ending(hits: Iterable[FaultHit]) -> str:
    """Says how the connection ends after an answer that faults hit."""
    kinds = {hit.kind for hit in hits}
    if "lost_answer" in kinds:
        return "reset"  # the answer is kept under its key, and never sent
    return "cut" if "cut" in kinds else "keep"
