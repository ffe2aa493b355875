"""Holds the settings of a daemon's workers."""

from __future__ import annotations

from dataclasses import dataclass

DEBOUNCE_S = 0.1


@dataclass(frozen=True)
class WorkerSettings:
    """Says whether a daemon pulls and pushes, and how long it waits."""

    pulls: bool = True
    pushes: bool = True
    debounce_s: float = DEBOUNCE_S
    catch_up_every_s: float = 3600.0
