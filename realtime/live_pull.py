"""monday.com → PostgreSQL in real time: the items that events hint at are read again, and the one cycle runs over them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from db_connector import Transaction
from errors import GuardStop
from models import STATES_ONLY, Item
from realtime.metrics import Metrics, OwnWrites
from state.inbox import Entry
from sync.board import BoardSync, too_many
from sync.task import NO_HINTS, Hints
from terminal.logs import FILE_ONLY

log = logging.getLogger("monday_sync")

GUARD_WINDOW_S = 600.0
TRIES_UNSEEN = 3
"""How often an item that monday.com does not show is asked for, before the whole board is looked over."""


class LatelyRemoved:
    """Holds back removals that come one by one and are too many together."""

    def __init__(self) -> None:
        self._counts: list[tuple[float, int]] = []

    def check(self, entity: str, more: int, active: int) -> None:
        """Raise GuardStop when so many go within some minutes that a person has to say so first."""
        now = time.monotonic()
        self._counts = [(at, count) for at, count in self._counts if now - at < GUARD_WINDOW_S]
        lately = sum(count for _, count in self._counts)
        if too_many(more + lately, active + lately):
            raise GuardStop(
                f"{more + lately} of {active + lately} {entity} were removed on the board within"
                f" {GUARD_WINDOW_S / 60:.0f} minutes; the entity waits.",
                hint=f"If they are to go: python main.py monday-to-pg --entity {entity} --allow-mass-delete",
            )

    def count(self, removed: int) -> None:
        """So many are gone now."""
        self._counts.append((time.monotonic(), removed))


class LivePull:
    """Reads hinted items of one board, and brings them in. It is used by one thread."""

    def __init__(
        self, sync: BoardSync, own: OwnWrites, removed: LatelyRemoved, metrics: Metrics,
        look_over: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.sync, self.own, self.removed, self.metrics, self.look_over = sync, own, removed, metrics, look_over
        self.entity = sync.mapping.entity
        self.hints = NO_HINTS

    def take(self, tx: Transaction, entries: Sequence[Entry]) -> tuple[list[Entry], bool]:
        """Read the items that the entries name, once each. The entries to come back to, and whether rows changed."""
        self.hints = Hints(started=tx.value("select now()"))
        by_item: dict[str, list[Entry]] = {}
        for one in entries:
            by_item.setdefault(str(one.item_id), []).append(one)
        changed: dict[str, str | None] = {}
        seen: dict[str, Item] = {}
        for items in self._items(list(by_item), seen):
            batch = self.sync.engine.take(items, hints=self.hints)
            changed |= {one.monday_id: one.entity_id for one in batch.logs if one.monday_id and one.status == "success"}
            self.sync.deliver(batch)
        again = self._settle_absent(by_item, seen)
        if self.sync.mapping.key:
            self._take_freed()
        self._tell(by_item, changed)
        return again, bool(changed)

    def take_unsettled(self, tx: Transaction) -> None:
        """Items that showed an item without a row, now that there may be one."""
        for items in self._items(self.sync.state.waiting.unsettled(tx), {}):
            self.sync.deliver(self.sync.engine.take(items, force=True, hints=self.hints))

    def _items(self, ids: list[str], seen: dict[str, Item]) -> Iterator[list[Item]]:
        """Those of the items that are here, page by page; `seen` takes all that monday.com knows, elsewhere or archived.

        One that has gone to another board does not come with this board's cells; what it is, is asked once more.
        """
        sync, odd = self.sync, dict[str, str]()
        pages = sync.monday.items(ids, sync.bound.wanted, on_malformed=lambda item_id, why: odd.update({item_id: why}))
        for items in pages:
            seen |= {item.id: item for item in items}
            yield [item for item in items if self._is_here(item)]
        for items in sync.monday.items([item_id for item_id in odd if item_id in ids], STATES_ONLY):
            seen |= {item.id: item for item in items if not self._is_here(item)}

    def _is_here(self, item: Item) -> bool:
        return item.is_on(self.sync.board.id)

    def _take_freed(self) -> None:
        """Items that were left out because another one had their key, once that key is free."""
        with self.sync.db.transaction(read_only=True) as tx:
            ids = self.sync.engine.waiting_for_a_free_key(tx)
        for items in self._items(ids, {}):
            self.sync.deliver(self.sync.engine.take(items, hints=self.hints))

    def _settle_absent(self, by_item: dict[str, list[Entry]], seen: dict[str, Item]) -> list[Entry]:
        """Items that are archived, deleted or elsewhere are gone. One that is not shown at all may just be late.

        Not even an event that says so makes it gone: monday.com shows deleted items for weeks, as deleted.
        """
        again: list[Entry] = []
        unseen: list[str] = []
        for item_id in by_item.keys() - seen.keys():
            if all(one.attempts < TRIES_UNSEEN for one in by_item[item_id]):
                again += by_item[item_id]
            else:
                unseen.append(item_id)
        for item_id in self._living(unseen):
            self.look_over(f"item {item_id} is not shown any more")
        self._remove([item_id for item_id, item in seen.items() if not self._is_here(item)])
        return again

    def _remove(self, item_ids: list[str]) -> None:
        """Deal with the rows of items that are gone."""
        if living := self._living(item_ids):
            self.removed.check(self.entity, len(living), self.sync.active())
            self.sync.engine.remove(living)
            self.removed.count(len(living))

    def _living(self, item_ids: list[str]) -> list[str]:
        """Those of the items that have a row, as far as is known."""
        if not item_ids:
            return []
        with self.sync.db.transaction(read_only=True) as tx:
            links = self.sync.state.links.find(tx, [(item_id, "") for item_id in item_ids]).links
        return [item_id for item_id, link in links.items() if not link.archived]

    def _tell(self, by_item: dict[str, list[Entry]], changed: dict[str, str | None]) -> None:
        """One line for each item, from the event to the row; and whether it was the tool's own doing."""
        for item_id, entries in by_item.items():
            events = ", ".join(f"{one.event} {one.trigger_id}" for one in entries)
            near = self.own.near(item_id)
            if item_id in changed:
                what = f"{self.sync.mapping.entity_type} {changed[item_id]}"
                self.metrics.records.labels(self.entity, "postgres", "written").inc()
                if near:
                    self.metrics.near_misses.labels(self.entity).inc()
            else:
                what = "nothing new" + (" (the tool's own write)" if near else "")
                if near:
                    self.metrics.echoes.labels(self.entity).inc()
            log.info("Item %s: %s (%s)", item_id, what, events, extra=FILE_ONLY)
