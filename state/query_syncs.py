"""Reads how the syncs of queries are, and what of their rows was refused: `sync_records`, for commands that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db_connector import Transaction
from state import runs
from state.pauses import Pause, pauses
from state.values import delete, query_key
from values.wording import utc_or_none

UNSETTLED = """(not (record_id is not null and removed_at is null and attempts = 0 and source_hash is not null)
           or intent_at is not null)"""
"""What the index of the few rows says that are not as they should be."""

COUNTS = f"""
-- Settled rows are many, and their index alone is read; the others are few.
select t.name, settled.n + unsettled.linked as linked, settled.n as in_step, unsettled.refused,
       unsettled.in_doubt, unsettled.removed, remembered.value as remembered,
       (
           select count(*)
           from sync_conflicts
           where entity_type = 'query:' || t.name and status = 'open'
       ) as conflicts
from unnest(%(names)s::text[], %(tables)s::text[], %(keys)s::text[]) as t (name, table_id, key)
cross join lateral (
    select count(*) as n
    from sync_records
    where sync_name = t.name and table_id = t.table_id
      and record_id is not null and removed_at is null and attempts = 0 and source_hash is not null
) as settled
cross join lateral (
    select count(*) filter (
               where record_id is not null and removed_at is null and (attempts <> 0 or source_hash is null)
           ) as linked,
           count(*) filter (where attempts > 0) as refused,
           count(*) filter (where record_id is null and intent_at is not null) as in_doubt,
           count(*) filter (where removed_at is not null) as removed
    from sync_records
    where sync_name = t.name and table_id = t.table_id
      and {UNSETTLED}
) as unsettled
left join sync_state as remembered on remembered.name = t.key
"""

REFUSED = f"""
select sync_name as entity, 'row' as kind, record_id, source_key as entity_id, attempts, next_try_at, last_error
from sync_records
where sync_name = any(%s) and attempts > 0
  -- for the index
  and {UNSETTLED}
order by sync_name, source_key
"""

TRY_NOW = """
update sync_records
set next_try_at = null, updated_at = now()
where sync_name = %s and source_key = any(%s) and attempts > 0
"""

GIVE_UP = """
-- what is given up is not in step
update sync_records
set attempts = 0, next_try_at = null, last_error = null, unlinked = null, source_hash = null, updated_at = now()
where sync_name = %s and source_key = any(%s) and attempts > 0 and refused_hash is not null
  and (record_id is not null or intent_at is null)
returning source_key
"""


def status_of_syncs(tx: Transaction, tables: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns the state of each sync, given by name with the table that it fills."""
    return states_of(tx, tables, runs.last_of_each(tx, list(tables)), pauses(tx))


def states_of(
    tx: Transaction, tables: Mapping[str, str], last: Mapping[str, dict[str, Any]], paused: Mapping[str, Pause]
) -> list[dict[str, Any]]:
    """Returns the same by one statement, where the last runs and the pauses are known."""
    names = list(tables)
    params = {"names": names, "tables": list(tables.values()), "keys": [query_key(name) for name in names]}
    counts = {row.pop("name"): row for row in tx.dicts(COUNTS, params)}
    found = []
    for name, table_id in tables.items():
        remembered, run = counts[name].pop("remembered") or {}, last.get(name)
        found.append(
            {
                "sync": name,
                "table_id": table_id,
                "paused": paused[name].as_json() if name in paused else None,
                **counts[name],
                "watermark": remembered.get("mark"),
                "swept_at": remembered.get("swept"),
                "last_run": run and runs.shown_last(run),
                "next_run_at": utc_or_none(run["due_at"]) if run else None,
            }
        )
    return found


def refused_rows(tx: Transaction, syncs: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the rows that were refused and are tried again, in the shape of refused records of entities."""
    return [
        {**row, "monday_id": None, "set_aside": False, "next_try_at": utc_or_none(row["next_try_at"])}
        for row in tx.dicts(REFUSED, (list(syncs),))
    ]


def try_rows_now(tx: Transaction, sync: str, keys: Sequence[str]) -> None:
    """Makes the next run try refused rows, whatever pause they were in."""
    tx.execute(TRY_NOW, (sync, list(keys)))


def give_up_rows(tx: Transaction, sync: str, keys: Sequence[str]) -> int:
    """Ends the tries of refused rows until they change; what may have been made is looked up first. Returns how many."""
    return len(tx.rows(GIVE_UP, (sync, list(keys))))


def forget_sync(tx: Transaction, sync: str) -> int:
    """Forgets which records belong to a sync's rows, and when it was read. Returns how many records that were."""
    delete(tx, query_key(sync))
    linked = int(tx.value("select count(*) from sync_records where sync_name = %s and record_id is not null", (sync,)))
    tx.execute("delete from sync_records where sync_name = %s", (sync,))
    return linked
