"""One entity, kept in step for as long as the daemon lives: hints from monday.com, changes in PostgreSQL, and catching up.

A round claims what waits, runs the one cycle over it, and marks it done. Whatever fails leaves it where it was, for the
next round; after an outage everything is looked over, because events may have been lost in it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import change_queue
import inbox
from board_sync import BoardSync, PullOptions, too_many
from db_connector import Transaction
from entity_lock import try_turn
from errors import DatabaseError, GuardStop, SyncError
from inbox import Entry
from logs import FILE_ONLY, unexpected
from mapping import Mapping
from metrics import Metrics
from models import Item
from sync_engine import TO_MONDAY, TO_POSTGRES
from sync_run import ENDS_THE_RUN, Parts, Run, RunOptions
from sync_state import put, watermark
from timing import backoff
from watcher import DEBOUNCE_S, LivePush
from webhook_events import GONE, NEW_COLUMN, PROBE

log = logging.getLogger("monday_sync")

COALESCE_S, LONGEST_COALESCE_S = 0.05, 1.0
"""Hints that come within this time are read in one call. The more there are, the longer it is worth to wait for others."""
STORM = 1_000
"""So many hints in a round are worth the longest wait before the next."""
IDLE_S = 2.0
BUSY_S = 0.02
RETRY_EVERY_S = 10.0
LINKS_EVERY_S = 0.5
BOARD_FRESH_FOR_S = 300.0
LOST_AFTER = timedelta(minutes=25)
"""monday.com repeats a delivery for 30 minutes; after a gap of this length some may be lost."""
ALWAYS_SWEEP_BELOW = 10_000
GUARD_WINDOW_S = 600.0
NEAR_S = 10.0
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Habits:
    """How a daemon works: which halves, and how patiently."""

    pulls: bool = True
    pushes: bool = True
    debounce_s: float = DEBOUNCE_S
    catch_up_every_s: float = 3600.0


class EntityWorker(threading.Thread):
    """A thread of the daemon that keeps one entity in step."""

    def __init__(
        self, parts: Parts, mapping: Mapping, board_id: str, habits: Habits, metrics: Metrics,
        linked: Callable[[str], None] = lambda entity: None,
    ) -> None:  # fmt: skip
        super().__init__(name=f"work-{mapping.entity}", daemon=True)
        self.parts, self.mapping, self.board_id = parts, mapping, board_id
        self.habits, self.metrics, self.linked = habits, metrics, linked
        self.after: list[EntityWorker] = []
        """Those whose records these ones point at."""
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.last_success: float | None = None
        self.trouble: str | None = None
        self._failures = 0
        self._catch_up: str | None = "start"
        self._sweep_wanted = False
        self._links_changed = False
        self._coalesce_s = COALESCE_S
        self._next_links = 0.0
        self._next_catch_up = 0.0
        self._next_retry = 0.0
        self._sync: BoardSync | None = None
        self._push: LivePush | None = None
        self._made_at = 0.0
        self._wrote_at: dict[str, float] = {}
        self._removed: list[tuple[float, int]] = []

    @property
    def direction(self) -> str:
        """The way it runs: the mapping's own, as far as this daemon's halves go."""
        if not self.habits.pulls:
            return "pg_to_monday"
        return self.mapping.direction if self.habits.pushes else "monday_to_pg"

    @property
    def caught_up(self) -> bool:
        """Whether everything was looked over since the start, or since the last trouble."""
        return self._catch_up is None

    @property
    def starting(self) -> bool:
        """Whether it still catches up for the first time, and that goes well."""
        return self._catch_up == "start" and self.trouble is None and self.is_alive()

    def look_over(self, why: str, sweep: bool = False) -> None:
        """Compare with the other side soon: something may have been missed."""
        self._sweep_wanted = self._sweep_wanted or sweep
        self._catch_up = why
        self.wake.set()

    def links_changed(self) -> None:
        """Records that these ones point at have got their items or rows."""
        self._links_changed = True
        self.wake.set()

    def stop(self) -> None:
        """Finish the round, and end."""
        self.stopping.set()
        self.wake.set()

    def run(self) -> None:
        """Rounds of work, until `stop`."""
        pause = 0.0
        while not self.stopping.is_set():
            # In trouble nobody's news makes the pause shorter.
            (self.stopping if self._failures else self.wake).wait(pause)
            if self.wake.is_set() and not self._failures:
                self.stopping.wait(self._coalesce_s)
            self.wake.clear()
            if not self.stopping.is_set():
                pause = self._round_safely()

    # Rounds

    def _round_safely(self) -> float:
        """One round; seconds until the next."""
        try:
            pause = self.round()
        except Exception as exc:
            return self._failed(exc if isinstance(exc, SyncError) else unexpected(exc))
        if self._failures:
            log.info("%s: works again.", self.mapping.title)
        self._failures, self.trouble, self.last_success = 0, None, time.time()
        self.metrics.last_success.set(self.last_success, self.mapping.entity)
        return pause

    def _failed(self, exc: SyncError) -> float:
        """Say it once, and come back after a growing pause; what was missed meanwhile is looked for then."""
        self._sync = None
        self.metrics.failures.add(self.mapping.entity, type(exc).__name__)
        if self.trouble != exc.message:
            log.error("%s: %s", self.mapping.title, exc.message, extra={"hint": exc.hint})
        self.trouble = exc.message
        self._failures += 1
        if isinstance(exc, (*ENDS_THE_RUN, DatabaseError)):
            self._catch_up, self._sweep_wanted = self._catch_up or "outage", True
        pause = LONGEST_PAUSE_S if isinstance(exc, GuardStop) else backoff(self._failures - 1, 0.5, LONGEST_PAUSE_S)
        self.stopping.wait(0.2)
        return max(0.2, pause)

    def round(self) -> float:
        """Everything that waits; seconds until there may be more."""
        if self._catch_up is None and time.monotonic() >= self._next_catch_up:
            self._catch_up = "schedule"
        if self._catch_up == "start" and any(one.starting for one in self.after):
            return 0.1  # what these records point at comes first
        if self._catch_up is not None:
            self._do_catch_up()
        with self.parts.db.transaction() as tx:
            if not try_turn(tx, self.mapping.entity_type):
                return BUSY_S
            return self._work(tx)

    def _work(self, tx: Transaction) -> float:
        pauses = [IDLE_S]
        if self.habits.pulls and self.mapping.direction in TO_POSTGRES:
            if self._take_hints(tx):
                pauses.append(self._coalesce_s)
            self._take_unsettled(tx)
            pauses.append(inbox.next_try_in(tx, self.board_id) or IDLE_S)
        if self.habits.pushes and self.mapping.direction in TO_MONDAY:
            pauses.append(self._push_changes(tx))
        return min(pauses)

    # Hints

    def _take_hints(self, tx: Transaction) -> bool:
        """Deal with what the inbox holds for the board; whether there was anything."""
        entries = inbox.claim(tx, self.board_id)
        self._coalesce_s = max(COALESCE_S, min(1.0, len(entries) / STORM) * LONGEST_COALESCE_S)
        if not entries:
            return False
        try:
            with_items = [one for one in entries if one.item_id is not None and one.event != PROBE]
            again = self._read_again(tx, with_items) if with_items else []
        except (SyncError, OSError):
            raise
        except Exception as exc:
            problem = unexpected(exc)
            self._told_aside(inbox.put_off(tx, entries, problem.message))
            return True
        self._note_boards(entries)
        inbox.done(tx, [one for one in entries if one not in again])
        self._told_aside(inbox.put_off(tx, again, "monday.com does not show the item"))
        self._measure([one for one in entries if one not in again])
        return True

    def _read_again(self, tx: Transaction, entries: list[Entry]) -> list[Entry]:
        """Read the items that the entries name, once each, and run the cycle. The entries to come back to are returned."""
        sync = self.sync_for(entries)
        sync.engine.identity.started = tx.value("select now()")
        by_item: dict[str, list[Entry]] = {}
        for one in entries:
            by_item.setdefault(str(one.item_id), []).append(one)
        changed: dict[str, str | None] = {}
        seen: dict[str, Item] = {}
        for items in self._items(sync, list(by_item), seen):
            batch = sync.engine.take(items)
            changed |= {one.monday_id: one.entity_id for one in batch.logs if one.monday_id and one.status == "success"}
            sync.deliver(batch)
        again = self._settle_absent(sync, by_item, seen)
        if self.mapping.key:
            self._take_freed(sync)
        self._tell(by_item, changed)
        return again

    def _items(self, sync: BoardSync, ids: list[str], seen: dict[str, Item]) -> Iterator[list[Item]]:
        """Those of the items that are here, page by page; `seen` takes all that monday.com knows, elsewhere or archived.

        One that has gone to another board does not come with this board's cells; what it is, is asked once more.
        """
        odd: dict[str, str] = {}
        pages = sync.monday.items(
            ids, sync.bound.column_ids, sync.bound.selection, on_malformed=lambda item_id, why: odd.update({item_id: why})
        )
        for items in pages:
            seen |= {item.id: item for item in items}
            yield [item for item in items if self._is_here(item)]
        for items in sync.monday.items([item_id for item_id in odd if item_id in ids], (), ""):
            seen |= {item.id: item for item in items if not self._is_here(item)}

    def _take_unsettled(self, tx: Transaction) -> None:
        """Items that showed an item without a row, now that there may be one."""
        if not self._links_changed or time.monotonic() < self._next_links:
            return
        self._links_changed, self._next_links = False, time.monotonic() + LINKS_EVERY_S
        sync = self.sync_for([])
        for items in self._items(sync, sync.state.unsettled(tx), {}):
            sync.deliver(sync.engine.take(items, force=True))

    def _is_here(self, item: Item) -> bool:
        return item.state == "active" and item.board_id in (None, self.board_id)

    def _take_freed(self, sync: BoardSync) -> None:
        """Items that were left out because another one had their key, once that key is free."""
        with self.parts.db.transaction(read_only=True) as tx:
            ids = sync.engine.waiting_for_a_free_key(tx)
        for items in self._items(sync, ids, {}):
            sync.deliver(sync.engine.take(items))

    def _settle_absent(self, sync: BoardSync, by_item: dict[str, list[Entry]], seen: dict[str, Item]) -> list[Entry]:
        """Items that are archived, deleted or elsewhere are gone. One that is not shown at all may just be late."""
        gone = [item_id for item_id, item in seen.items() if not self._is_here(item)]
        again: list[Entry] = []
        for item_id in by_item.keys() - seen.keys():
            entries = by_item[item_id]
            if any(one.event in GONE for one in entries):
                gone.append(item_id)
            elif all(one.attempts < 3 for one in entries):
                again += entries
            else:
                self.look_over(f"item {item_id} is not shown any more", sweep=True)
        self._remove(sync, gone)
        return again

    def _remove(self, sync: BoardSync, item_ids: list[str]) -> None:
        """Deal with the rows of items that are gone, unless so many go that a person has to say so first."""
        if not item_ids:
            return
        with self.parts.db.transaction(read_only=True) as tx:
            links = sync.state.find(tx, [(item_id, "") for item_id in item_ids]).links
        living = [item_id for item_id, link in links.items() if not link.archived]
        if not living:
            return
        now = time.monotonic()
        self._removed = [(at, count) for at, count in self._removed if now - at < GUARD_WINDOW_S]
        lately, active = sum(count for _, count in self._removed), sync.active()
        if too_many(len(living) + lately, active + lately):
            raise GuardStop(
                f"{len(living) + lately} of {active + lately} {self.mapping.entity} were removed on the board within"
                f" {GUARD_WINDOW_S / 60:.0f} minutes; the entity waits.",
                hint=f"If they are to go: python main.py monday-to-pg --entity {self.mapping.entity} --allow-mass-delete",
            )
        sync.engine.remove(living)
        self._removed.append((now, len(living)))

    def _note_boards(self, entries: list[Entry]) -> None:
        """Entries without an item: a new column, or something nobody has documented."""
        for one in entries:
            if one.event == NEW_COLUMN:
                self._sync = None
            elif one.item_id is None and one.event != PROBE:
                self.look_over(f"event {one.event}", sweep=True)

    def _tell(self, by_item: dict[str, list[Entry]], changed: dict[str, str | None]) -> None:
        """One line for each item, from the event to the row; and whether it was the tool's own doing."""
        now = time.monotonic()
        for item_id, entries in by_item.items():
            events = ", ".join(f"{one.event} {one.trigger_id}" for one in entries)
            near = now - self._wrote_at.get(item_id, -NEAR_S) < NEAR_S
            if item_id in changed:
                what = f"{self.mapping.entity_type} {changed[item_id]}"
                self.metrics.records.add(self.mapping.entity, "postgres", "written")
                if near:
                    self.metrics.near_misses.add(self.mapping.entity)
            else:
                what = "nothing new" + (" (the tool's own write)" if near else "")
                if near:
                    self.metrics.echoes.add(self.mapping.entity)
            log.info("Item %s: %s (%s)", item_id, what, events, extra=FILE_ONLY)
        if changed:
            self.linked(self.mapping.entity)

    def _told_aside(self, entries: list[Entry]) -> None:
        for one in entries:
            log.error("Event %s about item %s is set aside after its tries.", one.trigger_id, one.item_id)

    def _measure(self, entries: list[Entry]) -> None:
        for one in entries:
            self.metrics.pulled.observe(one.age_s, self.mapping.entity)

    # Changes of rows

    def _push_changes(self, tx: Transaction) -> float:
        waits, _ = _depth(tx, self.mapping.entity_type)
        due = time.monotonic() >= self._next_retry
        if not waits and not due:
            return IDLE_S
        self.sync_for([])
        assert self._push is not None
        pause = self._push.drain_ripe() if waits else None
        if due:
            self._push.retry_due()
            self._next_retry = time.monotonic() + RETRY_EVERY_S
        now = time.monotonic()
        if self._push.wrote or self._push.made:
            self._wrote_at = {item: at for item, at in self._wrote_at.items() if now - at < NEAR_S}
            self._wrote_at |= dict.fromkeys(self._push.wrote, now)
            self._push.wrote.clear()
            self._push.made = 0
            self.linked(self.mapping.entity)
        return IDLE_S if pause is None else pause

    def sync_for(self, entries: list[Entry]) -> BoardSync:
        """The parts of the work, made anew when the board may have other columns than they know."""
        sync = self._sync
        old = time.monotonic() - self._made_at > BOARD_FRESH_FOR_S
        columns = {one.column_id for one in entries if one.column_id}
        known = sync is not None and columns <= {column.id for column in sync.board.columns}
        if sync is None or old or not known:
            sync = BoardSync(
                self.parts.db, self.parts.monday, self.mapping, self.board_id, mappings=self.parts.mappings,
                options=PullOptions(), writes=(self.habits.pulls, self.habits.pushes),
            )  # fmt: skip
            sync.begin()
            self._push = LivePush(sync, self.habits.debounce_s)
            self._push.on_sent = self._sent
            self._sync, self._made_at = sync, time.monotonic()
        return sync

    def _sent(self, seconds: float) -> None:
        self.metrics.pushed.observe(seconds, self.mapping.entity)
        self.metrics.records.add(self.mapping.entity, "monday", "written")

    # Catching up

    def _do_catch_up(self) -> None:
        """A run of the usual kind. Events that come meanwhile wait in the inbox."""
        why, sweep = self._catch_up, self._sweep_wanted or self._gap() or self._is_small()
        options = RunOptions(replace(PullOptions(), sweep=sweep), kind="catch-up")
        log.info("%s: looking for what was missed (%s).", self.mapping.title, why, extra=FILE_ONLY)
        report = Run(self.parts, self.direction, options).of([(self.mapping, self.board_id)])
        self.metrics.runs.add(self.mapping.entity, "catch-up", "success" if not report.problems else "failed")
        if report.problems:
            raise report.problems[0]
        self._sweep_wanted = False
        if self._catch_up == why:
            self._catch_up = None
        self._next_catch_up = time.monotonic() + self.habits.catch_up_every_s
        self.note_alive()
        self.linked(self.mapping.entity)

    @property
    def _heartbeat(self) -> str:
        return f"daemon:{self.mapping.entity}"

    def _gap(self) -> bool:
        """Whether nobody kept the entity in step for so long that monday.com may have given up deliveries."""
        with self.parts.db.transaction(read_only=True) as tx:
            found: Any = tx.value("select value from sync_state where name = %s", (self._heartbeat,))
        seen = watermark(found)
        return seen is None or datetime.now(timezone.utc) - seen > LOST_AFTER

    def _is_small(self) -> bool:
        """Whether a sweep costs next to nothing."""
        with self.parts.db.transaction(read_only=True) as tx:
            known = tx.value(
                "select count(*) from sync_mapping where entity_type = %s and archived_at is null",
                (self.mapping.entity_type,),
            )
        return self._catch_up != "schedule" and int(known) < ALWAYS_SWEEP_BELOW

    def note_alive(self) -> None:
        """Write down that the entity is kept in step."""
        with self.parts.db.transaction() as tx:
            put(tx, self._heartbeat, datetime.now(timezone.utc).isoformat())


def _depth(tx: Transaction, entity_type: str) -> tuple[int, float]:
    from watcher import outbox_depth

    return outbox_depth(tx, entity_type)


def ready_to_push(tx: Transaction, mapping: Mapping) -> bool:
    """Whether the triggers that fill the outbox are there."""
    return change_queue.installed(tx, mapping)
