"""Carries out what a user decides about conflicts of entities.

A decision goes through the same cycle as any other change: the chosen value becomes the only news, on the side that lacks
it. What was edited since the conflict is not overwritten unless the user forces it.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from errors import SettingsError
from mappings.declaration import Mapping
from models import Winner
from state.disputes import SUPERSEDED, newest_of
from sync.board import BoardSync, Opening, open_board
from sync.options import PullOptions
from sync.parts import Parts, board_of
from sync.reconcile import Choice
from sync.task import Hints
from values.comparing import from_json
from values.slices import batched

AT_ONCE = 100
UNREACHED = "its item or its row is gone, or the record's settings keep it off"
REFUSED = "monday.com did not take it; PostgreSQL shows it, and it will be tried again"


class Resolved(Struct, frozen=True):
    """Tells what became of a conflict that was to be resolved."""

    conflict: dict[str, Any]
    winner: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        shown = {name: self.conflict[name] for name in ("id", "entity", "entity_id", "monday_id", "field")}
        return {**shown, "winner": self.winner, "resolved": not self.problem, "problem": self.problem}


def resolve(
    parts: Parts, found: Sequence[dict[str, Any]], winner: str, force: bool = False, dry_run: bool = False
) -> list[Resolved]:
    """Brings the chosen side's value to both sides; returns what became of each conflict, in their order.

    With `dry_run` it returns what would become of each, and writes nothing.
    """
    with parts.db.transaction(read_only=True) as tx:
        newest = newest_of(tx, found)
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
