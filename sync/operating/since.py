"""Says since when a record is as it is, and what would bring in an item that was left out."""

from __future__ import annotations

from datetime import datetime

from db_connector import Transaction
from state.skipped import FAILED, Skip
from sync.board import BoardSync
from sync.identity import AMBIGUOUS
from sync.operating.compare import HELD, IN_INBOX, IN_OUTBOX, ITEM_UNHEARD, Class, Compared

TIMES = """
select
    (
        select synced_at
        from sync_mapping
        where entity_type = %(type)s and (monday_id = %(item)s or entity_id = %(row)s)
        order by synced_at desc nulls last
        limit 1
    ) as agreed,
    (
        select min(created_at)
        from sync_conflicts
        where status = 'open' and entity_type = %(type)s and (entity_id = %(row)s or monday_id = %(item)s)
    ) as held,
    (
        select min(changed_at)
        from sync_outbox
        where entity_type = %(type)s and row_id = %(row)s
    ) as outbox,
    (
        select min(received_at)
        from sync_inbox
        where monday_board_id = %(board)s and monday_id = %(item)s and done_at is null
    ) as inbox,
    (
        select created_at
        from sync_skipped
        where entity_type = %(type)s and monday_id = %(item)s
    ) as skipped
"""
TIME_OF = {HELD: "held", IN_OUTBOX: "outbox", IN_INBOX: "inbox"}
"""Cause → the time at which it began."""


def since(tx: Transaction, sync: BoardSync, compared: Compared | None, edited_at: datetime | None) -> datetime | None:
    """Returns since when a record is in step, or is not; None where nothing tells. `edited_at`: the item, on the board."""
    if compared is None:
        return None
    ids = {"item": compared.item_id, "row": compared.root_id, "board": sync.board.id}
    times = tx.dicts(TIMES, {"type": sync.mapping.entity_type, **ids})[0]
    if compared.kind is Class.EQUAL:
        return _moment(times["agreed"])
    if compared.cause == ITEM_UNHEARD:
        return edited_at
    if compared.root_id is None and compared.kind is Class.KNOWN:
        return _moment(times["skipped"])
    return _moment(times[TIME_OF[compared.cause]]) if compared.cause in TIME_OF else None


def _moment(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def brings_in(sync: BoardSync, reason: str, skip: Skip | None) -> str:
    """Returns what would bring in an item that was left out for this reason."""
    if reason.startswith(FAILED):
        return "It is tried again after a pause, and by the next run once it was edited on the board."
    match = sync.mapping.match
    if reason.startswith(AMBIGUOUS) and match:
        return f"It comes in when {_columns(sync, [match])} is no longer the same as that of others."
    key = _columns(sync, [name for name in sync.store.homes.key_fields if name])
    if not key:
        return "It comes in when it was edited on the board so that its mapping does not leave it out."
    if skip is not None and skip.key is not None:
        return f"It comes in when {key} is another one on the board, or the item that has the row is gone."
    return f"It comes in when {key} has a value on the board."


def _columns(sync: BoardSync, names: list[str]) -> str:
    """Returns the titles of the board columns that feed these fields."""
    columns = [column for name in names for column in sync.bound.owner[name].columns]
    return " or ".join(dict.fromkeys(sync.bound.title(column) for column in columns))
