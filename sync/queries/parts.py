"""Holds what a run of the second pair is made of: the parts of any run, with SmartSuite in the place of monday.com."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import field

from db_connector import Database, connect
from errors import SettingsError, SyncError
from services.monday.pacing import Left
from services.monday.waiting import Limits, Pause
from services.smartsuite.client import SmartSuite
from services.smartsuite.structure import Table
from settings import Settings
from state.schema import check_schema
from state.suite_calls import note_calls
from sync.parts import Client, Parts, Progress, has_database, mappings_of
from timing import Stop
from values.wording import plural

log = logging.getLogger("monday_sync")

DIRECTION = "mysql_to_smartsuite"
"""How runs of this pair are called."""


def _no_monday() -> Any:
    """Raises: nothing here asks monday.com."""
    raise SettingsError("A sync of a query does not ask monday.com.")


def credentials(settings: Settings) -> tuple[str, str]:
    """Returns the key of SmartSuite and the id of the account. Raises SettingsError when one is not set."""
    if settings.smartsuite_token and settings.smartsuite_account:
        return settings.smartsuite_token, settings.smartsuite_account
    name = "SMARTSUITE_ACCOUNT_ID" if settings.smartsuite_token else "SMARTSUITE_TOKEN"
    raise SettingsError(
        f"{name} is not set.",
        hint=f"Put it into {settings.home / '.env'}: the key is under your picture > API key, the account is the word"
        " after app.smartsuite.com/ in the browser's address.",
    )


class SuiteParts(Parts):
    """Holds the parts of a run whose records live in SmartSuite."""

    suite: SmartSuite | None = None
    """Made before the run begins; it makes no call until there is something to write."""
    tables: dict[str, Table] = field(default_factory=dict)
    """The tables that were read, by id."""

    @property
    def smartsuite(self) -> SmartSuite:
        """Returns the client."""
        if self.suite is None:
            raise SettingsError("There is no client of SmartSuite.")
        return self.suite

    def table(self, table_id: str) -> Table:
        """Returns a table, which is read once. Raises SmartSuiteError."""
        if table_id not in self.tables:
            self.tables[table_id] = self.smartsuite.table(table_id)
        return self.tables[table_id]

    def costs(self) -> dict[str, float]:
        stats = self.smartsuite.stats
        return {
            "calls": stats.calls,
            "complexity": 0,
            "retries": stats.retries_total,
            "waited_s": round(stats.waited_total_s, 3),
        }

    def account(self) -> dict[str, Any]:
        stats = self.smartsuite.stats
        return {
            **self.costs(),
            "retries_by_cause": dict(stats.retries),
            "waited_by_cause": dict(stats.waited_s),
            "bytes_received": stats.bytes_received,
        }

    def pause(self) -> Pause | None:
        return self.smartsuite.pauses.present

    def left(self) -> Left | None:
        return None

    def close(self) -> None:
        self.smartsuite.close()
        self.db.close()


def suite_of(settings: Settings, database: Callable[[], Database], stop: Stop | None = None) -> SmartSuite:
    """Returns a client by the settings, which makes no call yet. Raises SettingsError without a key or an account.

    `database` returns where the calls of the month are noted. While that cannot be done, the client goes on.
    """
    token, account = credentials(settings)
    limits = Limits(give_up_after=settings.give_up_after, stop=stop or Stop())
    suite = SmartSuite(settings.smartsuite_url, token, account, limits=limits)

    def note(calls: int) -> bool:
        # a mere question makes no server
        if not has_database(settings):
            return True
        try:
            with database().transaction() as tx:
                note_calls(tx, calls)
        except SyncError as exc:
            log.debug("%s to SmartSuite could not be noted: %s", plural(calls, "call"), exc.message)
            return False
        return True

    suite.note = note
    return suite


@contextmanager
def open_suite_parts(
    settings: Settings, progress: Progress | None = None, stop: threading.Event | None = None
) -> Iterator[SuiteParts]:
    """Yields the parts by the settings, and closes them. Raises SchemaMissing and what else is wrong with them."""
    own = Stop(stop)
    credentials(settings)
    db = connect(settings)
    suite = suite_of(settings, lambda: db, own)
    parts = SuiteParts(
        settings, db, mappings_of(settings), Client(_no_monday), progress=progress, stop=own, suite=suite
    )
    try:
        check_schema(db)
        yield parts
    finally:
        parts.close()
