"""Routes the requests of a stand-in: `/v2`, `/admin/...`, and the files of bulk imports."""

from __future__ import annotations

import json
import traceback

from sandbox.common.json_text import encode
from sandbox.common.wire import JSON_HEADERS, Answer, Refusal, Request
from sandbox.monday.admin.calls import AdminCalls
from sandbox.monday.gateway.faults import infrastructure_error
from sandbox.monday.gateway.gateway import Gateway
from sandbox.monday.service import Service


class Site:
    def __init__(self, service: Service) -> None:
        self._service = service
        self.gateway, self._admin = Gateway(service), AdminCalls(service)

    def now(self) -> float:
        return self._service.clock.now()

    def answer(self, request: Request) -> Answer:
        try:
            return self._routed(request)
        except Refusal as exc:
            body = exc.body if isinstance(exc.body, str) else encode(exc.body)
            return Answer(exc.status, body.encode(), {"Content-Type": "application/xml", **exc.headers})
        # a mistake of the sandbox's own
        except Exception:
            traceback.print_exc()
            return Answer(500, encode(infrastructure_error(500)).encode(), JSON_HEADERS)

    def _routed(self, request: Request) -> Answer:
        match request.method, request.path.split("/")[1:]:
            case "POST", ["v2"]:
                return self.gateway.answer(request)
            case "POST", ["admin", _, *_]:
                return self._administered(request)
            case "POST", _:
                return Answer(404, b"Not found", {"Content-Type": "text/html"})
            case "PUT", _ if "transfer-encoding" in request.headers:
                # A signed storage address wants to know the length beforehand.
                return Answer(411, b"<Error><Code>MissingContentLength</Code></Error>", end="last")
            case "PUT", ["uploads", job_id, *_]:
                with self._service.world.lock:
                    self._service.imports.upload(job_id, request.headers, request.body)
                return Answer(200, b"")
            case "PUT", _:
                return Answer(404, b"")
            case _, ["reports", job_id, *_]:
                with self._service.world.lock:
                    text = self._service.imports.report(job_id)
                return Answer(200, text.encode(), {"Content-Type": "text/csv; charset=utf-8"})
        return Answer(404, b"Not found")

    def _administered(self, request: Request) -> Answer:
        if self._service.user_of(request.headers.get("authorization")) is None:
            return Answer(401, b'{"error":"the token is missing or wrong"}', JSON_HEADERS)
        call = request.path[len("/admin/") :]
        try:
            found = self._admin.answer(call, json.loads(request.body or b"{}"))
        except (KeyError, ValueError, TypeError, LookupError) as exc:
            return Answer(400, encode({"error": f"{type(exc).__name__}: {exc}"}).encode(), JSON_HEADERS)
        return Answer(200, encode(found).encode(), JSON_HEADERS)
