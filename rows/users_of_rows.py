"""Marks the records that show other values than a shared row, after a record that came new to the row has filled it.

Without the mark, the value of that record would look like a change made in PostgreSQL, and go to the cells of all other
records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from db_connector import Transaction
from mappings.declaration import Mapping
from mappings.pointers import pointing
from models import Record, Value
from rows.homes import Homes, Row, Slot, Written, WrittenRecord
from values.canonical import dumps

NewlyShown = dict[tuple[str, str], Record]
"""What rows show now in some fields, by related name and id."""

MARK = """
update sync_mapping as l
set updated_at = now(),
    base_postgres = nullif(
        (coalesce(l.base_postgres, '{{}}') - array(select jsonb_object_keys(shown.patch)))
        -- What the item shows too is no difference.
        || coalesce(
            (
                select jsonb_object_agg(p.key, p.value)
                from jsonb_each(shown.patch) as p
                where nullif(l.base -> p.key, 'null') is distinct from nullif(p.value, 'null')
            ),
            '{{}}'
        ),
        '{{}}'
    )
from (
    select uses.root, jsonb_object_agg(p.key, p.value) as patch
    from {rows}
    join ({uses}) as uses on uses.home = new.home and uses.row_id = new.row_id
    cross join jsonb_each(new.patch) as p
    -- In a field that is in dispute, it is one more change of the row's side.
    where not exists (
        select from sync_conflicts as c
        where c.entity_type = %(type)s and c.entity_id = uses.root and c.field = p.key and c.status = 'open'
    )
    group by uses.root
) as shown
cross join lateral (
    select m.id from sync_mapping as m where m.entity_id = shown.root and m.entity_type = %(type)s offset 0
) as told
where l.id = told.id
"""


def tell(tx: Transaction, homes: Homes, written: Written) -> None:
    """Marks the links of all records that show a row filled or adopted by another record; the links must be saved."""
    shown: NewlyShown = {}
    for home_name, row, slot in written.filled:
        for name, value in _meaning(homes, written, home_name, row, slot):
            shown.setdefault((home_name, row.id), {})[name] = value
    _mark(tx, homes.mapping, shown)
    adopted = [record for record in written.records if record.upsert.adopts and record.upsert.touches(homes.root.names)]
    for mapping in homes.owners.values() if adopted else ():
        if mapping.entity != homes.mapping.entity:
            _mark(tx, mapping, _adopted_as(homes, mapping, adopted))


def _mark(tx: Transaction, mapping: Mapping, shown: NewlyShown) -> None:
    if not shown:
        return
    numbers = {name: number for number, name in enumerate(mapping.related)}
    tx.bulk(
        MARK,
        {"home": "integer", "row_id": "text", "patch": "jsonb"},
        [(numbers[home], row_id, dumps(patch).decode()) for (home, row_id), patch in shown.items()],
        {"type": mapping.entity_type, "ids": sorted({row_id for _, row_id in shown})},
        uses=pointing(mapping, {home for home, _ in shown}),
    )


def _meaning(homes: Homes, written: Written, home_name: str, row: Row, slot: Slot) -> Iterator[tuple[str, Value]]:
    """Yields the fields that a slot of a row is for the records that use the row, and their values."""
    home = homes.related[home_name]
    # a field of the row itself
    if slot in home.slots:
        yield home.slots[slot], row.values.get(slot)
        return
    # a pointer: the fields of the row that it points at
    for other in homes.related.values():
        if other.related and (other.related.parent, other.related.via) == (home_name, slot[0]):
            pointed = written.rows.get(str(row.values.get(slot)))
            if pointed is not None:
                yield from ((name, pointed.values.get(at)) for at, name in other.slots.items())


def _adopted_as(homes: Homes, mapping: Mapping, adopted: Sequence[WrittenRecord]) -> NewlyShown:
    """Returns what the records of another mapping show, as related rows, of root rows that have become an item's."""
    shown: NewlyShown = {}
    for related in mapping.related.values():
        if related.table != homes.mapping.table or related.via is None:
            continue
        for name, place in mapping.places.items():
            field = homes.root.slots.get((place.column, place.key)) if place.home == related.name else None
            if field is None:
                continue
            for record in adopted:
                if record.upsert.touches([field]):
                    shown.setdefault((related.name, record.root_id), {})[name] = record.upsert.record.get(field)
    return shown
