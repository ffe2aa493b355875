"""Conflicts: which there are, what was decided and why, and how a person decides otherwise.

A decision goes through the same cycle as any other change: the chosen value becomes the only news, on whichever side it
is missing. What somebody has edited since the conflict is not overwritten unless told to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from db_connector import Transaction
from errors import SettingsError
from mappings.declaration import Mapping
from models import Item, Winner
from state.turns import working_on
from sync.board import BoardSync, Opening, open_board
from sync.parts import Parts, board_of
from sync.reconcile import Choice
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

NEWEST_OF_FIELD = """
select distinct on (entity_type, entity_id, field) id::text
from sync_conflicts
where (entity_type, entity_id, field) in (
    select entity_type, entity_id, field from sync_conflicts where id = any(%s::uuid[]))
order by entity_type, entity_id, field, created_at desc, id
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one conflict that was to be resolved."""

    conflict: dict[str, Any]
    winner: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """The documented shape."""
        shown = {name: self.conflict[name] for name in ("id", "entity", "entity_id", "monday_id", "field")}
        return {**shown, "winner": self.winner, "resolved": not self.problem, "problem": self.problem}


# Looking


def conflicts_of(
    tx: Transaction, mappings: Iterable[Mapping], entity: str | None = None, everything: bool = False,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """The conflicts that wait for a person, or also those that were decided, newest first."""
    known = list(mappings)
    types = [one.entity_type for one in known if entity in (None, one.entity)]
    rows = tx.dicts(
        f"{SELECT} where (%(all)s or status = 'open') and (%(every)s or entity_type = any(%(types)s))"
        " order by created_at desc, id limit %(limit)s",
        {"all": everything, "every": entity is None, "types": types, "limit": limit},
    )
    return [_named(row, known) for row in rows]


def find(tx: Transaction, mappings: Iterable[Mapping], ids: Sequence[str]) -> list[dict[str, Any]]:
    """The conflicts of these ids, or beginnings of ids. Raises SettingsError for one that names none, or several."""
    known, found = list(mappings), []
    for given in ids:
        text = given.strip().lower()
        rows = tx.dicts(f"{SELECT} where starts_with(id::text, %s) limit 2", (text,)) if len(text) >= 4 else []
        if len(rows) != 1:
            what = "names several conflicts" if rows else "names no conflict"
            raise SettingsError(f"{given} {what}.", hint="python main.py conflicts list --all shows them with their ids.")
        found.append(_named(rows[0], known))
    return found


def _named(row: dict[str, Any], mappings: Sequence[Mapping]) -> dict[str, Any]:
    entity = next((one.entity for one in mappings if one.entity_type == row["entity_type"]), row["entity_type"])
    times = {name: row[name] and utc_milliseconds(row[name]) for name in row if name.endswith("_at")}
    return {"id": row["id"], "entity": entity, **row, **times}


# Resolving


def resolve(parts: Parts, found: Sequence[dict[str, Any]], winner: str, force: bool = False) -> list[Settled]:
    """Bring the chosen side's value to both sides; what became of each conflict, in their order."""
    with parts.db.transaction(read_only=True) as tx:
        newest = {row[0] for row in tx.rows(NEWEST_OF_FIELD, ([one["id"] for one in found],))}
    done: dict[str, Settled] = {one["id"]: Settled(one, winner, SUPERSEDED) for one in found if one["id"] not in newest}
    by_type: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        if one["id"] in newest:
            by_type.setdefault(one["entity_type"], []).append(one)
    for entity_type, some in by_type.items():
        mapping = next((one for one in parts.mappings.values() if one.entity_type == entity_type), None)
        board_id = board_of(parts.settings, mapping) if mapping else None
        if mapping is None or board_id is None:
            raise SettingsError(f"There is no board for {some[0]['entity']}.", hint="Its mapping or its board id is gone.")
        with working_on(parts.db, entity_type):
            sync = open_board(parts, mapping, board_id, Opening(writes=(True, True)))
            for part in batched(some, AT_ONCE):
                done |= _resolve(sync, part, Winner(winner), force)
    return [done[one["id"]] for one in found]


def _resolve(sync: BoardSync, some: Sequence[dict[str, Any]], winner: Winner, force: bool) -> dict[str, Settled]:
    choices: dict[str, Choice] = {}
    by_item: dict[str, dict[str, Choice]] = {}
    for one in some:
        kind = sync.bound.kinds.get(one["field"])
        monday, postgres = (from_json(kind or "text", one[name]) for name in ("monday_value", "postgres_value"))
        choice = Choice(winner, monday, postgres, conflicts=(one["id"],), force=force, problem=UNREACHED)
        choices[one["id"]] = choice
        if kind and one["monday_id"]:
            by_item.setdefault(one["monday_id"], {})[one["field"]] = choice
    for items in sync.monday.items(list(by_item), sync.bound.wanted):
        _take(sync, [item for item in items if item.is_on(sync.board.id)], by_item)
    refused = _refused(sync, [str(one["entity_id"]) for one in some])
    return {
        one["id"]: Settled(
            one, winner.value, choices[one["id"]].problem or (REFUSED if one["entity_id"] in refused else "")
        )
        for one in some
    }


def _take(sync: BoardSync, items: Sequence[Item], choices: dict[str, dict[str, Choice]]) -> None:
    sync.engine.choices = choices
    try:
        batch = sync.engine.take(items, force=True)
    finally:
        sync.engine.choices = {}
    sync.deliver(batch)


def _refused(sync: BoardSync, entity_ids: list[str]) -> set[str]:
    """The rows that still show something monday.com does not have."""
    with sync.db.transaction(read_only=True) as tx:
        return sync.state.waiting.refused_rows(tx, entity_ids)
