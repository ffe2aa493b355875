"""Keeps what is due of each account: `sync_due`. All times are the control database's, so that clocks may differ.

A row says that an entity has work, never what: whoever works on it finds that out. So a message about it may be lost,
repeated or late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from db_connector import Database

SEND_AGAIN_S = 30.0
"""After so long without a sign of life, another message is sent."""
BEAT_S = 10.0
"""Whoever works gives a sign of life this often."""
UNHEARD_S = 120.0
"""After so long without a door an account is shown as not heard: doors say each half minute that they are there."""
POISON, SET_ASIDE = 5, 8
"""From so many starts without an end on, it is worked on by the workers of long loads; and it waits between its tries."""

LIVE, RUN, LOOK = "live", "run", "look"
SYNC = "sync:"
"""How the names of syncs of queries begin, beside those of entities."""

MARK = """
insert into sync_due (account, entity, task, due_at, sweep, marks)
select new.account, new.entity, new.task, now() + make_interval(secs => %(in_s)s), %(sweep)s, 1
from {rows}
join sync_accounts as a on a.name = new.account
on conflict (account, entity, task) do update
set due_at = least(sync_due.due_at, excluded.due_at), sweep = sync_due.sweep or excluded.sweep, marks = sync_due.marks + 1
"""
TAKE = """
update sync_due as d
set sent_at = now()
from (
    select d.account, d.entity, d.task
    from sync_due as d
    join sync_accounts as a on a.name = d.account
    where d.due_at <= now() and a.paused_at is null
        and (d.sent_at is null or d.sent_at < now() - make_interval(secs => %(again)s))
    order by d.due_at
    limit %(most)s
    for update of d skip locked
) as found
where (d.account, d.entity, d.task) = (found.account, found.entity, found.task)
returning d.account, d.entity, d.task, d.starts
"""
BEGIN = """
update sync_due
set starts = starts + 1, sent_at = now()
where account = %s and entity = %s and task = %s and due_at <= now()
returning marks, sweep, starts, extract(epoch from clock_timestamp() - due_at)::float8
"""
END = """
update sync_due
set starts = 0, sent_at = null, message = %(message)s, sweep = sweep and (marks <> %(marks)s or not %(swept)s),
    due_at = case
        when marks <> %(marks)s then now()
        when %(in_s)s::float8 is null then 'infinity'
        else now() + make_interval(secs => %(in_s)s)
    end
where account = %(account)s and entity = %(entity)s and task = %(task)s
returning due_at <= now()
"""
PUT_ASIDE = """
update sync_due
set sent_at = null, message = %(message)s, due_at = now() + make_interval(secs => %(in_s)s)
where account = %(account)s and entity = %(entity)s and task = %(task)s
"""
KEYS = {"account": "text", "entity": "text", "task": "text"}


@dataclass(frozen=True, slots=True)
class Due:
    """Names work: an account, an entity (empty for the account as a whole), and a kind of task."""

    account: str
    entity: str
    task: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Holds how a piece of work stood when it was begun."""

    marks: int
    sweep: bool
    starts: int
    late_s: float
    """For how long it had been due."""


class DueWork:
    """Reads and writes what is due."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def mark(self, work: Iterable[Due], *, in_s: float = 0.0, sweep: bool = False) -> None:
        """Notes that there is work, at the latest in so many seconds. Accounts that are gone are left out."""
        rows = sorted({(due.account, due.entity, due.task) for due in work})
        with self._db.transaction() as tx:
            tx.bulk(MARK, KEYS, rows, {"in_s": in_s, "sweep": sweep})

    def take(self, most: int = 1000, again_s: float = SEND_AGAIN_S) -> list[tuple[Due, int]]:
        """Returns what is due and not on its way, with the starts that had no end; notes that a message is sent now."""
        with self._db.transaction() as tx:
            return [(Due(*row[:3]), row[3]) for row in tx.rows(TAKE, {"most": most, "again": again_s})]

    def begin(self, due: Due) -> Begun | None:
        """Notes that work begins. None: it is not due any more, or its account is gone."""
        with self._db.transaction() as tx:
            row = tx.row(BEGIN, (due.account, due.entity, due.task))
        return Begun(*row) if row else None

    def beat(self, due: Due) -> None:
        """Notes that the work goes on."""
        with self._db.transaction() as tx:
            tx.execute(
                "update sync_due set sent_at = now() where account = %s and entity = %s and task = %s",
                (due.account, due.entity, due.task),
            )

    def end(
        self, due: Due, begun: Begun, *, next_in_s: float | None, message: str | None = None, done: bool = True
    ) -> bool:
        """Notes that work has ended, and when it is due again: at once if it was asked for meanwhile, never for None.

        A sweep that was not `done` is asked for still. Returns whether it is due now.
        """
        swept = begun.sweep and done
        values = {"message": message, "marks": begun.marks, "swept": swept, "in_s": next_in_s}
        keys = {"account": due.account, "entity": due.entity, "task": due.task}
        with self._db.transaction() as tx:
            return bool(tx.value(END, {**values, **keys}))

    def put_aside(self, due: Due, wait_s: float, message: str) -> None:
        """Notes that work is not tried for a while. Its starts without an end stay as they are."""
        with self._db.transaction() as tx:
            tx.execute(PUT_ASIDE, {"in_s": wait_s, "message": message, **asdict(due)})

    def know(self, account: str, entities: Sequence[str]) -> None:
        """Notes the entities of an account: each has its runs, the first of them now. Forgets those that are gone."""
        with self._db.transaction() as tx:
            tx.execute(
                "delete from sync_due where account = %s and entity <> '' and entity <> all(%s)",
                (account, list(entities)),
            )
            tx.execute(
                """
                insert into sync_due (account, entity, task)
                select %s, entity, 'run' from unnest(%s::text[]) as entity
                on conflict do nothing
                """,
                (account, list(entities)),
            )

    def entities(self, account: str) -> list[str]:
        """Returns the entities of an account, and its syncs of queries, as a look has found them."""
        with self._db.transaction(read_only=True) as tx:
            found = tx.rows(
                "select entity from sync_due where account = %s and task = %s order by entity", (account, RUN)
            )
        return [row[0] for row in found]

    def overview(self) -> list[dict[str, object]]:
        """Returns of each account how much is due, for how many seconds the oldest, and what failed last."""
        with self._db.transaction(read_only=True) as tx:
            return tx.dicts(
                """
                select a.name as account, a.paused_at, a.paused_by, a.paused_why, a.heard_at,
                    coalesce(a.heard_at < now() - make_interval(secs => %(unheard)s), false) as unheard,
                    count(distinct d.entity) filter (where d.entity <> '') as entities,
                    count(*) filter (where d.due_at <= now()) as due,
                    coalesce(extract(epoch from now() - min(d.due_at) filter (where d.due_at <= now())), 0)::float8
                        as oldest_s,
                    max(d.starts) filter (where d.starts > 1) as starts_without_end,
                    (array_agg(d.entity || ': ' || d.message) filter (where d.message is not null))[1] as message
                from sync_accounts as a
                left join sync_due as d on d.account = a.name
                group by a.name
                order by a.name
                """,
                {"unheard": UNHEARD_S},
            )

    def oldest_s(self) -> float:
        """Returns for how many seconds the oldest work of accounts that are not paused has been due; 0 when none is."""
        with self._db.transaction(read_only=True) as tx:
            return float(
                tx.value(
                    """
                    select coalesce(extract(epoch from now() - min(d.due_at)), 0)
                    from sync_due as d
                    join sync_accounts as a on a.name = d.account
                    where d.due_at <= now() and a.paused_at is null
                    """
                )
            )
