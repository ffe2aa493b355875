"""Tells the daemons on a database that there is work which no trigger has noted."""

from __future__ import annotations

from databases.postgres.world import WORLD_NOW, channel_in
from db_connector import Transaction

RUN_NEWS = "run"
"""What the beginning and the end of a run notify: work for those who judge, and for nobody else."""


def wake(tx: Transaction, what: str) -> None:
    """Wakes all daemons once the transaction is committed."""
    tx.execute("select pg_notify(%s, %s)", (channel_in(str(tx.value(WORLD_NOW))), what))
