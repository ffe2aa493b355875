"""Answers `POST /admin/...`: what a test may do to the sandbox while it runs. Every call takes and gives JSON."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.monday.admin.behaviour import BehaviourCalls
from sandbox.monday.admin.boards import BoardCalls
from sandbox.monday.admin.columns import ColumnCalls
from sandbox.monday.admin.finding import Calls
from sandbox.monday.admin.items import ItemCalls
from sandbox.monday.admin.loading import LoadingCalls
from sandbox.monday.admin.record import RecordCalls
from sandbox.monday.admin.users import UserCalls
from sandbox.monday.admin.webhooks import WebhookCalls
from sandbox.monday.service import Service

# These do not take the world's lock: the first waits for deliveries, the others wake the thread that sends them.
WITHOUT_LOCK = ("webhooks/wait", "clock")


class AdminCalls:
    """Holds all calls by name."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._calls: Calls = {
            **RecordCalls(service).calls,
            **BehaviourCalls(service).calls,
            **WebhookCalls(service).calls,
            **ItemCalls(service).calls,
            **LoadingCalls(service).calls,
            **BoardCalls(service).calls,
            **ColumnCalls(service).calls,
            **UserCalls(service).calls,
        }

    def answer(self, call: str, settings: JsonObject) -> object:
        action = self._calls.get(call.strip("/"))
        if action is None:
            raise LookupError(f"no admin call {call!r}; known: {', '.join(sorted(self._calls))}")
        if call.startswith(WITHOUT_LOCK):
            return action(**settings)
        with self._service.world.lock:
            found = action(**settings)
            self._service.run_automations()
            return found
