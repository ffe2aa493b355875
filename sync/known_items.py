"""Counts the items of a board that are known, once for as long as a run finds everything as it was."""

from __future__ import annotations

from typing import NamedTuple

from db_connector import Transaction
from sync.board import BoardSync


class Known(NamedTuple):
    """Counts what is known of a board's items: by active links, and as skipped without a row."""

    linked: int
    skipped: int

    @property
    def all(self) -> int:
        """Returns how many items are known."""
        return self.linked + self.skipped


class KnownItems:
    """Counts the known items of one board for one run."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self._counted: Known | None = None
        self._after = 0

    def count(self, tx: Transaction) -> Known:
        """Returns the counts; they are taken again after an item was looked at that was not just as it is known."""
        looked_at = self.sync.engine.looked_at
        if self._counted is None or looked_at != self._after:
            state = self.sync.state
            self._counted, self._after = Known(state.links.count_active(tx), state.skipped.count(tx)), looked_at
        return self._counted

    def now(self) -> Known:
        """Returns the counts, in a transaction of their own."""
        with self.sync.db.transaction(read_only=True) as tx:
            return self.count(tx)

    def forget(self) -> None:
        """Has them counted again: skipped items were forgotten."""
        self._counted = None
