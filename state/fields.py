"""Renames and forgets fields in what is remembered of them: bases in `sync_mapping`, decisions in `sync_conflicts`."""

from __future__ import annotations

from db_connector import Transaction

RENAME_IN_BASES = """
update sync_mapping
set base = (base - %(old)s) || jsonb_build_object(%(new)s::text, base -> %(old)s)
where entity_type = %(type)s and base ? %(old)s
"""
RENAME_IN_BASES_OF_POSTGRES = """
update sync_mapping
set base_postgres = (base_postgres - %(old)s) || jsonb_build_object(%(new)s::text, base_postgres -> %(old)s)
where entity_type = %(type)s and base_postgres ? %(old)s
"""
RENAME_IN_CONFLICTS = """
update sync_conflicts
set field = %(new)s
where entity_type = %(type)s and field = %(old)s
"""
RENAME_IN_AIM = """
-- what the field was bound to when the links were made
update sync_state
set value = jsonb_set(
    value, '{columns}', (value -> 'columns') - %(old)s || jsonb_build_object(%(new)s::text, value -> 'columns' -> %(old)s))
where name like 'aim:%%' and value ->> 'entity_type' = %(type)s and value -> 'columns' ? %(old)s
"""
# without a hash, the next run reads the item again
FORGET_IN_BASES = """
update sync_mapping
set base = base - %(name)s, monday_hash = null
where entity_type = %(type)s and base ? %(name)s
"""
FORGET_IN_BASES_OF_POSTGRES = """
update sync_mapping
set base_postgres = base_postgres - %(name)s, monday_hash = null
where entity_type = %(type)s and base_postgres ? %(name)s
"""


def rename_field(tx: Transaction, entity_type: str, old: str, new: str) -> None:
    """Renames a field in what is remembered of it."""
    for statement in (RENAME_IN_BASES, RENAME_IN_BASES_OF_POSTGRES, RENAME_IN_CONFLICTS, RENAME_IN_AIM):
        tx.execute(statement, {"old": old, "new": new, "type": entity_type})


def forget_field(tx: Transaction, entity_type: str, name: str) -> None:
    """Forgets the agreed values of a field, because it stands for another column from now on."""
    for statement in (FORGET_IN_BASES, FORGET_IN_BASES_OF_POSTGRES):
        tx.execute(statement, {"name": name, "type": entity_type})
