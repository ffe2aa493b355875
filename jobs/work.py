"""What the tasks do: slices of work for one entity of one account. Each begins and ends in `sync_due`."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from msgspec import Struct

from db_connector import Transaction
from errors import (
    EXIT_IN_STEP,
    BudgetSpent,
    DailyLimitReached,
    DatabaseIsAway,
    MondayIsAway,
    MondayUnavailable,
    SettingsError,
    SyncError,
    TurnBusy,
)
from jobs.glance import glance, glance_at, note_look
from jobs.hints import Send, send_all
from jobs.marks import moved, note_run
from jobs.metrics import Note, nobody
from jobs.opened import OpenAccount, OpenAccounts, settings_at_home
from jobs.program import program
from jobs.servers import asking_the_server_of
from mappings.declaration import Mapping
from rows.relations import is_synced
from settings import Settings
from state.accounts import Account
from state.control import open_control
from state.due import BEAT_S, LIVE, LOOK, RUN, SET_ASIDE, SYNC, Begun, Due, DueWork
from state.outages import Outages
from state.pauses import pause_of
from state.turns import is_free
from state.waiting import waiting_now
from sync.options import PullOptions, RunOptions
from sync.report import RunReport
from sync.run import Caller, Run
from terminal.logs import unexpected
from timing import Stop, backoff, duration

log = logging.getLogger("monday_sync")


class Next(Struct, frozen=True):
    """Says when work is due again."""

    in_s: float | None
    """None: nothing is known to come."""
    done: bool = True
    """False: it did not come to its end, so that what was asked of it is asked for still."""


Kind = Callable[[Account, Due, Begun], Next]
"""Does a piece of work."""
Opened = Callable[[OpenAccount, Due, Begun], Next]
"""Does a piece of work that needs the account to be open."""

SLICE_S = 20.0
RUN_S = 300.0
"""A run that is not done by then ends after its batch, and goes on with its next task."""
RUN_AT_LEAST_EVERY_S = 86_400.0
LOOK_EVERY_S, LOOK_AT_QUIET_EVERY_S = 60.0, 600.0
"""An account of which nothing was written for an hour is looked at less often."""
AGAIN_S = 2.0
BUSY_AGAIN_S = 30.0
ASIDE_S, LONGEST_ASIDE_S = 60.0, 3600.0
LEAVE_S = 2.0
AGAIN_AFTER_S, LASTING_S = 5.0, 600.0
"""Pauses after a failure: the first may pass, the second is a user's to mend."""
LOOK_AT_STOP_S = 0.5
PUT_OFF = (BudgetSpent, MondayIsAway, DatabaseIsAway)
"""What keeps work waiting for so many seconds, and is no failure of its own."""


class Work:
    """Does the work of tasks, in one process. Accounts are opened when they are first worked for."""

    def __init__(
        self, settings: Settings, send: Send, stopping: Callable[[], bool] = lambda: False, note: Note = nobody
    ) -> None:
        """Takes the settings of the installation, and what sends a message, says that the process is to end, and counts."""
        self.settings, self._send, self._stopping, self._note = settings, send, stopping, note
        self._control = open_control(settings)
        self.due = DueWork(self._control)
        self._open, self._outages = OpenAccounts(settings, self._control), Outages(self._control)

    def close(self) -> None:
        """Closes all connections."""
        self._open.close_all()
        self._control.close()

    # The tasks

    def tick(self) -> None:
        """Sends a message about all that is due and not on its way."""
        for due, starts in self.due.take():
            if not self._send(due, starts):
                return  # the broker is away

    def look(self, account: str) -> None:
        """Looks which entities an account has, and which of them have work that no message has told of."""
        self._do(Due(account, "", LOOK), self._glance)

    def live(self, account: str, entity: str) -> None:
        """Deals with the events and changes of an entity."""
        self._do(Due(account, entity, LIVE), self._asking(self._live))

    def run(self, account: str, entity: str) -> None:
        """Compares both sides of an entity."""
        self._do(
            Due(account, entity, RUN), self._opening(self._copy) if entity.startswith(SYNC) else self._asking(self._run)
        )

    def _do(self, due: Due, work: Kind) -> None:
        """Does a piece of work between its beginning and its end. A failure is noted, and puts it off."""
        begun = self.due.begin(due)
        if begun is None:
            return  # another process has done it, or the account is gone or paused
        self._outages.heard(begun.outages)
        if begun.starts > SET_ASIDE and (begun.starts - SET_ASIDE) % 2:
            return self._put_aside(due, begun.starts)
        message, outcome, started = None, "done", time.monotonic()
        try:
            with self._beating(due):
                then = work(begun.account, due, begun)
        except Exception as exc:
            then, message = self._failed(due, exc if isinstance(exc, SyncError) else unexpected(exc))
            outcome = "put_off" if isinstance(exc, PUT_OFF) else "failed"
        if self.due.end(due, begun, next_in_s=then.in_s, message=message, done=then.done):
            send_all(self.due, self._send, [due])
        self._note(due.task, outcome, begun.late_s, time.monotonic() - started)

    def _opening(self, work: Opened) -> Kind:
        """Has the account opened for a piece of work."""

        def opening(account: Account, due: Due, begun: Begun) -> Next:
            if not self._open.is_open(account):
                with asking_the_server_of(settings_at_home(account, self.settings), self._outages):
                    self._open.get(account)
            return work(self._open.get(account), due, begun)

        return opening

    def _asking(self, work: Opened) -> Kind:
        """Makes work that asks monday.com wait while others have found that it does not answer."""

        def asking(opened: OpenAccount, due: Due, begun: Begun) -> Next:
            address, calls = opened.settings.api_url, opened.parts.costs()["calls"]
            if seconds := self._outages.wait_s(address):
                raise MondayIsAway(seconds)
            try:
                then = work(opened, due, begun)
            except MondayUnavailable as exc:
                if not isinstance(exc, BudgetSpent):
                    self._outages.failed(address)
                raise
            if due.task == RUN or opened.parts.costs()["calls"] > calls:
                self._outages.answered(address)
            return then

        return self._opening(asking)

    def _put_aside(self, due: Due, starts: int) -> None:
        """Lets work wait that may end the processes which begin it: twice as long after each try."""
        wait_s = min(LONGEST_ASIDE_S, ASIDE_S * 2.0 ** ((starts - SET_ASIDE) // 2))
        self.due.put_aside(due, wait_s, f"It was begun {starts - 1} times without an end; it waits {duration(wait_s)}.")

    def _beating(self, due: Due) -> AbstractContextManager[None]:
        """Gives a sign of life until the end of the block."""

        def beat() -> None:
            try:
                self.due.beat(due)
            except SyncError as exc:
                log.debug("No sign of life could be given: %s", exc.message)

        return _meanwhile(beat, BEAT_S)

    def _stopped_in_time(self, stop: Stop) -> AbstractContextManager[None]:
        """Asks a run to end after its batch when its time is up, or the process is to end."""
        until = time.monotonic() + RUN_S

        def watch() -> None:
            if self._stopping() or time.monotonic() > until:
                stop.ask()

        return _meanwhile(watch, LOOK_AT_STOP_S)

    def _failed(self, due: Due, problem: SyncError) -> tuple[Next, str]:
        """Returns how long to wait after a failure, and why. The slot is free meanwhile."""
        if isinstance(problem, PUT_OFF):
            log.info("%s, %s: %s", due.account, due.entity, problem.message)
            return Next(problem.seconds, done=False), problem.message
        log.error("%s, %s: %s", due.account, due.entity or "account", problem.message, extra={"hint": problem.hint})
        self._open.close(due.account)
        lasting = isinstance(problem, (DailyLimitReached, SettingsError))
        wait_s = LASTING_S if lasting else AGAIN_AFTER_S + backoff(2, AGAIN_AFTER_S)
        return Next(wait_s, done=False), problem.message

    # Kinds of work

    def _glance(self, account: Account, due: Due, begun: Begun) -> Next:
        """Opens the account only where there is something to look at."""
        settings = settings_at_home(account, self.settings)
        with asking_the_server_of(settings, self._outages):
            seen = glance(settings, account.version)
        if seen is None or not seen.is_enough:
            return self._look(self._open.get(account), due)
        return Next(LOOK_AT_QUIET_EVERY_S if seen.is_quiet else LOOK_EVERY_S)

    def _look(self, opened: OpenAccount, due: Due) -> Next:
        entities = [mapping.entity for mapping, _ in opened.chosen] + [SYNC + sync.name for sync in opened.syncs]
        self.due.know(due.account, entities)
        with opened.parts.db.transaction() as tx:
            seen = glance_at(tx, opened.settings, opened.version)
            note_look(tx, opened.settings, opened.version)
        waiting = [
            mapping.entity
            for mapping, board in opened.chosen
            if board in seen.boards or mapping.entity_type in seen.types
        ]
        self._hint(Due(due.account, entity, LIVE) for entity in waiting)
        if opened.chosen and seen.marks_are_old:
            self._hint(Due(due.account, entity, RUN) for entity in moved(opened.parts, opened.chosen))
        return Next(LOOK_AT_QUIET_EVERY_S if seen.is_quiet else LOOK_EVERY_S)

    def _live(self, opened: OpenAccount, due: Due, begun: Begun) -> Next:
        pair = opened.pair(due.entity)
        if pair is None:
            return Next(None)
        live = opened.live.get(due.entity)
        if live is None:
            make = program().live
            if make is None:
                raise SettingsError("This program was put together without live work.")
            live = opened.live[due.entity] = make(program(), opened.parts, *pair)
        done = live.work(SLICE_S)
        if done.missed:
            self._hint([Due(due.account, due.entity, RUN)], sweep=True)
        if done.linked:
            self._hint(Due(due.account, behind, LIVE) for behind in _behind(opened, due.entity))
        return Next(done.next_in_s)

    def _run(self, opened: OpenAccount, due: Due, begun: Begun) -> Next:
        pair = opened.pair(due.entity)
        if pair is None:
            return Next(None)
        mapping, board_id = pair
        with opened.parts.db.transaction(read_only=True) as tx:
            if pause_of(tx, due.entity):
                return Next(LOOK_EVERY_S, done=False)  # what comes for it waits
            unread = unread_before(tx, opened, mapping)
            free = is_free(tx, mapping.entity_type)
        if unread and self.due.will_run(due.account, unread):
            return Next(AGAIN_S, done=False)  # links to records of another board are made after its first run
        if not free:
            return Next(BUSY_AGAIN_S, done=False)  # without waiting: another process works on the entity
        opened.live.pop(due.entity, None)  # the run reads the board anew
        parts = opened.parts.for_one_run()
        options = RunOptions(PullOptions(sweep=begun.sweep, in_slices=True), kind="catch-up")
        run = Run(parts, mapping.direction, program().directions[mapping.direction], options)
        with self._stopped_in_time(parts.stop):
            report = run.of([(mapping, board_id)])
        if again := _again(report):
            return again
        self._hint(Due(due.account, other, LIVE) for other in _after(report, opened, mapping, board_id))
        # the look of each hour asks for one whose board, or whose rows, may have changed
        return Next(RUN_AT_LEAST_EVERY_S * random.uniform(0.8, 1.0))

    def _copy(self, opened: OpenAccount, due: Due, begun: Begun) -> Next:
        """Runs a sync of a query, at the interval of the account's SYNC_INTERVAL_MINUTES."""
        run_syncs, stop, name = program().syncs, Stop(), due.entity.removeprefix(SYNC)
        if run_syncs is None or name not in [sync.name for sync in opened.syncs]:
            return Next(None)
        period_s = opened.settings.sync_interval_minutes * 60
        options = RunOptions(PullOptions(sweep=begun.sweep), kind="scheduled", period_s=round(period_s))
        with self._stopped_in_time(stop):
            report = run_syncs(opened.settings, [name], options, Caller(stop=stop))
        again = _again(report) if report is not None else None
        return again or Next(period_s)

    def _hint(self, work: Iterable[Due], sweep: bool = False) -> None:
        found = list(work)
        if found:
            send_all(self.due, self._send, self.due.mark(found, sweep=sweep, patient=True))


def _again(report: RunReport) -> Next | None:
    """Returns when a run has to be made again, because it did not come to its end. Raises its problem."""
    if any(isinstance(problem, TurnBusy) for problem in report.problems):
        return Next(BUSY_AGAIN_S, done=False)
    if report.problems:
        raise report.problems[0]
    return Next(AGAIN_S, done=False) if report.interrupted else None


def unread_before(tx: Transaction, opened: OpenAccount, mapping: Mapping) -> list[str]:
    """Returns the entities after which this one is read, and which were never read: but those that wait for a user."""
    others = [other for other, _ in opened.chosen if other.entity in mapping.after]
    return [other.entity for other in others if not is_synced(tx, other) and not pause_of(tx, other.entity)]


def _after(report: RunReport, opened: OpenAccount, mapping: Mapping, board_id: str) -> list[str]:
    """Notes the end of a run. Returns the entities of which something waits, or may go on now."""
    with opened.parts.db.transaction() as tx:
        if report.exit_code == EXIT_IN_STEP:
            note_run(tx, mapping, report.entities[0].mark)
        boards, types = waiting_now(tx)
    # events that came meanwhile were left to this run
    own = [mapping.entity] if board_id in boards or mapping.entity_type in types else []
    news = any(entity.read or entity.changes for entity in report.entities)
    return [*own, *(_behind(opened, mapping.entity) if news else ())]


def _behind(opened: OpenAccount, entity: str) -> list[str]:
    """Returns the entities whose records point at those of this one."""
    return [
        mapping.entity for mapping, _ in opened.chosen if any(binding.link_to == entity for binding in mapping.bindings)
    ]


@contextmanager
def _meanwhile(act: Callable[[], None], every_s: float) -> Iterator[None]:
    """Calls a function again and again, in a thread of its own, until the end of the block."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every_s):
            act()

    thread = threading.Thread(target=repeat, name="meanwhile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LEAVE_S)
