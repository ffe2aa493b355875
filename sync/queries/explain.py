"""Explains one row of a sync: the row, what its record was given last, the record, and what the next run would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from errors import SettingsError
from mappings.query_syncs import QuerySync
from rows.queries import opened
from services.smartsuite.answers import Item
from services.smartsuite.cells import EXTERNAL_IDS, key_shown
from services.smartsuite.shown import shows
from state import log as logs
from state.query_syncs import refused_rows
from state.records import Known, Records
from sync.operating.compare import Class, Compared
from sync.queries.both_sides import REPEATED, Pair, chosen_item, compared, rows_with_key
from sync.queries.edited import OF_SMARTSUITE, OF_SOURCE, edits_of
from sync.queries.jobs import Job, present_base
from sync.queries.parts import SuiteParts
from sync.queries.references import References
from sync.queries.removed import IGNORE
from sync.queries.target import Cells, Target, target_of
from values.canonical import to_json
from values.parsing import CellError
from values.wording import utc_or_none

WRITES, KEEPS, HOLDS, NOTHING = "write", "keep SmartSuite's", "hold for a user", "nothing"


class Seen(Struct, frozen=True):
    """Holds what there is of one key, and the other records that show it."""

    pair: Pair
    twins: Sequence[Item]


def look(parts: SuiteParts, sync: QuerySync, target: Target, key: str) -> Seen:
    """Reads the row of a key, its record, and what is remembered. Writes nothing."""
    with opened(parts.settings, parts.db, sync) as source:
        rows, refusal = rows_with_key(source, sync, key)
    References(lambda: parts.db, parts.smartsuite, target.fields).resolve(rows)
    with parts.db.transaction(read_only=True) as tx:
        known = Records(sync.name, sync.table_id).known(tx, [key]).get(key)
    suite, field = parts.smartsuite, target.key
    items = [
        item
        for item in suite.find(sync.table_id, field.slug, EXTERNAL_IDS[field.kind], [key])
        if key_shown(item, field) == key
    ]
    if known and known.record_id and known.record_id not in [item.get("id") for item in items]:
        # people may have changed its key
        items += suite.by_id(sync.table_id, [known.record_id])
    item, twins = chosen_item(items, known)
    row = rows[0] if len(rows) == 1 and not refusal else None
    return Seen(Pair(key, row, refusal or REPEATED * (len(rows) > 1), item, known), twins)


def explain(parts: SuiteParts, sync: QuerySync, key: str, lines: int | None) -> dict[str, Any]:
    """Returns what is known of a row, in the documented shape. Raises SettingsError when there is nothing of it."""
    target = target_of(sync, parts.smartsuite.table(sync.table_id))
    seen = look(parts, sync, target, key)
    pair = seen.pair
    if pair.row is None and pair.item is None and pair.known is None and not pair.refusal:
        raise SettingsError(
            f"There is no row {key} in {sync.name}, no record with that key, and nothing is remembered of it.",
            hint=f"Keys are the values of {sync.primary_key} in the query: {sync.at('query')}.",
        )
    found = compared(sync, target, pair)
    what, plan = next_run(sync, target, seen)
    with parts.db.transaction(read_only=True) as tx:
        history = logs.of_record(tx, sync.entity_type, key, pair.item_id, lines)
        waits = [row for row in refused_rows(tx, [sync.name]) if row["entity_id"] == key]
    return {
        "sync": sync.name,
        "key": key,
        "record_id": pair.item_id or (pair.known.record_id if pair.known else None),
        "table_id": sync.table_id,
        "table": target.table.name,
        **_state(pair, found),
        "next_run": what,
        "refused": waits[0] if waits else None,
        **_fields(target, pair, plan),
        "history": [
            {**entry, "at": utc_or_none(entry.pop("created_at")), "last_at": utc_or_none(entry.pop("last_at"))}  # type: ignore[arg-type]
            for entry in history
        ],
    }


def _state(pair: Pair, found: Compared) -> dict[str, Any]:
    if pair.row is None and pair.item is None and not pair.refusal:
        return {"state": "gone", "class": None, "why": "neither side has it any more"}
    state = "in step" if found.kind is Class.EQUAL else "not in step"
    return {"state": state, "class": found.kind.value, "why": found.cause}


def next_run(sync: QuerySync, target: Target, seen: Seen) -> tuple[str, dict[str, str]]:
    """Returns what the next run that reads the row does, in words, and by slug what it does with each field it changes.

    It asks what a run asks, in the same order: the hash, the pause, the record, the fields that changed, who edited them.
    """
    pair, known = seen.pair, seen.pair.known
    if pair.refusal:
        return f"refuses the row: {pair.refusal}", {}
    if pair.row is None:
        return _without_row(sync, pair), {}
    if known and known.given_up == pair.row.hash:
        return "nothing: the row was given up, and has not changed since", {}
    try:
        cells = target.cells(pair.row)
    except CellError as exc:
        return f"refuses the row: {exc}", {}
    linked = known if known and known.record_id else None
    if linked and linked.source_hash == pair.row.hash and not linked.attempts:
        return "nothing: the row is as it was when it was written", {}
    if known and known.waits and known.unlinked:
        return "waits: it names a record that is not there yet; retry now has it looked for at once", {}
    if known and known.waits:
        return f"waits: it was refused {known.attempts} times; retry now ends the pause", {}
    if linked and not linked.removed and pair.item is None:
        anew = sync.on_record_removed == "recreate"
        return ("makes a new record" if anew else "tells that its record was deleted, and makes none"), {}
    if not linked and seen.twins:
        return f"refuses the row: {1 + len(seen.twins)} records have this key", {}
    if pair.item is None:
        # its record comes out of the bin, or is made
        return ("restores its record" if linked else "makes a record"), dict.fromkeys(cells, WRITES)
    return _update(sync, target, pair, cells)


def _update(sync: QuerySync, target: Target, pair: Pair, cells: Cells) -> tuple[str, dict[str, str]]:
    assert pair.row is not None
    job = Job(pair.row, cells, pair.known, pair.item_id)
    taken_over = "" if pair.known and pair.known.record_id else "takes the record over, and "
    base = present_base(target, job, pair.item or {}) if job.base is not None else None
    edits = {edit.slug for edit in edits_of(target, pair.item, base, job.changed)}
    words = {OF_SOURCE: WRITES, OF_SMARTSUITE: KEEPS}.get(sync.on_conflict, HOLDS)
    plan = {slug: words if slug in edits else WRITES for slug in job.changed}
    number = sum(word == WRITES for word in plan.values())
    what = f"writes {number} field{'s' * (number != 1)}" if number else "writes nothing"
    return f"{taken_over}{what}", plan


def _without_row(sync: QuerySync, pair: Pair) -> str:
    known: Known | None = pair.known
    if known is None or known.record_id is None or known.removed:
        return "nothing: the query does not have the row"
    if sync.on_row_removed == IGNORE:
        return "leaves the record: on_row_removed is ignore"
    return "puts its record into the recycle bin, when all rows are read: once a day, or with --sweep"


def _fields(target: Target, pair: Pair, plan: dict[str, str]) -> dict[str, Any]:
    """Returns the fields in which row, base and record are not all one."""
    row, item = pair.row, pair.item or {}
    base = (pair.known.base if pair.known else None) or {}
    try:
        cells = target.cells(row) if row else {}
    except CellError:
        cells = {}
    columns = {found.slug: column for column, found in target.fields.items()}
    slugs = list(dict.fromkeys([*columns, target.key.slug]))
    shown = []
    for slug in slugs:
        field, cell, agreed = target.table.fields[slug], cells.get(slug), base.get(slug)
        if pair.item and row and shows(field, item.get(slug), cell) and (slug not in plan):
            continue
        shown.append(
            {
                "field": field.label,
                "slug": slug,
                "column": columns.get(slug),
                "row": to_json(row.values.get(columns.get(slug, ""))) if row else None,
                "agreed": to_json(agreed),
                "source": to_json(cell),
                "smartsuite": to_json(item.get(slug)),
                "next_run": plan.get(slug, NOTHING),
            }
        )
    return {"fields": shown, "equal_fields": len(slugs) - len(shown)}


def again(parts: SuiteParts, sync: QuerySync, target: Target, key: str, item_id: str | None) -> Compared:
    """Returns how one key is now, as `verify` sorts it; with a record's id, that record."""
    seen = look(parts, sync, target, key)
    pair = seen.pair
    for twin in seen.twins:
        if twin.get("id") == item_id:
            pair = replace(pair, row=None, refusal="", item=twin, twin=True)
    return compared(sync, target, pair)
