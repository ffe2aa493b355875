"""PostgreSQL → monday.com in real time: what the outbox holds, record by record, as soon as a record has come to rest.

An application writes with plain SQL and commits; a trigger notes it and notifies. Nothing here is ever in its way: the
entries wait for as long as monday.com is slow or down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import change_queue
from board_sync import BoardSync
from db_connector import Transaction, compose, identifier, table_name
from errors import SyncError
from mapping import ROOT
from sync_pg_to_monday import RECORDS_AT_ONCE, Push

log = logging.getLogger("monday_sync")

DEBOUNCE_S = 0.1
LONGEST_DEBOUNCE = 20
"""A record that somebody keeps changing is sent after so many debounce times at the latest."""
ENTRIES_AT_ONCE = 4_000
WAIT_FOR_LINKED = timedelta(seconds=30)
"""How long a record waits for the item of a record that it points at."""


@dataclass(slots=True)
class Ripe:
    """The records to look at now, with their entries; and how long until the next is ready."""

    roots: dict[str, list[int]] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    idle: list[int] = field(default_factory=list)
    """Entries about rows that no record shows."""
    next_in_s: float | None = None
    now: datetime | None = None


class LivePush(Push):
    """A push that goes on and on, a few records at a time. It is used by one thread."""

    def __init__(self, sync: BoardSync, debounce_s: float = DEBOUNCE_S) -> None:
        super().__init__(sync)
        self.debounce_s = debounce_s
        self.on_sent: Callable[[float], None] = lambda seconds: None
        self.wrote: list[str] = []
        """Items that were told something; whoever reads it empties it."""

    def drain_ripe(self) -> float | None:
        """Deal with the records that have come to rest; seconds until there is more to do, None when nothing waits."""
        with self.sync.db.transaction(read_only=True) as tx:
            ripe = self.ripe(tx)
        self.sync.engine.dates.update(ripe.since)
        try:
            roots = sorted(ripe.roots)
            for start in range(0, len(roots), RECORDS_AT_ONCE):
                self._deal_with_live(roots[start : start + RECORDS_AT_ONCE], ripe)
            self._forget(ripe.idle)
        finally:
            self.sync.engine.dates.clear()
        return ripe.next_in_s

    def ripe(self, tx: Transaction) -> Ripe:
        """What the outbox holds, without the records that are still being changed."""
        noted = change_queue.noted(tx, self.sync.mapping, ENTRIES_AT_ONCE)
        at: dict[int, datetime] = dict(tx.rows("select id, changed_at from sync_outbox where id = any(%s)", (noted.ids,)))
        now: datetime = tx.value("select clock_timestamp()")
        ripe = Ripe(now=now)
        early = self._points_at_unlinked(tx, list(noted.roots))
        for root_id, entries in noted.roots.items():
            times = [at[one] for one in entries if one in at]
            wait = self._wait(min(times), max(times), now, root_id in early) if times else 0.0
            if wait > 0:
                ripe.next_in_s = min(wait, ripe.next_in_s or wait)
            else:
                ripe.roots[root_id], ripe.since[root_id] = entries, max(times, default=now)
        shown = {entry for entries in noted.roots.values() for entry in entries}
        ripe.idle = [entry for entry in noted.ids if entry not in shown]
        if len(noted.ids) == ENTRIES_AT_ONCE:
            ripe.next_in_s = 0.0
        return ripe

    def _wait(self, first: datetime, last: datetime, now: datetime, early: bool) -> float:
        """Seconds until a record has come to rest."""
        if early and now - first < WAIT_FOR_LINKED:
            return 0.2
        rest = self.debounce_s - (now - last).total_seconds()
        return min(rest, self.debounce_s * LONGEST_DEBOUNCE - (now - first).total_seconds())

    def _points_at_unlinked(self, tx: Transaction, root_ids: list[str]) -> set[str]:
        """Rows that point at a row whose item is still to be made: theirs can show it once that is there."""
        mapping, found = self.sync.mapping, set()
        for binding in mapping.bindings:
            place = mapping.places[binding.fields[0]] if binding.link_to and binding.fields else None
            other = self.sync.engine.store.owners.get(binding.link_to or "")
            if place is None or other is None or place.home != ROOT or not root_ids:
                continue
            statement = compose(
                "select t.{key}::text from {table} as t join sync_outbox as o on o.row_id = t.{column}::text"
                " and o.entity_type = %(other)s where t.{key}::text = any(%(ids)s)"
                " and not exists (select from sync_mapping as l where l.entity_type = %(other)s"
                " and l.entity_id = t.{column}::text and l.monday_id is not null)",
                key=identifier(mapping.primary_key), table=table_name(mapping.table), column=identifier(place.column),
            )  # fmt: skip
            found |= {row[0] for row in tx.rows(statement, {"other": other.entity_type, "ids": root_ids})}
        return found

    def _deal_with_live(self, root_ids: Sequence[str], ripe: Ripe) -> None:
        """Send what is news about these rows, then forget their entries. On trouble they stay for the next time."""
        sync = self.sync
        with sync.db.transaction(read_only=True) as tx:
            look = sync.engine.look(tx, root_ids)
        try:
            if look.removed:
                self._remove(self.guarded_removals())
            if look.waiting:
                with sync.db.transaction() as tx:
                    sync.state.wait(tx, look.waiting)
            self._report_held(look)
            self._change(look.changed)
            self._create(look.new)
        except SyncError:
            self._still_pending(root_ids)
            raise
        self.wrote += look.changed
        self._forget([entry for root_id in root_ids for entry in ripe.roots[root_id]])
        sent = {*look.new} if not look.changed else set(root_ids)
        with sync.db.transaction(read_only=True) as tx:
            now = tx.value("select clock_timestamp()")
        for root_id in sent:
            self.on_sent((now - ripe.since[root_id]).total_seconds())

    def _still_pending(self, root_ids: Sequence[str]) -> None:
        """Tell the application, on its rows, that what it changed is not on the board yet."""
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
                change_queue.done(tx, entries)

    def retry_due(self) -> None:
        """Try what was refused and finish what was begun, when it is time to."""
        with self.sync.db.transaction(read_only=True) as tx:
            in_doubt = bool(self.sync.state.intents(tx))
        if in_doubt:
            self.creation.recover()
        self._retry()


def outbox_depth(tx: Transaction, entity_type: str) -> tuple[int, float]:
    """How many entries wait, and how old the oldest is in seconds."""
    row = tx.rows(
        "select count(*), coalesce(extract(epoch from clock_timestamp() - min(changed_at)), 0)::float8"
        " from sync_outbox where entity_type = %s",
        (entity_type,),
    )[0]
    return int(row[0]), float(row[1])
