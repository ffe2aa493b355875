"""Answers the bulk calls: create, update, replace and delete up to 25 records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from sandbox.common.json_text import JsonObject, encode
from sandbox.common.wire import JSON_HEADERS, Answer, Refusal
from sandbox.smartsuite.account.models import Table
from sandbox.smartsuite.account.record import Record, Stored
from sandbox.smartsuite.account.switches import Switches
from sandbox.smartsuite.calls.call import Call, answered, in_form
from sandbox.smartsuite.calls.records import check_room, left_out, stored_of
from sandbox.smartsuite.changes.checks import Checker, Rules
from sandbox.smartsuite.errors import NOT_FOUND, REQUIRED, InvalidRecord, detail
from sandbox.smartsuite.fields.showing import deleted_on, shown_record

MOST_ITEMS = 25


class Batch(Struct):
    """Holds what the items of a call came to, by their places."""

    valid: dict[int, tuple[Record | None, dict[str, Stored]]] = field(default_factory=dict)
    refused: dict[int, dict[str, list[str]]] = field(default_factory=dict)


def create_many(call: Call) -> Answer:
    table, batch, checker = call.table(), Batch(), Checker(call.world, call.table(), Rules(True, required=False))
    items = items_of(call, dict)
    check_room(table, len(items))
    for place, item in enumerate(items):
        try:
            batch.valid[place] = (None, checker.checked(item))
        except InvalidRecord as exc:
            batch.refused[place] = exc.messages

    def make(_: Record | None, values: dict[str, Stored]) -> tuple[Record, bool]:
        return call.service.edits.create(table, stored_of(call, values), call.member.id), True

    return written(call, table, batch, make)


def update_many(call: Call, replaced: bool = False) -> Answer:
    table, batch, checker = call.table(), Batch(), Checker(call.world, call.table(), Rules())
    for place, item in enumerate(items_of(call, dict)):
        values = {slug: value for slug, value in item.items() if slug != "id"}
        record = table.records.get(str(item.get("id")))
        if record is None or record.deleted_at is not None:
            batch.refused[place] = {"id": [NOT_FOUND if item.get("id") else REQUIRED]}
            continue
        try:
            found = checker.checked(values, record)
            batch.valid[place] = (record, left_out(table, values) | found if replaced else found)
        except InvalidRecord as exc:
            batch.refused[place] = exc.messages

    def change(record: Record | None, values: dict[str, Stored]) -> tuple[Record, bool]:
        assert record is not None
        return record, call.service.edits.change(table, record, stored_of(call, values), call.member.id)

    return written(call, table, batch, change)


def replace_many(call: Call) -> Answer:
    return update_many(call, replaced=True)


def delete_many(call: Call) -> Answer:
    """Puts records into the recycle bin; items are ids, or objects with an id."""
    table = call.table()
    ids = [item.get("id") if isinstance(item, dict) else item for item in items_of(call, (str, dict))]
    records = [table.records.get(str(record_id)) for record_id in ids]
    found = [record for record in records if record is not None and record.deleted_at is None]
    if len(found) < len(ids):
        raise detail(404, NOT_FOUND)
    for record in found:
        call.service.edits.delete(table, record, call.member.id)
    shown = {"application_id": table.id, "application_slug": table.slug}
    rows = [
        {"id": record.id, **shown, "deleted_date": {"date": deleted_on(record), "include_time": True}}
        for record in found
    ]
    return answered([{"id": row["id"]} for row in rows] if call.query.get("fields") == ["id"] else rows)


def items_of(call: Call, form: type | tuple[type, ...]) -> list[Any]:
    """Returns the items of the body. Raises Refusal."""
    items = call.object().get("items")
    if items is None:
        raise Refusal(400, {"items": [REQUIRED]})
    if not isinstance(items, list) or not all(isinstance(item, form) for item in items):
        raise detail(400, "items must be a list of items.")
    if not 1 <= len(items) <= MOST_ITEMS:
        raise detail(422, f"From 1 to {MOST_ITEMS} items are allowed.")
    return items


Write = Callable[[Record | None, dict[str, Stored]], tuple[Record, bool]]


def written(call: Call, table: Table, batch: Batch, write: Write) -> Answer:
    """Carries out what is valid, as far as the switches and faults say, and answers."""
    switches, count = call.world.switches, len(batch.valid) + len(batch.refused)
    if batch.refused and switches.bulk_invalid == "all_refused":
        raise refused_items(batch, count, switches)
    partial, rows = call.fault("partial"), []
    for done, (record, values) in enumerate(batch.valid.values()):
        # the call breaks off in the middle
        if partial and done == int(partial.settings.get("rows", 1)):
            raise Refusal(500, {"err": "Internal error"})
        found, changed = write(record, values)
        if changed or switches.bulk_unchanged == "kept":
            rows.append(shown_record(call.world, table, found))
    if batch.refused and switches.bulk_invalid == "rest_written_and_refused":
        raise refused_items(batch, count, switches)
    if switches.bulk_order == "reversed":
        rows.reverse()
    return answered(answer_of(rows, batch, switches.bulk_answer))


def answer_of(rows: list[JsonObject], batch: Batch, form: str) -> object:
    if form == "items":
        return {"items": rows}
    if form == "array":
        return rows
    failed = [{"index": place, "reason": reason_of(found)} for place, found in batch.refused.items()]
    return {"successful_items": rows, "failed_items": failed}


def reason_of(messages: dict[str, list[str]]) -> str:
    return "; ".join(f"{slug}: {' '.join(texts)}" for slug, texts in messages.items())


def refused_items(batch: Batch, count: int, switches: Switches) -> Refusal:
    """Refuses a call for the sake of its items, in one of the shapes that may come."""
    status = switches.invalid_status
    refused = {place: in_form(found, switches.message_form) for place, found in batch.refused.items()}
    if switches.bulk_errors == "by_index":
        return Refusal(status, {str(place): found for place, found in refused.items()})
    listed = [refused.get(place, {}) for place in range(count)]
    if switches.bulk_errors == "list":
        return Refusal(status, encode(listed), JSON_HEADERS)
    return Refusal(status, {"items": listed})
