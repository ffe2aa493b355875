"""Remembers items that are about to be created, so that the run after a kill knows which are in doubt.

A document of items stands in `sync_intents`; the link of each of its rows carries the document's key (`sync_mapping`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from db_connector import Transaction
from values.canonical import dumps


class Intent(Struct, frozen=True):
    """Holds a document of items that are, or were, about to be created; its age is by the database's clock."""

    key: str
    kind: str
    document: dict[str, Any]
    job_id: str | None = None
    created_at: datetime | None = None
    age: timedelta = timedelta()


class Intents(Struct, frozen=True):
    """Holds the documents of one entity in which items are being created."""

    entity_type: str
    board_id: str

    def begin(self, tx: Transaction, intent: Intent) -> list[str]:
        """Claims rows for an intent, and returns the ids of those that are not claimed or linked already."""
        tx.bulk(
            """
            -- a row that has an item, or that another intent has claimed, is not claimed
            insert into sync_mapping (
                entity_id, entity_type, monday_board_id, sync_status, intent, intent_key, intent_at)
            select entity_id, %(type)s, %(board)s, 'creating', hash, %(key)s, now() from {rows}
            on conflict (entity_id, entity_type) do update
            set intent = excluded.intent, intent_key = excluded.intent_key, intent_at = now(),
                sync_status = 'creating', archived_at = null
            where sync_mapping.monday_id is null and sync_mapping.intent_key is null
            """,
            {"entity_id": "text", "hash": "text"},
            [(row["entity_id"], row["hash"]) for row in intent.document["rows"]],
            {"type": self.entity_type, "board": self.board_id, "key": intent.key},
        )
        claimed = tx.rows(
            "select entity_id from sync_mapping where entity_type = %s and intent_key = %s",
            (self.entity_type, intent.key),
        )
        return [row[0] for row in claimed]

    def keep(self, tx: Transaction, intent: Intent) -> None:
        """Keeps the document of an intent."""
        tx.execute(
            "insert into sync_intents (key, entity_type, monday_board_id, kind, document) values (%s, %s, %s, %s, %s)",
            (intent.key, self.entity_type, self.board_id, intent.kind, dumps(intent.document).decode()),
        )

    def open(self, tx: Transaction) -> list[Intent]:
        """Returns the documents that are in doubt, oldest first."""
        rows = tx.rows(
            """
            select key, kind, document, job_id, created_at, extract(epoch from now() - created_at)::float8
            from sync_intents
            where entity_type = %s and monday_board_id = %s
            order by created_at, key
            """,
            (self.entity_type, self.board_id),
        )
        return [replace(Intent(*found), age=timedelta(seconds=seconds)) for *found, seconds in rows]

    def rows_of(self, tx: Transaction, key: str) -> list[str]:
        """Returns the row ids of an intent that have no item yet."""
        rows = tx.rows(
            """
            select entity_id from sync_mapping
            where entity_type = %s and intent_key = %s and monday_id is null
            order by entity_id
            """,
            (self.entity_type, key),
        )
        return [row[0] for row in rows]

    def note_job(self, tx: Transaction, key: str, job_id: str) -> None:
        """Remembers the import job of an intent."""
        tx.execute("update sync_intents set job_id = %s where key = %s", (job_id, key))

    def finish(self, tx: Transaction, key: str, entity_ids: Sequence[str] | None = None) -> None:
        """Deletes the links of these rows (when none are named, all) if no item was made, and a finished document."""
        tx.execute(
            """
            delete from sync_mapping
            where entity_type = %s and intent_key = %s and monday_id is null
              and (%s::text[] is null or entity_id = any(%s))
            """,
            (self.entity_type, key, entity_ids, list(entity_ids or ())),
        )
        tx.execute(
            """
            -- a document is finished when none of its rows lacks an item
            delete from sync_intents as i
            where key = %s
              and not exists (
                  select from sync_mapping as l
                  where l.intent_key = i.key and l.monday_id is null and l.entity_type = i.entity_type)
            """,
            (key,),
        )

    def withdraw(self, tx: Transaction, key: str, entity_ids: Sequence[str] | None = None) -> None:
        """Makes these rows (when none are named, all) new again and due: the document made nothing of them."""
        tx.execute(
            """
            update sync_mapping
            set intent = null, intent_key = null, intent_at = null, sync_status = 'pending',
                next_try_at = now(), updated_at = now()
            where entity_type = %s and intent_key = %s and monday_id is null
              and (%s::text[] is null or entity_id = any(%s))
            """,
            (self.entity_type, key, entity_ids, list(entity_ids or ())),
        )
        self.finish(tx, key, [])

    def names_in_doubt(self, tx: Transaction) -> tuple[set[str], datetime | None, timedelta]:
        """Returns the names under which a push may just have made items that no link knows yet.

        And since when and how long, unless a push has looked for them: they may have been renamed.
        """
        rows = tx.rows(
            """
            -- a row that is set aside has been looked for already: it gives no time
            select r ->> 'name', case when l.sync_status = 'creating' then i.created_at end,
                   extract(epoch from now() - i.created_at)::float8
            from sync_intents as i, jsonb_array_elements(i.document -> 'rows') as r
            join sync_mapping as l on l.entity_type = %(type)s and l.entity_id = r ->> 'entity_id'
            where i.entity_type = %(type)s and i.monday_board_id = %(board)s
              and l.intent_key = i.key and l.monday_id is null
            """,
            {"type": self.entity_type, "board": self.board_id},
        )
        ages = {row[1]: timedelta(seconds=row[2]) for row in rows if row[1] is not None}
        since = min(ages, default=None)
        return {row[0] for row in rows}, since, ages[since] if since else timedelta()
