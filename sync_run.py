"""One run, from settings to report: builds the parts, chooses the entities, runs each, and keeps account of it.

A run that has begun always ends in a report, whatever happens in it: one entity that fails is reported and the others
go on, unless nothing can go on. The exit code of a run is its gravest: 1 failed, then 2 settings, 4 guard, 3 leftovers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from config import PROJECT, Settings, load_settings
from db_connector import Database, connect
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
from logs import FILE_ONLY
from mapping import Mapping
from mapping_loader import choose, load_mappings
from report import EntityReport, RunReport, entity_line
from sync_monday_to_pg import Progress, Pull, PullOptions
from sync_state import Memory

if TYPE_CHECKING:
    from monday_api import Monday

log = logging.getLogger("monday_sync")

SCHEMA = "1"
GRAVEST_FIRST = (EXIT_FAILED, EXIT_USAGE, EXIT_GUARD, EXIT_LEFTOVERS)
INTERRUPTED = 130
OUTCOMES = {EXIT_IN_STEP: "success", EXIT_LEFTOVERS: "partial", EXIT_GUARD: "guarded", INTERRUPTED: "interrupted"}
ENDS_THE_RUN = (DatabaseError, MondayUnavailable, MondayRefused, DailyLimitReached)
"""After one of these no other entity can do better."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line asks of a run."""

    pull: PullOptions = field(default_factory=PullOptions)
    max_workers: int = 1
    unify: bool = False
    kind: str = "command"


@dataclass
class Parts:
    """What a run is made of."""

    settings: Settings
    db: Database
    mappings: dict[str, Mapping]
    progress: Progress | None = None

    @cached_property
    def monday(self) -> Monday:
        """The client, made when it is first asked something."""
        from monday_api import Monday

        settings = self.settings
        return Monday(
            token=settings.require_key(),
            url=settings.api_url,
            version=settings.api_version,
            give_up_after=settings.give_up_after,
            daily_share=settings.daily_calls,
            daily_used=self._calls_today() if settings.daily_calls else 0,
        )

    def _calls_today(self) -> float:
        with self.db.transaction(read_only=True) as tx:
            return float(
                tx.value(
                    "select coalesce(sum((api ->> 'calls')::numeric), 0) from sync_runs"
                    " where started_at >= date_trunc('day', now(), 'UTC')"
                )
            )

    def board_id(self, mapping: Mapping) -> str | None:
        """The board of a mapping; None while it is not set."""
        from_setting = self.settings.board_id(mapping.board_setting) if mapping.board_setting else None
        return from_setting or mapping.board_id

    def close(self) -> None:
        """Let go of the connections."""
        if "monday" in self.__dict__:
            self.monday.close()
        self.db.close()


@contextmanager
def open_parts(settings: Settings, progress: Progress | None = None) -> Iterator[Parts]:
    """The parts by the settings, closed at the end. Raises what is wrong with them."""
    mappings = mappings_of(settings)
    parts = Parts(settings, connect(settings), mappings, progress)
    try:
        check_schema(parts.db)
        yield parts
    finally:
        parts.close()


def mappings_of(settings: Settings) -> dict[str, Mapping]:
    """The shipped mappings, and over them those of the user's own."""
    return load_mappings([PROJECT / "mappings", settings.home / "mappings"])


def check_schema(db: Database) -> None:
    """Raise SchemaMissing when the tool's tables are not there, or are those of another version."""
    found = Memory(db).get("schema")
    if str(found) != SCHEMA:
        raise SchemaMissing(
            f"The tool's tables are of version {found}, and this is version {SCHEMA}.", hint="run: python main.py init-db"
        )


def init_db(db: Database) -> None:
    """Make the tables that are missing, whatever is there already."""
    with db.transaction() as tx:
        tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))


# Directions


def _pull(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    pull = Pull(
        parts.db, parts.monday, mapping, board_id,
        mappings=parts.mappings, options=options.pull, run_id=run_id, progress=parts.progress,
    )  # fmt: skip
    report = pull.run()
    report.plans = pull.engine.plans
    return report


Direction = Callable[[Parts, Mapping, str, RunOptions, "str | None"], EntityReport]

DIRECTIONS: dict[str, Direction] = {"monday_to_pg": _pull}
"""How each direction deals with one entity."""


# A run


def run_once(direction: str, entities: Iterable[str] = (), options: PullOptions | None = None) -> RunReport:
    """One run by the settings of the environment, for use from a shell. Raises the first error."""
    with open_parts(load_settings()) as parts:
        report = run(parts, direction, entities, RunOptions(pull=options or PullOptions(), kind="shell"))
    if report.problems:
        raise report.problems[0]
    return report


def run(
    parts: Parts,
    direction: str,
    entities: Iterable[str] = (),
    options: RunOptions | None = None,
    on_entity: Callable[[EntityReport], None] | None = None,
) -> RunReport:
    """Run each chosen entity in its order. What is wrong before the run begins is raised, the rest is in the report."""
    options = options or RunOptions()
    if direction not in DIRECTIONS:
        raise SettingsError(f"This version cannot sync {direction}.", hint=f"It can: {', '.join(DIRECTIONS)}.")
    chosen = chosen_boards(parts, direction, list(entities))
    parts.settings.require_key()
    return _Run(parts, direction, options, on_entity or (lambda report: None)).of(chosen)


def chosen_boards(parts: Parts, direction: str, entities: Sequence[str]) -> list[tuple[Mapping, str]]:
    """The mappings to run and their boards. One that is off is passed over, unless it was asked for by name."""
    chosen = []
    for mapping in choose(parts.mappings, entities):
        board_id = parts.board_id(mapping)
        reason = _why_not(mapping, board_id, direction)
        if not reason and board_id:
            chosen.append((mapping, board_id))
        elif entities:
            raise SettingsError(*reason[:1], hint=reason[1])
    if not chosen:
        raise SettingsError("No board is set.", hint="Set MONDAY_BOARD_ID_USERS or MONDAY_BOARD_ID_DATA in .env.")
    return chosen


def _why_not(mapping: Mapping, board_id: str | None, direction: str) -> tuple[str, ...]:
    if board_id is None:
        return f"{mapping.entity} has no board: {mapping.board_setting} is not set.", "Set it to the board's number in .env."
    if direction != "bidirectional" and mapping.direction not in ("bidirectional", direction):
        message = f"{mapping.entity} does not flow {direction}: its mapping says {mapping.direction}."
        return message, f"Change `direction` in {mapping.path}."
    return ()


class _Run:
    """Keeps account of one run."""

    def __init__(
        self, parts: Parts, direction: str, options: RunOptions, on_entity: Callable[[EntityReport], None]
    ) -> None:
        self.parts = parts
        self.options = options
        self.on_entity = on_entity
        self.memory = Memory(parts.db)
        self.dry_run = options.pull.dry_run
        self.report = RunReport("", direction, datetime.now(timezone.utc), dry_run=self.dry_run)

    def of(self, chosen: Sequence[tuple[Mapping, str]]) -> RunReport:
        """Run them all."""
        started = time.monotonic()
        if not self.dry_run:
            self.report.run_id = self.memory.start_run(self.options.kind, self.report.direction)
        for mapping, board_id in chosen:
            if self.report.ended:
                self._not_run(mapping, board_id)
            else:
                self._entity(mapping, board_id)
        self.report.duration_s = time.monotonic() - started
        self._close()
        return self.report

    def _entity(self, mapping: Mapping, board_id: str) -> None:
        """One entity; what goes wrong is in its report."""
        report = EntityReport(mapping.entity, board_id)
        started = time.monotonic()
        try:
            report = DIRECTIONS[self.report.direction](
                self.parts, mapping, board_id, self.options, self.report.run_id or None
            )
        except SyncError as exc:
            self._failed(report, exc)
        except KeyboardInterrupt:
            self._interrupted(report, INTERRUPTED)
        except SystemExit as exc:
            self._interrupted(report, exc.code if isinstance(exc.code, int) else EXIT_FAILED)
        except Exception as exc:
            log.debug("%s", exc, exc_info=True)
            self._failed(report, _unexpected(exc))
        report.seconds = report.seconds or time.monotonic() - started
        self.report.entities.append(report)
        log.info("%s", entity_line(report, self.report.direction), extra=FILE_ONLY)
        self.on_entity(report)

    def _failed(self, report: EntityReport, exc: SyncError) -> None:
        report.message, report.failed, report.complete = exc.message, exc.exit_code, False
        self.report.problems.append(exc)
        self.report.ended = isinstance(exc, ENDS_THE_RUN)

    def _interrupted(self, report: EntityReport, code: int) -> None:
        report.message, report.failed, report.complete = "interrupted", code, False
        self.report.ended = True
        self.report.interrupted = code

    def _not_run(self, mapping: Mapping, board_id: str) -> None:
        report = EntityReport(mapping.entity, board_id, complete=False, message="not run: the run had ended before")
        self.report.entities.append(report)

    def _close(self) -> None:
        report = self.report
        codes = {entity.exit_code for entity in report.entities}
        report.exit_code = report.interrupted or next((code for code in GRAVEST_FIRST if code in codes), EXIT_IN_STEP)
        if "monday" in self.parts.__dict__:
            stats = self.parts.monday.stats
            report.api = {
                "calls": stats.calls,
                "complexity": stats.complexity,
                "retries": stats.retries_total,
                "waited_s": round(stats.waited_total_s, 3),
            }
        if self.dry_run:
            return
        try:
            shape = report.as_json()
            outcome = "interrupted" if report.interrupted else OUTCOMES.get(report.exit_code, "failed")
            message = "; ".join(one.message for one in report.problems)
            self.memory.finish_run(report.run_id, report.exit_code, outcome, message, shape["entities"], report.api)
        except DatabaseError as exc:
            log.debug("The run could not be entered in sync_runs: %s", exc)


def _unexpected(exc: Exception) -> SyncError:
    log.error("unexpected", exc_info=exc, extra=FILE_ONLY)
    return SyncError(f"unexpected: {type(exc).__name__}: {exc}", hint="Run with DEBUG=1 for the traceback.")
