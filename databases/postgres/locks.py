"""Takes advisory locks, which PostgreSQL holds for a session, and frees them at the end of a block."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from databases.postgres.world import WORLD
from errors import DatabaseError, DatabaseUnreachable, TurnBusy, TurnLost

KEY = f"hashtextextended('monday-sync:' || {WORLD} || ':' || %s, 0)"
"""Makes the number of a lock of its name."""
TRY_LOCK = f"select pg_try_advisory_lock({KEY})"
TRY_LOCK_IN_TRANSACTION = f"select pg_try_advisory_xact_lock({KEY})"

HOLDER = f"""
select l.pid, coalesce(nullif(a.application_name, ''), 'a program without a name'),
       to_char(coalesce(a.xact_start, a.backend_start) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
from pg_locks as l left join pg_stat_activity as a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.database = (select oid from pg_database where datname = current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = {KEY}
"""
# Always in the same order, so that no two wait for each other; a table has one number under all of its names.
TABLES = """
select pg_advisory_lock(key)
from (
    select distinct hashtextextended('monday-sync:table:' || coalesce(to_regclass(name)::oid::text, name), 0) as key
    from unnest(%s) as name
    order by key
) as keys
"""
# What follows looks up the keys of a page. In a database that is being filled, whose statistics are old or missing, the
# planner would rather read whole tables, again for every page. With these costs it uses the indexes, whose pages are
# mostly in memory.
CHEAP_INDEXES = """;
set local random_page_cost = 0.1;
set local seq_page_cost = 0.1;
"""
# It is shared with pages of other tables, and not with what takes the lock for itself.
PAGE = CHEAP_INDEXES + "lock table sync_turn in row exclusive mode"
FREE = "select pg_advisory_unlock_all()"
THEN_FREE = f"; {FREE}"
BACKEND = "select pg_backend_pid()"
# A session that holds a lock has nothing else to do, and a time-out for idle sessions is not meant for it.
TIME_OUTS = """
from pg_settings
where name in ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""
STAYS = f"select set_config(name, '0', true) {TIME_OUTS}"
SESSION_STAYS = f", (select count(set_config(name, '0', false)) {TIME_OUTS})"
"""The same among the settings with which a session begins."""
PATIENCE_S = 300.0
BETWEEN_WORDS_S = 1.0
BETWEEN_S = 0.1
"""Between two attempts: while libpq waits itself, no signal gets through."""


class Session(Protocol):
    """Runs statements on one connection."""

    def execute(self, statement: str, params: Sequence[Any] | None = None) -> int: ...
    def rows(self, statement: str, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]: ...
    def value(self, statement: str, params: Sequence[Any] | None = None) -> Any: ...


def take(session: Session, name: str, patience_s: float, on_wait: Callable[[str], None]) -> None:
    """Takes a lock once it is free. Raises TurnBusy, and says who has it, when it is not free for so long.

    `on_wait` is told at once, and again each second.
    """
    began = tells = time.monotonic()
    while not session.value(TRY_LOCK, (name,)):
        holder, now = _holder(session, name), time.monotonic()
        if now >= began + patience_s:
            raise TurnBusy(holder)
        if now >= tells:
            on_wait(holder)
            tells = now + BETWEEN_WORDS_S
        time.sleep(BETWEEN_S)


def _holder(session: Session, name: str) -> str:
    """Describes the session that has a lock."""
    for pid, program, since in session.rows(HOLDER, (name,)):
        return f"{program}, PostgreSQL's process {pid}, since {since or 'an unknown time'} UTC"
    return "a session that has just ended"


def watched(session: Session) -> Callable[[], None]:
    """Returns what raises TurnLost when the session has ended, and its locks with it."""
    backend, guard = session.value(BACKEND), threading.Lock()

    def check() -> None:
        try:
            with guard:
                now = session.value(BACKEND)
        except DatabaseUnreachable as exc:
            raise TurnLost(exc.message) from exc
        if now != backend:  # a pooler, or whatever stands between
            raise TurnLost(f"the session is another one now: {now} and not {backend}")

    return check


@contextmanager
def unlocked_after(session: Session) -> Iterator[None]:
    """Frees the locks of a session at the end of the block."""
    try:
        yield
    finally:
        with suppress(DatabaseError):  # closing alone would free them only when the server notices
            session.execute(FREE)
