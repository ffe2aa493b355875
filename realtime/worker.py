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
from functools import partial
from typing import Any

from db_connector import Transaction, TransactionConflict
from errors import DatabaseError, GuardStop, RecordRefused, SyncError
from mappings.declaration import Mapping
from realtime.live_pull import LatelyRemoved, LivePull
from realtime.live_push import DEBOUNCE_S, LivePush, outbox_depth
from realtime.metrics import Metrics, OwnWrites
from services.monday.webhook_events import NEW_COLUMN, PROBE
from state import inbox
from state.inbox import Entry
from state.overview import count_linked
from state.turns import try_turn
from state.values import daemon_key, put, value_of, watermark
from sync.board import BoardSync, PullOptions
from sync.cycle import TO_MONDAY, TO_POSTGRES
from sync.parts import Parts
from sync.run import ENDS_THE_RUN, Run, RunOptions
from terminal.logs import FILE_ONLY, unexpected
from timing import backoff

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
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class WorkerSettings:
    """Says how a daemon works: which halves, and how patiently."""

    pulls: bool = True
    pushes: bool = True
    debounce_s: float = DEBOUNCE_S
    catch_up_every_s: float = 3600.0


@dataclass(frozen=True)
class LiveParts:
    """What the work on one board is done with, for some minutes."""

    sync: BoardSync
    pull: LivePull
    push: LivePush
    made_at: float

    def knows(self, columns: set[str]) -> bool:
        """Whether the board had these columns when this was made."""
        return columns <= {column.id for column in self.sync.board.columns}


class EntityWorker(threading.Thread):
    """A thread of the daemon that keeps one entity in step."""

    def __init__(
        self, parts: Parts, mapping: Mapping, board_id: str, settings: WorkerSettings, metrics: Metrics,
        linked: Callable[[str], None] = lambda entity: None,
    ) -> None:  # fmt: skip
        super().__init__(name=f"work-{mapping.entity}", daemon=True)
        self.parts, self.mapping, self.board_id = parts, mapping, board_id
        self.settings, self.metrics, self.linked = settings, metrics, linked
        self.after: list[EntityWorker] = []
        """Those whose records these ones point at."""
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.last_success: float | None = None
        self.trouble: str | None = None
        self._failures = 0
        self._catch_up: str | None = "start"
        self._asked = 0
        self._sweep_wanted = False
        self._links_changed = False
        self._coalesce_s = COALESCE_S
        self._next_links = 0.0
        self._next_catch_up = 0.0
        self._next_retry = 0.0
        self.live: LiveParts | None = None
        """What the work is done with now; None before it begins, and while there is trouble."""
        self._own, self._removed = OwnWrites(), LatelyRemoved()

    @property
    def direction(self) -> str:
        """The way it runs: the mapping's own, as far as this daemon's halves go."""
        if not self.settings.pulls:
            return "pg_to_monday"
        return self.mapping.direction if self.settings.pushes else "monday_to_pg"

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
        self._asked += 1
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
        self.metrics.last_success.labels(self.mapping.entity).set(self.last_success)
        return pause

    def _failed(self, exc: SyncError) -> float:
        """Say it once, and come back after a growing pause; what was missed meanwhile is looked for then."""
        self.live = None
        self.metrics.failures.labels(self.mapping.entity, type(exc).__name__).inc()
        if self.trouble != exc.message:
            log.error("%s: %s", self.mapping.title, exc.message, extra={"hint": exc.hint})
        self.trouble = exc.message
        self._failures += 1
        self._links_changed = True  # if the round broke off there
        if isinstance(exc, (*ENDS_THE_RUN, DatabaseError)) and not isinstance(exc, TransactionConflict):
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
        if self.settings.pulls and self.mapping.direction in TO_POSTGRES:
            if self._take_hints(tx):
                pauses.append(self._coalesce_s)
            self._take_unsettled(tx)
            pauses.append(inbox.next_try_in(tx, self.board_id) or IDLE_S)
        if self.settings.pushes and self.mapping.direction in TO_MONDAY:
            pauses.append(self._push_changes(tx))
        return min(pauses)

    # Hints

    def _take_hints(self, tx: Transaction) -> bool:
        """Deal with what the inbox holds for the board; whether there was anything."""
        entries = inbox.claim(tx, self.board_id)
        self._coalesce_s = max(COALESCE_S, min(1.0, len(entries) / STORM) * LONGEST_COALESCE_S)
        if not entries:
            return False
        with_items = [one for one in entries if one.item_id is not None and one.event != PROBE]
        left: set[int] = set()
        for again, why in self._read_again(tx, with_items):
            left |= {one.id for one in again}
            for one in inbox.put_off(tx, again, why):
                log.error("Event %s about item %s is set aside after its tries.", one.trigger_id, one.item_id)
        dealt = [one for one in entries if one.id not in left]
        for one in dealt:
            self._note_board(one)
            self.metrics.pulled.labels(self.mapping.entity).observe(one.age_s)
        inbox.done(tx, dealt)
        return True

    def _read_again(self, tx: Transaction, entries: list[Entry]) -> Iterator[tuple[list[Entry], str]]:
        """Bring in the items that the entries name. The entries to come back to, and why.

        When one of the items makes trouble, it is found, and costs itself alone.
        """
        if not entries:
            return
        try:
            again, changed = self._parts_for(entries).pull.take(tx, entries)
        except OSError:
            raise
        except Exception as exc:
            if isinstance(exc, SyncError) and not isinstance(exc, RecordRefused):
                raise
            items = list(dict.fromkeys(one.item_id for one in entries))
            if len(items) == 1:
                yield entries, exc.message if isinstance(exc, SyncError) else unexpected(exc).message
                return
            first = set(items[: len(items) // 2])
            yield from self._read_again(tx, [one for one in entries if one.item_id in first])
            yield from self._read_again(tx, [one for one in entries if one.item_id not in first])
        else:
            if changed:
                self.linked(self.mapping.entity)
            yield again, "monday.com does not show the item"

    def _note_board(self, one: Entry) -> None:
        """An entry without an item: a new column, or something nobody has documented."""
        if one.event == NEW_COLUMN:
            self.live = None
        elif one.item_id is None and one.event != PROBE:
            self.look_over(f"event {one.event} {one.trigger_id}", sweep=True)

    def _take_unsettled(self, tx: Transaction) -> None:
        if self._links_changed and time.monotonic() >= self._next_links:
            self._links_changed, self._next_links = False, time.monotonic() + LINKS_EVERY_S
            self._parts_for([]).pull.take_unsettled(tx)

    # Changes of rows

    def _push_changes(self, tx: Transaction) -> float:
        waits, _ = outbox_depth(tx, self.mapping.entity_type)
        due = time.monotonic() >= self._next_retry
        if not waits and not due:
            return IDLE_S
        push = self._parts_for([]).push
        pause = push.drain_ripe() if waits else None
        if due:
            push.retry_due()
            self._next_retry = time.monotonic() + RETRY_EVERY_S
        if push.wrote or push.made:
            self._own.note(push.wrote)
            push.wrote.clear()
            push.made = 0
            self.linked(self.mapping.entity)
        return IDLE_S if pause is None else pause

    def _sent(self, seconds: float) -> None:
        self.metrics.pushed.labels(self.mapping.entity).observe(seconds)
        self.metrics.records.labels(self.mapping.entity, "monday", "written").inc()

    def _parts_for(self, entries: list[Entry]) -> LiveParts:
        """What the work is done with, made anew when the board may have other columns than are known."""
        live, columns = self.live, {one.column_id for one in entries if one.column_id}
        if live is None or time.monotonic() - live.made_at > BOARD_FRESH_FOR_S or not live.knows(columns):
            sync = BoardSync(
                self.parts.db, self.parts.monday, self.mapping, self.board_id, mappings=self.parts.mappings,
                options=PullOptions(), writes=(self.settings.pulls, self.settings.pushes),
            )  # fmt: skip
            sync.begin()
            look_over = partial(self.look_over, sweep=True)
            pull = LivePull(sync, self._own, self._removed, self.metrics, look_over)
            push = LivePush(sync, self.settings.debounce_s)
            push.on_sent = self._sent
            self.live = live = LiveParts(sync, pull, push, time.monotonic())
        return live

    # Catching up

    def _do_catch_up(self) -> None:
        """A run of the usual kind. Events that come meanwhile wait in the inbox."""
        why, asked = self._catch_up, self._asked
        sweep = self._sweep_wanted or (self.settings.pulls and self._gap()) or self._is_small()
        options = RunOptions(replace(PullOptions(), sweep=sweep), kind="catch-up")
        log.info("%s: looking for what was missed (%s).", self.mapping.title, why, extra=FILE_ONLY)
        report = Run(self.parts.for_one_run(), self.direction, options).of([(self.mapping, self.board_id)])
        self.metrics.note_run(self.mapping.entity, "catch-up", report)
        if report.problems:
            raise report.problems[0]
        self.live = None  # the run read the board anew, and it may have other columns by now
        if self._asked == asked:  # what was asked for meanwhile is still to be done
            self._catch_up, self._sweep_wanted = None, False
        self._next_catch_up = time.monotonic() + self.settings.catch_up_every_s
        if self.settings.pulls:
            self._note_alive()
        self.linked(self.mapping.entity)

    def beat(self) -> None:
        """Write down that events of the entity arrive, unless nobody did for so long that some may be lost.

        A machine that slept, or a process that was stopped for a while, finds it out here.
        """
        if not self.settings.pulls or not self.caught_up or self.trouble is not None:
            return
        if self._gap():
            self.look_over("nobody listened for a while", sweep=True)
        else:
            self._note_alive()

    @property
    def _heartbeat(self) -> str:
        return daemon_key(self.mapping.entity)

    def _gap(self) -> bool:
        """Whether nobody took the entity's events for so long that monday.com may have given up deliveries."""
        with self.parts.db.transaction(read_only=True) as tx:
            found: Any = value_of(tx, self._heartbeat)
        seen = watermark(found)
        return seen is None or datetime.now(timezone.utc) - seen > LOST_AFTER

    def _note_alive(self) -> None:
        with self.parts.db.transaction() as tx:
            put(tx, self._heartbeat, datetime.now(timezone.utc).isoformat())

    def _is_small(self) -> bool:
        """Whether a sweep costs next to nothing."""
        with self.parts.db.transaction(read_only=True) as tx:
            known = count_linked(tx, self.mapping.entity_type)
        return self._catch_up != "schedule" and known < ALWAYS_SWEEP_BELOW
