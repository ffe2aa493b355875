"""Remembers the items that were skipped, and why: `sync_skipped`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from db_connector import Transaction

FAILED = "error: "
"""How the reason of a skip begins when the item could not be dealt with."""

COUNT = """
select count(*) from sync_skipped as k
where entity_type = %(type)s and monday_board_id = %(board)s
  -- its link is looked up by its key, whatever the planner knows of states
  and not exists (
      select from (
          select m.archived_at from sync_mapping as m
          where m.monday_id = k.monday_id and m.entity_type = k.entity_type offset 0
      ) as l
      where l.archived_at is null)
"""


class Skip(Struct, frozen=True):
    """Holds why an item was skipped. `same_hash`: it is as it was then, and not to be tried again yet."""

    monday_id: str
    reason: str
    key: str | None
    same_hash: bool


class Skipped(Struct, frozen=True):
    """Holds the skipped items of one entity on one board."""

    entity_type: str
    board_id: str

    def add(self, tx: Transaction, skips: Sequence[tuple[str, str, str | None, str]]) -> None:
        """Remembers that items (id, reason, key, content hash) are skipped."""
        tx.bulk(
            """
            insert into sync_skipped as k (entity_type, monday_board_id, monday_id, reason, key, monday_hash)
            select %(type)s, %(board)s, monday_id, reason, key, hash from {rows}
            on conflict (monday_id, entity_type) do update
            set reason = excluded.reason, key = excluded.key, monday_hash = excluded.monday_hash,
                next_try_at = null, updated_at = now()
            -- unchanged skips are not written again
            where (k.reason, k.key, k.monday_hash)
                is distinct from (excluded.reason, excluded.key, excluded.monday_hash)
            """,
            {"monday_id": "text", "reason": "text", "key": "text", "hash": "text"},
            skips,
            {"type": self.entity_type, "board": self.board_id},
        )

    def remove(self, tx: Transaction, monday_ids: Iterable[str]) -> None:
        """Forgets that items were skipped."""
        tx.execute(
            "delete from sync_skipped where entity_type = %s and monday_id = any(%s)",
            (self.entity_type, list(monday_ids)),
        )

    def remove_unseen(self, tx: Transaction, pass_id: str) -> None:
        """Forgets skipped items that a sweep has not seen."""
        tx.execute(
            """
            -- `except`, as in listings: a new listing has no statistics
            delete from sync_skipped
            where entity_type = %(type)s and monday_board_id = %(board)s
              and monday_id in (
                  select k.monday_id from sync_skipped as k
                  where k.entity_type = %(type)s and k.monday_board_id = %(board)s
                  except
                  select s.monday_id from sync_listing as s where s.pass = %(pass)s)
            """,
            {"type": self.entity_type, "board": self.board_id, "pass": pass_id},
        )

    def count(self, tx: Transaction) -> int:
        """Counts the board's items that are skipped and have no row from an earlier run."""
        return int(tx.value(COUNT, {"type": self.entity_type, "board": self.board_id}))

    def count_failed(self, tx: Transaction) -> int:
        """Counts the items that cannot be read, or were refused too often; each waits until it is edited."""
        return int(
            tx.value(
                """
                -- without a next try they are set aside
                select count(*) from sync_skipped
                where entity_type = %s and monday_board_id = %s and reason like %s and next_try_at is null
                """,
                (self.entity_type, self.board_id, f"{FAILED}%"),
            )
        )

    def with_keys(self, tx: Transaction) -> list[tuple[str, str]]:
        """Returns the items (id, key) that were skipped because another item has their key, lowest id first."""
        rows = tx.rows(
            """
            select monday_id, key from sync_skipped
            where entity_type = %s and monday_board_id = %s and key is not null
            order by length(monday_id), monday_id
            """,
            (self.entity_type, self.board_id),
        )
        return [(row[0], row[1]) for row in rows]

    def keys_of(self, tx: Transaction, reason: str) -> set[str]:
        """Returns the keys of the items that are skipped for that reason."""
        rows = tx.rows(
            "select key from sync_skipped where entity_type = %s and monday_board_id = %s and reason = %s",
            (self.entity_type, self.board_id, reason),
        )
        return {row[0] for row in rows}
