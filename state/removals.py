"""Remembers how many items of an entity were removed lately: `sync_state`. All processes count together.

Removals that come one by one are too many together as well as at once, whichever process deals with each.
"""

from __future__ import annotations

from typing import Any

from db_connector import Transaction
from state.values import put, removals_key, value_of

WINDOW_S = 600.0


def removed_lately(tx: Transaction, entity: str) -> int:
    """Returns how many were removed within the last ten minutes."""
    return sum(count for _, count in _lately(tx, entity))


def note_removed(tx: Transaction, entity: str, count: int) -> None:
    """Notes that so many are removed now. What is older than the window is forgotten."""
    put(tx, removals_key(entity), [*_lately(tx, entity), [_now(tx), count]])


def _lately(tx: Transaction, entity: str) -> list[list[Any]]:
    since = _now(tx) - WINDOW_S
    return [[at, count] for at, count in value_of(tx, removals_key(entity)) or [] if at > since]


def _now(tx: Transaction) -> float:
    """Returns the time of the database, in seconds: the clocks of several machines differ."""
    return float(tx.value("select extract(epoch from clock_timestamp())"))
