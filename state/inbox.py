"""Keeps webhook events until they are dealt with: `sync_inbox`. Each is committed before it is acknowledged.

A delivery is one statement that commits itself. An entry that has been dealt with is kept for some hours, so that a
repeated delivery is known and is not dealt with twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from db_connector import Database, Transaction, json_text
from services.monday.webhook_events import UNDATED, Event, Hint
from timing import backoff

AT_ONCE = 5_000
"""Entries that are claimed together: many are about the same items."""
TRIES = 8

WRITE = """
insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body)
values {rows}
on conflict (trigger_id) do nothing
returning id
"""
ROW = "(%s, %s, %s, %s, %s)"


class InboxWriter:
    """Stores events. `arrived` is called with the boards of new events."""

    def __init__(self, db: Database, arrived: Callable[[set[str]], None] = lambda boards: None) -> None:
        self._db = db
        self._arrived = arrived

    def write(self, event: Event, hints: Sequence[Hint]) -> bool:
        """Commits an event; returns False when it was known. Raises DatabaseError when it is not written."""
        body, values = json_text(event.body), []
        # An event with neither a trigger's id nor a time may be new each time.
        given = event.trigger_id + (f"/{uuid.uuid4().hex}" if event.trigger_id.startswith(UNDATED) else "")
        # an event about several items: an entry for each
        for index, hint in enumerate(hints):
            trigger = f"{given}#{index}" if index else given
            values += [trigger, hint.board_id, hint.item_id, event.kind, body]
        new = self._db.commit_one(WRITE.format(rows=", ".join([ROW] * len(hints))), values)
        # a repeated delivery wakes no worker
        if new:
            self._arrived({hint.board_id for hint in hints})
        return bool(new)


# Dealing with it


class Entry(Struct, frozen=True):
    """Holds an event that waits. `age_s` is counted by the database's clock."""

    id: int
    trigger_id: str
    item_id: str | None
    event: str
    column_id: str | None
    attempts: int
    age_s: float


CLAIM = """
select id, trigger_id, monday_id, event, body ->> 'columnId', attempts,
       extract(epoch from clock_timestamp() - received_at)::float8
from sync_inbox
where monday_board_id = %s and done_at is null and (next_try_at is null or next_try_at <= now())
order by attempts > 0, id
limit %s
for update skip locked
"""

PUT_OFF = """
update sync_inbox
set attempts = attempts + 1, last_error = %s,
    next_try_at = case when %s then 'infinity' else now() + make_interval(secs => %s) end
where id = %s
"""

TIDY = """
delete from sync_inbox
-- longer than monday.com repeats a delivery (30 minutes), with room to spare
where done_at < now() - interval '6 hours'
   -- so long an entry waits for its board to come back into a mapping, or for a daemon that has the board
   or (done_at is null and received_at < now() - interval '1 day' and monday_board_id <> all(%s))
"""

DEPTH = """
select count(*) filter (where next_try_at is distinct from 'infinity'),
       coalesce(extract(epoch from clock_timestamp()
           - min(received_at) filter (where next_try_at is distinct from 'infinity')), 0)::float8,
       count(*) filter (where next_try_at = 'infinity')
from sync_inbox
where done_at is null and monday_board_id = any(%s)
"""


def claim(tx: Transaction, board_id: str, limit: int = AT_ONCE) -> list[Entry]:
    """Returns the oldest entries of a board, and locks them until the end of the transaction.

    An entry that failed before comes alone, so that it cannot delay the others.
    """
    # entries that never failed come first
    entries = [Entry(*row) for row in tx.rows(CLAIM, (board_id, limit))]
    return entries[:1] if entries and entries[0].attempts else entries


def items_waiting(tx: Transaction, board_id: str) -> list[str]:
    """Returns the items of a board of which events wait."""
    rows = tx.rows(
        """
        select distinct monday_id from sync_inbox
        where monday_board_id = %s and done_at is null and monday_id is not null
        """,
        (board_id,),
    )
    return [row[0] for row in rows]


def done(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Notes that these have been dealt with."""
    tx.execute(
        "update sync_inbox set done_at = now(), next_try_at = null, last_error = null where id = any(%s)",
        ([entry.id for entry in entries],),
    )


def put_off(tx: Transaction, entries: Sequence[Entry], reason: str, first_pause_s: float = 1.0) -> list[Entry]:
    """Puts entries off for a growing pause; returns those that have had all their tries and are set aside."""
    set_aside = []
    for entry in entries:
        # the last try: set aside until a user asks for another
        last = entry.attempts + 1 >= TRIES
        if last:
            set_aside.append(entry)
        pause = backoff(entry.attempts, first_pause_s, 600.0, lambda: 1.0)
        tx.execute(PUT_OFF, (reason[:2000], last, pause, entry.id))
    return set_aside


def next_try_in(tx: Transaction, board_id: str) -> float | None:
    """Returns the seconds until an entry of the board is to be tried again; None when none waits for that."""
    found = tx.value(
        """
        select extract(epoch from min(next_try_at) - now())::float8
        from sync_inbox
        where monday_board_id = %s and done_at is null and next_try_at < 'infinity'
        """,
        (board_id,),
    )
    return None if found is None else max(0.0, float(found))


def tidy(tx: Transaction, mapped: Iterable[str]) -> int:
    """Deletes entries dealt with hours ago, and those of a day ago for boards that are not mapped; returns how many."""
    return tx.execute(TIDY, (list(mapped),))


def depth(tx: Transaction, boards: Iterable[str]) -> tuple[int, float, int]:
    """Returns, of some boards, how many entries wait, the seconds since the oldest came, and how many are set aside."""
    row = tx.rows(DEPTH, (list(boards),))[0]
    return int(row[0]), float(row[1]), int(row[2])
