"""Knows the other syncs that fill the same table, so that no two syncs write one record."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from errors import MappingError
from mappings.query_syncs import QuerySync, load_syncs
from state.records import Records
from sync.parts import Parts


class Neighbours(Struct, frozen=True):
    """Holds the names of the other syncs of the file that fill a table."""

    parts: Parts
    records: Records
    names: frozenset[str]

    def owners(self, record_ids: Sequence[str]) -> dict[str, str]:
        """Returns those of these records that one of them fills, each with its name."""
        if not self.names or not record_ids:
            return {}
        with self.parts.db.transaction(read_only=True) as tx:
            found = self.records.of_others(tx, record_ids)
        # a sync that has another name now is none: what it has filled is taken over
        return {record_id: name for record_id, name in found.items() if name in self.names}


def neighbours_of(parts: Parts, sync: QuerySync, records: Records) -> Neighbours:
    """Returns the neighbours of a sync."""
    try:
        others = load_syncs(parts.settings.home).values()
    except MappingError:  # the sync itself was read before
        others = {}.values()
    names = frozenset(other.name for other in others if other.table_id == sync.table_id and other.name != sync.name)
    return Neighbours(parts, records, names)
