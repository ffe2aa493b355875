"""What listings of a board's ids have shown, held against what is known: who is gone, who is stale, who was left out."""

from __future__ import annotations

from collections.abc import Sequence

from db_connector import Transaction
from models import Item

# A listing has just been written, so PostgreSQL knows nothing of its size, and `not exists` would compare every row
# with every other. `except` sorts both sides, whatever is known.


class Listings:
    """The listings of one entity, each under the id of its pass."""

    def __init__(self, entity_type: str, board_id: str) -> None:
        self.entity_type = entity_type
        self.board_id = board_id

    def note(
        self, tx: Transaction, pass_id: str, items: Sequence[Item], ids: Sequence[str] | None = None
    ) -> None:
        """Remember the ids and update times of a page of a listing (or ids alone)."""
        rows = [*((item.id, item.updated_at) for item in items), *((one, None) for one in ids or ())]
        tx.bulk(
            "insert into sync_listing (pass, monday_id, monday_updated_at) select %(pass)s::uuid, id, at from {rows}"
            " on conflict do nothing",
            {"id": "text", "at": "timestamptz"}, rows, {"pass": pass_id},
        )  # fmt: skip

    def count(self, tx: Transaction, pass_id: str) -> int:
        """How many items a sweep has seen."""
        return int(tx.value("select count(*) from sync_listing where pass = %s", (pass_id,)))

    def absent(self, tx: Transaction, pass_id: str) -> list[str]:
        """The items with a living link that a sweep has not seen."""
        rows = tx.rows(
            "select l.monday_id from sync_mapping as l where l.entity_type = %s and l.monday_board_id = %s"
            " and l.archived_at is null and l.monday_id is not null"
            " except select s.monday_id from sync_listing as s where s.pass = %s order by 1",
            (self.entity_type, self.board_id, pass_id),
        )
        return [row[0] for row in rows]

    def stale(self, tx: Transaction, pass_id: str) -> list[str]:
        """The items a sweep has seen that are not known, are known as gone, or have been updated since they were read."""
        rows = tx.rows(
            "select s.monday_id from sync_listing as s"
            " left join sync_mapping as l on l.monday_id = s.monday_id and l.entity_type = %(type)s"
            " left join sync_skipped as k on k.monday_id = s.monday_id and k.entity_type = %(type)s"
            " where s.pass = %(pass)s and ((l.id is null and k.id is null) or l.archived_at is not null"
            " or l.monday_hash is null and k.id is null"
            " or s.monday_updated_at is distinct from l.monday_updated_at and k.id is null)"
            " order by s.monday_id",
            {"type": self.entity_type, "pass": pass_id},
        )
        return [row[0] for row in rows]

    def unread(self, tx: Transaction, listed: str, read: str) -> list[str]:
        """The ids that one listing has and another has not."""
        rows = tx.rows(
            "select id from (select l.monday_id from sync_listing as l where l.pass = %s"
            " except select r.monday_id from sync_listing as r where r.pass = %s) as unread (id) order by length(id), id",
            (listed, read),
        )
        return [row[0] for row in rows]

    def forget(self, tx: Transaction, pass_id: str) -> None:
        """A listing has served its purpose."""
        tx.execute("delete from sync_listing where pass = %s", (pass_id,))

    def forget_skips(self, tx: Transaction, pass_id: str) -> None:
        """Forget that items were left out which a sweep has not seen."""
        tx.execute(
            "delete from sync_skipped where entity_type = %(type)s and monday_board_id = %(board)s and monday_id in ("
            "select k.monday_id from sync_skipped as k where k.entity_type = %(type)s and k.monday_board_id = %(board)s"
            " except select s.monday_id from sync_listing as s where s.pass = %(pass)s)",
            {"type": self.entity_type, "board": self.board_id, "pass": pass_id},
        )
