"""Reads at a glance how the work in one database goes: the last success, what was set aside, runs that died."""

from __future__ import annotations

from typing import Any

from db_connector import Transaction
from state.runs import DIED
from state.schema import SCHEMA_KEY

THERE = "select to_regclass('sync_mapping') is not null and to_regclass('sync_state') is not null"
GLANCE = f"""
select (
           select finished_at
           from sync_runs
           where outcome in ('success', 'partial') and finished_at is not null
           order by started_at desc
           limit 1
       ) as last_success,
       (
           select count(*)
           from sync_mapping
           where archived_at is null and sync_status = 'set_aside'
       ) + (
           select count(*)
           from sync_skipped
           where reason like 'error: %%' and next_try_at is null
       ) as set_aside,
       (
           select count(*)
           from sync_conflicts
           where status = 'open'
       ) as conflicts,
       (
           select count(*)
           from sync_runs
           where {DIED}
       ) as dead_runs
where exists (select from sync_state where name = %(schema)s)
"""


def glance_at(tx: Transaction) -> dict[str, Any] | None:
    """Returns it; None where the tool's tables are not made."""
    if not tx.value(THERE):
        return None
    return next(iter(tx.dicts(GLANCE, {"schema": SCHEMA_KEY})), None)
