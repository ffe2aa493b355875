"""Asks an account's database in one transaction whether a look would find anything: that spares opening the account.

What an account has (its mappings, its settings) is looked at in full when it has changed, and once an hour.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from db_connector import Transaction, connect
from errors import SchemaMissing
from jobs.marks import marks_are_old
from settings import Settings
from state.mapping_texts import change_of_all
from state.stats import written_lately
from state.values import LOOKED_KEY, put, value_of
from state.waiting import waiting_now

FOLDERS = ("mappings", "config")
"""Of an account's home, with files that say what it has."""


class Glance(Struct, frozen=True):
    """Holds what waits for an account, and whether there is more to look at."""

    boards: set[str]
    types: set[str]
    is_new: bool
    """Its mappings or settings have changed since it was looked at in full."""
    marks_are_old: bool
    is_quiet: bool

    @property
    def is_enough(self) -> bool:
        """Returns whether a look in full would find nothing."""
        return not (self.boards or self.types or self.is_new or self.marks_are_old)


def glance(settings: Settings, version: int) -> Glance | None:
    """Returns what an account's database tells; None where only a look in full finds out what it lacks."""
    db = connect(settings, max_connections=1)
    try:
        with db.glance() as tx:
            return glance_at(tx, settings, version)
    except SchemaMissing:
        return None
    finally:
        db.close()


def glance_at(tx: Transaction, settings: Settings, version: int) -> Glance:
    """Returns what waits. `version`: of the account's settings."""
    boards, types = waiting_now(tx)
    is_new = value_of(tx, LOOKED_KEY) != _looked(tx, settings, version)
    return Glance(boards, types, is_new, marks_are_old(tx), not boards and not types and not written_lately(tx))


def note_look(tx: Transaction, settings: Settings, version: int) -> None:
    """Notes what the account had when it was looked at in full."""
    put(tx, LOOKED_KEY, _looked(tx, settings, version))


def _looked(tx: Transaction, settings: Settings, version: int) -> list[Any]:
    files = [path for folder in FOLDERS for path in (settings.home / folder).glob("*.y*ml")]
    return [version, max((path.stat().st_mtime_ns for path in files), default=0), len(files), *change_of_all(tx)]
