"""Declares the commands `boards discover`, `deploy`, `reload`, `update`, `list`, `status`, `summary`, `remove`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from errors import SettingsError
from terminal.commands import Example, Several, json_option, prepared, quiet_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boards.deploy import Wanted
    from boards.proposal import Proposal
    from boards.registry import BoardStatus
    from sync.parts import Parts
    from sync.run import Compose, Program
    from terminal.console import Progress

board_option = click.option("--board-id", required=True, metavar="ID", help="The number in the board's address.")
names_option = click.option(
    "--names",
    type=click.Choice(("exact", "plain")),
    default="exact",
    show_default=True,
    help="Name the table columns as on the board, or in snake_case.",
)
batch_option = click.option(
    "--batch-size",
    type=click.IntRange(1, 10_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="The number of rows that are written at once; a page of monday.com has at most 500 items.",
)
workers_option = click.option(
    "--max-workers",
    type=click.IntRange(1, 4),
    default=1,
    show_default=True,
    metavar="N",
    help="The number of groups that are read at the same time.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask: accept what --auto-reject does not name.")
reject_option = click.option(
    "--auto-reject",
    default="",
    metavar="KINDS",
    help="Do not fetch these kinds of columns, and do not ask: relations,mirrors,formulas,dependencies,files.",
)


@click.group("boards", cls=Several)
def boards() -> None:
    """Turn boards into typed tables that stay in sync."""


# Discovering


@boards.command("discover", cls=Example, example="boards discover --board-id 5764059860")
@board_option
@names_option
@json_option
def discover(board_id: str, names: str, as_json: bool) -> None:
    """Show the columns of a board, and propose a mapping and a table. Nothing is made, and no database is needed."""
    settings = prepared()
    from boards.names import entity_of
    from boards.proposal import propose
    from boards.questions import today
    from boards.showing import show_proposals
    from boards.types_of_tables import load_types
    from monday_api import Limits, Monday

    _check_id(board_id)
    with Monday(
        token=settings.require_key(),
        url=settings.api_url,
        version=settings.api_version,
        limits=Limits(give_up_after=settings.give_up_after),
    ) as monday:
        board = monday.board(board_id)
        name = entity_of(board.name, board.id)
        made = propose(board, name, name, load_types(settings.home), monday=monday, names=names).dated(today())
    show_proposals([made], as_json)


def _check_id(board_id: str) -> None:
    if not board_id.isdecimal():
        raise SettingsError(f"{board_id!r} is no board id.", hint="It is the number in the board's address.")


# Deploying


class Manner(Struct, frozen=True):
    """Holds the options of a deploy that are about deciding and showing."""

    existing_table: str
    dry_run: bool
    rejected: frozenset[str]
    yes: bool
    as_json: bool
    quiet: bool


@boards.command("deploy", cls=Example, example="boards deploy --board-id 5764059860 --name staff --table staff")
@board_option
@click.option("--name", default="", metavar="NAME", help="The name of the entity (default: that of the board).")
@click.option("--table", default="", metavar="TABLE", help="The table to make (default: the name).")
@click.option("--schema", default="", metavar="SCHEMA", help="The schema of the table (default: the connection's).")
@names_option
@click.option("--subitems", is_flag=True, help="Make a table of the subitems too.")
@click.option("--existing-table", default="", metavar="TABLE", help="Map this table of yours; make no table.")
@click.option("--match", default="", metavar="COLUMN", help="The column of --existing-table that names a row's item.")
@batch_option
@workers_option
@click.option("--dry-run", is_flag=True, help="Show what would be made, and make nothing.")
@yes_option
@reject_option
@json_option
@quiet_option
@click.pass_obj
def deploy(
    compose: Compose,
    board_id: str,
    existing_table: str,
    dry_run: bool,
    yes: bool,
    auto_reject: str,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Make a table of a board: its mapping, its table, its items, and scripts for orchestrators."""
    settings = prepared(quiet)
    from boards.deploy import Wanted
    from boards.questions import kinds_of, today
    from sync.parts import open_parts
    from terminal.console import Progress

    manner = Manner(existing_table, dry_run, kinds_of(auto_reject), yes, as_json, quiet)
    _check_id(board_id)
    if given["match"] and not existing_table:
        raise SettingsError("--match is for rows that are there already.", hint="Name their table: --existing-table")
    settings.require_key()
    progress, program = Progress(quiet or as_json), compose()
    with open_parts(settings, program.follow, progress=progress) as parts:
        code = deploy_board(program, parts, Wanted(board_id, day=today(), **given), manner, progress)
    sys.exit(code)


def deploy_board(program: Program, parts: Parts, wanted: Wanted, manner: Manner, progress: Progress) -> int:
    """Proposes, asks, makes and shows; returns the exit code. The progress begins only after the questions."""
    from boards import deploy as work
    from boards import showing
    from boards.questions import auto_decided

    made = _proposed(parts, wanted, manner.existing_table)
    if _all_deployed(parts, made) and not manner.dry_run:
        showing.show_already_deployed(made[0].entity, manner.as_json)
        return 0
    made = [auto_decided(proposal, manner.rejected, manner.yes) for proposal in made]
    # with --json the result alone is written
    if manner.dry_run or not (manner.as_json or (manner.quiet and manner.yes)):
        showing.show_proposals(made, manner.as_json)
    if manner.dry_run:
        return 0
    made = [ask_about(proposal, manner.yes) for proposal in made]
    if not confirmed(made, manner.yes):
        showing.show_nothing_made(manner.as_json)
        return 0
    with work.alone(parts, made):
        # Another process may have deployed it while the user was asked.
        if _all_deployed(parts, made):
            showing.show_already_deployed(made[0].entity, manner.as_json)
            return 0
        with progress:
            done, report = work.deploy(parts, made, wanted, program.directions["monday_to_pg"])
    showing.show_deployed(report, done, manner.as_json)
    return report.exit_code


def _proposed(parts: Parts, wanted: Wanted, existing_table: str) -> list[Proposal]:
    from boards import deploy as work
    from boards import existing_tables

    if existing_table:
        return [existing_tables.proposed(parts, wanted, existing_table)]
    return work.proposals(parts, wanted)


def _all_deployed(parts: Parts, made: Sequence[Proposal]) -> bool:
    """Says whether every board is deployed already. Raises SettingsError for a name or a table that cannot be used."""
    from boards import deploy as work

    states = [work.check(parts, proposal) for proposal in made]
    return all(states)


# Asking


def ask_about(proposal: Proposal, yes: bool) -> Proposal:
    """Asks the user about each undecided column. Without a terminal it raises SettingsError."""
    from boards import questions

    asked = questions.questions_about(proposal)
    if not asked:
        return proposal
    if yes or not _at_a_terminal():
        raise questions.not_decided(proposal)
    click.echo(questions.INTRODUCTION, err=True)
    fetched = {question.column_id: click.confirm(question.text, default=True, err=True) for question in asked}
    return questions.with_answers(proposal, fetched)


def confirmed(made: Sequence[Proposal], yes: bool) -> bool:
    """Asks the user whether everything is to be made. Without a terminal and `--yes` it raises SettingsError."""
    from boards import questions

    if yes:
        return True
    if not _at_a_terminal():
        raise questions.not_confirmed(made)
    return click.confirm(questions.last_question(made), default=True, err=True)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


# Deployed boards


@boards.command("reload", cls=Example, example="boards reload staff")
@click.argument("name")
@batch_option
@workers_option
@click.option("--allow-mass-delete", is_flag=True, help="Continue when more than 10 % of the items are gone.")
@click.option("--dry-run", is_flag=True, help="Read and check the board, and show which rows would change.")
@json_option
@quiet_option
@click.pass_obj
def reload(compose: Compose, name: str, as_json: bool, quiet: bool, **asked: Any) -> None:
    """Read a deployed board again, and replace its rows in one transaction, while other programs read them."""
    settings = prepared(quiet)
    from boards import deploy as work
    from boards.showing import show_run
    from sync.options import PullOptions, RunOptions
    from sync.parts import open_parts
    from terminal.console import Progress

    settings.require_key()
    program = compose()
    with Progress(quiet or as_json) as progress, open_parts(settings, program.follow, progress=progress) as parts:
        mapping = work.deployed_mapping(parts, name)
        pull = PullOptions(
            batch_size=min(asked["batch_size"], work.ITEMS_PER_PAGE),
            full=True,
            **{option: asked[option] for option in ("max_workers", "allow_mass_delete", "dry_run")},
        )
        report = work.reload(parts, mapping, RunOptions(pull), asked["batch_size"], program.directions["monday_to_pg"])
    show_run(report, as_json)
    sys.exit(report.exit_code)


@boards.command("update", cls=Example, example="boards update staff")
@click.argument("name")
@yes_option
@reject_option
@json_option
@quiet_option
def update(name: str, yes: bool, auto_reject: str, as_json: bool, quiet: bool) -> None:
    """Apply the changes of the board that wait for a decision."""
    settings = prepared(quiet)
    from boards import update as work
    from boards.questions import auto_decided, kinds_of
    from boards.showing import show_update
    from sync.parts import open_parts

    settings.require_key()
    rejected = kinds_of(auto_reject)

    def decide(proposal: Proposal) -> Proposal:
        return ask_about(auto_decided(proposal, rejected, yes), yes)

    with open_parts(settings) as parts:
        updated = work.update(parts, name, decide)
    show_update(updated, as_json)
    sys.exit(updated.exit_code)


@boards.command("list", cls=Example, example="boards list")
@json_option
def list_boards(as_json: bool) -> None:
    """List the deployed boards."""
    from boards.showing import show_list

    show_list(_known(None), as_json)


@boards.command("status", cls=Example, example="boards status staff")
@click.argument("name")
@json_option
def status(name: str, as_json: bool) -> None:
    """Show one deployed board: its items, its last run, what has changed on the board."""
    from boards.showing import show_status

    show_status(_known(name)[0], as_json)


@boards.command("summary", cls=Example, example="boards summary")
@json_option
def summary(as_json: bool) -> None:
    """Show all deployed boards in a few figures."""
    from boards.registry import summary_of
    from boards.showing import show_summary

    show_summary(summary_of(_known(None)), as_json)


def _known(name: str | None) -> list[BoardStatus]:
    """Returns what the registry knows of one board, or of all."""
    settings = prepared()
    from boards.registry import status_of
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        return status_of(parts.db, name)


@boards.command("remove", cls=Example, example="boards remove staff")
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove a board from the registry. Its files and its tables stay; its mapping is a file of this home alone then."""
    settings = prepared()
    from boards.remove import remove_board
    from boards.showing import show_removed
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        entry, path = remove_board(parts, name)
    show_removed(entry, path, as_json)
