"""PostgreSQL → monday.com in real time: what the outbox holds, record by record, as soon as a record has come to rest.

An application writes with plain SQL and commits; a trigger notes it and notifies. Nothing here is ever in its way: the
entries wait for as long as monday.com is slow or down.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from rows.tables import is_archived
from state import outbox
from state.record_settings import note_settings
from sync.board import BoardSync
from sync.task import NO_HINTS, Hints
from sync_pg_to_monday import RECORDS_AT_ONCE, Push
from values.slices import batched

log = logging.getLogger("monday_sync")

DEBOUNCE_S = 0.1
LONGEST_DEBOUNCE = 20
"""A record that somebody keeps changing is sent after so many debounce times at the latest."""
ENTRIES_AT_ONCE = 4_000
NOT_ONES_FAULT = (DatabaseError, MondayUnavailable, MondayRefused, DailyLimitReached, GuardStop, BoardNotVisible)
"""Trouble that every record would meet."""
DOUBT_S, LONGEST_DOUBT_S = 10.0, 600.0
"""How soon, and how late at the latest, what stays in doubt is looked at again."""
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
        self._recover_at = self._recover_pause_s = 0.0
        self.on_sent: Callable[[float], None] = lambda seconds: None
        self.wrote: list[str] = []
        """Items that were told something, and how many were made; whoever reads it empties it."""
        self.made = 0

    def drain_ripe(self) -> float | None:
        """Deal with the records that have come to rest; seconds until there is more to do, None when nothing waits."""
        with self.sync.db.transaction(read_only=True) as tx:
            ripe = self.ripe(tx)
        self.hints = Hints(dates=ripe.since)
        try:
            roots = sorted(ripe.roots)
            for part in batched(roots, RECORDS_AT_ONCE):
                self._deal_with_live(part, ripe)
            self._forget(ripe.idle)
        finally:
            self.hints = NO_HINTS
        return ripe.next_in_s

    def ripe(self, tx: Transaction) -> Ripe:
        """What the outbox holds, without the records that are still being changed."""
        noted = outbox.noted(tx, self.sync.mapping, ENTRIES_AT_ONCE)
        at: dict[int, datetime] = dict(
            tx.rows("select id, changed_at from sync_outbox where id = any(%s)", (noted.ids,))
        )
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
        """Send what is news about these rows, then forget their entries. On trouble they stay for the next time.

        When one of them makes the trouble, it is found, and costs itself alone.
        """
        try:
            self._send(root_ids, ripe)
        except NOT_ONES_FAULT:
            self._still_pending(root_ids)
            raise
        except SyncError as exc:
            self._still_pending(root_ids)
            if len(root_ids) == 1:
                log.error("%s %s: %s", self.sync.mapping.entity_type, root_ids[0], exc.message)
                self._put_off(ripe.roots[root_ids[0]])
                return
            for half in (root_ids[: len(root_ids) // 2], root_ids[len(root_ids) // 2 :]):
                self._deal_with_live(half, ripe)

    def _send(self, root_ids: Sequence[str], ripe: Ripe) -> None:
        waiting: list[str] = []
        if self._any_gone(root_ids):
            self._remove(self.guarded_removals())
        whole = self._deal_with(root_ids, waiting)
        self._create_gathered(at_least=1)
        if waiting and self.sync.mapping.record_settings:
            with self.sync.db.transaction() as tx:
                note_settings(tx, self.sync.mapping)
        entries = [entry for root_id in root_ids for entry in ripe.roots[root_id]]
        if whole:
            self._forget(entries)
        else:
            self._put_off(entries)
        self._measure(root_ids, ripe)

    def _any_gone(self, root_ids: Sequence[str]) -> bool:
        """Whether one of these rows with an item is not there any more, or archived."""
        mapping = self.sync.mapping
        statement = compose(
            "select exists (select from sync_mapping as l left join {table} as t on t.{key}::text = l.entity_id"
            " where l.entity_type = %s and l.entity_id = any(%s) and l.archived_at is null and l.monday_id is not null"
            " and (t.{key} is null or {archived}))",
            table=table_name(mapping.table), key=identifier(mapping.primary_key), archived=is_archived(mapping, "t"),
        )  # fmt: skip
        with self.sync.db.transaction(read_only=True) as tx:
            return bool(tx.value(statement, (mapping.entity_type, list(root_ids))))

    def _change(self, item_ids: Sequence[str]) -> None:
        super()._change(item_ids)
        self.wrote += item_ids

    def _create(self, root_ids: Sequence[str]) -> None:
        super()._create(root_ids)
        self.made += len(root_ids)

    def _measure(self, root_ids: Sequence[str], ripe: Ripe) -> None:
        if not self.wrote and not self.made:
            return
        with self.sync.db.transaction(read_only=True) as tx:
            now = tx.value("select clock_timestamp()")
        for root_id in root_ids:
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
                outbox.done(tx, entries)

    def _put_off(self, entries: Sequence[int]) -> None:
        """It takes somebody to put them right; until then it is enough to look now and then."""
        with self.sync.db.transaction() as tx:
            tx.execute(
                "update sync_outbox set attempts = attempts + 1, next_try_at = now() + interval '1 minute'"
                " where id = any(%s)",
                (list(entries),),
            )

    def retry_due(self) -> None:
        """Try what was refused and finish what was begun, when it is time to."""
        with self.sync.db.transaction(read_only=True) as tx:
            in_doubt = bool(self.sync.state.intents.open(tx))
        if in_doubt and time.monotonic() >= self._recover_at:
            self.creation.recover()
            self._recover_pause_s = min(LONGEST_DOUBT_S, 2 * self._recover_pause_s or DOUBT_S)
            self._recover_at = time.monotonic() + self._recover_pause_s
        elif not in_doubt:
            self._recover_pause_s = 0.0
        self._retry()


def outbox_depth(tx: Transaction, entity_type: str) -> tuple[int, float]:
    """How many entries wait, and how old the oldest is in seconds."""
    row = tx.rows(
        "select count(*), coalesce(extract(epoch from clock_timestamp() - min(changed_at)), 0)::float8"
        " from sync_outbox where entity_type = %s",
        (entity_type,),
    )[0]
    return int(row[0]), float(row[1])
