"""What goes back over the wire: answers, refusals, and errors in the shapes of the reference."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError

from sandbox.cells import encode
from sandbox.errors import Refusal
from sandbox.faults import FaultHit


@dataclass
class Answer:
    """What goes over the wire. `end` says how the connection ends: kept, closed, reset, or cut in the body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    end: str = "keep"


class Ended(Refusal):
    """The connection ends without an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, "")
        self.answer = answer


def error_of(hit: FaultHit) -> Refusal:
    wanted = hit.settings
    extensions = {"code": wanted.get("code", "INTERNAL_SERVER_ERROR"), "status_code": wanted.get("status", 200),
                  **wanted.get("extensions", {})}
    headers = {}
    if wanted.get("retry_in_seconds") is not None:
        extensions["retry_in_seconds"] = wanted["retry_in_seconds"]
        headers["Retry-After"] = str(wanted["retry_in_seconds"])
    error = {"message": wanted.get("message", "Internal server error"), "extensions": extensions}
    return Refusal(int(wanted.get("http", 200)), {"errors": [error]}, headers)


def refused(exc: Refusal, request_id: str) -> Answer:
    if isinstance(exc, Ended):
        return exc.answer
    if isinstance(exc.body, str):
        return Answer(exc.status, exc.body.encode(), {"Content-Type": "text/html", **exc.headers})
    body = {**exc.body, "extensions": {"request_id": request_id}}
    return Answer(exc.status, encode(body).encode(), {**json_headers(), **exc.headers})


def json_headers() -> dict[str, str]:
    return {"Content-Type": "application/json; charset=utf-8"}


def places(error: GraphQLError) -> list[dict[str, int]]:
    return [{"line": one.line, "column": one.column} for one in error.locations or ()]


def formatted(error: GraphQLError) -> dict[str, Any]:
    found: dict[str, Any] = {"message": error.message}
    if error.locations:
        found["locations"] = places(error)
    if error.path is not None:
        found["path"] = list(error.path)
    if error.extensions:
        found["extensions"] = error.extensions
    elif error.original_error is not None and not isinstance(error.original_error, GraphQLError):
        found["message"] = "Internal server error"
        found["extensions"] = {"status_code": 500, "error_code": "INTERNAL_SERVER_ERROR", "service": "monolith"}
    return found


def quoted(message: str) -> str:
    """monday's engine puts names in double quotes, ours in single ones."""
    return re.sub(r"'([^']*)'", r'"\1"', message)


def validation_only(errors: Any) -> bool:
    """Variables that do not fit their types fail before execution: such answers have no `data`."""
    return bool(errors) and all(e.path is None for e in errors)
