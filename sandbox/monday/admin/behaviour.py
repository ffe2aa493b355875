"""Answers admin calls that change how the sandbox behaves: its clock, switches, faults and limits."""

from __future__ import annotations

from msgspec.structs import asdict

from sandbox.common.json_text import JsonObject
from sandbox.common.steering import ClockCalls, set_switches
from sandbox.monday.admin.finding import Calls
from sandbox.monday.service import Service

CHOICES: dict[str, tuple[object, ...]] = {
    "last_updated": ("exact", "days", "relative"),
    "order": ("board", "shuffle", "live"),
    "idempotency_other_body": ("refuse", "replay"),
    "complexity_http": (200, 429),
}


class BehaviourCalls:
    def __init__(self, service: Service) -> None:
        self._service = service
        self.calls: Calls = {
            **ClockCalls(service.clock).calls,
            "switches": self.switches,
            "latency": lambda ms=0: self.switches(latency_ms=ms),
            "faults": self.faults,
            "faults/add": self.add_fault,
            "faults/clear": self.clear_faults,
            "limits/reset": self.reset_limits,
            "idempotency/clear": self.clear_idempotency,
        }

    def switches(self, **wanted: object) -> JsonObject:
        """Sets switches; returns all of them."""
        return set_switches(self._service.world.switches, CHOICES, wanted)

    def add_fault(self, **wanted: object) -> JsonObject:
        # a switch, offered as a fault
        if wanted.get("kind") == "lagging_reads":
            return self.switches(lag_seconds=wanted.get("seconds", 5))
        return asdict(self._service.faults.add(wanted))

    def faults(self) -> list[JsonObject]:
        return [asdict(fault) for fault in self._service.faults.rules]

    def clear_faults(self) -> JsonObject:
        self._service.faults.clear()
        self.switches(lag_seconds=0)
        return {"ok": True}

    def reset_limits(self) -> JsonObject:
        self._service.meter.reset()
        return {"ok": True}

    def clear_idempotency(self) -> JsonObject:
        self._service.idempotency.clear()
        return {"ok": True}
