"""Makes one direction a command: its options, the run, and what it shows. What a direction does comes from `main.py`."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click
from msgspec import Struct

from errors import SyncError
from terminal import logs
from terminal.commands import CONTEXT, Example, entities_option, json_option, prepared_with_log, quiet_option
from terminal.leaving import show_error

if TYPE_CHECKING:
    from data_cache import Snapshot
    from settings import Settings
    from sync.options import RunOptions
    from sync.report import EntityReport, RunReport
    from sync.run import Compose

TEST_RECORDS = 10
PLANS_ON_A_SCREEN = 20
RULES = ("newest", "monday", "postgres", "manual")
CODES = """Exit codes: 0 in step, 1 failed, 2 usage or settings, 3 finished with held, set-aside or incomplete records,
4 stopped by a safety guard."""


class Request(Struct, frozen=True):
    """Holds what a command line asks for: the run, and how its result is shown."""

    direction: str
    entities: Sequence[str]
    options: RunOptions | None = None
    as_json: bool = False
    quiet: bool = False


# Options

SYNC_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    entities_option,
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N items of each board."),
    click.option("--test", is_flag=True, help=f"The same as --limit {TEST_RECORDS}."),
    click.option("--dry-run", is_flag=True, help="Show what the run would do; write nothing."),
    click.option("--full", is_flag=True, help="Compare all records, not only those that changed since the last run."),
    click.option(
        "--sweep",
        is_flag=True,
        help="List all item ids now, to find removed and copied items, and compare all rows (default: once a day).",
    ),
    click.option("--prefer", type=click.Choice(RULES), help="The rule for conflicts in this run."),
    click.option(
        "--allow-mass-delete",
        is_flag=True,
        help="Continue when more than 10 % of an entity's records would be removed.",
    ),
    click.option("--only-removing", type=click.File(encoding="utf-8"), hidden=True),
    click.option(
        "--unify", is_flag=True, help="Rewrite cells that show a shared row differently (bidirectional only)."
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 500),
        default=500,
        show_default=True,
        metavar="N",
        help="The number of items in a page and in a transaction.",
    ),
    click.option(
        "--max-workers",
        type=click.IntRange(1, 4),
        metavar="N",
        help="How many boards are synced at the same time, and with how many cursors each is read. Default: two boards"
        " where there are two processors, one cursor.",
    ),
    click.option(
        "--use-cache", is_flag=True, help="Read the newest snapshot of the board; if there is none, take it now."
    ),
    click.option(
        "--cache-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read this snapshot; if the file does not exist, write it.",
    ),
    click.option("--list-cache", is_flag=True, help="List the snapshots, and end."),
    json_option,
    quiet_option,
)

COMMANDS = {
    "monday-to-pg": (
        "Pull: copy what changed on the boards to PostgreSQL.",
        "monday-to-pg --entity users --limit 10",
    ),
    "pg-to-monday": (
        "Push: copy what changed in PostgreSQL to the boards.",
        "pg-to-monday --entity users --dry-run",
    ),
    "bidirectional": (
        "Sync both ways at once, field by field.",
        "bidirectional --entity projects --dry-run",
    ),
}
"""The directions by the names of their commands: what each does, and an example."""


def direction_command(name: str) -> click.Command:
    """Returns the command of one direction, with the options that all directions share."""
    about, example = COMMANDS[name]

    def sync(compose: Compose, **given: Any) -> None:
        sync_and_leave(compose, name.replace("-", "_"), **given)

    command: Callable[..., None] = click.pass_obj(sync)
    for option in reversed(SYNC_OPTIONS):
        command = option(command)
    declare = click.command(name, cls=Example, example=example, help=about, epilog=CODES, context_settings=CONTEXT)
    return declare(command)


def sync_and_leave(
    compose: Compose,
    direction: str,
    *,
    entities: Sequence[str],
    as_json: bool,
    quiet: bool,
    list_cache: bool,
    **given: Any,
) -> None:
    """Runs one direction as the options say, and leaves with its exit code."""
    settings, limited = prepared_with_log(quiet)
    if list_cache:
        return show_cache(settings, as_json)
    run_and_leave(compose, settings, limited, Request(direction, entities, run_options(**given), as_json, quiet))


def run_options(
    *,
    limit: int | None,
    test: bool,
    max_workers: int | None,
    use_cache: bool,
    cache_file: Path | None,
    only_removing: TextIO | None,
    **given: Any,
) -> RunOptions:
    """Returns the options of a run; those that are not named here go to the pull as they are.

    `only_removing` holds the ids that a user was shown, and agreed to.
    """
    from sync.options import PullOptions, RunOptions

    if test:
        limit = min(limit or TEST_RECORDS, TEST_RECORDS)
    agreed, unify = frozenset(only_removing.read().split()) if only_removing else None, given.pop("unify")
    pull = PullOptions(limit=limit, max_workers=max_workers or 1, only_removing=agreed, **given)
    return RunOptions(pull, max_workers, unify, use_cache, cache_file)


# The run


def run_and_leave(compose: Compose, settings: Settings, limited: logs.RateLimitedLog, request: Request) -> NoReturn:
    """Runs, shows each entity when it is done and the whole run at its end, and leaves with its exit code."""
    from sync.first_meeting import settle_first_meeting
    from sync.run import Caller, run
    from terminal.console import Progress

    def show_entity(report: EntityReport) -> None:
        progress.done(report.entity)
        if not request.as_json:
            show_entity_line(report, request.direction)

    def show(report: RunReport) -> None:
        show_run(report, request.as_json, limited)

    def run_again(entity: str, options: RunOptions) -> RunReport:
        return run(program, settings, request.direction, [entity], options)

    collect_less_garbage()
    program = compose()
    with Progress(request.quiet) as progress:
        caller = Caller(progress, show_entity)
        report = run(program, settings, request.direction, request.entities, request.options, caller)
    show(report)
    if not request.as_json and not report.dry_run and any(entity.first_held for entity in report.entities):
        report = settle_first_meeting(report, request.options, run_again, show)
    sys.exit(report.exit_code)


def collect_less_garbage() -> None:
    """Makes Python look for circular garbage rarely.

    A page of a board is tens of thousands of small objects without circles; looking takes a tenth of the time of a run.
    """
    gc.set_threshold(1_000_000, 20, 20)


# What it shows


def show_entity_line(report: EntityReport, direction: str) -> None:
    """Writes what was done for an entity; nothing when it failed before it read anything, or was not run."""
    from sync.report import entity_line

    if (report.read or not report.failed) and report.message != "not run":
        click.echo(entity_line(report, direction))


def show_run(report: RunReport, as_json: bool, limited: logs.RateLimitedLog, lines: bool = True) -> None:
    """Writes what a run did, and reports what went wrong; without `lines` only that."""
    if held_back := limited.held_back():
        logs.log.warning("... and %d more like these; monday_sync.log and sync_logs have them all.", held_back)
    for problem in report.problems:
        show_error(problem)
    if report.interrupted:
        logs.log.warning("Interrupted: what was done is complete, and the next run carries on.")
    if as_json:
        from sync.report import shape_of

        click.echo(json.dumps(shape_of([report], report.exit_code)))
        return
    if not lines:
        return
    from sync.report import run_line

    show_plans([plan for entity in report.entities for plan in entity.plans])
    click.echo(run_line(report))


def show_plans(plans: Sequence[str]) -> None:
    """Writes what a dry run would do: all of it to a file, only the beginning to a terminal."""
    shown = plans[:PLANS_ON_A_SCREEN] if sys.stdout.isatty() else plans
    for plan in shown:
        click.echo(f"  would {plan}")
    if len(shown) < len(plans):
        click.echo(f"  ... and {len(plans) - len(shown):,} more; add  > plan.txt  to have them all.")


def show_cache(settings: Settings, as_json: bool) -> None:
    """Lists the snapshots of the home, and reports the files that cannot be read."""
    from data_cache import DataCache, Snapshot
    from terminal.console import show_table

    cache = DataCache(settings.home)
    found = list(cache.all())
    whole = [snapshot for snapshot in found if isinstance(snapshot, Snapshot)]
    if as_json:
        click.echo(json.dumps({"snapshots": [_snapshot_json(snapshot) for snapshot in whole]}))
    elif whole:
        headings = ("board", "taken (UTC)", "items", "size", "file")
        show_table("", headings, [_snapshot_row(snapshot) for snapshot in whole], ("items", "size"))
    else:
        click.echo(f"There are no snapshots in {cache.folder}.")
    for problem in found:
        if isinstance(problem, SyncError):
            logs.log.warning("%s", problem.message)


def _snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "board_id": snapshot.board.id,
        "board": snapshot.board.name,
        "taken_at": f"{snapshot.taken_at:%Y-%m-%dT%H:%M:%SZ}",
        "items": snapshot.items,
        "bytes": snapshot.path.stat().st_size,
        "file": str(snapshot.path),
    }


def _snapshot_row(snapshot: Snapshot) -> tuple[Any, ...]:
    board, size = snapshot.board, f"{snapshot.path.stat().st_size / 1000:,.0f} kB"
    return (
        f"{board.name} ({board.id})",
        f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S}",
        snapshot.items,
        size,
        snapshot.path.name,
    )
