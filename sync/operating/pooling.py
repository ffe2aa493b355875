"""Finds out what stands between the tool and PostgreSQL: a pooler in transaction mode takes connections away."""

from __future__ import annotations

import uuid
from enum import Enum

from databases.postgres.names import compose, identifier, literal
from db_connector import Database

HEARD_WITHIN_S = 1.0


class Pooled(Enum):
    """Says what becomes of a connection between two statements."""

    NO = "it stays"
    CHANGES = "another takes its place"
    DEAF = "it stays, and hears no notification"


def pooled(db: Database) -> Pooled:
    """Takes a transaction on a second connection between two statements of the first: a pooler then has to give another."""
    with db.autocommit() as first:
        before = first.value("select pg_backend_pid()")
        with db.transaction(read_only=True) as second:
            second.value("select pg_backend_pid()")
            after = first.value("select pg_backend_pid()")
    if before != after:
        return Pooled.CHANGES
    return Pooled.NO if _hears(db) else Pooled.DEAF


def _hears(db: Database) -> bool:
    channel, word = f"monday_sync_{uuid.uuid4().hex}", uuid.uuid4().hex
    heard = db.listen(channel, HEARD_WITHIN_S)
    next(heard)
    notify = compose("notify {channel}, {word}", channel=identifier(channel), word=literal(word))
    with db.autocommit() as session:
        session.execute(notify)
    found = next(heard) == word
    heard.close()  # type: ignore[attr-defined]
    return found
