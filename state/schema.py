"""Makes and checks the tool's own tables."""

from __future__ import annotations

from databases.postgres.catalogue import columns_of_those_there
from databases.postgres.failures import TOOL_TABLES
from databases.postgres.session_settings import refuse_settings
from db_connector import Database
from errors import SchemaMissing
from settings import PROJECT
from state.values import SCHEMA_KEY, Values

SCHEMA = "2"


def check_schema(db: Database) -> None:
    """Raises SchemaMissing when the tool's tables are not there, or are those of another version."""
    _refuse_settings(db)
    found = Values(db).get(SCHEMA_KEY)
    if str(found) != SCHEMA:
        raise SchemaMissing(
            f"The tool's tables are of version {found}; this is version {SCHEMA}.", hint="run: python main.py init-db"
        )


def _refuse_settings(db: Database) -> None:
    with db.transaction(read_only=True) as tx:
        refuse_settings(tx)


def init_db(db: Database) -> dict[str, list[str]]:
    """Makes the tables and columns that are missing. Returns the columns that were added to tables that existed already."""
    _refuse_settings(db)
    with db.transaction() as tx:
        before = columns_of_those_there(tx, TOOL_TABLES)
        tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
        after = columns_of_those_there(tx, TOOL_TABLES)
    added = {table: [name for name in after[table] if name not in known] for table, known in before.items()}
    return {table: names for table, names in added.items() if names}
