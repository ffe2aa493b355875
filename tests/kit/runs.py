"""Runs one direction over one entity, as the commands do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from typing import Any

import sync.run
from db_connector import Database
from main import compose
from mappings.declaration import Mapping
from monday_api import Monday
from settings import Settings
from sync.options import PullOptions, RunOptions
from sync.parts import Client, Parts
from sync.report import EntityReport, RunReport

See = Callable[[str, int, "int | None"], None]
"""Takes what a progress is told: the entity, and how many of its items are dealt with, of how many."""
PROGRAM = compose()
BY_WORD = {"pull": "monday_to_pg", "push": "pg_to_monday", "both": "bidirectional"}


class Seen:
    """Hands progress to a function."""

    def __init__(self, see: See) -> None:
        self.see = see
        self.left: Callable[[], str] = lambda: ""

    def __call__(self, entity: str, done: int, total: int | None) -> None:
        self.see(entity, done, total)


def parts_of(
    db: Database,
    monday: Monday,
    mappings: Map[str, Mapping],
    see: See | None = None,
    settings: Settings | None = None,
) -> Parts:
    """Makes the parts of a run, with a client that is there already."""
    progress = Seen(see) if see else None
    return Parts(settings or Settings(), db, dict(mappings), Client(lambda: monday), PROGRAM.follow, progress)


def run(direction: str, parts: Parts, mapping: Mapping, **options: Any) -> EntityReport:
    """Runs a direction, by its name or as `pull`, `push`, `both`. Raises the SyncError that ends it."""
    asked = RunOptions(pull=PullOptions(**options), unify=options.get("unify", False))
    return PROGRAM.directions[BY_WORD.get(direction, direction)](parts, mapping, str(mapping.board_id), asked, None)


def run_whole(settings: Settings, direction: str, entities: Sequence[str]) -> RunReport:
    """Makes a run by the settings, as a command does."""
    return sync.run.run(PROGRAM, settings, direction, entities)
