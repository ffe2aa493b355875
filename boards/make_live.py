"""Makes staged rows live: changes the live table row by row, and remembers the links, in the caller's transaction.

The live table stays in its place: its grants, views, foreign keys and indexes are never touched.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, field

from boards.staging_table import StagingTable
from databases.postgres.names import compose, identifier, identifiers, joined, literal
from db_connector import Composable, Transaction
from errors import RowRejected
from state.entity import EntityState
from sync.cycle import TO_MONDAY

log = logging.getLogger("monday_sync")


class Written(Struct, frozen=True):
    """Counts how many rows were inserted, restored, and updated (restored ones too); why rows were refused, by item."""

    inserted: int = 0
    restored: int = 0
    updated: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Written) -> Written:
        """Adds what was written of other rows."""
        return Written(
            self.inserted + other.inserted,
            self.restored + other.restored,
            self.updated + other.updated,
            {**self.refused, **other.refused},
        )


# Which rows are written


SYNCED = """
-- a record whose own settings, as the run's beginning has noted them, let it come
not exists (
    select from sync_mapping as k
    where k.entity_type = %(type)s
      and k.entity_id = s.{key}::text
      and (
          not k.sync_enabled
          or k.sync_direction not in ('bidirectional', 'monday_to_pg')
          or k.sync_status = 'disabled' and k.archived_at is null
      )
)
"""
UNEDITED = """
-- a row that SQL has not changed: the next run decides about a changed row, field by field
not exists (
    select from sync_outbox as o
    where o.entity_type = %(type)s
      and o.row_id = s.{key}::text
)
and not exists (
    select from sync_mapping as k
    where k.entity_type = %(type)s
      and k.entity_id = s.{key}::text
      and k.sync_status in ('pending', 'conflict', 'error', 'set_aside', 'creating')
)
"""

# The statements, over the live table `t` and the staged rows `s`. With `keys` they are about some rows, without about all.


WAIT_FOR_WRITERS = """
-- A statement that waited for an edit would not see what the triggers noted of it: so transactions that write end first,
-- before anything is looked at. Readers need not wait.
lock table {table} in share row exclusive mode
"""
INSERT = """
insert into {table} ({columns})
select {cells}
from {staging} as s
where not exists (select from {table} as t where t.{key} = s.{key})
  and {may}
  and (%(keys)s::bigint[] is null or s.{key} = any(%(keys)s::bigint[]))
"""
RESTORED = """
select count(*)
from {table} as t
join {staging} as s on t.{key} = s.{key}
where {archived}
  and {may}
  and (%(keys)s::bigint[] is null or s.{key} = any(%(keys)s::bigint[]))
"""
UPDATE = """
update {table} as t
set {sets}
from {staging} as s
where t.{key} = s.{key}
  and ({archived} or ({live_cells}) is distinct from ({staged_cells}))
  and {may}
  and (%(keys)s::bigint[] is null or s.{key} = any(%(keys)s::bigint[]))
"""
WOULD_INSERT = """
select s.{key}
from {staging} as s
where not exists (select from {table} as t where t.{key} = s.{key})
  and {may}
order by 1
"""
WOULD_UPDATE = """
select t.{key}, array_remove(array[{names_of_cells}]::text[], null)
from {table} as t
join {staging} as s on t.{key} = s.{key}
where ({archived} or ({live_cells}) is distinct from ({staged_cells}))
  and {may}
order by 1
"""
DIFFERS = "case when t.{c} is distinct from s.{c} then {name} end"
LINK = """
insert into sync_mapping as l (
    monday_id, entity_id, entity_type, monday_board_id, base, seal, monday_hash, monday_updated_at, sync_status, synced_at
)
select s.monday_id, s.entity_id, %(type)s, %(board)s, s.base, s.seal, s.monday_hash, s.monday_updated_at, 'synced', now()
from (select n.*, n.entity_id as {key} from {links} as n) as s
where {may}
on conflict (monday_id, entity_type) do update
set entity_id = excluded.entity_id,
    base = excluded.base,
    base_postgres = null,
    seal = excluded.seal,
    monday_hash = excluded.monday_hash,
    monday_updated_at = excluded.monday_updated_at,
    monday_board_id = excluded.monday_board_id,
    sync_status = 'synced',
    archived_at = null,
    attempts = 0,
    last_error = null,
    next_try_at = null,
    synced_at = now(),
    updated_at = now()
where (l.base, l.base_postgres, l.monday_hash, l.archived_at)
      is distinct from (excluded.base, null::jsonb, excluded.monday_hash, null::timestamptz)
"""
LEFT_OUT = """
-- The next run starts after the updates of these items, and looks at them only when they have no hash.
update sync_mapping as l
set monday_hash = null, updated_at = now()
from (select n.*, n.entity_id as {key} from {links} as n) as s
cross join lateral (
    select m.id from sync_mapping as m where m.monday_id = s.monday_id and m.entity_type = %(type)s offset 0
) as known
where l.id = known.id
  and l.archived_at is null
  and l.monday_hash is distinct from s.monday_hash
  and not ({may})
"""
OTHER_KEYS = """
select l.entity_id, l.monday_id
from sync_mapping as l
where l.entity_type = %(type)s
  and l.monday_id is not null
  and l.entity_id <> l.monday_id
  -- a link that an earlier table has left names no row that is there, nor one that was deleted lately
  and (
      exists (select from {table} as t where t.{key}::text = l.entity_id)
      or exists (select from sync_outbox as o where o.entity_type = %(type)s and o.row_id = l.entity_id)
  )
"""
RENAME_ROWS = """
update {staging} as s
set {key} = new.key::bigint
from {rows}
where s.{key} = new.id::bigint
"""
RENAME_LINKS = """
update {links} as s
set entity_id = new.key
from {rows}
where s.monday_id = new.id
"""
UNLINK = """
delete from {links}
where entity_id = %s
returning monday_id, monday_hash, monday_updated_at
"""
KEYS = """
select {key}
from {staging}
order by {key}
"""
GONE = """
select l.monday_id
from sync_mapping as l
where l.entity_type = %(type)s
  and l.monday_board_id = %(board)s
  and l.archived_at is null
  and l.monday_id is not null
  and not (l.monday_id = any(%(failed)s))
  and not exists (select from {links} as s where s.monday_id = l.monday_id)
"""


class LiveTable(Struct, frozen=True):
    """Writes the live table of a board, beside what is staged for it."""

    staging: StagingTable
    state: EntityState

    def gone(self, tx: Transaction, failed: Collection[str]) -> list[str]:
        """Returns the items that have a link and were not read."""
        params = {**self._params, "failed": list(failed)}
        return [row[0] for row in tx.rows(compose(GONE, **self.staging.names()), params)]

    def wait_for_writers(self, tx: Transaction) -> None:
        """Waits until no other transaction writes the live table, and keeps others from writing it."""
        tx.execute(compose(WAIT_FOR_WRITERS, **self.staging.names()))

    def take_other_keys(self, tx: Transaction) -> None:
        """Gives staged rows the keys that their rows have: SQL may have given a row another key than its item's id."""
        names, columns = self.staging.names(), {"key": "text", "id": "text"}
        rows = tx.rows(compose(OTHER_KEYS, **names), self._params)
        tx.bulk(RENAME_ROWS, columns, rows, **names)
        tx.bulk(RENAME_LINKS, columns, rows, **names)

    def differing(self, tx: Transaction) -> tuple[list[int], dict[int, list[str]]]:
        """Returns the keys of the rows that would be inserted, and of those that would be updated, with their columns."""
        new = [row[0] for row in tx.rows(self._composed(WOULD_INSERT), self._params)]
        return new, dict(tx.rows(self._composed(WOULD_UPDATE), self._params))

    def write(self, tx: Transaction, keys: Sequence[int] | None = None) -> Written:
        """Inserts and updates what differs, of all rows or of those with some keys.

        A row that the live table refuses, by a constraint or a trigger of the user's, costs its own item only.
        """
        params = {**self._params, "keys": keys}
        try:
            with tx.savepoint():
                inserted = tx.execute(self._composed(INSERT), params)
                restored = int(tx.value(self._composed(RESTORED), params))
                return Written(inserted, restored, tx.execute(self._composed(UPDATE), params))
        except RowRejected as exc:
            reason = str(exc)
        if keys is None:
            # all rows at once were tried
            keys = [row[0] for row in tx.rows(compose(KEYS, **self.staging.names()))]
        # the refused row itself
        if len(keys) == 1:
            return Written(refused=self._refuse(tx, keys[0], reason))
        # the refused row is among these: each half by itself
        middle = len(keys) // 2
        return self.write(tx, keys[:middle]) + self.write(tx, keys[middle:])

    def _refuse(self, tx: Transaction, key: int, reason: str) -> dict[str, str]:
        """Notes an item whose row cannot be written, for the next runs to try; returns its id and the reason."""
        found = tx.rows(compose(UNLINK, **self.staging.names()), (str(key),))
        item_id, digest, at = found[0]
        self.state.waiting.refuse_item(tx, item_id, reason, at, digest)
        return {item_id: reason}

    def link(self, tx: Transaction) -> None:
        """Links the staged items with their rows, and has the next run look at those that were left out."""
        tx.execute(self._composed(LINK), self._params)
        tx.execute(self._composed(LEFT_OUT), self._params)

    @property
    def _params(self) -> dict[str, object]:
        return {"type": self.state.entity_type, "board": self.state.board_id}

    def _composed(self, statement: str) -> Composable:
        """Returns a statement with names; `may` in it leaves out rows that are not to be written."""
        mapping, cells = self.staging.mapping, self.staging.live.columns
        names = self.staging.names()
        may, sets = [compose(SYNCED, **names)], [compose("{c} = s.{c}", c=identifier(column)) for column in cells]
        if mapping.direction in TO_MONDAY:
            may.append(compose(UNEDITED, **names))
        archived = compose("false")
        if mapping.archived_column:
            column = identifier(mapping.archived_column)
            archived = compose("t.{archived} is not null", archived=column)
            sets.append(compose("{archived} = null", archived=column))
        return compose(
            statement,
            columns=identifiers(self.staging.columns),
            cells=_listed("s", self.staging.columns),
            live_cells=_listed("t", cells),
            staged_cells=_listed("s", cells),
            names_of_cells=joined(", ", [compose(DIFFERS, c=identifier(c), name=literal(c)) for c in cells]),
            sets=joined(", ", sets),
            archived=archived,
            may=joined(" and ", may),
            **names,
        )


def _listed(table: str, columns: Sequence[str]) -> Composable:
    return joined(", ", [identifier(table, column) for column in columns])
