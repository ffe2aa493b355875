"""Answers `POST /admin/...`: what a test may do to the stand-in while it runs. Every call takes and gives JSON."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.admin.behaviour import BehaviourCalls
from sandbox.smartsuite.admin.finding import Calls
from sandbox.smartsuite.admin.records import RecordCalls
from sandbox.smartsuite.admin.tables import TableCalls
from sandbox.smartsuite.service import Service


class AdminCalls:
    """Holds all calls by name."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._calls: Calls = {
            **BehaviourCalls(service).calls,
            **TableCalls(service).calls,
            **RecordCalls(service).calls,
        }

    def answer(self, call: str, settings: JsonObject) -> object:
        action = self._calls.get(call.strip("/"))
        if action is None:
            raise LookupError(f"no admin call {call!r}; known: {', '.join(sorted(self._calls))}")
        with self._service.world.lock:
            return action(**settings)
