"""The command line: builds the parts, passes them in, shows results and errors, and chooses the exit code."""

from __future__ import annotations

if __name__ == "__main__":
    from terminal import missing_package

    missing_package.watch()

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from boards import commands as boards_commands
from commands import records
from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_USAGE, DatabaseError, SettingsError, SyncError
from realtime import commands as realtime_commands
from terminal import logs, missing_package, signals, stdout

if TYPE_CHECKING:
    from settings import Settings
    from sync.report import EntityReport, RunReport
    from sync.run import RunOptions
from terminal.commands import Example, InOrder, as_json_option, prepared, show_error
from values.wording import utc_text

TEST_RECORDS = 10
PLANS_ON_A_SCREEN = 20
RULES = ("newest", "monday", "postgres", "manual")
CODES = """Exit codes: 0 in step, 1 failed, 2 usage or settings, 3 finished with held, set-aside or incomplete records,
4 stopped by a safety guard."""


@click.group(
    cls=InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Every command has --help, with an example. Settings: .env.example; all else: README.md.",
)
def cli() -> None:
    """Keeps monday.com boards and PostgreSQL tables equal, in both directions."""


def command(name: str, example: str, **how: Any) -> Callable[[Any], Any]:
    """Declare a command of the group."""
    return cli.command(name, cls=Example, example=example, **how)


# The database


@command("init-db", "init-db")
def init_db() -> None:
    """Make the tables, in an empty database or in one of any earlier version. Nothing is lost."""
    settings = prepared()
    from databases.postgres.failures import in_the_way
    from db_connector import connect
    from state.schema import init_db

    db = connect(settings)
    try:
        for table, columns in init_db(db).items():
            click.echo(f"{table} was there already, and got: {', '.join(columns)}.")
        click.echo(f"The tables are ready in {db.target}.")
    except DatabaseError as exc:
        raise in_the_way(exc) from exc.__cause__
    finally:
        db.close()


# Syncing

SYNC_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--entity", "entities", multiple=True, metavar="NAME", help="Only this entity. Can be repeated."),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N items of each board."),
    click.option("--test", is_flag=True, help=f"The same as --limit {TEST_RECORDS}."),
    click.option("--dry-run", is_flag=True, help="Show what would be done; write nothing."),
    click.option("--full", is_flag=True, help="Compare everything, not only what changed since the last run."),
    click.option("--sweep", is_flag=True, help="List every id now, to find what was removed or copied (else daily)."),
    click.option("--prefer", type=click.Choice(RULES), help="The rule for conflicts in this run."),
    click.option(
        "--allow-mass-delete", is_flag=True, help="Go on when more than 10 % of an entity's records would be removed."
    ),
    click.option(
        "--unify", is_flag=True, help="Rewrite cells that show a shared row differently (bidirectional only)."
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 500),
        default=500,
        show_default=True,
        metavar="N",
        help="Items in a page, and in a transaction.",
    ),
    click.option(
        "--max-workers",
        type=click.IntRange(1, 4),
        default=1,
        show_default=True,
        metavar="N",
        help="Boards worked on at the same time.",
    ),
    click.option("--use-cache", is_flag=True, help="Read the newest snapshot of the board; without one, take one."),
    click.option(
        "--cache-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read this snapshot; if there is no such file, write it.",
    ),
    click.option("--list-cache", is_flag=True, help="List the snapshots, and end."),
    as_json_option,
    click.option("--quiet", is_flag=True, help="No progress and no notes: results, warnings and errors only."),
)


def sync_command(name: str, direction: str, about: str, example: str) -> None:
    """Declare a command that runs one direction, with the options that all of them share."""

    def run(**given: Any) -> None:
        sync(direction, **given)

    for option in reversed(SYNC_OPTIONS):
        run = option(run)
    command(name, example, help=about, epilog=CODES)(run)


sync_command(
    "monday-to-pg",
    "monday_to_pg",
    "Pull: bring what changed on the boards into PostgreSQL.",
    "monday-to-pg --entity users --limit 10",
)
sync_command(
    "pg-to-monday",
    "pg_to_monday",
    "Push: bring what changed in PostgreSQL to the boards.",
    "pg-to-monday --entity users --dry-run",
)
sync_command(
    "bidirectional",
    "bidirectional",
    "Both ways at once, field by field.",
    "bidirectional --entity projects --dry-run",
)


@command("run", "run --entity users", epilog=CODES)
@click.option("--entity", required=True, metavar="NAME", help="The entity to sync.")
@as_json_option
@click.option("--quiet", is_flag=True, help="No progress and no notes.")
def run_entity(entity: str, as_json: bool, quiet: bool) -> None:
    """Sync one entity the way its mapping says; for orchestrators."""
    settings = prepared(quiet)
    from mappings.loader import choose
    from sync.parts import mappings_of

    mapping = choose(mappings_of(settings), [entity])[0]
    if mapping.direction == "none":
        raise SettingsError(
            f"{entity} does not flow at all: its mapping says none.", hint=f"Change `direction` in {mapping.path}."
        )
    _run_and_leave(settings, mapping.direction, [entity], None, as_json, quiet)


def sync(direction: str, entities: Sequence[str], as_json: bool, quiet: bool, list_cache: bool, **given: Any) -> None:
    """Run one direction and leave with its exit code."""
    settings = prepared(quiet)
    if list_cache:
        return show_cache(settings, as_json)
    _run_and_leave(settings, direction, entities, run_options(**given), as_json, quiet)


def run_options(
    *,
    limit: int | None,
    test: bool,
    max_workers: int,
    unify: bool,
    use_cache: bool,
    cache_file: Path | None,
    **given: Any,
) -> RunOptions:
    """The options of a run from those of the command line; the rest of them go to the pull as they are."""
    from sync.run import RunOptions
    from sync_monday_to_pg import PullOptions

    if test:
        limit = min(limit or TEST_RECORDS, TEST_RECORDS)
    pull = PullOptions(limit=limit, max_workers=max_workers, **given)
    return RunOptions(pull, max_workers, unify, use_cache, cache_file)


def _run_and_leave(
    settings: Settings, direction: str, entities: Sequence[str], options: RunOptions | None, as_json: bool, quiet: bool
) -> NoReturn:
    from sync.run import run
    from terminal.console import Progress

    def show(report: EntityReport) -> None:
        from sync.report import entity_line

        progress.done(report.entity)
        if not as_json and (report.read or not report.failed) and report.message != "not run":
            click.echo(entity_line(report, direction))

    with Progress(quiet) as progress:
        report = run(settings, direction, entities, options, progress, show)
    show_run(report, as_json)
    if not as_json and not report.dry_run and any(entity.first_held for entity in report.entities):
        report = records.settle_first_meeting(settings, report, options, show_run)
    sys.exit(report.exit_code)


def show_run(report: RunReport, as_json: bool) -> None:
    """Print what a run did, and say what went wrong."""
    if held_back := logs.FEW.held_back():
        logs.log.warning("... and %d more like these; monday_sync.log and sync_logs have them all.", held_back)
    for problem in report.problems:
        show_error(problem)
    if report.interrupted:
        logs.log.warning("Interrupted: what was done is complete, and the next run carries on.")
    if as_json:
        import json

        click.echo(json.dumps(report.as_json()))
        return
    from sync.report import run_line

    show_plans([plan for entity in report.entities for plan in entity.plans])
    click.echo(run_line(report))


def show_plans(plans: Sequence[str]) -> None:
    """What a dry run would do: all of it, but on a screen only the beginning."""
    shown = plans[:PLANS_ON_A_SCREEN] if sys.stdout.isatty() else plans
    for plan in shown:
        click.echo(f"  would {plan}")
    if len(shown) < len(plans):
        click.echo(f"  ... and {len(plans) - len(shown):,} more; add  > plan.txt  to have them all.")


def show_cache(settings: Settings, as_json: bool) -> None:
    """List the snapshots of fetched boards."""
    from data_cache import DataCache, Snapshot

    found = list(DataCache(settings.home).all())
    whole = [one for one in found if isinstance(one, Snapshot)]
    if as_json:
        import json

        shapes = [
            {"board_id": one.board.id, "board": one.board.name, "taken_at": utc_text(one.taken_at),
             "items": one.items, "bytes": one.path.stat().st_size, "file": str(one.path)}
            for one in whole
        ]  # fmt: skip
        click.echo(json.dumps({"snapshots": shapes}))
    elif whole:
        from terminal.console import show_table

        rows = [
            (f"{one.board.name} ({one.board.id})", f"{one.taken_at:%Y-%m-%d %H:%M:%S}", one.items,
             f"{one.path.stat().st_size / 1000:,.0f} kB", one.path.name)
            for one in whole
        ]  # fmt: skip
        show_table("", ("board", "taken (UTC)", "items", "size", "file"), rows, ("items", "size"))
    else:
        click.echo(f"There are no snapshots in {DataCache(settings.home).folder}.")
    for one in found:
        if isinstance(one, SyncError):
            logs.log.warning("%s", one.message)


# Looking


@command("status", "status")
@as_json_option
def status(as_json: bool) -> None:
    """What is known of each entity: links, items left out, differences, the last run, what waits."""
    settings = prepared()
    from state.overview import show_status, status_of
    from sync.parts import board_of, open_parts

    with open_parts(settings) as parts:
        boards = [(one, board) for one in parts.mappings.values() if (board := board_of(parts.settings, one)) is not None]
        show_status(status_of(parts.db, boards), as_json)


@command("runs", "runs --limit 5")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many.")
@as_json_option
def runs(limit: int, as_json: bool) -> None:
    """The last runs: when, how long, what they did, how they ended."""
    settings = prepared()
    from state.overview import runs_of, show_runs
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        show_runs(runs_of(parts.db, limit), as_json)


@command("validate", "validate")
@click.option("--entity", "entities", multiple=True, metavar="NAME", help="Only this entity. Can be repeated.")
@click.option("--offline", is_flag=True, help="Check the files alone, without board or database.")
@as_json_option
def validate(entities: Sequence[str], offline: bool, as_json: bool) -> None:
    """Check the mappings: the files, then each against its board and its tables. Exit 2 when something is wrong."""
    settings = prepared()
    from sync.validation import show_findings, validated

    sys.exit(show_findings(validated(settings, entities, offline), as_json))


@command("mapping", "mapping --entity users")
@click.option("--entity", metavar="NAME", help="Show which board column is which table column.")
@click.option(
    "--write-docs", is_flag=True, help="Write the pages of docs/ and the JSON Schema anew (reads the boards)."
)
@as_json_option
def mapping(entity: str | None, write_docs: bool, as_json: bool) -> None:
    """Show the mappings, or one of them column by column."""
    settings = prepared()
    from commands import mapping_pages

    if write_docs:
        for path in mapping_pages.write_all(settings):
            click.echo(f"Wrote {path}.")
    else:
        mapping_pages.show(settings, entity, as_json)


@command("demo", "demo")
@click.option(
    "--boards", default="", show_default="users:2000,projects:5000", metavar="NAME:COUNT,...",
    help="How many items each board has; one that is not named has as many as usual.",
)  # fmt: skip
def demo(boards: str) -> None:
    """A made-up account and a real PostgreSQL, both thrown away afterwards. Needs no key and no database."""
    from commands.demo import run_demo

    logs.to_stderr()
    sys.exit(run_demo(boards))


# Going on and on

realtime_commands.register(cli, command, Example)

# What is a person's to say

records.register(cli, command, Example)

# Boards as tables

boards_commands.register(cli, Example)


def script(name: str = "", arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, or one command of it, to its end."""
    signals.watch()
    written = stdout.set_up()
    logs.to_stderr()
    given = list(sys.argv[1:] if arguments is None else arguments)
    code = _ended([name, *given] if name else given)
    if problem := stdout.lost(written):
        show_error(problem)
        code = problem.exit_code
    sys.exit(code)


def _ended(arguments: list[str]) -> int:
    """Do what is asked; the exit code."""
    try:
        return int(cli.main(arguments, prog_name="python main.py", standalone_mode=False) or 0)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else EXIT_IN_STEP
    except SyncError as exc:
        show_error(exc)
        return exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message(), err=True)
        return EXIT_USAGE
    except click.ClickException as exc:
        context = getattr(exc, "ctx", None)
        hint = f"{context.command_path} --help" if context else "python main.py --help"
        logs.log.error("%s", exc.format_message(), extra={"hint": hint})
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        logs.log.warning("Interrupted.")
        return signals.INTERRUPTED
    except ModuleNotFoundError as exc:
        show_error(missing_package.missing(exc))
        return EXIT_USAGE
    except Exception as exc:
        show_error(logs.unexpected(exc))
        return EXIT_FAILED


if __name__ == "__main__":
    script()
