"""Lists what was refused, from all tables of the tool's memory; makes it due at once, or gives it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db_connector import Transaction
from mappings.declaration import Mapping
from state.wake import wake

REFUSED = """
select %(entity)s as entity, 'change' as kind, monday_id, entity_id, attempts, next_try_at, last_error,
       sync_status = 'set_aside' as set_aside
from sync_mapping
where entity_type = %(type)s and archived_at is null
  and (attempts > 0 or (last_error is not null and next_try_at is not null and monday_id is not null))
union all
select %(entity)s, 'creation', null, entity_id, attempts, next_try_at, coalesce(last_error, 'its item may have been made'),
       false
from sync_mapping
where entity_type = %(type)s and attempts = 0 and monday_id is null and intent_key is not null
union all
-- without a next try it is set aside
select %(entity)s, 'item', monday_id, null, greatest(attempts, 1), next_try_at, reason, next_try_at is null
from sync_skipped
where entity_type = %(type)s and reason like 'error: %%'
union all
select %(entity)s, 'event', monday_id, null, attempts, nullif(next_try_at, 'infinity'), last_error,
       coalesce(next_try_at = 'infinity', false)
from sync_inbox
where monday_board_id = %(board)s and done_at is null and attempts > 0
order by 3, 4
"""

TRY_NOW = (
    """
    update sync_mapping
    set attempts = 0, next_try_at = now(), monday_hash = null, updated_at = now(),
        sync_status = case when archived_at is null then 'pending' else sync_status end
    where entity_type = %(type)s and (entity_id = any(%(rows)s) or monday_id = any(%(items)s)) and attempts > 0
    """,
    """
    update sync_skipped
    set attempts = 0, next_try_at = now(), monday_hash = null, updated_at = now()
    where entity_type = %(type)s and monday_id = any(%(items)s) and reason like 'error: %%'
    """,
    """
    update sync_inbox
    set attempts = 0, next_try_at = null
    where monday_board_id = %(board)s and monday_id = any(%(items)s) and done_at is null and attempts > 0
    """,
)

GIVE_UP = (
    """
    update sync_mapping
    set attempts = 0, next_try_at = null, last_error = null, updated_at = now(),
        sync_status = 'synced', monday_hash = coalesce(monday_hash, 'dropped')
    where entity_type = %(type)s and entity_id = any(%(rows)s) and monday_id is not null
    """,
    """
    -- no item was made: the record is off until a user switches it on
    update sync_mapping
    set attempts = 0, next_try_at = null, last_error = null, updated_at = now(),
        sync_status = 'disabled', sync_enabled = false
    where entity_type = %(type)s and entity_id = any(%(rows)s) and monday_id is null and intent_key is null
    """,
    """
    update sync_skipped
    set reason = 'given up: ' || substr(reason, 8), next_try_at = null, updated_at = now()
    where entity_type = %(type)s and monday_id = any(%(items)s) and reason like 'error: %%'
    """,
    """
    update sync_inbox
    set done_at = now(), next_try_at = null
    where monday_board_id = %(board)s and monday_id = any(%(items)s) and done_at is null and attempts > 0
    """,
)


def refused(tx: Transaction, mapping: Mapping, board_id: str | None) -> list[dict[str, Any]]:
    """Returns what was refused of an entity and is tried again, or was set aside."""
    return tx.dicts(REFUSED, {"entity": mapping.entity, "type": mapping.entity_type, "board": board_id})


def try_now(tx: Transaction, mapping: Mapping, board_id: str | None, rows: Sequence[str], items: Sequence[str]) -> None:
    """Makes these due at once; their tries are counted from one again."""
    params = {"type": mapping.entity_type, "board": board_id, "rows": list(rows), "items": list(items)}
    for statement in TRY_NOW:
        tx.execute(statement, params)
    wake(tx, "retry")


def give_up(tx: Transaction, mapping: Mapping, board_id: str | None, rows: Sequence[str], items: Sequence[str]) -> None:
    """Ends their tries: both sides differ until a user edits one of them."""
    params = {"type": mapping.entity_type, "board": board_id, "rows": list(rows), "items": list(items)}
    for statement in GIVE_UP:
        tx.execute(statement, params)
