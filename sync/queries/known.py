"""Finds what is remembered of one row of a sync, and shows it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from db_connector import Database, Transaction
from errors import MappingError, SettingsError
from mappings.query_syncs import QuerySync, load_syncs
from models import LogEntry
from state.log import Log
from state.query_syncs import give_up_rows
from state.records import Records
from state.turns import working_on
from state.values import delete, query_key
from values.wording import utc_or_none

log = logging.getLogger("monday_sync")

SHOWN = """
select record_id, source_hash is not null as in_step, removed_at, intent_at, attempts, next_try_at, last_error, synced_at
from sync_records
where sync_name = %s and source_key = %s
"""


def syncs_as_far_as_readable(home: Path) -> dict[str, QuerySync]:
    """Returns the syncs of a home by name. What is wrong in their file is logged: commands that show other things go on."""
    try:
        return load_syncs(home)
    except MappingError as exc:
        log.warning("%s", exc.message, extra={"hint": exc.hint})
        return {}


def apart(home: Path, names: Sequence[str]) -> tuple[list[str], list[QuerySync]]:
    """Returns those of the names that are no sync's, and the syncs that the others name."""
    syncs = syncs_as_far_as_readable(home) if names else {}
    return [name for name in names if name not in syncs], [syncs[name] for name in names if name in syncs]


def sync_of(home: Path, given: str) -> tuple[QuerySync, str] | None:
    """Returns the sync and the key that `NAME/KEY` names; None where it names no sync of the home."""
    name, slash, key = given.partition("/")
    found: Mapping[str, QuerySync] = load_syncs(home) if slash else {}
    return (found[name], key) if name in found else None


def shown(tx: Transaction, sync: QuerySync, key: str) -> dict[str, Any]:
    """Returns what is remembered of a row. Raises SettingsError when it is nothing."""
    rows = tx.dicts(SHOWN, (sync.name, key))
    if not rows:
        raise SettingsError(
            f"Nothing is remembered of the row {key} of {sync.name}.",
            hint=f"python main.py run --sync-name {sync.name} reads the rows that changed; --full reads all.",
        )
    moments = ("removed_at", "intent_at", "next_try_at", "synced_at")
    told = {name: utc_or_none(value) if name in moments else value for name, value in rows[0].items()}
    return {"sync": sync.name, "key": key, "table_id": sync.table_id, **told}


def give_up(db: Database, sync: QuerySync, waiting: Sequence[Mapping[str, Any]]) -> int:
    """Ends the tries of those refused rows that are of this sync, until they change, while no run works on it.

    Returns how many.
    """
    keys = [str(waits["entity_id"]) for waits in waiting if waits["entity"] == sync.name]
    if not keys:
        return 0
    with working_on(db, sync.turn) as mine, mine.transaction() as tx:
        entry = [LogEntry("drop", "success", "the row is given up", None, key, "smartsuite") for key in keys]
        Log(sync.entity_type, None).append(tx, entry)
        return give_up_rows(tx, sync.name, keys)


def recreate(tx: Transaction, sync: QuerySync, key: str) -> None:
    """Has the next run make a new record for a row, unless one with its key is there. That run reads all rows."""
    shown(tx, sync, key)
    Records(sync.name, sync.table_id).unlink(tx, [key])
    delete(tx, query_key(sync.name))
