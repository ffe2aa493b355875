"""Declares the commands with which a user starts: `init-db`, `setup`, `demo`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from errors import DatabaseError, SettingsError, SyncError
from terminal import logs
from terminal.commands import Example, entities_option, json_option, prepared
from values.wording import plural

if TYPE_CHECKING:
    from db_connector import Database
    from settings import Settings
    from sync.setup import EntitySetup, Setup


@click.command("init-db", cls=Example, example="init-db")
def init_db() -> None:
    """Make the tables, in an empty database or in a database of an earlier version. Nothing is lost."""
    make_tables(prepared())


def make_tables(settings: Settings) -> None:
    """Makes the tables, and says what was made."""
    from databases.postgres.failures import in_the_way
    from db_connector import connect
    from state.schema import init_db

    db = connect(settings)
    try:
        for table, columns in init_db(db).items():
            click.echo(f"{table} was there already, and got: {', '.join(columns)}.")
        _renew_triggers(db, settings)
        click.echo(f"The tables are ready in {db.target}.")
    except DatabaseError as exc:
        raise in_the_way(exc) from exc.__cause__
    finally:
        db.close()


def _renew_triggers(db: Database, settings: Settings) -> None:
    """Makes the triggers of an earlier version anew. What stands in the way is told: the tables are ready all the same."""
    from state.mapping_texts import stored_mappings
    from sync.parts import mappings_of
    from sync.setup import renew_triggers

    try:
        for table in renew_triggers(db, mappings_of(settings, stored=stored_mappings(db))):
            click.echo(f"The triggers of {table} were made anew.")
    except SyncError as exc:
        logs.log.warning("The triggers of an earlier version stay: %s", exc.message, extra={"hint": "Run setup."})


@click.command("setup", cls=Example, example="setup --yes")
@entities_option
@click.option("--yes", is_flag=True, help="Make the sync id columns without asking.")
@json_option
def setup(entities: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Prepare two-way sync: triggers on the tables, a sync id column on the boards. Can be repeated without harm."""
    settings = prepared()
    from sync.parts import open_parts
    from sync.run import choose_boards
    from sync.setup import set_up

    settings.require_key()
    with open_parts(settings) as parts:
        chosen = choose_boards(settings, parts.mappings, "bidirectional", entities)
        done = set_up(parts, chosen, lambda lacking: may_touch(lacking, yes))
    if as_json:
        click.echo(json.dumps(done.as_json()))
    else:
        show_setup(done)


def may_touch(lacking: Sequence[EntitySetup], yes: bool) -> bool:
    """Asks the user whether columns are made on boards. Without a terminal and `--yes` it raises SettingsError."""
    columns = "; ".join(
        f"{entity.mapping.sync_id[1]!r} on {entity.board.name} ({entity.board.id})"
        for entity in lacking
        if entity.mapping.sync_id
    )
    asked = f"A text column is to be made: {columns}"
    if yes:
        return True
    if not sys.stdin.isatty():
        raise SettingsError(f"{asked}. Nothing was done.", hint="Run it in a terminal, or: python main.py setup --yes")
    return click.confirm(f"{asked}. Make it?", err=True)


def show_setup(done: Setup) -> None:
    """Writes what was made, and what the next run will do."""
    from terminal.console import say

    say(f"Triggers are on {plural(len(done.tables), 'table')}: {', '.join(done.tables)}.")
    for entity in done.entities:
        name = entity.mapping.entity
        # without either, the mapping has no sync id
        if entity.column is not None:
            state = "was made" if entity.made else "is there"
            say(f"{name}: the sync id column {entity.column} {state} on {entity.board.name}.")
        elif entity.lacks_column:
            # The user did not want the column.
            say(f"{name}: without a sync id column; items made of rows are found again by name alone.")
    say("The next run compares every record.")


@click.command("demo", cls=Example, example="demo")
@click.option(
    "--boards",
    default="",
    show_default="users:2000,projects:5000",
    metavar="NAME:COUNT,...",
    help="The number of items of each board; a board that is not named gets its usual number.",
)
@click.option("--dashboard", is_flag=True, help="At the end, serve the dashboard over what was made, until Ctrl-C.")
@click.option(
    "--smartsuite", is_flag=True, help="Show queries of MariaDB, or PostgreSQL, that fill tables of SmartSuite."
)
def demo(boards: str, dashboard: bool, smartsuite: bool) -> None:
    """Show a sync between a stand-in for monday.com and a real PostgreSQL. Needs no account and no database."""
    if smartsuite and (boards or dashboard):
        raise SettingsError("--smartsuite is a demo of its own.", hint="Leave --boards and --dashboard out.")
    logs.to_stderr()
    if smartsuite:
        from commands.demo_smartsuite import run_demo_of_queries

        sys.exit(run_demo_of_queries())
    from commands.demo import run_demo

    sys.exit(run_demo(boards, dashboard))
