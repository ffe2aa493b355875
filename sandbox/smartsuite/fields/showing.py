"""Shows records as answers do."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.models import Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.fields.kind import Kind, Place
from sandbox.smartsuite.fields.kinds import kind_of
from sandbox.smartsuite.fields.times import iso, moment_at


def is_empty(value: object) -> bool:
    return value is None or value is False or value == "" or value == []


def shown_record(world: World, table: Table, record: Record) -> JsonObject:
    """Returns a record as an answer shows it."""
    shows_empty = world.switches.empty_fields == "present"
    deleted = record.deleted_at is not None
    found: JsonObject = {
        "id": record.id,
        "application_id": table.id,
        "application_slug": table.slug,
        "deleted_date": {"date": deleted_on(record), "include_time": deleted},
        "deleted_by": record.deleted_by,
        "ranking": {"default": f"aa{record.autonumber:06d}"},
    }
    for field in table.fields.values():
        if field.hidden:
            continue
        kind = kind_of(field)
        value, place = kind.value_of(record, field.slug), Place(world, table, field, record)
        if not is_empty(value):
            found[field.slug] = kind.shown(value, place)
        elif field.params.get("system") or field.params.get("primary"):
            found[field.slug] = kind.shown(value, place) if value is not None else kind.empty
        elif shows_empty:
            found[field.slug] = shown_empty(kind, place)
    return found


def shown_empty(kind: Kind, place: Place) -> object:
    match place.switches.empty_form:
        case "null":
            return None
        case "null_text":
            return "null"
    return kind.empty_shown(place)


def deleted_on(record: Record) -> str | None:
    return None if record.deleted_at is None else iso(moment_at(record.deleted_at))
