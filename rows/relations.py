"""Records that point at records of another board: the cell holds item ids, the table column the key of a row.

Which item and which row are the same thing stands in `sync_mapping`. What has no counterpart yet is not news: the field
stays as it was until there is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping as Map
from collections.abc import Sequence
from typing import Any

from databases.postgres.names import compose, identifier, table_name
from db_connector import Database
from mappings.declaration import Mapping

FRESH_FOR_S = 5.0
"""What a link was found to be is asked again after this time: rows are deleted, links replaced."""


class Relations:
    """Looks links up, for any entity that a mapping points at."""

    def __init__(self, db: Database, mappings: Map[str, Mapping]) -> None:
        self._db = db
        self._mappings = mappings
        self._known: dict[tuple[str, str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def rows_of(self, entity: str, item_ids: Sequence[str]) -> tuple[list[str], bool]:
        """The keys of the rows that items stand for, and whether an item is left without one that may still get it."""
        keys, found = self._found("row", entity, item_ids), []
        for item_id in item_ids:
            if item_id in keys:
                found.append(keys[item_id])
        return found, len(found) < len(item_ids) and self._begun(entity)

    def item_of(self, entity: str, key: str) -> str | None:
        """The item that stands for a row; None while there is none."""
        return self._found("item", entity, [key]).get(key)

    def _found(self, what: str, entity: str, ids: Sequence[str]) -> dict[str, str]:
        now = time.monotonic()
        with self._lock:
            hits = {one: hit for one in ids if (hit := self._known.get((what, entity, one)))}
        known = {one: value for one, (at, value) in hits.items() if now - at < FRESH_FOR_S}
        wanted = [one for one in ids if one not in known]
        if wanted and entity in self._mappings:
            fresh = self._asked(what, self._mappings[entity], wanted)
            with self._lock:
                if len(self._known) > 20_000:
                    self._known.clear()
                self._known.update({(what, entity, one): (now, value) for one, value in fresh.items()})
            known |= fresh
        return known

    def _asked(self, what: str, mapping: Mapping, ids: Sequence[str]) -> dict[str, str]:
        given, found = ("monday_id", "entity_id") if what == "row" else ("entity_id", "monday_id")
        statement = compose(
            "select l.{given}, l.{found} from sync_mapping as l join {table} as t on t.{key}::text = l.entity_id"
            " where l.entity_type = %s and l.{given} = any(%s) and l.{found} is not null"
            " and (l.archived_at is null or %s)",
            given=identifier(given), found=identifier(found), table=table_name(mapping.table),
            key=identifier(mapping.primary_key),
        )  # fmt: skip
        with self._db.transaction(read_only=True) as tx:
            rows: list[Any] = tx.rows(statement, (mapping.entity_type, list(ids), what == "row"))
        return {row[0]: row[1] for row in rows}

    def _begun(self, entity: str) -> bool:
        """Whether the entity is synced at all. Where it is not, its items never get rows."""
        mapping = self._mappings.get(entity)
        if mapping is None:
            return False
        with self._db.transaction(read_only=True) as tx:
            return bool(
                tx.value(
                    "select exists (select from sync_mapping where entity_type = %s)"
                    " or exists (select from sync_state where name = %s)",
                    (mapping.entity_type, f"pull:{entity}"),
                )
            )
