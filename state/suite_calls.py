"""Counts the calls to SmartSuite of each month (UTC), whatever made them, in `sync_state`: the plan limits them."""

from __future__ import annotations

from db_connector import Transaction

MADE = """
insert into sync_state (name, value)
values ('suite_calls:' || to_char(now() at time zone 'UTC', 'YYYY-MM'), to_jsonb(%s))
on conflict (name) do update
set value = to_jsonb((sync_state.value #>> '{}')::bigint + (excluded.value #>> '{}')::bigint), updated_at = now()
"""

THIS_MONTH = """
select coalesce((
    select (value #>> '{}')::bigint
    from sync_state
    where name = 'suite_calls:' || to_char(now() at time zone 'UTC', 'YYYY-MM')
), 0)
"""


def note_calls(tx: Transaction, calls: int) -> None:
    """Adds calls that are made now."""
    tx.execute(MADE, (calls,))


def calls_this_month(tx: Transaction) -> int:
    """Returns how many calls were made this month."""
    return int(tx.value(THIS_MONTH))
