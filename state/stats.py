"""Counts the log by hour in `sync_stats`: a trigger of `schema.sql` counts new rows, and this those of before."""

from __future__ import annotations

from db_connector import Database, Transaction
from state.values import put, value_of

COUNTED_KEY = "stats"
"""Says that the rows of the log which were there before the triggers are counted."""

EARLIER = """
insert into sync_stats as s (hour, entity_type, side, operation, status, n)
select date_trunc('hour', created_at, 'UTC'), coalesce(entity_type, ''),
       case
           when operation in ('push', 'recreate') or message like 'item made of %' or message = 'row is gone' then 'monday'
           else 'postgres'
       end,
       coalesce(operation, ''), coalesce(status, ''), count(*)
from sync_logs
where seq is null
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5
on conflict (hour, entity_type, side, operation, status) do update set n = s.n + excluded.n
"""


def count_earlier(db: Database) -> None:
    """Counts the rows of the log that were written before anything counted them, once. No writer waits."""
    with db.transaction() as tx:
        if not is_counted(tx):
            tx.execute(EARLIER)
            put(tx, COUNTED_KEY, "counted")


def is_counted(tx: Transaction) -> bool:
    """Returns whether all rows of the log are in the sums."""
    return value_of(tx, COUNTED_KEY) is not None


def written_lately(tx: Transaction) -> bool:
    """Returns whether anything was written in this hour or the one before."""
    since = "date_trunc('hour', now(), 'UTC') - interval '1 hour'"
    return bool(tx.value(f"select exists (select from sync_stats where hour >= {since})"))
