"""Tells which schema holds the tool's tables: what is named in a database as a whole carries its name.

Advisory locks and notifications belong to the database, tables to a schema. Two schemas with tables of the tool are two
worlds: neither waits for the other, and what the tool writes in one is news in the other.
"""

from __future__ import annotations

from databases.postgres.names import LONGEST, shortened

WORLD = """coalesce(
    (select n.nspname::text
     from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where c.oid = to_regclass('sync_mapping')),
    current_schema(),
    '')"""
"""Gives the schema of the tool's tables or, before they are made, that in which they would be made."""

WORLD_NOW = f"select {WORLD}"


def channel_in(schema: str) -> str:
    """Returns the channel on which the triggers of a schema tell of changes."""
    return shortened(f"monday_sync.{schema}", schema, LONGEST)
