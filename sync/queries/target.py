"""Holds the table that a sync fills, checked against its mapping, and makes the cells of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from errors import SettingsError
from mappings.query_syncs import QuerySync
from services.smartsuite.cells import EXTERNAL_IDS, cell_of, is_writable, why_not_writable
from services.smartsuite.structure import Field, Table
from sync.queries.compare import Row
from values.parsing import CellError

Cells = dict[str, Any]


class Target(Struct, frozen=True):
    """Holds a table, the field with the rows' keys, and the field that each column fills."""

    table: Table
    key: Field
    fields: Mapping[str, Field]

    def cells(self, row: Row) -> Cells:
        """Returns what a row's record is to hold, by slug. Raises CellError that names column and field."""
        cells = {field.slug: cell_in(row, column, field) for column, field in self.fields.items()}
        cells[self.key.slug] = row.key
        return cells


def cell_in(row: Row, column: str, field: Field) -> Any:
    """Returns what a field is to hold of a row. Raises CellError that names column and field."""
    try:
        value = row.values[column]
        if row.unlinked and (unlinked := row.unlinked.get(field.slug)):
            value = [name for name in value if name not in unlinked]
        return cell_of(field, value)
    except CellError as exc:
        raise CellError(f"{column} → {field.label}: {exc}") from None


def target_of(sync: QuerySync, table: Table) -> Target:
    """Returns the table as the sync fills it. Raises SettingsError that tells all that does not fit."""
    wrong = unfit(sync, table)
    key = table.find(sync.external_id_field)
    if wrong or isinstance(key, str):
        raise SettingsError(
            f"{sync.name} does not fit the table {table.name}: {'; '.join(sentence for _, sentence in wrong)}.",
            hint=f"Correct `destination` of the sync in {sync.at()}.",
        )
    fields = {column: table.find(name) for column, name in sync.fields.items()}
    return Target(table, key, {column: field for column, field in fields.items() if isinstance(field, Field)})


def unfit(sync: QuerySync, table: Table) -> list[tuple[str, str]]:
    """Returns what of a sync does not fit its table: the key of the file that it is about, and a sentence."""
    wrong: list[tuple[str, str]] = []
    key = table.find(sync.external_id_field)
    if isinstance(key, str):
        wrong.append(("external_id_field", f"external_id_field: {key}"))
    elif key.kind not in EXTERNAL_IDS or not is_writable(key):
        told = f"external_id_field: {key.label} ({key.kind}) cannot hold a key; take a text field"
        wrong.append(("external_id_field", told))
    for column, name in sync.fields.items():
        found, place = table.find(name), f"field:{column}"
        if isinstance(found, str):
            wrong.append((place, f"{column}: {found}"))
        elif not is_writable(found):
            told = f"{column}: {found.label} cannot be filled ({found.kind}): {why_not_writable(found)}"
            wrong.append((place, told))
        elif not isinstance(key, str) and found.slug == key.slug and column != sync.primary_key:
            told = f"{column}: {found.label} is the external_id_field, which holds {sync.primary_key}"
            wrong.append((place, told))
    return wrong
