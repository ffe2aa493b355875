"""Stores the records of a mapping in PostgreSQL: loads them, finds root rows, and writes many at once.

A record has one root row and related rows, some of which other records share. Shared rows are found by their natural
keys; which of several items fills a shared row is decided by which was updated last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from functools import cached_property

from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Composable, Transaction
from errors import RowRejected
from mappings.bound import BoundMapping
from mappings.declaration import Mapping
from mappings.pointers import pointing
from models import Record
from rows import users_of_rows
from rows.homes import Holder, Home, Homes, Stored, Upsert, Written, WrittenRecord, folded, homes_of
from rows.kept_rows import WORTH_KEEPING
from rows.load_records import Loading, loading_of, only, only_params
from rows.tables import as_compared, is_archived, key_values
from rows.wanted_rows import shown_through
from rows.write_records import RecordWriter
from values.folding import fold

SHARED = """
select row_id
from ({uses}) as uses
group by row_id
having count(distinct root) > 1
"""
HOLDERS = """
select {values}, t.{key}::text, l.id::text, l.monday_id, l.archived_at is not null, l.created_at, true{only}
from {rows}
join {table} as t on {conditions}
left join lateral (
    select m.* from sync_mapping as m where m.entity_id = t.{key}::text and m.entity_type = %(type)s
    -- a look-up for each, as in `state.links`
    offset 0
) as l on true
-- Of several rows with one key, the last counts, which is the oldest.
order by t.created_at desc
"""
UNLINKED = """
select sync_fold({shown}), t.{key}::text
from {table} as t
where sync_fold({shown}) = any(%(values)s)
    and not {archived}{only}
    and not exists (
        select from sync_mapping as l
        where l.entity_type = %(type)s and l.entity_id = t.{key}::text
        offset 0
    )
"""
PAGE_OF_IDS = """
select t.{key}::text
from {table} as t
where (%(after)s::text is null or t.{key} > %(after)s::{key_type}){only}
-- as it is compared above: in any other order a page would pass rows by
order by t.{key}
limit %(limit)s
"""
SET_STATUS = """
update {table} as t
set sync_status = new.status
from {rows}
where t.{key}::text = new.id and t.sync_status is distinct from new.status
"""
SET_ITEM_ID = """
update {table} as t
set monday_id = new.item
from {rows}
where t.{key} = new.id and t.monday_id is distinct from new.item
"""
ARCHIVE = """
update {table}
set {sets}
where {key} = any(%s::{key_type}[]) and {archived} is null
"""
DELETE = """
delete from {table}
where {key} = any(%s::{key_type}[])
"""


class RecordStore:
    """Loads and writes the records of one mapping."""

    def __init__(
        self,
        bound: BoundMapping,
        types: Map[str, Map[str, str]],
        owners: Map[str, Mapping] | None = None,
        keep_from: int = WORTH_KEEPING,
    ) -> None:
        self.bound = bound
        self.mapping = bound.mapping
        self.types = types
        self.owners = owners or {}
        self.keep_from = keep_from

    @cached_property
    def homes(self) -> Homes:
        """Returns where the fields of the records live."""
        return homes_of(self.bound, self.types, self.owners)

    @property
    def root(self) -> Home:
        """Returns the home of the fields in root rows."""
        return self.homes.root

    @cached_property
    def _names(self) -> dict[str, Composable]:
        return {"table": table_name(self.mapping.table), "key": identifier(self.mapping.primary_key)}

    # Loading records

    def load(self, tx: Transaction, root_ids: Sequence[str], any_entity: bool = False) -> dict[str, Stored]:
        """Returns the records of these root rows, by id. Rows of other entities are left out, unless `any_entity`."""
        if not root_ids:
            return {}
        params = {
            "ids": key_values(self.homes.key_type, root_ids),
            "any_entity": any_entity,
            **only_params(self.mapping),
        }
        found = (self._loading.record_of(row) for row in tx.rows(self._loading.statement, params))
        return {stored.root_id: stored for stored in found}

    @cached_property
    def _loading(self) -> Loading:
        return loading_of(self.homes)

    def shared_homes(self, tx: Transaction, records: Sequence[Stored]) -> dict[str, set[str]]:
        """Returns the related names under which these records (by root id) show rows that other records show too."""
        names = [name for name, home in self.homes.related.items() if home.related and not home.related.child]
        ids = sorted({str(row_id) for stored in records for name in names if (row_id := stored.ids.get(name))})
        if not ids:
            return {}
        rows = tx.rows(compose(SHARED, uses=pointing(self.mapping, names)), {"ids": ids})
        shared = {row_id for (row_id,) in rows}
        return {stored.root_id: {name for name in names if stored.ids.get(name) in shared} for stored in records}

    # Finding root rows

    def page_of_ids(self, tx: Transaction, after: str | None, limit: int) -> list[str]:
        """Returns a page of ids of the entity's rows, in the order of the key."""
        statement = compose(
            PAGE_OF_IDS, only=only(self.mapping, "t"), key_type=compose(self.homes.key_type), **self._names
        )
        rows = tx.rows(statement, {"after": after, "limit": limit, **only_params(self.mapping)})
        return [root_id for (root_id,) in rows]

    def root_key(self, record: Record) -> tuple[str, ...] | None:
        """Returns the values of the root's natural key, as they are compared; None when a value is empty."""
        parts = [record.get(name) if name else None for name in self.homes.key_fields]
        key = folded(self.mapping.key, parts)
        return key if all(key) else None

    def holders(
        self, tx: Transaction, keys: Sequence[tuple[str, ...]], new: int = 0, shown: bool = True
    ) -> dict[tuple[str, ...], Holder]:
        """Returns which item has the root row of each natural key, for keys whose row is there, and what the row has.

        `new`: so many of the records are new, and are written next in this transaction. Without `shown` the rows
        themselves are not read.
        """
        keys = self._writer.maybe_there(tx, keys, new)
        if not keys:
            return {}
        columns = {f"v{index}": "text" for index in range(len(self.mapping.key))}
        conditions = [
            compose(
                "{shown} = new.{value}",
                shown=as_compared(part, self.root.types.get(part.column, "text"), "t"),
                value=compose(value),
            )
            for part, value in zip(self.mapping.key, columns, strict=True)
        ]
        rows = tx.bulk(
            HOLDERS,
            columns,
            sorted(set(keys)),
            {"type": self.mapping.entity_type, **only_params(self.mapping)},
            values=joined(", ", [compose(f"new.{value}") for value in columns]),
            conditions=joined(" and ", conditions),
            only=only(self.mapping, "t"),
            **self._names,
        )
        width = len(columns)
        found = {tuple(row[:width]): Holder(*row[width:]) for row in rows}
        stored = self.load(tx, [holder.root_id for holder in found.values()], any_entity=True) if shown else {}
        for holder in found.values():
            holder.stored = stored.get(holder.root_id)
        return found

    def unlinked_with(self, tx: Transaction, name: str, values: Sequence[str]) -> dict[str, list[Stored]]:
        """Returns the entity's rows without an item that show one of these values in a field, by the value as compared."""
        place = self.root.fields[name]
        text = "t.{column}::text" if place.key is None else "t.{column} ->> %(key)s"
        statement = compose(
            UNLINKED,
            shown=compose(text, column=identifier(place.column)),
            archived=is_archived(self.mapping, "t"),
            only=only(self.mapping, "t"),
            **self._names,
        )
        wanted = sorted(set(map(fold, values)))
        params = {"values": wanted, "key": place.key, "type": self.mapping.entity_type, **only_params(self.mapping)}
        rows = tx.rows(statement, params)
        stored = self.load(tx, [root_id for _, root_id in rows])
        found: dict[str, list[Stored]] = {}
        for value, root_id in rows:
            found.setdefault(value, []).append(stored[root_id])
        return found

    # Writing records

    def write(self, tx: Transaction, upserts: Sequence[Upsert]) -> Written:
        """Writes all records. Afterwards `tell_others` must be called, once their links are saved."""
        written = self._writer.write(tx, upserts)
        if written.altered:
            self._reload_altered(tx, written)
        else:
            self._note_redirected(tx, written)
        return written

    def _reload_altered(self, tx: Transaction, written: Written) -> None:
        """Reads back what every record shows, where tables have defaults, triggers or types that alter values."""
        stored = self.load(tx, [record.root_id for record in written.records], any_entity=True)
        for found in stored.values():
            _note_standing(self.homes, found, written)
        for record in written.records:
            if record.root_id not in stored:
                raise RowRejected(f"{self.mapping.table} has no row {record.root_id} after it was written.")
            shown, sent = stored[record.root_id].record, record.upsert.record
            for name in _answered_for(self.homes, record, stored[record.root_id]):
                if not self.bound.same(name, shown.get(name), sent.get(name)):
                    record.shown[name] = shown.get(name)

    @cached_property
    def _writer(self) -> RecordWriter:
        return RecordWriter(self.homes, self.keep_from)

    def _note_redirected(self, tx: Transaction, written: Written) -> None:
        """Notes what a record shows through a shared row that points at other rows than the record's own."""
        known = {
            record: shown_through(self.homes, record, others, written) for record, others in written.redirected.items()
        }
        unknown = [record.root_id for record, shown in known.items() if shown is None]
        stored = self.load(tx, unknown, any_entity=True)
        for record, found in known.items():
            shown = stored[record.root_id].record if found is None else found
            names = (name for other in written.redirected[record] for name in self.homes.related[other].names)
            for name in (name for name in names if name not in record.overtaken):
                if not self.bound.same(name, shown.get(name), record.upsert.record.get(name)):
                    record.shown[name] = shown.get(name)

    def tell_others(self, tx: Transaction, written: Written) -> None:
        """Marks the records whose items differ from a shared row that other records have filled now."""
        users_of_rows.tell(tx, self.homes, written)

    # Root rows

    def set_status(self, tx: Transaction, statuses: Map[str, str]) -> None:
        """Writes the state of the records into the application's own rows (by id)."""
        tx.bulk(SET_STATUS, {"id": "text", "status": "text"}, list(statuses.items()), **self._names)

    def set_item_ids(self, tx: Transaction, items: Map[str, str]) -> None:
        """Writes the ids of the items into the application's own rows (id → item id)."""
        if self.homes.shows_item_id:
            types = {"id": self.homes.key_type, "item": self.root.types["monday_id"]}
            tx.bulk(SET_ITEM_ID, types, list(items.items()), **self._names)

    def archive(self, tx: Transaction, root_ids: Sequence[str]) -> int:
        """Marks root rows as archived; returns how many were not archived before."""
        archived, updated = self.mapping.archived_column, self.mapping.updated_column
        if archived is None:
            return 0
        sets = [compose("{column} = now()", column=identifier(column)) for column in (archived, updated) if column]
        statement = compose(
            ARCHIVE,
            sets=joined(", ", sets),
            archived=identifier(archived),
            key_type=compose(self.homes.key_type),
            **self._names,
        )
        return tx.execute(statement, (key_values(self.homes.key_type, root_ids),))

    def delete(self, tx: Transaction, root_ids: Sequence[str]) -> int:
        """Deletes root rows; rows that other records may share stay."""
        statement = compose(DELETE, key_type=compose(self.homes.key_type), **self._names)
        return tx.execute(statement, (key_values(self.homes.key_type, root_ids),))


def _answered_for(homes: Homes, record: WrittenRecord, standing: Stored) -> Iterator[str]:
    """Yields the fields that this record wrote: of a shared row that it had before only those that changed.

    What other records wrote there is news for this one.
    """
    upsert = record.upsert
    for name in (name for name in homes.bound.fields if name not in record.overtaken):
        home = homes.related.get(homes.bound.places[name].home)
        is_shared = home is not None and home.related is not None and home.related.child is None
        if is_shared and home is not None and upsert.changed is not None and name not in upsert.changed:
            before = upsert.stored.ids.get(home.name) if upsert.stored else None
            if before == standing.ids.get(home.name):
                continue
        yield name


def _note_standing(homes: Homes, stored: Stored, written: Written) -> None:
    """Puts into rows that were written what stands in them, for other records that show them."""
    for name, home in homes.related.items():
        row = written.rows.get(str(stored.ids.get(name)))
        if row is not None:
            for slot, field in home.slots.items():
                row.values[slot] = stored.record.get(field)
