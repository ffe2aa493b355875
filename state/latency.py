"""Keeps how long changes took from one side to the other, by hour: `sync_latency`. Whatever does live work adds to it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from db_connector import Database, Transaction

TO_POSTGRES, TO_MONDAY = "postgres", "monday"
WITHIN_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, float("inf"))
"""A change is counted by the first of these that is not shorter: `counts` has a number for each."""

ADD = """
insert into sync_latency as s (hour, entity_type, side, n, seconds, shortest_s, longest_s, counts)
values {rows}
on conflict (hour, entity_type, side) do update
set n = s.n + excluded.n, seconds = s.seconds + excluded.seconds,
    shortest_s = least(s.shortest_s, excluded.shortest_s), longest_s = greatest(s.longest_s, excluded.longest_s),
    counts = (
        select array_agg(a + b order by place)
        from unnest(s.counts, excluded.counts) with ordinality as both_of (a, b, place)
    )
"""
ROW = "(date_trunc('hour', now(), 'UTC'), %s, %s, %s, %s, %s, %s, %s)"

LATENCIES = f"""
select date_trunc(%(step)s, hour, 'UTC') as at, side, sum(n)::bigint as n, sum(seconds) as seconds,
       min(shortest_s) as shortest_s, max(longest_s) as longest_s,
       array[{", ".join(f"sum(counts[{place}])" for place in range(1, len(WITHIN_S) + 1))}]::bigint[] as counts
from sync_latency
-- in a bracket of its own it is reckoned once, and not for each row
where hour >= (select date_trunc('hour', now() - %(span)s::interval, 'UTC')) and (%(type)s = '' or entity_type = %(type)s)
group by 1, 2
order by 1, 2
"""


def add(db: Database, entity_type: str, measured: Sequence[tuple[str, float]]) -> None:
    """Adds changes, each with the side that got it and the seconds that it took, in one statement that commits itself."""
    values: list[Any] = []
    # two statements take the rows in the same order
    sides = sorted({side for side, _ in measured})
    for of_side in sides:
        took = [max(0.0, seconds) for side, seconds in measured if side == of_side]
        counts = [0] * len(WITHIN_S)
        for seconds in took:
            counts[bisect_left(WITHIN_S, seconds)] += 1
        values += [entity_type, of_side, len(took), sum(took), min(took), max(took), counts]
    db.commit_one(ADD.format(rows=", ".join([ROW] * len(sides))), values)


def latencies(tx: Transaction, step: str, span: str, entity_type: str = "") -> list[dict[str, Any]]:
    """Returns how many changes took how long in each hour or day, by side."""
    return tx.dicts(LATENCIES, {"step": step, "span": span, "type": entity_type})
