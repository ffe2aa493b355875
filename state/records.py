"""Remembers which record of SmartSuite belongs to which row of a query: `sync_records`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from msgspec import Struct

from db_connector import Transaction
from values.canonical import dumps

KNOWN = """
-- the bases are large, and only needed for what is written
select source_key, record_id, case when %s then base end, source_hash, intent_at, attempts,
       case
           when next_try_at is null or next_try_at <= now() then false
           when unlinked is null then true
           -- a record that the row names is there now
           else not exists (
               select
               from jsonb_each(r.unlinked) as named (table_id, names)
               cross join lateral jsonb_array_elements_text(named.names) as name (key)
               join sync_records as p on p.source_key = name.key and p.table_id = named.table_id
               where p.record_id is not null and p.removed_at is null
           )
       end as waits,
       removed_at is not null as removed, sent, unlinked, case when attempts = 0 then refused_hash end as given_up
from sync_records as r
where sync_name = %s and table_id = %s and source_key = any(%s)
"""

HASHES = """
select source_key, coalesce(refused_hash, source_hash)
from sync_records
where sync_name = %s and table_id = %s and source_key = any(%s) and attempts = 0
  -- of what a user has given up there may be no record
  and (record_id is not null or refused_hash is not null)
"""

INTEND = """
insert into sync_records (sync_name, table_id, source_key, base, intent_at)
select %(sync)s, %(table)s, key, base, now()
from {rows}
on conflict (sync_name, source_key) do update
set table_id = excluded.table_id, record_id = null, base = excluded.base, source_hash = null, sent = null, unlinked = null,
    refused_hash = null,
    intent_at = now(), updated_at = now(), removed_at = null
"""

OF_KEYS = """
from {rows}
cross join lateral (
    select m.sync_name, m.source_key from sync_records as m
    where m.sync_name = %(sync)s and m.source_key = new.key
    -- a look-up for each, as in `state.links`
    offset 0
) as known
where r.sync_name = known.sync_name and r.source_key = known.source_key
"""
"""Ends an update of the records `r` of some rows."""

MADE = """
-- what was to be made is the base now
update sync_records as r
set record_id = new.record, source_hash = new.hash, synced_at = now(), updated_at = now(), intent_at = null,
    refused_hash = new.refused, unlinked = new.unlinked, attempts = (new.unlinked is not null)::int, last_error = new.reason,
    next_try_at = case when new.unlinked is not null then now() + interval '1 minute' end
"""

SENDING = """
update sync_records as r
set base = new.base, sent = new.sent, updated_at = now()
"""

BASED = """
update sync_records
set base = %s, sent = null, updated_at = now()
where sync_name = %s and source_key = %s
"""

WRITTEN = """
insert into sync_records as r (
    sync_name, table_id, source_key, record_id, base, source_hash, synced_at, unlinked, refused_hash,
    attempts, last_error, next_try_at)
select %(sync)s, %(table)s, key, record, base, hash, now(), unlinked, refused, (unlinked is not null)::int, reason,
       case when unlinked is not null then now() + interval '1 minute' end
from {rows}
on conflict (sync_name, source_key) do update
set table_id = excluded.table_id, record_id = excluded.record_id, base = excluded.base, sent = null,
    source_hash = excluded.source_hash, synced_at = now(), updated_at = now(), intent_at = null, removed_at = null,
    unlinked = excluded.unlinked, refused_hash = excluded.refused_hash, last_error = excluded.last_error,
    -- while a record that it names is not there, it is looked for after longer and longer pauses
    attempts = case when excluded.unlinked is null then 0 else r.attempts + 1 end,
    next_try_at = excluded.next_try_at + interval '1 minute' * (power(2, least(r.attempts, 10)) - 1)
"""

LINKED = """
select source_key, record_id
from sync_records
where sync_name = %s and table_id = %s
  -- a record that was about to be put into the bin, or taken out of it, may be in the table
  and case when record_id is null then intent_at is not null else removed_at is null or intent_at is not null end
"""

RECYCLING = """
update sync_records
set removed_at = now(), intent_at = now(), base = null, sent = null, source_hash = null, attempts = 0,
    next_try_at = null, last_error = null, unlinked = null, refused_hash = null, updated_at = now()
where sync_name = %s and source_key = any(%s)
"""

RESTORING = """
update sync_records
set intent_at = now(), updated_at = now()
where sync_name = %s and source_key = any(%s)
"""

RECYCLED = """
update sync_records
set intent_at = null, updated_at = now()
where sync_name = %s and source_key = any(%s)
"""

UNLINKED = """
update sync_records
set record_id = null, base = null, sent = null, source_hash = null, attempts = 0, next_try_at = null,
    last_error = null, removed_at = null, intent_at = null, unlinked = null, refused_hash = null,
    updated_at = now()
where sync_name = %s and source_key = any(%s)
"""

REFUSED = """
insert into sync_records as r (sync_name, table_id, source_key, attempts, next_try_at, last_error, refused_hash)
select %(sync)s, %(table)s, key, 1, now() + interval '1 minute', reason, hash
from {rows}
on conflict (sync_name, source_key) do update
set attempts = r.attempts + 1, last_error = excluded.last_error, unlinked = null,
    refused_hash = excluded.refused_hash, updated_at = now(),
    -- a record that SmartSuite refused to make was not made
    intent_at = case when not %(unmade)s then r.intent_at end,
    -- each refusal doubles the pause, up to about a day
    next_try_at = now() + interval '1 minute' * power(2, least(r.attempts, 10))
"""

IN_DOUBT = """
select max(intent_at)
from sync_records
where sync_name = %s and intent_at is not null and record_id is null
"""


class Known(Struct, frozen=True):
    """Holds what is remembered of one row."""

    record_id: str | None
    base: dict[str, Any] | None
    source_hash: str | None
    attempts: int
    waits: bool
    in_doubt: bool
    removed: bool = False
    """Its record is in the recycle bin, because the row was gone."""
    sent: dict[str, Any] | None = None
    """What a call was about to write that was not answered."""
    unlinked: dict[str, list[str]] | None = None
    """The records that it names and that were not there when it was written, by table."""
    given_up: str | None = None
    """The hash of the row that a user has given up; None when none has."""


class Written(Struct, frozen=True):
    """Holds a row that was written: its record, what the record holds of it, and the hash of the row."""

    key: str
    record_id: str
    base: dict[str, Any]
    source_hash: str | None
    unlinked: Mapping[str, Sequence[str]] | None = None
    """The records that it names and that are not there, by table: the row is written without links to them."""
    reason: str | None = None

    @property
    def rest(self) -> tuple[str | None, ...]:
        """Returns its hash, and what it waits for."""
        if not self.unlinked:
            return self.source_hash, None, None, None
        # what waits for a record is not in step
        return None, dumps(self.unlinked).decode(), self.reason, self.source_hash


REST = {"hash": "text", "unlinked": "jsonb", "reason": "text", "refused": "text"}

OF_TABLE = """
select distinct on (source_key) source_key, record_id
from sync_records
where table_id = %s and source_key = any(%s) and record_id is not null and removed_at is null
order by source_key, synced_at desc
"""


def record_ids(tx: Transaction, table_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Returns the records of a table by the keys of their rows, whatever sync has written them."""
    return dict(tx.rows(OF_TABLE, (table_id, list(keys))))


class Records(Struct, frozen=True):
    """Reads and writes what is remembered of the rows of one sync and one table, in the caller's transaction."""

    sync: str
    table_id: str

    @property
    def _names(self) -> dict[str, str]:
        return {"sync": self.sync, "table": self.table_id}

    def known(self, tx: Transaction, keys: Sequence[str], bases: bool = True) -> dict[str, Known]:
        """Returns what is remembered of these rows. Another table's records are none of this one's."""
        found = tx.rows(KNOWN, (bases, self.sync, self.table_id, list(keys)))
        return {
            key: Known(record_id, base, source_hash, attempts, waits, intent_at is not None, *rest)
            for key, record_id, base, source_hash, intent_at, attempts, waits, *rest in found
        }

    def hashes(self, tx: Transaction, keys: Sequence[str]) -> dict[str, str | None]:
        """Returns the hashes of those of these rows that are written, and that nothing was refused of since."""
        return dict(tx.rows(HASHES, (self.sync, self.table_id, list(keys))))

    def unmade(self, tx: Transaction) -> list[str]:
        """Returns the keys of rows that were refused before they had a record, those that were given up too."""
        statement = "select source_key from sync_records where sync_name = %s and table_id = %s"
        statement += " and (attempts > 0 or refused_hash is not null) and record_id is null and intent_at is null"
        return [row[0] for row in tx.rows(statement, (self.sync, self.table_id))]

    def of_others(self, tx: Transaction, record_ids: Sequence[str]) -> dict[str, str]:
        """Returns those of these records that other syncs fill, each with the name of one."""
        statement = "select record_id, sync_name from sync_records where sync_name <> %s and table_id = %s"
        statement += " and record_id = any(%s) and removed_at is null"
        return dict(tx.rows(statement, (self.sync, self.table_id, list(record_ids))))

    def count(self, tx: Transaction) -> int:
        """Returns how many records are linked."""
        statement = "select count(*) from sync_records where sync_name = %s and table_id = %s and record_id is not null"
        statement += " and removed_at is null"
        return int(tx.value(statement, (self.sync, self.table_id)))

    def linked(self, tx: Transaction) -> Iterator[list[tuple[str, str | None]]]:
        """Yields the keys that have a record, each with its id, in pages; None for a record that may have been made."""
        yield from cast("Iterator[list[tuple[str, str | None]]]", tx.stream(LINKED, (self.sync, self.table_id)))

    def recycling(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Notes that the records of these rows are about to be put into the recycle bin."""
        tx.execute(RECYCLING, (self.sync, list(keys)))

    def restoring(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Notes that the records of these rows are about to be taken out of the recycle bin."""
        tx.execute(RESTORING, (self.sync, list(keys)))

    def recycled(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Notes that the records of these rows are in the recycle bin."""
        tx.execute(RECYCLED, (self.sync, list(keys)))

    def unlink(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Forgets the records of these rows: they get new ones, unless records with their keys are there."""
        tx.execute(UNLINKED, (self.sync, list(keys)))

    def forget(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Forgets these rows."""
        tx.execute("delete from sync_records where sync_name = %s and source_key = any(%s)", (self.sync, list(keys)))

    def last_doubt(self, tx: Transaction) -> datetime | None:
        """Returns when the last record was about to be created whose answer was never written down."""
        found: datetime | None = tx.value(IN_DOUBT, (self.sync,))
        return found

    def intend(self, tx: Transaction, cells: Mapping[str, Mapping[str, Any]]) -> None:
        """Notes by key what records are about to be created with: until their answer they are in doubt."""
        given = [(key, dumps(made).decode()) for key, made in cells.items()]
        tx.bulk(INTEND, {"key": "text", "base": "jsonb"}, given, self._names)

    def made(self, tx: Transaction, rows: Iterable[Written]) -> None:
        """Notes rows whose records were created as they were intended."""
        given = [(row.key, row.record_id, *row.rest) for row in rows]
        tx.bulk(MADE + OF_KEYS, {"key": "text", "record": "text", **REST}, given, self._names)

    def sending(self, tx: Transaction, rows: Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> None:
        """Notes what is about to be written: by row its key, what its record holds, and what of it will change."""
        given = [(key, dumps(base).decode(), dumps(sent).decode()) for key, base, sent in rows]
        tx.bulk(SENDING + OF_KEYS, {"key": "text", "base": "jsonb", "sent": "jsonb"}, given, self._names)

    def based(self, tx: Transaction, key: str, base: Mapping[str, Any]) -> None:
        """Notes what a row's record and the source have agreed on."""
        tx.execute(BASED, (dumps(base).decode(), self.sync, key))

    def written(self, tx: Transaction, rows: Iterable[Written]) -> None:
        """Notes rows that were written."""
        columns = {"key": "text", "record": "text", "base": "jsonb", **REST}
        given = [(row.key, row.record_id, dumps(row.base).decode(), *row.rest) for row in rows]
        tx.bulk(WRITTEN, columns, given, self._names)

    def refused(self, tx: Transaction, hashes: Mapping[str, str], reason: str, unmade: bool = False) -> None:
        """Notes rows that were refused, by key, and puts off their next try. `unmade`: it is known that none was made."""
        given = [(key, reason.replace("\x00", ""), digest) for key, digest in hashes.items()]
        tx.bulk(REFUSED, {"key": "text", "reason": "text", "hash": "text"}, given, {**self._names, "unmade": unmade})
