"""Looks at the runs of each entity: failures in a row, a guard, when anything last went well, runs that died."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median

from msgspec import Struct

from db_connector import Transaction
from state.runs import DIED, SYNCS
from sync.alerting import reasons
from sync.alerting.judge import Seen
from sync.alerting.rules import Rules
from timing import duration
from values.wording import minute_text, plural

LATELY = 300
"""How many of the newest runs are looked at."""
QUICK = timedelta(seconds=30)
"""A daemon repeats a comparison that failed at once: those within so long count as one."""
REGULAR_RUNS, REGULAR = 5, 1.5
"""So many runs came regularly if the longest gap is at most so much longer than the usual one."""
SHORTEST_PERIOD_S = 600.0
GUARD = "GuardStop"

RUNS = f"""
with lately as (
    select *
    from sync_runs
    where kind is distinct from 'live' and {SYNCS}
    order by started_at desc
    limit {LATELY}
)
select e.entity, r.kind, r.started_at, r.finished_at, r.period_s, e.message,
       case when {DIED} then 'died' else r.outcome end as outcome,
       e.told, e.problem
from lately as r
cross join lateral (
    select entity ->> 'entity' as entity, entity ->> 'message' as message, entity ? 'problem' as told,
           entity ->> 'problem' as problem
    from jsonb_array_elements(r.entities) as entity
    union all
    -- a run that ended without a word has told only how far it was
    select step, null, false, null
    from jsonb_object_keys(coalesce(r.progress, '{{}}')) as step
    where r.entities is null
) as e
order by r.started_at desc
"""

DEAD = f"""
select count(*), min(started_at)
from sync_runs
where finished_at is null and kind is distinct from 'live' and {DIED}
"""


class Ran(Struct, frozen=True):
    """Holds how one run went for one entity. `problem` is the kind of error; empty: unknown; None: it went well."""

    kind: str
    began: datetime
    ended: datetime | None
    period_s: int | None
    problem: str | None

    @property
    def failed(self) -> bool:
        """Returns whether it counts as a failure."""
        return self.problem is not None and reasons.reason_of(self.problem).fails


class Lately(Struct, frozen=True):
    """Holds the last runs of each entity, newest first, and the entities that a run works on now."""

    ran: dict[str, list[Ran]]
    going_on: set[str]

    def of(self, entity: str) -> list[Ran]:
        """Returns the runs of an entity."""
        return self.ran.get(entity, [])


def lately(tx: Transaction) -> Lately:
    """Returns the last runs, without those that say nothing of an entity."""
    found: dict[str, list[Ran]] = {}
    rows = tx.dicts(RUNS)
    for row in rows:
        # not begun, or not ended, or ended by a user
        if row["message"] == "not run" or row["outcome"] in ("running", "interrupted", None):
            continue
        if reasons.is_about_others(row["problem"]):
            continue
        ran = Ran(row["kind"] or "", row["started_at"], row["finished_at"], row["period_s"], _problem(row))
        found.setdefault(row["entity"], []).append(ran)
    return Lately(found, {row["entity"] for row in rows if row["outcome"] == "running"})


def _problem(row: dict[str, object]) -> str | None:
    if row["outcome"] == "died":
        return "died"
    if row["told"]:
        return str(row["problem"]) if row["problem"] is not None else None
    # of a version that did not tell which entity failed: one with a message
    if row["message"] and row["outcome"] in ("failed", "guarded"):
        return GUARD if row["outcome"] == "guarded" else ""
    return None


def of_runs(
    lately: Lately, entities: Sequence[str], alive: dict[str, datetime], rules: Rules, now: datetime
) -> Iterator[Seen]:
    """Yields how each entity is by its runs. `alive` says when a daemon last took the events of an entity."""
    for entity in entities:
        runs = lately.of(entity)
        if not runs:
            continue
        yield _failed(entity, runs)
        yield _guard(entity, runs)
        # a run that takes long is no silence
        if entity not in lately.going_on:
            yield from _stale(entity, runs, alive.get(entity), rules["stale"].limit or 0.0, now)


def _failed(entity: str, runs: Sequence[Ran]) -> Seen:
    failed: list[Ran] = []
    for run in runs:
        if not run.failed or run.problem == GUARD:
            break
        failed.append(run)
    if not failed:
        return Seen(entity, "failed")
    count = _counted(failed)
    why = reasons.DIED if failed[0].problem == "died" else reasons.reason_of(failed[0].problem or "")
    told = f"{plural(count, 'run')} in a row failed. {why.sentence}"
    return Seen(entity, "failed", True, told, failed[-1].began, count, why.passing, why.command)


def _counted(failed: Sequence[Ran]) -> int:
    count, last = 0, None
    for run in failed:
        if last is None or run.kind != "catch-up" or last - run.began >= QUICK:
            count, last = count + 1, run.began
    return count


def _guard(entity: str, runs: Sequence[Ran]) -> Seen:
    last = runs[0]
    if last.problem != GUARD:
        return Seen(entity, "guard")
    told = "A guard stopped the last run before it changed anything; it waits for your decision."
    return Seen(entity, "guard", True, told, last.began, 1, False, f"{reasons.DOCTOR} work.last_run")


def _stale(entity: str, runs: Sequence[Ran], alive: datetime | None, limit: float, now: datetime) -> Iterator[Seen]:
    period_s = period_of(runs)
    if period_s is None:
        return
    good = [run.ended for run in runs if run.problem is None and run.ended is not None]
    last = max([*good, *([alive] if alive else [])], default=runs[-1].began)
    bad = (now - last).total_seconds() > limit * period_s
    told = f"Nothing went well since {minute_text(last)}, and a run is due every {duration(period_s)}."
    yield Seen(entity, "stale", bad, told, last, None, False, reasons.DOCTOR)


def period_of(runs: Sequence[Ran]) -> float | None:
    """Returns how often a run is due: as `scheduled` said, else as the last runs came if they came regularly."""
    told = [run.period_s for run in runs[:REGULAR_RUNS] if run.period_s]
    if told:
        return float(told[0])
    begun = [run.began for run in runs[:REGULAR_RUNS]]
    gaps = [(later - earlier).total_seconds() for later, earlier in zip(begun, begun[1:])]
    if len(begun) < REGULAR_RUNS or max(gaps) > REGULAR * median(gaps):
        return None
    return max(SHORTEST_PERIOD_S, median(gaps))


def of_dead(tx: Transaction) -> Seen:
    """Returns whether there are runs whose processes ended without a word, and that are not closed."""
    number, first = tx.rows(DEAD)[0]
    told = f"{plural(int(number), 'run')} ended without a word."
    return Seen("runs", "dead", bool(number), told, first, None, False, "python main.py runs --close-dead")
