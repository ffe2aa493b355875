"""Deletes, once a day, what is old in the tool's tables, for some seconds of each minute until it is done."""

from __future__ import annotations

import logging
import threading
import time

from db_connector import Database
from state import retention
from terminal.logs import FILE_ONLY

log = logging.getLogger("monday_sync")

SECONDS_AT_ONCE = 20.0


def prune_when_due(db: Database, keep_logs_days: int, stopping: threading.Event) -> None:
    """Deletes what is old when a day has passed since the last time, in whichever process that was."""
    until = time.monotonic() + SECONDS_AT_ONCE
    if not retention.is_due(db):
        return
    gone = retention.prune(db, keep_logs_days, lambda: not stopping.is_set() and time.monotonic() < until)
    if any(gone.values()):
        log.info("Deleted what is old: %s.", ", ".join(f"{gone[name]} {name}" for name in gone), extra=FILE_ONLY)
