"""Holds everything of an account and finds it. A single lock guards it all."""

from __future__ import annotations

import random
import threading
from collections import deque

from msgspec import Struct, field

from sandbox.common.clock import Clock
from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.models import Member, Solution, Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.account.switches import Switches

JOURNAL_KEPT = 50_000


class World(Struct, dict=True):
    seed: int
    clock: Clock
    account_id: str
    switches: Switches = field(default_factory=Switches)
    members: dict[str, Member] = field(default_factory=dict)
    solutions: dict[str, Solution] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._count = 0
        self._journal: deque[tuple[float, Table, str, Record | None]] = deque(maxlen=JOURNAL_KEPT)
        self._structures: deque[tuple[float, str, list[JsonObject]]] = deque(maxlen=1_000)

    def owner(self) -> Member:
        """Returns the account's first member, to whom the token belongs."""
        return next(iter(self.members.values()))

    def new_id(self) -> str:
        """Makes 24 hex digits; the first eight are the second in which the id was made."""
        self._count += 1
        return f"{int(self.clock.now()):08x}{self.random.getrandbits(40):010x}{self._count:06x}"

    def new_slug(self) -> str:
        return f"s{self.random.getrandbits(36):09x}"

    def table_of(self, record_id: str) -> Table | None:
        return next((table for table in self.tables.values() if record_id in table.records), None)

    # what a listing or a structure looked like some seconds ago

    def remember(self, table: Table, record_id: str, before: Record | None) -> None:
        """Keeps the look of a record before it changes, while listings lag; None for one that is just being made."""
        if self.switches.lag_seconds > 0:
            self._journal.append((self.clock.now(), table, record_id, before.copy() if before else None))

    def listed(self, table: Table) -> list[Record]:
        """Returns all records of a table, deleted ones too, as a listing sees them."""
        views: dict[str, Record | None] = {}
        if self.switches.lag_seconds > 0:
            horizon = self.clock.now() - self.switches.lag_seconds
            for moment, changed, record_id, view in reversed(self._journal):
                if moment <= horizon:
                    break
                if changed is table:
                    views[record_id] = view
        # nothing changed lately
        if not views:
            return list(table.records.values())
        rows = (views.get(record_id, record) for record_id, record in table.records.items())
        return [record for record in rows if record is not None]

    def lags(self) -> bool:
        return self.switches.lag_seconds > 0

    def remember_structure(self, table: Table) -> None:
        if self.switches.structure_lag_seconds > 0:
            self._structures.append((self.clock.now(), table.id, structure_of(table)))

    def structure(self, table: Table) -> list[JsonObject]:
        """Returns the fields of a table as an answer shows them; changes are seen late when the switch says so."""
        horizon = self.clock.now() - self.switches.structure_lag_seconds
        for moment, table_id, structure in self._structures:
            if table_id == table.id and moment > horizon:
                return structure
        return structure_of(table)


def structure_of(table: Table) -> list[JsonObject]:
    return [place.as_json() for place in table.fields.values() if not place.hidden]
