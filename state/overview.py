"""Gives what the tool remembers, to look at: the state of each entity, and the last runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from db_connector import Database, Transaction
from mappings.declaration import Mapping
from state import inbox, runs
from state.values import pull_key, value_of
from timing import duration
from values.wording import counted, plural, utc_or_none

DUPLICATES_SHOWN = 5
EPOCH = "1970-01-01T00:00:00Z"
"""How far an empty board was read."""

COUNTS = {
    "in step": "in_step", "waiting": "waiting", "errors": "errors", "set aside": "set_aside", "off": "off",
    "conflicts": "conflicts", "archived": "archived", "skipped": "skipped", "differ": "known_to_differ",
}  # fmt: skip
"""The columns of the table, by what they show."""

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

FIGURES = """
select count(*) filter (where archived_at is null) as items,
       count(*) filter (where archived_at is not null) as archived,
       count(*) filter (where archived_at is null and sync_status not in ('synced', 'disabled')) as waiting,
       max(synced_at) as changed_at
from sync_mapping
where entity_type = %s and monday_id is not null
"""


def status_of(db: Database, entities: Sequence[tuple[Mapping, str]]) -> dict[str, Any]:
    """Returns the state of each entity, given with its board's id, and what waits to be looked at."""
    with db.transaction(read_only=True, snapshot=True) as tx:
        known = [
            {"entity": mapping.entity, "board_id": board_id, **_entity(tx, mapping.entity, mapping.entity_type)}
            for mapping, board_id in entities
        ]
        events = inbox.depth(tx, [board_id for _, board_id in entities])[0]
        waiting = {"inbox": events, "outbox": tx.value("select count(*) from sync_outbox")}
    return {"entities": known, **waiting}


def _entity(tx: Transaction, entity: str, entity_type: str) -> dict[str, Any]:
    links = tx.dicts(LINKS, (entity_type,))[0]
    refused = tx.dicts(REFUSED, (entity_type,))[0]
    skipped = tx.rows(SKIPPED, (DUPLICATES_SHOWN, entity_type))
    conflicts = tx.value(
        "select count(*) from sync_conflicts where entity_type = %s and status = 'open'", (entity_type,)
    )
    remembered = value_of(tx, pull_key(entity)) or {}
    return {
        **links,
        **{name: links[name] + number for name, number in refused.items()},
        "conflicts": conflicts,
        "skipped": [{"reason": reason, "items": items, "first": first or []} for reason, items, first in skipped],
        "watermark": remembered.get("watermark"),
        "swept_at": remembered.get("swept_at"),
        "last_run": _last_run(tx, entity),
    }


def _last_run(tx: Transaction, entity: str) -> dict[str, Any] | None:
    run = runs.last_of(tx, entity)
    shown = ("id", "started_at", "outcome", "api", "message")
    return run and {**{name: run[name] for name in shown}, "started_at": utc_or_none(run["started_at"])}


def figures_of(tx: Transaction, entity_type: str) -> dict[str, Any]:
    """Returns how many items of an entity are linked, archived and waiting, and when a link last changed."""
    return tx.dicts(FIGURES, (entity_type,))[0]


def count_linked(tx: Transaction, entity_type: str) -> int:
    """Counts the links of an entity that are not archived, over all boards."""
    return int(
        tx.value("select count(*) from sync_mapping where entity_type = %s and archived_at is null", (entity_type,))
    )


def count_set_aside(tx: Transaction, entity_type: str) -> int:
    """Counts the records of an entity whose changes were given up after their tries."""
    return int(
        tx.value("select count(*) from sync_mapping where entity_type = %s and sync_status = 'set_aside'", (entity_type,))
    )


def runs_of(db: Database, limit: int) -> list[dict[str, Any]]:
    """Returns the last runs, newest first."""
    with db.transaction(read_only=True) as tx:
        return [
            {
                **run,
                "started_at": utc_or_none(run["started_at"]),
                "finished_at": utc_or_none(run["finished_at"]),
                "duration_s": _seconds(run["started_at"], run["finished_at"]),
            }
            for run in runs.last(tx, limit)
        ]


def _seconds(begin: datetime, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if end else None


# Showing


def _plain(value: Any) -> Any:
    """Numbers kept as JSON come back as decimals, and are numbers again."""
    return float(value) if isinstance(value, Decimal) else str(value)


def show_status(state: dict[str, Any], as_json: bool) -> None:
    """As JSON, or a table and what needs a second look."""
    from terminal.console import say, show_table

    if as_json:
        return say(json.dumps(state, default=_plain))
    rows = [
        (one["entity"], one["board_id"], *(_number(one[name]) for name in COUNTS.values()), _last(one["last_run"]))
        for one in state["entities"]
    ]
    show_table("", ("entity", "board", *COUNTS, "last run (UTC)"), rows, COUNTS)
    for one in state["entities"]:
        for line in _notes(one):
            say(f"{one['entity']}: {line}")
    say(f"Waiting: {counted(state['inbox'])} events from monday.com, {counted(state['outbox'])} changes in PostgreSQL.")


def _number(count: Any) -> int:
    return sum(skip["items"] for skip in count) if isinstance(count, list) else int(count)


def _notes(one: dict[str, Any]) -> Iterator[str]:
    """What the table does not tell."""
    for skip in one["skipped"]:
        more = ", ..." if skip["items"] > len(skip["first"]) else ""
        items = f": items {', '.join(skip['first'])}{more}" if skip["first"] else ""
        yield f"{counted(skip['items'])} left out, {skip['reason']}{items}"
    if refused := one["errors"] + one["set_aside"]:
        yield f"{plural(refused, 'record')} refused: python main.py retry list"
    if one["known_to_differ"]:
        yield f"{plural(one['known_to_differ'], 'item')} known to differ from a row (shared with others, or given up)."
    cost = f"; {_cost_line(one['last_run']['api'])}" if one["last_run"] else ""
    read = one["watermark"] if (one["watermark"] or EPOCH) > EPOCH else "nothing yet"
    yield f"read up to {read}{cost}."


def _last(run: dict[str, Any] | None) -> str:
    return f"{run['started_at'][:16].replace('T', ' ')} {run['outcome']}" if run else "never"


def _cost_line(api: dict[str, Any]) -> str:
    calls, retries, waited = int(api.get("calls", 0)), int(api.get("retries", 0)), api.get("waited_s") or 0
    more = f", {counted(retries)} repeated" * bool(retries) + (f", {duration(waited)} waited" if waited >= 1 else "")
    return f"the last run made {counted(calls)} calls{more}"


def show_runs(runs: list[dict[str, Any]], as_json: bool) -> None:
    """As JSON, or a table."""
    from terminal.console import say, show_table

    if as_json:
        return say(json.dumps({"runs": runs}, default=_plain))
    if not runs:
        return say("There was no run yet.")
    numbers = ("calls", "retries", "waited", "complexity", "pages", "MB")
    headings = ("started (UTC)", "took", "direction", "outcome", "exit", "changes", *numbers, "what went wrong")
    rows = [
        (run["started_at"].replace("T", " ").rstrip("Z"),
         duration(run["duration_s"]) if run["duration_s"] is not None else "not ended", run["direction"],
         run["outcome"], run["exit_code"], _changes(run["entities"]), *_costs(run["api"]), run["message"] or "")
        for run in runs
    ]  # fmt: skip
    show_table("", headings, rows, ("took", "exit", "changes", *numbers))


def _costs(api: dict[str, Any]) -> tuple[Any, ...]:
    by_cause = api.get("retries_by_cause") or {}
    causes = f" ({', '.join(f'{cause} {number}' for cause, number in by_cause.items())})" if by_cause else ""
    waited = api.get("waited_s") or 0
    return (
        int(api.get("calls", 0)), f"{counted(int(api.get('retries', 0)))}{causes}", duration(waited) if waited else "-",
        int(api.get("complexity", 0)), int(api.get("pages", 0)), round(api.get("bytes_received", 0) / 1e6),
    )  # fmt: skip


def _changes(entities: list[dict[str, Any]]) -> int:
    sides = [one.get(side) or {} for one in entities for side in ("to_postgres", "to_monday")]
    return sum(int(number) for side in sides for number in side.values())
