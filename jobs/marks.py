"""Asks in one call which of an account's boards have moved, so that a look each hour costs no call for each board.

A board's mark is its update time and its number of items. It may lag by seconds, and says nothing of what a webhook tells
already; a board whose mark stands still is compared once a day all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from mappings.declaration import Mapping
from state import triggers
from state.values import MARKS_KEY, Values, mark_key, put, value_of
from sync.cycle import TO_MONDAY
from sync.parts import Parts
from values.parsing import iso_moment

ASKED_LATELY = timedelta(minutes=5)
LONGEST = timedelta(days=1)

Mark = list[Any]
"""Update time and number of items."""


def mark_of(parts: Parts, board_id: str, boards: Sequence[str]) -> Mark | None:
    """Returns the mark of a board; None when monday.com tells none. One call asks for all boards of the account."""
    kept = Values(parts.db)
    known = kept.get(MARKS_KEY) or {}
    if not _within(known.get("at"), ASKED_LATELY) or board_id not in known["boards"]:
        found = parts.monday.account.board_marks(boards)
        known = {"at": _now().isoformat(), "boards": {board: list(mark) for board, mark in found.items()}}
        kept.put(MARKS_KEY, known)
    mark: Mark | None = known["boards"].get(board_id)
    return mark if mark and None not in mark else None


def stands_still(parts: Parts, mapping: Mapping, mark: Mark | None) -> bool:
    """Returns whether a run would find nothing: the board's mark is that of the last run, and changes of rows are heard."""
    with parts.db.transaction(read_only=True) as tx:
        last = value_of(tx, mark_key(mapping.entity)) or {}
        heard = mapping.direction not in TO_MONDAY or triggers.installed(tx, mapping)
    return mark is not None and heard and last.get("mark") == mark and _within(last.get("at"), LONGEST)


def note_run(parts: Parts, mapping: Mapping, mark: Mark | None) -> None:
    """Notes that a run has dealt with all that the board had when its mark was taken."""
    with parts.db.transaction() as tx:
        put(tx, mark_key(mapping.entity), {"mark": mark, "at": _now().isoformat()})


def _within(told: str | None, span: timedelta) -> bool:
    at = iso_moment(told) if told else None
    return at is not None and _now() - at < span


def _now() -> datetime:
    return datetime.now(timezone.utc)
