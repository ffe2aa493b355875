"""Gives rows of a table whose key is the item id their keys."""

from __future__ import annotations

from collections.abc import Iterable

from databases.postgres.names import identifier, table_name
from db_connector import Transaction
from mappings.declaration import Mapping
from values.parsing import NO_ITEM_YET

TAKEN = (
    "select new.new from {rows} join {table} as t on t.{key} = new.new::bigint"
    " union select new.new from {rows} join sync_mapping as l on l.entity_id = new.new and l.entity_type = %(type)s"
)
"""Of the ids that rows are to get, those that are another row's key, or were."""
RENAME_IN = (
    "with renamed as (select new.old::bigint as old, new.new::bigint as new from {rows})"
    " update {table} as t set {ids} = (select array_agg(coalesce(r.new, one.id) order by one.at)"
    " from unnest(t.{ids}) with ordinality as one (id, at) left join renamed as r on r.old = one.id)"
    " where t.{ids} && array(select old from renamed)"
)
"""Of a column of ids, those of rows that get others now."""


# New rows of a table whose key is the item's id


def give_item_ids(tx: Transaction, mapping: Mapping, dependencies: Iterable[str] = ()) -> int:
    """Rows that SQL inserted, and whose items exist by now, take the ids of their items as keys; how many.

    In a table of the user's own a key that is not negative is one that the user has given. An id that another row has is
    taken when that one has got its own.
    So do the cells that name such a row: those of a relation by the triggers of its link table, and the columns of
    `dependencies`, which name rows of the same table. What had to wait for that is tried again at once.
    """
    if not mapping.item_key:
        return 0
    waiting = tx.rows(
        "select entity_id, monday_id from sync_mapping where entity_type = %s and monday_id is not null"
        " and entity_id <> monday_id and entity_id ~ %s",
        (mapping.entity_type, "^-?[0-9]+$" if mapping.own_table else "^-[0-9]+$"),
    )
    if not waiting:
        return 0
    given = {"old": "text", "new": "text"}
    type_of = {"type": mapping.entity_type, "table": mapping.table}
    names = {"table": table_name(mapping.table), "key": identifier(mapping.primary_key)}
    taken = {row[0] for row in tx.bulk(TAKEN, given, waiting, type_of, **names)}
    waiting = [pair for pair in waiting if pair[1] not in taken]
    if not waiting:
        return 0
    tx.bulk(
        "update {table} as t set {key} = new.new::bigint from {rows} where t.{key} = new.old::bigint",
        given, waiting, **names,
    )  # fmt: skip
    for column in dependencies:
        tx.bulk(RENAME_IN, given, waiting, table=table_name(mapping.table), ids=identifier(column))
    for statement in (
        "update sync_mapping as l set entity_id = new.new from {rows}"
        " where l.entity_type = %(type)s and l.entity_id = new.old",
        "update sync_outbox as o set row_id = new.new from {rows}"
        " where o.entity_type = %(type)s and o.table_name = %(table)s and o.row_id = new.old",
        "update sync_conflicts as c set entity_id = new.new from {rows}"
        " where c.entity_type = %(type)s and c.entity_id = new.old",
    ):
        tx.bulk(statement, given, waiting, type_of)
    tx.execute(
        "update sync_mapping set next_try_at = now() where last_error like %s and next_try_at > now()",
        (f"%{NO_ITEM_YET}%",),
    )
    return len(waiting)
