"""Tells which transactions have become visible since another one looked, and which of them were this process's own."""

from __future__ import annotations

import threading
from collections.abc import Collection

from msgspec import Struct, field

from databases.postgres.inserting import Inserted

MOST = 10_000
"""So many transactions are told apart; where more have ended, much was written."""


class Snapshot(Struct, frozen=True):
    """Holds what a transaction sees: all that ended before `end`, but for what was still under way."""

    end: int
    under_way: frozenset[int]

    @classmethod
    def of(cls, text: str) -> Snapshot:
        """Reads PostgreSQL's own text: `first:end:id,id`."""
        _, end, under_way = text.split(":")
        return cls(int(end), frozenset(map(int, under_way.split(","))) if under_way else frozenset())

    def since(self, before: Snapshot) -> set[int] | None:
        """Returns the transactions that this snapshot sees and an earlier one did not; None when they are too many."""
        if self.end - before.end > MOST:
            return None
        return ({*range(before.end, self.end)} | before.under_way) - self.under_way


class OwnWrites:
    """Remembers which tables of rows the last transactions of this process wrote."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tables: dict[int, frozenset[int]] = {}

    def note(self, transaction: int, tables: Collection[int] = ()) -> None:
        """Notes a transaction by its id, and the tables (by oid) of rows that it writes."""
        with self._guard:
            self._tables[transaction] = frozenset(tables)
            if len(self._tables) > MOST:
                del self._tables[next(iter(self._tables))]

    def tables(self, transaction: int) -> frozenset[int] | None:
        """Returns what a transaction wrote; None for one of which nothing is known."""
        with self._guard:
            return self._tables.get(transaction)


class Remembered(Struct, frozen=True):
    """Holds what all transactions of a process remember of one database."""

    inserted: Inserted = field(default_factory=Inserted)
    own_writes: OwnWrites = field(default_factory=OwnWrites)
