"""Makes and checks the tool's own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from databases.postgres.failures import TOOL_TABLES
from db_connector import Database, Transaction
from errors import (
    SchemaMissing,
)
from settings import PROJECT
from state.runs import Memory

if TYPE_CHECKING:
    pass

SCHEMA = "1"


def check_schema(db: Database) -> None:
    """Raise SchemaMissing when the tool's tables are not there, or are those of another version."""
    found = Memory(db).get("schema")
    if str(found) != SCHEMA:
        raise SchemaMissing(
            f"The tool's tables are of version {found}; this is version {SCHEMA}.", hint="run: python main.py init-db"
        )


def init_db(db: Database) -> dict[str, list[str]]:
    """Make the tables and columns that are missing. Returns the columns that tables got which were there already."""
    with db.transaction() as tx:
        before = _columns(tx)
        tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
        after = _columns(tx)
    added = {table: [name for name in after[table] if name not in known] for table, known in before.items()}
    return {table: names for table, names in added.items() if names}


def _columns(tx: Transaction) -> dict[str, list[str]]:
    """Of the tool's tables that are there."""
    return dict(
        tx.rows(
            "select t.name, array_agg(a.attname::text order by a.attnum) from unnest(%s::text[]) as t (name)"
            " join pg_attribute as a on a.attrelid = to_regclass(t.name) and a.attnum > 0 and not a.attisdropped"
            " group by t.name order by t.name",
            (sorted(TOOL_TABLES),),
        )
    )
