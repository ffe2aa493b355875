"""Answers `POST /v2`: token, version, limits, complexity, idempotency, locks, faults, execution."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence

from graphql import GraphQLError, execute_sync
from msgspec import Struct
from msgspec.structs import replace

from sandbox.common.faults import FaultHit
from sandbox.common.json_text import JsonObject
from sandbox.common.wire import JSON_HEADERS, Answer, Refusal, Request
from sandbox.monday.account.models import User
from sandbox.monday.errors import refusal
from sandbox.monday.gateway.answers import answered, formatted, refused, spoil
from sandbox.monday.gateway.faults import fail_before, spoiled
from sandbox.monday.gateway.query import Query, read_query
from sandbox.monday.graph.call import Call
from sandbox.monday.graph.versions import CURRENT, version_for
from sandbox.monday.resolvers.table import schemas_of
from sandbox.monday.service import Service

ONLY_COMPLEXITY_WEIGHT = 0.1


class Exchange(Struct, frozen=True):
    """Holds a request that was read, with what its answer needs; `entry` is its row in the admin's log."""

    request: Request
    request_id: str
    user: User
    version: str
    query: Query
    hits: list[FaultHit]
    entry: JsonObject


class Gateway:
    def __init__(self, service: Service) -> None:
        self._service = service

    def answer(self, request: Request) -> Answer:
        started, request_id, version = time.monotonic(), self._service.new_request_id(), CURRENT
        entry = new_entry(request, request_id, self._service.clock.now())
        try:
            user = self._user_of(request)
            version = served_version(request)
            answer = self._admitted(request, request_id, user, version, entry)
        except Refusal as exc:
            answer = refused(exc, request_id)
        headers = {
            "Api-Version": version,
            "X-Request-Id": request_id,
            "X-Monday-Rgn": "use1",
            **self._service.meter.headers(self._service.clock.now()),
            **answer.headers,
        }
        entry["status"] = answer.status
        entry["end"] = answer.end
        self._service.record(entry, started)
        return replace(answer, headers=headers)

    def _user_of(self, request: Request) -> User:
        user = self._service.user_of(request.headers.get("authorization"))
        if user is None:
            raise refusal(401, "Not authenticated", "NOT_AUTHENTICATED")
        return user

    def _admitted(self, request: Request, request_id: str, user: User, version: str, entry: JsonObject) -> Answer:
        query = read_query(request.body, version, entry)
        names, meter = query.field_names, self._service.meter
        is_light = all(name == "complexity" for name in names)
        meter.admit(self._service.clock.now(), ONLY_COMPLEXITY_WEIGHT if is_light else 1.0)
        try:
            hits = self._service.faults.for_request(query.kind, names, query.whole)
            entry["faults"] = [hit.kind for hit in hits]
            fail_before(hits)
            exchange = Exchange(request, request_id, user, version, query, hits, entry)
            return spoiled(self._kept(exchange), hits)
        finally:
            meter.leave()

    def _kept(self, exchange: Exchange) -> Answer:
        """Answers from memory what was answered before under the same Idempotency-Key."""
        key, user_id = exchange.request.headers.get("idempotency-key"), exchange.user.id
        # keys are for mutations
        if not key or not exchange.query.is_mutation:
            return self._run(exchange)
        memory = self._service.idempotency
        strict = self._service.world.switches.idempotency_other_body == "refuse"
        kept = memory.begin(user_id, key, exchange.request.body, strict)
        if kept is not None:
            exchange.entry["replayed"] = True
            return Answer(kept.status, kept.body, {**JSON_HEADERS, "Idempotency-Replayed": "true"})
        stored = False
        try:
            answer = self._run(exchange)
            if answer.status == 200:
                memory.finish(user_id, key, answer.status, answer.body)
                stored = True
            return answer
        finally:
            # failed: a repeat runs again
            if not stored:
                memory.forget(user_id, key)

    def _run(self, exchange: Exchange) -> Answer:
        """Takes the cost from the budget and the boards from other writers, and executes."""
        query, service = exchange.query, self._service
        cost = exchange.entry["cost"] = query.cost()
        now, switches = service.clock.now(), service.world.switches
        try:
            shown = service.meter.charge(now, cost, query.is_mutation, switches.complexity_http)
        except Refusal:
            service.meter.count_as_refused(now)
            raise
        boards = self._written_boards(query) if query.is_mutation else set()
        service.board_locks.take(boards)
        try:
            if switches.latency_ms:
                time.sleep(switches.latency_ms / 1000)
            return self._execute(exchange, shown)
        finally:
            service.board_locks.release(boards)

    def _written_boards(self, query: Query) -> set[int]:
        """Finds the boards that a mutation will write, as far as its arguments tell."""
        found: set[int] = set()
        for args in query.arguments():
            if str(args.get("board_id", "")).isdecimal():
                found.add(int(args["board_id"]))
            for name in ("item_id", "parent_item_id"):
                id = str(args.get(name, ""))
                item = self._service.world.items.get(int(id)) if id.isdecimal() else None
                if item is not None:
                    found.add(item.board_id)
        return found

    def _execute(self, exchange: Exchange, cost: dict[str, int]) -> Answer:
        query, schemas = exchange.query, schemas_of(exchange.version)
        call = Call(
            service=self._service,
            user=exchange.user,
            version=exchange.version,
            request_id=exchange.request_id,
            base_url=exchange.request.base_url,
            schemas=schemas,
            fragments=query.fragments,
            cost=cost,
            faults=exchange.hits,
        )
        # Introspection shows the true schema, where cells are objects.
        schema = schemas.true if query.introspects else schemas.running
        with self._service.world.lock:
            self._service.imports.settle()
            result = execute_sync(schema, query.document, None, call, query.variables, query.name)
            self._service.run_automations()
        raise_refusals(result.errors or ())
        errors = [formatted(error) for error in result.errors or ()]
        partial = call.has_fault("partial")
        if partial and result.data:
            errors += spoil(result.data, partial.settings)
        if errors:
            self._note_errors(exchange, errors, failed=result.data is None)
        return answered(result, errors, exchange.request_id)

    def _note_errors(self, exchange: Exchange, errors: list[JsonObject], failed: bool) -> None:
        entry, query = exchange.entry, exchange.query
        entry["errors"] = [error.get("extensions", {}).get("code") or error["message"][:80] for error in errors]
        if failed:
            self._service.meter.refund(self._service.clock.now(), entry["cost"], query.is_mutation)


def new_entry(request: Request, request_id: str, now: float) -> JsonObject:
    return {
        "request_id": request_id,
        "at": now,
        "operation": None,
        "fields": [],
        "name": None,
        "variables_bytes": 0,
        "cost": 0,
        "status": 0,
        "errors": [],
        "idempotency_key": request.headers.get("idempotency-key"),
        "replayed": False,
        "faults": [],
    }


def served_version(request: Request) -> str:
    wanted = request.headers.get("api-version")
    version = version_for(wanted)
    if version is None:
        raise refusal(200, f"Invalid version {wanted}", "InvalidVersionException", status_code=200)
    return version


def raise_refusals(errors: Sequence[GraphQLError]) -> None:
    """Raises the first refusal of a whole request; prints what is a mistake of the sandbox's own."""
    for error in errors:
        original = error.original_error
        if isinstance(original, Refusal):
            raise original
        if original is not None and not isinstance(original, GraphQLError):
            traceback.print_exception(original)
