"""The settings that each record carries: whether it is synced at all, and which way.

They stand on its link and, where the mapping says so, on the row itself; what both allow is allowed. People change them
with plain SQL or `main.py record`; a run takes notice at its beginning and shows it in `sync_status`.
"""

from __future__ import annotations

from databases.postgres.names import compose, identifier, table_name
from db_connector import Composable, Transaction
from mappings.declaration import Mapping

DIRECTIONS = ("bidirectional", "monday_to_pg", "pg_to_monday", "none")

OFF = "not l.sync_enabled or l.sync_direction = 'none'"
ROW_OFF = "not t.sync_enabled or t.sync_direction = 'none'"

STATUS = (
    "case when exists (select from sync_conflicts as c where c.status = 'open' and c.entity_type = l.entity_type"
    " and c.entity_id = l.entity_id) then 'conflict' when l.attempts > 0 then 'error'"
    " when l.monday_id is null then 'pending' else 'synced' end"
)
"""What becomes of a record that was off."""


def note_settings(tx: Transaction, mapping: Mapping) -> None:
    """Show in `sync_status` which records are off, and what those are that were switched on again."""
    if mapping.record_settings:
        _note_links_and_rows(tx, mapping)
        return
    tx.execute(
        "update sync_mapping as l set updated_at = now(), sync_status ="
        f" case when {OFF} then 'disabled' else {STATUS} end"
        " where l.entity_type = %s and l.archived_at is null and l.intent_key is null"
        f" and ({OFF}) is distinct from (l.sync_status = 'disabled')",
        (mapping.entity_type,),
    )


def _note_links_and_rows(tx: Transaction, mapping: Mapping) -> None:
    names = {"table": table_name(mapping.table), "key": identifier(mapping.primary_key)}
    tx.execute(
        compose(
            f"update sync_mapping as l set updated_at = now(), sync_status = case when {OFF} or {ROW_OFF} then 'disabled'"
            f" else {STATUS} end from {{table}} as t where l.entity_type = %s and l.archived_at is null"
            " and l.intent_key is null and t.{key}::text = l.entity_id"
            f" and ({OFF} or {ROW_OFF}) is distinct from (l.sync_status = 'disabled')",
            **names,
        ),
        (mapping.entity_type,),
    )
    tx.execute(
        compose(
            "update {table} as t set sync_status = case when l.sync_status = 'set_aside' then 'error' else l.sync_status end"
            " from sync_mapping as l where l.entity_type = %s and l.archived_at is null"
            " and l.entity_id = t.{key}::text and l.sync_status in"
            " ('pending', 'synced', 'conflict', 'error', 'disabled', 'set_aside')"
            " and (t.sync_status = 'disabled' or l.sync_status = 'disabled')"
            " and t.sync_status is distinct from case when l.sync_status = 'set_aside' then 'error' else l.sync_status end",
            **names,
        ),
        (mapping.entity_type,),
    )
    _note_rows_alone(tx, mapping, names)


def _note_rows_alone(tx: Transaction, mapping: Mapping, names: dict[str, Composable]) -> None:
    """Rows that no item has met yet."""
    tx.execute(
        compose(
            f"update {{table}} as t set sync_status = case when {ROW_OFF} then 'disabled' else 'pending' end"
            f" where ({ROW_OFF}) is distinct from (t.sync_status = 'disabled') and not exists (select from sync_mapping as l"
            " where l.entity_type = %s and l.entity_id = t.{key}::text)",
            **names,
        ),
        (mapping.entity_type,),
    )
