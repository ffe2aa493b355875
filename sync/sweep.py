"""Lists every id of a board once a run, and finds by it what is gone and what other ways of reading have missed."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from db_connector import Transaction
from errors import DatabaseError, GuardStop
from sync.board import BoardSync, too_many
from sync.kept_listing import KeptListing
from sync.read_board import Listing, confirmed_gone, forget_listing, list_ids, some_of

SWEEP_EVERY = timedelta(hours=24)


class Sweep:
    """Holds the listing of a run, once there is one."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.listing: Listing | None = None
        self.by_ids = False
        """Ids alone were listed: no reading of all items stands for that."""
        self._kept = KeptListing(sync) if sync.options.in_slices else None

    @property
    def goes_on(self) -> bool:
        """Returns whether an earlier run, which was stopped, has begun to list."""
        return self._kept is not None and self._kept.began is not None

    @property
    def began_earlier(self) -> str | None:
        """Returns when an earlier run began the listing of this one; None when this run did."""
        return self._kept.began if self._kept and self.by_ids else None

    @property
    def count(self) -> int | None:
        """Returns how many items were listed; None before that."""
        return self.listing.count if self.listing else None

    def list_once(self) -> Listing:
        """Returns the listing, and makes it first when there is none."""
        if self.listing is None:
            self.listing, self.by_ids = self._kept.listed() if self._kept else list_ids(self.sync), True
        return self.listing

    def renew(self) -> None:
        """Takes over what was learnt since an earlier run began to list."""
        if self._kept and self.began_earlier is not None:
            self.listing = self._kept.up_to_date()

    def adopt(self, ids: Listing) -> None:
        """Takes the ids that a whole reading has seen for the listing."""
        self.listing = ids

    def find_gone(self) -> list[str]:
        """Lists the board, and returns the linked items that are gone. Raises GuardStop, or Incomplete."""
        listing = self.list_once()
        with self.sync.db.transaction(read_only=True) as tx:
            absent = self.sync.state.listings.absent(tx, listing.pass_id)
            active = self.sync.state.links.count_active(tx)
        self._check_guard(listing, absent, active)
        absent = [item_id for item_id in absent if self.sync.options.removable(item_id)]
        return confirmed_gone(self.sync, absent, listing.count)

    def _check_guard(self, listing: Listing, absent: list[str], active: int) -> None:
        """Raises GuardStop, before anything is removed, when much is absent, or all.

        A listing that was cut short shows as such first: no flag may remove what it lacks.
        """
        sync = self.sync
        if sync.options.allow_mass_delete or not absent:
            return
        if listing.count == 0 or too_many(len(absent), active):
            confirmed_gone(sync, some_of(absent), listing.count)
            raise GuardStop(
                f"{len(absent)} of {active} {sync.mapping.entity} are missing on board {sync.board.name} ({sync.board.id});"
                " nothing of this entity was changed.",
                hint="If they really are gone, run again with --allow-mass-delete.",
            )

    def shows_all_known(self, ids: Listing) -> bool:
        """Returns whether no linked item is missing among these."""
        with self.sync.db.transaction(read_only=True) as tx:
            return not self.sync.state.listings.absent(tx, ids.pass_id)

    def stale(self) -> list[str]:
        """Returns the items that were listed with another update time than is known: copied, restored, or overlooked."""
        if self.listing is None:
            return []
        with self.sync.db.transaction(read_only=True) as tx:
            return self.sync.state.listings.stale(tx, self.listing.pass_id)

    def unread(self, read: str) -> list[str]:
        """Returns the items that were listed and are not noted as read under this name."""
        with self.sync.db.transaction(read_only=True) as tx:
            return self.sync.state.listings.unread(tx, self.list_once().pass_id, read)

    def forget_skips(self, tx: Transaction) -> bool:
        """Forgets skipped items that are not on the board any more; returns False where no listing tells."""
        if self.listing is None:
            return False
        self.sync.state.skipped.remove_unseen(tx, self.listing.pass_id)
        return True

    def close(self, stopped: bool = False) -> None:
        """Deletes the listing, unless the run was `stopped` and the next one goes on with it."""
        if self._kept and (stopped or self.listing is None):
            return
        if self._kept and self.by_ids:
            self._kept.forget()
        elif self.listing is not None:
            with suppress(DatabaseError):
                forget_listing(self.sync, self.listing.pass_id)
