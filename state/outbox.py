"""Reads the changes of rows that triggers have noted: `sync_outbox`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from datetime import datetime

from msgspec import Struct

from databases.postgres.names import compose
from db_connector import Transaction
from mappings.declaration import Mapping
from mappings.pointers import pointing
from state.triggers import installed


class Noted(Struct, frozen=True):
    """Holds entries of the outbox, oldest first, and the root rows that they are about."""

    ids: list[int]
    roots: dict[str, list[int]]


def noted(tx: Transaction, mapping: Mapping, limit: int | None = None) -> Noted:
    """Returns what the outbox holds for an entity. A change of a shared row stands for every root row that shows it."""
    entries = tx.rows(
        """
        select id, table_name, row_id
        from sync_outbox
        where entity_type = %s and (next_try_at is null or next_try_at <= now())
        order by id
        limit %s
        """,
        (mapping.entity_type, limit),
    )
    roots: dict[str, list[int]] = {}
    shared: dict[str, dict[str, list[int]]] = {}
    for entry_id, table, row_id in entries:
        # the record's own row
        if table == mapping.table and not _is_shared(mapping, table):
            roots.setdefault(row_id, []).append(entry_id)
        # a row that several records may show
        else:
            shared.setdefault(table, {}).setdefault(row_id, []).append(entry_id)
    for table, rows in shared.items():
        for row_id, root in showing(tx, mapping, table, rows):
            roots.setdefault(root, []).extend(rows[row_id])
    return Noted([row[0] for row in entries], roots)


def _is_shared(mapping: Mapping, table: str) -> bool:
    return any(related.table == table and related.child is None for related in mapping.related.values())


def showing(tx: Transaction, mapping: Mapping, table: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    """Returns which root rows show these rows of a table, as pairs (row, root)."""
    names = [related.name for related in mapping.related.values() if related.table == table and related.child is None]
    if not names:
        return []  # no record shares rows of it
    statement = compose("select distinct row_id, root from ({uses}) as uses", uses=pointing(mapping, names))
    return [(row[0], row[1]) for row in tx.rows(statement, {"ids": sorted(ids)})]


def dates(tx: Transaction, mapping: Mapping) -> dict[str, datetime]:
    """Returns when root rows were last changed, of those that the outbox holds; under `column_key` also their columns."""
    found = noted(tx, mapping)
    rows = tx.rows(
        "select id, changed_at, case when table_name = %s then columns end from sync_outbox where id = any(%s)",
        (mapping.table, found.ids),
    )
    at = {row[0]: (row[1], row[2]) for row in rows}
    times: dict[str, datetime] = {}
    for root, entries in found.roots.items():
        known = [at[entry] for entry in entries if entry in at]
        times[root] = max(when for when, _ in known)
        # an entry that names no column may be about each
        every = max((when for when, columns in known if columns is None), default=None)
        if every is not None:
            times[column_key(root, "")] = every
        for when, columns in known:
            for column in columns or ():
                key = column_key(root, column)
                times[key] = max(when, times.get(key, when), every or when)
    return times


def column_key(root_id: str, column: str) -> str:
    """Returns the key of a column's time; without a column, that of changes which may be about any."""
    return f"{root_id}\0{column}"


def done(tx: Transaction, ids: Sequence[int]) -> None:
    """Deletes entries that have been dealt with."""
    tx.execute("delete from sync_outbox where id = any(%s)", (list(ids),))


def note_edited(tx: Transaction, mappings: Iterable[Mapping], table: str, editors: Map[str, set[str]]) -> None:
    """Notes the other records that show shared rows which edits of items have changed.

    `editors` has the root rows of the edited items by the id of the row that they changed. Where several
    roots edited one row, all are noted: each may lack what the item of another has changed.
    """
    rows = [
        (mapping.entity_type, mapping.table, root)
        for mapping in mappings
        if _is_shared(mapping, table) and installed(tx, mapping)
        for row_id, root in showing(tx, mapping, table, editors)
        if editors[row_id] != {root}
    ]
    tx.bulk(
        """
        insert into sync_outbox (entity_type, table_name, row_id, operation)
        select type, at, row_id, 'update' from {rows}
        """,
        {"type": "text", "at": "text", "row_id": "text"},
        rows,
    )
