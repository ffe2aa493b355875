"""Tells others how a run goes: the receiver of HEARTBEAT_URL, and the channels. No run fails by it, or waits for long."""

from __future__ import annotations

import threading
import time

from errors import EXIT_IN_STEP, EXIT_LEFTOVERS
from services.pings import FAIL, GOOD, START, Pings
from settings import Settings
from sync.alerting.center import AT_END_S, check_at_end
from sync.options import RunOptions
from sync.parts import Parts

BY_DAEMON = ("catch-up", "http")
"""Runs of a daemon, which judges and delivers all the time."""


class Telling:
    """Tells of one run."""

    def __init__(self, parts: Parts, options: RunOptions) -> None:
        """Takes the parts. Of a dry run nothing is told."""
        self._parts, self._options = parts, options
        self._pings = Pings(None if options.pull.dry_run else parts.settings.heartbeat_url)

    def began(self) -> None:
        """Tells that it begins."""
        self._pings.send(START)

    def ended(self, exit_code: int, interrupted: bool) -> None:
        """Tells how it ended, judges all subjects, and delivers what is due. A run that a user ended says nothing."""
        if self._options.pull.dry_run or interrupted:
            return
        until = time.monotonic() + AT_END_S
        self._pings.send(GOOD if exit_code in (EXIT_IN_STEP, EXIT_LEFTOVERS) else FAIL)
        if self._options.kind in BY_DAEMON:
            return
        parts = self._parts
        arguments = (parts.db, parts.settings, parts.mappings, AT_END_S - 0.5)
        # a database that hangs is not waited for either
        thread = threading.Thread(target=check_at_end, args=arguments, name="alerts", daemon=True)
        thread.start()
        thread.join(AT_END_S)
        self._pings.wait(until - time.monotonic())


def failed_to_begin(settings: Settings, options: RunOptions) -> None:
    """Tells that a run could not begin: there may be no database in which that could be kept."""
    pings = Pings(None if options.pull.dry_run else settings.heartbeat_url)
    pings.send(FAIL)
    pings.wait(AT_END_S)
