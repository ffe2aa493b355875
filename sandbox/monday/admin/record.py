"""Answers admin calls that ask what the sandbox holds, and which requests it had."""

from __future__ import annotations

from msgspec.structs import asdict

from sandbox.common.json_text import JsonObject
from sandbox.monday.admin.finding import Calls
from sandbox.monday.service import Service


class RecordCalls:
    def __init__(self, service: Service) -> None:
        self._service = service
        self.calls: Calls = {
            "ping": lambda: {"ok": True},
            "state": self.state,
            "requests": self.requests,
            "requests/reset": self.reset,
            "counters": self.counters,
        }

    def state(self) -> JsonObject:
        world = self._service.world
        boards = [
            {"id": str(board.id), "name": board.name, "type": board.type, "items": len(board.active_items())}
            for board in world.boards.values()
        ]
        users = [
            {"id": str(user.id), "name": user.name, "email": user.email, "status": user.status}
            for user in world.users.values()
        ]
        return {
            "boards": boards,
            "users": users,
            "seed": world.seed,
            "limited": self._service.meter.limited,
            "switches": asdict(world.switches),
        }

    def requests(
        self, operation: str | None = None, field: str | None = None, last: int | None = None
    ) -> list[JsonObject]:
        rows = [
            entry
            for entry in self._service.requests
            if operation in (None, entry["operation"]) and (field is None or field in entry["fields"])
        ]
        return rows[-last:] if last else rows

    def reset(self) -> JsonObject:
        self._service.requests.clear()
        self._service.counters.clear()
        return {"ok": True}

    def counters(self) -> JsonObject:
        meter = self._service.meter
        return {
            **self._service.counters,
            "calls_by_day": dict(meter.days),
            "running": meter.running,
            "webhooks_waiting": self._service.subscriptions.deliveries.waiting(),
        }
