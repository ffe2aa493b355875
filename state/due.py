"""Keeps what is due of each account: `sync_due`. All times are the control database's, so that clocks may differ.

A row says that an entity has work, never what: whoever works on it finds that out. So a message about it may be lost,
repeated or late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from db_connector import Database
from state.accounts import COLUMNS, Account

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
insert into sync_due (account, entity, task, due_at, sweep, marks, sent_at)
select new.account, new.entity, new.task, now(), %(sweep)s, 1, now()
from {rows}
join sync_accounts as a on a.name = new.account
on conflict (account, entity, task) do update
set sweep = sync_due.sweep or excluded.sweep, marks = sync_due.marks + 1,
    -- what failed waits for its time, unless a user asks
    due_at = case
        when %(patient)s and sync_due.message is not null then sync_due.due_at
        else least(sync_due.due_at, excluded.due_at)
    end,
    -- while a message is on its way, or a process at work, no other is needed: the end of the work sends the next
    sent_at = case
        when %(patient)s and sync_due.message is not null and sync_due.due_at > now() then sync_due.sent_at
        when sync_due.sent_at > now() - make_interval(secs => %(again)s) then sync_due.sent_at
        else now()
    end
returning account, entity, task, sent_at = now()
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
BEGIN = f"""
update sync_due as d
set starts = starts + 1, sent_at = now()
from (select {COLUMNS} from sync_accounts where name = %(account)s and paused_at is null) as a
where d.account = %(account)s and d.entity = %(entity)s and d.task = %(task)s and d.due_at <= now()
returning d.marks, d.sweep, d.starts, extract(epoch from clock_timestamp() - d.due_at)::float8,
    exists (select from sync_outages), a.*
"""
END = """
update sync_due
set starts = 0, message = %(message)s, sweep = sweep and (marks <> %(marks)s or not %(swept)s),
    sent_at = case when (marks <> %(marks)s or %(in_s)s::float8 <= 0) and %(message)s::text is null then now() end,
    due_at = case
        when marks <> %(marks)s and %(message)s::text is null then now()
        when %(in_s)s::float8 is null then 'infinity'
        else now() + make_interval(secs => %(in_s)s)
    end
where account = %(account)s and entity = %(entity)s and task = %(task)s
returning sent_at is not null
"""
NOT_SENT = """
update sync_due as d
set sent_at = null
from {rows}
where (d.account, d.entity, d.task) = (new.account, new.entity, new.task)
"""
PUT_ASIDE = """
update sync_due
set sent_at = null, message = %(message)s, due_at = now() + make_interval(secs => %(in_s)s)
where account = %(account)s and entity = %(entity)s and task = %(task)s
"""
WILL_RUN = """
select exists (
    select from sync_due
    where account = %s and entity = any(%s) and task = %s and due_at <= now() and message is null
)
"""
KEYS = {"account": "text", "entity": "text", "task": "text"}


class Due(Struct, frozen=True):
    """Names work: an account, an entity (empty for the account as a whole), and a kind of task."""

    account: str
    entity: str
    task: str


class Begun(Struct, frozen=True):
    """Holds how a piece of work stood when it was begun."""

    marks: int
    sweep: bool
    starts: int
    late_s: float
    """For how long it had been due."""
    outages: bool
    """Whether any address is known that does not answer."""
    account: Account


class DueWork:
    """Reads and writes what is due."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def mark(self, work: Iterable[Due], *, sweep: bool = False, patient: bool = False) -> list[Due]:
        """Notes that there is work now, and returns that of which a message has to be sent. It is noted as sent.

        `patient`: what has failed is tried again at its time only. Accounts that are gone are left out.
        """
        values = {"sweep": sweep, "patient": patient, "again": SEND_AGAIN_S}
        with self._db.transaction() as tx:
            return [Due(*row[:3]) for row in tx.bulk(MARK, KEYS, _rows(work), values) if row[3]]

    def not_sent(self, work: Iterable[Due]) -> None:
        """Notes that no message could be sent."""
        with self._db.transaction() as tx:
            tx.bulk(NOT_SENT, KEYS, _rows(work))

    def take(self, most: int = 1000, again_s: float = SEND_AGAIN_S) -> list[tuple[Due, int]]:
        """Returns what is due and not on its way, with the starts that had no end; notes that a message is sent now."""
        with self._db.transaction() as tx:
            return [(Due(*row[:3]), row[3]) for row in tx.rows(TAKE, {"most": most, "again": again_s})]

    def begin(self, due: Due) -> Begun | None:
        """Notes that work begins. None: it is not due any more, or its account is gone or paused."""
        with self._db.transaction() as tx:
            row = tx.row(BEGIN, asdict(due))
        if row is None:
            return None
        marks, sweep, starts, late_s, outages, *account = row
        return Begun(marks, sweep, starts, late_s, outages, Account(*account))

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

        What failed, with a message, waits all the same. A sweep that was not `done` is asked for still. Returns whether
        a message has to be sent; it is noted as sent.
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

    def will_run(self, account: str, entities: Sequence[str]) -> bool:
        """Returns whether a run of one of these entities is due, and has not failed."""
        with self._db.transaction(read_only=True) as tx:
            return bool(tx.value(WILL_RUN, (account, list(entities), RUN)))

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


def _rows(work: Iterable[Due]) -> list[tuple[str, str, str]]:
    return sorted({(due.account, due.entity, due.task) for due in work})
