"""Answers `/api/v1/...`: slash, account, token, route, limits, body, faults, and then the call itself."""

from __future__ import annotations

import json
import time

from msgspec import Struct

from sandbox.common.faults import FaultHit
from sandbox.common.json_text import JsonObject, encode
from sandbox.common.wire import JSON_HEADERS, Answer, Ended, Refusal, Request
from sandbox.smartsuite.account.models import Member
from sandbox.smartsuite.calls.call import Call, query_of
from sandbox.smartsuite.errors import detail, plain
from sandbox.smartsuite.gateway.faults import fail_before, spoiled
from sandbox.smartsuite.gateway.routes import Route, is_known, reads, route_of
from sandbox.smartsuite.service import Service

BASE = "/api/v1/"
BODY_KEPT = 20_000
WITHOUT_ACCOUNT = "accounts/"


class Exchange(Struct, frozen=True):
    """Holds a request that was let in; `entry` is its row in the admin's log."""

    request: Request
    member: Member
    route: Route
    named: dict[str, str]
    entry: JsonObject


class Gateway:
    def __init__(self, service: Service) -> None:
        self._service = service

    def answer(self, request: Request) -> Answer:
        started, entry = time.monotonic(), self._new_entry(request)
        try:
            answer = self._let_in(request, entry)
        except Refusal as exc:
            answer = refused(exc)
        entry["status"], entry["end"] = answer.status, answer.end
        self._service.record(entry, started)
        return answer

    def _new_entry(self, request: Request) -> JsonObject:
        return {
            "id": self._service.new_number(),
            "at": self._service.clock.now(),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "call": None,
            "table": None,
            "items": 0,
            "bytes": len(request.body),
            "body": request.body[:BODY_KEPT].decode(errors="replace"),
            "member": None,
            "faults": [],
        }

    def _let_in(self, request: Request, entry: JsonObject) -> Answer:
        path = request.path[len(BASE) :]
        # no slash at the end: sent elsewhere, without doing anything
        if not path.endswith("/") and is_known(f"{path}/"):
            query = f"?{request.query}" if request.query else ""
            return Answer(301, b"", {"Location": f"{request.path}/{query}"})
        self._check_account(request, path)
        member = self._member_of(request)
        entry["member"] = member.id
        route, named = route_of(request.method, path)
        entry["call"], entry["table"] = route.name, named.get("table")
        meter, switches = self._service.meter, self._service.world.switches
        meter.admit(member.id, self._service.clock.now(), switches)
        meter.enter(switches)
        try:
            return self._faulted(Exchange(request, member, route, named, entry))
        finally:
            meter.leave()

    def _check_account(self, request: Request, path: str) -> None:
        account = request.headers.get("account-id")
        if path == WITHOUT_ACCOUNT:
            return
        if not account:
            raise plain(400, "Account ID is not specified")
        if account != self._service.world.account_id:
            raise plain(400, f"Account ID {account} is not valid")

    def _member_of(self, request: Request) -> Member:
        member = self._service.member_of(request.headers.get("authorization"))
        if member is None:
            sent = (request.headers.get("authorization") or "").startswith("Token ")
            text = "Invalid token." if sent else "Authentication credentials were not provided."
            raise detail(self._service.world.switches.wrong_token_status, text)
        return member

    def _faulted(self, exchange: Exchange) -> Answer:
        """Carries out the call between the faults that come before it and those that come after."""
        body = read_body(exchange.request, self._service.world.switches.body_limit)
        items = body.get("items") if isinstance(body, dict) else None
        exchange.entry["items"] = len(items) if isinstance(items, list) else 0
        hits = self._hits(exchange)
        exchange.entry["faults"] = [hit.kind for hit in hits]
        fail_before(hits)
        latency = self._service.world.switches.latency_ms
        if latency:
            time.sleep(latency / 1000)
        query = query_of(exchange.request.query)
        call = Call(self._service, exchange.member, exchange.named, query, body, hits)
        with self._service.world.lock:
            answer = exchange.route.action(call)
        return spoiled(answer, hits)

    def _hits(self, exchange: Exchange) -> list[FaultHit]:
        table = self._service.world.tables.get(exchange.named.get("table", ""))
        kind = "read" if reads(exchange.route) else "write"
        fields = {exchange.request.method, kind, *((table.id, table.name) if table else ())}
        text = exchange.request.body.decode(errors="replace")
        return self._service.faults.for_request(exchange.route.name, fields, text)


def read_body(request: Request, most: int) -> object:
    """Reads the JSON of a body; None without a body. Raises Refusal."""
    if most and len(request.body) > most:
        raise Refusal(413, "<html><head><title>413 Request Entity Too Large</title></head></html>")
    if not request.body:
        return None
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise detail(415, f'Unsupported media type "{kind[:60]}" in request.')
    try:
        found = json.loads(request.body, parse_constant=refuse_constant)
        if b"\\u" in request.body:
            encode(found).encode()  # half of a pair of surrogates is no text
    except (ValueError, RecursionError) as exc:
        raise detail(400, f"JSON parse error - {type(exc).__name__}") from None
    return found


def refuse_constant(name: str) -> None:
    """Refuses NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def refused(exc: Refusal) -> Answer:
    if isinstance(exc, Ended):
        return exc.answer
    if isinstance(exc.body, str):
        return Answer(exc.status, exc.body.encode(), {"Content-Type": "text/html", **exc.headers})
    return Answer(exc.status, encode(exc.body).encode(), {**JSON_HEADERS, **exc.headers})
