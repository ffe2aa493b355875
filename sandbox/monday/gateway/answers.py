"""Writes answers and refusals, with errors in the shapes of the reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from graphql import ExecutionResult, GraphQLError

from sandbox.common.json_text import JsonObject, encode
from sandbox.common.wire import JSON_HEADERS, Answer, Ended, Refusal


def refused(exc: Refusal, request_id: str) -> Answer:
    if isinstance(exc, Ended):
        return exc.answer
    if isinstance(exc.body, str):
        return Answer(exc.status, exc.body.encode(), {"Content-Type": "text/html", **exc.headers})
    body = {**exc.body, "extensions": {"request_id": request_id}}
    return Answer(exc.status, encode(body).encode(), {**JSON_HEADERS, **exc.headers})


def answered(result: ExecutionResult, errors: list[JsonObject], request_id: str) -> Answer:
    body: JsonObject = {}
    if result.data is not None or not before_execution(result.errors):
        body["data"] = result.data
    if errors:
        body["errors"] = errors
    body["extensions"] = {"request_id": request_id}
    return Answer(200, encode(body).encode(), JSON_HEADERS)


def before_execution(errors: Sequence[GraphQLError] | None) -> bool:
    """Says whether variables do not fit their types: such answers have no `data`."""
    return bool(errors) and all(error.path is None for error in errors or ())


def formatted(error: GraphQLError) -> JsonObject:
    found: JsonObject = {"message": error.message}
    if error.locations:
        found["locations"] = places(error)
    if error.path is not None:
        found["path"] = list(error.path)
    if error.extensions:
        found["extensions"] = error.extensions
    # a mistake of the sandbox's own
    elif error.original_error is not None and not isinstance(error.original_error, GraphQLError):
        found["message"] = "Internal server error"
        found["extensions"] = {"status_code": 500, "error_code": "INTERNAL_SERVER_ERROR", "service": "monolith"}
    return found


def places(error: GraphQLError) -> list[dict[str, int]]:
    return [{"line": place.line, "column": place.column} for place in error.locations or ()]


def quoted(message: str) -> str:
    """Puts names in double quotes, as monday.com's engine does; ours has single ones."""
    return re.sub(r"'([^']*)'", r'"\1"', message)


# what the fault `partial` spoils

Way: TypeAlias = list[str | int]


def spoil(data: object, settings: JsonObject) -> list[JsonObject]:
    """Nulls some rows, or a field of them, of the first list of items found; returns the errors that go with it."""
    found = first_items(data, [])
    if found is None:
        return []
    rows, way = found
    name, middle = settings.get("null_field"), len(rows) // 2
    errors = []
    for index in range(middle, min(len(rows), middle + int(settings.get("rows", 1)))):
        here: Way = [*way, index]
        row = rows[index]
        if name and row is not None:
            row[name] = None
            here.append(name)
        else:
            rows[index] = None
        extensions = {"code": "INTERNAL_SERVER_ERROR", "status_code": 500}
        errors.append({"message": "Internal server error", "path": here, "extensions": extensions})
    return errors


def first_items(data: object, way: Way) -> tuple[list[JsonObject | None], Way] | None:
    """Finds the first list of items in an answer, and the way to it."""
    if isinstance(data, dict):
        members = list(data.items())
    else:
        members = list(enumerate(data)) if isinstance(data, list) else []
    for key, value in members:
        if key == "items" and isinstance(value, list) and value:
            return value, [*way, key]
        found = first_items(value, [*way, key])
        if found:
            return found
    return None
