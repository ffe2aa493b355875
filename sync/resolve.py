"""Lists conflicts, with what was decided and why, and carries out what a user decides otherwise.

A decision goes through the same cycle as any other change: the chosen value becomes the only news, on the side that lacks
it. What was edited since the conflict is not overwritten unless the user forces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import asdict, dataclass
from typing import Any

from db_connector import Transaction
from errors import SettingsError
from mappings.declaration import Mapping
from models import Winner
from sync.board import BoardSync, Opening, open_board
from sync.options import PullOptions
from sync.parts import Parts, board_of
from sync.reconcile import Choice
from sync.task import Hints
from values.comparing import from_json
from values.slices import batched
from values.wording import utc_milliseconds

AT_ONCE = 100
UNREACHED = "its item or its row is gone, or the record's settings keep it off"
REFUSED = "monday.com did not take it; PostgreSQL shows it, and it will be tried again"
SUPERSEDED = "a later conflict about the same field stands; name that one"

SELECT = """
select id::text, entity_type, entity_id, monday_id, field, base_value, monday_value, postgres_value, monday_changed_at,
       postgres_changed_at, rule, winner, status, created_at, resolved_at, run_id::text
from sync_conflicts
"""

NEWEST_FIRST = f"""{SELECT}
where (%(all)s or status = 'open') and (%(every)s or entity_type = any(%(types)s))
order by created_at desc, id
limit %(limit)s
"""

MATCHING = """
from sync_conflicts
where entity_type = any(%(types)s)
  and (%(state)s = 'all' or status = %(state)s)
  and (%(field)s = '' or field = %(field)s)
  and (%(rule)s = '' or rule = %(rule)s)
"""

PAGE = (
    SELECT.partition("\nfrom ")[0]
    + MATCHING
    + """
  and (%(at)s = ''
       or (date_trunc('milliseconds', created_at), id)
           < (nullif(%(at)s, '')::timestamptz, nullif(%(id)s, '')::uuid))
order by date_trunc('milliseconds', created_at) desc, id desc
limit %(limit)s
"""
)

BEGINNING_WITH = f"""{SELECT}
where starts_with(id::text, %s)
limit 2
"""

NEWEST_OF_FIELD = """
select distinct on (entity_type, entity_id, field) id::text
from sync_conflicts
where (entity_type, entity_id, field) in (
    select entity_type, entity_id, field from sync_conflicts where id = any(%s::uuid[]))
order by entity_type, entity_id, field, created_at desc, id
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Says which conflicts are wanted, and from which on: the time and the id of the last that was shown."""

    entity: str = ""
    field: str = ""
    rule: str = ""
    state: str = "open"
    """`open`, `resolved`, or `all`."""
    at: str = ""
    id: str = ""

    def params(self, mappings: Iterable[Mapping]) -> dict[str, Any]:
        """Returns the parameters of `MATCHING`."""
        types = [mapping.entity_type for mapping in mappings if self.entity in ("", mapping.entity)]
        return {**asdict(self), "types": types}


@dataclass(frozen=True, slots=True)
class Resolved:
    """Tells what became of a conflict that was to be resolved."""

    conflict: dict[str, Any]
    winner: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        shown = {name: self.conflict[name] for name in ("id", "entity", "entity_id", "monday_id", "field")}
        return {**shown, "winner": self.winner, "resolved": not self.problem, "problem": self.problem}


# Looking


def conflicts_of(
    tx: Transaction,
    mappings: Iterable[Mapping],
    entity: str | None = None,
    everything: bool = False,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Returns the conflicts that wait for a user, or also those that were decided, newest first."""
    known = list(mappings)
    types = [mapping.entity_type for mapping in known if entity in (None, mapping.entity)]
    params = {"all": everything, "every": entity is None, "types": types, "limit": limit}
    rows = tx.dicts(NEWEST_FIRST, params)
    return [_named(row, known) for row in rows]


def page_of(tx: Transaction, mappings: Iterable[Mapping], wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """Returns the conflicts that match, newest first."""
    known = list(mappings)
    return [_named(row, known) for row in tx.dicts(PAGE, {**wanted.params(known), "limit": limit})]


def count_of(tx: Transaction, mappings: Iterable[Mapping], wanted: Wanted) -> int:
    """Counts the conflicts that match."""
    return int(tx.value(f"select count(*) {MATCHING}", wanted.params(mappings)))


def with_ids(tx: Transaction, mappings: Iterable[Mapping], ids: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the conflicts of these whole ids, as far as they exist."""
    known = list(mappings)
    return [_named(row, known) for row in tx.dicts(f"{SELECT}\nwhere id::text = any(%s)", (list(ids),))]


def find(tx: Transaction, mappings: Iterable[Mapping], ids: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the conflicts of these ids, or beginnings of ids. Raises SettingsError when an id names none, or several."""
    known, found = list(mappings), []
    for given in ids:
        text = given.strip().lower()
        rows = tx.dicts(BEGINNING_WITH, (text,)) if len(text) >= 4 else []
        if len(rows) != 1:
            what = "names several conflicts" if rows else "names no conflict"
            raise SettingsError(
                f"{given} {what}.", hint="python main.py conflicts list --all shows them with their ids."
            )
        found.append(_named(rows[0], known))
    return found


def _named(row: dict[str, Any], mappings: Sequence[Mapping]) -> dict[str, Any]:
    of_type = (mapping.entity for mapping in mappings if mapping.entity_type == row["entity_type"])
    entity = next(of_type, row["entity_type"])
    times = {name: row[name] and utc_milliseconds(row[name]) for name in row if name.endswith("_at")}
    return {"id": row["id"], "entity": entity, **row, **times}


# Resolving


def resolve(
    parts: Parts, found: Sequence[dict[str, Any]], winner: str, force: bool = False, dry_run: bool = False
) -> list[Resolved]:
    """Brings the chosen side's value to both sides; returns what became of each conflict, in their order.

    With `dry_run` it returns what would become of each, and writes nothing.
    """
    with parts.db.transaction(read_only=True) as tx:
        newest = {row[0] for row in tx.rows(NEWEST_OF_FIELD, ([conflict["id"] for conflict in found],))}
    older = [conflict for conflict in found if conflict["id"] not in newest]
    done = {conflict["id"]: Resolved(conflict, winner, SUPERSEDED) for conflict in older}
    by_type: dict[str, list[dict[str, Any]]] = {}
    for conflict in found:
        if conflict["id"] in newest:
            by_type.setdefault(conflict["entity_type"], []).append(conflict)
    for entity_type, conflicts in by_type.items():
        mapping, board_id = _board_of(parts, conflicts[0])
        with parts.in_turn(entity_type) as mine:
            sync = open_board(mine, mapping, board_id, Opening(PullOptions(dry_run=dry_run), (True, True)))
            for part in batched(conflicts, AT_ONCE):
                done |= _resolve(sync, part, Winner(winner), force)
    return [done[conflict["id"]] for conflict in found]


def _board_of(parts: Parts, conflict: dict[str, Any]) -> tuple[Mapping, str]:
    of_type = (mapping for mapping in parts.mappings.values() if mapping.entity_type == conflict["entity_type"])
    mapping = next(of_type, None)
    board_id = board_of(parts.settings, mapping) if mapping else None
    if mapping is None or board_id is None:
        raise SettingsError(f"There is no board for {conflict['entity']}.", hint="Its mapping or its board id is gone.")
    return mapping, board_id


def _resolve(sync: BoardSync, conflicts: Sequence[dict[str, Any]], winner: Winner, force: bool) -> dict[str, Resolved]:
    choices: dict[str, dict[str, Choice]] = {}
    for conflict in conflicts:
        kind = sync.bound.kinds.get(conflict["field"])
        if kind and conflict["monday_id"]:
            monday, postgres = (from_json(kind, conflict[name]) for name in ("monday_value", "postgres_value"))
            choice = Choice(winner, monday, postgres, conflicts=(conflict["id"],), force=force)
            choices.setdefault(conflict["monday_id"], {})[conflict["field"]] = choice
    objections: dict[tuple[str, str], str] = {}
    for items in sync.monday.items(list(choices), sync.bound.wanted):
        here = [item for item in items if item.is_on(sync.board.id)]
        batch = sync.engine.take(here, force=True, hints=Hints(choices=choices))
        objections |= batch.objections
        if not sync.engine.options.dry_run:
            sync.deliver(batch)
    rows = [] if sync.engine.options.dry_run else [str(conflict["entity_id"]) for conflict in conflicts]
    refused = _refused(sync, rows)
    return {
        conflict["id"]: Resolved(conflict, winner.value, _problem(conflict, objections, refused))
        for conflict in conflicts
    }


def _problem(conflict: dict[str, Any], objections: Map[tuple[str, str], str], refused: set[str]) -> str:
    """Returns why a conflict could not be resolved, or nothing."""
    objection = objections.get((conflict["monday_id"], conflict["field"]), UNREACHED)
    return objection or (REFUSED if conflict["entity_id"] in refused else "")


def _refused(sync: BoardSync, entity_ids: list[str]) -> set[str]:
    """Returns the rows that still show something monday.com does not have."""
    with sync.db.transaction(read_only=True) as tx:
        return sync.state.waiting.refused_rows(tx, entity_ids)
