"""Remembers that monday.com does not answer: `sync_outages`. All processes know it, and one task at a time tries again.

A single failure may be about one board. Only several without a good answer between them hold up other tasks.
"""

from __future__ import annotations

import time

from db_connector import Database

HELD_UP_FROM = 3
"""So many failures in a row are an outage."""
AGAIN_S = 20.0
LOOK_EVERY_S = 2.0
"""A process asks the database this often."""

NOTE = """
insert into sync_outages as o (address, until)
values (%s, now() + make_interval(secs => %s))
on conflict (address) do update set failures = o.failures + 1, until = excluded.until
"""
TRY_AGAIN = """
update sync_outages
set until = now() + make_interval(secs => %s)
where address = %s and failures >= %s and until <= now()
"""
STATE = "select failures, extract(epoch from until - now())::float8 from sync_outages where address = %s"


class Outages:
    """Says how long tasks have to wait for an address. It is used by one thread."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._looked: dict[str, tuple[float, bool]] = {}
        self._none_at = float("-inf")
        """When there was no outage at all."""

    def heard(self, any_known: bool) -> None:
        """Takes over whether there is any outage, where another statement has asked that: it need not be asked again."""
        self._none_at = float("-inf") if any_known else time.monotonic()

    def wait_s(self, address: str) -> float:
        """Returns for how many seconds nothing is to be asked there: 0 while it answers, and for who tries again."""
        at, failing = self._looked.get(address, (0.0, False))
        if not failing and time.monotonic() - max(at, self._none_at) < LOOK_EVERY_S:
            return 0.0
        with self._db.transaction() as tx:
            row = tx.row(STATE, (address,))
            self._looked[address] = time.monotonic(), row is not None
            if row is None or row[0] < HELD_UP_FROM:
                return 0.0
            if tx.execute(TRY_AGAIN, (AGAIN_S, address, HELD_UP_FROM)):
                return 0.0  # this task tries
            return max(1.0, row[1])

    def failed(self, address: str) -> None:
        """Notes that no good answer came."""
        with self._db.transaction() as tx:
            tx.execute(NOTE, (address, AGAIN_S))
        self._looked.pop(address, None)
        self.heard(any_known=True)

    def answered(self, address: str) -> None:
        """Notes a good answer. It costs nothing while there was no failure."""
        if self._looked.get(address, (0.0, False))[1]:
            with self._db.transaction() as tx:
                tx.execute("delete from sync_outages where address = %s", (address,))
            self._looked.pop(address, None)
