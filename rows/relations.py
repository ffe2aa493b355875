"""Looks up which rows and items of other boards belong together.

A cell that points at records of another board holds item ids, the table column the key of a row; `sync_mapping` links
them. What has no counterpart yet is not news: the field stays as it was until there is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping as Map
from collections.abc import Sequence

from databases.postgres.names import compose, identifier, table_name
from db_connector import Database, Transaction
from mappings.declaration import Mapping

FRESH_FOR_S = 5.0
"""How long a link is believed to be as it was found: rows are deleted, links replaced."""

REMEMBERED = 20_000
"""Links."""

COUNTERPARTS = """
select l.{given}, l.{found}
from sync_mapping as l
join {table} as t on t.{key}::text = l.entity_id
where l.entity_type = %s
    and l.{given} = any(%s)
    and l.{found} is not null
    -- A row whose item is gone has no item; the item still stands for the row.
    and (l.archived_at is null or %s)
"""
IS_SYNCED = """
select exists (select from sync_mapping where entity_type = %s)
    or exists (select from sync_state where name = %s)
"""


class Relations:
    """Looks up links of any entity that a mapping points at."""

    def __init__(self, db: Database, mappings: Map[str, Mapping], own: str = "") -> None:
        """Takes all mappings, and the entity whose records point at others: it is being synced."""
        self._db = db
        self._mappings, self._own = mappings, own
        self._known: dict[tuple[str, str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def rows_of(self, entity: str, item_ids: Sequence[str]) -> tuple[list[str], bool]:
        """Returns the keys of the rows that items stand for, and whether an item without a row may still get a row."""
        keys = self._found("row", entity, item_ids)
        found = [keys[item_id] for item_id in item_ids if item_id in keys]
        return found, len(found) < len(item_ids) and self._is_synced(entity)

    def item_of(self, entity: str, key: str) -> str | None:
        """Returns the item that stands for a row; None while there is none."""
        return self._found("item", entity, [key]).get(key)

    def _found(self, what: str, entity: str, ids: Sequence[str]) -> dict[str, str]:
        now = time.monotonic()
        with self._lock:
            hits = {given: hit for given in ids if (hit := self._known.get((what, entity, given)))}
        known = {given: found for given, (at, found) in hits.items() if now - at < FRESH_FOR_S}
        wanted = [given for given in ids if given not in known]
        if wanted and entity in self._mappings:
            fresh = self._looked_up(what, self._mappings[entity], wanted)
            with self._lock:
                if len(self._known) > REMEMBERED:
                    self._known.clear()
                self._known.update({(what, entity, given): (now, found) for given, found in fresh.items()})
            known |= fresh
        return known

    def _looked_up(self, what: str, mapping: Mapping, ids: Sequence[str]) -> dict[str, str]:
        given, found = ("monday_id", "entity_id") if what == "row" else ("entity_id", "monday_id")
        statement = compose(
            COUNTERPARTS,
            given=identifier(given),
            found=identifier(found),
            table=table_name(mapping.table),
            key=identifier(mapping.primary_key),
        )
        with self._db.transaction(read_only=True) as tx:
            rows = tx.rows(statement, (mapping.entity_type, list(ids), what == "row"))
        return {row[0]: row[1] for row in rows}

    def _is_synced(self, entity: str) -> bool:
        """Returns whether the entity is synced at all. Where it is not, its items never get rows."""
        mapping = self._mappings.get(entity)
        if mapping is None or entity == self._own:
            return mapping is not None
        with self._db.transaction(read_only=True) as tx:
            return is_synced(tx, mapping)


def is_synced(tx: Transaction, mapping: Mapping) -> bool:
    """Returns whether an entity has records, or was read at least once."""
    return bool(tx.value(IS_SYNCED, (mapping.entity_type, f"pull:{mapping.entity}")))
