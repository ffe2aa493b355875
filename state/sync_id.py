"""Which board column holds the sync id, when it could not get the id that the mapping asks for.

An own column id can be used once in a board's life; after that monday.com chooses one, and `setup` remembers it here.
"""

from __future__ import annotations

from dataclasses import replace

from db_connector import Transaction
from mappings.declaration import Mapping
from models import Board


def sync_id_state(mapping: Mapping) -> str:
    """The name under which the column is remembered."""
    return f"sync_id:{mapping.entity}"


def remembered_column(tx: Transaction, mapping: Mapping, board_id: str) -> str | None:
    """The column's own id on this board, if it is another than the mapping's."""
    known = tx.value("select value from sync_state where name = %s", (sync_id_state(mapping),)) or {}
    return str(known["column"]) if known.get("board_id") == board_id and known.get("column") else None


def with_own_sync_id(tx: Transaction, mapping: Mapping, board: Board) -> Mapping:
    """The mapping as it is meant on this board."""
    if mapping.sync_id is None or board.column(mapping.sync_id[0]) is not None:
        return mapping
    column = remembered_column(tx, mapping, board.id)
    return replace(mapping, sync_id=(column, mapping.sync_id[1])) if column and board.column(column) else mapping
