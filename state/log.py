"""Logs what was done, was refused, or was skipped: `sync_logs`, a row for each operation."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence

from msgspec import Struct

from db_connector import Transaction
from models import LogEntry, Removal

COLUMNS = ["run_id", "entity_type", "entity_id", "monday_id", "operation", "status", "message", "side"]

TO_MONDAY = ("push", "recreate")
"""Operations on items, whatever else an entry says."""


class Log(Struct, frozen=True):
    """Writes the log of one entity."""

    entity_type: str
    run_id: str | None

    def append(self, tx: Transaction, entries: Sequence[LogEntry]) -> None:
        """Adds entries."""
        if entries:
            rows = [
                [
                    self.run_id,
                    self.entity_type,
                    entry.entity_id,
                    entry.monday_id,
                    entry.operation,
                    entry.status,
                    entry.message,
                    side_of(entry),
                ]
                for entry in entries
            ]
            tx.copy_in("sync_logs", COLUMNS, rows)

    def append_removals(self, tx: Transaction, done: Sequence[Removal], failed: Map[str, str], operation: str) -> None:
        """Adds which items were removed after their rows, and which could not be (item → reason)."""
        entries = [
            LogEntry(operation, "success", "row is gone", removal.item_id, removal.root_id, "monday")
            for removal in done
        ]
        entries += [LogEntry(operation, "error", reason, item_id, None, "monday") for item_id, reason in failed.items()]
        self.append(tx, entries)


def side_of(entry: LogEntry) -> str:
    """Returns which side an entry is about."""
    return entry.side or ("monday" if entry.operation in TO_MONDAY else "postgres")


def of_record(
    tx: Transaction, entity_type: str, entity_id: str | None, monday_id: str | None, limit: int | None
) -> list[dict[str, object]]:
    """Returns what was done to a record, newest first; the same done again and again is one entry with its count."""
    return tx.dicts(
        """
        select min(created_at) as created_at, max(created_at) as last_at, count(*)::int as times,
               operation, status, message
        from sync_logs
        where entity_type = %s and (entity_id = %s or monday_id = %s)
        group by operation, status, message
        order by max(created_at) desc
        limit %s
        """,
        (entity_type, entity_id, monday_id, limit),
    )
