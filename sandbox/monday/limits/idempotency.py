"""Keeps the answers of mutations for a repeat with the same Idempotency-Key."""

from __future__ import annotations

import hashlib
import threading

from msgspec import Struct

from sandbox.common.clock import Clock
from sandbox.monday.errors import refusal

KEPT_SECONDS = 1800
LARGEST_KEPT_BYTES = 1_000_000


class Kept(Struct):
    """Holds an answer, or marks a request that still runs."""

    fingerprint: str
    at: float
    status: int = 0
    body: bytes = b""

    @property
    def running(self) -> bool:
        return self.status == 0


class Idempotency:
    """Holds answers by user and key, for 30 minutes of the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._kept: dict[tuple[int, str], Kept] = {}
        self._lock = threading.Lock()

    def begin(self, user_id: int, key: str, request: bytes, refuse_other_body: bool) -> Kept | None:
        """Returns the stored answer, or None after it marked the key as running. Raises a 409 while it runs."""
        fingerprint = hashlib.sha256(request).hexdigest()
        with self._lock:
            now = self.clock.now()
            for old in [known for known, kept in self._kept.items() if now - kept.at > KEPT_SECONDS]:
                del self._kept[old]
            found = self._kept.get((user_id, key))
            # first use of the key
            if found is None:
                self._kept[user_id, key] = Kept(fingerprint, now)
                return None
            # the first request still runs
            if found.running:
                raise refusal(
                    409,
                    "A request with this idempotency key is currently being processed",
                    "IDEMPOTENCY_CONFLICT",
                    wait=1,
                )
            # same key with another body
            if found.fingerprint != fingerprint and refuse_other_body:
                raise refusal(422, "The idempotency key was used with another request", "IDEMPOTENCY_KEY_REUSED")
            return found

    def finish(self, user_id: int, key: str, status: int, body: bytes) -> None:
        with self._lock:
            kept = self._kept.get((user_id, key))
            # Larger answers are not kept: a repeat runs again.
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
