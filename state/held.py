"""Remembers the fields that a query's row and its record of SmartSuite changed both, in `sync_conflicts`.

`entity_type` is `query:` and the sync's name, `entity_id` the row's key, `monday_id` the record, `field` the query's column;
`postgres_value` is the source's value, `monday_value` SmartSuite's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from values.canonical import dumps

QUERY = "query:"
HELD = "held"
COLUMNS = {
    "key": "text",
    "record": "text",
    "field": "text",
    "base": "jsonb",
    "shown": "jsonb",
    "source": "jsonb",
    "edited_at": "timestamptz",
}

CHANGED = """
update sync_conflicts as c
set run_id = %(run)s::uuid, monday_id = new.record, base_value = new.base, monday_value = new.shown,
    postgres_value = new.source, monday_changed_at = new.edited_at, postgres_changed_at = %(changed_at)s,
    rule = %(rule)s, winner = %(winner)s, status = %(status)s, updated_at = now(),
    resolved_at = case when %(status)s = 'resolved' then now() end
from {rows}
where c.entity_type = %(type)s and c.status = 'open' and c.entity_id = new.key and c.field = new.field
returning c.field
"""

SAVED = """
insert into sync_conflicts (
    run_id, entity_type, entity_id, monday_id, field, base_value, monday_value, postgres_value, monday_changed_at,
    postgres_changed_at, rule, winner, status, resolved_at)
select %(run)s::uuid, %(type)s, key, record, field, base, shown, source, edited_at, %(changed_at)s, %(rule)s, %(winner)s,
       %(status)s, case when %(status)s = 'resolved' then now() end
from {rows}
"""

AGREED = """
update sync_conflicts
set status = 'resolved', winner = 'agreed', resolved_at = now(), updated_at = now()
where entity_type = %s and status = 'open' and entity_id = any(%s) and field <> all(%s)
"""

DECIDED = """
update sync_conflicts
set status = 'resolved', winner = %s, resolved_at = now(), updated_at = now()
where id = %s::uuid
"""


class Disputed(Struct, frozen=True):
    """Holds a field that both sides changed, by the column that fills it: both values, and what they had agreed on."""

    key: str
    record_id: str
    column: str
    base: Any
    shown: Any
    source: Any
    edited_at: datetime | None = None


class Held(Struct, frozen=True):
    """Keeps the conflicts of one sync."""

    sync: str
    run_id: str | None = None

    @property
    def _type(self) -> str:
        return f"{QUERY}{self.sync}"

    def save(self, tx: Transaction, disputed: Sequence[Disputed], rule: str, changed_at: datetime | None) -> None:
        """Keeps both values of fields of one row. What waits for a user already is changed, not kept twice."""
        rows = [
            (
                each.key,
                each.record_id,
                each.column,
                _json(each.base),
                _json(each.shown),
                _json(each.source),
                each.edited_at,
            )
            for each in disputed
        ]
        waits = rule == "manual"
        params = {
            "run": self.run_id,
            "type": self._type,
            "rule": rule,
            "winner": HELD if waits else rule,
            "status": "open" if waits else "resolved",
            "changed_at": changed_at,
        }
        there = {row[0] for row in tx.bulk(CHANGED, COLUMNS, rows, params)}
        tx.bulk(SAVED, COLUMNS, [row for row in rows if row[2] not in there], params)

    def agreed(self, tx: Transaction, keys: Sequence[str], but: Sequence[str] = ()) -> None:
        """Ends what waits for a user in rows, but for these columns: both sides are one there again."""
        tx.execute(AGREED, (self._type, list(keys), list(but)))


def decided(tx: Transaction, conflict_id: str, winner: str) -> None:
    """Notes which side a user has chosen."""
    tx.execute(DECIDED, (winner, conflict_id))


def _json(value: Any) -> str | None:
    return None if value is None else dumps(value).decode()
