"""All resolvers by type and field."""

from __future__ import annotations

from typing import Any

from sandbox.reading_account import ACCOUNT_FIELDS
from sandbox.reading_boards import BOARD_FIELDS
from sandbox.reading_items import ITEM_FIELDS
from sandbox.writing_items import ITEM_WRITES
from sandbox.writing_structure import STRUCTURE_WRITES

RESOLVERS: dict[str, dict[str, Any]] = {}
for _part in (ACCOUNT_FIELDS, BOARD_FIELDS, ITEM_FIELDS, {"Mutation": ITEM_WRITES}, {"Mutation": STRUCTURE_WRITES}):
    for _type, _fields in _part.items():
        RESOLVERS.setdefault(_type, {}).update(_fields)
