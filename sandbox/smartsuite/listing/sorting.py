"""Puts the records of a listing in order."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from sandbox.smartsuite.account.models import Field, Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.errors import detail
from sandbox.smartsuite.fields.choices import order_of
from sandbox.smartsuite.fields.kind import Place
from sandbox.smartsuite.fields.kinds import kind_of


def read_sort(wanted: object, table: Table) -> list[tuple[Field, bool]]:
    """Returns the fields to sort by, and whether each descends. Raises Refusal."""
    if wanted is None:
        return []
    if not isinstance(wanted, list):
        raise detail(400, "sort must be a list.")
    return [read_one(entry, table) for entry in wanted]


def read_one(entry: object, table: Table) -> tuple[Field, bool]:
    if not isinstance(entry, dict) or set(entry) != {"field", "direction"}:
        raise detail(400, "An entry of sort has the keys field and direction.")
    field = table.fields.get(str(entry["field"]).partition(".")[0])
    if field is None or field.hidden:
        raise detail(400, f"Field '{str(entry['field'])[:60]}' does not exist.")
    if entry["direction"] not in ("asc", "desc"):
        raise detail(400, "direction must be 'asc' or 'desc'.")
    return field, entry["direction"] == "desc"


def in_order(records: list[Record], fields: list[tuple[Field, bool]], table: Table, world: World) -> list[Record]:
    """Sorts; without a field to sort by the order is another each time, unless a switch says otherwise."""
    if not fields:
        if world.switches.unsorted == "shuffled":
            records = list(records)
            world.random.shuffle(records)
        return records
    # the usual order of pages, of what is mostly in order already
    if len(fields) == 1 and fields[0][0].type == "autonumberfield":
        return sorted(records, key=attrgetter("autonumber"), reverse=fields[0][1])
    # the last field first: sorting keeps the order of equals
    for field, descending in reversed(fields):
        records = sorted(records, key=lambda record: sort_key(record, field, table, world), reverse=descending)
    return records


def sort_key(record: Record, field: Field, table: Table, world: World) -> tuple[bool, Any]:
    """Returns what sorts a record; empty comes first."""
    if field.type == "autonumberfield":
        return True, record.autonumber
    kind, place = kind_of(field), Place(world, table, field, record)
    value = kind.value_of(record, field.slug)
    key = None if value is None else kind.key(value, place)
    if key is None:
        return False, 0
    if kind.filters == "choice":
        return True, order_of(key, place)
    return True, str(key) if isinstance(key, (list, dict)) else key
