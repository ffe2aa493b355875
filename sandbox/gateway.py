"""`POST /v2` from the headers to the answer: token, version, limits, complexity, idempotency, locks, faults, execution."""

from __future__ import annotations

import json
import re
import time
import traceback
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
)
from graphql.utilities import value_from_ast_untyped

from sandbox.answers import (
    Answer,
    Ended,
    error_of,
    formatted,
    json_headers,
    places,
    quoted,
    refused,
    validation_only,
)
from sandbox.call import Call
from sandbox.cells import encode
from sandbox.complexity import estimate
from sandbox.errors import Refusal, refusal
from sandbox.faults import FaultHit, spoil
from sandbox.models import User
from sandbox.reading_account import VERSIONS
from sandbox.schema import CURRENT, MAINTENANCE, document_of, running_schema, true_schema
from sandbox.service import Service

VERSION_FORM = re.compile(r"\d{4}-\d{2}\Z")
SERVED = {value for value, _ in VERSIONS}
HTML = "<html><head><title>{0} error</title></head><body><center><h1>{0} error</h1></center></body></html>"


@dataclass
class Request:
    headers: dict[str, str]
    body: bytes
    base_url: str


@dataclass
class Query:
    text: str
    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]

    @property
    def whole(self) -> str:
        """The text and, as JSON, the variables."""
        return f"{self.text} {encode(self.variables)}"

    @property
    def kind(self) -> str:
        return self.operation.operation.value

    @property
    def fields(self) -> list[FieldNode]:
        return [n for n in self.operation.selection_set.selections if isinstance(n, FieldNode)]


class Gateway:
    def __init__(self, service: Service) -> None:
        self.service = service

    def answer(self, request: Request) -> Answer:
        started, request_id = time.monotonic(), self.service.request_id()
        entry: dict[str, Any] = {"request_id": request_id, "at": self.service.clock.now(), "operation": None,
                                 "fields": [], "name": None, "variables_bytes": 0, "cost": 0, "status": 0,
                                 "errors": [], "idempotency_key": request.headers.get("idempotency-key"),
                                 "replayed": False, "faults": []}
        version = CURRENT
        try:
            user = self._user(request)
            version = self._version(request)
            answer = self._answer(request, user, version, request_id, entry)
        except Refusal as exc:
            answer = refused(exc, request_id)
        answer.headers = {"Api-Version": version, "X-Request-Id": request_id, "X-Monday-Rgn": "use1",
                          **self.service.meter.headers(self.service.clock.now()), **answer.headers}
        entry["status"] = answer.status
        entry["end"] = answer.end
        self.service.record(entry, started)
        return answer

    def _user(self, request: Request) -> User:
        user = self.service.user_of(request.headers.get("authorization"))
        if user is None:
            raise refusal(401, "Not authenticated", "NOT_AUTHENTICATED")
        return user

    def _version(self, request: Request) -> str:
        wanted = request.headers.get("api-version")
        if not wanted or wanted in SERVED:
            return wanted or CURRENT
        if not VERSION_FORM.match(wanted):
            raise refusal(200, f"Invalid version {wanted}", "InvalidVersionException", status_code=200)
        return MAINTENANCE if wanted < min(SERVED) else CURRENT

    def _answer(self, request: Request, user: User, version: str, request_id: str, entry: dict[str, Any]) -> Answer:
        query = self._query(request, version, entry)
        meter, now = self.service.meter, self.service.clock.now()
        only_cost = all(f.name.value == "complexity" for f in query.fields)
        meter.admit(now, 0.1 if only_cost else 1.0)
        try:
            hits = self.service.faults.for_request(query.kind, {f.name.value for f in query.fields}, query.whole)
            entry["faults"] = [hit.kind for hit in hits]
            self._instead(hits, applied=False)
            return self._kept(request, query, user, version, request_id, hits, entry)
        finally:
            meter.leave()

    # reading the request

    def _query(self, request: Request, version: str, entry: dict[str, Any]) -> Query:
        try:
            body = json.loads(request.body)
        except ValueError:
            raise refusal(400, "Bad request", "JsonParseException", status_code=400) from None
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            raise refusal(400, "Bad request", status_code=400)
        variables = body.get("variables")
        if variables is not None and not isinstance(variables, dict):
            raise refusal(400, "Bad request: variables must be an object", status_code=400)
        entry["query"] = body["query"][:2_000]
        entry["variables_bytes"] = len(encode(variables)) if variables else 0
        try:
            document, problems = document_of(body["query"], version)
        except GraphQLError as exc:
            raise Refusal(200, {"errors": [{"message": f"Parse error on {exc.message}", "locations": places(exc),
                                            "extensions": {"code": "GRAPHQL_PARSE_FAILED"}}]}) from None
        if problems:
            raise Refusal(200, {"errors": [{"message": quoted(p.message), "locations": places(p)} for p in problems]})
        query = self._operation(body, document, variables or {})
        entry.update(operation=query.kind, fields=[f.name.value for f in query.fields],
                     name=query.operation.name.value if query.operation.name else None)
        return query

    def _operation(self, body: dict[str, Any], document: DocumentNode, variables: dict[str, Any]) -> Query:
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        name = body.get("operationName")
        chosen = [o for o in operations if name is None or o.name and o.name.value == name]
        if len(chosen) != 1:
            message = f'Unknown operation named "{name}".' if name else (
                "Must provide operation name if query contains multiple operations.")
            raise Refusal(200, {"errors": [{"message": message}]})
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        return Query(body["query"], document, chosen[0], fragments, variables)

    # idempotency, locks, execution

    def _kept(self, request: Request, query: Query, user: User, version: str, request_id: str, hits: list[FaultHit],
              entry: dict[str, Any]) -> Answer:
        key = request.headers.get("idempotency-key")
        if not key or query.kind != "mutation":
            return self._ended(self._run(request, query, user, version, request_id, hits, entry), hits)
        strict = self.service.world.switches.idempotency_other_body == "refuse"
        kept = self.service.idempotency.begin(user.id, key, request.body, strict)
        if kept is not None:
            entry["replayed"] = True
            return self._ended(Answer(kept.status, kept.body, {
                **json_headers(), "Idempotency-Replayed": "true"}), hits)
        stored = False
        try:
            answer = self._run(request, query, user, version, request_id, hits, entry)
            if answer.status == 200:
                self.service.idempotency.finish(user.id, key, answer.status, answer.body)
                stored = True
            return self._ended(answer, hits)
        finally:
            if not stored:
                self.service.idempotency.forget(user.id, key)

    def _run(self, request: Request, query: Query, user: User, version: str, request_id: str, hits: list[FaultHit],
             entry: dict[str, Any]) -> Answer:
        is_mutation = query.kind == "mutation"
        now = self.service.clock.now()
        entry["cost"] = estimate(query.operation, query.fragments, self._with_defaults(query))
        switches = self.service.world.switches
        try:
            cost = self.service.meter.charge(now, entry["cost"], is_mutation, switches.complexity_http)
        except Refusal:
            self.service.meter.count_as_refused(now)
            raise
        boards = self._written_boards(query) if is_mutation else set()
        self.service.board_locks.take(boards)
        try:
            if switches.latency_ms:
                time.sleep(switches.latency_ms / 1000)
            call = Call(self.service, user, version, request_id, query.fragments, cost, hits, request.base_url)
            answer = self._execute(call, query, entry)
        finally:
            self.service.board_locks.release(boards)
        return answer

    def _ended(self, answer: Answer, hits: list[FaultHit]) -> Answer:
        """What faults make of an answer that exists, and that a repeat with the same key will get whole."""
        self._instead(hits, applied=True)
        if any(hit.kind == "lost_answer" for hit in hits):
            answer.end = "reset"
        elif any(hit.kind == "cut" for hit in hits):
            answer.end = "cut"
        return answer

    def _with_defaults(self, query: Query) -> dict[str, Any]:
        defaults = {d.variable.name.value: value_from_ast_untyped(d.default_value)
                    for d in query.operation.variable_definitions or () if d.default_value}
        return {**defaults, **query.variables}

    def _execute(self, call: Call, query: Query, entry: dict[str, Any]) -> Answer:
        introspection = any(f.name.value.startswith("__") for f in query.fields)
        schema = true_schema(call.version) if introspection else running_schema(call.version)
        with self.service.world.lock:
            self.service.imports.settle()
            result = execute_sync(schema, query.document, None, call, query.variables,
                                  query.operation.name.value if query.operation.name else None)
            self.service.edits.run_pending()
        errors = [formatted(e) for e in result.errors or ()]
        for error in result.errors or ():
            if isinstance(error.original_error, Refusal):
                raise error.original_error
            if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
                traceback.print_exception(error.original_error)  # a mistake of the sandbox's own
        partial = call.has_fault("partial")
        if partial and result.data:
            errors += spoil(result.data, partial.settings)
        body: dict[str, Any] = {}
        if result.data is not None or not validation_only(result.errors):
            body["data"] = result.data
        if errors:
            body["errors"] = errors
            entry["errors"] = [e.get("extensions", {}).get("code") or e["message"][:80] for e in errors]
            if result.data is None:
                self.service.meter.refund(self.service.clock.now(), entry["cost"], query.kind == "mutation")
        body["extensions"] = {"request_id": call.request_id}
        return Answer(200, encode(body).encode(), json_headers())

    def _written_boards(self, query: Query) -> set[int]:
        """The boards a mutation document will write, as far as its arguments tell."""
        found: set[int] = set()
        world, variables = self.service.world, self._with_defaults(query)
        for node in query.fields:
            args = {a.name.value: value_from_ast_untyped(a.value, variables) for a in node.arguments or ()}
            if str(args.get("board_id", "")).isdecimal():
                found.add(int(args["board_id"]))
            for name in ("item_id", "parent_item_id"):
                item = world.items.get(int(args[name])) if str(args.get(name, "")).isdecimal() else None
                if item is not None:
                    found.add(item.board_id)
        return found

    # faults

    def _instead(self, hits: list[FaultHit], applied: bool) -> None:
        """Faults that take the place of an answer, before execution or, with `applied`, after it."""
        for hit in hits:
            if bool(hit.settings.get("applied")) is not applied:
                continue
            if hit.kind == "reset":
                raise Ended(Answer(0, b"", end="reset"))
            if hit.kind == "timeout":
                time.sleep(float(hit.settings.get("seconds", 60)))
                raise Ended(Answer(0, b"", end="close"))
            if hit.kind == "error":
                raise error_of(hit)
            form, _, status = hit.kind.partition("_")
            if form == "html" and status:
                raise Refusal(int(status), HTML.format(status))
            if form == "json" and status:
                raise Refusal(int(status), {"status_code": int(status), "error_message": "Internal server error",
                                            "error_code": "INTERNAL_SERVER_ERROR"})
