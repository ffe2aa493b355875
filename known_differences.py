"""Who shows a shared row unlike it, after somebody new has filled the row: known from then on, and no news to anybody.

Without this, a newcomer's value would look like a change made in PostgreSQL, and go to the cells of all the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map

from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Composable, Transaction
from mapping import ROOT, Mapping
from models import Record
from values.canonical import dumps

TELL = (
    "update sync_mapping as l set updated_at = now(), base_postgres = nullif((coalesce(l.base_postgres, '{{}}')"
    " - array(select jsonb_object_keys(told.patch))) || coalesce((select jsonb_object_agg(p.key, p.value)"
    " from jsonb_each(told.patch) as p where nullif(l.base -> p.key, 'null') is distinct from"
    " nullif(p.value, 'null')), '{{}}'), '{{}}')"
    " from (select uses.root, jsonb_object_agg(p.key, p.value) as patch from {rows} join ({uses}) as uses"
    " on uses.home = new.home and uses.row_id = new.row_id cross join jsonb_each(new.patch) as p"
    # In a field that is in dispute, it is one more change of the row's side.
    " where not exists (select from sync_conflicts as c where c.entity_type = %(type)s and c.entity_id = uses.root"
    " and c.field = p.key and c.status = 'open')"
    " group by uses.root) as told where l.entity_id = told.root and l.entity_type = %(type)s"
)


def tell(tx: Transaction, mapping: Mapping, news: Map[tuple[str, str], Record]) -> None:
    """Note, at the links of a mapping, what rows (related name, id) show now in some fields."""
    if not news:
        return
    numbers = {name: number for number, name in enumerate(mapping.related)}
    tx.bulk(
        TELL,
        {"home": "integer", "row_id": "text", "patch": "jsonb"},
        [(numbers[home], row_id, dumps(patch).decode()) for (home, row_id), patch in news.items()],
        {"type": mapping.entity_type, "ids": sorted({row_id for _, row_id in news})},
        uses=pointing(mapping, {home for home, _ in news}),
    )


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
