"""Gives cells of people their names by id, and rows the new names of users who were renamed."""

from __future__ import annotations

import logging

from databases.postgres.names import compose, identifier, table_name
from mappings.bound import BoundMapping
from mappings.declaration import ROOT
from services.monday.cells.people_and_places import NAMED_PEOPLE
from services.monday.people_names import PeopleNames
from sync.board import BoardSync

log = logging.getLogger("monday_sync")

RENAME = """
-- names are no news: they belong to the ids, and are written without a comparison
update {table} as t
set {column} = (
    select jsonb_agg(case when n.name is null then e.value else e.value || jsonb_build_object('name', n.name) end
                     order by e.place)
    from jsonb_array_elements(t.{column}) with ordinality as e (value, place)
    left join unnest(%(kinds)s::text[], %(ids)s::text[], %(names)s::text[]) as n (kind, id, name)
        on n.id = e.value ->> 'id' and n.kind = coalesce(e.value ->> 'kind', 'person'))
where jsonb_typeof(t.{column}) = 'array'
  and exists (
      select
      from jsonb_array_elements(t.{column}) as e (value)
      join unnest(%(kinds)s::text[], %(ids)s::text[], %(names)s::text[]) as n (kind, id, name)
          on n.id = e.value ->> 'id' and n.kind = coalesce(e.value ->> 'kind', 'person')
      where n.name is distinct from e.value ->> 'name')
  and exists (
      select from (
          select m.* from sync_mapping as m where m.entity_type = %(type)s and m.entity_id = t.{key}::text offset 0
      ) as l
      where l.archived_at is null and l.sync_enabled and l.sync_direction in ('bidirectional', 'monday_to_pg'))
"""


def named_fields(bound: BoundMapping) -> list[str]:
    """Returns the fields that hold people with their names."""
    return [name for name, binding in bound.owner.items() if binding.kind == NAMED_PEOPLE]


def take_new_names(sync: BoardSync) -> int:
    """Writes the names of users and teams as they are now into the rows that show them; returns how many rows changed."""
    fields = named_fields(sync.bound)
    if not fields or sync.options.dry_run or not sync.engine.options.write_postgres:
        return 0
    known = PeopleNames(lambda: sync.monday.account).all()
    people = {
        "kinds": [kind for kind, _ in known],
        "ids": [number for _, number in known],
        "names": list(known.values()),
        "type": sync.mapping.entity_type,
    }
    changed = 0
    for name in fields:
        place = sync.bound.places[name]
        if known and (place.home, place.key) == (ROOT, None):
            names = {"table": table_name(sync.mapping.table), "key": identifier(sync.mapping.primary_key)}
            with sync.db.transaction() as tx:
                changed += tx.execute(compose(RENAME, column=identifier(place.column), **names), people)
    if changed:
        log.info("%s: %d rows show new names of users.", sync.mapping.entity, changed)
    return changed
