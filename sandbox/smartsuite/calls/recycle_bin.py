"""Answers what is in the recycle bin."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Answer, Refusal
from sandbox.smartsuite.account.models import Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.calls.call import Call, answered
from sandbox.smartsuite.errors import REQUIRED, detail
from sandbox.smartsuite.fields.showing import deleted_on


def list_deleted(call: Call) -> Answer:
    return answered(deleted(call))


def page_of_deleted(call: Call) -> Answer:
    rows, body = deleted(call), call.object()
    size, cursor = body.get("page_size", 100), body.get("cursor") or "0"
    if not isinstance(size, int) or size < 1 or not str(cursor).isdecimal():
        raise detail(400, "page_size or cursor is not valid.")
    start = int(cursor)
    end = start + size
    following = str(end) if end < len(rows) else None
    return answered({"count": len(rows), "records": rows[start:end], "next_cursor": following})


def deleted(call: Call) -> list[JsonObject]:
    solution = call.object().get("solution_id")
    if not solution:
        raise Refusal(400, {"solution_id": [REQUIRED]})
    tables = [table for table in call.world.tables.values() if table.solution == solution]
    return [
        shown_deleted(table, record)
        for table in tables
        for record in table.records.values()
        if record.deleted_at is not None
    ]


def shown_deleted(table: Table, record: Record) -> JsonObject:
    return {
        "id": record.id,
        "title": record.values.get(table.primary, ""),
        "application_id": table.id,
        "application_name": table.name,
        "solution_id": table.solution,
        "deleted_by": record.deleted_by,
        "deleted_date": {"date": deleted_on(record), "include_time": True},
    }
