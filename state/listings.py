"""Remembers the ids that a listing of a board has shown, and compares them with what is known: `sync_listing`.

A listing has just been written, so PostgreSQL knows nothing of its size, and `not exists` would compare every row with
every other. `except` sorts both sides, whatever is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from db_connector import Transaction
from models import Item

STALE = """
select s.monday_id
from sync_listing as s
left join sync_mapping as l on l.monday_id = s.monday_id and l.entity_type = %(type)s
left join sync_skipped as k on k.monday_id = s.monday_id and k.entity_type = %(type)s
where s.pass = %(pass)s
  and (l.id is null and k.id is null                      -- not known
       or l.archived_at is not null                       -- known as gone
       or l.monday_hash is null and k.id is null          -- to be looked at again
       or s.monday_updated_at is null and k.id is null    -- its time tells nothing
       or s.monday_updated_at is distinct from l.monday_updated_at and k.id is null)
order by s.monday_id
"""

IS_FRESH = """
-- after a crash PostgreSQL has lost all of it
select coalesce(max(noted_at) > now() - interval '1 hour' and min(noted_at) > now() - interval '1 day', false)
from sync_listing
where pass = %s
"""
ADD_MADE_SINCE = """
insert into sync_listing (pass, monday_id, monday_updated_at)
select %(pass)s::uuid, l.monday_id, l.monday_updated_at
from sync_mapping as l
where l.entity_type = %(type)s and l.monday_board_id = %(board)s
  and l.archived_at is null and l.monday_id is not null
  and l.created_at >= (select min(noted_at) from sync_listing where pass = %(pass)s)
on conflict do nothing
"""
TAKE_OUT_GONE_SINCE = """
delete from sync_listing as s
using sync_mapping as l
where s.pass = %(pass)s and l.monday_id = s.monday_id and l.entity_type = %(type)s
  and l.archived_at >= (select min(noted_at) from sync_listing where pass = %(pass)s)
"""

FORGET_ABANDONED = """
delete from sync_listing as l
using (
    select pass
    from sync_listing
    group by pass
    having max(noted_at) < now() - interval '2 days'    -- a cursor lives for an hour
) as old
where l.pass = old.pass
  -- a reading that was cut off goes on where it was
  and not exists (select from sync_state as s where s.value #>> '{reading,pass}' = l.pass::text)
"""


class Listings(Struct, frozen=True):
    """Holds the listings of one entity, each under the id of its pass."""

    entity_type: str
    board_id: str

    def note(self, tx: Transaction, pass_id: str, items: Sequence[Item], ids: Sequence[str] | None = None) -> None:
        """Remembers the ids and update times of a page of a listing, or only ids."""
        noted = tx.bulk(
            """
            with noted as (
                insert into sync_listing (pass, monday_id, monday_updated_at)
                select %(pass)s::uuid, id, at from {rows}
                on conflict do nothing
            )
            select txid_current()
            """,
            {"id": "text", "at": "timestamptz"},
            [*((item.id, item.updated_at) for item in items), *((item_id, None) for item_id in ids or ())],
            {"pass": pass_id},
        )
        # What pages know of rows still holds: this transaction writes none.
        for (transaction,) in noted:
            tx.own_writes.note(transaction)

    def is_fresh(self, tx: Transaction, pass_id: str) -> bool:
        """Returns whether a listing is there, was begun within a day, and went on within the last hour."""
        return bool(tx.value(IS_FRESH, (pass_id,)))

    def take_over(self, tx: Transaction, pass_id: str) -> None:
        """Adds the items that were linked since a listing began, and takes out those that went since."""
        values = {"pass": pass_id, "type": self.entity_type, "board": self.board_id}
        tx.execute(ADD_MADE_SINCE, values)
        tx.execute(TAKE_OUT_GONE_SINCE, values)

    def count(self, tx: Transaction, pass_id: str) -> int:
        """Counts the items that a sweep has seen."""
        return int(tx.value("select count(*) from sync_listing where pass = %s", (pass_id,)))

    def count_removed_lately(self, tx: Transaction) -> int:
        """Counts the links whose items or rows went within the last hour."""
        return int(
            tx.value(
                """
                select count(*) from sync_mapping
                where entity_type = %s and monday_board_id = %s and archived_at > now() - interval '1 hour'
                """,
                (self.entity_type, self.board_id),
            )
        )

    def absent(self, tx: Transaction, pass_id: str) -> list[str]:
        """Returns the items with an active link that a sweep has not seen."""
        rows = tx.rows(
            """
            select l.monday_id from sync_mapping as l
            where l.entity_type = %s and l.monday_board_id = %s and l.archived_at is null and l.monday_id is not null
            except
            select s.monday_id from sync_listing as s where s.pass = %s
            order by 1
            """,
            (self.entity_type, self.board_id, pass_id),
        )
        return [row[0] for row in rows]

    def stale(self, tx: Transaction, pass_id: str) -> list[str]:
        """Returns the items a sweep has seen that are not known, known as gone, or updated since they were read."""
        return [row[0] for row in tx.rows(STALE, {"type": self.entity_type, "pass": pass_id})]

    def oldest(self, tx: Transaction) -> tuple[str, str] | None:
        """Returns the living item that was left alone for the longest time, with its update time."""
        rows = tx.rows(
            """
            select monday_id, to_char(monday_updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            from sync_mapping
            where entity_type = %s and monday_board_id = %s and archived_at is null
              and monday_id is not null and monday_updated_at is not null
            order by monday_updated_at
            limit 1
            """,
            (self.entity_type, self.board_id),
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def unread(self, tx: Transaction, listed: str, read: str) -> list[str]:
        """Returns the ids that one listing has and another has not."""
        rows = tx.rows(
            """
            select id
            from (select l.monday_id from sync_listing as l where l.pass = %s
                  except
                  select r.monday_id from sync_listing as r where r.pass = %s) as unread (id)
            order by length(id), id
            """,
            (listed, read),
        )
        return [row[0] for row in rows]

    def rows_unlisted(self, tx: Transaction, pass_id: str, root_ids: Sequence[str]) -> list[str]:
        """Returns those of these root rows that have no active link with an item of a listing."""
        rows = tx.rows(
            """
            select new.id
            from unnest(%s::text[]) as new (id)
            except
            select l.entity_id
            from sync_mapping as l
            join sync_listing as s on s.monday_id = l.monday_id
            where l.entity_type = %s and l.entity_id = any(%s) and l.archived_at is null and s.pass = %s
            """,
            (list(root_ids), self.entity_type, list(root_ids), pass_id),
        )
        return [row[0] for row in rows]

    def of_sample(self, tx: Transaction, pass_id: str, number: int, parts: int) -> list[str]:
        """Returns the items of one of `parts` equal parts of a listing, counted from 1; an item is always in the same."""
        rows = tx.rows(
            """
            select monday_id from sync_listing
            where pass = %s and mod(mod(hashtextextended(monday_id, 0), %s) + %s, %s) = %s
            order by length(monday_id), monday_id
            """,
            (pass_id, parts, parts, parts, number - 1),
        )
        return [row[0] for row in rows]

    def delete(self, tx: Transaction, pass_id: str) -> None:
        """Deletes a listing that is not needed any more."""
        tx.execute("delete from sync_listing where pass = %s", (pass_id,))


def forget_abandoned(tx: Transaction) -> int:
    """Deletes the listings of processes that were killed. Returns the number of ids."""
    return tx.execute(FORGET_ABANDONED)
