"""Takes advisory locks, which PostgreSQL holds for a session, and frees them at the end of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from databases.postgres.world import WORLD
from errors import DatabaseError

KEY = f"hashtextextended('monday-sync:' || {WORLD} || ':' || %s, 0)"
"""Makes the number of a lock of its name."""
LOCK = f"select pg_advisory_lock({KEY})"
TRY_LOCK = f"select pg_try_advisory_lock({KEY})"
TRY_LOCK_IN_TRANSACTION = f"select pg_try_advisory_xact_lock({KEY})"


class Session(Protocol):
    """Runs statements on one connection."""

    def execute(self, statement: str) -> int: ...


@contextmanager
def unlocked_after(session: Session) -> Iterator[None]:
    """Frees the locks of a session at the end of the block."""
    try:
        yield
    finally:
        with suppress(DatabaseError):  # closing alone would free them only when the server notices
            session.execute("select pg_advisory_unlock_all()")
