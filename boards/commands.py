"""`boards discover|deploy|reload|update|list|status|summary|remove`: any board as a table, with no mapping made by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from errors import SettingsError
from terminal import logs

if TYPE_CHECKING:
    from boards.proposal import Proposal, ProposedColumn
    from settings import Settings


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")
batch_option = click.option(
    "--batch-size", type=click.IntRange(1, 10_000), default=1000, show_default=True, metavar="N",
    help="Rows written at once; pages of monday.com have at most 500 items.",
)  # fmt: skip
workers_option = click.option(
    "--max-workers", type=click.IntRange(1, 4), default=1, show_default=True, metavar="N",
    help="Groups of the board read at the same time.",
)  # fmt: skip
mass_option = click.option("--allow-mass-delete", is_flag=True, help="Go on when more than 10 % of the items are gone.")
quiet_option = click.option("--quiet", is_flag=True, help="No progress and no notes.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask: accept what --auto-reject does not name.")
reject_option = click.option(
    "--auto-reject", default="", metavar="KINDS",
    help="Do not fetch these, without asking: relations,mirrors,formulas,dependencies,files.",
)  # fmt: skip


def register(cli: click.Group, example: type[click.Command]) -> None:
    """Declare the group and its commands."""

    @cli.group("boards")
    def boards() -> None:
        """Turn boards into typed tables that stay in sync."""

    def sub(name: str, shown: str) -> Callable[[Any], Any]:
        return boards.command(name, cls=example, example=f"boards {name} {shown}".rstrip())

    @sub("discover", "--board-id 5764059860")
    @click.option("--board-id", required=True, metavar="ID", help="The number in the board's address.")
    @click.option("--names", type=click.Choice(("exact", "plain")), default="exact", show_default=True, help="Of columns.")
    @json_option
    def discover(board_id: str, names: str, as_json: bool) -> None:
        """Show a board's columns, a mapping and a table for it. Nothing is made."""
        show_discovered(board_id, names, as_json)

    @sub("deploy", "--board-id 5764059860 --name staff --table staff")
    @click.option("--board-id", required=True, metavar="ID", help="The number in the board's address.")
    @click.option("--name", default="", metavar="NAME", help="The entity's name (default: the board's).")
    @click.option("--table", default="", metavar="TABLE", help="The table to make (default: the name).")
    @click.option("--schema", default="", metavar="SCHEMA", help="The schema for it (default: that of the connection).")
    @click.option("--names", type=click.Choice(("exact", "plain")), default="exact", show_default=True,
                  help="Table columns as on the board, or in snake_case.")  # fmt: skip
    @click.option("--subitems", is_flag=True, help="Its subitems too, as a table of their own.")
    @click.option("--existing-table", default="", metavar="TABLE", help="Map this table of yours instead of making one.")
    @click.option("--match", default="", metavar="COLUMN",
                  help="The column of --existing-table by which its rows and the items are linked.")  # fmt: skip
    @batch_option
    @workers_option
    @click.option("--dry-run", is_flag=True, help="Show what would be made, and make nothing.")
    @yes_option
    @reject_option
    @json_option
    @quiet_option
    def deploy(**given: Any) -> None:
        """Make a board a table: its mapping, its table, its items, and scripts for orchestrators."""
        deploy_board(**given)

    @sub("reload", "staff")
    @click.argument("name")
    @batch_option
    @workers_option
    @mass_option
    @json_option
    @quiet_option
    def reload(name: str, **given: Any) -> None:
        """Read a deployed board anew and make it live in one transaction, under everybody's eyes."""
        reload_board(name, **given)

    @sub("update", "staff")
    @click.argument("name")
    @yes_option
    @reject_option
    @json_option
    @quiet_option
    def update(name: str, yes: bool, auto_reject: str, as_json: bool, quiet: bool) -> None:
        """Apply what has changed on the board and waits for a person."""
        update_board(name, yes, auto_reject, as_json, quiet)

    @sub("list", "")
    @json_option
    def list_(as_json: bool) -> None:
        """The deployed boards."""
        look(None, "list", as_json)

    @sub("status", "staff")
    @click.argument("name")
    @json_option
    def status(name: str, as_json: bool) -> None:
        """What is known of one: its items, its last run, what has changed on the board."""
        look(name, "status", as_json)

    @sub("summary", "")
    @json_option
    def summary(as_json: bool) -> None:
        """All deployed boards in a few figures."""
        look(None, "summary", as_json)

    @sub("remove", "staff")
    @click.argument("name")
    @json_option
    def remove(name: str, as_json: bool) -> None:
        """Forget a deployed board. Its files and its tables stay."""
        remove_board(name, as_json)


def prepared(quiet: bool = False) -> Settings:
    """The settings, with logging set up as they say."""
    from settings import load_settings

    logs.to_stderr(quiet)
    settings = load_settings()
    logs.set_up(settings, quiet)
    return settings


# Discovering and deploying


def show_discovered(board_id: str, names: str, as_json: bool) -> None:
    """The proposal, without a database."""
    from boards.names import entity_of
    from boards.proposal import propose
    from boards.questions import today
    from boards.types_of_tables import load_types
    from monday_api import Limits, Monday

    settings = prepared()
    _checked_id(board_id)
    key, limits = settings.require_key(), Limits(give_up_after=settings.give_up_after)
    with Monday(token=key, url=settings.api_url, version=settings.api_version, limits=limits) as monday:
        board = monday.board(board_id)
        name = entity_of(board.name, board.id)
        made = propose(board, name, name, load_types(settings.home), monday=monday, day=today(), names=names)
    show_proposals([made], as_json)


def show_proposals(made: Sequence[Proposal], as_json: bool) -> None:
    """Columns, mapping and DDL; or one JSON object."""
    from boards.proposal import related_boards, subitem_boards
    from boards.tables import create_statements, ddl_text
    from terminal.console import say, show_table

    if as_json:
        shapes = [
            {**one.as_json(), "mapping": one.text(), "ddl": [f"{line};" for line in create_statements(one)]} for one in made
        ]
        return say(json.dumps(shapes[0] if len(shapes) == 1 else {"boards": shapes}, default=str))
    for one in made:
        items = "" if one.board.items_count is None else f", {one.board.items_count:,} items"
        say(f"Board {one.board.name} ({one.board.id}){items} as the table {one.table_name}:")
        say(f"Groups: {', '.join(title for _, title in one.board.groups) or 'none'}")
        if below := subitem_boards(one.board):
            say(f"Subitems: board {below[0]} (--subitems makes it a table, too)")
        for column in one.columns:
            if boards := related_boards(column.about):
                say(f"{column.about.title}: items of board {', '.join(boards)}")
        say("")
        rows = [
            (column.about.title, column.about.type, "-" if column.rejected else column.column,
             "-" if column.rejected else column.sql_type, _note(column), "; ".join(column.samples))
            for column in one.columns
        ]  # fmt: skip
        show_table("", ("on the board", "type", "column", "SQL type", "note", "for example"), rows)
        say(f"\n-- The mapping, {one.entity}.yaml\n\n{one.text()}")
        say(f"-- The table\n\n{ddl_text(create_statements(one)) or 'as it is: nothing of it is altered'}")


def _note(column: ProposedColumn) -> str:
    notes = [column.decision or ("to decide" if column.hard else ""), "" if column.writable else "read-only"]
    return ", ".join(filter(None, notes))


def deploy_board(
    board_id: str, existing_table: str, dry_run: bool, yes: bool, auto_reject: str, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Propose, ask, make."""
    from boards import deploy as boards_deploy
    from boards.deploy import Wanted
    from boards.questions import ask_about, auto_decided, confirm, kinds_of, today
    from sync.parts import mappings_of, open_parts
    from terminal.console import Progress

    settings = prepared(quiet)
    rejected = kinds_of(auto_reject)
    _checked_id(board_id)
    if given["match"] and not existing_table:
        raise SettingsError("--match is for rows that are there already.", hint="Name their table: --existing-table")
    settings.require_key()
    wanted = Wanted(board_id, day=today(), **given)
    progress = Progress(quiet or as_json)  # not begun yet: a bar would wipe out the questions
    with open_parts(settings, mappings_of(settings), progress) as parts:
        made = boards_deploy.proposals(parts, wanted) if not existing_table else existing(parts, wanted, existing_table)
        states = [boards_deploy.check(parts, one) for one in made]
        if all(states) and not dry_run:
            return _already(made[0], as_json)
        made = [auto_decided(one, rejected, yes) for one in made]
        if dry_run:
            return show_proposals(made, as_json)
        if not as_json and not (quiet and yes):
            show_proposals(made, False)
        made = [ask_about(one, yes) for one in made]
        if not confirm(made, yes):
            return click.echo(json.dumps({"deployed": []}) if as_json else "Nothing was made.")
        with boards_deploy.alone(parts, made):
            states = [boards_deploy.check(parts, one) for one in made]
            if all(states):
                return _already(made[0], as_json)
            with progress:
                done, report = boards_deploy.deploy(parts, made, wanted)
    _show_run(report, as_json, {"deployed": [_deployed_json(one) for one in done]})
    for one in () if as_json else done:
        for path in one.files:
            click.echo(f"Wrote {path}.")
        for link in one.links:
            click.echo(f"Link table: {link}.")
    sys.exit(report.exit_code)


def existing(parts: Any, wanted: Any, table: str) -> list[Proposal]:
    """A mapping to a table that is there already."""
    from boards import existing_tables

    return [existing_tables.proposed(parts, wanted, table)]


def _already(proposal: Proposal, as_json: bool) -> None:
    if as_json:
        return click.echo(json.dumps({"deployed": [], "already": proposal.entity}))
    name = proposal.entity
    click.echo(f"{name} is deployed already; nothing was done. Read it anew: python main.py boards reload {name}")


def _deployed_json(one: Any) -> dict[str, Any]:
    return {
        "entity": one.mapping.entity, "board_id": one.mapping.board_id, "table": one.mapping.table,
        "files": [str(path) for path in one.files], "links": one.links,
    }  # fmt: skip


def _checked_id(board_id: str) -> None:
    if not board_id.isdecimal():
        raise SettingsError(f"{board_id!r} is no board id.", hint="It is the number in the board's address.")


# Deployed boards


def reload_board(
    name: str, batch_size: int, max_workers: int, allow_mass_delete: bool, as_json: bool, quiet: bool
) -> None:
    """Read a deployed board anew."""
    from boards import deploy as boards_deploy
    from sync.board import PullOptions
    from sync.parts import open_parts
    from sync.run import RunOptions
    from terminal.console import Progress

    settings = prepared(quiet)
    settings.require_key()
    with Progress(quiet or as_json) as progress, open_parts(settings, progress=progress) as parts:
        mapping = boards_deploy.deployed_mapping(parts, name)
        pull = PullOptions(
            batch_size=min(batch_size, boards_deploy.ITEMS_PER_PAGE), max_workers=max_workers, full=True,
            allow_mass_delete=allow_mass_delete,
        )  # fmt: skip
        report = boards_deploy.reload(parts, mapping, RunOptions(pull), batch_size)
    _show_run(report, as_json)
    sys.exit(report.exit_code)


def _show_run(report: Any, as_json: bool, more: dict[str, Any] | None = None) -> None:
    from sync.report import entity_line, run_line

    for problem in report.problems:
        logs.log.error("%s", problem.message, extra={"hint": problem.hint})
    if as_json:
        return click.echo(json.dumps({**report.as_json(), **(more or {})}))
    for entity in report.entities:
        click.echo(entity_line(entity, report.direction))
    click.echo(run_line(report))


def update_board(name: str, yes: bool, auto_reject: str, as_json: bool, quiet: bool) -> None:
    """Apply what waits."""
    from boards import update as boards_update
    from boards.questions import kinds_of

    settings = prepared(quiet)
    settings.require_key()
    sys.exit(boards_update.run(settings, name, yes, kinds_of(auto_reject), as_json, quiet))


def look(name: str | None, what: str, as_json: bool) -> None:
    """The registry."""
    from boards import registry
    from sync.parts import open_parts

    with open_parts(prepared()) as parts:
        found = registry.status_of(parts.db, name)
    if what == "list":
        registry.show_list(found, as_json)
    elif what == "summary":
        registry.show_summary(registry.summary_of(found), as_json)
    else:
        registry.show_status(found[0], as_json)


def remove_board(name: str, as_json: bool) -> None:
    """Take a board out of the registry, and say what stays."""
    from boards import registry
    from sync.parts import open_parts

    with open_parts(prepared()) as parts, parts.db.transaction() as tx:
        entry = registry.one_of(tx, name)
        registry.remove(tx, name)
    path, table = entry["mapping_path"], entry["table_name"]
    if as_json:
        return click.echo(json.dumps({"removed": name, "stays": {"table": table, "mapping": path}}))
    click.echo(f"{name} is out of the registry. The table {table} and the mapping {path} stay, and runs go on reading it.")
    click.echo(f"To end that too, remove the mapping; to end all, drop the table: drop table {table};")
