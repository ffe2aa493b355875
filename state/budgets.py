"""Keeps what is left of an account's budgets for all processes: `sync_budgets`, a row a budget; and `sync_slots`.

A call is taken from the rows before it is sent, so that processes do not find out by refusals what the others spent. The
smaller wins: what was taken and not yet told of is not given back by an answer that does not know of it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from db_connector import Database, Transaction
from errors import DatabaseError
from services.monday.pacing import CONCURRENT_CALLS, Told, daily_limit

WINDOW_S = 60.0
SAME_WINDOW_S = 5.0
"""Windows that end within so many seconds of each other are the same: answers come late."""
SLOT_S = 90.0
"""Longer than a call may take. The slot of a killed process is free after so long."""
SLOT_AGAIN_S = 0.2
CAUSES = {"minute": "minute", "read": "complexity", "write": "complexity"}

ROWS = """
select budget, left_over, whole, extract(epoch from until - clock_timestamp())::float8, until
from sync_budgets
where account = %s and budget = any(%s)
order by budget
for update
"""
SPEND = """
update sync_budgets
set left_over = left_over - %(cost)s
where account = %(account)s and budget = %(budget)s
"""
BEGIN_WINDOW = """
update sync_budgets
set left_over = whole, until = clock_timestamp() + make_interval(secs => %(seconds)s)
where account = %(account)s and budget = %(budget)s
"""
LEARN = """
insert into sync_budgets as b (account, budget, left_over, whole, until)
values (%(account)s, %(budget)s, %(left)s, %(whole)s, clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (account, budget) do update
set left_over = case
        when b.until > excluded.until - make_interval(secs => %(same)s)
            then least(b.left_over + %(back)s, excluded.left_over)
        else excluded.left_over
    end,
    until = greatest(b.until, excluded.until), whole = coalesce(excluded.whole, b.whole)
"""
OPEN_DAY = """
insert into sync_budgets as b (account, budget, left_over, whole, until)
values (
    %(account)s, 'day', %(share)s, %(share)s,
    (date_trunc('day', now() at time zone 'UTC') + interval '1 day') at time zone 'UTC'
)
on conflict (account, budget) do update
set left_over = case when b.until <= now() then excluded.whole else b.left_over + excluded.whole - b.whole end,
    whole = excluded.whole, until = excluded.until
where b.until <= now() or b.whole <> excluded.whole
"""
TAKE_SLOT = """
insert into sync_slots as s (account, slot, until)
select %(account)s, free.slot, clock_timestamp() + make_interval(secs => %(seconds)s)
from generate_series(1, %(most)s) as free (slot)
left join sync_slots as taken on taken.account = %(account)s and taken.slot = free.slot
where taken.until is null or taken.until <= clock_timestamp()
order by free.slot
limit 1
-- another process may have taken it just now
on conflict (account, slot) do update set until = excluded.until where s.until <= clock_timestamp()
returning slot, until
"""
FREE_SLOT = """
update sync_slots
set until = clock_timestamp()
where account = %s and slot = %s and until = %s
"""


class AccountBudget:
    """Takes calls of one account from what all its processes share. Safe to use from several threads."""

    def __init__(self, db: Database, account: str, daily_share: int | None, most: int = CONCURRENT_CALLS) -> None:
        """Takes the control database, the account's share of calls a day, and how many calls may run at once."""
        self._db, self._account, self._share, self._most = db, account, daily_share, most
        self._of_thread = threading.local()
        """A thread makes one call at a time."""

    def take(self, kind: str, cost: float) -> tuple[float, str] | None:
        """Takes one call, its cost and a slot. Otherwise returns the seconds until there may be enough, and why.

        Raises DailyLimitReached once the account's share of the day is used up.
        """
        costs = {"minute": 1.0, kind: max(cost, 1.0), **({"day": 1.0} if self._share is not None else {})}
        with self._db.transaction() as tx:
            tx.execute("set local synchronous_commit = off")
            if self._share is not None:
                tx.execute(OPEN_DAY, {"account": self._account, "share": self._share})
            rows = tx.rows(ROWS, (self._account, list(costs)))
            known = {budget for budget, _, whole, seconds, _ in rows if seconds > 0 or whole is not None}
            for budget, left, whole, seconds, until in rows:
                if budget in known and self._left(tx, budget, left, whole, seconds) < costs[budget]:
                    return self._refused(budget, seconds, until, whole is not None and whole < costs[budget])
            if not self._take_slot(tx):
                return SLOT_AGAIN_S, "concurrency"
            for budget in known:
                tx.execute(SPEND, {"account": self._account, "budget": budget, "cost": costs[budget]})
        return None

    def _take_slot(self, tx: Transaction) -> bool:
        self._free_slot(tx)  # of a call whose answer was never learnt from
        row = tx.row(TAKE_SLOT, {"account": self._account, "seconds": SLOT_S, "most": self._most})
        self._of_thread.slot = row
        return row is not None

    def _free_slot(self, tx: Transaction) -> None:
        held = getattr(self._of_thread, "slot", None)
        if held is not None:
            tx.execute(FREE_SLOT, (self._account, *held))
        self._of_thread.slot = None

    def _left(self, tx: Transaction, budget: str, left: float, whole: float | None, seconds: float) -> float:
        if seconds > 0 or whole is None:
            return left
        tx.execute(BEGIN_WINDOW, {"account": self._account, "budget": budget, "seconds": WINDOW_S})
        return whole

    @staticmethod
    def _refused(budget: str, seconds: float, until: datetime, never: bool) -> tuple[float, str] | None:
        if budget == "day":
            raise daily_limit("The daily share of calls given to the account is used up", until)
        if never:
            return None  # heavier than the whole budget: monday.com says what it makes of it
        return max(0.05, seconds), CAUSES[budget]

    def learn(self, kind: str, told: Mapping[str, Told], back: float) -> None:
        """Takes over what an answer has told, and gives back the slot, and what a call cost less than was taken for it.

        The answer counts more than the budget: it is not lost with the control database.
        """
        with suppress(DatabaseError), self._db.transaction() as tx:
            tx.execute("set local synchronous_commit = off")
            self._free_slot(tx)
            for budget, (left, seconds, whole) in sorted(told.items()):
                tx.execute(
                    LEARN,
                    {
                        **{"account": self._account, "budget": budget, "left": left, "whole": whole},
                        **{"seconds": seconds, "back": back if budget == kind else 0.0, "same": SAME_WINDOW_S},
                    },
                )
