"""Lets one process at a time work on an entity: the daemon, a scheduled run or a command.

The lock is an advisory lock of PostgreSQL, which ends with the connection that holds it: a killed process leaves none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from db_connector import Database, Transaction

log = logging.getLogger("monday_sync")

TAKE_TURN = """
-- What follows looks up the keys of a page. In a database that is being filled, whose statistics are old or missing,
-- the planner would rather read whole tables, again for every page. With these costs it uses the indexes, whose pages
-- are mostly in memory.
set local random_page_cost = 0.1;
set local seq_page_cost = 0.1;
lock table sync_turn in exclusive mode
"""


def lock_name(entity_type: str) -> str:
    """Returns the name under which an entity is locked."""
    return f"entity:{entity_type}"


@contextmanager
def working_on(db: Database, entity_type: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Waits until no other process works on the entity, and keeps the others waiting until the end of the block.

    While it waits it calls `on_wait` each second, which may raise.
    """
    reported = False

    def report() -> None:
        nonlocal reported
        if not reported:
            log.info("Waiting: another process is working on %s records.", entity_type)
        reported = True
        on_wait()

    with db.held_lock(lock_name(entity_type), report):
        yield


def try_turn(tx: Transaction, entity_type: str) -> bool:
    """Takes the turn until the end of the transaction, if no process has it or waits for it; returns whether it did."""
    statement = "select pg_try_advisory_xact_lock(hashtextextended('monday-sync:' || %s, 0))"
    return bool(tx.value(statement, (lock_name(entity_type),)))


def take_turn(tx: Transaction) -> None:
    """Waits until no other process of the tool writes, before this transaction looks at anything."""
    tx.execute(TAKE_TURN)
