"""Lists the commands, puts together what they are handed, and runs them to their end."""

from __future__ import annotations

if __name__ == "__main__":
    import gc

    from terminal import missing_package

    missing_package.watch()
    gc.disable()  # until all is imported (`terminal.leaving`): nothing of it is garbage

import os
import sys
from collections.abc import Mapping as Mapped
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from boards.commands import boards
from commands.accounts import accounts, enter_account
from commands.alerts import alerts
from commands.conflicts import conflicts
from commands.doctor import doctor
from commands.init import init
from commands.looking import mapping, status, validate
from commands.pausing import pause, resume
from commands.proving import explain, repair, verify
from commands.pruning import prune
from commands.records import forget, record, retry
from commands.runs import runs
from commands.starting import demo, init_db, setup
from commands.syncing import bidirectional, monday_to_pg, pg_to_monday, run_entity
from config.checks import LOG_LEVELS
from jobs import program
from jobs.commands import beat, door, fleet, worker
from realtime.commands import schedule, scheduled, watch, webhook
from realtime.webhook_commands import webhooks
from terminal.commands import CONTEXT, ForAnAccount
from terminal.leaving import leave_with
from web.commands import dashboard

if TYPE_CHECKING:
    from pathlib import Path

    from db_connector import Database
    from mappings.declaration import Mapping
    from models import Board
    from settings import Settings
    from sync.live import Live
    from sync.operating.examined import Checks
    from sync.options import RunOptions
    from sync.parts import Followed, Parts, Updates
    from sync.report import RunReport
    from sync.run import Caller, Program

COMMANDS: tuple[click.Command, ...] = (
    init,
    init_db,
    *(monday_to_pg, pg_to_monday, bidirectional, run_entity),
    *(status, runs, prune, validate, mapping, demo),
    *(webhooks, webhook, watch, scheduled, schedule, dashboard),
    *(setup, conflicts, record, retry, forget),
    *(pause, resume),
    *(verify, repair, explain),
    alerts,
    boards,
    doctor,
    *(accounts, door, worker, beat, fleet),
)
"""As `--help` lists them."""


@click.group(
    cls=ForAnAccount,
    context_settings=CONTEXT,
    epilog="Every command has --help, with an example. Settings: .env.example; all else: README.md.",
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    metavar="LEVEL",
    help="How much is logged: DEBUG, INFO or more. [default: LOG_LEVEL]",
)
@click.option("--account", metavar="NAME", help="Work for this account; python main.py accounts list shows them.")
@click.pass_context
def cli(context: click.Context, log_level: str | None, account: str | None) -> None:
    """Keeps monday.com boards and PostgreSQL tables equal, in both directions."""
    context.obj = compose
    if log_level:
        os.environ["LOG_LEVEL"] = log_level
    if account:
        enter_account(account)


def compose() -> Program:
    """Puts together what commands are handed: how each direction deals with an entity, how a deployed board is followed.

    Its parts are imported only now: that takes longer than `--help` may.
    """
    from sync.run import Program
    from sync_monday_to_pg import pull_entity, read_changes
    from sync_pg_to_monday import both_ways, push_entity

    directions = {"monday_to_pg": pull_entity, "pg_to_monday": push_entity, "bidirectional": both_ways(read_changes)}
    return Program(directions, _follow, _checks, _deployed, _run_syncs, _updates, _live, _send)


def _follow(db: Database, mapping: Mapping, board: Board, home: Path, *, dry_run: bool = False) -> Followed:
    from boards.following import settle  # most runs meet no deployed board

    return settle(db, mapping, board, home, dry_run=dry_run)


def _checks() -> tuple[Checks, ...]:
    from boards import checks as checks_of_deployed
    from realtime import checks as checks_between_runs

    return checks_of_deployed.checks, checks_between_runs.checks


def _deployed(db: Database, name: str | None) -> Sequence[Mapped[str, object]]:
    from boards.registry import status_of

    return status_of(db, name)


def _run_syncs(settings: Settings, names: Sequence[str], options: RunOptions, caller: Caller) -> RunReport | None:
    from sync_mysql_to_smartsuite import run_syncs  # a daemon of boards would hold it for nothing

    return run_syncs(settings, names, options, caller)


def _updates() -> Updates:
    from boards import update
    from sync.parts import Updates

    return Updates(update.preview, update.without)


def _live(program: Program, parts: Parts, mapping: Mapping, board_id: str) -> Live:
    from realtime.slices import LiveSlices

    return LiveSlices(program, parts, mapping, board_id)


def _send(settings: Settings, entities: Sequence[str]) -> Sequence[str]:
    from jobs.sending import ask

    return ask(settings, entities)


program.hand_in(compose)
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
