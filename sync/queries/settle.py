"""Lists the fields that a row and its record changed both, and carries out which side a user lets win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from db_connector import Transaction
from errors import SettingsError, SuiteRecordGone, ValuesRefused
from mappings.query_syncs import QuerySync
from services.smartsuite.cells import empty_form
from services.smartsuite.client import SmartSuite
from services.smartsuite.shown import shows
from services.smartsuite.structure import Field, Table
from state.held import QUERY, decided
from state.records import Records
from sync.queries.edited import OF_SMARTSUITE, OF_SOURCE
from sync.queries.parts import SuiteParts
from sync.queries.target import target_of
from values.wording import utc_milliseconds

SIDES = (OF_SOURCE, OF_SMARTSUITE)
EDITED = "SmartSuite shows another value since; --force overwrites it"
NEWER = "the row has another value since; the next run tells it, or --force goes by the older one"
GONE = "its record or its row is gone"

Place = tuple[Table, Field, str]
"""A field of a record, which its id names."""

SELECT = """
select id::text, substr(entity_type, 7) as sync, entity_id as key, monday_id as record_id, field, base_value,
       monday_value as smartsuite_value, postgres_value as source_value, monday_changed_at as smartsuite_changed_at,
       postgres_changed_at as source_changed_at, rule, winner, status, created_at, resolved_at, run_id::text
from sync_conflicts
where entity_type like 'query:%%'
"""

NEWEST_FIRST = f"""{SELECT}
and (%(all)s or status = 'open') and entity_type = any(%(types)s)
order by created_at desc, id
limit %(limit)s
"""

BEGINNING_WITH = f"""{SELECT}
and starts_with(id::text, %s)
limit 2
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """Tells what became of a conflict that was to be settled."""

    conflict: dict[str, Any]
    winner: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        shown = {name: self.conflict[name] for name in ("id", "sync", "key", "record_id", "field")}
        return {**shown, "winner": self.winner, "resolved": not self.problem, "problem": self.problem}


def conflicts_of(tx: Transaction, syncs: Sequence[str], everything: bool, limit: int | None) -> list[dict[str, Any]]:
    """Returns the conflicts of these syncs that wait for a user, or also those that were decided, newest first."""
    types = [f"{QUERY}{name}" for name in syncs]
    return [_plain(row) for row in tx.dicts(NEWEST_FIRST, {"all": everything, "types": types, "limit": limit})]


def find(tx: Transaction, given: str) -> dict[str, Any] | None:
    """Returns the conflict whose id begins so; None when it is none of a sync's, or one of several."""
    text = given.strip().lower()
    rows = tx.dicts(BEGINNING_WITH, (text,)) if len(text) >= 4 else []
    return _plain(rows[0]) if len(rows) == 1 else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{name: row[name] and utc_milliseconds(row[name]) for name in row if name.endswith("_at")}}


def settle(
    parts: SuiteParts, syncs: dict[str, QuerySync], found: Sequence[dict[str, Any]], winner: str, force: bool = False
) -> list[Settled]:
    """Lets one side win in each of these conflicts. What was edited since is overwritten only with `force`."""
    settled = []
    for conflict in found:
        sync = syncs.get(conflict["sync"])
        if sync is None:
            raise SettingsError(f"There is no sync {conflict['sync']!r} any more.", hint="config/sync_mappings.yml")
        with parts.in_turn(sync.entity_type) as mine:
            settled.append(
                Settled(conflict, winner, _settled(replace(parts, db=mine.db), sync, conflict, winner, force))
            )
    return settled


def _settled(parts: SuiteParts, sync: QuerySync, conflict: dict[str, Any], winner: str, force: bool) -> str:
    """Carries out a decision. Returns why it could not be, or nothing."""
    records, key = Records(sync.name, sync.table_id), conflict["key"]
    with parts.db.transaction(read_only=True) as tx:
        known = records.known(tx, [key]).get(key)
    target = target_of(sync, parts.smartsuite.table(sync.table_id))
    field = target.fields.get(conflict["field"])
    if known is None or known.base is None or known.record_id is None or field is None:
        return GONE
    value = conflict["source_value"]
    if conflict["status"] == "resolved" and known.base.get(field.slug) != value and not force:
        return NEWER
    if winner == OF_SOURCE and (
        problem := _written(parts.smartsuite, (target.table, field, known.record_id), conflict, force)
    ):
        return problem
    with parts.db.transaction() as tx:
        # a later change of the source's value is news again
        records.based(tx, key, {**known.base, field.slug: value})
        decided(tx, conflict["id"], winner)
    return ""


def _written(suite: SmartSuite, place: Place, conflict: dict[str, Any], force: bool) -> str:
    """Writes the source's value. Returns why it could not be written, or nothing."""
    table, field, record_id = place
    shown, value = next(iter(suite.by_id(table.id, [record_id])), None), conflict["source_value"]
    if shown is None:
        return GONE
    there = shown.get(field.slug)
    if not force and not any(shows(field, there, known) for known in (conflict["smartsuite_value"], value)):
        return EDITED
    problem = ""
    for cell in (value,) if value is not None else (None, empty_form(field)):
        try:
            suite.update(table, [{"id": record_id, field.slug: cell}])
            return ""
        except SuiteRecordGone:
            return GONE
        except ValuesRefused as exc:
            problem = exc.message
    return problem
