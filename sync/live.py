"""States what live work is for who works in slices: `realtime/` does it, `main.py` hands it in."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Slice(Struct, frozen=True):
    """Holds what a slice of live work did."""

    next_in_s: float | None
    """Seconds until there may be more; None when nothing is known to come."""
    linked: bool = False
    """Records got their items or rows: records that point at them can be completed."""
    missed: tuple[str, ...] = ()
    """Why both sides have to be compared."""


class Live(Protocol):
    """Does the work that waits for one entity, a slice at a time: events from monday.com, and changes in PostgreSQL."""

    def work(self, seconds: float) -> Slice:
        """Works for about so long, unless another process works on the entity. Raises SyncError."""
        ...
