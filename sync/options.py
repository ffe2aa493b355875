"""Holds what a command line asks of a run, and of the work on one board."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct, field

TOGETHER = 2
"""Boards that are worked on at the same time where nobody says how many, and there is a processor for each."""


class PullOptions(Struct, frozen=True):
    """Says how the work on one board differs from the usual."""

    limit: int | None = None
    batch_size: int = 500
    full: bool = False
    sweep: bool = False
    dry_run: bool = False
    prefer: str | None = None
    first: str | None = None
    allow_mass_delete: bool = False
    only_removing: frozenset[str] | None = None
    """The ids of the items that may be removed, or whose rows may; None: all that are gone."""
    unify: bool = False
    max_workers: int = 1
    in_slices: bool = False
    """The run may be stopped after some minutes, and the next goes on where it was."""

    def removable(self, item_id: str) -> bool:
        """Returns whether an item that is gone on one side may be removed on the other in this run."""
        return self.only_removing is None or item_id in self.only_removing


class RunOptions(Struct, frozen=True):
    """Holds what the command line asks of a run."""

    pull: PullOptions = field(default_factory=PullOptions)
    max_workers: int | None = None
    """Boards that are worked on at the same time; None: two where there are two processors."""
    unify: bool = False
    use_cache: bool = False
    cache_file: Path | None = None
    kind: str = "command"
    period_s: int | None = None
    """How often such a run is due, where that is known."""

    @property
    def from_snapshot(self) -> bool:
        """Returns whether the boards are taken from snapshots."""
        return self.use_cache or self.cache_file is not None

    @property
    def boards_at_once(self) -> int:
        """Returns how many boards are worked on at the same time."""
        return min(TOGETHER, processors()) if self.max_workers is None else self.max_workers


def processors() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
