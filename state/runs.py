"""Remembers the runs, what each did and what it cost: `sync_runs`."""

from __future__ import annotations

import uuid
from typing import Any

from db_connector import Database, Transaction
from values.canonical import dumps

FINISH = """
update sync_runs
set finished_at = now(), updated_at = now(), exit_code = %s, outcome = %s, message = %s, entities = %s, api = %s
where id = %s
"""

CALLS_TODAY = """
select coalesce(sum((api ->> 'calls')::numeric), 0)
from sync_runs
where started_at >= date_trunc('day', now(), 'UTC')
"""

LAST_OF_ENTITY = """
select r.id::text, r.kind, r.started_at, r.finished_at, r.outcome, coalesce(r.api, '{}') as api,
       entity ->> 'message' as message
from sync_runs as r, jsonb_array_elements(r.entities) as entity
where entity ->> 'entity' = %s
order by r.started_at desc
limit 1
"""

LAST = """
select id::text as run_id, kind, direction, started_at, finished_at, exit_code, outcome, message,
       coalesce(entities, '[]') as entities, coalesce(api, '{}') as api
from sync_runs
order by started_at desc
limit %s
"""


class Runs:
    """Writes down runs, each step in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def start(self, kind: str, direction: str) -> str:
        """Opens a run, and returns its id."""
        run_id = str(uuid.uuid4())
        with self._db.transaction() as tx:
            tx.execute(
                "insert into sync_runs (id, kind, direction, outcome) values (%s, %s, %s, 'running')",
                (run_id, kind, direction),
            )
        return run_id

    def note_costs(self, run_id: str, api: Any) -> None:
        """Writes down what a run that goes on has cost so far."""
        with self._db.transaction() as tx:
            tx.execute("update sync_runs set api = %s where id = %s", (dumps(api).decode(), run_id))

    def finish(self, run_id: str, exit_code: int, outcome: str, message: str, entities: Any, api: Any) -> None:
        """Closes a run with what it did and what it cost."""
        with self._db.transaction() as tx:
            tx.execute(
                FINISH,
                (exit_code, outcome, message, dumps(entities).decode(), dumps(api).decode(), run_id),
            )


def calls_today(tx: Transaction) -> float:
    """Returns how many calls to monday.com the runs of today have made (UTC), those that go on included."""
    return float(tx.value(CALLS_TODAY))


def last_of(tx: Transaction, entity: str) -> dict[str, Any] | None:
    """Returns the last run that dealt with an entity, with the entity's own message."""
    return next(iter(tx.dicts(LAST_OF_ENTITY, (entity,))), None)


def last(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """Returns the last runs, newest first."""
    return tx.dicts(LAST, (limit,))
