"""What the tool remembers from run to run: single values under names, and the runs themselves."""

from __future__ import annotations

import uuid
from typing import Any

from db_connector import Database
from state.values import put
from values.canonical import dumps


class Memory:
    """Single values under names, and the list of runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, name: str) -> Any:
        """The value of that name, or None."""
        with self._db.transaction(read_only=True) as tx:
            return tx.value("select value from sync_state where name = %s", (name,))

    def put(self, name: str, value: Any) -> None:
        """Remember a value."""
        with self._db.transaction() as tx:
            put(tx, name, value)

    def start_run(self, kind: str, direction: str) -> str:
        """Open a run; its id."""
        run_id = str(uuid.uuid4())
        with self._db.transaction() as tx:
            tx.execute(
                "insert into sync_runs (id, kind, direction, outcome) values (%s, %s, %s, 'running')",
                (run_id, kind, direction),
            )
        return run_id

    def note_costs(self, run_id: str, api: Any) -> None:
        """What a run that goes on has cost so far."""
        with self._db.transaction() as tx:
            tx.execute("update sync_runs set api = %s where id = %s", (dumps(api).decode(), run_id))

    def finish_run(
        self, run_id: str, exit_code: int, outcome: str, message: str, entities: Any, api: Any
    ) -> None:
        """Close a run with what it did and what it cost."""
        with self._db.transaction() as tx:
            tx.execute(
                "update sync_runs set finished_at = now(), updated_at = now(), exit_code = %s, outcome = %s, message = %s,"
                " entities = %s, api = %s where id = %s",
                (exit_code, outcome, message, dumps(entities).decode(), dumps(api).decode(), run_id),
            )
