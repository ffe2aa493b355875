"""Who shows a shared row unlike it, after somebody new has filled the row: known from then on, and no news to anybody.

Without this, a newcomer's value would look like a change made in PostgreSQL, and go to the cells of all the others.
"""

from __future__ import annotations

from collections.abc import Mapping as Map

from db_connector import Transaction
from mappings.declaration import Mapping
from mappings.pointers import pointing
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
