"""Reads long tables a page at a time, newest first, from a key on: runs, log, what waits in the queues, sums by hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from state.runs import DIED, PROOF, SHOWN

RUNS = f"""
select *
from ({SHOWN}) as r
where (%(kind)s = '' or kind = %(kind)s)
  and (%(outcome)s = '' or outcome = %(outcome)s)
  and (%(entity)s = ''
       or entities @> jsonb_build_array(jsonb_build_object('entity', %(entity)s::text))
       or progress ? %(entity)s)
  and (%(at)s::timestamptz is null
       -- the first condition is for the index, the second for runs that began at the same time
       or (started_at <= %(at)s::timestamptz and (started_at, run_id) < (%(at)s::timestamptz, %(id)s)))
order by started_at desc, run_id desc
limit %(limit)s
"""

LOG = """
select id::text, created_at, seq, run_id::text, entity_type, entity_id, monday_id, operation, status, message, side
from sync_logs
where created_at >= %(since)s::timestamptz
  {conditions}
order by created_at desc, seq desc nulls last, id desc
limit %(limit)s
"""
LOG_CONDITIONS = {
    "trouble": "and status <> 'success'",
    "status": "and status = %(status)s",
    "operation": "and operation = %(operation)s",
    "entity_type": "and entity_type = %(entity_type)s",
    "run": "and run_id = %(run)s::uuid",
    "q": "and (monday_id = %(q)s or entity_id = %(q)s)",
    "at": """and created_at <= %(at)s::timestamptz
  and (created_at, coalesce(seq, -1), id) < (%(at)s::timestamptz, %(seq)s::bigint, %(id)s::uuid)""",
}

QUEUES = """
select 'inbox' as queue, monday_board_id as of, count(*) as n, min(received_at) as oldest,
       count(*) filter (where attempts > 0) as tried
from sync_inbox
where done_at is null
group by monday_board_id
union all
select 'outbox', entity_type, count(*), min(changed_at), count(*) filter (where attempts > 0)
from sync_outbox
group by entity_type
union all
select 'in doubt', entity_type, count(*), min(created_at), 0
from sync_intents
group by entity_type
union all
select 'sending', entity_type, count(*), min(updated_at), 0
from sync_mapping
where sending is not null
group by entity_type
order by 1, 2
"""

OLDEST = """
(
    select 'inbox' as queue, event as what, monday_id as id, received_at as at, attempts, last_error
    from sync_inbox
    where done_at is null
    order by id
    limit 10
)
union all
(
    select 'outbox', operation || ' ' || table_name, row_id, changed_at, attempts, last_error
    from sync_outbox
    order by id
    limit 10
)
"""

SUMS = """
select date_trunc(%(step)s, hour, 'UTC') as at,
       coalesce(sum(n) filter (where status = 'success' and side = 'postgres'), 0)::bigint as postgres,
       coalesce(sum(n) filter (where status = 'success' and side = 'monday'), 0)::bigint as monday,
       coalesce(sum(n) filter (where status = 'success' and side = 'smartsuite'), 0)::bigint as smartsuite,
       coalesce(sum(n) filter (where status = 'error'), 0)::bigint as errors
from sync_stats
where hour >= (select date_trunc('hour', now() - %(span)s::interval, 'UTC')) and (%(type)s = '' or entity_type = %(type)s)
group by 1
"""

SPENT = """
select date_trunc(%(step)s, hour, 'UTC') as at,
       coalesce(sum(calls) filter (where direction <> 'mysql_to_smartsuite'), 0)::float as monday_calls,
       coalesce(sum(waited_s) filter (where direction <> 'mysql_to_smartsuite'), 0)::float as monday_waited_s,
       coalesce(sum(calls) filter (where direction = 'mysql_to_smartsuite'), 0)::float as smartsuite_calls,
       coalesce(sum(waited_s) filter (where direction = 'mysql_to_smartsuite'), 0)::float as smartsuite_waited_s
from sync_spent
where hour >= (select date_trunc('hour', now() - %(span)s::interval, 'UTC'))
group by 1
"""

LAST_DAY = """
select entity_type, date_trunc('hour', hour, 'UTC') as at, sum(n)::bigint as n,
       coalesce(sum(n) filter (where status = 'error'), 0)::bigint as errors
from sync_stats
where hour > now() - interval '24 hours' and entity_type = any(%s)
group by 1, 2
"""

NEEDS_SOMEONE = """
select entity_type, monday_id, entity_id, sync_status, attempts, next_try_at, last_error
from sync_mapping
where archived_at is null and sync_status = %(status)s and entity_type = any(%(types)s)
  and coalesce(entity_id, '') > %(after)s
order by entity_id
limit %(limit)s
"""

PROOFS = f"""
with going as (
    select min(started_at) as since
    from sync_runs
    where kind = '{PROOF}' and outcome = 'running' and not ({DIED}) and started_at > now() - interval '30 days'
)
select id::text, entity_type, kind, started_at, finished_at, message, coalesce(counts, '{{}}') as counts,
       -- one that was killed has no end, and no run that lives
       case when finished_at is null and (since is null or started_at < since) then 'died' else outcome end as outcome
from sync_proofs, going
order by started_at desc
limit %s
"""


class RunFilter(Struct, frozen=True):
    """Says which runs are wanted, and from which on: the start and the id of the last that was shown."""

    kind: str = ""
    outcome: str = ""
    entity: str = ""
    at: str | None = None
    id: str = ""


class LogFilter(Struct, frozen=True):
    """Says which rows of the log are wanted. `at`, `seq` and `id` are those of the last row that was shown."""

    since: str
    status: str = ""
    operation: str = ""
    entity_type: str = ""
    run: str = ""
    q: str = ""
    at: str = ""
    seq: int = -1
    id: str = ""


def runs_page(tx: Transaction, wanted: RunFilter, limit: int) -> list[dict[str, Any]]:
    """Returns runs, newest first."""
    params = {name: getattr(wanted, name) for name in ("kind", "outcome", "entity", "at", "id")}
    return tx.dicts(RUNS, {**params, "limit": limit})


def log_page(tx: Transaction, wanted: LogFilter, limit: int) -> list[dict[str, Any]]:
    """Returns rows of the log, newest first. The status `trouble` stands for all but `success`."""
    params = {name: getattr(wanted, name) for name in LogFilter.__struct_fields__}
    given = {name for name, value in params.items() if value not in ("", -1)}
    if wanted.status == "trouble":
        given = (given - {"status"}) | {"trouble"}
    conditions = "\n  ".join(text for name, text in LOG_CONDITIONS.items() if name in given)
    return tx.dicts(LOG.format(conditions=conditions), {**params, "limit": limit})


def queues(tx: Transaction) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns how much waits in each queue, and the oldest entries."""
    return tx.dicts(QUEUES), tx.dicts(OLDEST)


def sums(tx: Transaction, step: str, span: str, entity_type: str = "") -> list[dict[str, Any]]:
    """Returns how many records were dealt with in each hour or day, by side and status."""
    return tx.dicts(SUMS, {"step": step, "span": span, "type": entity_type})


def spent(tx: Transaction, step: str, span: str) -> list[dict[str, Any]]:
    """Returns what the calls of each hour or day have cost."""
    return tx.dicts(SPENT, {"step": step, "span": span})


def last_day(tx: Transaction, types: Sequence[str]) -> list[dict[str, Any]]:
    """Returns what was done in each of the last 24 hours, by type of entity."""
    return tx.dicts(LAST_DAY, (list(types),))


def needs_someone(tx: Transaction, status: str, types: Sequence[str], after: str, limit: int) -> list[dict[str, Any]]:
    """Returns links in a state, by row id."""
    return tx.dicts(NEEDS_SOMEONE, {"status": status, "types": list(types), "after": after, "limit": limit})


def proofs(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """Returns the last proofs, newest first."""
    return tx.dicts(PROOFS, (limit,))
