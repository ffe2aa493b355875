"""Asks in one call which of an account's boards have moved, so that a look each hour costs no call for each board.

A board's mark is its update time and its number of items. It may lag by seconds, and says nothing of what a webhook tells
already; a board whose mark stands still is compared once a day all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from db_connector import Transaction
from mappings.declaration import Mapping
from state import triggers
from state.values import MARKS_KEY, Values, mark_key, put, value_of
from sync.cycle import TO_MONDAY
from sync.parts import Chosen, Parts
from values.parsing import iso_moment

ASKED_EVERY = timedelta(hours=1)
LONGEST = timedelta(days=1)

Mark = list[Any]
"""Update time and number of items."""


def marks_are_old(tx: Transaction) -> bool:
    """Returns whether monday.com was not asked for an hour."""
    return not _within((value_of(tx, MARKS_KEY) or {}).get("at"), ASKED_EVERY)


def moved(parts: Parts, chosen: Chosen) -> list[str]:
    """Asks for the marks of all boards. Returns the entities that a run may find something of."""
    known = _asked(parts, [board for _, board in chosen])
    with parts.db.transaction(read_only=True) as tx:
        return [mapping.entity for mapping, board in chosen if not _stands_still(tx, mapping, _usable(known, board))]


def note_run(tx: Transaction, mapping: Mapping, mark: Mark) -> None:
    """Notes that a run has dealt with all that the board had when it was opened."""
    put(tx, mark_key(mapping.entity), {"mark": _whole(mark), "at": _now().isoformat()})


def _asked(parts: Parts, boards: Sequence[str]) -> dict[str, Any]:
    found = parts.monday.account.board_marks(boards)
    known = {"at": _now().isoformat(), "boards": {board: list(mark) for board, mark in found.items()}}
    Values(parts.db).put(MARKS_KEY, known)
    return known


def _usable(known: Any, board_id: str) -> Mark | None:
    return _whole(known["boards"].get(board_id))


def _whole(mark: Mark | None) -> Mark | None:
    return mark if mark and None not in mark else None


def _stands_still(tx: Transaction, mapping: Mapping, mark: Mark | None) -> bool:
    """Returns whether a run would find nothing: the board's mark is that of the last run, and changes of rows are heard."""
    last = value_of(tx, mark_key(mapping.entity)) or {}
    heard = mapping.direction not in TO_MONDAY or triggers.installed(tx, mapping)
    return mark is not None and heard and last.get("mark") == mark and _within(last.get("at"), LONGEST)


def _within(told: str | None, span: timedelta) -> bool:
    at = iso_moment(told) if told else None
    return at is not None and _now() - at < span


def _now() -> datetime:
    return datetime.now(timezone.utc)
