"""Judges all subjects and delivers messages, all the time while the daemon runs."""

from __future__ import annotations

import logging
import threading

from errors import SettingsError, SyncError
from sync.alerting.center import Center
from sync.alerting.rules import rules_of
from sync.parts import Parts
from terminal.logs import unexpected

log = logging.getLogger("monday_sync")

FIRST_S, EVERY_S = 2.0, 10.0
DELIVER_S = 20.0


class Judge(threading.Thread):
    """Judges every ten seconds, as a thread of the daemon."""

    def __init__(self, parts: Parts, stopping: threading.Event) -> None:
        super().__init__(name="alerts", daemon=True)
        self._parts, self._stopping = parts, stopping

    def run(self) -> None:
        """Judges and delivers, until the daemon stops."""
        center = self._center()
        pause_s = FIRST_S
        while not self._stopping.wait(pause_s):
            pause_s = EVERY_S
            try:
                center.daemon_since = center.daemon_since or center.time()
                center.check(DELIVER_S)
            except Exception as exc:
                # the daemon ends, and has closed its connections
                if self._stopping.is_set():
                    return
                if not isinstance(exc, SyncError):
                    unexpected(exc)
                log.debug("Nothing could be judged: %s", exc)

    def _center(self) -> Center:
        settings = self._parts.settings
        try:
            rules = rules_of(settings.alert_rules)
        except SettingsError as exc:
            log.warning("%s", exc.message, extra={"hint": exc.hint})
            rules = rules_of("")
        return Center(self._parts.db, settings, self._parts.mappings, rules)
