"""Remembers what monday.com is being told: a run after a kill knows it as the tool's own words."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from values.canonical import dumps


class Sending(Struct, frozen=True):
    """Holds what is being sent to the items of one entity."""

    entity_type: str

    def known(self, tx: Transaction) -> dict[str, Map[str, Any]]:
        """Returns what was being sent to items when a run was killed, by item id: usually nothing."""
        rows = tx.rows(
            """
            select monday_id, sending from sync_mapping
            where entity_type = %s and sending is not null and monday_id is not null
            """,
            (self.entity_type,),
        )
        return {row[0]: row[1] for row in rows}

    def note(self, tx: Transaction, told: Map[str, Map[str, Any]], over: Iterable[str]) -> None:
        """Notes what is about to be sent to items, and for which others the sending has ended."""
        tx.bulk(
            """
            update sync_mapping as l
            set sending = new.sending
            from {rows}
            cross join lateral (
                select m.id from sync_mapping as m where m.monday_id = new.id and m.entity_type = %(type)s offset 0
            ) as told
            where l.id = told.id
            """,
            {"id": "text", "sending": "jsonb"},
            [
                *((item_id, dumps(fields).decode()) for item_id, fields in told.items()),
                *((item_id, None) for item_id in over),
            ],
            {"type": self.entity_type},
        )
