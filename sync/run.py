"""One run, from settings to report: builds the parts, chooses the entities, runs each, and keeps account of it.

A run that has begun always ends in a report. An entity that fails is reported there and the others go on, unless none of
them could do better. The exit code is the gravest: 1 failed, then 2 settings, 4 guard, 3 leftovers, 0 in step.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from errors import (
    EXIT_FAILED,
    EXIT_GUARD,
    EXIT_IN_STEP,
    EXIT_LEFTOVERS,
    EXIT_USAGE,
    DailyLimitReached,
    DatabaseError,
    MondayRefused,
    MondayUnavailable,
    SchemaMissing,
    SettingsError,
    SyncError,
)
from mappings.bound import bind
from mappings.declaration import Mapping
from mappings.loader import choose
from services.monday.cells.kinds import MONDAY_KINDS
from services.monday.pacing import left_in_words
from services.monday.pages import ReadOptions
from settings import Settings, load_settings
from state.runs import Runs
from state.turns import working_on
from sync.report import EntityReport, RunReport, entity_line
from sync_monday_to_pg import Progress, Pull, PullOptions
from terminal.console import Progress as Seen
from terminal.logs import FILE_ONLY, unexpected
from terminal.signals import INTERRUPTED
from values.wording import minute_text

if TYPE_CHECKING:
    from data_cache import Snapshot
    from models import Item
    from monday_api import Monday
from sync.parts import Chosen, Parts, board_of, mappings_of, open_parts

log = logging.getLogger("monday_sync")


SECONDS_BETWEEN_ENTRIES = 2.0
GRAVEST_FIRST = (EXIT_FAILED, EXIT_USAGE, EXIT_GUARD, EXIT_LEFTOVERS)
OUTCOMES = {EXIT_IN_STEP: "success", EXIT_LEFTOVERS: "partial", EXIT_GUARD: "guarded"}
ENDS_THE_RUN = (DatabaseError, MondayUnavailable, MondayRefused, DailyLimitReached)
"""After one of these no other entity could do better."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of a run."""

    pull: PullOptions = field(default_factory=PullOptions)
    max_workers: int = 1
    unify: bool = False
    use_cache: bool = False
    cache_file: Path | None = None
    kind: str = "command"

    @property
    def from_snapshot(self) -> bool:
        """Whether the boards are taken from snapshots."""
        return self.use_cache or self.cache_file is not None


# Directions


def _pull(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    snapshot = _snapshot(parts, mapping, board_id, options) if options.from_snapshot else None
    settings = (
        options.pull if snapshot is None else replace(options.pull, source=_items_of(snapshot, options.pull.limit))
    )
    pull = Pull(
        parts.db,
        # A snapshot leaves nothing to ask, not even for a key.
        cast("Monday", None) if snapshot else parts.monday,
        mapping,
        board_id,
        mappings=parts.mappings,
        options=settings,
        run_id=run_id,
        progress=parts.progress,
        board=snapshot.board if snapshot else None,
    )
    parts.begun[mapping.entity] = pull.report
    pull.report.missing = list(pull.bound.missing)
    report = pull.run()
    report.plans = pull.engine.plans
    return report


def _snapshot(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions) -> Snapshot:
    """The snapshot to read, taken now when there is none."""
    from data_cache import DataCache, read_snapshot, utc_now, write_snapshot

    cache, now = DataCache(parts.settings.home), utc_now()
    path = options.cache_file or cache.newest(board_id)
    if path is None or not path.exists():
        board = parts.monday.board(board_id)
        bound = bind(mapping, board, MONDAY_KINDS)
        pages = parts.monday.pages(board_id, bound.wanted, ReadOptions(prefetch=True))
        path = path or cache.new_path(board_id, now)
        log.info("Fetching %s into the snapshot %s.", mapping.entity, path)
        return write_snapshot(path, board, bound.column_ids, (page.items for page in pages), now)
    snapshot = read_snapshot(path)
    _check_fits(snapshot, mapping, board_id)
    log.info("%s comes from the snapshot %s of %s.", mapping.entity, path, minute_text(snapshot.taken_at))
    return snapshot


def _check_fits(snapshot: Snapshot, mapping: Mapping, board_id: str) -> None:
    if snapshot.board.id != board_id:
        raise SettingsError(
            f"{snapshot.path} holds board {snapshot.board.id}, and {mapping.entity} is on board {board_id}.",
            hint="Name another file with --cache-file; --list-cache lists what there is.",
        )
    if lacking := sorted(set(bind(mapping, snapshot.board, MONDAY_KINDS).column_ids) - set(snapshot.columns)):
        raise SettingsError(
            f"{snapshot.path} was taken without the columns {', '.join(lacking)}, which the mapping reads now.",
            hint="Remove it; the next run with --use-cache takes a new one.",
        )


def _items_of(snapshot: Snapshot, limit: int | None) -> Iterator[list[Item]]:
    if limit is None:
        yield from snapshot.pages()
    elif first := list(islice(chain.from_iterable(snapshot.pages()), limit)):
        yield first


Direction = Callable[[Parts, Mapping, str, RunOptions, "str | None"], EntityReport]


def _push(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    from sync.board import BoardSync
    from sync_pg_to_monday import push_board

    sync = BoardSync(
        parts.db, parts.monday, mapping, board_id,
        mappings=parts.mappings, options=options.pull, run_id=run_id, progress=parts.progress, writes=(False, True),
    )  # fmt: skip
    return _kept_in_view(parts, sync, push_board)


def _both(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    from sync_pg_to_monday import sync_both_ways

    pull = Pull(
        parts.db, parts.monday, mapping, board_id,
        mappings=parts.mappings, options=replace(options.pull, unify=options.unify), run_id=run_id,
        progress=parts.progress, writes=(True, True),
    )  # fmt: skip
    return _kept_in_view(parts, pull, sync_both_ways)


def _kept_in_view(parts: Parts, sync: Any, work: Callable[[Any], EntityReport]) -> EntityReport:
    """Run it, with the report in sight should it be cut short."""
    parts.begun[sync.mapping.entity] = sync.report
    sync.report.missing = list(sync.bound.missing)
    report = work(sync)
    report.plans = sync.engine.plans
    return report


DIRECTIONS: dict[str, Direction] = {"monday_to_pg": _pull, "pg_to_monday": _push, "bidirectional": _both}
"""How each direction deals with one entity. It puts the report it works on into `parts.begun`, and raises SyncError."""


# A run


def run_once(direction: str, entities: Iterable[str] = (), options: PullOptions | None = None) -> RunReport:
    """One run by the settings of the environment, for use from a shell. Raises the first error."""
    report = run(load_settings(), direction, list(entities), RunOptions(pull=options or PullOptions(), kind="shell"))
    if report.problems:
        raise report.problems[0]
    return report


def run(
    settings: Settings,
    direction: str,
    entities: Sequence[str] = (),
    options: RunOptions | None = None,
    progress: Progress | None = None,
    on_entity: Callable[[EntityReport], None] | None = None,
    stop: threading.Event | None = None,
) -> RunReport:
    """Run the named entities, or all. What is wrong before the run begins is raised, the rest is in the report."""
    options = options or RunOptions()
    mappings = mappings_of(settings)
    chosen = choose_boards(settings, mappings, direction, entities)
    _check_options(options, direction, chosen)
    if not options.from_snapshot:
        settings.require_key()
    with open_parts(settings, mappings, progress, stop) as parts:
        return Run(parts, direction, options, on_entity).of(chosen)


def choose_boards(settings: Settings, mappings: dict[str, Mapping], direction: str, entities: Sequence[str]) -> Chosen:
    """The mappings to run and their boards. One that is off is passed over, unless it was asked for by name."""
    chosen = []
    for mapping in choose(mappings, entities):
        board_id = board_of(settings, mapping)
        problem = why_not(mapping, board_id, direction)
        if problem is None and board_id:
            chosen.append((mapping, board_id))
        elif problem and entities:
            raise problem
    if not chosen:
        raise SettingsError(
            f"No board is set that flows {direction}.", hint="Set MONDAY_BOARD_ID_DATA, for example, in .env."
        )
    return chosen


def why_not(mapping: Mapping, board_id: str | None, direction: str) -> SettingsError | None:
    """What speaks against running a mapping that way."""
    if board_id is None:
        return SettingsError(
            f"{mapping.entity} has no board: {mapping.board_setting} is not set.",
            hint="Set it in .env to the number in the board's address.",
        )
    if direction != "bidirectional" and mapping.direction not in ("bidirectional", direction):
        return SettingsError(
            f"{mapping.entity} does not flow {direction}: its mapping says {mapping.direction}.",
            hint=f"Change `direction` in {mapping.path}.",
        )
    return None


def _check_options(options: RunOptions, direction: str, chosen: Chosen) -> None:
    if direction not in DIRECTIONS:
        raise SettingsError(f"This version does not sync {direction}.", hint=f"It does: {', '.join(DIRECTIONS)}.")
    if options.unify and direction != "bidirectional":
        raise SettingsError("--unify writes to both sides.", hint="Use it with: python main.py bidirectional --unify")
    if options.from_snapshot and direction != "monday_to_pg":
        raise SettingsError("A snapshot can only be pulled.", hint="Use it with: python main.py monday-to-pg")
    if options.cache_file and len(chosen) > 1:
        names = ", ".join(mapping.entity for mapping, _ in chosen)
        raise SettingsError(
            f"--cache-file holds one board, and this run has {names}.", hint="Choose one with --entity."
        )


class Run:
    """Keeps account of one run."""

    def __init__(
        self,
        parts: Parts,
        direction: str,
        options: RunOptions | None = None,
        on_entity: Callable[[EntityReport], None] | None = None,
    ) -> None:
        self.parts = parts
        self.options = options or RunOptions()
        self.on_entity = on_entity or (lambda report: None)
        self.work: Direction | None = None
        """What is done with each entity, when it is not the usual."""
        self.runs = Runs(parts.db)
        self.report = RunReport("", direction, datetime.now(timezone.utc), dry_run=self.options.pull.dry_run)
        self._lock = threading.Lock()

    def of(self, chosen: Chosen) -> RunReport:
        """Run them all."""
        started = time.monotonic()
        if not self.report.dry_run:
            self.report.run_id = self.runs.start(self.options.kind, self.report.direction)
        self._keep_account()
        for wave in _waves(chosen, self.options.max_workers):
            self._wave(wave)
        order = {mapping.entity: index for index, (mapping, _) in enumerate(chosen)}
        self.report.entities.sort(key=lambda entity: order[entity.entity])
        self.report.duration_s = time.monotonic() - started
        self._close()
        return self.report

    def _keep_account(self) -> None:
        """Enter the calls now and then: a run that is killed has used up some of the day's, too."""
        shown, noted = self.parts.progress, float("-inf")
        if isinstance(shown, Seen):
            shown.left = lambda: left_in_words(self.parts.left())

        def progress(entity: str, done: int, total: int | None) -> None:
            nonlocal noted
            if shown is not None:
                shown(entity, done, total)
            if self.report.run_id and time.monotonic() - noted >= SECONDS_BETWEEN_ENTRIES:
                noted = time.monotonic()
                self.runs.note_costs(self.report.run_id, self.parts.account())

        self.parts.progress = progress

    def _wave(self, wave: Chosen) -> None:
        if self.report.ended or self.parts.stop.is_set():
            for mapping, board_id in wave:
                self._done(EntityReport(mapping.entity, board_id, complete=False, message="not run"))
        elif len(wave) == 1:
            self._entity(*wave[0])
        else:
            self._together(wave)

    def _together(self, wave: Chosen) -> None:
        """Several boards at once. An interrupt ends the process, and with it the threads: each batch is one transaction."""
        threads = [threading.Thread(target=self._entity, args=one, daemon=True) for one in wave]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except (KeyboardInterrupt, SystemExit) as exc:
            done = {entity.entity for entity in self.report.entities}
            for mapping, board_id in wave:
                if mapping.entity not in done:
                    self._done(self._interrupted(mapping, board_id, exc))

    def _entity(self, mapping: Mapping, board_id: str) -> None:
        """One entity; what goes wrong is in its report."""
        started = time.monotonic()
        direction = self.work or DIRECTIONS[self.report.direction]
        try:
            with nullcontext() if self.report.dry_run else working_on(self.parts.db, mapping.entity_type):
                report = direction(self.parts, mapping, board_id, self.options, self.report.run_id or None)
        except SyncError as exc:
            report = self._failed(mapping, board_id, exc)
        except (KeyboardInterrupt, SystemExit) as exc:
            report = self._interrupted(mapping, board_id, exc)
        except Exception as exc:
            report = self._failed(mapping, board_id, unexpected(exc))
        report.seconds = time.monotonic() - started
        self._done(report)

    def _done(self, report: EntityReport) -> None:
        with self._lock:
            self.report.entities.append(report)
        log.info("%s", entity_line(report, self.report.direction), extra=FILE_ONLY)
        self.on_entity(report)

    def _so_far(self, mapping: Mapping, board_id: str) -> EntityReport:
        report = self.parts.begun.get(mapping.entity) or EntityReport(mapping.entity, board_id)
        report.complete = False
        return report

    def _failed(self, mapping: Mapping, board_id: str, exc: SyncError) -> EntityReport:
        report = self._so_far(mapping, board_id)
        report.message, report.failed = exc.message, exc.exit_code
        with self._lock:
            self.report.problems.append(exc)
            # A table that is missing is one mapping's trouble.
            ends = isinstance(exc, ENDS_THE_RUN) and not isinstance(exc, SchemaMissing)
            self.report.ended = self.report.ended or ends
        return report

    def _interrupted(self, mapping: Mapping, board_id: str, exc: BaseException) -> EntityReport:
        report = self._so_far(mapping, board_id)
        code = exc.code if isinstance(exc, SystemExit) else INTERRUPTED
        report.message, report.failed = "interrupted", code if isinstance(code, int) and code else EXIT_FAILED
        self.report.ended, self.report.interrupted = True, report.failed
        return report

    def _close(self) -> None:
        report = self.report
        codes = {entity.exit_code for entity in report.entities}
        report.exit_code = report.interrupted or next((code for code in GRAVEST_FIRST if code in codes), EXIT_IN_STEP)
        report.api = self.parts.costs()
        if report.dry_run:
            return
        outcome = "interrupted" if report.interrupted else OUTCOMES.get(report.exit_code, "failed")
        message = "; ".join(problem.message for problem in report.problems)
        entities = report.as_json()["entities"]
        try:
            self.runs.finish(report.run_id, report.exit_code, outcome, message, entities, self.parts.account())
        except DatabaseError as exc:
            log.debug("The run could not be entered in sync_runs: %s", exc)


def _waves(chosen: Chosen, width: int) -> Iterator[Chosen]:
    """What can be worked on at the same time: nothing that another one has to be read after."""
    left = list(chosen)
    while left:
        waiting = {mapping.entity for mapping, _ in left}
        ready = [one for one in left if width > 1 and not waiting.intersection(one[0].after)][:width] or left[:1]
        yield ready
        left = [one for one in left if one not in ready]
