"""Holds the settings of a daemon's workers."""

from __future__ import annotations

from msgspec import Struct

DEBOUNCE_S = 0.1


class WorkerSettings(Struct, frozen=True):
    """Says whether a daemon pulls and pushes, and how long it waits."""

    pulls: bool = True
    pushes: bool = True
    debounce_s: float = DEBOUNCE_S
    catch_up_every_s: float = 3600.0
