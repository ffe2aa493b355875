"""Writes root rows, and keeps in their metadata the cells of related rows that would have no key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from databases.postgres.names import compose, identifier
from db_connector import Transaction
from models import Record, Value
from rows.cells import column_of, document
from rows.homes import Home, Homes, Row, WrittenRecord
from rows.tables import Assignment, Table
from values.canonical import is_empty


def write_root_rows(tx: Transaction, homes: Homes, table: Table, records: Sequence[WrittenRecord]) -> bool:
    """Writes the root rows of records whose related rows are written; returns whether defaults of the table filled some.

    A new row whose table has triggers gets its key back from PostgreSQL.
    """
    new = [record for record in records if record.upsert.stored is None]
    old = [record for record in records if record.upsert.stored is not None and _is_changed(homes, record)]
    mapping, filled = homes.mapping, False
    if new:
        filled = _insert(tx, homes, table, new)
    if old:
        rows = [_root_row(homes, record) for record in old]
        if table.required:
            filled |= table.fill_required(tx, rows, [_untouched(homes, record) for record in old])
        table.update(tx, mapping.primary_key, rows, _extras(homes, old), mapping.updated_column)
    return filled


def _insert(tx: Transaction, homes: Homes, table: Table, new: Sequence[WrittenRecord]) -> bool:
    mapping, filled = homes.mapping, False
    if _needs_defaults(homes, table, new):
        rows = [_root_row(homes, record) for record in new]
        filled = table.fill_required(tx, rows)
        written = table.cells(rows)
    else:
        written = _cells_of_new(homes, table, new)
    cells: dict[str, Sequence[Any]] = {}
    # else the table makes the keys
    if new[0].root_id:
        cells[mapping.primary_key] = [record.root_id for record in new]
    if homes.shows_item_id:
        cells["monday_id"] = [record.upsert.monday_id for record in new]
    cells |= dict(zip(table.columns, written, strict=True))
    cells |= {column: [value] * len(new) for column, value in mapping.only.items()}
    for record, key in zip(new, table.insert(tx, cells, mapping.primary_key), strict=False):
        record.root_id = key
    return filled


def _needs_defaults(homes: Homes, table: Table, new: Sequence[WrittenRecord]) -> bool:
    """Returns whether the table's own defaults have to stand in for values that a new row may not be without."""
    for column in table.required:
        name = homes.root.slots[column, None]
        values = [record.upsert.record.get(name) for record in new]
        if None in column_of(values, table.types.get(column, "text")):
            return True
    return False


def _cells_of_new(homes: Homes, table: Table, new: Sequence[WrittenRecord]) -> list[list[Any]]:
    """Returns the cells of new rows, column by column, in the order of the table's columns.

    A row for each record, as for those that exist, would take twice as long.
    """
    home, records = homes.root, [record.upsert.record for record in new]
    cells: list[list[Any]] = []
    for column in table.plain:
        other = home.pointers.get(column)
        cells.append([record.ids.get(other) for record in new] if other else plain_cells(home, column, records))
    kept = [dict(_kept_of(homes, record)) for record in new]
    for column in table.documents:
        cells.append(document_cells(home, column, records, kept if column == homes.mapping.rest else ()))
    return cells


def plain_cells(home: Home, column: str, records: Sequence[Record]) -> list[Any]:
    """Returns the cells of a column that shows one field, for new rows of these records."""
    name = home.slots.get((column, None))
    values = [record.get(name) for record in records] if name else [None] * len(records)
    return column_of(values, home.types.get(column, "text"))


def document_cells(
    home: Home, column: str, records: Sequence[Record], more: Sequence[dict[str, Value]] = ()
) -> list[str]:
    """Returns the cells of a column that is a document of several fields, and of `more` for each record."""
    members = [(key, name) for (at, key), name in home.slots.items() if key and at == column]
    found = [{key: value for key, name in members if (value := of.get(name)) is not None} for of in records]
    return (
        [document(own | other) for own, other in zip(found, more, strict=True)] if more else list(map(document, found))
    )


def _untouched(homes: Homes, record: WrittenRecord) -> set[str]:
    """Returns the columns whose fields are not to be written."""
    return {column for (column, _), name in homes.root.slots.items() if not record.upsert.touches((name,))}


def _is_changed(homes: Homes, record: WrittenRecord) -> bool:
    upsert = record.upsert
    assert upsert.stored is not None
    before = upsert.stored.ids
    if upsert.restore or upsert.touches(homes.root.names):
        return True
    # cells of a related row that is missing, or was, stand in the metadata
    if any(
        upsert.touches(home.names) and (before.get(home.name) is None or record.ids.get(home.name) is None)
        for home in homes.keeping
    ):
        return True
    # the row points at another related row now
    return any(record.ids.get(name) != before.get(name) for name in homes.root.others)


def _extras(homes: Homes, records: Sequence[WrittenRecord]) -> list[Assignment]:
    """Returns the columns beside the mapped ones: whose item it is, which entity it belongs to, whether it is archived."""
    mapping, extras = homes.mapping, []
    if homes.shows_item_id:
        item_ids = [record.upsert.monday_id for record in records]
        extras.append(
            Assignment(compose("monday_id = coalesce(new.item_id, t.monday_id)"), {"item_id": "text"}, [item_ids])
        )
    for index, (column, value) in enumerate(mapping.only.items()):
        name = f"only{index}"
        expression = compose("{column} = new.{name}", column=identifier(column), name=compose(name))
        extras.append(Assignment(expression, {name: "text"}, [[value] * len(records)]))
    if mapping.archived_column is not None:
        expression = compose(
            "{column} = case when new.restore = 'yes' then null else t.{column} end",
            column=identifier(mapping.archived_column),
        )
        restore = ["yes" if record.upsert.restore else "no" for record in records]
        extras.append(Assignment(expression, {"restore": "text"}, [restore]))
    return extras


def _root_row(homes: Homes, record: WrittenRecord) -> Row:
    upsert = record.upsert
    values = homes.root.values(upsert.record, record.ids)
    values.update({(str(homes.mapping.rest), title): value for title, value in _kept_of(homes, record)})
    return Row(record.root_id, values, new=upsert.stored is None)


# Cells of a related row that does not exist stand in the metadata under their columns' titles, until it does exist.


def _kept_of(homes: Homes, record: WrittenRecord) -> Iterator[tuple[str, Value]]:
    """Yields what the metadata is to keep of all related rows (title, value), and notes what it is."""
    upsert = record.upsert
    for home in homes.keeping:
        if (upsert.stored or record.ids.get(home.name) is None) and upsert.touches(home.names):
            for title, value in _kept_cells(homes, home, record):
                if not is_empty(value):
                    record.kept.append(title)
                yield title, value


def _kept_cells(homes: Homes, home: Home, record: WrittenRecord) -> Iterator[tuple[str, Value]]:
    """Yields what the metadata is to keep of a related row (title, value); None where it keeps nothing any more."""
    upsert = record.upsert
    is_missing = record.ids.get(home.name) is None
    was_missing = upsert.stored is not None and upsert.stored.ids.get(home.name) is None
    if was_missing or (is_missing and any(name in upsert.record for name in home.names)):
        for column, value in _cells(home, record):
            yield homes.bound.title(column), value if is_missing else None


def _cells(home: Home, record: WrittenRecord) -> Iterator[tuple[str, Value]]:
    """Yields the board columns that feed a related row, and what they would show."""
    for binding in home.bindings:
        values: Sequence[Value] = [record.upsert.record.get(name) for name in binding.fields]
        if binding.transform is not None:
            nothing = tuple(None for _ in binding.columns)
            values = binding.transform.write(tuple(values), tuple(None for _ in values), nothing)
        yield from zip(binding.columns, values, strict=True)
