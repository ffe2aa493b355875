"""Chooses the mappings that a run works on, each with its board."""

from __future__ import annotations

from collections.abc import Sequence

from db_connector import Database
from errors import SettingsError
from mappings.declaration import Mapping
from mappings.loader import choose
from settings import Settings
from state.pauses import pauses
from sync.parts import Chosen, board_of


def choose_boards(settings: Settings, mappings: dict[str, Mapping], direction: str, entities: Sequence[str]) -> Chosen:
    """Returns the mappings to run with their boards. Raises SettingsError for a mapping that was named and cannot run."""
    chosen = []
    for mapping in choose(mappings, entities):
        board_id = board_of(settings, mapping)
        problem = why_not(mapping, board_id, direction)
        if problem is None and board_id:
            chosen.append((mapping, board_id))
        elif problem and entities:
            raise problem
    if not chosen:
        raise SettingsError(
            f"No board is set that flows {direction}.", hint="Set MONDAY_BOARD_ID_DATA, for example, in .env."
        )
    return chosen


def why_not(mapping: Mapping, board_id: str | None, direction: str) -> SettingsError | None:
    """Returns why a mapping cannot be run that way; None when it can."""
    if board_id is None:  # no board is set
        return SettingsError(
            f"{mapping.entity} has no board: {mapping.board_setting} is not set.",
            hint="Set it in .env to the number in the board's address.",
        )
    if direction != "bidirectional" and mapping.direction not in ("bidirectional", direction):
        return SettingsError(
            f"{mapping.entity} does not flow {direction}: its mapping says {mapping.direction}.",
            hint=f"Change `direction` in {mapping.path}.",
        )
    return None


def refuse_paused(db: Database, entities: Sequence[str]) -> None:
    """Raises SettingsError for an entity that a user has named although it is paused."""
    with db.transaction(read_only=True) as tx:
        paused = pauses(tx)
    for entity in entities:
        if found := paused.get(entity):
            raise SettingsError(found.sentence, hint=found.hint)
