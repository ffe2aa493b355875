"""`POST /admin/...`: what a test may do to the sandbox while it runs. Every call takes and gives JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from sandbox.admin_boards import BoardCalls
from sandbox.admin_people import PersonCalls
from sandbox.clock import iso_ms, parse_iso
from sandbox.deliveries import Disorder
from sandbox.faults import Fault
from sandbox.service import Service
from sandbox.world import Switches


class AdminCalls:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.calls: dict[str, Callable[..., Any]] = {
            "ping": lambda: {"ok": True}, "state": self.state,
            "clock": self.clock, "clock/set": self.clock_set, "clock/advance": self.clock_advance,
            "switches": self.switches, "latency": lambda ms=0: self.switches(latency_ms=ms),
            "faults": self.faults, "faults/add": self.fault, "faults/clear": self.faults_clear,
            "requests": self.requests, "requests/reset": self.requests_reset, "counters": self.counters,
            "webhooks": self.webhooks, "webhooks/disorder": self.disorder, "webhooks/wait": self.webhooks_wait,
            "webhooks/history": lambda: list(service.deliveries.history),
            "webhooks/remove": self.webhook_remove, "idempotency/clear": self.idempotency_clear,
            "limits/reset": self.limits_reset,
            **PersonCalls(service).calls, **BoardCalls(service).calls,
        }

    def answer(self, call: str, settings: dict[str, Any]) -> Any:
        action = self.calls.get(call.strip("/"))
        if action is None:
            raise LookupError(f"no admin call {call!r}; known: {', '.join(sorted(self.calls))}")
        if call.startswith("webhooks/wait") or call.startswith("clock"):
            return action(**settings)
        with self.service.world.lock:
            found = action(**settings)
            self.service.edits.run_pending()
            return found

    def state(self) -> dict[str, Any]:
        boards = [{"id": str(b.id), "name": b.name, "type": b.type, "items": len(b.active_items())}
                  for b in self.service.world.boards.values()]
        users = [{"id": str(u.id), "name": u.name, "email": u.email, "status": u.status}
                 for u in self.service.world.users.values()]
        return {"boards": boards, "users": users, "seed": self.service.world.seed,
                "limited": self.service.meter.limited, "switches": asdict(self.service.world.switches)}

    # time

    def clock(self) -> dict[str, Any]:
        now = self.service.clock.now()
        return {"now": now, "iso": iso_ms(now)}

    def clock_set(self, to: float | str) -> dict[str, Any]:
        self.service.clock.set(parse_iso(to) if isinstance(to, str) else to)
        return self.clock()

    def clock_advance(self, seconds: float) -> dict[str, Any]:
        self.service.clock.advance(seconds)
        return self.clock()

    # behaviour

    def switches(self, **wanted: Any) -> dict[str, Any]:
        switches, known = self.service.world.switches, {f.name: f for f in fields(Switches)}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"unknown switch {name!r}; known: {', '.join(known)}")
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"{name} must be one of {CHOICES[name]}")
            setattr(switches, name, value)
        return asdict(switches)

    def fault(self, **wanted: Any) -> dict[str, Any]:
        if wanted.get("kind") == "lagging_reads":
            return self.switches(lag_seconds=wanted.get("seconds", 5))
        return shown(self.service.faults.add(wanted))

    def faults(self) -> list[dict[str, Any]]:
        return [shown(f) for f in self.service.faults.rules]

    def faults_clear(self) -> dict[str, Any]:
        self.service.faults.clear()
        self.switches(lag_seconds=0)
        return {"ok": True}

    def limits_reset(self) -> dict[str, Any]:
        meter = self.service.meter
        meter.calls.clear()
        meter.days.clear()
        meter._windows.clear()
        return {"ok": True}

    def idempotency_clear(self) -> dict[str, Any]:
        self.service.idempotency.clear()
        return {"ok": True}

    # what was asked

    def requests(self, operation: str | None = None, field: str | None = None, last: int | None = None) -> list[Any]:
        rows = [r for r in self.service.requests if (operation in (None, r["operation"]))
                and (field is None or field in r["fields"])]
        return rows[-last:] if last else rows

    def requests_reset(self) -> dict[str, Any]:
        self.service.requests.clear()
        self.service.counters.clear()
        return {"ok": True}

    def counters(self) -> dict[str, Any]:
        meter = self.service.meter
        return {**self.service.counters, "calls_by_day": dict(meter.days), "running": meter.running,
                "webhooks_waiting": self.service.deliveries.waiting()}

    # webhooks

    def webhooks(self) -> list[dict[str, Any]]:
        return [asdict(w) for w in self.service.world.webhooks.values()]

    def disorder(self, **wanted: Any) -> dict[str, Any]:
        for name, value in wanted.items():
            if name not in {f.name for f in fields(Disorder)}:
                raise ValueError(f"unknown setting {name!r}")
            setattr(self.service.deliveries.disorder, name, value)
        return asdict(self.service.deliveries.disorder)

    def webhooks_wait(self, seconds: float = 10) -> dict[str, Any]:
        return {"settled": self.service.deliveries.settle(seconds), "waiting": self.service.deliveries.waiting()}

    def webhook_remove(self, id: int | str) -> dict[str, Any]:
        """As when monday drops a subscription by itself."""
        return {"removed": self.service.world.webhooks.pop(int(id), None) is not None}


CHOICES = {"last_updated": ("exact", "days", "relative"), "order": ("board", "shuffle", "live"),
           "idempotency_other_body": ("refuse", "replay"), "complexity_http": (200, 429)}


def shown(fault: Fault) -> dict[str, Any]:
    return asdict(fault)
