"""Answers admin calls on webhooks and their deliveries."""

from __future__ import annotations

from msgspec.structs import asdict, fields

from sandbox.common.deliveries import Disorder
from sandbox.common.json_text import JsonObject
from sandbox.monday.admin.finding import Calls, Id
from sandbox.monday.service import Service


class WebhookCalls:
    def __init__(self, service: Service) -> None:
        self._world, self._deliveries = service.world, service.subscriptions.deliveries
        self.calls: Calls = {
            "webhooks": self.webhooks,
            "webhooks/history": lambda: list(self._deliveries.history),
            "webhooks/disorder": self.disorder,
            "webhooks/wait": self.wait,
            "webhooks/remove": self.remove,
        }

    def webhooks(self) -> list[JsonObject]:
        return [asdict(webhook) for webhook in self._world.webhooks.values()]

    def disorder(self, **wanted: object) -> JsonObject:
        for name, value in wanted.items():
            if name not in {field.name for field in fields(Disorder)}:
                raise ValueError(f"unknown setting {name!r}")
            setattr(self._deliveries.disorder, name, value)
        return asdict(self._deliveries.disorder)

    def wait(self, seconds: float = 10) -> JsonObject:
        return {"settled": self._deliveries.settle(seconds), "waiting": self._deliveries.waiting()}

    def remove(self, id: Id) -> JsonObject:
        """Drops a subscription, as monday.com sometimes does by itself."""
        return {"removed": self._world.webhooks.pop(int(id), None) is not None}
