"""Lists the ids of a board for a run that may be stopped after some minutes, and goes on where the last one was stopped.

Each page is noted together with the cursor. A listing that is whole is kept until a run has come to its end with it: what
follows, the items to be read again, may take longer than a run, too.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from db_connector import Transaction
from errors import CursorExpired, DatabaseError, Incomplete
from services.monday.pages import ReadOptions
from state.values import put, watermark
from sync.board import BoardSync
from sync.read_board import LISTING_TRIES, Listing, new_pass

NOTED = "listing"
"""The member of what a pull remembers."""


class KeptListing:
    """Holds a listing that may have been begun by an earlier run."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        found = sync.remembered.get(NOTED) or {}
        self._noted: dict[str, Any] = found if self._is_usable(found) else {}
        self.began: str | None = self._noted.get("started")
        """When an earlier run began it, by monday.com's clock; None for one of this run."""

    def _is_usable(self, noted: dict[str, Any]) -> bool:
        """Returns whether a listing is of this board, and went on lately."""
        # events may be lost since a listing that was made for another reason
        if not noted or noted["board"] != self.sync.board.id or (self.sync.options.sweep and not noted["sweep"]):
            return False
        with self.sync.db.transaction(read_only=True) as tx:
            return self.sync.state.listings.is_fresh(tx, noted["pass"])

    def listed(self) -> Listing:
        """Returns the whole listing, once there is one. A listing that outlives its cursor begins anew."""
        for tries_left in reversed(range(LISTING_TRIES)):
            if not self._noted:
                self._begin()
            try:
                self._read_pages()
                break
            except CursorExpired:
                self.forget()
                if not tries_left:
                    raise
            except Incomplete:
                self.forget()
                raise
        return self.up_to_date()

    def up_to_date(self) -> Listing:
        """Returns the listing. To one of an earlier run is added what was made since, and what went since is taken out."""
        listings, pass_id = self.sync.state.listings, str(self._noted["pass"])
        with self.sync.db.transaction() as tx:
            if self.began is not None:
                listings.take_over(tx, pass_id)
            return Listing(pass_id, listings.count(tx, pass_id))

    def forget(self) -> None:
        """Deletes it: the next run begins anew."""
        with suppress(DatabaseError), self.sync.db.transaction() as tx:
            self.sync.state.listings.delete(tx, str(self._noted["pass"]))
            self._note(tx, {})
        self.began = None

    def _begin(self) -> None:
        started, sweep = self.sync.destination.server_time().isoformat(), self.sync.options.sweep
        self._noted = {"pass": new_pass(), "board": self.sync.board.id, "started": started, "sweep": sweep}

    def _read_pages(self) -> None:
        if self._noted.get("whole"):
            return
        started = watermark(self._noted["started"])
        options = ReadOptions(prefetch=True, cursor=self._noted.get("cursor"), started=started)
        for page in self.sync.destination.listing(self.sync.board.id, options):
            with self.sync.db.transaction() as tx:
                self.sync.state.listings.note(tx, str(self._noted["pass"]), page.items)
                self._note(tx, {**self._noted, "cursor": page.cursor, "whole": page.cursor is None})

    def _note(self, tx: Transaction, noted: dict[str, Any]) -> None:
        self._noted = self.sync.remembered[NOTED] = noted
        if not noted:
            del self.sync.remembered[NOTED]
        put(tx, self.sync.pulled, self.sync.remembered)
