"""Holds the settings of a daemon's workers."""

from __future__ import annotations

from dataclasses import dataclass

DEBOUNCE_S = 0.1


@dataclass(frozen=True)
class WorkerSettings:
    """Says how a daemon works: which halves, and how patiently."""

    pulls: bool = True
    pushes: bool = True
    debounce_s: float = DEBOUNCE_S
    catch_up_every_s: float = 3600.0
