"""What the tool remembers, to look at: the state of each entity, and the last runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from db_connector import Database, Transaction
from state import inbox
from sync.parts import Parts, board_of

DUPLICATES_SHOWN = 5
LINKS = """
select count(*) filter (where archived_at is null) as active,
       count(*) filter (where archived_at is not null) as archived,
       count(*) filter (where archived_at is null and sync_status = 'synced') as in_step,
       count(*) filter (where archived_at is null and sync_status in ('pending', 'creating', 'conflict')) as waiting,
       count(*) filter (where archived_at is null and sync_status = 'error') as errors,
       count(*) filter (where archived_at is null and sync_status = 'set_aside') as set_aside,
       count(*) filter (where archived_at is null and sync_status = 'disabled') as off,
       count(*) filter (where base_postgres is not null and archived_at is null) as known_to_differ
from sync_mapping
where entity_type = %s
"""

SKIPPED = """
select reason, count(*), (array_agg(monday_id order by length(monday_id), monday_id) filter (where key is not null))[1:%s]
from sync_skipped
where entity_type = %s and reason not like 'error: %%'
group by reason
order by reason
"""

REFUSED = """
select count(*) filter (where next_try_at is not null) as errors, count(*) filter (where next_try_at is null) as set_aside
from sync_skipped
where entity_type = %s and reason like 'error: %%'
"""
"""Items that never became rows."""

LAST_RUN = """
select r.id::text, r.started_at, r.outcome, coalesce(r.api, '{}') as api, one ->> 'message' as message
from sync_runs as r, jsonb_array_elements(r.entities) as one
where one ->> 'entity' = %s
order by r.started_at desc
limit 1
"""

RUNS = """
select id::text as run_id, kind, direction, started_at, finished_at, exit_code, outcome, message,
       coalesce(entities, '[]') as entities, coalesce(api, '{}') as api
from sync_runs
order by started_at desc
limit %s
"""


def status_of(parts: Parts) -> dict[str, Any]:
    """The state of every entity that has a board, and what waits to be looked at."""
    with parts.db.transaction(read_only=True, snapshot=True) as tx:
        entities = []
        for mapping in parts.mappings.values():
            board_id = board_of(parts.settings, mapping)
            if board_id is not None:
                known = _entity(tx, mapping.entity, mapping.entity_type)
                entities.append({"entity": mapping.entity, "board_id": board_id, **known})
        events = inbox.depth(tx, [one["board_id"] for one in entities])[0]
        waiting = {"inbox": events, "outbox": tx.value("select count(*) from sync_outbox")}
    return {"entities": entities, **waiting}


def _entity(tx: Transaction, entity: str, entity_type: str) -> dict[str, Any]:
    links = tx.dicts(LINKS, (entity_type,))[0]
    refused = tx.dicts(REFUSED, (entity_type,))[0]
    skipped = tx.rows(SKIPPED, (DUPLICATES_SHOWN, entity_type))
    conflicts = tx.value(
        "select count(*) from sync_conflicts where entity_type = %s and status = 'open'", (entity_type,)
    )
    remembered = tx.value("select value from sync_state where name = %s", (f"pull:{entity}",)) or {}
    last = next(iter(tx.dicts(LAST_RUN, (entity,))), None)
    return {
        **links,
        **{name: links[name] + number for name, number in refused.items()},
        "conflicts": conflicts,
        "skipped": [{"reason": reason, "items": items, "first": first or []} for reason, items, first in skipped],
        "watermark": remembered.get("watermark"),
        "swept_at": remembered.get("swept_at"),
        "last_run": last and {**last, "started_at": _utc(last["started_at"])},
    }


def runs_of(db: Database, limit: int) -> list[dict[str, Any]]:
    """The last runs, newest first."""
    with db.transaction(read_only=True) as tx:
        return [
            {
                **run,
                "started_at": _utc(run["started_at"]),
                "finished_at": _utc(run["finished_at"]),
                "duration_s": _seconds(run["started_at"], run["finished_at"]),
            }
            for run in tx.dicts(RUNS, (limit,))
        ]


def _utc(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _seconds(begin: datetime, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if end else None
