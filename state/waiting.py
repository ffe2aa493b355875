"""Remembers what was refused or has to wait, when it is tried again, and what is set aside after its tries.

A refused change pauses for 1, 2, 4, ... minutes and is set aside after `TRIES`. It stands in its link (`sync_mapping`);
an item that never became a row stands in `sync_skipped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from databases.postgres.names import compose
from db_connector import Composable, Transaction
from models import Item
from state.skipped import FAILED, Skipped

TRIES = 8
"""How often a change is tried before it is set aside for a user: over two hours, with doubling pauses."""


class Leftovers(NamedTuple):
    """Counts what a run leaves: rows held for a user, changes set aside, changes and items that pause."""

    held: int
    set_aside: int
    pausing: int


# after the last try there is no next time: only a user can have it tried again
REFUSE_CHANGE = """
update sync_mapping
set attempts = attempts + 1, last_error = %(message)s, updated_at = now(),
    sync_status = case when attempts + 1 >= %(tries)s then 'set_aside' else 'error' end,
    next_try_at = case when attempts + 1 < %(tries)s then now() + interval '1 minute' * power(2, attempts) end
where entity_type = %(type)s and entity_id = %(id)s
returning sync_status
"""

# without a hash, the next run looks at the item again
REFUSE_LINKED_ITEM = """
update sync_mapping
set attempts = attempts + 1, last_error = %(message)s, updated_at = now(),
    monday_hash = null, monday_updated_at = coalesce(%(at)s::timestamptz, monday_updated_at),
    sync_status = case when attempts + 1 >= %(tries)s then 'set_aside' else 'error' end,
    next_try_at = case when attempts + 1 < %(tries)s then now() + interval '1 minute' * power(2, attempts) end
where entity_type = %(type)s and monday_id = %(id)s
"""

REFUSE_NEW_ITEM = """
update sync_skipped
set attempts = attempts + 1,
    next_try_at = case when attempts + 1 < %(tries)s then now() + interval '1 minute' * power(2, attempts) end
where entity_type = %(type)s and monday_id = %(id)s
"""

UNSETTLED = """
select monday_id from sync_mapping
where entity_type = %(type)s and monday_board_id = %(board)s and monday_hash is null
  and archived_at is null and monday_id is not null
  and sync_enabled and sync_direction in ('bidirectional', 'monday_to_pg') and sync_status <> 'set_aside'
  and (attempts = 0 or next_try_at <= now())
union
select monday_id from sync_skipped
where entity_type = %(type)s and monday_board_id = %(board)s and (monday_hash is null or next_try_at <= now())
order by monday_id
"""

REMOVALS = """
select monday_id from sync_mapping
where entity_type = %(type)s and monday_board_id = %(board)s and archived_at is not null
  and sync_status = 'disabled' and monday_id is not null
  and sync_enabled and sync_direction in ('bidirectional', 'monday_to_pg')
order by monday_id
"""

OF_THE_BOARD = "entity_type = %(type)s and monday_board_id = %(board)s"
# Each part reads an index of its own: a run in which nothing waits must not cost more the more links there are.
LEFTOVERS = f"""
select (select count(*) from sync_mapping as l
        where {OF_THE_BOARD} and sync_enabled and archived_at is not null and sync_status = 'conflict'
          and exists (select from {{table}} as t where t.{{key}}::text = l.entity_id and not ({{archived}}))),
       (select count(*) from sync_mapping
        where {OF_THE_BOARD} and sync_enabled and archived_at is null and sync_status = 'set_aside'),
       (select count(*) from sync_mapping
        where {OF_THE_BOARD} and sync_enabled and archived_at is null and sync_status = 'error' and attempts > 0)
           + (select count(*) from sync_skipped
              where {OF_THE_BOARD} and reason like %(failed)s and next_try_at is not null)
"""


class Waiting(Struct, frozen=True):
    """Holds what waits of one entity on one board."""

    entity_type: str
    board_id: str

    # Rows whose changes wait

    def due(self, tx: Transaction, without: Iterable[str] = ()) -> list[str]:
        """Returns the root rows whose changes were refused or had to wait, and are due now."""
        rows = tx.rows(
            """
            select entity_id from sync_mapping
            where entity_type = %s and next_try_at <= now() and entity_id is not null
              and sync_enabled and sync_direction in ('bidirectional', 'pg_to_monday')
              and not coalesce(monday_id = any(%s), false)
            order by entity_id
            """,
            (self.entity_type, list(without)),
        )
        return [row[0] for row in rows]

    def due_in(self, tx: Transaction) -> float | None:
        """Returns the seconds until a change is due, or an item in doubt is to be looked for; None when nothing waits."""
        found = tx.value(
            """
            select least(
                (select extract(epoch from min(next_try_at) - now())
                 from sync_mapping
                 where entity_type = %(type)s and next_try_at is not null and entity_id is not null
                   and sync_enabled and sync_direction in ('bidirectional', 'pg_to_monday')),
                (select 0 from sync_intents where entity_type = %(type)s and monday_board_id = %(board)s limit 1)
            )::float8
            """,
            {"type": self.entity_type, "board": self.board_id},
        )
        return None if found is None else max(0.0, float(found))

    def wait(self, tx: Transaction, entity_ids: Sequence[str]) -> None:
        """Lets changes of these rows wait for a setting of their record; each run checks whether the setting allows them.

        A row that has a pause already keeps it.
        """
        tx.execute(
            """
            update sync_mapping
            set next_try_at = now()
            where entity_type = %s and entity_id = any(%s) and next_try_at is null
            """,
            (self.entity_type, list(entity_ids)),
        )

    def clear(self, tx: Transaction, entity_ids: Sequence[str], began: datetime) -> None:
        """Ends the waiting of rows that were looked at, except for those that were refused or made to wait again since.

        A row whose refused edit was undone is synced again.
        """
        tx.execute(
            """
            update sync_mapping
            set next_try_at = null, attempts = 0, last_error = null,
                sync_status = case when sync_status in ('error', 'set_aside', 'pending') then 'synced'
                                   else sync_status end
            where entity_type = %s and entity_id = any(%s) and next_try_at <= %s and intent_key is null
            """,
            (self.entity_type, list(entity_ids), began),
        )

    def refuse_change(self, tx: Transaction, entity_id: str, message: str) -> bool:
        """Notes that monday.com did not take a change, and returns whether it is set aside now."""
        status = tx.value(
            REFUSE_CHANGE,
            {"message": message[:2000], "tries": TRIES, "type": self.entity_type, "id": entity_id},
        )
        return bool(status == "set_aside")

    def refuse_creation(self, tx: Transaction, entity_id: str, message: str) -> bool:
        """Notes that no item could be made of a row, and returns whether it is set aside now."""
        tx.execute(
            """
            insert into sync_mapping (entity_id, entity_type, monday_board_id, sync_status)
            values (%s, %s, %s, 'error')
            on conflict (entity_id, entity_type) do nothing
            """,
            (entity_id, self.entity_type, self.board_id),
        )
        return self.refuse_change(tx, entity_id, message)

    def make_new(self, tx: Transaction, entity_id: str) -> None:
        """Removes the item from a row's link; the next push makes another item of the row."""
        tx.execute(
            """
            update sync_mapping
            set monday_id = null, archived_at = null, base = null, base_postgres = null,
                monday_hash = null, monday_updated_at = null,
                sync_status = 'pending', attempts = 0, next_try_at = now(), last_error = null, updated_at = now()
            where entity_type = %s and entity_id = %s
            """,
            (self.entity_type, entity_id),
        )

    # Items that could not be dealt with

    def refuse_item(self, tx: Transaction, monday_id: str, reason: str, updated_at: str | None, digest: str) -> None:
        """Notes that PostgreSQL did not take an item. It is tried again after a pause, and when it was edited.

        `digest` is the item's content hash.
        """
        params = {"type": self.entity_type, "id": monday_id, "tries": TRIES}
        # an item with a link
        if tx.execute(REFUSE_LINKED_ITEM, params | {"message": reason[:2000], "at": updated_at}):
            return
        # an item that never became a row
        Skipped(self.entity_type, self.board_id).add(tx, [(monday_id, f"{FAILED}{reason}", None, digest)])
        tx.execute(REFUSE_NEW_ITEM, params)

    def pausing(self, tx: Transaction, items: Sequence[Item]) -> set[str]:
        """Returns those of these items that were refused as they are now, and whose next try is not due."""
        rows = tx.bulk(
            """
            -- an item that was edited since is tried at once
            select l.monday_id
            from {rows}
            cross join lateral (
                select m.* from sync_mapping as m where m.monday_id = new.id and m.entity_type = %(type)s offset 0
            ) as l
            where l.attempts > 0 and l.monday_hash is null and l.monday_updated_at = new.at
              and coalesce(l.next_try_at > now(), true)
            """,
            {"id": "text", "at": "timestamptz"},
            [(item.id, item.updated_at) for item in items],
            {"type": self.entity_type},
        )
        return {row[0] for row in rows}

    def unsettled(self, tx: Transaction) -> list[str]:
        """Returns the items that show what PostgreSQL does not have yet: waiting, refused, or kept back by a setting."""
        rows = tx.rows(UNSETTLED, {"type": self.entity_type, "board": self.board_id})
        return [row[0] for row in rows]

    def removals(self, tx: Transaction) -> list[str]:
        """Returns the items that were removed while the settings of their records kept their rows."""
        return [row[0] for row in tx.rows(REMOVALS, {"type": self.entity_type, "board": self.board_id})]

    def refused_rows(self, tx: Transaction, entity_ids: Sequence[str]) -> set[str]:
        """Returns those of these rows that still show something monday.com does not have."""
        rows = tx.rows(
            "select entity_id from sync_mapping where entity_type = %s and entity_id = any(%s) and attempts > 0",
            (self.entity_type, list(entity_ids)),
        )
        return {row[0] for row in rows}

    # What waits for a user

    def doubt(self, tx: Transaction, entity_ids: Sequence[str], message: str) -> list[str]:
        """Sets rows aside of which items may have been made, and returns those that were not set aside before."""
        rows = tx.rows(
            """
            update sync_mapping
            set sync_status = 'set_aside', last_error = %(message)s, updated_at = now()
            where entity_type = %(type)s and entity_id = any(%(ids)s) and sync_status <> 'set_aside'
            returning entity_id
            """,
            {"message": message, "type": self.entity_type, "ids": list(entity_ids)},
        )
        return [row[0] for row in rows]

    def hold(self, tx: Transaction, entity_ids: Sequence[str]) -> None:
        """Holds rows that are there again while their items are gone: a user has to decide."""
        tx.execute(
            """
            update sync_mapping
            set sync_status = 'conflict'
            where entity_type = %s and entity_id = any(%s) and archived_at is not null and sync_status <> 'conflict'
            """,
            (self.entity_type, list(entity_ids)),
        )

    def leftovers(self, tx: Transaction, table: Composable, key: Composable, archived: Composable) -> Leftovers:
        """Counts what waits for a user or pauses. `archived` is the condition that a root row `t` is archived."""
        statement = compose(LEFTOVERS, table=table, key=key, archived=archived)
        params = {"type": self.entity_type, "board": self.board_id, "failed": f"{FAILED}%"}
        held, set_aside, pausing = tx.rows(statement, params)[0]
        return Leftovers(int(held), int(set_aside), int(pausing))


LOOK_AGAIN = """
update sync_mapping
set monday_hash = null
where entity_type = %s and monday_id is not null and archived_at is null and monday_hash is not null
  and not coalesce(base ? %s, false)
"""

WAITING_NOW = """
select 'board', monday_board_id from sync_inbox
where done_at is null and (next_try_at is null or next_try_at <= now())
union
select 'type', entity_type from sync_outbox where next_try_at is null or next_try_at <= now()
union
select 'type', entity_type from sync_mapping where next_try_at <= now() and sync_enabled
union
select 'type', entity_type from sync_intents
"""


def look_again(tx: Transaction, entity_type: str, field: str) -> None:
    """Has items without a value for this field looked at again: what they point at may have rows now."""
    tx.execute(LOOK_AGAIN, (entity_type, field))


def waiting_now(tx: Transaction) -> tuple[set[str], set[str]]:
    """Returns the boards whose events wait, and the entity types whose changes, refused ones and doubts wait."""
    found = tx.rows(WAITING_NOW)
    return {name for kind, name in found if kind == "board"}, {name for kind, name in found if kind == "type"}
