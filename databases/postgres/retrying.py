"""Decides how often, and for how long, work that met another transaction is tried again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

from databases.postgres.failures import TransactionConflict

log = logging.getLogger("monday_sync")

LOCK_NOT_AVAILABLE = "55P03"
IN_THE_WAY = """
select pid, coalesce(nullif(application_name, ''), 'a program without a name'), state,
       to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null and backend_type = 'client backend'
order by xact_start
limit 1
"""
"""Names the oldest open transaction: the one that most likely holds what is waited for."""


def described(found: Sequence[Sequence[object]]) -> str:
    """Describes that transaction."""
    for pid, program, state, since in found:
        return f"{program}, PostgreSQL's process {pid}, {state}, since {since} UTC"
    return "one that has just ended"


class Patience:
    """Counts the tries of one piece of work. A lock that another program holds is waited for as long as `patience_s`."""

    def __init__(self, tries: int, patience_s: float, oldest: Callable[[], str]) -> None:
        """`oldest` describes the transaction that is most likely in the way."""
        self._left, self._oldest = tries, oldest
        self._until, self._told = time.monotonic() + patience_s, False

    def pause(self, exc: TransactionConflict) -> None:
        """Pauses before the next try. Raises the error when there is none."""
        if getattr(exc.__cause__, "pgcode", "") == LOCK_NOT_AVAILABLE and time.monotonic() < self._until:
            if not self._told:
                log.info("Waiting: another program's transaction is in the way (perhaps %s).", self._oldest())
            self._told = True
            return
        self._left -= 1
        if self._left <= 0:
            raise exc
        # A random pause, so that two transactions do not meet again.
        time.sleep(random.uniform(0.01, 0.05) * 2 ** min(6, 5 - min(5, self._left)))
