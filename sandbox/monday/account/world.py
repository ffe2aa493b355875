"""Holds everything of an account and finds it. A single lock guards it all; ids are given out in order."""

from __future__ import annotations

import random
import threading
from collections import deque

from msgspec import Struct, field

from sandbox.common.clock import Clock
from sandbox.monday.account.models import (
    ACTIVE,
    Asset,
    Automation,
    Board,
    Item,
    Tag,
    Team,
    Update,
    User,
    Webhook,
    Workspace,
)

ACCOUNT_ID = 25_917_229
AUTOMATION_USER = -4


class Account(Struct):
    id: int = ACCOUNT_ID
    name: str = "Example Roofing"
    slug: str = "example-roofing"
    tier: str = "pro"
    first_day_of_the_week: str = "monday"
    country_code: str = "US"

    @property
    def url(self) -> str:
        return f"https://{self.slug}.monday.com"


class Switches(Struct):
    """Says how the stand-in behaves where the sources disagree, and where tests want it other than usual."""

    last_updated: str = "exact"  # exact | days | relative: which `__last_updated__` filter is understood
    same_value_is_news: bool = False  # does setting a cell to its present value fire and move updated_at
    updates_move_items: bool = True  # does posting an update move the item's updated_at
    order: str = "board"  # board | shuffle | live: order and stability of listings
    complexity_http: int = 200  # HTTP status of a spent complexity budget: 200 or 429
    idempotency_other_body: str = "refuse"  # refuse | replay: same key with another body
    report_item_ids: bool = False  # does the import report name the items
    import_seconds: float = 0.2  # from upload to COMPLETED, by the sandbox's clock
    import_counts: bool = True  # does the status of an import count its rows; the schema lets it be null
    import_until_full: bool = False  # does an import that a board cannot hold fill it before it fails
    lag_seconds: float = 0.0  # filtered reads and counts are behind by this much
    logs_allowed: bool = True  # may tokens read activity logs
    latency_ms: float = 0.0
    moved_item_keeps_id: bool = True
    auto_number_delivered: bool = False
    blank_status_is_null: bool = True
    checkbox_as_string: bool = False  # historic cells: "checked":"true"


class World(Struct, dict=True):
    seed: int
    clock: Clock
    account: Account = field(default_factory=Account)
    switches: Switches = field(default_factory=Switches)
    users: dict[int, User] = field(default_factory=dict)
    teams: dict[int, Team] = field(default_factory=dict)
    tags: dict[int, Tag] = field(default_factory=dict)
    workspaces: dict[int, Workspace] = field(default_factory=dict)
    boards: dict[int, Board] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    updates: dict[int, Update] = field(default_factory=dict)
    webhooks: dict[int, Webhook] = field(default_factory=dict)
    automations: list[Automation] = field(default_factory=list)
    assets: dict[int, Asset] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._next_id = 18_273_000_000
        self._journal: deque[tuple[float, int, Item | None]] = deque(maxlen=50_000)

    def owner(self) -> User:
        """Returns the account's first user, to whom the token belongs."""
        return next(iter(self.users.values()))

    def new_id(self) -> int:
        self._next_id += self.random.randint(1, 40)
        return self._next_id

    def new_uuid(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def add_item(self, board: Board, item: Item) -> Item:
        board.items[item.id] = item
        self.items[item.id] = item
        return item

    def board_of(self, item: Item) -> Board:
        return self.boards[item.board_id]

    # lagging reads: what an item looked like some seconds ago

    def remember(self, item_id: int, before: Item | None) -> None:
        """Keeps the look of an item before it changes, while reads lag; None for an item that is just being made."""
        if self.switches.lag_seconds > 0:
            self._journal.append((self.clock.now(), item_id, before.copy() if before else None))

    def past_views(self) -> dict[int, Item | None]:
        """Finds the items that a lagging read sees otherwise than they are, as it sees them."""
        views: dict[int, Item | None] = {}
        if self.switches.lag_seconds > 0:
            horizon = self.clock.now() - self.switches.lag_seconds
            for moment, item_id, view in reversed(self._journal):
                if moment <= horizon:
                    break
                views[item_id] = view
        return views

    def listed(self, board: Board, lagging: bool = False) -> list[Item]:
        """Lists the active items of a board, or what a lagging read takes for them."""
        views = self.past_views() if lagging else {}
        # nothing changed lately
        if not views:
            return board.active_items()
        rows = [views.get(item.id, item) for item in board.items.values()]
        # items that have left the board since
        seen = {view.id for view in rows if view is not None}
        rows += [view for view in views.values() if view and view.board_id == board.id and view.id not in seen]
        places = {group.id: group.position for group in board.active_groups()}
        kept = [
            item
            for item in rows
            if item is not None and item.state == ACTIVE and item.board_id == board.id and item.group_id in places
        ]
        return sorted(kept, key=lambda item: (places[item.group_id], item.position))
