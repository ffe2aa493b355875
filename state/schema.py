"""Makes and checks the tool's own tables, and the indexes of those that may be big."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from databases.postgres.catalogue import columns_of_those_there
from databases.postgres.failures import TOOL_TABLES
from databases.postgres.session_settings import refuse_settings
from db_connector import Database, Transaction, TransactionConflict, compose, identifier
from errors import DatabaseError, SchemaMissing
from settings import PROJECT
from state import stats
from state.values import SCHEMA_KEY, Values

log = logging.getLogger("monday_sync")

SCHEMA = "2"

TRIES, LOCK_WAIT_S, PAUSE_S = 30, 1, 0.5
"""How often a lock is asked for, and how long each time: who waits for it keeps all later writers waiting."""
INDEX_WAIT_S = 900
"""Seconds that one index may take. It keeps no writer waiting."""

INDEXES = {
    "sync_mapping_living_idx": "sync_mapping (entity_type, sync_status, monday_board_id) where archived_at is null",
    "sync_mapping_gone_idx": "sync_mapping (entity_type, sync_status) where archived_at is not null",
    "sync_mapping_unsettled_idx": "sync_mapping (entity_type) where monday_hash is null and archived_at is null",
    "sync_mapping_off_idx": "sync_mapping (entity_type) where not sync_enabled or sync_direction = 'none'",
    "sync_mapping_differ_idx": "sync_mapping (entity_type) where base_postgres is not null and archived_at is null",
    "sync_mapping_refused_idx": "sync_mapping (entity_type) where archived_at is null and"
    " (attempts > 0 or last_error is not null and next_try_at is not null and monday_id is not null)",
    "sync_records_settled_idx": "sync_records (sync_name, table_id)"
    " where record_id is not null and removed_at is null and attempts = 0 and source_hash is not null",
    "sync_records_unsettled_idx": "sync_records (sync_name, table_id)"
    " where not (record_id is not null and removed_at is null and attempts = 0 and source_hash is not null)"
    " or intent_at is not null",
    "sync_records_key_idx": "sync_records (source_key)",
    "sync_logs_item_idx": "sync_logs (monday_id, created_at desc)",
    "sync_logs_row_idx": "sync_logs (entity_id, created_at desc)",
    "sync_logs_trouble_idx": "sync_logs (created_at desc, seq desc nulls last, id desc) where status <> 'success'",
}
"""Indexes on tables that may hold millions of rows: made one by one, while writers go on."""
FORMER_INDEXES = ("sync_mapping_state_idx", "sync_mapping_archived_idx", "sync_outbox_entity_idx")
"""Indexes of earlier versions, in whose place others are, or which cost users' updates more than they won."""

INVALID = """
select not i.indisvalid
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
where c.relname = %s and i.indrelid = to_regclass(%s)
"""


INDEXES_S = 3600.0
"""How long it waits for a process that makes the indexes of large tables already."""


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
    """Makes what is missing. Returns the columns that were added to tables that existed already."""
    _refuse_settings(db)
    added = _make_tables(db)
    with db.held_lock("indexes", patience_s=INDEXES_S):
        make_indexes(db)
        stats.count_earlier(db)
    return added


def _make_tables(db: Database) -> dict[str, list[str]]:
    """Makes tables and columns in one transaction, which never waits long for a lock: other writers wait behind it."""
    for _ in range(TRIES - 1):
        try:
            return _tables_made(db)
        except TransactionConflict:
            time.sleep(PAUSE_S)
    return _tables_made(db)


def _tables_made(db: Database) -> dict[str, list[str]]:
    with db.transaction() as tx:
        tx.execute(f"set local lock_timeout = '{LOCK_WAIT_S}s'")
        before = columns_of_those_there(tx, TOOL_TABLES)
        tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
        after = columns_of_those_there(tx, TOOL_TABLES)
    added = {table: [name for name in after[table] if name not in known] for table, known in before.items()}
    return {table: names for table, names in added.items() if names}


def make_indexes(db: Database, indexes: Mapping[str, str] = INDEXES, wait_s: float = INDEX_WAIT_S) -> list[str]:
    """Makes the indexes that are missing, each while writers go on. Returns those that could not be made.

    What a process that was killed has left half made is dropped, and made again.
    """
    failed = []
    with db.beside() as session:
        session.execute(f"set lock_timeout = 0; set statement_timeout = '{wait_s * 1000:.0f}ms'")
        for name, place in indexes.items():
            try:
                _make_index(session, name, place)
            except DatabaseError as exc:
                log.warning("The index %s is not made yet: %s Run init-db again.", name, exc.message)
                failed.append(name)
        for name in () if failed else FORMER_INDEXES:
            try:
                session.execute(compose("drop index concurrently if exists {name}", name=identifier(name)))
            except DatabaseError as exc:
                log.warning("The index %s, which is not needed any more, is still there: %s", name, exc.message)
    return failed


def _make_index(session: Transaction, name: str, place: str) -> None:
    invalid = session.value(INVALID, (name, place.split(" ", 1)[0]))
    if invalid is False:
        return  # it is there
    if invalid:
        session.execute(compose("drop index concurrently {name}", name=identifier(name)))
    session.execute(compose(f"create index concurrently {{name}} on {place}", name=identifier(name)))
