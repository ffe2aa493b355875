"""Remembers what an entity's links were made against: its board, its table, and how its records are told apart.

A link says that an item and a row are the same thing. On another board, in another table, or under another key that says
nothing, or ties two things together that are not the same. So a mapping that points elsewhere is refused while it has links.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from typing import Any

from db_connector import Transaction
from errors import SettingsError
from mappings.declaration import Mapping
from state.values import aim_key, drift_key, pull_key, push_key, put, sync_id_key, table_key, value_of
from values.canonical import dumps, loads_exact

POINTS_AT = ("entity_type", "board", "table", "primary_key", "key", "match", "only")
"""What a mapping points at, as mapping files call it."""
IDENTITY = """
-- a table, and a column of it, keep these numbers when they are renamed
select c.oid::bigint, a.attnum::int
from (select to_regclass(%s)::oid as oid) as c
left join pg_attribute as a on a.attrelid = c.oid and a.attname = %s and not a.attisdropped
"""
FOUND = """
select s.value
from sync_state as s
where s.name = %(own)s
   -- the entity had another name
   or s.name like 'aim:%%' and s.value ->> 'entity_type' = %(type)s
order by s.name <> %(own)s, s.updated_at desc
limit 1
"""
ANY_LINK = """
select exists (
    select from sync_mapping
    where entity_type = any(%s) and (monday_id is not null or intent_key is not null))
"""
OTHER_BOARD = """
select monday_board_id from sync_mapping
where entity_type = %s and monday_board_id <> %s and archived_at is null and monday_id is not null
limit 1
"""
UNLEARN = """
update sync_mapping
set base = base - %(fields)s, base_postgres = base_postgres - %(fields)s, monday_hash = null
where entity_type = %(type)s and base ?| %(fields)s
"""
FORGET = (
    "delete from sync_skipped where entity_type = any(%s)",
    "delete from sync_outbox where entity_type = any(%s)",
    "delete from sync_intents where entity_type = any(%s)",
    "delete from sync_conflicts where entity_type = any(%s) and status = 'open'",
    # what it pointed at, also under the entity's former name
    "delete from sync_state where name like 'aim:%%' and value ->> 'entity_type' = any(%s)",
    "delete from sync_mapping where entity_type = any(%s)",
)
"""What speaks of an entity's links and of what waits for them; the links come last."""


def aim_of(tx: Transaction, mapping: Mapping, board_id: str) -> dict[str, Any]:
    """Returns what a mapping points at now, as it is kept."""
    oid, number = tx.rows(IDENTITY, (mapping.table, mapping.primary_key))[0]
    fields = {name: binding.columns for binding in mapping.bindings for name in binding.fields}
    aim = {
        "entity": mapping.entity,
        "entity_type": mapping.entity_type,
        "board": board_id,
        "table": mapping.table,
        "primary_key": mapping.primary_key,
        "key": [f"lower({part.column})" if part.ignore_case else part.column for part in mapping.key],
        "match": mapping.match,
        "only": mapping.only,
        "related": {related.name: [related.table, related.via, related.child] for related in mapping.related.values()},
        "columns": {name: list(columns) for name, columns in fields.items()},
        "oid": oid,
        "number": number,
    }
    kept: dict[str, Any] = loads_exact(dumps(aim))
    return kept


def check_aim(tx: Transaction, mapping: Mapping, board_id: str) -> dict[str, Any]:
    """Returns what a mapping points at now. Raises SettingsError when links were made against something else."""
    now = aim_of(tx, mapping, board_id)
    before = _known(tx, mapping, board_id)
    if changes := list(_changes(before, now)):
        types = [str(before.get("entity_type", mapping.entity_type)), mapping.entity_type]
        if tx.value(ANY_LINK, (types,)):
            raise SettingsError(
                f"{mapping.entity} points at something else than its links were made for: {'; '.join(changes)}.",
                hint="Put that back; or let go of the links, so that items and rows meet anew:"
                f" python main.py forget --entity {mapping.entity}",
            )
    return now


def note_aim(tx: Transaction, mapping: Mapping, now: Map[str, Any]) -> None:
    """Remembers what a mapping points at. What a field was bound to before says nothing of the column it is bound to now."""
    before = _known(tx, mapping, now["board"])
    columns = before.get("columns", {})
    other = [name for name, bound in now["columns"].items() if columns.get(name, bound) != bound]
    if other and mapping.direction != "monday_to_pg":
        tx.execute(UNLEARN, {"fields": other, "type": mapping.entity_type})
    put(tx, aim_key(mapping.entity), now)


def forget_links(tx: Transaction, mapping: Mapping) -> int:
    """Forgets which items and rows belong together, and what runs have reached. Returns how many links there were."""
    known = value_of(tx, aim_key(mapping.entity)) or {}
    types = [mapping.entity_type, str(known.get("entity_type", mapping.entity_type))]
    links = [tx.execute(statement, (types,)) for statement in FORGET][-1]
    names = [name(mapping.entity) for name in (pull_key, push_key, table_key, sync_id_key, drift_key)]
    tx.execute("delete from sync_state where name = any(%s)", (names,))
    return links


def _known(tx: Transaction, mapping: Mapping, board_id: str) -> dict[str, Any]:
    """Returns what the links were made against; of links that an earlier release made, their board is known."""
    rows = tx.rows(FOUND, {"own": aim_key(mapping.entity), "type": mapping.entity_type})
    if rows:
        known: dict[str, Any] = rows[0][0]
        return known
    other = tx.value(OTHER_BOARD, (mapping.entity_type, board_id))
    return {"board": other} if other else {}


def _changes(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yields what points at something else. What was not kept, by an earlier release, is taken as it is now."""
    for name in POINTS_AT:
        if before.get(name, now[name]) != now[name] and not _renamed(name, before, now):
            yield f"{name} was {_shown(before[name])} and is {_shown(now[name])}"
    related = before.get("related", {})
    for home, place in now["related"].items():
        if related.get(home, place) != place:
            yield f"related {home} was {_shown(related[home])} and is {_shown(place)}"


def _renamed(name: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Returns whether it is the same table, or the same column of it, under a new name."""
    same_table = now["oid"] is not None and before.get("oid") == now["oid"]
    if name == "table":
        return same_table
    return name == "primary_key" and same_table and before.get("number") == now["number"]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {each}" for name, each in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value if each is not None) or "nothing"
    return "nothing" if value is None else str(value)
