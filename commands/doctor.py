"""Declares the command `doctor`: looks at everything that a run needs, and says what mends what it finds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from errors import EXIT_FAILED, SettingsError, SyncError
from settings import Reading, read_settings
from terminal import logs
from terminal.commands import Example, json_option

if TYPE_CHECKING:
    from sync.operating.doctor import Result
    from sync.operating.examined import Examined
    from sync.run import Program

PROGRAM = "python main.py "


class Asked(Struct, frozen=True):
    """Says what is to be looked at, and how it is shown."""

    slugs: Sequence[str] = ()
    entities: Sequence[str] = ()
    offline: bool = False
    share: bool = False
    as_json: bool = False


@click.command("doctor", cls=Example, example="doctor pg")
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option(
    *("--entity", "--sync-name", "entities"),
    multiple=True,
    metavar="NAME",
    help="Only this entity, or this sync. Can be repeated.",
)
@click.option("--offline", is_flag=True, help="Check settings and files alone, without database and monday.com.")
@click.option(
    "--share", is_flag=True, help="Blank ids, hosts, names and paths, so that others can be shown the report."
)
@click.option("--fix", is_flag=True, help="Run the commands that mend what was found and can be repeated without harm.")
@click.option("--yes", is_flag=True, help="With --fix: run them without asking.")
@click.option("--list", "listed", is_flag=True, help="List the checks, and look at nothing.")
@json_option
@click.pass_context
def doctor(
    context: click.Context,
    slugs: tuple[str, ...],
    entities: tuple[str, ...],
    offline: bool,
    share: bool,
    fix: bool,
    yes: bool,
    listed: bool,
    as_json: bool,
) -> None:
    """Look at settings, databases, monday.com, SmartSuite, boards, syncs and work, and say what mends what is wrong.

    SLUG is a check, or how the names of several begin. Exit 0 when all is fine or noted, 3 with warnings, else 1, 2 or 4.
    """
    if fix and as_json:
        raise SettingsError("--fix speaks to a user, and --json to a program.", hint="Use one of them.")
    logs.to_stderr(quiet=True)
    program: Program = context.obj()
    asked = Asked(slugs, entities, offline, share, as_json)
    if listed:
        return list_checks(program, asked)
    from sync.operating.doctor import harmless

    results, code = examine(program, asked)
    if fix and mend(context, harmless(results), yes):
        _, code = examine(program, asked)
    sys.exit(code)


def list_checks(program: Program, asked: Asked) -> None:
    """Writes the slugs of the checks; those of one entity come for each entity."""
    from commands.doctor_report import show_list
    from sync.operating.checks import all_checks
    from sync.operating.doctor import selected
    from sync.operating.examined import Examined

    with closing(Examined(read_settings(), asked.entities)) as examined:
        show_list(selected(all_checks(examined, program.checks(), asked.offline), asked.slugs), asked.as_json)


def examine(program: Program, asked: Asked) -> tuple[list[Result], int]:
    """Looks at all that is wanted, and shows it. Returns the results, and the exit code."""
    reading = read_settings()
    from commands import doctor_report as report
    from sync.operating import doctor as examining
    from sync.operating.checks import all_checks
    from sync.operating.examined import Examined

    with closing(Examined(reading, asked.entities)) as examined:
        began = time.monotonic()
        checks = all_checks(examined, program.checks(), asked.offline)
        wanted = examining.selected(checks, asked.slugs)
        slugs = {check.slug for check in wanted}
        found = examining.examine(examining.with_needs(checks, wanted), masking(reading))
        # a check that only others need is of interest when it fails
        shown = (result for result in found if result.check.slug in slugs or not result.fine)
        facts = report.facts_of(reading)
        blank = partial(_blanked, examined) if asked.share else None
        results = list(shown) if asked.as_json or blank else report.show(facts, shown)
        code, seconds = examining.verdict(results), time.monotonic() - began
        if asked.as_json:
            click.echo(json.dumps(report.as_json(facts, results, (seconds, code), blank)))
        else:
            report.end(facts, results, seconds, blank)
    return results, code


def masking(reading: Reading) -> Callable[[str], str]:
    """Returns what takes the secrets out of a text: a second line of defence, as in the log."""
    secrets = logs.secrets_of(reading.settings)

    def masked(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    return masked


def _blanked(examined: Examined, text: str) -> str:
    from sync.operating.sharing import blanked, private_words

    return blanked(text, private_words(examined))


# Mending


def mend(context: click.Context, commands: Sequence[str], yes: bool) -> bool:
    """Runs the commands, each once it is allowed, and says what came of it. Returns whether any was run."""
    from sync.operating.doctor import without_question

    if not commands:
        click.echo("Nothing of this can be mended by --fix; the lines above say how.")
    ran = False
    for command in commands:
        if not yes and not may_run(command):
            continue
        ran = True
        click.echo(f"\n$ {PROGRAM}{command}")
        code = run(context, without_question(command))
        click.echo(f"{PROGRAM}{command}: {'done' if code == 0 else f'ended with {code}'}.\n")
    return ran


def may_run(command: str) -> bool:
    """Asks the user. Without a terminal it raises SettingsError."""
    if not sys.stdin.isatty():
        raise SettingsError(f"--fix would run: {PROGRAM}{command}", hint="Run it in a terminal, or add --yes.")
    return click.confirm(f"Run {PROGRAM}{command}?", err=True)


def run(context: click.Context, arguments: list[str]) -> int:
    """Runs a command of this program, as a user would. Returns its exit code."""
    program = context.find_root().command
    try:
        program.main(arguments, prog_name=PROGRAM.strip(), standalone_mode=False)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else EXIT_FAILED
    except SyncError as exc:
        logs.log.error("%s", exc.message, extra={"hint": exc.hint})
        return exc.exit_code
    finally:
        logs.to_stderr(quiet=True)
    return 0
