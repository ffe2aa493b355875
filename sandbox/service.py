"""The parts of one sandbox, put together."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Any

from sandbox.clock import Clock
from sandbox.deliveries import Deliveries
from sandbox.edits import Edits
from sandbox.faults import Faults
from sandbox.imports import Imports
from sandbox.limits import Meter
from sandbox.listings import Listings
from sandbox.memory import BoardLocks, Idempotency
from sandbox.models import User
from sandbox.seeding.estate import make_world

DEFAULT_TOKEN = "sandbox-token-not-a-real-one"
REQUESTS_KEPT = 20_000


class QuietDeliveries:
    """Nobody hears what `backfill_items` does."""

    def announce(self, announcements: Any) -> None:
        pass


class SilentEdits(Edits):
    def log(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _automate(self, *args: Any) -> None:
        pass


class Service:
    def __init__(self, boards: str, seed: int, limits: str, token: str, signing_secret: str | None = None,
                 now: float | None = None) -> None:
        self.clock = Clock(now)
        self.world = make_world(boards, seed, self.clock)
        self.meter = Meter(limits, app_token=signing_secret is not None)
        self.token = token
        self.tokens: dict[str, int] = {token: next(iter(self.world.users))}
        self.faults = Faults(seed)
        self.deliveries = Deliveries(self.world, signing_secret)
        self.edits = Edits(self.world, self.deliveries)
        self.silent_edits = SilentEdits(self.world, QuietDeliveries())  # type: ignore[arg-type]
        self.listings = Listings(self.world)
        self.imports = Imports(self)
        self.idempotency = Idempotency(self.clock)
        self.board_locks = BoardLocks()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.counters: Counter[str] = Counter()
        self._count = 0
        self._count_lock = threading.Lock()

    def user_of(self, authorization: str | None) -> User | None:
        """The raw token; `Bearer` before it is tolerated, as by monday."""
        text = (authorization or "").strip()
        text = text[7:] if text.lower().startswith("bearer ") else text
        user = self.world.users.get(self.tokens.get(text, 0))
        return user if user and user.status == "ACTIVE" else None

    def request_id(self) -> str:
        with self._count_lock:
            self._count += 1
            return f"{self.world.seed & 0xffffffff:08x}-5a4d-9000-8000-{self._count:012x}"

    def record(self, entry: dict[str, Any], started: float) -> None:
        entry["duration_ms"] = round((time.monotonic() - started) * 1000, 2)
        self.requests.append(entry)
        self.counters["requests"] += 1
        self.counters[f"http_{entry['status']}"] += 1
        self.counters["complexity"] += entry.get("cost") or 0
        if entry.get("operation"):
            self.counters[entry["operation"]] += 1
