"""Holds what the cycle works with: the options of a run, and the parts of one batch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from datetime import datetime, timezone
from functools import cached_property

from msgspec import Struct, field

from mappings.bound import BoundMapping
from mappings.declaration import Mapping
from mappings.read_items import ItemReader
from rows.homes import Stored
from state.entity import EntityState
from state.links import Link
from sync.report import EntityReport
from sync.seals import key_of
from sync.sides import Source
from sync.task import NO_HINTS, Batch, Hints

TO_POSTGRES = ("bidirectional", "monday_to_pg")
TO_MONDAY = ("bidirectional", "pg_to_monday")
EITHER_WAY = ("bidirectional", "monday_to_pg", "pg_to_monday")


class Options(Struct, frozen=True):
    """Says how a run differs from the usual one, and which sides it may write."""

    prefer: str | None = None
    first: str | None = None
    """The rule for what differs when item and row first meet; without it that is held."""
    dry_run: bool = False
    run_started: datetime | None = None
    server_time: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    """Now, by the clock of monday.com."""
    write_postgres: bool = True
    write_monday: bool = False
    unify: bool = False


class Cycle(Struct, frozen=True, dict=True):
    """Holds the parts that one batch is looked up, decided and remembered with."""

    reader: ItemReader
    store: Source
    state: EntityState
    options: Options
    hints: Hints = NO_HINTS
    outbox: Callable[[], Map[str, datetime]] = dict
    """When root rows were changed by SQL, as the outbox has it now."""
    withheld: Map[str, str] = field(default_factory=dict)
    """For the one item of a batch: the fields that PostgreSQL refuses, with its words."""

    @cached_property
    def bound(self) -> BoundMapping:
        """Gives the mapping, held against its board."""
        return self.reader.bound

    @cached_property
    def mapping(self) -> Mapping:
        """Gives the mapping as it is declared."""
        return self.reader.bound.mapping

    @cached_property
    def seal_key(self) -> bytes:
        """Gives what decides how the cells of the board are read, as the key of seals."""
        return key_of(self.bound.board, self.mapping)

    @cached_property
    def declared_rules(self) -> dict[str, str]:
        """Gives the rules that the mapping declares for single fields."""
        return {
            name: binding.conflict for binding in self.bound.bindings if binding.conflict for name in binding.fields
        }

    def new_batch(self, read: int = 0) -> Batch:
        """Returns an empty batch."""
        return Batch(EntityReport(self.mapping.entity, self.state.board_id, read=read))


def may(directions: tuple[str, ...], link: Link | None, stored: Stored | None) -> bool:
    """Returns whether a record's own settings let a change through in any of these directions."""
    if link is not None and (not link.enabled or link.direction not in directions):
        return False
    settings = stored.settings if stored else None
    return settings is None or (settings[0] and settings[1] in directions)
