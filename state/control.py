"""Opens the control database, which holds the accounts of an installation and what is due of each."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from db_connector import Database, connect
from settings import Settings

TABLES = Path(__file__).with_name("fleet.sql")
LOCK = "control tables"
NEWEST = "sync_outages"
"""The table that came last: where it is, all are."""


def open_control(settings: Settings, max_connections: int = 4) -> Database:
    """Returns the database of CONTROL_DATABASE_URL, else that of the installation's own settings, with its tables made."""
    address = settings.control_database_url or settings.database_url
    db = connect(replace(settings, database_url=address), max_connections=max_connections)
    try:
        with db.transaction(read_only=True) as tx:
            there = tx.value("select to_regclass(%s) is not null", (NEWEST,))
        if not there:
            with db.held_lock(LOCK), db.transaction() as tx:
                tx.execute(TABLES.read_text(encoding="utf-8"))
    except BaseException:
        db.close()
        raise
    return db
