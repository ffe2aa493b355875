"""Keeps the settings of each record: whether it is synced at all, and in which direction.

They stand on its link (`sync_mapping`) and, where the mapping says so, on the row itself; both have to allow a change. A
user sets them with plain SQL or `main.py record`; each run reads them at its beginning and shows them in `sync_status`.
"""

from __future__ import annotations

from typing import Any

from databases.postgres.names import compose, identifier, table_name
from db_connector import Composable, Transaction
from mappings.declaration import Mapping

DIRECTIONS = ("bidirectional", "monday_to_pg", "pg_to_monday", "none")

LINK = """
select id::text, monday_id, entity_id, monday_board_id, sync_enabled, sync_direction, sync_status, archived_at, attempts,
       next_try_at, last_error, synced_at
from sync_mapping
where entity_type = %(type)s and (monday_id = %(id)s or entity_id = %(id)s)
order by archived_at is not null
limit 1
"""

NOTE_ON_LINKS = """
update sync_mapping as l
set updated_at = now(),
    sync_status = case
        when not l.sync_enabled or l.sync_direction = 'none' then 'disabled'
        -- what becomes of a record that was off
        when exists (select from sync_conflicts as c
                     where c.status = 'open' and c.entity_type = l.entity_type and c.entity_id = l.entity_id)
            then 'conflict'
        when l.attempts > 0 then 'error'
        when l.monday_id is null then 'pending'
        else 'synced' end
where l.entity_type = %(type)s and l.archived_at is null and l.intent_key is null
  -- each of the two has an index
  and ((not l.sync_enabled or l.sync_direction = 'none') and l.sync_status <> 'disabled'
       or l.sync_status = 'disabled' and l.sync_enabled and l.sync_direction <> 'none')
"""

# Each part begins with records that are off, or are said to be: they are few, and links are looked up by their rows.
NOTE_ON_LINKS_WITH_ROWS = """
update sync_mapping as l
set updated_at = now(),
    sync_status = case
        when news.is_off then 'disabled'
        -- what becomes of a record that was off
        when exists (select from sync_conflicts as c
                     where c.status = 'open' and c.entity_type = l.entity_type and c.entity_id = l.entity_id)
            then 'conflict'
        when l.attempts > 0 then 'error'
        when l.monday_id is null then 'pending'
        else 'synced' end
from (
    -- switched off on the link, or said to be off and on again in both places
    select m.id, m.sync_status <> 'disabled' as is_off
    from sync_mapping as m join {table} as t on t.{key}::text = m.entity_id
    where m.entity_type = %(type)s and m.archived_at is null and m.intent_key is null
      and ((not m.sync_enabled or m.sync_direction = 'none') and m.sync_status <> 'disabled'
           or m.sync_status = 'disabled' and m.sync_enabled and m.sync_direction <> 'none'
              and t.sync_enabled and t.sync_direction <> 'none')
    union
    -- switched off on the row
    select m.id, true
    from {table} as t
    cross join lateral (
        select k.* from sync_mapping as k where k.entity_type = %(type)s and k.entity_id = t.{key}::text offset 0
    ) as m
    where (not t.sync_enabled or t.sync_direction = 'none')
      and m.archived_at is null and m.intent_key is null and m.sync_status <> 'disabled'
) as news
where l.id = news.id
"""

NOTE_ON_ROWS = """
update {table} as t
set sync_status = news.status
from (
    select r.{key} as key, case when m.sync_status = 'set_aside' then 'error' else m.sync_status end as status
    from {table} as r
    cross join lateral (
        select k.* from sync_mapping as k where k.entity_type = %(type)s and k.entity_id = r.{key}::text offset 0
    ) as m
    where r.sync_status = 'disabled' and m.archived_at is null
      and m.sync_status in ('pending', 'synced', 'conflict', 'error', 'disabled', 'set_aside')
    union
    select r.{key}, 'disabled'
    from sync_mapping as m join {table} as r on r.{key}::text = m.entity_id
    where m.entity_type = %(type)s and m.archived_at is null and m.sync_status = 'disabled'
) as news
where t.{key} = news.key and t.sync_status is distinct from news.status
"""

NOTE_ON_ROWS_WITHOUT_LINKS = """
update {table} as t
set sync_status = case when not t.sync_enabled or t.sync_direction = 'none' then 'disabled' else 'pending' end
where (not t.sync_enabled or t.sync_direction = 'none') is distinct from (t.sync_status = 'disabled')
  and not exists (
      select from sync_mapping as l where l.entity_type = %(type)s and l.entity_id = t.{key}::text offset 0)
"""

SET_ON_LINK = """
update sync_mapping
set sync_enabled = coalesce(%(enabled)s, sync_enabled),
    sync_direction = coalesce(%(direction)s, sync_direction),
    updated_at = now()
where entity_type = %(type)s and entity_id = %(id)s
"""

SET_ON_ROW = """
update {table} as t
set sync_enabled = coalesce(%(enabled)s, t.sync_enabled),
    sync_direction = coalesce(%(direction)s, t.sync_direction)
where t.{key}::text = %(id)s
"""


def note_settings(tx: Transaction, mapping: Mapping) -> None:
    """Shows in `sync_status` which records are off, and the state of those that were switched on again."""
    # settings stand on links alone
    if not mapping.record_settings:
        tx.execute(NOTE_ON_LINKS, {"type": mapping.entity_type})
        return
    # Links first: rows show what their links have become.
    for statement in (NOTE_ON_LINKS_WITH_ROWS, NOTE_ON_ROWS, NOTE_ON_ROWS_WITHOUT_LINKS):
        tx.execute(compose(statement, **_names(mapping)), {"type": mapping.entity_type})


def link_of(tx: Transaction, mapping: Mapping, given: str) -> dict[str, Any] | None:
    """Returns the link of an item or a row by its id, with its settings; a link that is not archived comes first."""
    return next(iter(tx.dicts(LINK, {"type": mapping.entity_type, "id": given})), None)


def set_on_row(tx: Transaction, mapping: Mapping, row_id: str, enabled: bool | None, direction: str | None) -> None:
    """Sets what is given on the row itself."""
    params = {"enabled": enabled, "direction": direction, "id": row_id}
    tx.execute(compose(SET_ON_ROW, **_names(mapping)), params)


def set_on_link(tx: Transaction, mapping: Mapping, row_id: str, enabled: bool | None, direction: str | None) -> None:
    """Sets what is given on the link, if there is a link."""
    params = {"enabled": enabled, "direction": direction, "type": mapping.entity_type, "id": row_id}
    tx.execute(SET_ON_LINK, params)


def make_link(tx: Transaction, mapping: Mapping, row_id: str) -> None:
    """Makes a link for a row that has no item yet, so that it can hold settings; the next push looks at it."""
    tx.execute(
        """
        insert into sync_mapping (entity_id, entity_type, sync_status, next_try_at)
        values (%s, %s, 'pending', now())
        on conflict (entity_id, entity_type) do nothing
        """,
        (row_id, mapping.entity_type),
    )


def _names(mapping: Mapping) -> dict[str, Composable]:
    return {"table": table_name(mapping.table), "key": identifier(mapping.primary_key)}
