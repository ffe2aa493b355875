"""Checks the work itself: runs, queues, what was set aside or held, the last listing, and the size of what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial

from errors import EXIT_GUARD
from state import inbox
from state.findings import last_proofs
from state.overview import status_of
from state.pauses import pauses
from state.runs import last_of
from state.values import pull_key, value_of, watermark
from sync.cycle import TO_POSTGRES
from sync.operating.check import Check, Seen, fault, note, ok, warning
from sync.operating.examined import Examined
from timing import duration
from values.wording import counted, minute_text, plural

GROUP = "at work"
STUCK_S = 300.0
"""How long an event or a change may wait where a daemon runs."""
STUCK_BETWEEN_RUNS_S = 86_400.0
HELD_TOO_LONG_DAYS = 7
SWEEP_DAYS = 2
PROOF_DAYS = 30
MANY_LOGS = 1_000_000
DAEMON_LATELY_S = 300.0
DEAD_AFTER_S, DEAD_WITHOUT_HEARTBEAT_S = 30, 86_400

DEAD_RUNS = """
select started_at, kind, direction
from sync_runs as r
where finished_at is null
  and case
      when to_jsonb(r) ->> 'heartbeat_at' is not null
          then (to_jsonb(r) ->> 'heartbeat_at')::timestamptz < now() - %s * interval '1 second'
      -- of a version without heartbeats
      else started_at < now() - %s * interval '1 second'
  end
order by started_at
"""
OUTBOX = """
select entity_type, count(*), extract(epoch from clock_timestamp() - min(changed_at))::float8
from sync_outbox
group by entity_type
order by entity_type
"""
HELD = """
select entity_type, count(*), min(created_at)
from sync_conflicts
where status = 'open' and created_at < now() - %s * interval '1 day'
group by entity_type
order by entity_type
"""
DAEMON_LATELY = """
select count(*)
from sync_state
where name like 'daemon:%%' and updated_at > now() - %s * interval '1 second'
"""
DIFFERENCES = """
select entity_type, count(*)
from sync_findings
where status = 'open' and class in ('*', '<', '>', '!')
group by entity_type
"""
LOGS = """
select pg_total_relation_size('sync_logs') + pg_total_relation_size('sync_runs'),
       (select greatest(reltuples, 0)::bigint from pg_class where oid = 'sync_logs'::regclass)
"""


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of what runs have done and left."""
    looks = {
        "work.dead_runs": _dead_runs,
        "work.last_run": _last_runs,
        "work.paused": _paused,
        "work.queues": _queues,
        "work.set_aside": _set_aside,
        "work.held": _held,
        "work.sweep": _sweep,
        "work.verify": _proofs,
        "work.logs": _logs,
    }
    return [Check(slug, GROUP, partial(look, examined), ("pg.schema",)) for slug, look in looks.items()]


def _dead_runs(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        found = tx.rows(DEAD_RUNS, (DEAD_AFTER_S, DEAD_WITHOUT_HEARTBEAT_S))
    if found:
        run = f"{plural(len(found), 'run')}, the first of {minute_text(found[0][0])}, never ended"
        yield warning(f"{run}, and no process works on it.", "python main.py runs --close-dead")
    else:
        yield ok("no dead run")


def _last_runs(examined: Examined) -> Iterator[Seen]:
    """Says how the last run of each entity ended: a guard that stopped it waits for a decision."""
    chosen = examined.with_boards()
    with examined.database().transaction(read_only=True) as tx:
        runs = [(mapping.entity, last_of(tx, mapping.entity)) for mapping, _ in chosen]
    bad = False
    directions = {mapping.entity: mapping.direction.replace("_", "-") for mapping, _ in chosen}
    for entity, run in runs:
        if run is None or run["outcome"] not in ("guarded", "failed"):
            continue
        bad = True
        told = f"The last run of {entity} ({minute_text(run['started_at'])}) {ENDED[run['outcome']]}: {run['message']}"
        again = f"python main.py {directions[entity]} --entity {entity}"
        if run["outcome"] == "guarded":
            remedy = f"Look at what would be removed; if that is meant: {again} --allow-mass-delete"
            yield fault(told, remedy, entity, EXIT_GUARD)
        else:
            yield warning(told, again, entity)
    if not bad:
        ran = [run["started_at"] for _, run in runs if run]
        yield ok(f"last run {minute_text(max(ran))}" if ran else "no run yet")


ENDED = {"guarded": "was stopped by a guard", "failed": "failed"}


def _paused(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        found = pauses(tx)
    for entity, paused in found.items():
        yield note(f"{paused.sentence} What comes for it waits.", paused.hint, entity)
    if not found:
        yield ok("no entity is paused")


def _queues(examined: Examined) -> Iterator[Seen]:
    """Says what waits for too long; what comes for an entity that is paused may wait."""
    with examined.database().transaction(read_only=True) as tx:
        paused = pauses(tx)
        chosen = [pair for pair in examined.with_boards() if pair[0].entity not in paused]
        events, oldest_s, given_up = inbox.depth(tx, [board_id for _, board_id in chosen])
        types = {mapping.entity_type for mapping, _ in examined.with_boards() if mapping.entity in paused}
        changes = [row for row in tx.rows(OUTBOX) if row[0] not in types]
        lives = bool(tx.value(DAEMON_LATELY, (DAEMON_LATELY_S,)))
    longest = STUCK_S if lives else STUCK_BETWEEN_RUNS_S
    stuck = False
    if events and oldest_s > longest:
        stuck = True
        yield warning(
            f"{plural(events, 'event')} of monday.com wait, the oldest for {duration(oldest_s)}.",
            "python main.py webhook",
        )
    for entity_type, number, age_s in changes:
        if age_s > longest:
            stuck = True
            told = f"{plural(number, 'change')} of {entity_type} in PostgreSQL wait, the oldest for {duration(age_s)}."
            yield warning(told, "python main.py bidirectional", entity_type)
    if given_up:
        yield warning(f"{plural(given_up, 'event')} of monday.com were given up.", "python main.py retry now")
    if not stuck and not given_up:
        waiting = sum(number for _, number, _ in changes)
        yield ok(f"{plural(events, 'event')} and {plural(waiting, 'change')} wait")


def _set_aside(examined: Examined) -> Iterator[Seen]:
    entities = status_of(examined.database(), examined.with_boards())["entities"]
    found = {entity["entity"]: entity["set_aside"] for entity in entities if entity["set_aside"]}
    for entity, number in found.items():
        told = f"{plural(number, 'record')} of {entity} were given up after several tries."
        remedy = (
            f"python main.py retry list --entity {entity} shows why; then: python main.py retry now --entity {entity}"
        )
        yield warning(told, remedy, entity)
    if not found:
        yield ok("nothing set aside")


def _held(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        found = tx.rows(HELD, (HELD_TOO_LONG_DAYS,))
    for entity_type, number, since in found:
        told = (
            f"{plural(number, 'conflict')} of {entity_type} wait for a decision, the oldest since {minute_text(since)}."
        )
        yield warning(told, "python main.py conflicts list", entity_type)
    if not found:
        yield ok(f"no conflict is held for more than {HELD_TOO_LONG_DAYS} days")


def _sweep(examined: Examined) -> Iterator[Seen]:
    """Says how long ago all ids of a board were listed: until then, removed items are not noticed."""
    latest = datetime.now(timezone.utc) - timedelta(days=SWEEP_DAYS)
    late = False
    with examined.database().transaction(read_only=True) as tx:
        chosen = [mapping for mapping, _ in examined.with_boards() if mapping.direction in TO_POSTGRES]
        remembered = [(mapping, value_of(tx, pull_key(mapping.entity)) or {}) for mapping in chosen]
    for mapping, state in remembered:
        entity, direction = mapping.entity, mapping.direction.replace("_", "-")
        swept = watermark(state.get("swept_at"))
        if state and (swept is None or swept < latest):
            late = True
            told = f"All items of {entity} were last listed {minute_text(swept) if swept else 'never'}"
            remedy = f"python main.py {direction} --entity {entity} --full"
            yield note(f"{told}: removed items are not noticed before.", remedy, entity)
    if not late:
        yield ok("all ids listed lately" if any(state for _, state in remembered) else "nothing listed yet")


def _proofs(examined: Examined) -> Iterator[Seen]:
    """Says what the last proof of each entity has found, and which entities were not proved for long."""
    oldest = datetime.now(timezone.utc) - timedelta(days=PROOF_DAYS)
    with examined.database().transaction(read_only=True) as tx:
        proofs = last_proofs(tx)
        different: dict[str, int] = dict(tx.rows(DIFFERENCES))
    chosen = [mapping for mapping, _ in examined.with_boards()]
    said = False
    for mapping in chosen:
        proof, command = proofs.get(mapping.entity_type), f"python main.py verify --entity {mapping.entity}"
        if number := different.get(mapping.entity_type):
            said = True
            told = f"{plural(number, 'difference')} of {mapping.entity} that a proof has found, not mended."
            yield warning(told, f"{command}  lists them again, each with what mends it", mapping.entity)
        elif proof and proof["started_at"] < oldest:
            said = True
            yield note(f"{mapping.entity} was last proved {minute_text(proof['started_at'])}.", command, mapping.entity)
    if not said:
        at = [proof["finished_at"] for mapping in chosen if (proof := proofs.get(mapping.entity_type))]
        yield ok(f"last proof {minute_text(max(at))}" if at else "no proof yet")


def _logs(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        size, rows = tx.rows(LOGS)[0]
    told = f"logs and runs take {size / 1e6:,.0f} MB"
    if rows > MANY_LOGS:
        yield note(f"{told}, about {counted(rows)} rows.", "python main.py prune", "sync_logs")
    else:
        yield ok(told)
