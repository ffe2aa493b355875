"""Declares `init`: it asks for what a sync needs, tests each answer, and ends with a look at ten records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from errors import EXIT_IN_STEP
from terminal import logs
from terminal.commands import Example

if TYPE_CHECKING:
    from commands.init_questions import Asked, Flags
    from mappings.declaration import Mapping
    from settings import Settings
    from sync.run import Compose

PATH = click.Path(dir_okay=False, path_type=Path)


@click.command("init", cls=Example, example="init --key-file key.txt --embedded --board users=5764059860")
@click.option("--key-file", type=PATH, metavar="FILE", help="A file that holds the key of monday.com.")
@click.option("--key-stdin", is_flag=True, help="Read the key from stdin.")
@click.option("--database-url-file", type=PATH, metavar="FILE", help="A file that holds the DATABASE_URL.")
@click.option("--embedded", is_flag=True, help="Use a PostgreSQL of the tool's own.")
@click.option("--board", "boards", multiple=True, metavar="ENTITY=ID", help="The board of an entity. Can be repeated.")
@click.option("--no-boards", is_flag=True, help="Leave the boards as they are set.")
@click.option(
    "--webhook-url", metavar="URL", help="The address under which monday.com reaches this machine (optional)."
)
@click.option("--yes", is_flag=True, help="Take what is set already and the boards that fit, without asking.")
@click.pass_obj
def init(compose: Compose, boards: Sequence[str], **given: Any) -> None:
    """Ask for what a sync needs, test each answer, write .env, make the tables, and show ten records as a dry run.

    Can be run again: what is set is the default. Until the last question is answered nothing is changed.
    Without a terminal each question needs its flag.
    """
    logs.to_stderr()
    from commands.init_questions import Flags

    flags = Flags(boards=_boards(boards), **given)
    _check_together(flags)
    sys.exit(run_init(compose, flags))


def _boards(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [text for text, (entity, _, board) in zip(given, pairs, strict=True) if not entity or not board]:
        raise click.UsageError(f"--board takes ENTITY=ID, such as users=5764059860 (not {wrong[0]!r}).")
    boards = {entity.strip(): board.strip() for entity, _, board in pairs}
    if len(boards) < len(pairs):
        raise click.UsageError("--board names an entity twice.")
    return boards


def _check_together(flags: Flags) -> None:
    for first, second, both in (
        ("--key-file", "--key-stdin", flags.key_file and flags.key_stdin),
        ("--database-url-file", "--embedded", flags.database_url_file and flags.embedded),
        ("--board", "--no-boards", flags.boards and flags.no_boards),
    ):
        if both:
            raise click.UsageError(f"Give {first} or {second}, not both.")


# The steps


def run_init(compose: Compose, flags: Flags) -> int:
    """Asks, writes, makes and shows, in this order. Returns the exit code."""
    from commands.env_file import target_of, text_of, write
    from commands.init_questions import confirmed
    from settings import env_file

    path = env_file()
    target = target_of(path)
    text_of(target)
    asked, chosen = _ask(_begun(flags, path))
    if not confirmed(asked, f"Write {path} and make the tables?"):
        click.echo("Nothing was changed.")
        return EXIT_IN_STEP
    written = write(path, asked.values)
    click.echo(f"{path} is {'written' if written else 'as it was'}; only you can read it.")
    _tell_hidden(asked)
    code = _make_and_look(compose, asked.settings, chosen)
    click.echo(f"Next: python main.py {_next(chosen)}")
    return code


def _begun(flags: Flags, path: Path) -> Asked:
    """Returns what is set before the first question. A setting that is wrong is told, and is asked for anew."""
    from commands.init_questions import Asked, check_flags
    from settings import read_settings

    read = read_settings()
    terminal = sys.stdin.isatty() and sys.stderr.isatty() and not flags.key_stdin
    asked = Asked(read.settings, flags, terminal)
    check_flags(asked)
    asked = asked.without_wrong(read.mistakes)
    click.echo(f"The settings are kept in {path}.{' Ctrl-C leaves everything as it is.' * asked.asks}")
    return asked


def _ask(asked: Asked) -> tuple[Asked, list[Mapping]]:
    """Asks all questions, in their order. Returns the answers, and the mappings that have a board."""
    from commands.init_questions import ask_boards, ask_database, ask_key, ask_webhooks
    from sync.parts import mappings_of

    asked = _known(ask_key(_known(asked)))
    asked = _known(ask_database(asked))
    found = mappings_of(asked.settings, keep=False).values()  # nothing is written before the last answer
    flowing = [mapping for mapping in found if mapping.board_setting and mapping.direction != "none"]
    asked, chosen = ask_boards(asked, flowing)
    return ask_webhooks(asked), chosen


def _known(asked: Asked) -> Asked:
    """Logs as the settings say, on stderr alone so far, and keeps the secrets among the answers out of it."""
    settings = asked.settings
    logs.to_stderr(False, settings.debug, settings.log_format, logs.secrets_of(settings))
    return asked


def _tell_hidden(asked: Asked) -> None:
    """Warns of answers that a variable of the environment hides: it wins over `.env`."""
    from commands.init_questions import in_environment

    for variable in filter(None, map(in_environment, asked.values)):
        logs.log.warning("%s is set in the environment, which wins over .env: unset it there.", variable)


def _make_and_look(compose: Compose, settings: Settings, chosen: Sequence[Mapping]) -> int:
    """Makes the tables, holds the mappings against boards and tables, and shows what a first run would do."""
    from commands.looking import show_findings
    from commands.starting import make_tables
    from sync.validation import validated

    limited = logs.set_up(settings)
    make_tables(settings)
    if not chosen:
        return EXIT_IN_STEP
    result = validated(settings, [mapping.entity for mapping in chosen], offline=False)
    show_findings(result, as_json=False)
    return result.exit_code or _dry_run(compose, settings, chosen[0], limited)


def _dry_run(compose: Compose, settings: Settings, mapping: Mapping, limited: logs.RateLimitedLog) -> int:
    from sync.command import TEST_RECORDS, show_entity_line, show_run
    from sync.options import PullOptions, RunOptions
    from sync.run import Caller, run

    direction = "monday_to_pg" if _is_pulled(mapping) else "pg_to_monday"
    click.echo(f"The first {TEST_RECORDS} records of {mapping.entity}, as a dry run:")
    options = RunOptions(PullOptions(limit=TEST_RECORDS, dry_run=True))
    caller = Caller(on_entity=lambda report: show_entity_line(report, direction))
    report = run(compose(), settings, direction, [mapping.entity], options, caller)
    show_run(report, False, limited)
    return report.exit_code


def _is_pulled(mapping: Mapping) -> bool:
    return mapping.direction != "pg_to_monday"


def _next(chosen: Sequence[Mapping]) -> str:
    """Returns the command to go on with."""
    if not chosen:
        return "boards discover --board-id ID"
    command = "monday-to-pg" if _is_pulled(chosen[0]) else "pg-to-monday"
    same = [mapping.entity for mapping in chosen if _is_pulled(mapping) == _is_pulled(chosen[0])]
    return " ".join([command, *(f"--entity {entity}" for entity in same)])
