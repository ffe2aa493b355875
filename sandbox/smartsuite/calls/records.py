"""Answers the calls of single records: list, get, create, update, replace, delete, restore."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Answer
from sandbox.smartsuite.account.models import Table
from sandbox.smartsuite.account.record import Record, Stored
from sandbox.smartsuite.calls.call import Call, answered, nothing, refusal_of
from sandbox.smartsuite.changes.checks import Checker, Rules
from sandbox.smartsuite.errors import InvalidRecord, detail, not_found
from sandbox.smartsuite.fields.kinds import is_writable
from sandbox.smartsuite.fields.showing import shown_record
from sandbox.smartsuite.listing.filters import candidates, matching, read_filter
from sandbox.smartsuite.listing.sorting import in_order, read_sort

LARGEST_PAGE = 1_000


def list_records(call: Call) -> Answer:
    table, body, switches = call.table(), call.body or {}, call.world.switches
    if not isinstance(body, dict) or set(body) - {"sort", "filter", "hydrated", "ids"}:
        raise detail(400, "The body may have the keys sort, filter, hydrated and ids.")
    if body.get("hydrated") or call.flag("hydrated"):
        raise detail(400, "hydrated is not imitated by the sandbox.")
    offset, limit = call.whole_number("offset", 0), call.whole_number("limit", switches.default_page)
    if limit > LARGEST_PAGE:
        raise detail(400, f"limit may be {LARGEST_PAGE} at most.")
    found = in_order(wanted_records(call, table, body), read_sort(body.get("sort"), table), table, call.world)
    total = len(found)
    page = found[offset : offset + limit] if limit or "limit" in call.query else found[offset:]
    page = spoiled_page(call, page)
    items = [shown_record(call.world, table, record) for record in page]
    if call.world.switches.total == "page":
        total = len(items)
    return answered({"total": total, "offset": offset, "limit": limit, "items": items})


def wanted_records(call: Call, table: Table, body: JsonObject) -> list[Record]:
    """Finds the records that a listing names."""
    wanted = read_filter(body.get("filter"), table, call.world)
    records = candidates(wanted, table, call.world)
    if records is None:
        records = call.world.listed(table)
    if not call.flag("all"):
        records = [record for record in records if record.deleted_at is None]
    ids = body.get("ids")
    if ids is not None:
        most = call.world.switches.ids_limit
        if not isinstance(ids, list) or not all(isinstance(entry, str) for entry in ids) or most and len(ids) > most:
            raise detail(400, "ids is not a list of ids, or too long.")
        among = set(ids)
        records = [record for record in records if record.id in among]
    return matching(wanted, records, table, call.world)


def spoiled_page(call: Call, page: list[Record]) -> list[Record]:
    """Leaves out of a page what a fault says."""
    if call.fault("empty_listing"):
        return []
    dropped = call.fault("drop_item")
    if dropped and page:
        record_id = dropped.settings.get("record_id", page[len(page) // 2].id)
        return [record for record in page if record.id != record_id]
    return page[: len(page) // 2] if call.fault("short_page") else page


def get_record(call: Call) -> Answer:
    if call.flag("hydrated"):
        raise detail(400, "hydrated is not imitated by the sandbox.")
    table = call.table()
    record = call.record(table)
    if call.world.switches.lag_single:
        seen = [view for view in call.world.listed(table) if view.id == record.id and view.deleted_at is None]
        if not seen:
            raise not_found()
        record = seen[0]
    return answered(shown_record(call.world, table, record))


def create_record(call: Call) -> Answer:
    table = call.table()
    check_room(table, 1)
    values = checked(call, table, call.object(), None)
    record = call.service.edits.create(table, stored_of(call, values), call.member.id)
    return answered(shown_record(call.world, table, record), call.world.switches.create_status)


def update_record(call: Call) -> Answer:
    table = call.table()
    record = call.record(table)
    values = checked(call, table, without_id(call.object(), record), record)
    call.service.edits.change(table, record, stored_of(call, values), call.member.id)
    return answered(shown_record(call.world, table, record))


def replace_record(call: Call) -> Answer:
    """Clears every field that is left out."""
    table = call.table()
    record = call.record(table)
    given = without_id(call.object(), record)
    values = left_out(table, given) | checked(call, table, given, record)
    call.service.edits.change(table, record, stored_of(call, values), call.member.id)
    return answered(shown_record(call.world, table, record))


def delete_record(call: Call) -> Answer:
    table = call.table()
    record = call.record(table)
    call.service.edits.delete(table, record, call.member.id)
    match call.world.switches.delete_answer:
        case "record":
            return answered(shown_record(call.world, table, record))
        case "empty_200":
            return nothing()
    return nothing(204)


def restore_record(call: Call) -> Answer:
    table = call.table()
    record = call.record(table, deleted=True)
    call.service.edits.restore(table, record, call.member.id)
    return answered(shown_record(call.world, table, record))


def checked(call: Call, table: Table, values: JsonObject, record: Record | None) -> dict[str, Stored]:
    try:
        return Checker(call.world, table, Rules(created=record is None)).checked(values, record)
    except InvalidRecord as exc:
        raise refusal_of(exc, call) from None


def without_id(body: JsonObject, record: Record) -> JsonObject:
    """Passes over the record's own id, which clients send along."""
    return {slug: value for slug, value in body.items() if slug != "id" or value != record.id}


def left_out(table: Table, given: JsonObject) -> dict[str, Stored]:
    return {slug: None for slug, field in table.fields.items() if slug not in given and is_writable(field)}


def stored_of(call: Call, values: dict[str, Stored]) -> dict[str, Stored]:
    """Leaves out what a fault says is accepted and not stored."""
    hit = call.fault("not_stored")
    lost = hit.settings.get("slugs") if hit else ()
    return {slug: value for slug, value in values.items() if lost is not None and slug not in lost}


def check_room(table: Table, count: int) -> None:
    if table.records_limit and len(table.active()) + count > table.records_limit:
        raise detail(400, "The limit of records of this table is reached.")
