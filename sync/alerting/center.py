"""Judges all subjects and delivers the messages that are due: at the end of a run, in the daemon, or for `alerts check`.

A message is claimed in its row before it is sent, so two processes never both send it, and what a killed process has
sent is not sent again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping as Map
from datetime import datetime

from msgspec import Struct, field

from db_connector import Database
from errors import DatabaseError, SettingsError
from mappings.declaration import Mapping
from mappings.query_syncs import QuerySync, read_syncs
from services.channels import Answer, Channel, Outcome, channels_of
from settings import Settings
from state import alerts
from state.alerts import Claimed
from state.quiet import is_quiet
from sync.alerting.judge import Judged, judged
from sync.alerting.observe import Entity, Look, observed
from sync.alerting.rules import Rules, rules_of
from sync.alerting.words import message_of, test_message
from sync.parts import board_of
from terminal.logs import FILE_ONLY

log = logging.getLogger("monday_sync")

AT_END_S = 5.0
"""Seconds by which the end of a run may be delayed."""
LEAST_S = 0.5
"""With less time left no message is begun."""
LOCK_S = 2.0
TESTED = {Outcome.DELIVERED: "delivered", Outcome.REFUSED: "refused", Outcome.UNKNOWN: "unknown"}
STATES = {Outcome.DELIVERED: "delivered", Outcome.REFUSED: "waiting", Outcome.UNKNOWN: "unknown"}


class Center(Struct):
    """Holds what judging and delivering needs. Several processes and threads can do either at once."""

    db: Database
    settings: Settings
    mappings: Map[str, Mapping]
    rules: Rules
    daemon_since: datetime | None = None
    """Since when it runs, if it is that of a daemon; by the clock of PostgreSQL."""
    is_quiet: bool = False
    """Whether, at the last look, nothing was under way, waited or failed."""
    _channels: list[Channel] = field(default_factory=list)

    @classmethod
    def of(cls, db: Database, settings: Settings, mappings: Map[str, Mapping]) -> Center:
        """Makes it by the settings. Raises SettingsError when ALERT_RULES is wrong."""
        return cls(db, settings, mappings, rules_of(settings.alert_rules))

    def entities(self) -> list[Entity]:
        """Returns what has a board, and the syncs of queries that are switched on."""
        boards = [(mapping, board_of(self.settings, mapping)) for mapping in self.mappings.values()]
        found = [Entity(mapping.entity, mapping.entity_type, board) for mapping, board in boards if board is not None]
        return found + [
            Entity(sync.name, sync.entity_type, sync.table_id, gives_up=False)
            for sync in self._syncs().values()
            if sync.enabled and sync.name not in self.mappings
        ]

    def _syncs(self) -> Map[str, QuerySync]:
        """Returns the syncs that can be read; what is wrong with their file is told by runs and by `validate`."""
        try:
            return read_syncs(self.settings.home)[0]
        except SettingsError:
            return {}

    def channels(self) -> list[Channel]:
        """Returns the channels of ALERT_URLS."""
        if self.settings.alert_urls and not self._channels:
            self._channels = channels_of(self.settings.alert_urls)
        return self._channels

    def time(self) -> datetime:
        """Returns the time by the clock of PostgreSQL."""
        with self.db.transaction(read_only=True) as tx:
            now: datetime = tx.value("select now()")
        return now

    def check(self, patience_s: float) -> list[Judged]:
        """Judges, and delivers what is due, for so long at most."""
        until = time.monotonic() + patience_s
        changed = self.judge()
        # no message waits
        if not self.is_quiet:
            self.deliver(until - time.monotonic())
        return changed

    def judge(self) -> list[Judged]:
        """Judges every subject. The messages that follow are kept in the same transaction. Returns those judged."""
        with self.db.transaction() as tx:
            now = alerts.hold(tx, LOCK_S)
            before = {(alert.subject, alert.rule): alert for alert in alerts.known(tx)}
            silent = alerts.silences(tx)
            off = [rule.name for rule in self.rules.values() if not rule.on]
            alerts.forget_rules(tx, off)
            found = []
            look = Look(tx, self.entities(), self.rules, self.settings.daily_calls, now, self.daemon_since)
            for seen in observed(look):
                last, rule = before.get((seen.subject, seen.rule)), self.rules[seen.rule]
                is_silent = seen.subject in silent or alerts.ALL in silent
                result = judged(last, seen, rule, now, is_silent)
                found.append(result)
                if result.alert != last and (seen.bad or last is not None):
                    alerts.keep(tx, result.alert)
                # a message that waits needs no reminder
                if result.message == "reminder" and alerts.has_waiting(tx, result.alert):
                    continue
                if result.message is not None:
                    since = result.alert.since if seen.bad else last and last.since
                    kind = result.message
                    alerts.add(tx, message_of(result.alert, kind, rule, since or None, self.settings.alert_link))
            self.is_quiet = is_quiet(tx, delivers=bool(self.settings.alert_urls))
        return found

    # Delivering

    def test(self, patience_s: float) -> list[tuple[Channel, Answer]]:
        """Sends a test to each channel, keeps the answers, and delivers what waited for a channel that works again."""
        answers = [tested(channel, patience_s) for channel in self.channels()]
        with self.db.transaction() as tx:
            for channel, answer in answers:
                state = TESTED[answer.outcome]
                alerts.add_test(tx, channel.name, test_message(channel.name)[0], state, answer.words)
        self.deliver(patience_s)
        return answers

    def deliver(self, patience_s: float) -> int:
        """Delivers what is due, for so long at most. Returns how many messages were sent."""
        until = time.monotonic() + patience_s
        if not self.settings.alert_urls or not self._is_due():
            return 0
        left = {channel.name: channel for channel in self.channels()}
        with self.db.transaction() as tx:
            alerts.prepare(tx, list(left))
        sent = 0
        while left and until - time.monotonic() > LEAST_S:
            with self.db.transaction() as tx:
                message = alerts.claim(tx, list(left))
            if message is None:
                break
            answer = self._sent(message, left[message.channel], until)
            sent += 1
            # what took no message takes the next no sooner
            if answer is None or answer.outcome is not Outcome.DELIVERED:
                del left[message.channel]
        return sent

    def _is_due(self) -> bool:
        with self.db.transaction(read_only=True) as tx:
            return alerts.is_due(tx)

    def _sent(self, message: Claimed, channel: Channel, until: float) -> Answer | None:
        """Sends in a thread of its own, which keeps the answer. Returns None when none came in time."""
        patience_s = until - time.monotonic()
        answers: list[Answer] = []

        def send() -> None:
            answers.append(channel.send(message.title, message.body, patience_s - LEAST_S / 2))
            self._note(message, answers[0])

        thread = threading.Thread(target=send, name="alert", daemon=True)
        thread.start()
        thread.join(patience_s)
        return answers[0] if answers else None

    def _note(self, message: Claimed, answer: Answer) -> None:
        try:
            with self.db.transaction() as tx:
                alerts.note(tx, message, STATES[answer.outcome], answer.words)
        except Exception as exc:
            # the row stays claimed, and is not sent again
            log.debug("The answer of %s could not be kept: %s", message.channel, exc)
        if answer.outcome is not Outcome.DELIVERED:
            log.warning("A message to %s: %s.", message.channel, answer.words, extra=FILE_ONLY)


def tested(channel: Channel, patience_s: float) -> tuple[Channel, Answer]:
    """Sends a test to a channel, and returns what it answers."""
    return channel, channel.send(*test_message(channel.name), patience_s)


def check_at_end(db: Database, settings: Settings, mappings: Map[str, Mapping], patience_s: float = AT_END_S) -> None:
    """Judges and delivers at the end of a run. What goes wrong here fails no run."""
    try:
        Center.of(db, settings, mappings).check(patience_s)
    except SettingsError as exc:
        log.warning("%s", exc.message, extra={"hint": exc.hint})
    except DatabaseError as exc:
        log.debug("Nothing could be judged: %s", exc)
    except Exception as exc:
        log.debug("Nothing could be judged (%s): %s", type(exc).__name__, exc)
