"""Answers kept for a repeat with the same Idempotency-Key, and boards that are being written."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

from sandbox.clock import Clock
from sandbox.errors import refusal

KEPT_SECONDS = 1800
LARGEST_KEPT_BYTES = 1_000_000


@dataclass
class Kept:
    fingerprint: str
    at: float
    status: int = 0
    body: bytes = b""

    @property
    def running(self) -> bool:
        return self.status == 0


class Idempotency:
    """Per user and key, for 30 minutes of the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._kept: dict[tuple[int, str], Kept] = {}
        self._lock = threading.Lock()

    def begin(self, user_id: int, key: str, request: bytes, refuse_other_body: bool) -> Kept | None:
        """The stored answer, or None after the key was marked as running. Raises a 409 while it runs."""
        print_ = hashlib.sha256(request).hexdigest()
        with self._lock:
            now = self.clock.now()
            for old in [k for k, one in self._kept.items() if now - one.at > KEPT_SECONDS]:
                del self._kept[old]
            found = self._kept.get((user_id, key))
            if found is None:
                self._kept[user_id, key] = Kept(print_, now)
                return None
            if found.running:
                raise refusal(409, "A request with this idempotency key is currently being processed",
                              "IDEMPOTENCY_CONFLICT", wait=1)
            if found.fingerprint != print_ and refuse_other_body:
                raise refusal(422, "The idempotency key was used with another request", "IDEMPOTENCY_KEY_REUSED")
            return found

    def finish(self, user_id: int, key: str, status: int, body: bytes) -> None:
        with self._lock:
            kept = self._kept.get((user_id, key))
            if kept and len(body) <= LARGEST_KEPT_BYTES:
                kept.status, kept.body = status, body
            else:
                self._kept.pop((user_id, key), None)

    def forget(self, user_id: int, key: str) -> None:
        with self._lock:
            self._kept.pop((user_id, key), None)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


class BoardLocks:
    """One writer per board: the second of two that overlap is answered with 423."""

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
