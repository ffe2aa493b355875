"""Fails a request as a test ordered it: before it is carried out or, with `applied`, after."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from sandbox.common.faults import FaultHit, break_off, ending
from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Answer, Refusal


def fail_before(hits: Iterable[FaultHit]) -> None:
    for hit in hits:
        if not hit.applied:
            fail(hit)


def spoiled(answer: Answer, hits: list[FaultHit]) -> Answer:
    """Makes of an answer what the faults leave of it; a repeat with the same key will get it whole."""
    for hit in hits:
        if hit.applied:
            fail(hit)
    end = ending(hits)
    return answer if end == "keep" else replace(answer, end=end)


def fail(hit: FaultHit) -> None:
    break_off(hit)
    if hit.kind == "error":
        raise error_of(hit)
    form, _, status = hit.kind.partition("_")
    if form == "json" and status:
        raise Refusal(int(status), infrastructure_error(int(status)))


def infrastructure_error(status: int) -> JsonObject:
    return {
        "status_code": status,
        "error_message": "Internal server error",
        "error_code": "INTERNAL_SERVER_ERROR",
    }


def error_of(hit: FaultHit) -> Refusal:
    wanted = hit.settings
    extensions = {
        "code": wanted.get("code", "INTERNAL_SERVER_ERROR"),
        "status_code": wanted.get("status", 200),
        **wanted.get("extensions", {}),
    }
    headers = {}
    if wanted.get("retry_in_seconds") is not None:
        extensions["retry_in_seconds"] = wanted["retry_in_seconds"]
        headers["Retry-After"] = str(wanted["retry_in_seconds"])
    error = {"message": wanted.get("message", "Internal server error"), "extensions": extensions}
    return Refusal(int(wanted.get("http", 200)), {"errors": [error]}, headers)
