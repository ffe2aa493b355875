"""Remembers which entities are paused: `sync_state`. What comes for them meanwhile waits, and nothing is lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from msgspec import Struct

from db_connector import Database, Transaction
from state.values import PAUSED, delete, paused_key, put, value_of
from state.wake import wake
from values.parsing import iso_moment
from values.wording import minute_text, utc_or_none

BY_PREFIX = "select name, value from sync_state where starts_with(name, %s)"


class Pause(Struct, frozen=True):
    """Says since when an entity is paused, by whom, and until when; None is until it is resumed."""

    entity: str
    since: datetime
    by: str
    until: datetime | None

    @property
    def is_over(self) -> bool:
        """Returns whether its time has passed."""
        return self.until is not None and self.until <= datetime.now(timezone.utc)

    @property
    def ends_in_s(self) -> float:
        """Returns the seconds until its time has passed."""
        return max(0.0, (self.until - datetime.now(timezone.utc)).total_seconds()) if self.until else math.inf

    @property
    def sentence(self) -> str:
        """Says it for a user."""
        until = f" until {minute_text(self.until)}" if self.until else ""
        return f"{self.entity} is paused since {minute_text(self.since)} by {self.by}{until}."

    @property
    def hint(self) -> str:
        """Says how it ends."""
        return f"python main.py resume {self.entity}"

    def as_json(self) -> dict[str, Any]:
        """Returns it for JSON."""
        return {"since": utc_or_none(self.since), "by": self.by, "until": utc_or_none(self.until)}


def pause(db: Database, entity: str, by: str, until: datetime | None = None) -> Pause:
    """Pauses an entity, or gives its pause another end."""
    with db.transaction() as tx:
        before = pause_of(tx, entity)
        made = Pause(entity, before.since if before else datetime.now(timezone.utc).replace(microsecond=0), by, until)
        put(tx, paused_key(entity), made.as_json())
    return made


def resume(db: Database, entity: str) -> bool:
    """Ends a pause, and wakes who waits for it. Returns whether there was one."""
    with db.transaction() as tx:
        there = pause_of(tx, entity) is not None
        delete(tx, paused_key(entity))
        wake(tx, f"resumed {entity}")
    return there


def pause_of(tx: Transaction, entity: str) -> Pause | None:
    """Returns the pause of an entity; None while it is not paused."""
    return _pause(entity, value_of(tx, paused_key(entity)))


def pauses(tx: Transaction) -> dict[str, Pause]:
    """Returns the pauses of all entities that are paused."""
    return pauses_in(dict(tx.rows(BY_PREFIX, (PAUSED,))))


def pauses_in(values: Mapping[str, Any]) -> dict[str, Pause]:
    """Returns the pauses that are in force among values of `sync_state`."""
    found = ((name.removeprefix(PAUSED), value) for name, value in values.items())
    return {entity: pause for entity, value in found if (pause := _pause(entity, value))}


def _pause(entity: str, value: Any) -> Pause | None:
    since = iso_moment(value["since"]) if value else None
    if since is None:
        return None
    made = Pause(entity, since, str(value["by"]), iso_moment(value["until"]) if value["until"] else None)
    return None if made.is_over else made
