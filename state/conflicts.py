"""Remembers fields that both sides changed, and which side won: `sync_conflicts`. What is `open` waits for a user."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from models import Conflict, Winner
from values.canonical import dumps

COLUMNS = {
    "monday_id": "text",
    "entity_id": "text",
    "field": "text",
    "base": "jsonb",
    "monday": "jsonb",
    "postgres": "jsonb",
    "monday_at": "timestamptz",
    "postgres_at": "timestamptz",
    "rule": "text",
    "winner": "text",
    "status": "text",
}
"""The parameters of `NEW` and `CHANGED`."""

NEW = """
insert into sync_conflicts (
    run_id, entity_type, monday_id, entity_id, field, base_value, monday_value, postgres_value,
    monday_changed_at, postgres_changed_at, rule, winner, status, resolved_at)
select %(run)s::uuid, %(type)s, monday_id, entity_id, field, base, monday, postgres,
       monday_at, postgres_at, rule, winner, status, case when status = 'resolved' then now() end
from {rows}
where not exists (
    select from sync_conflicts as c
    where c.entity_type = %(type)s and c.entity_id = new.entity_id and c.field = new.field
      -- open already: CHANGED updates it
      and (c.status = 'open'
           -- decided before, and not carried out: a run was cut off, or monday.com refused the value
           or (c.base_value, c.monday_value, c.postgres_value, c.winner, c.monday_changed_at)
               is not distinct from (new.base, new.monday, new.postgres, new.winner, new.monday_at)
              and (new.postgres_at is null or new.postgres_at is not distinct from c.postgres_changed_at)))
"""

CHANGED = """
update sync_conflicts as c
set run_id = %(run)s::uuid, monday_value = new.monday, postgres_value = new.postgres,
    monday_changed_at = new.monday_at, postgres_changed_at = new.postgres_at,
    rule = new.rule, winner = new.winner, status = new.status, updated_at = now(),
    resolved_at = case when new.status = 'resolved' then now() end
from {rows}
where c.entity_type = %(type)s and c.status = 'open' and c.entity_id = new.entity_id and c.field = new.field
  and (c.monday_value, c.postgres_value, c.rule, c.winner)
      is distinct from (new.monday, new.postgres, new.rule, new.winner)
"""


class OpenConflict(Struct, frozen=True):
    """Holds a conflict that waits for a user, with the values as they were kept."""

    id: str
    field: str
    monday: Any
    postgres: Any
    monday_changed_at: datetime | None
    postgres_changed_at: datetime | None
    rule: str


class Conflicts(Struct, frozen=True):
    """Holds the conflicts of one entity."""

    entity_type: str
    run_id: str | None

    def open(self, tx: Transaction, entity_ids: Sequence[str]) -> dict[str, dict[str, OpenConflict]]:
        """Returns what waits for a user, by row and field."""
        if not entity_ids:
            return {}
        rows = tx.rows(
            """
            select entity_id, id::text, field, monday_value, postgres_value, monday_changed_at, postgres_changed_at, rule
            from sync_conflicts
            where status = 'open' and entity_type = %s and entity_id = any(%s)
            order by created_at
            """,
            (self.entity_type, list(entity_ids)),
        )
        found: dict[str, dict[str, OpenConflict]] = {}
        for row in rows:
            found.setdefault(row[0], {})[row[2]] = OpenConflict(*row[1:])
        return found

    def save(self, tx: Transaction, conflicts: Sequence[tuple[str | None, str | None, Conflict]]) -> None:
        """Keeps conflicts, each with its item and its row. A conflict that is open already is updated, not kept twice."""
        if not conflicts:
            return
        rows = [_row(monday_id, entity_id, conflict) for monday_id, entity_id, conflict in conflicts]
        params = {"run": self.run_id, "type": self.entity_type}
        tx.bulk(NEW, COLUMNS, rows, params)
        tx.bulk(CHANGED, COLUMNS, rows, params)

    def close(self, tx: Transaction, settled: Sequence[tuple[str, str]]) -> None:
        """Ends these conflicts (id, winner)."""
        tx.bulk(
            """
            update sync_conflicts as c
            set status = 'resolved', winner = new.winner, resolved_at = now(), updated_at = now()
            from {rows}
            where c.id = new.id
            """,
            {"id": "uuid", "winner": "text"},
            list(settled),
        )


def _row(monday_id: str | None, entity_id: str | None, conflict: Conflict) -> list[Any]:
    """Returns a conflict in the order of `COLUMNS`."""
    return [
        monday_id,
        entity_id,
        conflict.field,
        _json(conflict.base),
        _json(conflict.monday),
        _json(conflict.postgres),
        conflict.monday_changed_at,
        conflict.postgres_changed_at,
        conflict.rule,
        conflict.winner.value,
        "open" if conflict.winner is Winner.HELD else "resolved",
    ]


def _json(value: Any) -> str | None:
    return None if value is None else dumps(value).decode()
