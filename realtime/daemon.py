"""Runs the daemon: a worker for each entity, and a listener for PostgreSQL's notifications.

`main.py webhook` adds the HTTP server that monday.com calls; `main.py watch` has none. Any number of daemons can share
a database: each entity is worked on by one of them at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec.structs import replace

from db_connector import Database, connect
from errors import DatabaseError, SettingsError, SyncError
from mappings.declaration import Mapping
from mappings.loader import choose
from mappings.query_syncs import FILE
from realtime.alerting import Judge
from realtime.day_account import DayAccount
from realtime.health import health_of, measure_queues
from realtime.metrics import Metrics
from realtime.requested_runs import RequestedRuns
from realtime.tidying import prune_when_due
from realtime.worker import EntityWorker
from realtime.worker_settings import WorkerSettings
from settings import Settings
from state import inbox, triggers
from state.schema import check_schema
from state.wake import RUN_NEWS, wake
from sync.cycle import TO_MONDAY, TO_POSTGRES
from sync.parts import Chosen, Client, Parts, board_of, known_mappings, make_client
from sync.queries.known import syncs_as_far_as_readable
from sync.run import Program
from terminal.logs import unexpected
from timing import Stop, backoff

log = logging.getLogger("monday_sync")

GIVE_UP_AFTER_S = 30.0
"""A call to monday.com fails after so long without an answer. The daemon itself never gives up: it repeats the round."""
CONNECTIONS = 24
"""For the HTTP server and for threads beside the workers. Each is opened when it is needed."""
LISTEN_S = 20.0
ALIVE_EVERY_S = 60.0
TIDY_EVERY = 10
"""So many minutes."""
OUTAGE_EVERY_S = 1.0
PATIENCE_S = 60.0
JUDGE_S = 5.0


class Daemon:
    """Runs workers and a listener over one set of parts."""

    def __init__(self, program: Program, parts: Parts, chosen: Chosen, settings: WorkerSettings) -> None:
        self.program, self.parts, self.settings = program, parts, settings
        self.metrics = Metrics()
        self.metrics.started.set(time.time())
        self.workers = {
            board_id: EntityWorker(program, parts, mapping, board_id, settings, self.metrics)
            for mapping, board_id in chosen
        }
        self.inbox = inbox.InboxWriter(parts.db, self.arrived)
        self.runs = RequestedRuns(program, parts, self.metrics)
        self.account = DayAccount(parts, "bidirectional" if settings.pulls else "pg_to_monday")
        self.stopping, self.listening, self._hears = threading.Event(), threading.Event(), threading.Event()
        for worker in self.workers.values():
            worker.meet(self.workers.values(), self._hears)
        self._outage = False
        self._listener = threading.Thread(target=self._listen, name="listen", daemon=True)
        self._keeper = threading.Thread(target=self._keep, name="keep", daemon=True)
        self.judge = Judge(parts, self.stopping, self._hears)

    @property
    def boards(self) -> frozenset[str]:
        """Returns the boards that the daemon keeps equal to their tables."""
        return frozenset(self.workers)

    @property
    def heard(self) -> frozenset[str]:
        """Returns the boards whose events are taken: not those that flow to monday.com only."""
        return frozenset(
            board_id
            for board_id, worker in self.workers.items()
            if self.settings.pulls and worker.mapping.direction in TO_POSTGRES
        )

    @property
    def subitem_boards(self) -> dict[str, str]:
        """Returns the boards that hold subitems, by the board above."""
        board_of_entity = {worker.mapping.entity: board_id for board_id, worker in self.workers.items()}
        above = {board: board_of_entity.get(worker.mapping.subitems_of or "") for board, worker in self.workers.items()}
        return {board_above: board for board, board_above in above.items() if board_above}

    def start(self) -> None:
        """Starts all threads."""
        for thread in self.threads:
            thread.start()

    def stop(self, patience_s: float = PATIENCE_S) -> bool:
        """Lets the rounds that have begun end, and begins no other. Returns whether the workers ended in time."""
        self.stopping.set()
        self.judge.news.set()
        for worker in self.workers.values():
            worker.stop()
        until = time.monotonic() + patience_s
        for thread in (*self.workers.values(), *self.runs.threads):
            if thread.is_alive():  # an interrupt may have come before it was started
                thread.join(max(0.0, until - time.monotonic()))
        if self._keeper.is_alive():
            self._keeper.join(max(1.0, until - time.monotonic()))
        # a message that is being sent waits for its answer
        if self.judge.is_alive():
            self.judge.join(JUDGE_S)
        try:
            self.account.note()
            self.account.close()
        except DatabaseError as exc:
            log.debug("What was spent could not be entered: %s", exc)
        return not any(worker.is_alive() for worker in self.workers.values())

    @property
    def threads(self) -> list[threading.Thread]:
        """Returns the threads that have to run until the daemon stops."""
        return [*self.workers.values(), self._listener, self._keeper, self.judge]

    # News

    def arrived(self, boards: set[str]) -> None:
        """Wakes the workers of boards whose events are in the inbox."""
        self.judge.news.set()
        for board_id in boards & self.workers.keys():
            self.workers[board_id].wake.set()

    def refused_an_event(self) -> None:
        """Notes that an event could not be stored: monday.com may stop repeating it before PostgreSQL is back."""
        self._outage = True

    def _listen(self) -> None:
        """Wakes the workers after commits. After a lost connection it has both sides compared."""
        failures = 0
        while not self.stopping.is_set():
            try:
                for payload in self.parts.db.listen(triggers.channel(self.parts.db), LISTEN_S):
                    if self.stopping.is_set():
                        return
                    if failures:  # what was notified meanwhile is lost
                        self._look_over("PostgreSQL was away")
                    failures = 0
                    self._show_listening(True)
                    if payload is not None:  # None: nothing came
                        self._hears.set()
                        self.judge.news.set()
                        if payload != RUN_NEWS:  # a run does its own work
                            self._wake_all()
                    elif not self._hears.is_set():
                        self._ask_whether_it_hears()
            except SyncError as exc:
                if self.stopping.is_set():
                    return
                # reported once in an outage
                if not failures:
                    log.error("The connection that listens for changes is lost: %s", exc.message)
                failures += 1
                self._show_listening(False)
                self.stopping.wait(max(0.2, backoff(failures, 0.2, 15.0)))
            except Exception as exc:
                unexpected(exc)
                self.stopping.wait(5.0)

    def _ask_whether_it_hears(self) -> None:
        """Sends itself a notification: through a pooler none may come, and then work has to be looked for."""
        with self.parts.db.transaction() as tx:
            wake(tx, "heard")

    def _show_listening(self, listens: bool) -> None:
        if listens:
            self.listening.set()
        else:
            self.listening.clear()
            self._hears.clear()
            self.judge.news.set()  # no news come for now
        self.metrics.listening.set(int(listens))

    def _wake_all(self) -> None:
        for worker in self.workers.values():
            worker.wake.set()

    def _look_over(self, why: str) -> None:
        for worker in self.workers.values():
            worker.look_over(why, sweep=True)

    def _keep(self) -> None:
        """Notes once a minute that the daemon runs, deletes old events, and has both sides compared after an outage."""
        minutes = 0
        while not self.stopping.wait(OUTAGE_EVERY_S if self._outage else ALIVE_EVERY_S):
            try:
                if self._outage or minutes % TIDY_EVERY == 0:
                    self.tidy()
                    prune_when_due(self.parts.db, self.parts.settings.keep_logs_days, self.stopping)
                minutes += 1
                self.account.note()
                for worker in self.workers.values():
                    if not worker.noted_lately:
                        worker.beat()
                # tidying has succeeded: PostgreSQL is back
                if self._outage:
                    self._outage = False
                    self._look_over("events had to be refused")
            except SyncError as exc:
                log.debug("Nothing could be tidied: %s", exc)
            except Exception as exc:
                unexpected(exc)

    def tidy(self) -> None:
        """Deletes events that were dealt with, and events that wait for a board which is in no mapping any more."""
        mappings = [mapping for mapping in self.parts.mappings.values() if mapping.direction in TO_POSTGRES]
        mapped = [board_id for mapping in mappings if (board_id := board_of(self.parts.settings, mapping))]
        with self.parts.db.transaction() as tx:
            inbox.tidy(tx, mapped)

    # What is asked over HTTP

    def start_run(self, entity: str, direction: str | None) -> tuple[str, bool] | None:
        """Runs one entity in the background, in the given direction, or else in that of its worker; or a sync of a query.

        Returns the run's id, and whether it was started now or is still going on; None for an entity that this daemon
        does not work on.
        """
        if direction is not None and direction not in self.program.directions:
            raise SettingsError(f"direction is one of {', '.join(self.program.directions)}")
        for worker in self.workers.values():
            if worker.mapping.entity == entity:
                return self.runs.start(worker.mapping, worker.board_id, direction or worker.direction)
        # a sync of a query has one direction
        if entity in syncs_as_far_as_readable(self.parts.settings.home):
            return self.runs.start_sync(entity)
        return None

    def health(self) -> dict[str, Any]:
        """Returns what works, what waits, and when each entity last succeeded."""
        return health_of(self.parts.db, self.workers.values(), self.heard, self.listening.is_set())

    def measure(self) -> str:
        """Returns what `/metrics` answers, with the gauges read now."""
        try:
            measure_queues(self.parts.db, self.workers.values(), self.heard, self.metrics)
        except DatabaseError as exc:
            log.debug("The queues could not be counted: %s", exc)
        self.metrics.note_live_calls(self.parts.costs()["calls"])
        return self.metrics.text()


@contextmanager
def open_daemon(
    program: Program, settings: Settings, entities: tuple[str, ...], workers: WorkerSettings
) -> Iterator[Daemon]:
    """Yields a daemon that is not yet started. Raises SettingsError, for example, when the settings are wrong."""
    # without a key of monday.com it runs the syncs of queries that are asked for
    only_syncs = workers.pulls and not entities and not settings.api_key and (settings.home / FILE).exists()
    if not only_syncs:
        settings.require_key()
    with known_mappings(settings) as mappings:
        chosen = [] if only_syncs else choose_kept(settings, entities, workers, mappings)
        db, stop = connect(settings, max_connections=3 * len(chosen) + CONNECTIONS), Stop()
    patient = replace(settings, give_up_after=min(settings.give_up_after, GIVE_UP_AFTER_S))
    parts = Parts(patient, db, mappings, Client(partial(make_client, patient, db, stop)), program.follow, stop=stop)
    try:
        check_schema(parts.db)
        if chosen:
            parts.client.get()  # what is wrong with the key is raised here
            _check_triggers(parts.db, chosen, workers)
        yield Daemon(program, parts, chosen, workers)
    finally:
        parts.close()


def choose_kept(
    settings: Settings, entities: tuple[str, ...], workers: WorkerSettings, mappings: dict[str, Mapping]
) -> Chosen:
    """Returns the mappings that a daemon works on, with their boards: all that have a board, or those that are named."""
    ways = (TO_POSTGRES if workers.pulls else ()) + (TO_MONDAY if workers.pushes else ())
    chosen = []
    for mapping in choose(mappings, list(entities)):
        board_id = board_of(settings, mapping)
        if board_id and mapping.direction in ways:
            chosen.append((mapping, board_id))
        elif entities:  # named, and cannot be kept
            raise SettingsError(
                f"{mapping.entity} has no board, or does not flow this way.",
                hint="python main.py mapping shows its direction; its board is set in .env, or in its file.",
            )
    if not chosen:
        raise SettingsError("No board is set.", hint="Set MONDAY_BOARD_ID_DATA, for example, in .env.")
    return chosen


def _check_triggers(db: Database, chosen: Chosen, workers: WorkerSettings) -> None:
    """Warns of tables without triggers, which note no change. Raises SettingsError when the daemon could do nothing else."""
    if not workers.pushes:
        return  # nothing is sent anyway
    with db.transaction(read_only=True) as tx:
        lacking = [
            mapping.entity
            for mapping, _ in chosen
            if mapping.direction in TO_MONDAY and not triggers.installed(tx, mapping)
        ]
    if not lacking:
        return  # every table has its triggers
    message, hint = f"The tables of {', '.join(lacking)} have no triggers.", "run: python main.py setup"
    if not workers.pulls and len(lacking) == len(chosen):  # there is nothing to do at all
        raise SettingsError(message, hint=hint)
    log.warning("%s Their changes in PostgreSQL are found once an hour only.", message, extra={"hint": hint})
