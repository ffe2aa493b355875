"""Mends what a proof of a sync has found: plans it, and carries out exactly that plan, or refuses."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from errors import ValuesRefused
from mappings.query_syncs import QuerySync
from models import LogEntry
from services.smartsuite.cells import empty_form
from state import findings as kept
from state.log import Log
from state.records import Records
from state.turns import working_on
from state.values import delete, query_key
from sync.operating.compare import Class, Compared
from sync.operating.repair import Moved, Step
from sync.queries.both_sides import NOT_MADE, RECORD_GONE, REMOVED, ROW_GONE, differing
from sync.queries.explain import again, look
from sync.queries.parts import SuiteParts
from sync.queries.target import Target, target_of
from sync.queries.unlinked import written_of

SUITE = "SmartSuite"


class SyncRepair(Struct, frozen=True):
    """Holds the plan for one finding of a sync. Without steps nothing can be done for it, and `why` says so."""

    finding: dict[str, Any]
    compared: Compared
    steps: list[Step] = field(default_factory=list)
    why: str = ""


def planned(parts: SuiteParts, sync: QuerySync, finding: dict[str, Any]) -> SyncRepair:
    """Returns the plan for a finding as things are now. Raises Moved when they are not as they were found."""
    target = target_of(sync, parts.smartsuite.table(sync.table_id))
    if finding["entity_id"] is None:
        return SyncRepair(finding, Compared(Class.UNREADABLE, None, None), why=finding["cause"])
    found = again(parts, sync, target, finding["entity_id"], finding["monday_id"])
    if found.state != finding["state"]:
        now = "equal" if found.kind is Class.EQUAL else found.cause
        raise Moved(
            f"The record has changed since it was found: {now}.",
            hint=f"Look again: python main.py verify --sync-name {sync.name}",
        )
    steps = _steps(sync, found)
    return SyncRepair(finding, found, steps, "" if steps else _why_not(sync, found))


def _steps(sync: QuerySync, found: Compared) -> list[Step]:
    name = f"{sync.name}/{found.root_id}"
    if found.kind is Class.DIFFERENT:
        fields = [each for each in found.fields if not each.known]
        return [Step(SUITE, name, "write", each.name, each.monday, each.postgres) for each in fields]
    # the next run reads all rows, and makes it
    if found.kind is Class.POSTGRES_ONLY and found.cause in (NOT_MADE, RECORD_GONE, REMOVED):
        what = f"have the next run make its record: python main.py run --sync-name {sync.name}"
        return [Step("memory", name, what)]
    if found.kind is Class.BOARD_ONLY and found.cause == ROW_GONE:
        return [Step(SUITE, name, f"put the record {found.item_id} into the recycle bin")]
    return []


def _why_not(sync: QuerySync, found: Compared) -> str:
    if found.kind is Class.BOARD_ONLY:
        return f"{found.cause}; remove the record in SmartSuite if it is not wanted"
    return f"{found.cause}: python main.py explain {sync.name}/{found.root_id}"


def apply(parts: SuiteParts, sync: QuerySync, repair: SyncRepair) -> None:
    """Carries a plan out, while no run works on the table. Raises Moved when it is another one by now."""
    with working_on(parts.db, sync.turn) as db:
        parts = replace(parts, db=db)
        now = planned(parts, sync, repair.finding)
        if now.steps != repair.steps:
            short = str(repair.finding["id"])[:8]
            raise Moved("The plan is another one by now.", hint=f"Look at it again: python main.py repair {short}")
        done = _carry_out(parts, sync, now)
        with parts.db.transaction() as tx:
            kept.settle(tx, repair.finding["id"], "mended")
            entry = LogEntry("repair", "success", done, now.compared.item_id, repair.finding["entity_id"], "smartsuite")
            Log(sync.entity_type, None).append(tx, [entry])


def _carry_out(parts: SuiteParts, sync: QuerySync, repair: SyncRepair) -> str:
    suite, found = parts.smartsuite, repair.compared
    target, records = target_of(sync, suite.table(sync.table_id)), Records(sync.name, sync.table_id)
    key = str(found.root_id)
    if found.kind is Class.DIFFERENT:
        _write(parts, sync, target, key)
    elif found.kind is Class.BOARD_ONLY:
        with parts.db.transaction() as tx:
            records.recycling(tx, [key])
        suite.remove(target.table, [str(found.item_id)])
        with parts.db.transaction() as tx:
            records.recycled(tx, [key])
    else:
        with parts.db.transaction() as tx:
            records.unlink(tx, [key])
            delete(tx, query_key(sync.name))
    return f"{repair.finding['cause']}: " + "; ".join(f"{step.what} {step.name}".strip() for step in repair.steps)


def _write(parts: SuiteParts, sync: QuerySync, target: Target, key: str) -> None:
    """Writes the row's values over those that differ, and remembers them as what the record was given last."""
    pair = look(parts, sync, target, key).pair
    if pair.row is None or pair.item_id is None:
        raise Moved("The record has changed since it was found.", hint=f"python main.py explain {sync.name}/{key}")
    cells, table = target.cells(pair.row), target.table
    differs = differing(sync, target, pair, cells)
    changed = {slug: cells[slug] for slug, each in differs.items() if not each.known}
    base = (pair.known.base if pair.known else None) or {}
    with parts.db.transaction() as tx:
        Records(sync.name, sync.table_id).sending(tx, [(key, base, changed)])
    try:
        parts.smartsuite.update(table, [{"id": pair.item_id, **changed}])
    except ValuesRefused:
        # where null is refused, a field has a form of its own for nothing
        if None not in changed.values():
            raise
        emptied = {slug: empty_form(table.fields[slug]) if cell is None else cell for slug, cell in changed.items()}
        parts.smartsuite.update(table, [{"id": pair.item_id, **emptied}])
    with parts.db.transaction() as tx:
        # what stays as people made it keeps what it was given last
        base = (pair.known.base if pair.known else None) or {}
        left = [*(slug for slug, each in differs.items() if each.known), *pair.row.unlinked]
        given = cells | {slug: base.get(slug) for slug in left}
        written = written_of(target, pair.row, pair.item_id, given)
        Records(sync.name, sync.table_id).written(tx, [written])
