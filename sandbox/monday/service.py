"""Puts the parts of a stand-in for monday.com together."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

from msgspec import Struct

from sandbox.common.clock import Clock
from sandbox.common.faults import Faults
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import User
from sandbox.monday.changes.automations import Automations
from sandbox.monday.changes.board_edits import BoardEdits
from sandbox.monday.changes.item_edits import ItemEdits
from sandbox.monday.changes.news import News, NoNews
from sandbox.monday.changes.subscriptions import Subscriptions
from sandbox.monday.changes.update_edits import UpdateEdits
from sandbox.monday.imports.bulk_jobs import BulkJobs
from sandbox.monday.imports.imports import Imports
from sandbox.monday.limits.board_locks import BoardLocks
from sandbox.monday.limits.idempotency import Idempotency
from sandbox.monday.limits.meter import Meter
from sandbox.monday.listing.pages import Listings
from sandbox.monday.seeding.built_in_boards import make_world

DEFAULT_TOKEN = "sandbox-token-not-a-real-one"
REQUESTS_KEPT = 20_000
READING_FAULTS = (
    *("drop_item", "drop_page", "drop_cell", "empty_listing", "end_listing"),
    *("hide_items", "hide_board", "fail_above", "lagging_reads"),
)
LASTING_FAULTS = ("hide_items", "hide_board", "fail_above")  # until they are cleared, unless a count is given


class Settings(Struct, frozen=True):
    """Says what account is made, and how it is limited. With a signing secret the token is an app's."""

    boards: str = ""
    seed: int = 1
    limits: str = "off"
    token: str = DEFAULT_TOKEN
    signing_secret: str | None = None
    now: float | None = None

    def __repr__(self) -> str:
        """Leaves the token and the secret out."""
        return f"Settings({self.boards!r}, seed={self.seed}, limits={self.limits!r}, now={self.now})"


class Service:
    """Holds the account and all that acts on it."""

    def __init__(self, settings: Settings) -> None:
        self.token = settings.token
        self.world = make_world(settings.boards, settings.seed, Clock(settings.now))
        self.tokens: dict[str, int] = {settings.token: self.world.owner().id}
        # what refuses and spoils
        self.meter = Meter(settings.limits, app_token=settings.signing_secret is not None)
        self.faults = Faults(settings.seed, READING_FAULTS, LASTING_FAULTS)
        self.idempotency = Idempotency(self.clock)
        self.board_locks = BoardLocks()
        # what changes the account
        self.subscriptions = Subscriptions(self.world, settings.signing_secret)
        self.automations = Automations(self.world)
        news = News(self.world, self.subscriptions.announce)
        self.items = ItemEdits(self.world, news, self.automations)
        self.silent_items = ItemEdits(self.world, NoNews(self.world), None)
        self.updates = UpdateEdits(self.world, news)
        self.boards = BoardEdits(self.world, news)
        self.imports = Imports(self.world, self.items, self.silent_items)
        self.bulk_jobs = BulkJobs(self.world)
        # what was read and asked
        self.listings = Listings(self.world)
        self.requests: deque[JsonObject] = deque(maxlen=REQUESTS_KEPT)
        self.counters: Counter[str] = Counter()
        self._count = 0
        self._count_lock = threading.Lock()

    @property
    def clock(self) -> Clock:
        return self.world.clock

    def user_of(self, authorization: str | None) -> User | None:
        """Finds the user of a raw token; `Bearer` before it is tolerated, as by monday.com."""
        text = (authorization or "").strip()
        text = text[7:] if text.lower().startswith("bearer ") else text
        user = self.world.users.get(self.tokens.get(text, 0))
        return user if user and user.status == "ACTIVE" else None

    def run_automations(self) -> None:
        self.automations.run_pending(self.items.apply)

    def new_request_id(self) -> str:
        with self._count_lock:
            self._count += 1
            return f"{self.world.seed & 0xFFFFFFFF:08x}-5a4d-9000-8000-{self._count:012x}"

    def record(self, entry: JsonObject, started: float) -> None:
        """Keeps what is known of a request, for the admin's log and counters."""
        entry["duration_ms"] = round((time.monotonic() - started) * 1000, 2)
        self.requests.append(entry)
        self.counters["requests"] += 1
        self.counters[f"http_{entry['status']}"] += 1
        self.counters["complexity"] += entry.get("cost") or 0
        if entry.get("operation"):
            self.counters[entry["operation"]] += 1
