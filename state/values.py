"""Remembers single values under names: `sync_state`. The beginning of a name says which part of the tool keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from db_connector import Database, Transaction
from values.canonical import dumps
from values.parsing import iso_moment

SCHEMA_KEY = "schema"
"""The version of the tool's tables."""


FILTER_KEY = "update_filter"
"""What monday.com's filter by update time understands."""


LOOKED_KEY = "looked"
"""What an account had when a worker looked at it in full."""


MARKS_KEY = "marks"
"""The marks of an account's boards, as they were last asked for."""


def mark_key(entity: str) -> str:
    """Returns the name of the mark that the entity's board had at its last run."""
    return f"mark:{entity}"


def pull_key(entity: str) -> str:
    """Returns the name of what the pull has reached: watermark, sweep, fingerprint, an interrupted reading."""
    return f"pull:{entity}"


def push_key(entity: str) -> str:
    """Returns the name of what the push has reached."""
    return f"push:{entity}"


def query_key(sync: str) -> str:
    """Returns the name of what the reading of a sync's query has reached: mark, sweep, fingerprint."""
    return f"query:{sync}"


def links_key(sync: str) -> str:
    """Returns the name of the tables of SmartSuite that the fields of a sync link to."""
    return f"links:{sync}"


def setup_key(entity: str) -> str:
    """Returns the name of the mark that `setup` leaves; part of the push's fingerprint."""
    return f"setup:{entity}"


def table_key(entity: str) -> str:
    """Returns the name of what the entity's table was when all its rows were seen."""
    return f"table:{entity}"


def aim_key(entity: str) -> str:
    """Returns the name of what the entity's mapping pointed at when its links were made."""
    return f"aim:{entity}"


def sync_id_key(entity: str) -> str:
    """Returns the name of the board column that holds the sync id, where it is another than the mapping's."""
    return f"sync_id:{entity}"


def drift_key(entity: str) -> str:
    """Returns the name of what has changed on a deployed board."""
    return f"drift:{entity}"


def daemon_key(entity: str) -> str:
    """Returns the name of the time at which a daemon last took the entity's events."""
    return f"daemon:{entity}"


PAUSED = "paused:"
"""How the names of pauses begin."""


def paused_key(entity: str) -> str:
    """Returns the name of the pause of an entity."""
    return f"{PAUSED}{entity}"


def removals_key(entity: str) -> str:
    """Returns the name of the items of the entity that were removed lately, with their times."""
    return f"removals:{entity}"


def webhooks_key(board_id: str) -> str:
    """Returns the name of the webhooks that the tool has made on a board."""
    return f"webhooks:{board_id}"


class Values:
    """Reads and writes values, each in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, name: str) -> Any:
        """Returns the value of that name, or None."""
        with self._db.transaction(read_only=True) as tx:
            return value_of(tx, name)

    def put(self, name: str, value: Any) -> None:
        """Remembers a value."""
        with self._db.transaction() as tx:
            put(tx, name, value)


def value_of(tx: Transaction, name: str) -> Any:
    """Returns the value of that name, or None, in the caller's transaction."""
    return tx.value("select value from sync_state where name = %s", (name,))


def values_of(tx: Transaction, names: Sequence[str]) -> dict[str, Any]:
    """Returns the values of these names, as far as they are there."""
    return dict(tx.rows("select name, value from sync_state where name = any(%s)", (list(names),)))


def put(tx: Transaction, name: str, value: Any) -> None:
    """Remembers a value under a name, in the caller's transaction."""
    tx.execute(
        """
        insert into sync_state (name, value) values (%s, %s)
        on conflict (name) do update set value = excluded.value, updated_at = now()
        where sync_state.value is distinct from excluded.value
        """,
        (name, dumps(value).decode()),
    )


def forget_reading(tx: Transaction, entity: str) -> None:
    """Has the next pull of an entity compare everything, should this one not come to its end."""
    tx.execute(
        """
        update sync_state
        set value = value - 'fingerprint'
        where name = %s and value ? 'fingerprint'
        """,
        (pull_key(entity),),
    )


def delete(tx: Transaction, name: str) -> None:
    """Forgets a value."""
    tx.execute("delete from sync_state where name = %s", (name,))


def watermark(value: str | None) -> datetime | None:
    """Reads a time that was kept as text."""
    return iso_moment(value) if value else None
