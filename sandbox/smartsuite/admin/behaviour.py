"""Answers admin calls that change how the stand-in behaves, and that tell what it was asked."""

from __future__ import annotations

from msgspec.structs import asdict

from sandbox.common.json_text import JsonObject
from sandbox.common.steering import ClockCalls, set_switches
from sandbox.smartsuite.account.models import Member
from sandbox.smartsuite.account.switches import CHOICES
from sandbox.smartsuite.admin.finding import Calls, Finder
from sandbox.smartsuite.meter import PLANS
from sandbox.smartsuite.service import Service

PACE = ("calls_a_second", "block_seconds", "calls_a_month")


class BehaviourCalls:
    def __init__(self, service: Service) -> None:
        self._service, self._find = service, Finder(service.world)
        self.calls: Calls = {
            "state": self.state,
            **ClockCalls(service.clock).calls,
            "switches": self.switches,
            "latency": lambda ms=0: self.switches(latency_ms=ms),
            "faults": self.faults,
            "faults/add": self.add_fault,
            "faults/clear": self.clear_faults,
            "limits/set": self.set_limits,
            "limits/reset": self.reset_limits,
            "requests": self.requests,
            "requests/reset": self.reset_requests,
            "counters": self.counters,
            "members/add": self.add_member,
            "tokens/add": self.add_token,
        }

    def state(self) -> JsonObject:
        world = self._service.world
        tables = [
            {"id": table.id, "name": table.name, "records": len(table.active())} for table in world.tables.values()
        ]
        members = [{"id": member.id, "name": member.name, "email": member.email} for member in world.members.values()]
        limited = self._service.meter.limited
        return {"tables": tables, "members": members, "limited": limited, "switches": asdict(world.switches)}

    def switches(self, **wanted: object) -> JsonObject:
        """Sets switches; returns all of them."""
        return set_switches(self._service.world.switches, CHOICES, wanted)

    def add_fault(self, **wanted: object) -> JsonObject:
        return asdict(self._service.faults.add(wanted))

    def faults(self) -> list[JsonObject]:
        return [asdict(fault) for fault in self._service.faults.rules]

    def clear_faults(self) -> JsonObject:
        self._service.faults.clear()
        return {"ok": True}

    def set_limits(self, limited: bool = True, plan: str | None = None, **pace: float) -> JsonObject:
        meter = self._service.meter
        if plan is not None:
            meter.pace.calls_a_month = PLANS[plan]
        for name, value in pace.items():
            if name not in PACE:
                raise ValueError(f"unknown limit {name!r}; known: {', '.join(PACE)}")
            setattr(meter.pace, name, value)
        meter.limited = limited
        return asdict(meter.pace)

    def reset_limits(self) -> JsonObject:
        self._service.meter.reset()
        return {"ok": True}

    def requests(self, call: str | None = None, table: str | None = None, last: int | None = None) -> list[JsonObject]:
        rows = [
            entry
            for entry in self._service.requests
            if call in (None, entry["call"]) and table in (None, entry["table"])
        ]
        return rows[-last:] if last else rows

    def reset_requests(self) -> JsonObject:
        self._service.requests.clear()
        self._service.counters.clear()
        return {"ok": True}

    def counters(self) -> JsonObject:
        meter = self._service.meter
        return {**self._service.counters, "calls_by_month": dict(meter.months), "throttled": meter.refused}

    def add_member(self, first_name: str, last_name: str, email: str) -> JsonObject:
        member = Member(self._service.world.new_id(), first_name, last_name, email)
        self._service.world.members[member.id] = member
        return {"id": member.id}

    def add_token(self, token: str, member: str | None = None) -> JsonObject:
        self._service.tokens[token] = self._find.member(member).id
        return {"ok": True}
