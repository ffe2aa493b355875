"""Lets one process at a time work on an entity: the daemon, a scheduled run or a command.

The lock is an advisory lock of PostgreSQL, which ends with the connection that holds it: a killed process leaves none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from databases.postgres.locks import CHEAP_INDEXES, PATIENCE_S, STAYS, TRY_LOCK_IN_TRANSACTION, watched
from db_connector import Database, Transaction
from errors import TurnBusy
from mappings.declaration import Mapping

log = logging.getLogger("monday_sync")


def lock_name(entity_type: str) -> str:
    """Returns the name under which an entity is locked."""
    return f"entity:{entity_type}"


@contextmanager
def working_on(
    db: Database, entity_type: str, on_wait: Callable[[], None] = lambda: None, patience_s: float = PATIENCE_S
) -> Iterator[Database]:
    """Waits until no other process works on the entity, and keeps the others waiting until the end of the block.

    Yields the database to work with: it writes nothing more once the turn is lost. While it waits it calls `on_wait` each
    second, which may raise. Raises TurnBusy when the turn does not come in time.
    """
    reported = False

    def report(holder: str) -> None:
        nonlocal reported
        if not reported:
            log.info("Waiting: another process is working on %s records (%s).", entity_type, holder)
        reported = True
        on_wait()

    try:
        with db.held_lock(lock_name(entity_type), report, patience_s) as in_turn:
            yield in_turn
    except TurnBusy as exc:
        raise TurnBusy(exc.holder, f" on {entity_type} records") from None


def try_turn(tx: Transaction, entity_type: str) -> Callable[[], None] | None:
    """Takes the turn until the end of the transaction, if it is free. Returns what raises TurnLost once it is lost."""
    if not tx.value(TRY_LOCK_IN_TRANSACTION, (lock_name(entity_type),)):
        return None
    tx.execute(STAYS)
    return watched(tx)


def is_free(tx: Transaction, entity_type: str) -> bool:
    """Returns whether no other process works on the entity, and keeps it so until the end of the transaction."""
    return bool(tx.value(TRY_LOCK_IN_TRANSACTION, (lock_name(entity_type),)))


def take_turn(tx: Transaction) -> None:
    """Waits until no other process of the tool writes, before this transaction looks at anything."""
    tx.execute(f"{CHEAP_INDEXES}lock table sync_turn in exclusive mode")


def tables_of(mapping: Mapping) -> list[str]:
    """Returns the tables that a page of a mapping writes: pages of mappings that share none are written at once."""
    return [mapping.table, *(related.table for related in mapping.related.values())]
