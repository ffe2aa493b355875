"""Takes the events of all accounts: commits each to the inbox of its account, and sends a hint. It does no other work."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from msgspec import Struct, field

from config.checks import account_name
from config.hiding import Hiding
from db_connector import Database, connect
from errors import DatabaseError, SyncError
from jobs.hints import Send, send_all
from jobs.metrics import DoorMetrics
from jobs.opened import boards_of, settings_at_home
from jobs.servers import HINT, PATIENCE_S, Patient, Servers
from mappings.query_syncs import choose_syncs
from services.monday.webhook_events import Event, Hint
from services.monday.webhook_signatures import Access
from settings import Settings
from state import triggers
from state.accounts import Account, Accounts
from state.control import open_control
from state.due import LIVE, LOOK, RUN, SYNC, Due, DueWork
from state.inbox import InboxWriter
from state.wake import RUN_NEWS
from sync.cycle import TO_POSTGRES
from sync.parts import known_mappings
from terminal.logs import unexpected
from webhook_handler import Bucket, Receiver

log = logging.getLogger("monday_sync")

RENEW_S = 30.0
"""Accounts that were added, changed or paused are known after so long."""
FRESH_FOR_S = 300.0
"""Boards that were deployed are known after so long."""
LOST_AFTER_S = 25 * 60.0
"""monday.com repeats a delivery for 30 minutes; after a gap of this length some may be lost."""
CONNECTIONS = 4
THREADS, MOST_ASKING = 16, 4
"""Of a door, and of those how many may wait for one server of databases."""
LOOKUPS_A_SECOND, LOOKUPS_AT_ONCE = 1.0, 10.0
"""Of names that are in no account's list, which may have been added lately."""
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


class PatientInbox(InboxWriter):
    """Stores the events of an account, while few enough threads wait for its server."""

    def __init__(self, db: Database, servers: Servers, arrived: Callable[[set[str]], None]) -> None:
        super().__init__(db, arrived)
        self._target, self._servers = db.target, servers

    def write(self, event: Event, hints: Sequence[Hint]) -> bool:
        """Commits an event; returns False when it was known. Raises DatabaseError when it is not written."""
        with self._servers.asking(self._target):
            return super().write(event, hints)


class OpenDoor(Struct):
    """Holds what the door needs to take the events of one account."""

    boards: frozenset[str]
    subitem_boards: dict[str, str]
    inbox: InboxWriter
    metrics: DoorMetrics
    refused: Callable[[], None]

    @property
    def heard(self) -> frozenset[str]:
        """Returns the boards whose events are taken: all of them."""
        return self.boards

    def refused_an_event(self) -> None:
        """Has both sides of the account compared: monday.com may stop repeating the event."""
        self.refused()


class Opened(Hiding, Struct, frozen=True):
    """Holds what takes the events of an account, for some minutes."""

    HIDDEN: ClassVar = frozenset({"url"})

    version: int
    url: str
    db: Database
    receiver: Receiver
    at: float = field(default_factory=time.monotonic)


class Hints:
    """Gathers work that is to be told of, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: set[Due] = set()
        self._lost: set[str] = set()
        self.news = threading.Event()

    def add(self, work: Iterable[Due] = (), lost: Iterable[str] = ()) -> None:
        """Adds work, and accounts of which events may be lost."""
        with self._lock:
            self._work.update(work)
            self._lost.update(lost)
        self.news.set()

    def take(self) -> tuple[set[Due], set[str]]:
        """Returns all of it, and begins anew."""
        with self._lock:
            taken = self._work, self._lost
            self._work, self._lost = set(), set()
            self.news.clear()
            return taken


class Door:
    """Takes events for many accounts. Accounts are opened when their first event comes."""

    def __init__(self, settings: Settings, send: Send) -> None:
        self.settings, self._send = settings, send
        self._control = open_control(settings)
        self._accounts, self.due = Accounts(self._control), DueWork(self._control)
        self._known = {account.name: account for account in self._accounts.all()}
        self._opened: dict[str, Opened] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._servers, self._at_control = Servers(MOST_ASKING), Patient()
        self._lookups, self._told_at = Bucket(LOOKUPS_A_SECOND, LOOKUPS_AT_ONCE), -RENEW_S
        self._listeners: dict[str, threading.Thread] = {}
        self._hints = Hints()
        self._stopping = threading.Event()
        self.metrics = DoorMetrics()
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
        self._hints.news.set()
        for thread in self._threads:
            thread.join(10.0)
        for opened in self._opened.values():
            opened.db.close()
        self._control.close()

    def ready(self) -> dict[str, Any]:
        """Returns whether the control database answers, and how long the oldest work has been due."""
        try:
            oldest_s = self._at_control.ask(self.due.oldest_s)
            return {"ready": True, "accounts": len(self._known), "due_oldest_s": round(oldest_s, 1)}
        except DatabaseError:
            return {"ready": False, "accounts": len(self._known), "due_oldest_s": None}

    def measure(self) -> str:
        """Returns the metrics for Prometheus, among them the signal by which workers are added."""
        oldest_s = self.ready()["due_oldest_s"]
        return self.metrics.text(math.nan if oldest_s is None else oldest_s)

    def receiver(self, name: str) -> Receiver | None:
        """Returns what takes the events of an account; None for an unknown one. Raises SyncError when it fails."""
        try:
            opened = self._open(name)
        except SyncError:
            self._hints.add(lost=[name])  # of which board the event is cannot be known
            raise
        return None if opened is None else opened.receiver

    def _open(self, name: str) -> Opened | None:
        """Returns what is open of an account. One whose database is away keeps no other account's events waiting."""
        account = self._known.get(name) or self._added_lately(name)
        if account is None:
            return None
        if (found := self._usable(account)) is not None:
            return found
        lock = self._opening.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=PATIENCE_S):
            raise DatabaseError(f"The database of {name} does not answer.", hint=HINT)
        try:
            found = self._usable(account)
            if found is None:
                found = self._opened[name] = self._opened_anew(account, self._opened.get(name))
        finally:
            lock.release()
        return found

    def _added_lately(self, name: str) -> Account | None:
        """Asks for an account that is not known yet. Raises DatabaseError while the control database does not answer."""
        try:
            account_name(name)
        except ValueError:
            return None
        if not self._lookups.take():
            return None
        account = self._at_control.ask(lambda: self._accounts.find(name))
        if account is not None:
            self._known[name] = account
        return account

    def _usable(self, account: Account) -> Opened | None:
        found = self._opened.get(account.name)
        fresh = found is not None and time.monotonic() - found.at < FRESH_FOR_S
        return found if found is not None and fresh and found.version == account.version else None

    def _opened_anew(self, account: Account, before: Opened | None) -> Opened:
        """Opens an account. Its connections are kept, unless its database is another one by now."""
        settings = settings_at_home(account, self.settings)
        target = connect(settings).target
        with self._servers.asking(target), known_mappings(settings) as mappings:
            chosen = boards_of(settings, mappings, choose_syncs(settings.home))
        entities = {board: mapping.entity for mapping, board in chosen if mapping.direction in TO_POSTGRES}
        board_of = {mapping.entity: board for mapping, board in chosen}
        above = {board: board_of.get(mapping.subitems_of or "") for mapping, board in chosen}
        gate, url = Access(settings.webhook_secret, entities), str(settings.database_url)
        if before is not None and before.url != url:
            before.db.close()
        db = before.db if before and before.url == url else connect(settings, max_connections=CONNECTIONS)

        def arrived(boards: set[str]) -> None:
            self._hints.add(Due(account.name, entities[board], LIVE) for board in boards)

        opened = OpenDoor(
            frozenset(entities),
            {parent: board for board, parent in above.items() if parent},
            PatientInbox(db, self._servers, arrived),
            self.metrics,
            lambda: self._hints.add(lost=[account.name]),
        )
        return Opened(account.version, url, db, Receiver(gate, opened))

    # Hints

    def _hint(self) -> None:
        """Notes what has come, and sends hints about it. The tick of the beat sends those that could not be sent."""
        while not self._stopping.is_set():
            self._hints.news.wait(5.0)
            work, lost = self._hints.take()
            try:
                if work:
                    send_all(self.due, self._send, self.due.mark(work, patient=True))
                    work = set()
                while lost:
                    self._sweep(max(lost))
                    lost.remove(max(lost))
            except SyncError as exc:
                self._tell(exc)
                self._stopping.wait(1.0)
                self._hints.add(work, lost)
            except Exception as exc:
                unexpected(exc)

    def _tell(self, problem: SyncError) -> None:
        """Tells once in a while that hints wait."""
        if (now := time.monotonic()) - self._told_at >= RENEW_S:
            log.warning("Hints could not be noted: %s", problem.message)
            self._told_at = now

    def _sweep(self, account: str) -> None:
        """Has both sides of an account compared in full: events may be lost. Its own database may be away meanwhile."""
        boards = [entity for entity in self.due.entities(account) if not entity.startswith(SYNC)]
        runs = self.due.mark([Due(account, entity, RUN) for entity in boards], sweep=True)
        send_all(self.due, self._send, runs)

    def _renew(self) -> None:
        """Takes over changes of accounts, and says that their events are heard. After a gap both sides are compared."""
        while True:
            try:
                self._known = {account.name: account for account in self._accounts.all()}
                self._close_removed()
                self._note_heard()
                self._listen_to_all()
            except SyncError as exc:
                log.warning("The accounts could not be read: %s", exc.message)
            except Exception as exc:
                unexpected(exc)
            if self._stopping.wait(RENEW_S):
                return

    def _close_removed(self) -> None:
        for name in set(self._opened) - set(self._known):
            self._opened.pop(name).db.close()

    def _note_heard(self) -> None:
        with self._control.transaction() as tx:
            rows = tx.rows(HEARD, {"names": list(self._known), "lost": LOST_AFTER_S})
        lost = {name for name, gap in rows if gap}
        if lost:
            log.warning("No door was open for a while: %s are compared in full.", ", ".join(sorted(lost)))
            self._hints.add([Due(name, "", LOOK) for name in lost], lost)

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
            opened = self._open(name)
            if opened is None:
                return
            for payload in opened.db.listen(triggers.channel(opened.db), LISTEN_S):
                now = self._opened.get(name)
                if self._stopping.is_set() or now is None or now.db is not opened.db:
                    return
                if payload not in (None, RUN_NEWS):
                    self._hints.add([Due(name, "", LOOK)])
        except SyncError as exc:
            log.warning("Changes of %s are not heard now: %s", name, exc.message)
        except Exception as exc:
            unexpected(exc)
