"""Applies what changed on a deployed board and waits for a decision: the work of `boards update`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from boards import deploy, following, scripts
from boards.drift import ADDED, APPLY, WAIT, Drift, sentence
from boards.linked_boards import LinkedBoards, link_up
from boards.mapping_text import mapping_now
from boards.proposal import Proposal, propose
from boards.questions import today, with_answers
from boards.types_of_tables import HARD, load_types
from db_connector import Transaction
from errors import EXIT_IN_STEP, EXIT_LEFTOVERS
from mappings.declaration import Mapping
from models import Board
from sync.parts import Parts

Decide = Callable[[Proposal], Proposal]
"""Returns the proposal with a decision for each column that needs one."""


class Updated(Struct, frozen=True):
    """Says what an update found on the board, and what it did."""

    entity: str
    drift: tuple[Drift, ...]
    links: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Returns 3 when a change still waits, else 0."""
        return EXIT_LEFTOVERS if any(drift.move == WAIT for drift in self.drift) else EXIT_IN_STEP

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        applied, waits = ([drift.as_json() for drift in self.drift if drift.move == move] for move in (APPLY, WAIT))
        return {"entity": self.entity, "applied": applied, "waits": waits, "links": list(self.links)}


def update(parts: Parts, name: str, decide: Decide) -> Updated:
    """Applies the changes to the mapping and the table, and writes the scripts anew. No run works on it meanwhile."""
    mapping = deploy.deployed_mapping(parts, name)
    board = parts.monday.board(str(mapping.board_id))
    with parts.in_turn(mapping.entity_type) as mine:
        drift = _apply(mine, mapping, board, decide)
    scripts.write(parts.settings.home, mapping, board.name)
    parts.mappings[name] = mapping_now(parts.db, mapping, parts.settings.home)
    links = link_up(parts, parts.mappings[name], board) if mapping.own_table else []
    return Updated(name, tuple(drift), tuple(links))


def without(parts: Parts, name: str, rejected: Collection[str]) -> dict[str, Any]:
    """Applies the changes as `update` does, without the new columns of these ids that a user decides about."""

    def decide(made: Proposal) -> Proposal:
        return with_answers(made, {column.about.id: column.about.id not in rejected for column in made.columns})

    return update(parts, name, decide).as_json()


def preview(parts: Parts, name: str) -> dict[str, Any]:
    """Returns the changes that `update` would apply, their DDL, and the new columns with samples. Nothing is changed."""
    mapping = deploy.deployed_mapping(parts, name)
    board = parts.monday.board(str(mapping.board_id))
    home = parts.settings.home
    found = following.settle(parts.db, mapping, board, home, dry_run=True).drift
    new = {drift.column for drift in found if drift.kind == ADDED}
    made = propose(board, mapping.entity, "t", load_types(home), monday=parts.monday) if new else None
    columns = [column.as_json() for column in (made.columns if made else ()) if column.about.id in new]
    shown = ("id", "title", "type", "sql_type", "hard", "read_only", "samples")
    linked = LinkedBoards.of(parts, board)

    def then(tx: Transaction, followed: Mapping) -> None:
        for entity in linked.boards if followed.own_table else ():
            linked.make(tx, entity, followed)

    tried = following.tried_out(parts.db, mapping, board, home, following.Decided(frozenset(), today()), then)
    return {
        "table": mapping.table,
        "ddl": list(tried.ddl),
        "refused": [
            *(sentence(replace(drift, move=APPLY)) for drift in tried.refused),
            *([f"what comes after the changes: {tried.problem}"] if tried.problem else []),
        ],
        "changes": [{**drift.as_json(), "at": "", "sentence": sentence(replace(drift, move=APPLY))} for drift in found],
        "columns": [{key: column[key] for key in shown} for column in columns],
    }


def _apply(parts: Parts, mapping: Mapping, board: Board, decide: Decide) -> list[Drift]:
    home = parts.settings.home
    new = _new_hard(parts, mapping, board)
    # The proposal is only for the questions: its table name is not used, and samples are for new columns.
    made = propose(board, mapping.entity, "t", load_types(home), monday=parts.monday if new else None)
    asked = tuple(column for column in made.columns if column.about.id in new)
    answered = decide(replace(made, columns=asked, day=today()))
    out = frozenset(column.about.id for column in answered.columns if column.rejected)
    decided = following.Decided(rejected=out, day=today())
    return following.settle(parts.db, mapping, board, home, decided=decided).drift


def _new_hard(parts: Parts, mapping: Mapping, board: Board) -> set[str]:
    """Returns the new columns that a user decides about."""
    found = following.settle(parts.db, mapping, board, parts.settings.home, dry_run=True).drift
    new = {drift.column for drift in found if drift.kind == ADDED}
    return {column.id for column in board.columns if column.id in new and column.type in HARD}
