"""Fails a call as a test ordered it: before it is carried out or, with `applied`, after."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from sandbox.common.faults import FaultHit, break_off, ending
from sandbox.common.wire import Answer, Refusal


def fail_before(hits: Iterable[FaultHit]) -> None:
    for hit in hits:
        if not hit.applied:
            fail(hit)


def spoiled(answer: Answer, hits: list[FaultHit]) -> Answer:
    """Makes of an answer what the faults leave of it."""
    for hit in hits:
        if hit.applied:
            fail(hit)
    kinds = {hit.kind for hit in hits}
    if "empty_200" in kinds:
        return Answer(200, b"")
    if "malformed" in kinds:
        return replace(answer, body=b"<!-- " + answer.body)
    end = "short" if "short" in kinds else ending(hits)
    return answer if end == "keep" else replace(answer, end=end)


def fail(hit: FaultHit) -> None:
    break_off(hit)
    if hit.kind == "error":
        wanted = hit.settings
        raise Refusal(int(wanted.get("status", 400)), wanted.get("body", {"error": "Error"}), wanted.get("headers"))
    form, _, status = hit.kind.partition("_")
    if form == "json" and status:
        raise Refusal(int(status), {"err": "Internal error"})
