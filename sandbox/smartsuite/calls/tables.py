"""Answers the calls of tables and their fields."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Answer, Refusal
from sandbox.smartsuite.account.models import Field, Table
from sandbox.smartsuite.calls.call import Call, answered, nothing
from sandbox.smartsuite.errors import REQUIRED, detail
from sandbox.smartsuite.fields.kinds import KINDS, NOT_ADDED_IN_BULK
from sandbox.smartsuite.fields.times import iso, moment_at
from sandbox.smartsuite.seeding import add_table, field_of


def list_tables(call: Call) -> Answer:
    solution, world = call.query.get("solution", [None])[-1], call.world
    seen = [
        table
        for table in world.tables.values()
        if not world.solutions[table.solution].hidden and solution in (None, table.solution)
    ]
    rows = [narrowed(shown_table(table, call), call) for table in seen]
    if "limit" not in call.query or world.switches.tables_list == "array":
        return answered(rows)
    offset, limit = call.whole_number("offset", 0), call.whole_number("limit", 100)
    page = rows[offset : offset + limit]
    return answered({"count": len(rows), "next": None, "previous": None, "results": page})


def get_table(call: Call) -> Answer:
    return answered(narrowed(shown_table(call.table(), call), call))


def create_table(call: Call) -> Answer:
    body = call.object()
    missing = {name: [REQUIRED] for name in ("name", "solution", "structure") if name not in body}
    if missing:
        raise Refusal(400, missing)
    if body["solution"] not in call.world.solutions:
        raise Refusal(400, {"solution": ["This solution does not exist."]})
    for entry in body["structure"]:
        check_new_field(entry)
    return answered(shown_table(add_table(call.world, body["name"], body["structure"]), call))


def rename_table(call: Call) -> Answer:
    table, body = call.table(), call.object()
    if set(body) != {"name"}:
        raise detail(400, "Only the name of a table can be changed in the sandbox.")
    table.name = body["name"]
    return answered(shown_table(table, call))


def add_field(call: Call) -> Answer:
    """Adds a field; the answer is empty."""
    table, body = call.table(), call.object()
    entry, position = body.get("field"), body.get("field_position")
    if not isinstance(entry, dict):
        raise Refusal(400, {"field": [REQUIRED]})
    if not isinstance(position, dict) or not isinstance(position.get("prev_sibling_slug"), str):
        raise Refusal(400, {"field_position": [REQUIRED]})
    check_new_field(entry)
    put_fields(call, table, [entry])
    return nothing()


def add_fields(call: Call) -> Answer:
    table, entries = call.table(), call.object().get("fields")
    if not isinstance(entries, list):
        raise Refusal(400, {"fields": [REQUIRED]})
    for entry in entries:
        check_new_field(entry)
        if entry["field_type"] in NOT_ADDED_IN_BULK:
            raise Refusal(400, {"field_type": [f"{entry['field_type']} can't be added in bulk."]})
    put_fields(call, table, entries)
    return nothing()


def put_fields(call: Call, table: Table, entries: list[JsonObject]) -> None:
    made = [field_of(entry, call.world) for entry in entries]
    for field in made:
        if field.slug in table.fields:
            raise Refusal(400, {"slug": ["This slug is taken."]})
    call.world.remember_structure(table)
    table.fields.update({field.slug: field for field in made})


def check_new_field(entry: object) -> None:
    if not isinstance(entry, dict):
        raise detail(400, "Invalid data. Expected a dictionary.")
    missing = {name: [REQUIRED] for name in ("label", "field_type", "params", "slug") if name not in entry}
    if missing:
        raise Refusal(400, missing)
    if entry["field_type"] not in KINDS:
        raise Refusal(400, {"field_type": [f'"{entry["field_type"]}" is not a valid choice.']})


def change_field(call: Call) -> Answer:
    """Replaces a field as a whole, its choices too."""
    table, body = call.table(), call.object()
    check_new_field(body)
    field = own_field(table, body["slug"])
    call.world.remember_structure(table)
    table.fields[field.slug] = Field(field.slug, body["label"], body["field_type"], dict(body["params"]), field.nested)
    return nothing()


def delete_field(call: Call) -> Answer:
    table = call.table()
    field = own_field(table, call.object().get("slug"))
    call.world.remember_structure(table)
    table.deleted_fields[field.slug] = table.fields.pop(field.slug)
    return nothing()


def own_field(table: Table, slug: object) -> Field:
    field = table.fields.get(str(slug))
    if field is None or field.params.get("system"):
        raise Refusal(400, {"slug": ["This field can't be changed."]})
    return field


def shown_table(table: Table, call: Call) -> JsonObject:
    return {
        "id": table.id,
        "name": table.name,
        "solution": table.solution,
        "slug": table.slug,
        "status": "active",
        "structure": call.world.structure(table),
        "primary_field": table.primary,
        "order": 0,
        "structure_layout": {},
        "fields_metadata": {},
        "permissions": {"level": "all_members"},
        "field_permissions": [],
        "first_created": {"by": table.created_by, "on": iso(moment_at(table.created_at))},
        "record_term": "record",
    }


def narrowed(shown: JsonObject, call: Call) -> JsonObject:
    """Keeps the members that `fields` names; it is repeated, not separated by commas."""
    wanted = call.query.get("fields")
    return shown if not wanted else {name: value for name, value in shown.items() if name in wanted}
