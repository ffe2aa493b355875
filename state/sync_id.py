"""Remembers which board column holds the sync id, when it could not get the column id that the mapping names.

A board accepts a chosen column id only once; after that monday.com chooses another, and `setup` remembers it here.
"""

from __future__ import annotations

from msgspec.structs import replace

from db_connector import Transaction
from mappings.declaration import Mapping
from models import Board
from state.values import put, sync_id_key, value_of


def remember_column(tx: Transaction, mapping: Mapping, board_id: str, column: str) -> None:
    """Remembers the id of the sync id column on this board."""
    put(tx, sync_id_key(mapping.entity), {"board_id": board_id, "column": column})


def remembered_column(tx: Transaction, mapping: Mapping, board_id: str) -> str | None:
    """Returns the id of the sync id column on this board, if it differs from the mapping's."""
    known = value_of(tx, sync_id_key(mapping.entity)) or {}
    return str(known["column"]) if known.get("board_id") == board_id and known.get("column") else None


def with_own_sync_id(tx: Transaction, mapping: Mapping, board: Board) -> Mapping:
    """Returns the mapping with the sync id column that this board has."""
    if mapping.sync_id is None or board.column(mapping.sync_id[0]) is not None:
        return mapping  # none is wanted, or it has that id
    column = remembered_column(tx, mapping, board.id)
    return replace(mapping, sync_id=(column, mapping.sync_id[1])) if column and board.column(column) else mapping
