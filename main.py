"""Lists the commands of the command line, and runs them to their end."""

from __future__ import annotations

if __name__ == "__main__":
    from terminal import missing_package

    missing_package.watch()

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from boards.commands import boards
from commands.conflicts import conflicts
from commands.looking import mapping, runs, status, validate
from commands.records import record, retry
from commands.starting import demo, init_db, setup
from commands.syncing import bidirectional, monday_to_pg, pg_to_monday, run_entity
from realtime.commands import scheduled, watch, webhook
from realtime.webhook_commands import webhooks
from terminal.commands import CONTEXT, InOrder
from terminal.leaving import leave_with

COMMANDS: tuple[click.Command, ...] = (
    init_db,
    *(monday_to_pg, pg_to_monday, bidirectional, run_entity),
    *(status, runs, validate, mapping, demo),
    *(webhooks, webhook, watch, scheduled),
    *(setup, conflicts, record, retry),
    boards,
)
"""As `--help` lists them."""


@click.group(
    cls=InOrder,
    context_settings=CONTEXT,
    epilog="Every command has --help, with an example. Settings: .env.example; all else: README.md.",
)
def cli() -> None:
    """Keeps monday.com boards and PostgreSQL tables equal, in both directions."""


for command in COMMANDS:
    cli.add_command(command)


def script(name: str = "", arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line, or one command of it, and ends the process with its exit code.

    Scripts that `boards deploy` wrote for users call it: `script("run", ["--entity", NAME])`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    leave_with(cli, [name, *given] if name else given)


if __name__ == "__main__":
    script()
