"""Gathers what the tool remembers of one entity on one board, a part for each table."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from db_connector import Transaction
from state.conflicts import Conflicts
from state.intents import Intents
from state.links import Links
from state.listings import Listings
from state.log import Log
from state.sending import Sending
from state.skipped import Skipped
from state.waiting import Waiting


class EntityState(Struct, frozen=True, dict=True):
    """Holds the memory of one entity: `state.links.find(tx, ...)`, `state.waiting.due(tx)`. Logs carry the run's id."""

    entity_type: str
    board_id: str
    run_id: str | None = None

    def none_known(self, tx: Transaction) -> bool:
        """Returns whether no item of the entity has a link or is skipped, on any board."""
        return not tx.value(
            """
            select exists (select from sync_mapping where entity_type = %(type)s and monday_id is not null)
                or exists (select from sync_skipped where entity_type = %(type)s)
            """,
            {"type": self.entity_type},
        )

    @cached_property
    def links(self) -> Links:
        """Gives the links of items and rows."""
        return Links(self.entity_type, self.board_id)

    @cached_property
    def sending(self) -> Sending:
        """Gives what is being sent to items."""
        return Sending(self.entity_type)

    @cached_property
    def waiting(self) -> Waiting:
        """Gives what is tried again, and what is set aside."""
        return Waiting(self.entity_type, self.board_id)

    @cached_property
    def skipped(self) -> Skipped:
        """Gives the items that are skipped."""
        return Skipped(self.entity_type, self.board_id)

    @cached_property
    def conflicts(self) -> Conflicts:
        """Gives what both sides changed, and which side won."""
        return Conflicts(self.entity_type, self.run_id)

    @cached_property
    def intents(self) -> Intents:
        """Gives the items that are being created."""
        return Intents(self.entity_type, self.board_id)

    @cached_property
    def listings(self) -> Listings:
        """Gives the ids that a sweep has seen."""
        return Listings(self.entity_type, self.board_id)

    @cached_property
    def log(self) -> Log:
        """Gives the log of what was done."""
        return Log(self.entity_type, self.run_id)
