"""Remembers the runs, what each did and what it cost: `sync_runs`."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from db_connector import Database, Transaction
from state.wake import RUN_NEWS, wake
from values.canonical import dumps
from values.wording import utc_or_none

FINISH = """
update sync_runs
set finished_at = now(), updated_at = now(), exit_code = %s, outcome = %s, message = %s, entities = %s, api = %s
where id = %s
"""

DEAD_AFTER_S = 30
"""Seconds without a word from a run, after which it is dead: its process tells every 2 s, and at the latest every 5 s."""
PROOF = "verify"
"""The kind of a run that proves: it compares, and syncs nothing."""
SYNCS = f"coalesce(kind, '') <> '{PROOF}'"
"""What is true of runs that sync."""
LATELY = 1000
"""Among how many of the newest runs the last run of an entity is looked for."""

CALLS_TODAY = """
select coalesce(sum((api ->> 'calls')::numeric), 0)
from sync_runs
where started_at >= date_trunc('day', now(), 'UTC') and direction is distinct from 'mysql_to_smartsuite'
"""

REFUSED_LATELY = """
select coalesce(sum((api -> 'retries_by_cause' ->> 'speed')::numeric), 0)
from sync_runs
where started_at > now() - interval '1 day' and direction = 'mysql_to_smartsuite'
"""

DIED = f"outcome = 'running' and coalesce(heartbeat_at, started_at) < now() - interval '{DEAD_AFTER_S} seconds'"
"""What makes a run a dead run: its process would have told that it lives."""

SHOWN = f"""
select id::text as run_id, kind, direction, started_at, finished_at, exit_code,
       case when {DIED} then 'died' else outcome end as outcome,
       message, coalesce(entities, '[]') as entities, coalesce(api, '{{}}') as api,
       heartbeat_at, coalesce(progress, '{{}}') as progress, stop_asked_at, host, pid
from sync_runs
"""

LAST_OF_EACH = f"""
with lately as materialized (
    select *
    from sync_runs
    where {SYNCS}
    order by started_at desc
    limit {LATELY}
)
select r.*
from unnest(%(entities)s::text[]) as t (entity)
cross join lateral (
    select t.entity, r.id::text, r.kind, r.started_at, r.finished_at,
           case when {DIED} then 'died' else r.outcome end as outcome, coalesce(r.api, '{{}}') as api,
           (
               -- a schedule tells with each of its runs how often they come
               select s.started_at + make_interval(secs => s.period_s)
               from lately as s
               where s.period_s is not null
                 and (s.entities @> jsonb_build_array(jsonb_build_object('entity', t.entity)) or s.progress ? t.entity)
               order by s.started_at desc
               limit 1
           ) as due_at,
           (
               select of ->> 'message'
               from jsonb_array_elements(r.entities) as of
               where of ->> 'entity' = t.entity
               limit 1
           ) as message
    from lately as r
    where r.entities @> jsonb_build_array(jsonb_build_object('entity', t.entity)) or r.progress ? t.entity
    order by r.started_at desc
    limit 1
) as r
"""

LAST = f"""{SHOWN}
order by started_at desc
limit %s
"""

ENDED_SINCE = f"""{SHOWN}
where started_at > %(since)s and finished_at is not null
  and entities @> jsonb_build_array(jsonb_build_object('entity', %(entity)s::text))
order by started_at
limit 1
"""

FOUND = f"""{SHOWN}
where left(id::text, length(%(start)s)) = lower(%(start)s)
order by started_at desc
limit 5
"""

BEAT = """
update sync_runs
set heartbeat_at = now(), updated_at = now(), progress = %s, api = %s
where id = %s and finished_at is null
returning stop_asked_at is not null, txid_current()
"""

CLOSE_DEAD = f"""
update sync_runs
set outcome = 'died', finished_at = coalesce(heartbeat_at, started_at), updated_at = now(),
    message = 'its process ended without a word'
where {DIED}
returning id::text as run_id, kind, direction, started_at, heartbeat_at
"""


class Runs:
    """Writes down runs, each step in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def start(self, kind: str, direction: str, progress: Any = None, period_s: int | None = None) -> str:
        """Opens a run, and returns its id. `period_s` is how often such a run is due."""
        run_id = str(uuid.uuid4())
        with self._db.transaction() as tx:
            tx.execute(
                """
                insert into sync_runs (id, kind, direction, outcome, heartbeat_at, progress, host, pid, period_s)
                values (%s, %s, %s, 'running', now(), %s, %s, %s, %s)
                """,
                (run_id, kind, direction, dumps(progress or {}).decode(), socket.gethostname(), os.getpid(), period_s),
            )
            wake(tx, RUN_NEWS)
        return run_id

    def note_costs(self, run_id: str, api: Any) -> None:
        """Writes down what a run that goes on has cost so far."""
        with self._db.transaction() as tx:
            beat(tx, run_id, {}, api)

    def finish(self, run_id: str, exit_code: int, outcome: str, message: str, entities: Any, api: Any) -> None:
        """Closes a run with what it did and what it cost."""
        with self._db.transaction() as tx:
            tx.execute(
                FINISH,
                (exit_code, outcome, message, dumps(entities).decode(), dumps(api).decode(), run_id),
            )
            wake(tx, RUN_NEWS)


def calls_today(tx: Transaction) -> float:
    """Returns how many calls to monday.com the runs of today have made (UTC), those that go on included."""
    return float(tx.value(CALLS_TODAY))


def suite_refusals_lately(tx: Transaction) -> int:
    """Returns how many calls to SmartSuite were refused in the last day because they came too fast."""
    return int(tx.value(REFUSED_LATELY))


def beat(tx: Transaction, run_id: str, progress: Any, api: Any) -> bool:
    """Notes that a run lives, how far it is and what it has cost. Returns whether a user has asked it to stop."""
    beaten = tx.row(BEAT, (dumps(progress).decode(), dumps(api).decode(), run_id))
    if beaten is None:
        return False
    tx.own_writes.note(beaten[1])
    return bool(beaten[0])


def last_of(tx: Transaction, entity: str) -> dict[str, Any] | None:
    """Returns the last run that synced an entity, among the newest, with the entity's own message."""
    return last_of_each(tx, [entity]).get(entity)


def shown_last(run: dict[str, Any]) -> dict[str, Any]:
    """Returns what is shown of the last run of an entity."""
    shown = ("id", "started_at", "outcome", "api", "message")
    return {**{name: run[name] for name in shown}, "started_at": utc_or_none(run["started_at"])}


def last_of_each(tx: Transaction, entities: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns the same for several entities, by their names."""
    return {run["entity"]: run for run in tx.dicts(LAST_OF_EACH, {"entities": list(entities)})}


def now(tx: Transaction) -> datetime:
    """Returns the time by which runs are dated."""
    found: datetime = tx.value("select clock_timestamp()")
    return found


def ended_since(tx: Transaction, entity: str, since: datetime) -> dict[str, Any] | None:
    """Returns the first run that dealt with an entity, began after that time and has ended; None before there is one."""
    found = tx.dicts(ENDED_SINCE, {"entity": entity, "since": since})
    return found[0] if found else None


def last(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """Returns the last runs, newest first."""
    return tx.dicts(LAST, (limit,))


def starting_with(tx: Transaction, start: str) -> list[dict[str, Any]]:
    """Returns the runs whose ids begin so, at most a few."""
    return tx.dicts(FOUND, {"start": start})


def close_dead(tx: Transaction) -> list[dict[str, Any]]:
    """Closes the runs whose processes are gone, and returns them."""
    return tx.dicts(CLOSE_DEAD)


def ask_to_stop(tx: Transaction, run_id: str) -> bool:
    """Asks a run to stop after its batch. Returns whether it went on until now."""
    return bool(
        tx.execute(
            """
            update sync_runs
            set stop_asked_at = coalesce(stop_asked_at, now())
            where id = %s and finished_at is null
            """,
            (run_id,),
        )
    )
