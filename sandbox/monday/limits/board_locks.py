"""Knows the boards that are being written."""

from __future__ import annotations

import threading

from sandbox.monday.errors import refusal


class BoardLocks:
    """Lets one mutation write to a board; a second one that overlaps it is answered with 423."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._lock = threading.Lock()

    def take(self, boards: set[int]) -> None:
        with self._lock:
            if boards & self._held:
                raise refusal(423, "Resource is currently locked, please try again later", status_code=423)
            self._held |= boards

    def release(self, boards: set[int]) -> None:
        with self._lock:
            self._held -= boards
