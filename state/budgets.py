"""Keeps what is left of an account's budgets for all processes: `sync_budgets`, a row a budget.

A call is taken from the rows before it is sent, so that processes do not find out by refusals what the others spent. The
smaller wins: what was taken and not yet told of is not given back by an answer that does not know of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from db_connector import Database, Transaction
from services.monday.pacing import Told, daily_limit

WINDOW_S = 60.0
SAME_WINDOW_S = 5.0
"""Windows that end within so many seconds of each other are the same: answers come late."""
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


class AccountBudget:
    """Takes calls of one account from what all its processes share. Safe to use from several threads."""

    def __init__(self, db: Database, account: str, daily_share: int | None) -> None:
        self._db, self._account, self._share = db, account, daily_share

    def take(self, kind: str, cost: float) -> tuple[float, str] | None:
        """Takes one call and its cost. Otherwise returns the seconds until there may be enough, and why.

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
            for budget in known:
                tx.execute(SPEND, {"account": self._account, "budget": budget, "cost": costs[budget]})
        return None

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
        """Takes over what an answer has told, and gives back what a call cost less than was taken for it."""
        with self._db.transaction() as tx:
            tx.execute("set local synchronous_commit = off")
            for budget, (left, seconds, whole) in sorted(told.items()):
                tx.execute(
                    LEARN,
                    {
                        **{"account": self._account, "budget": budget, "left": left, "whole": whole},
                        **{"seconds": seconds, "back": back if budget == kind else 0.0, "same": SAME_WINDOW_S},
                    },
                )
