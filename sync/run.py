"""Makes one run, from settings to report: builds the parts, chooses the entities, runs each, and keeps account of it.

What is done with an entity is handed in. A run that has begun always ends in a report. An entity that fails is reported
there and the others go on, unless none of them could do better. The exit code is the gravest: 1 failed, then 2 settings,
4 guard, 3 leftovers, 0 in step.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Generic

from msgspec import Struct
from msgspec.structs import replace

from db_connector import Database
from errors import (
    DailyLimitReached,
    DatabaseError,
    MondayRefused,
    MondayUnavailable,
    SchemaMissing,
    SettingsError,
    SmartSuiteQuota,
    SmartSuiteUnavailable,
    SyncError,
    TurnBusy,
    gravest_code,
)
from mappings.declaration import Mapping
from services.monday.pacing import left_in_words
from settings import Settings, load_settings
from state.pauses import Pause as EntityPause
from state.pauses import pause_of
from sync.alerting.at_end import Telling, failed_to_begin
from sync.alerting.reasons import kind_of
from sync.choosing import choose_boards, refuse_paused
from sync.entry import Entry
from sync.live import Live
from sync.options import PullOptions, RunOptions
from sync.parts import Chosen, Follow, Parts, Progress, Updates, open_parts
from sync.report import EntityReport, RunReport, entity_line
from sync.steps import Steps
from sync.subject import Pairs, S
from terminal.logs import FILE_ONLY, unexpected
from terminal.signals import exit_code_of
from timing import TERMINATED

if TYPE_CHECKING:
    from sync.operating.examined import Checks

log = logging.getLogger("monday_sync")

ENDS_THE_RUN = (
    *(DatabaseError, MondayUnavailable, MondayRefused, DailyLimitReached),
    *(SmartSuiteUnavailable, SmartSuiteQuota),
)
"""After one of these no other entity could do better."""


Direction = Callable[[Parts, Mapping, str, RunOptions, "str | None"], EntityReport]
"""Deals with one entity of a run. It puts the report it works on into `parts.begun`, and raises SyncError."""


Deployed = Callable[[Database, "str | None"], Sequence[Map[str, object]]]
"""Returns what is known of the deployed boards, or only of the board of that name."""


def _none_deployed(db: Database, name: str | None) -> Sequence[Map[str, object]]:
    """Returns no board: the program was put together without what deploys them."""
    return []


RunSyncs = Callable[[Settings, Sequence[str], RunOptions, "Caller"], "RunReport | None"]
"""Runs the named syncs of queries, or all; None when there are none."""


class Program(Struct, frozen=True):
    """Holds what `main.py` puts together: what each direction does with an entity, how deployed boards are followed,
    what `doctor` checks beside what this room knows, and what is known of deployed boards.
    """

    directions: Map[str, Direction]
    follow: Follow
    checks: Callable[[], Sequence[Checks]] = tuple
    deployed: Deployed = _none_deployed
    syncs: RunSyncs | None = None
    updates: Callable[[], Updates] | None = None
    live: Callable[[Program, Parts, Mapping, str], Live] | None = None
    send: Callable[[Settings, Sequence[str]], Sequence[str]] | None = None
    """Has a worker run the named entities of an account, or all of them. Returns their names."""


Compose = Callable[[], Program]
"""Puts the program together when it is needed: what that imports takes longer than `--help` may."""


def _ignore(report: EntityReport) -> None:
    """Ignores the report of an entity."""


def _ignore_id(run_id: str) -> None:
    """Ignores the id of a run."""


class Caller(Struct, frozen=True):
    """Says what the caller of a run sees of it while it goes on, and how the caller stops it."""

    progress: Progress | None = None
    on_entity: Callable[[EntityReport], None] = _ignore
    stop: threading.Event | None = None
    on_begun: Callable[[str], None] = _ignore_id
    """Takes the id of the run, once it is entered in `sync_runs`."""


NO_CALLER = Caller()


# A run


def run_once(
    program: Program, direction: str, entities: Iterable[str] = (), options: PullOptions | None = None
) -> RunReport:
    """Makes one run by the settings of the environment, for use from a shell. Raises the first error."""
    run_options = RunOptions(pull=options or PullOptions(), kind="shell")
    report = run(program, load_settings(), direction, list(entities), run_options)
    if report.problems:
        raise report.problems[0]
    return report


def run(
    program: Program,
    settings: Settings,
    direction: str,
    entities: Sequence[str] = (),
    options: RunOptions | None = None,
    caller: Caller = NO_CALLER,
) -> RunReport:
    """Runs the named entities, or all. What is wrong before the run begins is raised, the rest is in the report."""
    options = options or RunOptions()
    try:
        return _run(program, settings, direction, entities, options, caller)
    except SyncError:
        failed_to_begin(settings, options)
        raise


def _run(
    program: Program,
    settings: Settings,
    direction: str,
    entities: Sequence[str],
    options: RunOptions,
    caller: Caller,
) -> RunReport:
    _check_options(options, direction, tuple(program.directions))
    if not options.from_snapshot:
        settings.require_key()
    with open_parts(settings, program.follow, progress=caller.progress, stop=caller.stop) as parts:
        chosen = choose_boards(settings, parts.mappings, direction, entities)
        _check_file(options, chosen)
        if entities and not options.pull.dry_run:
            refuse_paused(parts.db, entities)
        return Run(parts, direction, program.directions[direction], options, caller.on_entity).of(chosen)


def _check_options(options: RunOptions, direction: str, known: Sequence[str]) -> None:
    if direction not in known:
        raise SettingsError(f"This version does not sync {direction}.", hint=f"It does: {', '.join(known)}.")
    if options.unify and direction != "bidirectional":
        raise SettingsError("--unify writes to both sides.", hint="Use it with: python main.py bidirectional --unify")
    if options.from_snapshot and direction != "monday_to_pg":
        raise SettingsError("A snapshot can only be pulled.", hint="Use it with: python main.py monday-to-pg")


def _check_file(options: RunOptions, chosen: Chosen) -> None:
    if options.cache_file and len(chosen) > 1:
        names = ", ".join(mapping.entity for mapping, _ in chosen)
        raise SettingsError(
            f"--cache-file holds one board, and this run has {names}.", hint="Choose one with --entity."
        )


class Run(Generic[S]):
    """Makes one run, and keeps account of it."""

    def __init__(
        self,
        parts: Parts,
        direction: str,
        work: Callable[[Parts, S, str, RunOptions, str | None], EntityReport],
        options: RunOptions | None = None,
        on_entity: Callable[[EntityReport], None] = _ignore,
    ) -> None:
        """Takes the parts. `work` is done with each entity; `direction` is how the run is called in its report."""
        self.options = options or RunOptions()
        self.work, self.on_entity = work, on_entity
        self.on_begun: Callable[[str], None] = _ignore_id
        self.report = RunReport("", direction, datetime.now(timezone.utc), dry_run=self.options.pull.dry_run)
        self.steps = Steps(parts.progress, parts.stop, parts.pause)
        # who asks for more at once has the memory for it
        one_at_a_time = threading.Lock() if self.options.max_workers is None else None
        self.parts = replace(parts, progress=self.steps, one_large_reading=one_at_a_time)
        self._entry = Entry(self.parts, self.steps)
        if parts.progress is not None:
            parts.progress.left = lambda: left_in_words(self.parts.left())
        self._telling = Telling(parts, self.options)
        self._lock = threading.Lock()
        self._untold: dict[str, EntityReport] = {}

    def of(self, chosen: Pairs[S]) -> RunReport:
        """Works on all of these, and returns the report."""
        started = time.monotonic()
        self.steps.expect(mapping.entity for mapping, _ in chosen)
        self._telling.began()
        try:
            with self._alive():
                later = self._ready(chosen, patience_s=0.0)
                self._ready(later, patience_s=None)
        # between two entities; one that is worked on has caught its own
        except (KeyboardInterrupt, SystemExit) as exc:
            self._cut_short(chosen, exc)
            self._tell(chosen)
        order = {mapping.entity: index for index, (mapping, _) in enumerate(chosen)}
        self.report.entities.sort(key=lambda entity: order[entity.entity])
        self.report.duration_s = time.monotonic() - started
        self._close()
        self._telling.ended(self.report.exit_code, bool(self.report.interrupted))
        return self.report

    def _alive(self) -> AbstractContextManager[object]:
        """Enters the run in `sync_runs`, and tells there until the end of the block that it lives; not of a dry run."""
        if self.report.dry_run:
            return nullcontext()
        alive = self._entry.begin(self.options.kind, self.report.direction, self.options.period_s)
        self.report.run_id = self._entry.id
        self.on_begun(self.report.run_id)
        return alive

    def _ready(self, chosen: Pairs[S], patience_s: float | None) -> Pairs[S]:
        """Works on these, except on those, and on what is read after them, whose turn does not come in time.

        Returns those. None waits as long as the settings allow: then an entity without its turn is done, too.
        """
        later: list[tuple[S, str]] = []
        left = list(chosen)
        while left:
            wave = next(_waves(left, self.options.boards_at_once))
            left = [pair for pair in left if pair not in wave]
            # with nothing else to do it waits at once
            wait = None if len(wave) == 1 and not left and not later else patience_s
            later += self._wave(wave, wait)
            missed = {mapping.entity for mapping, _ in later}
            later += [pair for pair in left if missed.intersection(pair[0].after)]
            left = [pair for pair in left if pair not in later]
        return later

    def _wave(self, wave: Pairs[S], patience_s: float | None) -> Pairs[S]:
        """Works on these. Returns those whose turn did not come in time."""
        busy: list[tuple[S, str]] = []
        try:
            self._work_on(wave, patience_s, busy)
        finally:
            self._tell(wave)
        return busy

    def _work_on(self, wave: Pairs[S], patience_s: float | None, busy: list[tuple[S, str]]) -> None:
        if self.parts.stop.asked:
            self.report.ended, self.report.interrupted = True, self.report.interrupted or TERMINATED
        if self.report.ended or self.parts.stop.is_set():
            for mapping, board_id in wave:
                self._done(EntityReport(mapping.entity, board_id, complete=False, message="not run"))
        elif len(wave) == 1:
            self._entity(wave[0], patience_s, busy)
        else:
            self._together(wave, patience_s, busy)

    def _tell(self, chosen: Pairs[S]) -> None:
        """Tells the caller of those that are done and were not told, in the order in which they were chosen."""
        for mapping, _ in chosen:
            if (report := self._untold.pop(mapping.entity, None)) is not None:
                self.on_entity(report)

    def _together(self, wave: Pairs[S], patience_s: float | None, busy: list[tuple[S, str]]) -> None:
        """Works on several boards at once. An interrupt ends the process with its threads: each batch is one transaction."""
        threads = [threading.Thread(target=self._entity, args=(pair, patience_s, busy), daemon=True) for pair in wave]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except (KeyboardInterrupt, SystemExit) as exc:
            self._cut_short(wave, exc)

    def _cut_short(self, chosen: Pairs[S], exc: BaseException) -> None:
        """Reports those that are not done yet as interrupted."""
        done = {entity.entity for entity in self.report.entities}
        for mapping, board_id in chosen:
            if mapping.entity not in done:
                self._done(self._interrupted(mapping, board_id, exc))

    def _entity(self, pair: tuple[S, str], patience_s: float | None, busy: list[tuple[S, str]]) -> None:
        """Works on one entity; what goes wrong is in its report. Without its turn it is put to `busy`, for later."""
        mapping, board_id = pair
        started = time.monotonic()
        if paused := self._pause_of(mapping):
            log.warning("%s", paused.sentence, extra={"hint": paused.hint})
            return self._done(EntityReport(mapping.entity, board_id, message=paused.sentence))
        try:
            with self._turn(mapping, patience_s) as parts:
                self.steps.works(mapping.entity)
                report = self.work(parts, mapping, board_id, self.options, self.report.run_id or None)
        except TurnBusy as exc:
            if patience_s is not None:
                log.info("%s", exc.message.replace("was left to the next run", "comes at the end of this run"))
                return busy.append(pair)
            report = self._failed(mapping, board_id, exc)
        except SyncError as exc:
            stopped = self.parts.stop.asked and isinstance(exc, (MondayUnavailable, SmartSuiteUnavailable))
            # a run that is to stop does not wait until monday.com is back
            report = self._interrupted(mapping, board_id, exc) if stopped else self._failed(mapping, board_id, exc)
        except (KeyboardInterrupt, SystemExit) as exc:
            report = self._interrupted(mapping, board_id, exc)
        except Exception as exc:
            report = self._failed(mapping, board_id, unexpected(exc))
        report.seconds = time.monotonic() - started
        self._done(report)

    def _pause_of(self, mapping: S) -> EntityPause | None:
        """Returns the pause of an entity; a dry run writes nothing and heeds none."""
        if self.report.dry_run:
            return None
        with self.parts.db.transaction(read_only=True) as tx:
            return pause_of(tx, mapping.entity)

    def _turn(self, mapping: S, patience_s: float | None) -> AbstractContextManager[Parts]:
        """Takes the turn; a dry run writes nothing and needs none."""
        if self.report.dry_run:
            return nullcontext(self.parts)
        what = f"another process that works on {mapping.turn} records"
        return self.parts.in_turn(mapping.turn, patience_s, lambda: self.steps.waits(mapping.entity, what))

    def _done(self, report: EntityReport) -> None:
        self.steps.ended(report.entity)
        with self._lock:
            self.report.entities.append(report)
            self._untold[report.entity] = report
        log.info("%s", entity_line(report, self.report.direction), extra=FILE_ONLY)

    def _so_far(self, mapping: S, board_id: str) -> EntityReport:
        report = self.parts.begun.get(mapping.entity) or EntityReport(mapping.entity, board_id)
        report.complete = False
        return report

    def _failed(self, mapping: S, board_id: str, exc: SyncError) -> EntityReport:
        report = self._so_far(mapping, board_id)
        report.message, report.failed, report.problem = exc.message, exc.exit_code, kind_of(exc)
        with self._lock:
            self.report.problems.append(exc)
            # A table that is missing is one mapping's trouble.
            ends = isinstance(exc, ENDS_THE_RUN) and not isinstance(exc, SchemaMissing)
            self.report.ended = self.report.ended or ends
        return report

    def _interrupted(self, mapping: S, board_id: str, exc: BaseException) -> EntityReport:
        report = self._so_far(mapping, board_id)
        # waiting for monday.com was ended
        code = TERMINATED if self.parts.stop.asked and isinstance(exc, SyncError) else exit_code_of(exc)
        report.message, report.failed = "interrupted", code
        self.report.ended, self.report.interrupted = True, report.failed
        return report

    def _close(self) -> None:
        report = self.report
        report.exit_code = report.interrupted or gravest_code(entity.exit_code for entity in report.entities)
        report.api = self.parts.costs()
        if report.dry_run:
            return
        message = "; ".join(problem.message for problem in report.problems)
        self._entry.end(report.exit_code, message, report.kept(), bool(report.interrupted))


def _waves(chosen: Pairs[S], width: int) -> Iterator[Pairs[S]]:
    """Yields what can be worked on at the same time: no entity together with another that has to be read after it."""
    left = list(chosen)
    while left:
        waiting = {mapping.entity for mapping, _ in left}
        ready = [pair for pair in left if width > 1 and not waiting.intersection(pair[0].after)][:width] or left[:1]
        yield ready
        left = [pair for pair in left if pair not in ready]
