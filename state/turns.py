"""Whose turn it is to work on an entity: one process at a time, whether daemon, scheduled run or a person's.

The lock is an advisory one of PostgreSQL and goes with the connection that holds it, so nothing is left of a killed process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from db_connector import Database, Transaction

log = logging.getLogger("monday_sync")

KEY = "hashtextextended('monday-sync:' || %s, 0)"


def lock_name(entity_type: str) -> str:
    """The name under which an entity is locked."""
    return f"entity:{entity_type}"


@contextmanager
def working_on(db: Database, entity_type: str) -> Iterator[None]:
    """Wait until nobody else works on the entity; it is ours until the end of the block."""
    with db.held_lock(lock_name(entity_type), on_wait=lambda: _tell(entity_type)):
        yield


def try_turn(tx: Transaction, entity_type: str) -> bool:
    """Whether the entity is ours now, until the end of the transaction. Those who wait for it come first."""
    statement = f"select pg_try_advisory_xact_lock({KEY})"
    return bool(tx.value(statement, (lock_name(entity_type),)))


def _tell(entity_type: str) -> None:
    log.info("Waiting: another process is working on %s records.", entity_type)


def take_turn(tx: Transaction) -> None:
    """Wait until no other process of the tool writes, before this transaction looks at anything.

    What follows looks up the keys of a page. In a database that is being filled, whose statistics are old or missing,
    the planner would rather read whole tables, again for every page; it is told that a page through an index costs
    little, as it does where most of them are in memory.
    """
    tx.execute(
        "set local random_page_cost = 0.1; set local seq_page_cost = 0.1; lock table sync_turn in exclusive mode"
    )
