"""Composes the SQL that finds the root rows which point at rows of a table."""

from __future__ import annotations

from collections.abc import Iterable

from databases.postgres.names import Composable, compose, identifier, joined, literal, table_name
from mappings.declaration import ROOT, Mapping

FROM_ROOT = """
select {via}::text as row_id, {key}::text as root, {number} as home
from {table}
where {via} = {ids}
"""

FROM_RELATED = """
select p.{via}::text as row_id, r.{key}::text as root, {number} as home
from {parent} as p
join {table} as r on r.{link} = p.id
where p.{via} = {ids}
"""

ANY_OF_IDS = "any(%(ids)s::uuid[])"


def pointing(mapping: Mapping, names: Iterable[str], ids: str = ANY_OF_IDS) -> Composable:
    """Composes which root rows use which of the rows `ids`, by these relations: row_id, root, the relation's number.

    `ids` may be an expression in SQL for a single row's id instead.
    """
    return joined(" union all ", [_pointing(mapping, name, ids) for name in sorted(names)])


def _pointing(mapping: Mapping, name: str, ids: str) -> Composable:
    related = mapping.related[name]
    names = {
        "ids": compose(ids),
        "via": identifier(str(related.via)),
        "key": identifier(mapping.primary_key),
        "table": table_name(mapping.table),
        "number": literal(list(mapping.related).index(name)),
    }
    if related.parent == ROOT:
        return compose(FROM_ROOT, **names)
    parent = mapping.related[related.parent]
    return compose(FROM_RELATED, **names, parent=table_name(parent.table), link=identifier(str(parent.via)))
