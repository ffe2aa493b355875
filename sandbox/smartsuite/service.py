"""Puts the parts of a stand-in for SmartSuite together."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque

from msgspec import Struct

from sandbox.common.clock import Clock
from sandbox.common.faults import Faults
from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.models import Member
from sandbox.smartsuite.changes.edits import Edits
from sandbox.smartsuite.meter import Meter
from sandbox.smartsuite.seeding import make_world

DEFAULT_TOKEN = "sandbox-key-not-a-real-one"
DEFAULT_ACCOUNT = "sab12cd3"
REQUESTS_KEPT = 20_000
FAULTS = (
    *("short", "malformed", "empty_200", "not_stored"),
    *("drop_item", "empty_listing", "short_page"),
)
"""Faults beyond those of any HTTP server."""


class Settings(Struct, frozen=True):
    """Says what account is made, and how it is limited."""

    tables: str = ""
    seed: int = 1
    limits: str = "off"
    token: str = DEFAULT_TOKEN
    account_id: str = DEFAULT_ACCOUNT
    now: float | None = None

    def __repr__(self) -> str:
        """Leaves the token out."""
        return (
            f"Settings({self.tables!r}, {self.account_id!r}, seed={self.seed}, limits={self.limits!r}, now={self.now})"
        )


class Service:
    """Holds the account and all that acts on it."""

    def __init__(self, settings: Settings) -> None:
        self.token = settings.token
        self.world = make_world(settings.tables, settings.seed, Clock(settings.now), settings.account_id)
        self.tokens: dict[str, str] = {settings.token: self.world.owner().id}
        self.meter = Meter(settings.limits)
        self.faults = Faults(settings.seed, FAULTS)
        self.edits = Edits(self.world)
        self.requests: deque[JsonObject] = deque(maxlen=REQUESTS_KEPT)
        self.counters: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    @property
    def clock(self) -> Clock:
        return self.world.clock

    def member_of(self, authorization: str | None) -> Member | None:
        """Finds the member of a header: the word Token, one space, the key."""
        word, _, key = (authorization or "").partition(" ")
        return self.world.members.get(self.tokens.get(key, "")) if word == "Token" else None

    def new_number(self) -> int:
        return next(self._numbers)

    def record(self, entry: JsonObject, started: float) -> None:
        """Keeps what is known of a request, for the admin's log and counters."""
        entry["duration_ms"] = round((time.monotonic() - started) * 1000, 2)
        self.requests.append(entry)
        self.counters["requests"] += 1
        self.counters[f"http_{entry['status']}"] += 1
        if entry["call"]:
            self.counters[entry["call"]] += 1
