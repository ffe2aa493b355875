"""Composes the SQL that finds the root rows which point at rows of a table."""

from __future__ import annotations

from collections.abc import Iterable

from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Composable
from mappings.declaration import ROOT, Mapping


def pointing(mapping: Mapping, names: Iterable[str]) -> Composable:
    """Which root rows use which of the rows `ids`, by these relations: row_id, root, and the relation's number."""
    return joined(" union all ", [_pointing(mapping, name) for name in sorted(names)])


def _pointing(mapping: Mapping, name: str) -> Composable:
    related, number = mapping.related[name], list(mapping.related).index(name)
    via, key, table = identifier(str(related.via)), identifier(mapping.primary_key), table_name(mapping.table)
    if related.parent == ROOT:
        return compose(
            f"select {{via}}::text as row_id, {{key}}::text as root, {number} as home from {{table}}"
            " where {via} = any(%(ids)s::uuid[])",
            via=via, key=key, table=table,
        )  # fmt: skip
    parent = mapping.related[related.parent]
    return compose(
        f"select p.{{via}}::text as row_id, r.{{key}}::text as root, {number} as home from {{parent}} as p"
        " join {table} as r on r.{link} = p.id where p.{via} = any(%(ids)s::uuid[])",
        via=via, key=key, table=table, parent=table_name(parent.table), link=identifier(str(parent.via)),
    )  # fmt: skip
