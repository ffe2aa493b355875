"""Counts what was removed on a board lately, for every process together: a value of `sync_state` for each entity."""

from __future__ import annotations

from db_connector import Transaction
from state.values import removed_key

WINDOW_S = 600
"""Seconds after which a removal does not count any more. The time is that of the database."""

LATELY = """
select coalesce(sum((n.counted ->> 1)::bigint), 0)
from sync_state as s
cross join jsonb_array_elements(s.value) as n (counted)
where s.name = %(name)s
  and (n.counted ->> 0)::float8 > extract(epoch from clock_timestamp()) - %(window)s
"""
COUNT = """
insert into sync_state as s (name, value)
values (%(name)s, jsonb_build_array(jsonb_build_array(extract(epoch from clock_timestamp()), %(removed)s::bigint)))
on conflict (name) do update
set value = excluded.value || coalesce(
        (
            select jsonb_agg(n.counted)
            from jsonb_array_elements(s.value) as n (counted)
            where (n.counted ->> 0)::float8 > extract(epoch from clock_timestamp()) - %(window)s
        ),
        '[]'),
    updated_at = now()
"""


def removed_lately(tx: Transaction, entity: str) -> int:
    """Returns how many items were removed within the last minutes, by any process."""
    return int(tx.value(LATELY, {"name": removed_key(entity), "window": WINDOW_S}))


def count_removed(tx: Transaction, entity: str, removed: int) -> None:
    """Notes that so many items are removed now."""
    tx.execute(COUNT, {"name": removed_key(entity), "window": WINDOW_S, "removed": removed})
