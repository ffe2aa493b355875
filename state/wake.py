"""Tells the daemons on a database that there is work which no trigger has noted."""

from __future__ import annotations

from db_connector import Transaction
from state.triggers import CHANNEL


def wake(tx: Transaction, what: str) -> None:
    """Wakes all daemons once the transaction is committed."""
    tx.execute("select pg_notify(%s, %s)", (CHANNEL, what))
