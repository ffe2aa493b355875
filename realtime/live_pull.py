"""Pulls in real time: reads the items that events name, and runs the cycle over them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from db_connector import Transaction
from errors import GuardStop
from models import STATES_ONLY, Item
from realtime.metrics import Metrics, OwnWrites
from state.inbox import Entry
from state.log import side_of
from state.removals import WINDOW_S, note_removed, removed_lately
from sync.board import BoardSync, tell_unparsed, too_many
from sync.task import NO_HINTS, Hints
from terminal.logs import FILE_ONLY

log = logging.getLogger("monday_sync")

TRIES_UNSEEN = 3
"""How often an item that monday.com does not show is asked for, before the whole board is compared."""


class Taken(Struct, frozen=True):
    """Holds the result of some entries of the inbox."""

    again: list[Entry]
    """The entries to try again."""
    changed: bool
    """Rows were written."""
    reached: Mapping[str, float]
    """The items whose news got to their rows, written or removed, and when by `time.monotonic`."""
    unseen: list[str]
    """Items with a row that monday.com does not show any more: the whole board has to be compared."""


class LivePull:
    """Reads items of one board that events name, and syncs them. It is used by one thread."""

    def __init__(self, sync: BoardSync, own: OwnWrites, metrics: Metrics) -> None:
        self.sync, self.own, self.metrics = sync, own, metrics
        self.entity = sync.mapping.entity
        self._hints = NO_HINTS

    def take(self, tx: Transaction, entries: Sequence[Entry]) -> Taken:
        """Reads the items that the entries name, once each."""
        self._hints = Hints(started=tx.value("select now()"))
        by_item: dict[str, list[Entry]] = {}
        for entry in entries:
            by_item.setdefault(str(entry.item_id), []).append(entry)
        changed: dict[str, str | None] = {}
        reached: dict[str, float] = {}
        seen: dict[str, Item] = {}
        for items in self._items(list(by_item), seen):
            batch = self.sync.engine.take(items, hints=self._hints)
            done = [entry for entry in batch.logs if entry.monday_id and entry.status == "success"]
            changed |= {str(entry.monday_id): entry.entity_id for entry in done}
            written = [str(entry.monday_id) for entry in done if side_of(entry) == "postgres"]
            reached |= dict.fromkeys(written, time.monotonic())
            self.sync.deliver(batch)
        again, unseen = self._settle_absent(by_item, seen)
        removed = self._remove([item_id for item_id, item in seen.items() if not self._is_here(item)])
        reached |= dict.fromkeys(removed, time.monotonic())
        # these items may have given up a key
        if self.sync.mapping.key:
            self._take_freed()
        self._log_items(by_item, changed)
        tell_unparsed(self.sync)
        return Taken(again, bool(changed), reached, unseen)

    def take_unsettled(self, tx: Transaction) -> None:
        """Takes items that point at another item which had no row and may have a row now."""
        for items in self._items(self.sync.state.waiting.unsettled(tx), {}):
            self.sync.deliver(self.sync.engine.take(items, force=True, hints=self._hints))

    def _items(self, ids: list[str], seen: dict[str, Item]) -> Iterator[list[Item]]:
        """Yields those of the items that are on the board, page by page; `seen` gets all that monday.com knows.

        An item that has gone to another board does not come with this board's cells; its state is asked once more.
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
        """Takes items that were skipped because of another item's key, once that key is free."""
        with self.sync.db.transaction(read_only=True) as tx:
            ids = self.sync.engine.waiting_for_a_free_key(tx)
        for items in self._items(ids, {}):
            self.sync.deliver(self.sync.engine.take(items, hints=self._hints))

    def _settle_absent(self, by_item: dict[str, list[Entry]], seen: dict[str, Item]) -> tuple[list[Entry], list[str]]:
        """Returns entries to try again, and items with a row that are not shown.

        Not even an event that says so makes an item gone: monday.com shows deleted items for weeks, as deleted.
        """
        again: list[Entry] = []
        unseen: list[str] = []
        for item_id in by_item.keys() - seen.keys():
            if all(entry.attempts < TRIES_UNSEEN for entry in by_item[item_id]):  # it may just be late
                again += by_item[item_id]
            else:  # asked for often enough
                unseen.append(item_id)
        return again, self._living(unseen)

    def _remove(self, item_ids: list[str]) -> list[str]:
        """Deals with the rows of items that are archived, deleted or on another board. Returns those that had one.

        Raises GuardStop when too many were removed within some minutes.
        """
        living = self._living(item_ids)
        if not living:
            return living
        self._check_removals(len(living))
        self.sync.engine.remove(living)
        # those that fail do not count, however often they are tried
        with self.sync.db.transaction() as tx:
            note_removed(tx, self.entity, len(living))
        return living

    def _check_removals(self, more: int) -> None:
        with self.sync.db.transaction(read_only=True) as tx:
            lately = removed_lately(tx, self.entity)
        active = self.sync.active()
        if too_many(more + lately, active + lately):
            raise GuardStop(
                f"{more + lately} of {active + lately} {self.entity} were removed on the board within"
                f" {WINDOW_S / 60:.0f} minutes; the entity waits.",
                hint=f"If they are to go: python main.py monday-to-pg --entity {self.entity} --allow-mass-delete",
            )

    def _living(self, item_ids: list[str]) -> list[str]:
        """Returns those of the items that have a row, by their links."""
        if not item_ids:
            return []
        with self.sync.db.transaction(read_only=True) as tx:
            links = self.sync.state.links.find(tx, [(item_id, "") for item_id in item_ids]).links
        return [item_id for item_id, link in links.items() if not link.archived]

    def _log_items(self, by_item: dict[str, list[Entry]], changed: dict[str, str | None]) -> None:
        """Logs a line for each item, from the event to the row; and whether the tool itself wrote it."""
        for item_id, entries in by_item.items():
            events = ", ".join(f"{entry.event} {entry.trigger_id}" for entry in entries)
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
