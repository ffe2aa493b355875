"""The command line: builds the parts, passes them in, shows results and errors, and chooses the exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

import logs
from errors import EXIT_FAILED, EXIT_USAGE, SyncError

if TYPE_CHECKING:
    from config import Settings
    from report import RunReport
    from sync_run import RunOptions

INTERRUPTED = 130
TERMINATED = 143
TEST_RECORDS = 10
RULES = ("newest", "monday", "postgres", "manual")
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Example(click.Command):
    """A command whose help ends with an example that runs."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.example:
            with formatter.section("Example"):
                formatter.write(f"  {self.example}\n")


@click.group(context_settings=HELP)
def cli() -> None:
    """Keeps monday.com boards and PostgreSQL tables equal, in both directions."""


def settings_and_logs(quiet: bool = False) -> Settings:
    """The settings, with logging set up as they say."""
    from config import load_settings

    logs.to_stderr(quiet)
    settings = load_settings()
    logs.set_up(settings, quiet)
    return settings


# The database


@cli.command("init-db", cls=Example, example="python main.py init-db")
def init_db() -> None:
    """Make the tables, on an empty database or on one of any earlier version; nothing is lost."""
    settings = settings_and_logs()
    from db_connector import connect
    from sync_run import init_db

    db = connect(settings)
    try:
        init_db(db)
        click.echo(f"The tables are ready in {db.target}.")
    finally:
        db.close()


# Syncing

SYNC_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--entity", "entities", multiple=True, metavar="NAME", help="Only this entity; can be repeated."),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N items of each board."),
    click.option("--batch-size", type=click.IntRange(1, 500), default=500, show_default=True, metavar="N",
                 help="Items in a page and in a transaction."),
    click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing."),
    click.option("--full", is_flag=True, help="Compare everything, not only what was updated since the last run."),
    click.option("--sweep", is_flag=True, help="List every id, to find removed and copied items now and not by the day."),
    click.option("--prefer", type=click.Choice(RULES), help="The rule for conflicts in this run."),
    click.option("--allow-mass-delete", is_flag=True, help="Go on when more than 10 % of an entity would be removed."),
    click.option("--max-workers", type=click.IntRange(1, 8), default=1, show_default=True, metavar="N",
                 help="Boards worked on at the same time."),
    click.option("--unify", is_flag=True, help="Rewrite cells that show a shared row differently (bidirectional only)."),
    click.option("--test", "test", is_flag=True, help=f"The same as --limit {TEST_RECORDS}."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout."),
    click.option("--quiet", is_flag=True, help="No progress and no notes: results, warnings and errors only."),
)  # fmt: skip


def sync_command(name: str, direction: str, about: str, example: str) -> None:
    """Register a command that runs one direction, with the options that all of them share."""

    def command(**given: Any) -> None:
        sync(direction, **given)

    command.__doc__ = about
    for option in reversed(SYNC_OPTIONS):
        command = option(command)
    cli.command(name, cls=Example, example=example)(command)


sync_command(
    "monday-to-pg", "monday_to_pg",
    "Pull: bring what changed on the boards into PostgreSQL.",
    "python main.py monday-to-pg --entity users --limit 10",
)  # fmt: skip


def sync(direction: str, entities: Sequence[str], as_json: bool, quiet: bool, **given: Any) -> None:
    """Run one direction and leave with its exit code."""
    settings = settings_and_logs(quiet)
    from sync_run import open_parts, run

    def show(report: Any) -> None:
        from report import entity_line

        if not as_json:
            click.echo(entity_line(report, direction))

    with open_parts(settings) as parts:
        report = run(parts, direction, entities, run_options(**given), show)
    show_run(report, as_json)
    sys.exit(report.exit_code)


def run_options(*, limit: int | None, test: bool, max_workers: int, unify: bool, **given: Any) -> RunOptions:
    """The options of a run from those of the command line."""
    from sync_monday_to_pg import PullOptions
    from sync_run import RunOptions

    if test:
        limit = min(limit or TEST_RECORDS, TEST_RECORDS)
    return RunOptions(PullOptions(limit=limit, **given), max_workers, unify)


def show_run(report: RunReport, as_json: bool) -> None:
    """Print what a run did, and say what went wrong."""
    if as_json:
        import json

        click.echo(json.dumps(report.as_json()))
    else:
        from report import run_line

        for line in [line for entity in report.entities for line in entity.plans]:
            click.echo(f"  would {line}")
        click.echo(run_line(report))
    for problem in report.problems:
        show_error(problem)
    if report.interrupted:
        logs.log.warning("Interrupted; what was done is complete, and the next run carries on.")


# Errors and the way out


def show_error(exc: SyncError) -> None:
    """`error: ...` and `hint: ...` on stderr, and in the log."""
    logs.log.error("%s", exc.message, extra={"hint": exc.hint})


def script(name: str = "", arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, or one command of it, to its end."""
    signal.signal(signal.SIGTERM, _terminate)
    logs.to_stderr()
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_ended([name, *given] if name else given))


def _ended(arguments: list[str]) -> int:
    try:
        return int(cli.main(arguments, prog_name="python main.py", standalone_mode=False) or 0)
    except SyncError as exc:
        show_error(exc)
        return exc.exit_code
    except click.ClickException as exc:
        context = getattr(exc, "ctx", None)
        hint = f"{context.command_path} --help" if context else ""
        logs.log.error("%s", exc.format_message(), extra={"hint": hint})
        return EXIT_USAGE
    except click.Abort:
        logs.log.warning("Interrupted.")
        return INTERRUPTED
    except Exception as exc:
        logs.log.error("unexpected", exc_info=exc, extra=logs.FILE_ONLY)
        show_error(SyncError(f"unexpected: {type(exc).__name__}: {exc}", hint="Run with DEBUG=1 for the traceback."))
        return EXIT_FAILED


def _terminate(number: int, frame: object) -> None:
    """End as Python ends, so that what was started is stopped."""
    sys.exit(TERMINATED)


if __name__ == "__main__":
    script()
