"""Runs one direction over one entity, as the commands do."""

from __future__ import annotations

from collections.abc import Mapping as Map
from typing import Any

from db_connector import Database
from mappings.declaration import Mapping
from monday_api import Monday
from settings import Settings
from sync.parts import Parts
from sync.report import EntityReport
from sync.run import DIRECTIONS, RunOptions
from sync_monday_to_pg import Progress, PullOptions

BY_WORD = {"pull": "monday_to_pg", "push": "pg_to_monday", "both": "bidirectional"}


def parts_of(db: Database, monday: Monday, mappings: Map[str, Mapping], progress: Progress | None = None) -> Parts:
    """Makes the parts of a run, with a client that is there already."""
    parts = Parts(Settings(), db, dict(mappings), progress)
    parts.__dict__["monday"] = monday
    return parts


def run(direction: str, parts: Parts, mapping: Mapping, **options: Any) -> EntityReport:
    """Runs a direction, by its name or as `pull`, `push`, `both`. Raises the SyncError that ends it."""
    asked = RunOptions(pull=PullOptions(**options), unify=options.get("unify", False))
    return DIRECTIONS[BY_WORD.get(direction, direction)](parts, mapping, str(mapping.board_id), asked, None)
