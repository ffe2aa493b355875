"""Recognises a pooler that changes the server's session between two transactions of one connection.

Advisory locks, `listen` and `set` belong to a session of the server. Such a pooler leaves locks behind in sessions that
it has given to another client, and no client can free them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from select import select
from typing import Any

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import connection as Connection

from errors import SettingsError

TRIES = 3
PATIENCE_S = 5.0
"""How long a second session is waited for. A pooler that gives one to each connection may have no other free."""
BACKEND = "select pg_backend_pid()"


def refuse_pooler(connection: Connection, backend: int, options: Mapping[str, Any]) -> None:
    """Raises SettingsError when the session of an idle connection serves another connection too.

    `backend` is the process that has answered it. A server says at the start which process it is, a pooler makes it up:
    without a pooler nothing is asked.
    """
    if connection.info.backend_pid == backend:
        return
    try:
        other = psycopg2.connect(**options, async_=1)
    except psycopg2.Error:
        return  # what lacks a second connection says so when it needs it
    try:
        for _ in range(TRIES):
            if _in_transaction(other) == backend:
                raise _refusal()
            # the session of this connection may have been changed for a third one
            with connection.cursor() as cursor:
                cursor.execute(BACKEND)
                if cursor.fetchone() != (backend,):
                    raise _refusal()
    finally:
        other.close()


def _in_transaction(other: Connection) -> int | None:
    """Returns the process that answers another connection, which lets go of it; None when none answers in time."""
    until = time.monotonic() + PATIENCE_S
    try:
        if not _answered(other, until):
            return None
        cursor = other.cursor()
        cursor.execute(BACKEND)
        return cursor.fetchone()[0] if _answered(other, until) else None
    except psycopg2.Error:
        return None


def _answered(connection: Connection, until: float) -> bool:
    while (state := connection.poll()) != extensions.POLL_OK:
        left = until - time.monotonic()
        reading, writing = ([connection], []) if state == extensions.POLL_READ else ([], [connection])
        if left <= 0 or not any(select(reading, writing, [], left)):
            return False
    return True


def _refusal() -> SettingsError:
    return SettingsError(
        "The pooler at DATABASE_URL gives each transaction another session of PostgreSQL; locks and notifications belong"
        " to a session, and would be lost or stay behind.",
        hint="Name the server's own port in DATABASE_URL, or a pool in session mode (pgbouncer: pool_mode = session).",
    )
