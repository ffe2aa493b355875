"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(true: Callable[[], T], seconds: float = 60.0, what: str = "") -> T:
    """Waits until a condition is true, and returns what it became. `what` names it in the failure."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"{what or true} did not come about within {seconds} s"
        time.sleep(0.01)
    return found
