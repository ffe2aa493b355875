"""Judges all subjects and delivers messages, all the time while the daemon runs."""

from __future__ import annotations

import logging
import threading

from msgspec import Struct

from errors import SettingsError, SyncError
from sync.alerting.center import Center
from sync.alerting.rules import rules_of
from sync.parts import Parts
from terminal.logs import unexpected

log = logging.getLogger("monday_sync")

DELIVER_S = 20.0


class Pace(Struct, frozen=True):
    """Says after how many seconds all is judged: first, then while something goes on, waits or fails, and else."""

    first_s: float = 2.0
    every_s: float = 10.0
    quiet_s: float = 60.0


class Judge(threading.Thread):
    """Judges as a thread of the daemon: every ten seconds, and once a minute while nothing happens."""

    def __init__(
        self, parts: Parts, stopping: threading.Event, hears: threading.Event, pace: Pace | None = None
    ) -> None:
        """Takes what is set once the daemon stops, and what is set while notifications come."""
        super().__init__(name="alerts", daemon=True)
        self._parts, self._stopping, self._hears, self._pace = parts, stopping, hears, pace or Pace()
        self.news = threading.Event()
        """Is set by what may change how a subject is: events, changes, the beginning and the end of a run."""

    def run(self) -> None:
        """Judges and delivers, until the daemon stops."""
        center, is_quiet = self._center(), False
        pause_s = self._pace.first_s
        while not self._paused(pause_s, is_quiet):
            pause_s = self._pace.every_s
            self.news.clear()
            is_quiet = False
            try:
                center.daemon_since = center.daemon_since or center.time()
                center.check(DELIVER_S)
                is_quiet = center.is_quiet
            except Exception as exc:
                # the daemon ends, and has closed its connections
                if self._stopping.is_set():
                    return
                if not isinstance(exc, SyncError):
                    unexpected(exc)
                log.debug("Nothing could be judged: %s", exc)

    def _paused(self, seconds: float, is_quiet: bool) -> bool:
        """Waits before the next look; while all is quiet, for news first. Returns whether the daemon stops."""
        if is_quiet and self._hears.is_set():
            self.news.wait(self._pace.quiet_s - seconds)
        # what brought the news may take a moment
        return self._stopping.wait(seconds)

    def _center(self) -> Center:
        settings = self._parts.settings
        try:
            rules = rules_of(settings.alert_rules)
        except SettingsError as exc:
            log.warning("%s", exc.message, extra={"hint": exc.hint})
            rules = rules_of("")
        return Center(self._parts.db, settings, self._parts.mappings, rules)
