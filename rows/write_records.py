"""Writes many records at once, with a number of statements that does not depend on how many they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from functools import cached_property
from typing import Any

from databases.postgres.names import compose, joined
from databases.postgres.own_ways import TableWays, ways_of
from db_connector import Composable, Transaction
from mappings.declaration import Mapping
from rows.homes import Home, Homes, Row, Upsert, Written, WrittenRecord
from rows.kept_rows import KeptRows, KnownRows
from rows.new_keys import new_keys
from rows.root_rows import write_root_rows
from rows.shared_rows import SharedRowWriter
from rows.tables import Table, table_of
from rows.wanted_rows import WantedRow, each_kind, is_redirected, note_shown, wanted_rows
from values.canonical import is_empty

VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""For a random digit of a UUID the one that says by which rules the UUID is made."""
SHOWN_AS_WRITTEN = ("text", "character varying")
"""Types of columns in which different texts stay different, and equal ones equal."""
OLDEST_FIRST = """
-- Of several rows with one key, the first counts.
order by 3, 2
"""


class RecordWriter:
    """Writes the records of one mapping."""

    def __init__(self, homes: Homes, keep_from: int) -> None:
        """`keep_from`: new records of a page from which on what is known of shared rows is kept for the next page."""
        self.homes, self.keep_from = homes, keep_from
        self._new_ids = new_ids()
        self._ways: Map[str, TableWays] = {}
        self._begun_in: Transaction | None = None
        """The transaction in which it is known already what was kept."""

    def maybe_there(self, tx: Transaction, keys: Sequence[tuple[str, ...]], new: int) -> list[tuple[str, ...]]:
        """Returns those natural keys that a root row may have. To be asked before a page of `new` records is written."""
        if new < self.keep_from:
            return list(keys)
        self._learn_ways(tx)
        self._kept.begin(tx, new)
        self._begun_in = tx
        return self._kept.maybe_there(keys)

    def _learn_ways(self, tx: Transaction) -> None:
        if not self._ways:
            self._ways = ways_of(tx, self._names)

    def write(self, tx: Transaction, upserts: Sequence[Upsert]) -> Written:
        """Writes related rows first, then root rows, then rows that point at root rows."""
        begun, self._begun_in = self._begun_in is tx, None
        if not upserts:
            return Written([])
        new = sum(upsert.stored is None for upsert in upserts)
        self._learn_ways(tx)
        if not begun:
            self._kept.begin(tx, new)
        self._kept.note_roots(new)
        written = Written(self._begun(tx, upserts))
        # Where several records meet in a row, the item that was updated last comes last.
        ranked = sorted(written.records, key=lambda record: record.upsert.rank)
        for table in self._shared_tables:
            self._write_shared(tx, table, ranked, written)
        written.altered |= write_root_rows(tx, self.homes, self._root_table, written.records)
        for record in written.records:
            upsert = record.upsert
            if upsert.changed and not upsert.adopts and upsert.touches(self.homes.root.names):
                written.note_edited(self.homes.root.table, record.root_id, record.root_id)
        for table in self._child_tables:
            self._write_children(tx, table, written)
        written.altered |= self._may_alter
        if self._waits:
            tx.execute("set constraints all immediate")
        return written

    @cached_property
    def _names(self) -> list[str]:
        return [home.table for home in (self.homes.root, *self.homes.related.values())]

    def _table(self, homes: Sequence[Home], root: Mapping | None = None) -> Table:
        return table_of(homes, self._ways.get(homes[0].table, TableWays()), root)

    @cached_property
    def _shared_tables(self) -> list[Table]:
        """Returns the tables of related rows, in the order in which they can be written."""
        return [
            self._table([self.homes.related[related.name] for related in step]) for step in self.homes.mapping.order
        ]

    @cached_property
    def _root_table(self) -> Table:
        return self._table([self.homes.root], self.homes.mapping)

    @cached_property
    def _child_tables(self) -> list[Table]:
        """Returns the tables of rows that point at root rows."""
        return [self._table([self.homes.related[related.name]]) for related in self.homes.mapping.children]

    @cached_property
    def _may_alter(self) -> bool:
        """Tells whether rows may show other values than were written."""
        return any(table.ways.may_alter({column for column, _ in table.kinds}) for table in self._tables)

    @cached_property
    def _kept(self) -> KeptRows:
        """Gives what is known from page to page, where writing a page writes nothing by itself."""
        quiet = not self._may_alter and not any(
            table.ways.before_insert or table.ways.deferred for table in self._tables
        )
        shared = self._shared_tables if quiet else []
        root = self.homes.root.table if quiet and self._shows_keys_as_written else None
        return KeptRows(shared, root, self._names, self.keep_from)

    @property
    def _shows_keys_as_written(self) -> bool:
        """Tells whether root rows have just the natural keys that records ask for, and are written as such alone."""
        table, columns = self._root_table, [part.column for part in self.homes.mapping.key]
        others = {related.table for related in self.homes.mapping.related.values()}
        texts = all(table.types.get(column) in SHOWN_AS_WRITTEN for column in columns)
        return bool(columns) and texts and table.name not in others and not set(table.required) & set(columns)

    @property
    def _tables(self) -> list[Table]:
        return [self._root_table, *self._shared_tables, *self._child_tables]

    @cached_property
    def _waits(self) -> bool:
        """Tells whether triggers would alter rows at the end of the transaction."""
        return any(table.ways.deferred for table in self._tables)

    # Keys of root rows

    def _begun(self, tx: Transaction, upserts: Sequence[Upsert]) -> list[WrittenRecord]:
        count = sum(upsert.stored is None for upsert in upserts)
        made = new_keys(tx, self.homes, self._root_table.ways, count) or self._new_ids if count else iter(())
        return [
            WrittenRecord(upsert, upsert.stored.root_id, dict(upsert.stored.ids))
            if upsert.stored is not None
            else WrittenRecord(upsert, self._new_key(upsert, made), {})
            for upsert in upserts
        ]

    def _new_key(self, upsert: Upsert, made: Iterator[str]) -> str:
        return str(upsert.monday_id) if self.homes.mapping.item_key else next(made)

    # Rows that records share

    def _write_shared(self, tx: Transaction, table: Table, records: Sequence[WrittenRecord], written: Written) -> None:
        rows = self._kept.of(table)
        wants = wanted_rows(self.homes, table.homes, records, rows)
        for row in wants.rows_given():
            row.page = rows.page
        kinds = list(each_kind(wants.in_order()))
        if not kinds:
            written.rows |= rows.of_page()
            return
        self._look_up(tx, table, kinds, rows)
        if any(wants.settled):
            wants.take_back(rows.within_reach(kinds))
        wanted = wants.in_order()
        writer = SharedRowWriter(self.homes, table, rows, self._new_ids)
        writer.write(tx, wanted, kinds, written)
        written.rows |= rows.of_page()
        written.filled += [(home.name, row, slot) for (_, slot), row in writer.filled.items() for home in table.homes]
        written.altered |= _save(tx, table, [want.row for want in wanted if want.row is not None])
        note_shown(wanted, written)

    def _look_up(self, tx: Transaction, table: Table, kinds: Sequence[WantedRow], rows: KnownRows) -> None:
        """Looks up the rows that the wanted keys name, and those that the records have now, in one statement."""
        rows.meet(kinds)
        selected: list[Composable] = []
        params: dict[str, Any] = {}
        keys = {key for want in kinds for key in want.keys if not rows.is_known(key)}
        for index, key in enumerate(table.related.keys):
            if values := sorted(filled.folded for filled in keys if filled.at == index):
                selected.append(table.by_key(index, key))
                params |= {f"k{index}_{place}": list(column) for place, column in enumerate(zip(*values, strict=True))}
        if current := sorted({want.current for want in kinds if want.current and want.current not in rows.by_id}):
            selected.append(table.by_id())
            params["current"] = current
        if selected:
            owner = self.homes.owners.get(table.related.owned_by or "")
            params["owner"] = owner.entity_type if owner else None
            for found in tx.rows(joined("\nunion all\n", selected) + compose(OLDEST_FIRST), params):
                rows.add(table, found)

    # Rows that point at root rows

    def _write_children(self, tx: Transaction, table: Table, written: Written) -> None:
        home, related = table.homes[0], table.related
        assert related.child is not None
        new: list[tuple[WrittenRecord, Row]] = []
        old: list[Row] = []
        for record in written.records:
            upsert, row_id = record.upsert, record.ids.get(home.name)
            if row_id is not None:
                # an edit, or a row that it points at is another row now
                if upsert.touches(home.names) or is_redirected(self.homes, home, record):
                    old.append(Row(row_id, home.emptied(home.values(upsert.record, record.ids))))
            # the first of its cells that is filled
            elif upsert.touches(home.names) and any(not is_empty(upsert.record.get(name)) for name in home.names):
                row = Row(next(self._new_ids), home.values(upsert.record, record.ids), new=True)
                record.ids[home.name] = row.id
                new.append((record, row))
        if new:
            rows = [row for _, row in new]
            written.altered |= table.fill_required(tx, rows)
            own = {"id": [row.id for row in rows], related.child: [record.root_id for record, _ in new]}
            table.insert_related(tx, own | dict(zip(table.columns, table.cells(rows), strict=True)))
        if old:
            written.altered |= table.fill_required(tx, old)
            table.update(tx, "id", old)


def _save(tx: Transaction, table: Table, given: Iterable[Row]) -> bool:
    """Writes the rows that records were given, where they are new or changed; returns whether defaults filled some."""
    rows = {id(row): row for row in given}.values()
    new = [row for row in rows if row.new]
    changed = [row for row in rows if row.dirty and not row.new]
    filled = table.fill_required(tx, [*new, *changed])
    if new:
        columns = sorted({column for row in new for column in row.defaults})
        cells = {"id": [row.id for row in new], **dict(zip(table.columns, table.cells(new), strict=True))}
        table.insert_related(tx, cells | {column: [row.defaults.get(column) for row in new] for column in columns})
    if changed:
        table.update(tx, "id", changed)
    return filled


def new_ids() -> Iterator[str]:
    """Yields random UUIDs, 256 for one call to the system: each call lets another thread go first."""
    while True:
        digits = os.urandom(16 * 256).hex()
        for start in range(0, len(digits), 32):
            yield _uuid4(digits[start : start + 32])


def _uuid4(digits: str) -> str:
    """Returns 32 random hexadecimal digits as a UUID of version 4 (RFC 9562, section 5.4)."""
    variant = VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
