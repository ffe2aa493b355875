"""Reads the state of each entity and the last runs, for commands that show them."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from db_connector import Database, Transaction
from mappings.declaration import Mapping
from state import runs
from state.pauses import pauses_in
from state.query_syncs import states_of
from state.values import pull_key
from values.wording import utc_or_none

DUPLICATES_SHOWN = 5
NO_SYNCS: Map[str, str] = {}
LINK_COUNTS = ("active", "archived", "in_step", "waiting", "errors", "set_aside", "off", "known_to_differ")
LINKS = """
-- Each part reads an index of its own, and no row.
with living as (
    select sync_status, count(*) as n
    from sync_mapping
    where entity_type = %(type)s and archived_at is null
    group by sync_status
)
select coalesce(sum(n), 0)::bigint as active,
       (
           select count(*)
           from sync_mapping
           where entity_type = %(type)s and archived_at is not null
       ) as archived,
       coalesce(sum(n) filter (where sync_status = 'synced'), 0)::bigint as in_step,
       coalesce(sum(n) filter (where sync_status in ('pending', 'creating', 'conflict')), 0)::bigint as waiting,
       coalesce(sum(n) filter (where sync_status = 'error'), 0)::bigint as errors,
       coalesce(sum(n) filter (where sync_status = 'set_aside'), 0)::bigint as set_aside,
       coalesce(sum(n) filter (where sync_status = 'disabled'), 0)::bigint as off,
       (
           select count(*)
           from sync_mapping
           where entity_type = %(type)s and base_postgres is not null and archived_at is null
       ) as known_to_differ
from living
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

FIGURES = """
-- Each part reads an index of its own.
select t.type, living.n - no_item.n as items, archived.n - no_item.archived as archived,
       living.waiting - no_item.waiting as waiting
from unnest(%s::text[]) as t (type)
cross join lateral (
    select count(*) as n, count(*) filter (where sync_status not in ('synced', 'disabled')) as waiting
    from sync_mapping
    where entity_type = t.type and archived_at is null
) as living
cross join lateral (
    select count(*) as n
    from sync_mapping
    where entity_type = t.type and archived_at is not null
) as archived
cross join lateral (
    select count(*) filter (where archived_at is null) as n,
           count(*) filter (where archived_at is not null) as archived,
           count(*) filter (where archived_at is null and sync_status not in ('synced', 'disabled')) as waiting
    from sync_mapping
    where entity_type = t.type and monday_id is null
) as no_item
"""

EVERY_ENTITY = f"""
-- Each entity reads the same indexes as if it were alone.
select t.type, l.*, refused.*, remembered.value as remembered,
       (
           select coalesce(jsonb_agg(to_jsonb(s) order by s.reason), '[]')
           from (
               {SKIPPED.replace("entity_type = %s", "entity_type = t.type").replace("%s", "%(first)s")}
           ) as s (reason, items, first)
       ) as skipped,
       (
           select count(*)
           from sync_conflicts
           where entity_type = t.type and status = 'open'
       ) as conflicts
from unnest(%(types)s::text[], %(keys)s::text[]) as t (type, key)
cross join lateral ({LINKS.replace("%(type)s", "t.type")}) as l
cross join lateral ({REFUSED.replace("%s", "t.type")}) as refused (refused_errors, refused_set_aside)
left join sync_state as remembered on remembered.name = t.key
"""

WAITING = """
select (
           select count(*)
           from sync_inbox
           where monday_board_id = any(%s) and done_at is null
       ) as inbox,
       (select count(*) from sync_outbox) as outbox,
       (
           select coalesce(jsonb_object_agg(name, value), '{}')
           from sync_state
           where starts_with(name, 'paused:')
       ) as paused
"""


def status_of(db: Database, entities: Sequence[tuple[Mapping, str]]) -> dict[str, Any]:
    """Returns the state of each entity (given with its board's id), and how many events and changes wait."""
    with db.transaction(read_only=True, snapshot=True) as tx:
        return state_of(tx, entities)


def state_of(
    tx: Transaction, entities: Sequence[tuple[Mapping, str]], syncs: Map[str, str] = NO_SYNCS
) -> dict[str, Any]:
    """Returns the same in a transaction of the caller's, by three statements, however many entities there are.

    With the state of each sync of a query, given by name with the table that it fills, it takes one more.
    """
    names = [mapping.entity for mapping, _ in entities]
    params = {
        "types": [mapping.entity_type for mapping, _ in entities],
        "keys": [pull_key(name) for name in names],
        "first": DUPLICATES_SHOWN,
    }
    by_key = dict(zip(names, tx.dicts(EVERY_ENTITY + "order by array_position(%(keys)s::text[], t.key)", params)))
    last = runs.last_of_each(tx, [*names, *syncs])
    waiting = tx.dicts(WAITING, ([board_id for _, board_id in entities],))[0]
    paused = pauses_in(waiting.pop("paused"))
    known = [
        {
            "entity": mapping.entity,
            "board_id": board_id,
            "paused": found.as_json() if (found := paused.get(mapping.entity)) else None,
            **_entity(by_key[mapping.entity], last.get(mapping.entity)),
        }
        for mapping, board_id in entities
    ]
    return {"entities": known, **waiting, **({"syncs": states_of(tx, syncs, last, paused)} if syncs else {})}


def _entity(counts: dict[str, Any], last: dict[str, Any] | None) -> dict[str, Any]:
    links = {name: counts[name] for name in LINK_COUNTS}
    remembered = counts["remembered"] or {}
    return {
        **links,
        # links and items without a link are counted together
        "errors": links["errors"] + counts["refused_errors"],
        "set_aside": links["set_aside"] + counts["refused_set_aside"],
        "conflicts": counts["conflicts"],
        "skipped": [
            {"reason": skip["reason"], "items": int(skip["items"]), "first": skip["first"] or []}
            for skip in counts["skipped"]
        ],
        "watermark": remembered.get("watermark"),
        "swept_at": remembered.get("swept_at"),
        "last_run": last and runs.shown_last(last),
        "next_run_at": utc_or_none(last["due_at"]) if last else None,
    }


def figures_of_each(tx: Transaction, types: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns how many items of each type of entity are linked, archived and waiting."""
    return {row["type"]: row for row in tx.dicts(FIGURES, (list(types),))}


def count_linked(tx: Transaction, entity_type: str) -> int:
    """Counts the links of an entity that are not archived, over all boards."""
    return int(
        tx.value("select count(*) from sync_mapping where entity_type = %s and archived_at is null", (entity_type,))
    )


def count_set_aside(tx: Transaction, entity_type: str) -> int:
    """Counts the records of an entity whose changes were given up after their tries."""
    return int(
        tx.value(
            "select count(*) from sync_mapping where entity_type = %s and sync_status = 'set_aside'", (entity_type,)
        )
    )


def runs_of(db: Database, limit: int) -> list[dict[str, Any]]:
    """Returns the last runs, newest first."""
    with db.transaction(read_only=True) as tx:
        return [shown_run(run) for run in runs.last(tx, limit)]


def runs_starting_with(db: Database, start: str) -> list[dict[str, Any]]:
    """Returns the runs whose ids begin so, at most a few."""
    with db.transaction(read_only=True) as tx:
        return [shown_run(run) for run in runs.starting_with(tx, start)]


def closed_dead(db: Database) -> list[dict[str, Any]]:
    """Closes the runs whose processes are gone, and returns them."""
    with db.transaction() as tx:
        found = runs.close_dead(tx)
    moments = ("started_at", "heartbeat_at")
    return [{**run, **{name: utc_or_none(run[name]) for name in moments}} for run in found]


def shown_run(run: dict[str, Any]) -> dict[str, Any]:
    moments = ("started_at", "finished_at", "heartbeat_at", "stop_asked_at")
    return {
        **run,
        **{name: utc_or_none(run[name]) for name in moments},
        "duration_s": _seconds(run["started_at"], run["finished_at"]),
    }


def _seconds(begin: datetime, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if end else None
