"""Keeps how long changes took from one side to the other, by hour: `sync_latency`. Whatever does live work adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db_connector import Database, Transaction

TO_POSTGRES, TO_MONDAY = "postgres", "monday"
WITHIN_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, float("inf"))
"""Changes are counted by the first of these that is not shorter. Rows of before may have others."""

ADD = """
insert into sync_latency as s (hour, entity_type, side, within_s, n, seconds, shortest_s, longest_s)
select date_trunc('hour', now(), 'UTC'), %(type)s, side,
       (select min(bound) from unnest(%(within)s::float8[]) as bound where bound >= took),
       count(*), sum(took), min(took), max(took)
from unnest(%(sides)s::text[], %(took)s::float8[]) as m (side, took)
group by 3, 4
-- two transactions take rows in the same order
order by 3, 4
on conflict (hour, entity_type, side, within_s) do update
set n = s.n + excluded.n, seconds = s.seconds + excluded.seconds,
    shortest_s = least(s.shortest_s, excluded.shortest_s), longest_s = greatest(s.longest_s, excluded.longest_s)
"""

LATENCIES = """
select date_trunc(%(step)s, hour, 'UTC') as at, side, within_s, sum(n)::bigint as n, sum(seconds) as seconds,
       min(shortest_s) as shortest_s, max(longest_s) as longest_s
from sync_latency
where hour >= date_trunc('hour', now() - %(span)s::interval, 'UTC') and (%(type)s = '' or entity_type = %(type)s)
group by 1, 2, 3
order by 1, 2, 3
"""


def add(db: Database, entity_type: str, measured: Sequence[tuple[str, float]]) -> None:
    """Adds changes, each with the side that got it and the seconds that it took, in one statement that commits itself."""
    sides, took = [side for side, _ in measured], [max(0.0, seconds) for _, seconds in measured]
    db.commit_one(ADD, {"type": entity_type, "sides": sides, "took": took, "within": list(WITHIN_S)})


def latencies(tx: Transaction, step: str, span: str, entity_type: str = "") -> list[dict[str, Any]]:
    """Returns how many changes took how long in each hour or day, by side and by `within_s`, the shortest first."""
    return tx.dicts(LATENCIES, {"step": step, "span": span, "type": entity_type})
