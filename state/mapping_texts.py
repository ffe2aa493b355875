"""Keeps the texts of mappings: `sync_mappings`, a row for each version. The newest counts, and none is ever changed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from databases.postgres.catalogue import exists
from db_connector import Database, Transaction
from mappings.stored import Stored, digest_of

NEWEST = """
select m.entity, m.text, m.version, m.live, m.changed_at, m.changed_by,
       (select array_agg(o.digest) from sync_mappings as o where o.entity = m.entity) as digests
from sync_mappings as m
where m.version = (select max(o.version) from sync_mappings as o where o.entity = m.entity)
  and m.entity = coalesce(%(entity)s, m.entity)
order by m.entity
"""
HOLD = """
-- The first version is never changed: to have its lock is to be the only one who writes a next version.
select from sync_mappings
where entity = %s and version = 1
for update
"""
WRITE = """
insert into sync_mappings (entity, version, text, digest, live, changed_by)
values (%(entity)s, %(version)s, %(text)s, %(digest)s, %(live)s, %(by)s)
on conflict (entity, version) do nothing
"""
SET_LIVE = """
update sync_mappings
set live = %(live)s
where entity = %(entity)s and live is distinct from %(live)s
"""
CHANGE_OF_ALL = """
select count(*), count(*) filter (where live), max(changed_at)::text
from sync_mappings
"""
TEXT_OF = "select text from sync_mappings where entity = %s and version = %s"


def stored_mappings(db: Database) -> list[Stored]:
    """Returns what runs read. Raises SchemaMissing when the table is not there."""
    with db.transaction(read_only=True) as tx:
        return live_ones(tx)


def stored_as_far_as_there(db: Database) -> list[Stored]:
    """Returns the same; nothing where the tool's tables are not made yet, or are of an earlier version."""
    with db.transaction(read_only=True) as tx:
        return live_ones(tx) if exists(tx, "sync_mappings") else []


def live_ones(tx: Transaction) -> list[Stored]:
    """Returns the newest text of each mapping that runs read."""
    return [stored for stored in _newest(tx, None) if stored.live]


def newest(tx: Transaction, entity: str) -> Stored | None:
    """Returns the newest text of a mapping, whether or not runs read it."""
    return next(iter(_newest(tx, entity)), None)


def _newest(tx: Transaction, entity: str | None) -> Sequence[Stored]:
    return [Stored(**row) for row in tx.dicts(NEWEST, {"entity": entity})]


def change_of_all(tx: Transaction) -> list[object]:
    """Returns what is another value after any change of a mapping."""
    return list(tx.rows(CHANGE_OF_ALL)[0])


def text_of(tx: Transaction, entity: str, version: int) -> str | None:
    """Returns the text of one version; None when there is no such version."""
    found = tx.value(TEXT_OF, (entity, version))
    return None if found is None else str(found)


def hold(tx: Transaction, entity: str) -> Stored | None:
    """Keeps other transactions from writing a version, and returns the newest one as it is then."""
    tx.rows(HOLD, (entity,))
    return newest(tx, entity)


def write(tx: Transaction, entity: str, text: str, by: str, live: bool = True) -> Stored:
    """Makes a text the newest version, if it is not, and returns it. `by`: what changed it, in a word or two."""
    while True:
        known = hold(tx, entity)
        if known is not None and known.text == text:
            set_live(tx, entity, live)
            return replace(known, live=live)
        given = {"entity": entity, "version": known.version + 1 if known else 1, "text": text}
        tx.execute(WRITE, {**given, "digest": digest_of(text), "live": live, "by": by})


def set_live(tx: Transaction, entity: str, live: bool) -> None:
    """Lets runs read a mapping, or keeps them from it."""
    tx.execute(SET_LIVE, {"entity": entity, "live": live})
