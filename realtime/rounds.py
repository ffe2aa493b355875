"""Does the work that waits for one entity: events from monday.com, and changes in PostgreSQL.

What waits is claimed, the cycle runs over it, and it is marked as done. When the round fails, it still waits, for the
next round.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from db_connector import Transaction
from errors import DatabaseError, RecordRefused, SyncError
from mappings.declaration import Mapping
from realtime.live_pull import LivePull, Taken
from realtime.live_push import LivePush, outbox_depth
from realtime.metrics import Metrics, OwnWrites
from realtime.worker_settings import WorkerSettings
from services.monday.webhook_events import NEW_COLUMN, PROBE
from state import inbox, latency
from state.entity import EntityState
from state.inbox import Entry
from state.pauses import pause_of
from state.turns import try_turn
from sync.board import BoardSync, Opening, open_board
from sync.cycle import TO_MONDAY, TO_POSTGRES
from sync.parts import Parts
from terminal.logs import unexpected

log = logging.getLogger("monday_sync")

COALESCE_S, LONGEST_COALESCE_S = 0.05, 1.0
"""The items of events that come within this time are read in one call. The more events, the longer the next round waits."""
STORM = 1_000
"""After so many events in a round, the next round waits longest."""
IDLE_S = 60.0
"""What has to be done sooner is notified, or has a time of its own."""
LOOK_AGAIN_S = 2.0
RETRY_EVERY_S = 10.0
LINKS_EVERY_S = 0.5
BOARD_FRESH_FOR_S = 300.0


class RoundResult(Struct):
    """Holds what a round did. It is filled during the round, so that it is known of a round that fails, too."""

    linked: bool = False
    """Records got their items or rows: records that point at them can be completed."""
    missed: list[str] = field(default_factory=list)
    """Why both sides have to be compared."""


class LiveParts(Struct, frozen=True):
    """Holds the opened board, and the pull and the push that work on it, for some minutes."""

    sync: BoardSync
    pull: LivePull
    push: LivePush
    made_at: float

    def knows(self, columns: set[str]) -> bool:
        """Returns whether the board had these columns when this was made."""
        return columns <= {column.id for column in self.sync.board.columns}


class Rounds:
    """Works on one entity. It is used by one thread."""

    def __init__(
        self, parts: Parts, mapping: Mapping, board_id: str, settings: WorkerSettings, metrics: Metrics
    ) -> None:
        self.parts, self.mapping, self.board_id = parts, mapping, board_id
        self.settings, self.metrics = settings, metrics
        self.live: LiveParts | None = None
        """The opened board; None before the first round that needs it, and after a failure."""
        self.coalesce_s = COALESCE_S
        self.links_changed = False
        """Records that these records point at have got their items or rows. Any thread may say so."""
        self._next_links = self._next_retry = 0.0
        self.measured: list[tuple[str, float]] = []
        """Which sides got the changes of this round, and after how many seconds each."""
        self._own = OwnWrites()
        self._state = EntityState(mapping.entity_type, board_id)

    def work(self, tx: Transaction, result: RoundResult) -> float:
        """Does the work that waits. Returns the seconds until there may be more."""
        self.measured = []
        pauses = [IDLE_S]
        if self.settings.pulls and self.mapping.direction in TO_POSTGRES:
            if self._take_hints(tx, result):
                pauses.append(self.coalesce_s)
            self._take_unsettled(tx)
            if self.links_changed:
                pauses.append(LINKS_EVERY_S)
            next_try = inbox.next_try_in(tx, self.board_id)
            pauses.append(LOOK_AGAIN_S if next_try == 0 else next_try or IDLE_S)
        if self.settings.pushes and self.mapping.direction in TO_MONDAY:
            pauses.append(self._push_changes(tx, result))
        return min(pauses)

    # Events

    def _take_hints(self, tx: Transaction, result: RoundResult) -> bool:
        """Deals with the events that the inbox holds for the board. Returns whether there were any."""
        entries, claimed_at = inbox.claim(tx, self.board_id), time.monotonic()
        self.coalesce_s = max(COALESCE_S, min(1.0, len(entries) / STORM) * LONGEST_COALESCE_S)
        if not entries:
            return False  # no event is due
        with_items = [entry for entry in entries if entry.item_id is not None and entry.event != PROBE]
        # those that have to be tried again
        left: set[int] = set()
        reached: dict[str, float] = {}
        for taken, why in self._read_again(tx, with_items):
            left |= {entry.id for entry in taken.again}
            reached |= taken.reached
            result.linked = result.linked or taken.changed
            result.missed += [f"item {item_id} is not shown any more" for item_id in taken.unseen]
            for entry in inbox.put_off(tx, taken.again, why):
                log.error("Event %s about item %s is set aside after its tries.", entry.trigger_id, entry.item_id)
        dealt = [entry for entry in entries if entry.id not in left]
        ended_at = time.monotonic()
        for entry in dealt:
            self._note_board(entry, result)
            seconds = entry.age_s + reached.get(str(entry.item_id), ended_at) - claimed_at
            self.metrics.pulled.labels(self.mapping.entity).observe(seconds)
            # an event without news is no change
            if str(entry.item_id) in reached:
                self.measured.append((latency.TO_POSTGRES, seconds))
        inbox.done(tx, dealt)
        return True

    def _read_again(self, tx: Transaction, entries: list[Entry]) -> Iterator[tuple[Taken, str]]:
        """Pulls the items that the entries name. Yields what was done, and why some entries have to be tried again.

        An item that cannot be pulled is found by halving the entries; the others are pulled.
        """
        if not entries:
            return
        try:
            taken = self._parts_for(entries).pull.take(tx, entries)
        except OSError:
            raise  # about the machine, not an item
        except Exception as exc:
            if isinstance(exc, SyncError) and not isinstance(exc, RecordRefused):
                raise  # every item would meet it
            items = list(dict.fromkeys(entry.item_id for entry in entries))
            # the item that cannot be pulled
            if len(items) == 1:
                reason = exc.message if isinstance(exc, SyncError) else unexpected(exc).message
                yield Taken(entries, False, {}, []), reason
                return
            # it is among these: each half by itself
            first = set(items[: len(items) // 2])
            yield from self._read_again(tx, [entry for entry in entries if entry.item_id in first])
            yield from self._read_again(tx, [entry for entry in entries if entry.item_id not in first])
        else:
            yield taken, "monday.com does not show the item"

    def _note_board(self, entry: Entry, result: RoundResult) -> None:
        """Deals with an entry that names no item."""
        if entry.event == NEW_COLUMN:  # the board has changed
            self.live = None
        elif entry.item_id is None and entry.event != PROBE:  # an event that is not documented
            result.missed.append(f"event {entry.event} {entry.trigger_id}")

    def _take_unsettled(self, tx: Transaction) -> None:
        if self.links_changed and time.monotonic() >= self._next_links:
            self.links_changed, self._next_links = False, time.monotonic() + LINKS_EVERY_S
            self._parts_for(()).pull.take_unsettled(tx)

    # Changes of rows

    def _push_changes(self, tx: Transaction, result: RoundResult) -> float:
        waits, _ = outbox_depth(tx, self.mapping.entity_type)
        due_in = self._retry_in(tx)
        if not waits and due_in > 0:
            return due_in  # spares opening the board
        push, pause = self._parts_for(()).push, None
        if waits:
            ripe = push.look()
            for sent in push.drain(ripe):
                self._note_sent(sent.items, sent.made, result)
                for seconds in sent.after_s:
                    self.metrics.pushed.labels(self.mapping.entity).observe(seconds)
                    self.measured.append((latency.TO_MONDAY, seconds))
                    self.metrics.records.labels(self.mapping.entity, "monday", "written").inc()
            pause = ripe.next_in_s
        if due_in == 0:
            dealt = push.retry_due()
            self._note_sent(dealt.changed, dealt.made, result)
            self._next_retry = time.monotonic() + RETRY_EVERY_S
        if pause is None:
            pause = LOOK_AGAIN_S if waits else IDLE_S
        return min(pause, due_in or RETRY_EVERY_S)

    def _retry_in(self, tx: Transaction) -> float:
        """Returns the seconds until refused changes are to be tried again. What cannot go through is due all the time."""
        due_in = self._state.waiting.due_in(tx)
        return IDLE_S if due_in is None else max(due_in, self._next_retry - time.monotonic(), 0.0)

    def _note_sent(self, items: Sequence[str], made: int, result: RoundResult) -> None:
        self._own.note(items)
        result.linked = result.linked or bool(items) or bool(made)

    def _parts_for(self, entries: Sequence[Entry]) -> LiveParts:
        """Returns the opened board. It is opened anew when the board may have other columns than are known."""
        live, columns = self.live, {entry.column_id for entry in entries if entry.column_id}
        if live is None or time.monotonic() - live.made_at > BOARD_FRESH_FOR_S or not live.knows(columns):
            opening = Opening(writes=(self.settings.pulls, self.settings.pushes))
            sync = open_board(self.parts, self.mapping, self.board_id, opening)
            sync.begin()
            pull = LivePull(sync, self._own, self.metrics)
            push = LivePush(sync, self.settings.debounce_s)
            self.live = live = LiveParts(sync, pull, push, time.monotonic())
        return live


class RoundsInTurn:
    """Makes rounds of work for one entity, each while no other process works on it. It is used by one thread."""

    def __init__(
        self, parts: Parts, mapping: Mapping, board_id: str, settings: WorkerSettings, metrics: Metrics
    ) -> None:
        self._db, self._entity_type = parts.db, mapping.entity_type
        self._check_turn: Callable[[], None] | None = None
        in_turn = replace(parts, db=parts.db.during(self._still_in_turn))
        self.rounds = Rounds(in_turn, mapping, board_id, settings, metrics)

    def round(self, result: RoundResult, at_end: Callable[[Transaction], None] = lambda tx: None) -> float | None:
        """Does all that waits, and `at_end` in the same transaction. Returns the seconds until there may be more; None
        while another process has the turn.
        """
        with self._db.transaction() as tx:
            if paused := pause_of(tx, self.rounds.mapping.entity):
                at_end(tx)
                return min(IDLE_S, paused.ends_in_s)  # `resume` notifies
            self._check_turn = try_turn(tx, self._entity_type)
            if self._check_turn is None:
                return None
            pause = self.rounds.work(tx, result)
            at_end(tx)
        self._note_latencies()
        return pause

    def _note_latencies(self) -> None:
        """Adds how long the changes of a round took to the sums by hour. What goes wrong there fails no round."""
        if self.rounds.measured:
            try:
                latency.add(self._db, self._entity_type, self.rounds.measured)
            except DatabaseError as exc:
                log.debug("How long changes took could not be noted: %s", exc)

    @property
    def is_paused(self) -> bool:
        """Returns whether a user has paused the entity: what comes for it waits."""
        with self._db.transaction(read_only=True) as tx:
            return pause_of(tx, self.rounds.mapping.entity) is not None

    def _still_in_turn(self) -> None:
        """Raises TurnLost when the transaction that holds the turn of this round has ended."""
        if self._check_turn is not None:
            self._check_turn()
