"""Takes the events of all accounts: commits each to the inbox of its account, and sends a hint. It does no other work."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from db_connector import Database, connect
from errors import DatabaseError, SettingsError, SyncError
from jobs.work import Send
from services.monday.webhook_signatures import Access
from settings import Settings, environment_of_account, load_settings
from state import triggers
from state.accounts import Account, Accounts
from state.control import open_control
from state.due import LIVE, LOOK, RUN, Due, DueWork
from state.inbox import InboxWriter
from sync.choosing import choose_boards
from sync.cycle import TO_POSTGRES
from sync.parts import mappings_of
from terminal.logs import unexpected
from webhook_handler import Receiver

log = logging.getLogger("monday_sync")

RENEW_S = 30.0
"""Accounts that were added, changed or paused are known after so long."""
HEARD_EVERY_S = 60.0
LOST_AFTER_S = 25 * 60.0
"""monday.com repeats a delivery for 30 minutes; after a gap of this length some may be lost."""
CONNECTIONS = 4
LISTENERS = 50
"""Of so many accounts changes of rows are heard at once; those of others are found within a minute."""
LISTEN_S = 20.0

HEARD = """
update sync_accounts as a
set heard_at = now()
from (select name, heard_at from sync_accounts where name = any(%(names)s) for update) as old
where a.name = old.name
returning a.name, coalesce(old.heard_at < now() - make_interval(secs => %(lost)s), false)
"""


class Counts:
    """Counts deliveries of all accounts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.outcomes: dict[str, int] = {}

    def delivered(self, outcome: str) -> None:
        """Counts a delivery."""
        with self._lock:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def acknowledged(self, seconds: float) -> None:
        """Takes how long an answer took."""


@dataclass
class OpenDoor:
    """Holds what the door needs to take the events of one account."""

    account: Account
    db: Database
    entities: dict[str, str]
    """Board → entity, of boards whose events are taken."""
    subitem_boards: dict[str, str]
    inbox: InboxWriter
    metrics: Counts
    refused: Callable[[], None]

    @property
    def boards(self) -> frozenset[str]:
        """Returns the boards whose events are known."""
        return frozenset(self.entities)

    heard = boards

    @property
    def threads(self) -> list[threading.Thread]:
        """Returns no thread: the door has those it needs."""
        return []

    def refused_an_event(self) -> None:
        """Has both sides of the account compared: monday.com may stop repeating the event."""
        self.refused()

    def start_run(self, entity: str, direction: str | None) -> None:
        """Starts nothing: runs of accounts are asked for with `run --account`."""

    def health(self) -> dict[str, Any]:
        """Returns nothing of its own."""
        return {}

    def measure(self) -> str:
        """Returns nothing of its own."""
        return ""


class Door:
    """Takes events for many accounts. Accounts are opened when their first event comes."""

    def __init__(self, settings: Settings, send: Send) -> None:
        self.settings, self._send = settings, send
        self._control = open_control(settings)
        self._accounts, self.due = Accounts(self._control), DueWork(self._control)
        self._known = {account.name: account for account in self._accounts.all()}
        self._receivers: dict[str, tuple[int, Receiver, Database]] = {}
        self._opening = threading.Lock()
        self._marked: set[Due] = set()
        self._swept: set[str] = set()
        self._listeners: dict[str, threading.Thread] = {}
        self._news = threading.Event()
        self._stopping = threading.Event()
        self.counts = Counts()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("hints", self._hint), ("accounts", self._renew))
        ]

    def start(self) -> None:
        """Starts what sends hints, and what says that events are heard."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Sends the last hints, and closes all connections."""
        self._stopping.set()
        self._news.set()
        for thread in self._threads:
            thread.join(10.0)
        for _, _, db in self._receivers.values():
            db.close()
        self._control.close()

    def ready(self) -> dict[str, Any]:
        """Returns whether the control database answers, and how long the oldest work has been due."""
        try:
            return {"ready": True, "accounts": len(self._known), "due_oldest_s": round(self.due.oldest_s(), 1)}
        except DatabaseError:
            return {"ready": False, "accounts": len(self._known), "due_oldest_s": None}

    def measure(self) -> str:
        """Returns the metrics for Prometheus, among them the signal by which workers are added."""
        lines = ["# TYPE monday_sync_due_oldest_seconds gauge"]
        oldest = self.ready()["due_oldest_s"]
        lines += [] if oldest is None else [f"monday_sync_due_oldest_seconds {oldest}"]
        lines += ["# TYPE monday_sync_door_events_total counter"]
        lines += [
            f'monday_sync_door_events_total{{outcome="{outcome}"}} {count}'
            for outcome, count in sorted(self.counts.outcomes.items())
        ]
        return "\n".join(lines) + "\n"

    def receiver(self, name: str) -> Receiver | None:
        """Returns what takes the events of an account; None for an unknown one. Raises SyncError when it fails."""
        account = self._known.get(name)
        if account is None:
            return None
        found = self._receivers.get(name)
        if found is not None and found[0] == account.version:
            return found[1]
        with self._opening:
            found = self._receivers.get(name)
            if found is None or found[0] != account.version:
                if found is not None:
                    found[2].close()
                found = self._receivers[name] = self._opened(account)
        return found[1]

    def _opened(self, account: Account) -> tuple[int, Receiver, Database]:
        environ = environment_of_account(account.name, account.settings, self.settings.accounts, os.environ)
        settings = load_settings(environ)
        if not settings.database_url:
            raise SettingsError(f"The account {account.name} has no DATABASE_URL.")
        chosen = choose_boards(settings, mappings_of(settings, keep=False), "bidirectional", [])
        entities = {board: mapping.entity for mapping, board in chosen if mapping.direction in TO_POSTGRES}
        board_of = {mapping.entity: board for mapping, board in chosen}
        above = {board: board_of.get(mapping.subitems_of or "") for mapping, board in chosen}
        gate = Access(settings.webhook_secret, entities)
        db = connect(settings, max_connections=CONNECTIONS)
        opened = OpenDoor(
            account,
            db,
            entities,
            {parent: board for board, parent in above.items() if parent},
            InboxWriter(db, lambda boards: self._arrived(account.name, {entities[board] for board in boards})),
            self.counts,
            lambda: self._refused(account.name),
        )
        return account.version, Receiver(gate, opened), db

    # Hints

    def _arrived(self, account: str, entities: set[str]) -> None:
        self._marked |= {Due(account, entity, LIVE) for entity in entities}
        self._news.set()

    def _refused(self, account: str) -> None:
        self._swept.add(account)
        self._news.set()

    def _hint(self) -> None:
        """Notes what has come, and sends hints about it. The tick of the beat sends those that could not be sent."""
        while not self._stopping.is_set() or self._marked:
            self._news.wait(5.0)
            self._news.clear()
            marked, self._marked = self._marked, set()
            swept, self._swept = self._swept, set()
            try:
                if marked:
                    self.due.mark(marked)
                for account in swept:
                    self._sweep(account)
            except SyncError as exc:
                log.warning("Hints could not be noted: %s", exc.message)
                self._marked |= marked
                self._swept |= swept
                if self._stopping.wait(1.0):
                    return  # the events are committed: the look of a minute finds them
                continue
            except Exception as exc:
                unexpected(exc)
            for due in marked:
                self._send(due, 0)

    def _sweep(self, account: str) -> None:
        """Has both sides of an account compared in full: events may be lost."""
        receiver = self.receiver(account)
        if receiver is not None and isinstance(receiver.listener, OpenDoor):
            entities = receiver.listener.entities.values()
            self.due.mark([Due(account, entity, RUN) for entity in entities], sweep=True)

    def _renew(self) -> None:
        """Takes over changes of accounts, and says that their events are heard. After a gap both sides are compared."""
        last = 0.0
        while True:
            try:
                self._known = {account.name: account for account in self._accounts.all()}
                last += RENEW_S
                if last >= HEARD_EVERY_S or last == RENEW_S:
                    last = RENEW_S
                    self._note_heard()
                self._listen_to_all()
            except SyncError as exc:
                log.warning("The accounts could not be read: %s", exc.message)
            except Exception as exc:
                unexpected(exc)
            if self._stopping.wait(RENEW_S):
                return

    def _note_heard(self) -> None:
        with self._control.transaction() as tx:
            rows = tx.rows(HEARD, {"names": list(self._known), "lost": LOST_AFTER_S})
        lost = {name for name, gap in rows if gap}
        if lost:
            log.warning("No door was open for a while: %s are compared in full.", ", ".join(sorted(lost)))
            self._swept |= lost
            self._news.set()
        self.due.mark([Due(name, "", LOOK) for name in lost])

    # Changes of rows

    def _listen_to_all(self) -> None:
        for name, account in list(self._known.items())[:LISTENERS]:
            listener = self._listeners.get(name)
            if account.paused_at is None and (listener is None or not listener.is_alive()):
                listener = threading.Thread(target=self._listen, args=(name,), name=f"listen-{name}", daemon=True)
                self._listeners[name] = listener
                listener.start()

    def _listen(self, name: str) -> None:
        """Has an account looked at after each commit that its triggers notify. A thread that failed is started anew."""
        try:
            if self.receiver(name) is None:
                return
            db = self._receivers[name][2]
            for payload in db.listen(triggers.channel(db), LISTEN_S):
                account = self._known.get(name)
                if self._stopping.is_set() or account is None or self._receivers[name][2] is not db:
                    return
                if payload is not None:
                    self._marked.add(Due(name, "", LOOK))
                    self._news.set()
        except SyncError as exc:
            log.warning("Changes of %s are not heard now: %s", name, exc.message)
        except Exception as exc:
            unexpected(exc)
