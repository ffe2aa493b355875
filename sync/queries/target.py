"""Holds the table that a sync fills, checked against its mapping, and makes the cells of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from errors import SettingsError
from mappings.query_syncs import QuerySync
from services.smartsuite.cells import EXTERNAL_IDS, cell_of, is_writable, why_not_writable
from services.smartsuite.structure import Field, Table
from sync.queries.compare import Row
from values.parsing import CellError

Cells = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Holds a table, the field with the rows' keys, and the field that each column fills."""

    table: Table
    key: Field
    fields: Mapping[str, Field]

    def cells(self, row: Row) -> Cells:
        """Returns what a row's record is to hold, by slug. Raises CellError that names column and field."""
        cells: Cells = {}
        for column, field in self.fields.items():
            try:
                cells[field.slug] = cell_of(field, row.values[column])
            except CellError as exc:
                raise CellError(f"{column} → {field.label}: {exc}") from None
        cells[self.key.slug] = row.key
        return cells


def target_of(sync: QuerySync, table: Table) -> Target:
    """Returns the table as the sync fills it. Raises SettingsError that tells all that does not fit."""
    wrong: list[str] = []
    key = table.find(sync.external_id_field)
    if isinstance(key, str):
        wrong.append(f"external_id_field: {key}")
    elif key.kind not in EXTERNAL_IDS or not is_writable(key):
        wrong.append(f"external_id_field: {key.label} ({key.kind}) cannot hold a key; take a text field")
    fields: dict[str, Field] = {}
    for column, name in sync.fields.items():
        found = table.find(name)
        if isinstance(found, str):
            wrong.append(f"{column}: {found}")
        elif not is_writable(found):
            wrong.append(f"{column}: {found.label} cannot be filled ({found.kind}): {why_not_writable(found)}")
        elif not isinstance(key, str) and found.slug == key.slug and column != sync.primary_key:
            wrong.append(f"{column}: {found.label} is the external_id_field, which holds {sync.primary_key}")
        else:
            fields[column] = found
    if wrong or isinstance(key, str):
        raise SettingsError(
            f"{sync.name} does not fit the table {table.name}: {'; '.join(wrong)}.",
            hint=f"Correct `destination` of the sync in {sync.path}:{sync.line}.",
        )
    return Target(table, key, fields)
