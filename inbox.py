"""The inbox: webhook events, written down and committed before monday.com is told that they came, then worked off.

Deliveries that come at the same time share one transaction, so that a burst costs a few commits. An entry that has been
dealt with is kept for some hours: a delivery that comes again is then known, and nothing happens twice.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from db_connector import Database, Transaction, json_text
from errors import DatabaseError, DatabaseUnreachable
from timing import backoff
from webhook_events import Event, Hint

AT_ONCE = 500
"""Deliveries in one transaction, and entries that are claimed together."""
PATIENCE_S = 10.0
TRIES = 8
KEPT_FOR = "6 hours"
"""Longer than monday.com repeats a delivery (30 minutes), with room to spare."""


@dataclass(slots=True)
class _Arrival:
    event: Event
    hints: Sequence[Hint]
    done: threading.Event
    new: bool = False
    error: DatabaseError | None = None


class InboxWriter:
    """Writes arrivals down, one transaction for all that wait. `arrived` hears which boards have news."""

    def __init__(self, db: Database, arrived: Callable[[set[str]], None] = lambda boards: None) -> None:
        self._db = db
        self._arrived = arrived
        self._waiting: queue.SimpleQueue[_Arrival | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="inbox", daemon=True)
        self._thread.start()

    def write(self, event: Event, hints: Sequence[Hint]) -> bool:
        """Return once the event is committed; False when it was known. Raises DatabaseError when it is not written."""
        arrival = _Arrival(event, hints, threading.Event())
        self._waiting.put(arrival)
        if not arrival.done.wait(PATIENCE_S):
            raise DatabaseUnreachable("PostgreSQL takes too long to write an event down.")
        if arrival.error is not None:
            raise arrival.error
        return arrival.new

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(PATIENCE_S)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            arrivals = [first]
            while len(arrivals) < AT_ONCE and not self._waiting.empty():
                if (one := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                arrivals.append(one)
            self._write(arrivals)

    def _write(self, arrivals: Sequence[_Arrival]) -> None:
        try:
            with self._db.transaction() as tx:
                known = insert(tx, [(one.event, one.hints) for one in arrivals])
            for one in arrivals:
                one.new = one.event.trigger_id in known
        except DatabaseError as exc:
            for one in arrivals:
                one.error = exc
        except Exception as exc:
            for one in arrivals:
                one.error = DatabaseError(f"An event could not be written down ({type(exc).__name__}).")
        for one in arrivals:
            one.done.set()
        self._arrived({hint.board_id for one in arrivals if one.new for hint in one.hints})


def insert(tx: Transaction, events: Sequence[tuple[Event, Sequence[Hint]]]) -> set[str]:
    """Write events down; the trigger ids of those that were not known."""
    rows = [
        (event.trigger_id + (f"#{index}" if index else ""), hint.board_id, hint.item_id, event.kind, json_text(event.body))
        for event, hints in events
        for index, hint in enumerate(hints)
    ]
    found = tx.bulk(
        "insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body)"
        " select trigger, board, item, kind, body from {rows} on conflict (trigger_id) do nothing returning trigger_id",
        {"trigger": "text", "board": "text", "item": "text", "kind": "text", "body": "jsonb"}, rows,
    )  # fmt: skip
    return {str(row[0]).partition("#")[0] for row in found}


# Working it off


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that waits. `age_s` is counted by the database's clock."""

    id: int
    trigger_id: str
    item_id: str | None
    event: str
    body: Any
    attempts: int
    age_s: float


def claim(tx: Transaction, board_id: str, limit: int = AT_ONCE) -> list[Entry]:
    """The oldest entries of a board that nobody else works on; they are ours until the end of the transaction.

    One that made trouble before comes alone, so that it cannot hold up the others.
    """
    rows = tx.rows(
        "select id, trigger_id, monday_id, event, body, attempts,"
        " extract(epoch from clock_timestamp() - received_at)::float8 from sync_inbox"
        " where monday_board_id = %s and done_at is null and (next_try_at is null or next_try_at <= now())"
        " order by attempts > 0, id limit %s for update skip locked",
        (board_id, limit),
    )
    entries = [Entry(*row) for row in rows]
    return entries if not entries or not entries[0].attempts else entries[:1]


def done(tx: Transaction, entries: Sequence[Entry]) -> None:
    """These have been dealt with."""
    tx.execute(
        "update sync_inbox set done_at = now(), next_try_at = null, last_error = null where id = any(%s)",
        ([one.id for one in entries],),
    )


def put_off(tx: Transaction, entries: Sequence[Entry], reason: str, first_pause_s: float = 1.0) -> list[Entry]:
    """Try these again after a growing pause; those that have had their tries are set aside, and returned."""
    aside = []
    for one in entries:
        last = one.attempts + 1 >= TRIES
        aside += [one] if last else []
        pause = backoff(one.attempts, first_pause_s, 600.0, lambda: 1.0)
        tx.execute(
            "update sync_inbox set attempts = attempts + 1, last_error = %s,"
            " next_try_at = case when %s then 'infinity' else now() + make_interval(secs => %s) end where id = %s",
            (reason[:2000], last, pause, one.id),
        )
    return aside


def next_try_in(tx: Transaction, board_id: str) -> float | None:
    """Seconds until an entry of the board is to be tried again; None when none waits for that."""
    found = tx.value(
        "select extract(epoch from min(next_try_at) - now())::float8 from sync_inbox"
        " where monday_board_id = %s and done_at is null and next_try_at < 'infinity'",
        (board_id,),
    )
    return None if found is None else max(0.0, float(found))


def tidy(tx: Transaction) -> int:
    """Forget what was dealt with hours ago; how many entries."""
    return tx.execute(f"delete from sync_inbox where done_at < now() - interval '{KEPT_FOR}'")


def depth(tx: Transaction) -> tuple[int, float, int]:
    """How many entries wait, how old the oldest of them is in seconds, and how many are set aside."""
    row = tx.rows(
        "select count(*) filter (where next_try_at is distinct from 'infinity'),"
        " coalesce(extract(epoch from clock_timestamp() - min(received_at)"
        " filter (where next_try_at is distinct from 'infinity')), 0)::float8,"
        " count(*) filter (where next_try_at = 'infinity') from sync_inbox where done_at is null"
    )[0]
    return int(row[0]), float(row[1]), int(row[2])
