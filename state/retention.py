"""Deletes what is old: rows of the log, runs, settled conflicts and findings, proofs, messages, abandoned listings.

The sums by hour stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

from msgspec import Struct

from db_connector import Database
from state import stats
from state.listings import forget_abandoned
from state.runs import DIED
from state.values import Values, watermark

AT_ONCE = 5_000
"""Rows in one transaction: no writer waits behind it for long."""
KEEP_RUNS_DAYS = 400
"""Days that all but the log is kept, or as long as the log if that is longer."""
PRUNED_KEY = "pruned"
"""When everything old was last deleted."""
EVERY = timedelta(hours=24)


class Old(Struct, frozen=True):
    """Names what is deleted of one table, and after how many days."""

    name: str
    table: str
    old: str
    """The condition under which a row may go, given the days."""


KINDS = (
    Old("log", "sync_logs", "created_at < now() - make_interval(days => %(days)s)"),
    # a run that goes on stays, whenever it began
    Old(
        "runs",
        "sync_runs",
        f"(finished_at is not null or {DIED})"
        " and coalesce(finished_at, heartbeat_at, started_at) < now() - make_interval(days => %(days)s)",
    ),
    # an open conflict waits for a user, however long
    Old(
        "conflicts",
        "sync_conflicts",
        "status <> 'open' and coalesce(resolved_at, updated_at) < now() - make_interval(days => %(days)s)",
    ),
    Old(
        "findings",
        "sync_findings",
        "status <> 'open' and coalesce(settled_at, found_at) < now() - make_interval(days => %(days)s)",
    ),
    # a finding names its proof
    Old(
        "proofs",
        "sync_proofs",
        "coalesce(finished_at, started_at) < now() - make_interval(days => %(days)s)"
        " and not exists (select from sync_findings as f where f.proof_id = sync_proofs.id)",
    ),
    # a message that waits is due soon
    Old(
        "messages",
        "sync_alert_deliveries",
        "state not in ('waiting', 'sending') and created_at < now() - make_interval(days => %(days)s)",
    ),
)


def days_of(keep_logs_days: int) -> dict[str, int]:
    """Returns how many days each kind is kept."""
    longer = max(KEEP_RUNS_DAYS, keep_logs_days)
    return {kind.name: keep_logs_days if kind.name == "log" else longer for kind in KINDS}


def count_old(db: Database, keep_logs_days: int) -> dict[str, int]:
    """Counts what a deletion would delete, by kind."""
    days = days_of(keep_logs_days)
    with db.transaction(read_only=True) as tx:
        return {
            kind.name: int(tx.value(f"select count(*) from {kind.table} where {kind.old}", {"days": days[kind.name]}))
            for kind in KINDS
        }


def prune(db: Database, keep_logs_days: int, may_go_on: Callable[[], bool] = lambda: True) -> dict[str, int]:
    """Deletes what is old, some thousand rows at a time, and returns how much, by kind.

    It ends early once `may_go_on` says no. Two processes can do it at once.
    """
    stats.count_earlier(db)
    with db.transaction() as tx:
        forget_abandoned(tx)
    gone = dict.fromkeys((kind.name for kind in KINDS), 0)
    for name, number in _batches(db, days_of(keep_logs_days)):
        gone[name] += number
        if not may_go_on():
            return gone
    Values(db).put(PRUNED_KEY, datetime.now(timezone.utc).isoformat())
    return gone


def is_due(db: Database) -> bool:
    """Returns whether a day has passed since everything old was deleted."""
    last = watermark(Values(db).get(PRUNED_KEY))
    return last is None or datetime.now(timezone.utc) - last >= EVERY


def _batches(db: Database, days: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yields kind and number of each transaction's rows, until nothing old is left."""
    for kind in KINDS:
        while True:
            with db.transaction() as tx:
                number = tx.execute(
                    f"""
                    delete from {kind.table}
                    where id in (
                        select id
                        from {kind.table}
                        where {kind.old}
                        limit {AT_ONCE}
                        for update skip locked
                    )
                    """,
                    {"days": days[kind.name]},
                )
            if not number:
                break
            yield kind.name, number
