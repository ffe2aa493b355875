"""Gives rows their keys, in tables whose key is the item's id."""

from __future__ import annotations

from collections.abc import Iterable

from databases.postgres.names import identifier, table_name
from db_connector import Transaction
from mappings.declaration import Mapping

WITH_OTHER_KEY = """
select entity_id, monday_id
from sync_mapping
where entity_type = %s and monday_id is not null and entity_id <> monday_id and entity_id ~ %s
"""
TAKEN = """
select new.new
from {rows}
join {table} as t on t.{key} = new.new::bigint
union
select new.new
from {rows}
cross join lateral (
    select from sync_mapping as l where l.entity_id = new.new and l.entity_type = %(type)s offset 0
) as linked
"""
"""Of the ids that rows are to get, those that are another row's key, or were."""

RENAME = """
update {table} as t
set {key} = new.new::bigint
from {rows}
where t.{key} = new.old::bigint
"""
RENAME_IN = """
with renamed as (
    select new.old::bigint as old, new.new::bigint as new
    from {rows}
)
update {table} as t
set {ids} = (
    select array_agg(coalesce(r.new, given.id) order by given.at)
    from unnest(t.{ids}) with ordinality as given (id, at)
    left join renamed as r on r.old = given.id
)
where t.{ids} && array(select old from renamed)
"""
"""Of a column of ids, those of rows that get others now."""

RENAME_LINKS = """
update sync_mapping as l
set entity_id = new.new
from {rows}
where l.entity_type = %(type)s and l.entity_id = new.old
"""
RENAME_OUTBOX = """
update sync_outbox as o
set row_id = new.new
from {rows}
where o.entity_type = %(type)s and o.table_name = %(table)s and o.row_id = new.old
"""
RENAME_CONFLICTS = """
update sync_conflicts as c
set entity_id = new.new
from {rows}
where c.entity_type = %(type)s and c.entity_id = new.old
"""
TRY_AGAIN = """
update sync_mapping
set next_try_at = now()
where last_error like %s and next_try_at > now()
"""

OLD_AND_NEW = {"old": "text", "new": "text"}


def give_item_ids(tx: Transaction, mapping: Mapping, dependencies: Iterable[str], waits: str) -> int:
    """Gives rows that SQL inserted, and whose items exist by now, the ids of their items as keys; returns how many.

    An id that another row has is taken when that row has got its own. The cells that name such a row follow: those of a
    relation by the triggers of its link table, and the columns of `dependencies`, which name rows of the same table.
    Records whose last error is `waits`, because a row that they name had no item, are tried again at once.
    """
    if not mapping.item_key:
        return 0
    renamed = _renamed(tx, mapping)
    if not renamed:
        return 0
    table = table_name(mapping.table)
    tx.bulk(RENAME, OLD_AND_NEW, renamed, table=table, key=identifier(mapping.primary_key))
    for column in dependencies:
        tx.bulk(RENAME_IN, OLD_AND_NEW, renamed, table=table, ids=identifier(column))
    params = {"type": mapping.entity_type, "table": mapping.table}
    for statement in (RENAME_LINKS, RENAME_OUTBOX, RENAME_CONFLICTS):
        tx.bulk(statement, OLD_AND_NEW, renamed, params)
    tx.execute(TRY_AGAIN, (f"%{waits}%",))
    return len(renamed)


def _renamed(tx: Transaction, mapping: Mapping) -> list[tuple[str, str]]:
    """Returns the rows that get other keys now: their keys, and the ids of their items."""
    # In a table of the user's own, a key that is not negative was given by the user.
    form = "^-?[0-9]+$" if mapping.own_table else "^-[0-9]+$"
    found = [(old, new) for old, new in tx.rows(WITH_OTHER_KEY, (mapping.entity_type, form))]
    if not found:
        return []
    names = {"table": table_name(mapping.table), "key": identifier(mapping.primary_key)}
    params = {"type": mapping.entity_type, "table": mapping.table}
    taken = {new for (new,) in tx.bulk(TAKEN, OLD_AND_NEW, found, params, **names)}
    return [(old, new) for old, new in found if new not in taken]
