"""Remembers which item belongs to which row, and the values on which both last agreed: `sync_mapping`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from databases.postgres.names import compose
from db_connector import Composable, Transaction
from models import Record
from state.skipped import Skip
from values.canonical import as_kept, dumps
from values.comparing import from_json


class Link(Struct, frozen=True):
    """Ties an item to a row, with what both last showed. `base` is empty while `same_hash`."""

    id: str
    monday_id: str | None
    entity_id: str | None
    same_hash: bool = False
    base: Map[str, Any] = field(default_factory=dict)
    base_postgres: Map[str, Any] = field(default_factory=dict)
    enabled: bool = True
    direction: str = "bidirectional"
    status: str = "synced"
    archived: bool = False
    attempts: int = 0
    intent_key: str | None = None
    refused_at: datetime | None = None
    """When it was last refused, as long as it is not time to try again."""

    def images(self, kinds: Map[str, str]) -> tuple[Record, Record]:
        """Returns the bases of monday.com and of PostgreSQL as canonical values."""
        monday = {name: from_json(kinds[name], value) for name, value in self.base.items() if name in kinds}
        postgres = dict(monday)
        # where the row is known to differ
        for name, value in self.base_postgres.items():
            if name in kinds:
                postgres[name] = from_json(kinds[name], value)
        return monday, postgres


class LinkChange(Struct):
    """Holds the new content of a link. Without an `id` it is a new link."""

    monday_id: str | None
    entity_id: str | None
    base_monday: Record
    base_postgres: Record
    monday_hash: str | None
    monday_updated_at: str | None
    id: str | None = None
    status: str = "synced"
    archived: bool = False
    seal: Callable[[bytes], str] | None = None
    """Makes the seal of the base, as it is kept; None when cells do not show it."""
    due: bool = False
    """The next push looks at it again: the row shows something that monday.com does not have yet."""
    kept: bytes | None = None
    """`base_monday` as it is kept, where that is there already."""


class Found(Struct, frozen=True):
    """Holds what is remembered of some items, by item id."""

    links: dict[str, Link]
    skips: dict[str, Skip]


FIND = """
select new.monday_id, l.id::text, l.entity_id, l.monday_hash = new.hash,
       -- an item that is as it was needs no base
       case when l.monday_hash = new.hash and l.archived_at is null then null else l.base end,
       l.base_postgres, l.sync_enabled, l.sync_direction, l.sync_status, l.archived_at is not null, l.attempts,
       s.reason, s.key, s.monday_hash = new.hash and coalesce(s.next_try_at > now(), true)
from {rows}
-- A look-up for each: of an entity whose table has no statistics yet, the planner would read all links for a page.
left join lateral (
    select m.* from sync_mapping as m where m.monday_id = new.monday_id and m.entity_type = %(type)s offset 0
) as l on true
left join lateral (
    select k.* from sync_skipped as k where k.monday_id = new.monday_id and k.entity_type = %(type)s offset 0
) as s on true
where l.id is not null or s.id is not null
"""

OF_ROWS = """
select l.monday_id, l.id::text, l.entity_id, false, l.base, l.base_postgres,
       l.sync_enabled, l.sync_direction, l.sync_status, l.archived_at is not null, l.attempts, l.intent_key,
       -- when the pause began that waits for the next try
       case when next_try_at > now() then next_try_at - interval '1 minute' * power(2, attempts - 1) end
from sync_mapping as l
where l.entity_type = %s and l.entity_id = any(%s)
"""

# Looked up by their keys, whatever the planner knows of states.
UNLINKED = """
select new.id
from unnest(%(ids)s::text[]) as new (id)
where not exists (
    select from (
        select m.monday_id, m.archived_at from sync_mapping as m
        where m.entity_type = %(type)s and m.entity_id = new.id offset 0
    ) as l
    where l.monday_id is not null and l.archived_at is null)
"""

# Nearly all living links have an item: they are counted by an index alone, and those without are found by another.
COUNT_ACTIVE = """
select (select count(*) from sync_mapping
        where entity_type = %(type)s and monday_board_id = %(board)s and archived_at is null)
       - (select count(*) from sync_mapping
          where monday_id is null and entity_type = %(type)s and monday_board_id = %(board)s and archived_at is null)
"""

# All but the base, which is large and no part of a question; of what indexes leave out, it has to know how rare that is.
# Who makes an index on the table meanwhile, or vacuums it, is not waited for.
ANALYZE = """
analyze (skip_locked) sync_mapping (
    monday_id, entity_id, entity_type, monday_board_id, base_postgres, monday_hash, monday_updated_at, sync_enabled,
    sync_direction, sync_status, archived_at, intent_key, intent_at, attempts, next_try_at, last_error, sending)
"""

NEW_COLUMNS = [
    *("monday_id", "entity_id", "entity_type", "monday_board_id", "base", "base_postgres"),
    *("seal", "monday_hash", "monday_updated_at", "sync_status", "synced_at", "next_try_at"),
]

CHANGED_COLUMNS = {
    "id": "uuid",
    "monday_id": "text",
    "entity_id": "text",
    "base": "jsonb",
    "base_postgres": "jsonb",
    "seal": "text",
    "monday_hash": "text",
    "monday_updated_at": "timestamptz",
    "status": "text",
    "archived": "boolean",
    "due": "boolean",
}

CHANGE = """
update sync_mapping as l
set monday_id = new.monday_id, entity_id = new.entity_id, monday_board_id = %(board)s,
    base = new.base, base_postgres = new.base_postgres, seal = new.seal,
    monday_hash = new.monday_hash, monday_updated_at = new.monday_updated_at,
    -- a refused change stays refused until its next try
    sync_status = case when new.due and l.attempts > 0 and new.status = 'pending' then l.sync_status
                       else new.status end,
    archived_at = case when new.archived then coalesce(l.archived_at, now()) end,
    -- what was refused keeps its count and its pause until monday.com has taken it
    attempts = case when new.due then l.attempts else 0 end,
    last_error = case when new.due then l.last_error end,
    next_try_at = case when new.due and l.attempts > 0 then l.next_try_at when new.due then now() end,
    synced_at = now(), updated_at = now()
from {rows}
where l.id = new.id
"""


class Links(Struct, frozen=True):
    """Holds the links of one entity on one board."""

    entity_type: str
    board_id: str

    # Looking

    def find(self, tx: Transaction, hashes: Sequence[tuple[str, str]]) -> Found:
        """Returns the links and skips of these items (id and content hash), in one statement."""
        rows = tx.bulk(FIND, {"monday_id": "text", "hash": "text"}, hashes, {"type": self.entity_type})
        found = Found({}, {})
        for row in rows:
            # An item can have both: a link of an earlier time, and a reason why it is skipped now.
            monday_id, link_id, reason = row[0], row[1], row[11]
            if link_id is not None:
                found.links[monday_id] = _link(row)
            if reason is not None:
                found.skips[monday_id] = Skip(monday_id, reason, row[12], bool(row[13]))
        return found

    def of_rows(self, tx: Transaction, entity_ids: Sequence[str]) -> dict[str, Link]:
        """Returns the links of root rows, with their bases, by row id."""
        rows = tx.rows(OF_ROWS, (self.entity_type, list(entity_ids)))
        return {row[2]: _link(row, intent_key=row[11], refused_at=row[12]) for row in rows}

    def unlinked(self, tx: Transaction, entity_ids: Sequence[str]) -> set[str]:
        """Returns those of these root rows that have no item, or whose item is gone."""
        return {row[0] for row in tx.rows(UNLINKED, {"ids": list(entity_ids), "type": self.entity_type})}

    def rows_gone(self, tx: Transaction, table: Composable, key: Composable) -> list[tuple[str, str]]:
        """Returns the active links (item, row) whose root rows are not in their table any more."""
        statement = compose(
            """
            select l.monday_id, l.entity_id
            from (
                -- both sides are read from indexes alone
                select m.entity_id from sync_mapping as m
                where m.entity_type = %(type)s and m.entity_id is not null
                  and not exists (select from {table} as t where t.{key}::text = m.entity_id)
                offset 0
            ) as lost
            cross join lateral (
                select k.* from sync_mapping as k
                where k.entity_id = lost.entity_id and k.entity_type = %(type)s offset 0
            ) as l
            where l.archived_at is null and l.monday_id is not null
            """,
            table=table,
            key=key,
        )
        return [(row[0], row[1]) for row in tx.rows(statement, {"type": self.entity_type})]

    def rows_archived(
        self, tx: Transaction, table: Composable, key: Composable, archived: Composable
    ) -> list[tuple[str, str]]:
        """Returns the active links (item, row) whose root rows `t` were archived with SQL; `archived` is that condition."""
        statement = compose(
            """
            select l.monday_id, l.entity_id
            from sync_mapping as l join {table} as t on t.{key}::text = l.entity_id
            where l.entity_type = %s and l.archived_at is null and l.monday_id is not null and {archived}
            """,
            table=table,
            key=key,
            archived=archived,
        )
        return [(row[0], row[1]) for row in tx.rows(statement, (self.entity_type,))]

    def count_active(self, tx: Transaction) -> int:
        """Counts the active links of the entity on this board."""
        return int(tx.value(COUNT_ACTIVE, {"type": self.entity_type, "board": self.board_id}))

    def analyze(self, session: Transaction) -> None:
        """Has PostgreSQL count what stands in the columns of links; a role that does not own the table is only warned."""
        session.execute(ANALYZE)

    # Making and changing

    def save(self, tx: Transaction, changes: Sequence[LinkChange]) -> None:
        """Makes and changes links; a link that an item had before it came to this row is replaced."""
        new = [change for change in changes if change.id is None]
        # COPY is several times faster than an insert, and a first pull makes links by the thousand.
        if new:
            tx.copy_in("sync_mapping", NEW_COLUMNS, [self._new_row(change) for change in new])
        old = [_changed_row(change) for change in changes if change.id is not None]
        tx.bulk(CHANGE, CHANGED_COLUMNS, old, {"board": self.board_id})

    def _new_row(self, change: LinkChange) -> list[Any]:
        """Returns a link in the order of `NEW_COLUMNS`."""
        return [
            change.monday_id,
            change.entity_id,
            self.entity_type,
            self.board_id,
            *_bases(change),
            change.monday_hash,
            change.monday_updated_at,
            change.status,
            "now",
            "now" if change.due else None,
        ]

    def adopt(self, tx: Transaction, pairs: Map[str, str]) -> None:
        """Links items (id → root row id) to rows whose links have no item yet."""
        tx.bulk(
            """
            insert into sync_mapping (monday_id, entity_id, entity_type, monday_board_id)
            select monday_id, entity_id, %(type)s, %(board)s from {rows}
            where not exists (
                select from sync_mapping as k where k.monday_id = new.monday_id and k.entity_type = %(type)s offset 0)
            -- the row's link is there already, without an item
            on conflict (entity_id, entity_type) do update
            set monday_id = excluded.monday_id, intent = null, intent_key = null, intent_at = null,
                archived_at = null, updated_at = now()
            where sync_mapping.monday_id is null or sync_mapping.archived_at is not null
            """,
            {"monday_id": "text", "entity_id": "text"},
            list(pairs.items()),
            {"type": self.entity_type, "board": self.board_id},
        )

    def archive(self, tx: Transaction, monday_ids: Sequence[str], status: str = "archived") -> None:
        """Marks the links of items that are gone."""
        tx.execute(
            """
            update sync_mapping
            set archived_at = now(), sync_status = %s, updated_at = now()
            where monday_id = any(%s) and entity_type = %s
            """,
            (status, list(monday_ids), self.entity_type),
        )

    def delete_unmade(self, tx: Transaction, table: Composable, key: Composable) -> None:
        """Deletes the links of rows that never became items and are not there any more."""
        statement = compose(
            """
            delete from sync_mapping as l
            where entity_type = %s and monday_id is null and intent_key is null
              and not exists (select from {table} as t where t.{key}::text = l.entity_id)
            """,
            table=table,
            key=key,
        )
        tx.execute(statement, (self.entity_type,))

    # Items that are known to differ from their rows

    def known_to_differ(self, tx: Transaction) -> list[str]:
        """Returns the items that are known to differ from a shared row that they show."""
        rows = tx.rows(
            """
            select monday_id from sync_mapping
            where entity_type = %s and monday_board_id = %s and archived_at is null
              and base_postgres is not null and monday_id is not null
            order by length(monday_id), monday_id
            """,
            (self.entity_type, self.board_id),
        )
        return [row[0] for row in rows]

    def agree_on_rows(self, tx: Transaction, records: Map[str, Record], kinds: Map[str, str]) -> None:
        """Notes the values of these rows (id → record) as agreed on, also where their items have other values."""
        links = {root_id: link for root_id, link in self.of_rows(tx, list(records)).items() if link.monday_id}
        rows = []
        for root_id, link in links.items():
            monday, _ = link.images(kinds)
            rows.append((link.id, _differing(monday, records[root_id])))
        tx.bulk(
            """
            update sync_mapping as l
            set base_postgres = new.base, updated_at = now()
            from {rows}
            where l.id = new.id
            """,
            {"id": "uuid", "base": "jsonb"},
            rows,
        )


def _link(row: Sequence[Any], intent_key: str | None = None, refused_at: datetime | None = None) -> Link:
    """Reads the columns in which `FIND` and `OF_ROWS` begin alike."""
    monday_id, link_id, entity_id, same, base, base_postgres, enabled, direction, status, archived, attempts = row[:11]
    return Link(
        id=link_id,
        monday_id=monday_id,
        entity_id=entity_id,
        same_hash=bool(same),
        base=base or {},
        base_postgres=base_postgres or {},
        enabled=enabled,
        direction=direction,
        status=status,
        archived=archived,
        attempts=attempts,
        intent_key=intent_key,
        refused_at=refused_at,
    )


def _changed_row(change: LinkChange) -> list[Any]:
    """Returns a link in the order of `CHANGED_COLUMNS`."""
    return [
        change.id,
        change.monday_id,
        change.entity_id,
        *_bases(change),
        change.monday_hash,
        change.monday_updated_at,
        change.status,
        change.archived,
        change.due,
    ]


def _bases(change: LinkChange) -> tuple[str, str | None, str | None]:
    """Returns the bases as they are kept: monday.com's filled fields, those in which PostgreSQL differs, and the seal."""
    base = change.kept or as_kept(change.base_monday)
    seal = change.seal(base) if change.seal else None
    return base.decode(), _differing(change.base_monday, change.base_postgres), seal


def _differing(monday: Record, postgres: Record) -> str | None:
    if monday == postgres:
        return None  # the usual case
    differing = {name: value for name, value in postgres.items() if monday.get(name) != value}
    differing |= dict.fromkeys(name for name in monday.keys() - postgres.keys() if monday[name] is not None)
    return dumps(differing).decode() if differing else None
