"""Pushes in real time: sends the changes that the outbox holds, as soon as a record has stayed unchanged for some time.

An application writes with plain SQL and commits; a trigger notes it and notifies. The application never waits for
monday.com: the entries wait, also while monday.com is slow or down.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from databases.postgres.names import compose, identifier, table_name
from db_connector import Transaction
from errors import (
    BoardNotVisible,
    DailyLimitReached,
    DatabaseError,
    GuardStop,
    MondayRefused,
    MondayUnavailable,
    SyncError,
)
from mappings.declaration import ROOT
from realtime.worker_settings import DEBOUNCE_S
from rows.tables import is_archived
from state import outbox
from state.record_settings import note_settings
from sync.board import BoardSync
from sync.change_items import guarded_removals, remove_items_of
from sync.push_rows import RECORDS_AT_ONCE, Dealt, RowSender
from sync.task import Hints
from values.slices import batched

log = logging.getLogger("monday_sync")

LONGEST_DEBOUNCE = 20
"""A record that changes again and again is sent after so many debounce times at the latest."""
ENTRIES_AT_ONCE = 4_000
NOT_ONES_FAULT = (DatabaseError, MondayUnavailable, MondayRefused, DailyLimitReached, GuardStop, BoardNotVisible)
"""Failures that every record would meet."""
DOUBT_S, LONGEST_DOUBT_S = 10.0, 600.0
"""The first and the longest pause before items that may have been made are looked for again."""
WAIT_FOR_LINKED = timedelta(seconds=30)
"""How long a record waits for the item of a record that it points at."""

POINTING_AT_UNLINKED = """
select t.{key}::text
from {table} as t
join sync_outbox as o on o.row_id = t.{column}::text and o.entity_type = %(other)s
where t.{key}::text = any(%(ids)s)
    and not exists (
        select from sync_mapping as l
        where l.entity_type = %(other)s and l.entity_id = t.{column}::text and l.monday_id is not null
    )
"""
ANY_GONE = """
select exists (
    select from sync_mapping as l
    left join {table} as t on t.{key}::text = l.entity_id
    where l.entity_type = %s and l.entity_id = any(%s) and l.archived_at is null and l.monday_id is not null
        and (t.{key} is null or {archived})
)
"""
PUT_OFF = """
update sync_outbox
set attempts = attempts + 1, next_try_at = now() + interval '1 minute'
where id = any(%s)
"""
DEPTH = """
select count(*), coalesce(extract(epoch from clock_timestamp() - min(changed_at)), 0)::float8
from sync_outbox
where entity_type = %s
"""


class Ripe(Struct):
    """Holds the records to look at now, with their entries; and how long until the next is ready."""

    roots: dict[str, list[int]] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    idle: list[int] = field(default_factory=list)
    """Entries about rows that no record shows."""
    next_in_s: float | None = None
    now: datetime | None = None


class Sent(Struct, frozen=True):
    """Holds what was sent of some records."""

    items: Sequence[str]
    """The items that were changed."""
    made: int
    """How many items were made."""
    after_s: Sequence[float]
    """How long after its last change each record was sent; empty when nothing was."""


class LivePush:
    """Pushes again and again, a few records at a time. It is used by one thread."""

    def __init__(self, sync: BoardSync, debounce_s: float = DEBOUNCE_S) -> None:
        self.sync, self.debounce_s = sync, debounce_s
        self.sender = RowSender(sync)
        self._recover_at = self._recover_pause_s = 0.0

    def look(self) -> Ripe:
        """Returns the records that are to be sent now, and how long until there are more."""
        with self.sync.db.transaction(read_only=True) as tx:
            return self.ripe(tx)

    def drain(self, ripe: Ripe) -> Iterator[Sent]:
        """Deals with these records, and yields what was sent after each batch."""
        for root_ids in batched(sorted(ripe.roots), RECORDS_AT_ONCE):
            yield from self._deal_with(root_ids, ripe)
        self._forget(ripe.idle)

    def ripe(self, tx: Transaction) -> Ripe:
        """Returns what the outbox holds, without the records that are still being changed."""
        noted = outbox.noted(tx, self.sync.mapping, ENTRIES_AT_ONCE)
        at: dict[int, datetime] = dict(
            tx.rows("select id, changed_at from sync_outbox where id = any(%s)", (noted.ids,))
        )
        now: datetime = tx.value("select clock_timestamp()")
        ripe = Ripe(now=now)
        early = self._points_at_unlinked(tx, list(noted.roots))
        for root_id, entries in noted.roots.items():
            times = [at[entry] for entry in entries if entry in at]
            wait = self._wait(min(times), max(times), now, root_id in early) if times else 0.0
            # still being changed
            if wait > 0:
                ripe.next_in_s = min(wait, ripe.next_in_s or wait)
            else:
                ripe.roots[root_id], ripe.since[root_id] = entries, max(times, default=now)
        shown = {entry for entries in noted.roots.values() for entry in entries}
        ripe.idle = [entry for entry in noted.ids if entry not in shown]
        # the outbox holds more
        if len(noted.ids) == ENTRIES_AT_ONCE:
            ripe.next_in_s = 0.0
        return ripe

    def _wait(self, first: datetime, last: datetime, now: datetime, early: bool) -> float:
        """Returns the seconds until a record is to be sent."""
        # its item could not show the linked item yet
        if early and now - first < WAIT_FOR_LINKED:
            return 0.2
        # unchanged for long enough, or changed for too long
        rest = self.debounce_s - (now - last).total_seconds()
        return min(rest, self.debounce_s * LONGEST_DEBOUNCE - (now - first).total_seconds())

    def _points_at_unlinked(self, tx: Transaction, root_ids: list[str]) -> set[str]:
        """Returns rows that point at a row whose item is still to be made: their items can show it once it is there."""
        mapping, found = self.sync.mapping, set()
        for binding in mapping.bindings:
            place = mapping.places[binding.fields[0]] if binding.link_to and binding.fields else None
            other = self.sync.engine.store.owners.get(binding.link_to or "")
            if place is None or other is None or place.home != ROOT or not root_ids:
                continue  # no link of the root row
            names = {"table": table_name(mapping.table), "key": identifier(mapping.primary_key)}
            statement = compose(POINTING_AT_UNLINKED, column=identifier(place.column), **names)
            found |= {row[0] for row in tx.rows(statement, {"other": other.entity_type, "ids": root_ids})}
        return found

    def _deal_with(self, root_ids: Sequence[str], ripe: Ripe) -> Iterator[Sent]:
        """Sends the changes of these rows, then deletes their entries. After a failure the entries stay for the next round.

        A row that cannot be sent is found by halving the rows; the others are sent.
        """
        try:
            sent = self._send(root_ids, ripe)
        except NOT_ONES_FAULT:
            self._show_pending(root_ids)
            raise
        except SyncError as exc:
            self._show_pending(root_ids)
            # the row that cannot be sent
            if len(root_ids) == 1:
                log.error("%s %s: %s", self.sync.mapping.entity_type, root_ids[0], exc.message)
                self._put_off(ripe.roots[root_ids[0]])
                return
            # it is among these: each half by itself
            middle = len(root_ids) // 2
            yield from self._deal_with(root_ids[:middle], ripe)
            yield from self._deal_with(root_ids[middle:], ripe)
        else:
            yield sent

    def _send(self, root_ids: Sequence[str], ripe: Ripe) -> Sent:
        hints = Hints(dates=ripe.since)
        if self._any_gone(root_ids):
            remove_items_of(self.sync, guarded_removals(self.sync).removals, hints)
        dealt = self.sender.deal_with(root_ids, hints)
        dealt.made += self.sender.create_gathered()
        if dealt.waiting and self.sync.mapping.record_settings:
            with self.sync.db.transaction() as tx:
                note_settings(tx, self.sync.mapping)
        entries = [entry for root_id in root_ids for entry in ripe.roots[root_id]]
        # every change was dealt with
        if dealt.whole:
            self._forget(entries)
        else:
            self._put_off(entries)
        return Sent(dealt.changed, dealt.made, self._measure(root_ids, ripe) if dealt.changed or dealt.made else ())

    def _any_gone(self, root_ids: Sequence[str]) -> bool:
        """Returns whether a row of these that has an item is gone or archived."""
        mapping = self.sync.mapping
        statement = compose(
            ANY_GONE,
            table=table_name(mapping.table),
            key=identifier(mapping.primary_key),
            archived=is_archived(mapping, "t"),
        )
        with self.sync.db.transaction(read_only=True) as tx:
            return bool(tx.value(statement, (mapping.entity_type, list(root_ids))))

    def _measure(self, root_ids: Sequence[str], ripe: Ripe) -> list[float]:
        with self.sync.db.transaction(read_only=True) as tx:
            now = tx.value("select clock_timestamp()")
        return [(now - ripe.since[root_id]).total_seconds() for root_id in root_ids]

    def _show_pending(self, root_ids: Sequence[str]) -> None:
        """Marks the rows as pending: an application sees that its changes are not on the board yet."""
        if not self.sync.mapping.record_settings:
            return
        try:
            with self.sync.db.transaction() as tx:
                self.sync.engine.store.set_status(tx, dict.fromkeys(root_ids, "pending"))
        except SyncError as exc:
            log.debug("The rows could not be marked: %s", exc)

    def _forget(self, entries: Sequence[int]) -> None:
        if entries:
            with self.sync.db.transaction() as tx:
                outbox.done(tx, entries)

    def _put_off(self, entries: Sequence[int]) -> None:
        """Lets entries wait for a minute: only a user can solve their problem."""
        with self.sync.db.transaction() as tx:
            tx.execute(PUT_OFF, (list(entries),))

    def retry_due(self) -> Dealt:
        """Tries refused changes that are due, and looks for items that a killed run may have made."""
        with self.sync.db.transaction(read_only=True) as tx:
            in_doubt = bool(self.sync.state.intents.open(tx))
        if in_doubt and time.monotonic() >= self._recover_at:
            self.sender.creation.recover()
            self._recover_pause_s = min(LONGEST_DOUBT_S, 2 * self._recover_pause_s or DOUBT_S)
            self._recover_at = time.monotonic() + self._recover_pause_s
        elif not in_doubt:
            self._recover_pause_s = 0.0
        return self.sender.retry_refused()


def outbox_depth(tx: Transaction, entity_type: str) -> tuple[int, float]:
    """Returns how many entries wait, and how old the oldest is in seconds."""
    row = tx.rows(DEPTH, (entity_type,))[0]
    return int(row[0]), float(row[1])
