"""The daemon put together: a worker for each entity, a listener for PostgreSQL's notifications, and how it all is.

`main.py webhook` adds the door that monday.com knocks at; `main.py watch` has none. Any number of daemons can share a
database: each entity is worked on by one of them at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from db_connector import Database, connect
from errors import DatabaseError, SettingsError, SyncError
from mappings.declaration import Mapping as EntityMapping
from mappings.loader import choose
from realtime.day_account import LiveAccount
from realtime.live_push import outbox_depth
from realtime.metrics import Metrics
from realtime.worker import EntityWorker, Habits
from settings import Settings
from state import inbox, triggers
from state.overview import count_set_aside
from state.schema import check_schema
from sync.engine import TO_MONDAY, TO_POSTGRES
from sync.parts import Chosen, Parts, board_of, mappings_of
from sync.run import Run, RunOptions, why_not
from terminal.logs import unexpected
from timing import backoff

log = logging.getLogger("monday_sync")

GIVE_UP_AFTER_S = 30.0
"""A call to monday.com fails after so long without an answer. The daemon itself never gives up: the round comes again."""
CONNECTIONS = 24
"""For the door and for what goes on beside the workers; they are opened as they are needed."""
LISTEN_S = 20.0
ALIVE_EVERY_S = 60.0
READY_INBOX_AGE_S = 300.0


class Daemon:
    """Workers and listener over one set of parts."""

    def __init__(self, parts: Parts, chosen: Chosen, habits: Habits) -> None:
        self.parts = parts
        self.metrics = Metrics()
        self.metrics.started.set(time.time())
        self.workers = {
            board_id: EntityWorker(parts, mapping, board_id, habits, self.metrics, self.linked)
            for mapping, board_id in chosen
        }
        for worker in self.workers.values():
            worker.after = [one for one in self.workers.values() if one.mapping.entity in worker.mapping.after]
        self.stopping = threading.Event()
        self.habits = habits
        self.account = LiveAccount(parts, "bidirectional" if habits.pulls else "pg_to_monday")
        self._outage = False
        self._listener = threading.Thread(target=self._listen, name="listen", daemon=True)
        self._keeper = threading.Thread(target=self._keep, name="keep", daemon=True)
        self._runs: dict[str, AskedRun] = {}
        self._starting = threading.Lock()

    @property
    def boards(self) -> frozenset[str]:
        """The boards that are kept in step."""
        return frozenset(self.workers)

    @property
    def heard(self) -> frozenset[str]:
        """Of those, the ones whose events are worked off: what flows to monday.com alone has no use for any."""
        return frozenset(
            board for board, one in self.workers.items() if self.habits.pulls and one.mapping.direction in TO_POSTGRES
        )

    @property
    def subitem_boards(self) -> dict[str, str]:
        """Of all, the ones that hold the subitems of another: by the id of that."""
        of_entity = {worker.mapping.entity: board for board, worker in self.workers.items()}
        below = {board: of_entity.get(worker.mapping.subitems_of or "") for board, worker in self.workers.items()}
        return {above: board for board, above in below.items() if above}

    def start(self) -> None:
        """Begin to work."""
        for thread in self.threads:
            thread.start()

    def stop(self, patience_s: float = 60.0) -> bool:
        """Finish what is in flight and take no more; whether it came to its end in time."""
        self.stopping.set()
        for worker in self.workers.values():
            worker.stop()
        until = time.monotonic() + patience_s
        for thread in (*self.workers.values(), *self._runs.values()):
            if thread.is_alive():  # an interrupt may have come before it was started
                thread.join(max(0.0, until - time.monotonic()))
        if self._keeper.is_alive():
            self._keeper.join(max(1.0, until - time.monotonic()))
        try:
            self.account.note()
            self.account.close()
        except DatabaseError as exc:
            log.debug("What was spent could not be entered: %s", exc)
        return not any(worker.is_alive() for worker in self.workers.values())

    @property
    def threads(self) -> list[threading.Thread]:
        """All that have to live."""
        return [*self.workers.values(), self._listener, self._keeper]

    # News

    def arrived(self, boards: set[str]) -> None:
        """Events of these boards are in the inbox."""
        for board_id in boards & self.workers.keys():
            self.workers[board_id].wake.set()

    def refused_an_event(self) -> None:
        """An event could not be written down: monday.com may give it up before PostgreSQL is back."""
        self._outage = True

    def linked(self, entity: str) -> None:
        """Records of an entity got their items or rows: those that point at them may go on."""
        for worker in self.workers.values():
            if any(binding.link_to == entity for binding in worker.mapping.bindings):
                worker.links_changed()

    def _listen(self) -> None:
        """Wake the workers when something was committed; after a cut connection look everything over."""
        failures, lost = 0, False
        while not self.stopping.is_set():
            try:
                for payload in self.parts.db.listen(triggers.CHANNEL, LISTEN_S):
                    if self.stopping.is_set():
                        return
                    if lost:
                        self._look_over("PostgreSQL was away")
                    failures, lost = 0, False
                    self.metrics.listening.set(1)
                    if payload is not None:
                        self._wake_all()
            except SyncError as exc:
                if self.stopping.is_set():
                    return
                if not failures:
                    log.error("The connection that hears of changes is gone: %s", exc.message)
                failures, lost = failures + 1, True
                self.metrics.listening.set(0)
                self.stopping.wait(max(0.2, backoff(failures, 0.2, 15.0)))
            except Exception as exc:
                unexpected(exc)
                self.stopping.wait(5.0)

    def _wake_all(self) -> None:
        for worker in self.workers.values():
            worker.wake.set()

    def _look_over(self, why: str) -> None:
        for worker in self.workers.values():
            worker.look_over(why, sweep=True)

    def _keep(self) -> None:
        """Once a minute: say that the daemon lives, tidy up, and look after what was refused."""
        while not self.stopping.wait(1.0 if self._outage else ALIVE_EVERY_S):
            try:
                self.tidy()
                self.account.note()
                for worker in self.workers.values():
                    worker.beat()
                if self._outage:
                    self._outage = False
                    self._look_over("events had to be refused")
            except SyncError as exc:
                log.debug("Nothing could be tidied: %s", exc)
            except Exception as exc:
                unexpected(exc)

    def tidy(self) -> None:
        """Forget the events that were dealt with, and those that wait for a board which no mapping has any more."""
        mappings = [one for one in self.parts.mappings.values() if one.direction in TO_POSTGRES]
        mapped = [board for one in mappings if (board := board_of(self.parts.settings, one))]
        with self.parts.db.transaction() as tx:
            inbox.tidy(tx, mapped)

    # Runs that somebody asks for

    def worker_of(self, entity: str) -> EntityWorker | None:
        """The worker of an entity; None when this daemon does not keep it in step."""
        return next((one for one in self.workers.values() if one.mapping.entity == entity), None)

    def start_run(self, worker: EntityWorker, direction: str) -> tuple[str, bool]:
        """Run one entity in the background: the run's id, and whether it was started now or is still going on."""
        entity = worker.mapping.entity
        if problem := why_not(worker.mapping, worker.board_id, direction):
            raise problem
        with self._starting:
            going = self._runs.get(entity)
            if going is not None and going.is_alive():
                return going.run_id, False
            self._runs[entity] = asked = AskedRun(self, worker, direction)
            asked.start()
            until = time.monotonic() + 10.0
            while not asked.run_id and asked.is_alive() and time.monotonic() < until:
                time.sleep(0.01)
        if not asked.run_id:
            raise DatabaseError("The run could not be started.")
        return asked.run_id, True

    # How it is

    def health(self) -> dict[str, Any]:
        """Database, inbox, listener, and each entity: what works, what waits, when it last went well."""
        try:
            with self.parts.db.transaction(read_only=True) as tx:
                waits, age, aside = inbox.depth(tx, self.heard)
                outbox = {
                    one.mapping.entity: outbox_depth(tx, one.mapping.entity_type) for one in self.workers.values()
                }
            database: dict[str, Any] = {"ok": True}
            shown = {"entries": waits, "oldest_seconds": round(age, 3), "set_aside": aside}
        except DatabaseError as exc:
            database, shown, outbox = {"ok": False, "problem": exc.message}, {}, {}
        listening = bool(self.metrics.listening.value())
        entities = {one.mapping.entity: self._entity(one, outbox) for one in self.workers.values()}
        ready = database["ok"] and listening and shown.get("oldest_seconds", 0) < READY_INBOX_AGE_S
        ready = ready and all(one["alive"] and one["last_success_age_seconds"] is not None for one in entities.values())
        return {
            "status": "ok" if ready and not any(one["problem"] for one in entities.values()) else "degraded",
            "ready": bool(ready), "database": database, "listener": {"ok": listening}, "inbox": shown,
            "entities": entities,
        }  # fmt: skip

    def _entity(self, worker: EntityWorker, outbox: Mapping[str, tuple[int, float]]) -> dict[str, Any]:
        waits, age = outbox.get(worker.mapping.entity, (0, 0.0))
        return {
            "board_id": worker.board_id, "direction": worker.direction, "alive": worker.is_alive(),
            "caught_up": worker.caught_up, "outbox": {"entries": waits, "oldest_seconds": round(age, 3)},
            "last_success_age_seconds": None if worker.last_success is None
            else round(time.time() - worker.last_success, 3), "problem": worker.trouble,
        }  # fmt: skip

    def measure(self) -> str:
        """What `/metrics` answers, with the gauges read now."""
        try:
            self._gauges()
        except DatabaseError as exc:
            log.debug("The queues could not be counted: %s", exc)
        self.metrics.note_live_calls(self.parts.costs()["calls"])
        return self.metrics.text()

    def _gauges(self) -> None:
        with self.parts.db.transaction(read_only=True) as tx:
            waits, age, aside = inbox.depth(tx, self.heard)
            for one in self.workers.values():
                entries, oldest = outbox_depth(tx, one.mapping.entity_type)
                self.metrics.outbox.set(entries, one.mapping.entity)
                self.metrics.outbox_age.set(round(oldest, 3), one.mapping.entity)
                self.metrics.set_aside.set(count_set_aside(tx, one.mapping.entity_type), one.mapping.entity)
        self.metrics.inbox.set(waits, "waiting")
        self.metrics.inbox.set(aside, "set_aside")
        self.metrics.inbox_age.set(round(age, 3))


class AskedRun(threading.Thread):
    """A run that somebody asked for over HTTP, beside the workers: it takes its turn with them."""

    def __init__(self, daemon: Daemon, worker: EntityWorker, direction: str) -> None:
        super().__init__(name=f"run-{worker.mapping.entity}", daemon=True)
        self._parts, self._metrics, self._worker, self._direction = daemon.parts, daemon.metrics, worker, direction
        self._run: Run | None = None

    @property
    def run_id(self) -> str:
        """Empty until it has begun."""
        return self._run.report.run_id if self._run else ""

    def run(self) -> None:
        """The whole run; what goes wrong is in its report and in the log."""
        entity = self._worker.mapping.entity
        try:
            self._run = Run(self._parts.for_one_run(), self._direction, RunOptions(kind="http"))
            self._metrics.note_run(entity, "http", self._run.of([(self._worker.mapping, self._worker.board_id)]))
        except SyncError as exc:
            log.error("%s", exc.message)
            self._metrics.runs.add(entity, "http", "failed")


@contextmanager
def open_daemon(settings: Settings, entities: tuple[str, ...], habits: Habits) -> Iterator[Daemon]:
    """A daemon by the settings, not yet started. Raises what is wrong with them."""
    mappings = mappings_of(settings)
    chosen = choose_kept(settings, entities, habits, mappings)
    settings.require_key()
    patient = replace(settings, give_up_after=min(settings.give_up_after, GIVE_UP_AFTER_S))
    parts = Parts(patient, connect(settings, max_connections=3 * len(chosen) + CONNECTIONS), mappings)
    try:
        check_schema(parts.db)
        parts.monday  # noqa: B018 - made here, so that the threads share it
        _check_triggers(parts.db, chosen, habits)
        yield Daemon(parts, chosen, habits)
    finally:
        parts.close()


def choose_kept(
    settings: Settings, entities: tuple[str, ...], habits: Habits, mappings: dict[str, EntityMapping] | None = None
) -> Chosen:
    """The mappings that a daemon keeps in step, with their boards: all that have a board, or those named."""
    ways = (TO_POSTGRES if habits.pulls else ()) + (TO_MONDAY if habits.pushes else ())
    chosen = []
    for mapping in choose(mappings or mappings_of(settings), list(entities)):
        board_id = board_of(settings, mapping)
        if board_id and mapping.direction in ways:
            chosen.append((mapping, board_id))
        elif entities:
            raise SettingsError(
                f"{mapping.entity} has no board, or does not flow this way.",
                hint="python main.py mapping shows its direction; its board is set in .env, or in its file.",
            )
    if not chosen:
        raise SettingsError("No board is set.", hint="Set MONDAY_BOARD_ID_DATA, for example, in .env.")
    return chosen


def _check_triggers(db: Database, chosen: Chosen, habits: Habits) -> None:
    """Without triggers nobody notes what changes in PostgreSQL."""
    if not habits.pushes:
        return
    with db.transaction(read_only=True) as tx:
        lacking = [
            one.entity for one, _ in chosen if one.direction in TO_MONDAY and not triggers.installed(tx, one)
        ]
    if not lacking:
        return
    message, hint = f"The tables of {', '.join(lacking)} have no triggers.", "run: python main.py setup"
    if not habits.pulls and len(lacking) == len(chosen):
        raise SettingsError(message, hint=hint)
    log.warning("%s Their changes in PostgreSQL are found once an hour only.", message, extra={"hint": hint})
