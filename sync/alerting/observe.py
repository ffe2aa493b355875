"""Looks at all that is judged: runs, queues, records, the budget, the daemon, the channels. It asks PostgreSQL alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from db_connector import Transaction
from state import alerts
from state.pauses import pauses
from state.runs import DIED, calls_today
from state.values import daemon_key, drift_key, value_of, watermark
from state.waiting import TRIES
from sync.alerting import observe_runs
from sync.alerting.judge import Seen
from sync.alerting.observe_runs import Lately
from sync.alerting.reasons import DOCTOR
from sync.alerting.rules import Rules
from timing import duration
from values.wording import counted, minute_text, plural

ERRORS_OF, ERRORS_LOOKED_AT, ERRORS_AT_LEAST = 200, 5_000, 20

SUBJECTS = ("runs", "queue", "budget", "daemon")
"""What is judged beside entities and channels."""

INBOX = """
select count(*), min(received_at)
from sync_inbox
where done_at is null and next_try_at is distinct from 'infinity' and monday_board_id = any(%s)
"""
OUTBOX = """
select entity_type, count(*), min(changed_at)
from sync_outbox
where entity_type = any(%s)
group by entity_type
"""
SET_ASIDE = f"""
select entity_type, sum(n)::bigint
from (
    select entity_type, count(*) as n
    from sync_mapping
    where entity_type = any(%(types)s) and sync_status = 'set_aside' and archived_at is null
    group by entity_type
    union all
    -- items that never became rows
    select entity_type, count(*)
    from sync_skipped
    where entity_type = any(%(types)s) and reason like 'error: %%' and next_try_at is null
    group by entity_type
    union all
    -- rows of queries, which are tried again until they are written
    select 'query:' || sync_name, count(*)
    from sync_records
    where 'query:' || sync_name = any(%(types)s) and attempts >= {TRIES}
    group by sync_name
) as given_up
group by entity_type
"""
HELD = """
select entity_type, count(*), min(created_at)
from sync_conflicts
where status = 'open' and entity_type = any(%(types)s) and created_at < now() - make_interval(secs => %(limit)s)
group by entity_type
"""
ERRORS = f"""
with lately as (
    select entity_type, status, created_at, seq
    from sync_logs
    where created_at > now() - interval '1 day'
    order by created_at desc
    limit {ERRORS_LOOKED_AT}
),
numbered as (
    select entity_type, status,
           row_number() over (partition by entity_type order by created_at desc, seq desc nulls last) as n
    from lately
)
select entity_type, count(*), count(*) filter (where status = 'error')
from numbered
where n <= {ERRORS_OF}
group by entity_type
"""
DIFFERENCES = """
select entity_type, count(*), min(found_at)
from sync_findings
where status = 'open' and entity_type = any(%s)
group by entity_type
"""
DAEMONS = f"""
select min(started_at) filter (where finished_at is null and not ({DIED})) as lives_since,
       max(coalesce(finished_at, heartbeat_at, started_at)) as last,
       (array_agg(finished_at is null order by started_at desc))[1] as died
from sync_runs
where kind = 'live' and started_at > now() - interval '7 days'
"""


class Entity(Struct, frozen=True):
    """Names what is kept equal."""

    name: str
    entity_type: str
    board_id: str
    gives_up: bool = True
    """False: what is refused is tried again until it is written."""


class Look(Struct, frozen=True):
    """Holds what one look needs: the transaction, what there is, the rules, and the time of PostgreSQL."""

    tx: Transaction
    entities: Sequence[Entity]
    rules: Rules
    daily_calls: int | None
    now: datetime
    daemon_since: datetime | None = None
    """Since when the daemon runs that looks; None: another process looks."""

    @property
    def types(self) -> list[str]:
        """Returns the types of the entities."""
        return [entity.entity_type for entity in self.entities]

    def limit(self, rule: str) -> float:
        """Returns the limit of a rule."""
        return self.rules[rule].limit or 0.0

    def by_type(self, statement: str, params: Any) -> dict[str, tuple[Any, ...]]:
        """Returns the rows of a statement by their first column, the type of an entity."""
        return {row[0]: row[1:] for row in self.tx.rows(statement, params)}


def observed(look: Look) -> list[Seen]:
    """Returns how each subject is by each rule that is on; also those that are fine. What is paused may wait."""
    paused = pauses(look.tx)
    look = replace(look, entities=[entity for entity in look.entities if entity.name not in paused])
    lately = observe_runs.lately(look.tx)
    alive = {entity.name: _daemon_at(look, entity) for entity in look.entities}
    alive_at = {name: at for name, at in alive.items() if at is not None}
    names = [entity.name for entity in look.entities]
    found = list(observe_runs.of_runs(lately, names, alive_at, look.rules, look.now))
    found += [observe_runs.of_dead(look.tx), _daemon(look, alive_at), _calls(look, lately), _queue(look, lately)]
    for observe in (_set_aside, _held, _errors, _differences, _drift, _channels):
        found += observe(look)
    return [seen for seen in found if look.rules[seen.rule].on]


def _daemon_at(look: Look, entity: Entity) -> datetime | None:
    return watermark(value_of(look.tx, daemon_key(entity.name)))


# Work


def _daemon(look: Look, alive: dict[str, datetime]) -> Seen:
    """Says whether a daemon that ran has fallen silent. One that was ended in the usual way has not."""
    limit_s = look.limit("daemon")
    lives_since, last, died = look.tx.rows(DAEMONS)[0]
    lives_since = lives_since or look.daemon_since
    seen = partial(Seen, "daemon", "daemon", command="python main.py webhook")
    if lives_since is None and died and (look.now - last).total_seconds() > limit_s:
        return seen(True, f"A daemon ended without a word at {minute_text(last)}.", last)
    # one that has just begun catches up first
    if lives_since is not None and (look.now - lives_since).total_seconds() <= limit_s:
        return seen()
    stale = {name: at for name, at in alive.items() if (look.now - at).total_seconds() > limit_s}
    ended = lives_since is None and last is not None and not died
    silent = {name: at for name, at in stale.items() if not (ended and at <= last)}
    if silent:
        first = min(silent.values())
        return seen(True, f"Events of {', '.join(sorted(silent))} were last taken at {minute_text(first)}.", first)
    return seen()


def _queue(look: Look, lately: Lately) -> Seen:
    """Says whether events or changes wait for longer than they may: between runs, they wait for the next."""
    limit_s = look.limit("queue")
    waiting: list[tuple[str, datetime]] = []
    events, oldest = look.tx.rows(INBOX, ([entity.board_id for entity in look.entities],))[0]
    if events and (look.now - oldest).total_seconds() > limit_s:
        waiting.append((plural(events, "event") + " of monday.com", oldest))
    changes = look.by_type(OUTBOX, (look.types,))
    for entity in look.entities:
        number, since = changes.get(entity.entity_type, (0, None))
        if number and (look.now - since).total_seconds() > max(limit_s, _until_next(look, entity, lately)):
            waiting.append((f"{plural(number, 'change')} of {entity.name}", since))
    if not waiting:
        return Seen("queue", "queue")
    first = min(since for _, since in waiting)
    age = duration((look.now - first).total_seconds())
    told = f"{' and '.join(what for what, _ in waiting)} wait, the oldest for {age}."
    return Seen("queue", "queue", True, told, first, None, False, f"{DOCTOR} work.queues")


def _until_next(look: Look, entity: Entity, lately: Lately) -> float:
    """Returns how long a change may wait where no daemon takes it."""
    at = _daemon_at(look, entity)
    if at is not None and (look.now - at).total_seconds() <= look.limit("daemon"):
        return 0.0
    return 2 * (observe_runs.period_of(lately.of(entity.name)) or 0.0)


def _calls(look: Look, lately: Lately) -> Seen:
    midnight = look.now.replace(hour=0, minute=0, second=0, microsecond=0)
    ended = any(
        run.problem == "DailyLimitReached" and run.began >= midnight for runs in lately.ran.values() for run in runs[:1]
    )
    used = calls_today(look.tx)
    share = look.daily_calls is not None and used >= look.daily_calls * look.limit("calls") / 100
    told = f"{counted(int(used))} calls to monday.com were made today, and no more may be made."
    return Seen("budget", "calls", bool(ended or share), told, passing=True, command=f"{DOCTOR} monday.budget")


# Records


def _set_aside(look: Look) -> Iterator[Seen]:
    found = look.by_type(SET_ASIDE, {"types": look.types})
    for entity in look.entities:
        (number,) = found.get(entity.entity_type, (0,))
        how = "given up after several tries" if entity.gives_up else f"refused {TRIES} times or more"
        told = f"{plural(int(number), 'record')} were {how}."
        command = f"python main.py retry list --entity {entity.name}"
        yield Seen(entity.name, "set_aside", number > look.limit("set_aside"), told, command=command)


def _held(look: Look) -> Iterator[Seen]:
    found = look.by_type(HELD, {"types": look.types, "limit": look.limit("held")})
    for entity in look.entities:
        number, since = found.get(entity.entity_type, (0, None))
        told = f"{plural(int(number), 'conflict')} wait for a decision for longer than {duration(look.limit('held'))}."
        yield Seen(entity.name, "held", bool(number), told, since, command="python main.py conflicts list")


def _errors(look: Look) -> Iterator[Seen]:
    found = look.by_type(ERRORS, None)
    for entity in look.entities:
        number, errors = found.get(entity.entity_type, (0, 0))
        bad = number >= ERRORS_AT_LEAST and errors * 100 > look.limit("errors") * number
        told = f"{counted(int(errors))} of the last {plural(int(number), 'record')} were refused."
        command = f"python main.py retry list --entity {entity.name}"
        yield Seen(entity.name, "errors", bad, told, command=command)


def _differences(look: Look) -> Iterator[Seen]:
    found = look.by_type(DIFFERENCES, (look.types,))
    for entity in look.entities:
        number, since = found.get(entity.entity_type, (0, None))
        told = f"verify found {plural(int(number), 'difference')}."
        command = f"python main.py verify --entity {entity.name}"
        yield Seen(entity.name, "differences", number > look.limit("differences"), told, since, command=command)


def _drift(look: Look) -> Iterator[Seen]:
    for entity in look.entities:
        shapes = (value_of(look.tx, drift_key(entity.name)) or {}).get("drift", [])
        waits = sum(bool(shape.get("waits")) for shape in shapes)
        told = f"{plural(waits, 'change')} of the board wait for a decision."
        command = f"python main.py boards status {entity.name}"
        yield Seen(entity.name, "drift", waits > look.limit("drift"), told, command=command)


# Channels


def _channels(look: Look) -> Iterator[Seen]:
    """Yields how each channel takes messages; what is wrong with one is told by the others."""
    for channel in alerts.channels(look.tx):
        failures = int(channel["failures"])
        told = f"It has not taken a message that was sent {plural(failures, 'time')}."
        yield Seen(
            channel["channel"],
            "channel",
            failures > 0,
            told,
            channel["failing_since"],
            failures,
            True,
            "python main.py alerts test",
        )
