"""Routes the requests of a stand-in for SmartSuite: `/api/v1/...` and `/admin/...`."""

from __future__ import annotations

import json
import traceback

from sandbox.common.json_text import encode
from sandbox.common.wire import JSON_HEADERS, Answer, Request
from sandbox.smartsuite.admin.calls import AdminCalls
from sandbox.smartsuite.errors import NOT_FOUND, InvalidRecord
from sandbox.smartsuite.gateway.gateway import BASE, Gateway
from sandbox.smartsuite.service import Service


class Site:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._gateway, self._admin = Gateway(service), AdminCalls(service)

    def now(self) -> float:
        return self._service.clock.now()

    def answer(self, request: Request) -> Answer:
        try:
            if request.path.startswith(BASE):
                return self._gateway.answer(request)
            if request.method == "POST" and request.path.startswith("/admin/"):
                return self._administered(request)
        # a mistake of the sandbox's own
        except Exception:
            traceback.print_exc()
            return Answer(500, encode({"err": "Internal error"}).encode(), JSON_HEADERS)
        return Answer(404, encode({"detail": NOT_FOUND}).encode(), JSON_HEADERS)

    def _administered(self, request: Request) -> Answer:
        if request.headers.get("authorization", "").removeprefix("Token ") != self._service.token:
            return Answer(401, b'{"error":"the token is missing or wrong"}', JSON_HEADERS)
        try:
            found = self._admin.answer(request.path[len("/admin/") :], json.loads(request.body or b"{}"))
        except (KeyError, ValueError, TypeError, LookupError, InvalidRecord) as exc:
            return Answer(400, encode({"error": f"{type(exc).__name__}: {exc}"}).encode(), JSON_HEADERS)
        return Answer(200, encode(found).encode(), JSON_HEADERS)
