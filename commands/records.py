"""The commands for what is a person's to say: `setup`, `conflicts`, `record`, `retry`; and the question of a first run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from errors import EXIT_LEFTOVERS, SettingsError
from terminal import logs

if TYPE_CHECKING:
    from settings import Settings
    from sync.report import EntityReport, RunReport
    from sync.run import RunOptions
    from sync.setup import EntitySetup

SIDES = ("monday", "postgres")

entity_option = click.option("--entity", metavar="NAME", help="Only this entity.")
entities_option = click.option("--entity", "entities", multiple=True, metavar="NAME", help="Only this one. Can be repeated.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")


def register(cli: click.Group, command: Callable[..., Any], example: type[click.Command]) -> None:
    """Declare the commands."""

    def sub(parent: click.Group, name: str, shown: str) -> Callable[[Any], Any]:
        return parent.command(name, cls=example, example=f"{parent.name} {shown}")

    @command("setup", "setup --yes")
    @entities_option
    @click.option("--yes", is_flag=True, help="Make the sync id columns without asking.")
    @json_option
    def setup(entities: tuple[str, ...], yes: bool, as_json: bool) -> None:
        """Prepare two-way sync: triggers on the tables, a sync id column on the boards. Doing it again is harmless."""
        set_up(entities, yes, as_json)

    @cli.group("conflicts")
    def conflicts() -> None:
        """Look at what both sides changed, and decide it, also anew."""

    @sub(conflicts, "list", "list --entity projects")
    @entity_option
    @click.option("--all", "everything", is_flag=True, help="Also those that were decided.")
    @click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N.")
    @json_option
    def list_(entity: str | None, everything: bool, limit: int | None, as_json: bool) -> None:
        """The conflicts that wait for a person."""
        list_conflicts(entity, everything, limit, as_json)

    @sub(conflicts, "show", "show 3f2a9c1e")
    @click.argument("conflict", metavar="ID")
    @json_option
    def show(conflict: str, as_json: bool) -> None:
        """Everything that is known of one: what was agreed, both values, their times, the rule, the winner."""
        show_conflict(conflict, as_json)

    @sub(conflicts, "resolve", "resolve 3f2a9c1e --winner monday")
    @click.argument("ids", metavar="[ID]...", nargs=-1)
    @click.option("--winner", type=click.Choice(SIDES), required=True, help="Whose value both sides are to show.")
    @click.option("--entity", metavar="NAME", help="Instead of ids: all of an entity that wait.")
    @click.option("--all", "everything", is_flag=True, help="With --entity: also those that were decided.")
    @click.option("--force", is_flag=True, help="Also over what somebody has edited since then.")
    @json_option
    def resolve(
        ids: tuple[str, ...], winner: str, entity: str | None, everything: bool, force: bool, as_json: bool
    ) -> None:
        """Let one side win, on both sides, whatever was decided before. Exit 3 when it could not be done for some."""
        resolve_conflicts(ids, winner, entity, everything, force, as_json)

    @command("record", "record contacts/4711 --direction monday_to_pg")
    @click.argument("given", metavar="ID")
    @click.option("--enable/--disable", "enabled", default=None, help="Whether it is synced at all.")
    @click.option(
        "--direction", type=click.Choice(("bidirectional", "monday_to_pg", "pg_to_monday", "none")), help="Which way."
    )
    @click.option("--recreate", is_flag=True, help="Make a new item of a row whose own is gone.")
    @json_option
    def record(given: str, enabled: bool | None, direction: str | None, recreate: bool, as_json: bool) -> None:
        """Show one record, or change its settings. ID is its monday id, its row id, or entity/row id."""
        deal_with_record(given, enabled, direction, recreate, as_json)

    @cli.group("retry")
    def retry() -> None:
        """Look at what was refused: it is tried again with growing pauses, and set aside after eight times."""

    @sub(retry, "list", "list")
    @entity_option
    @json_option
    def list_waiting(entity: str | None, as_json: bool) -> None:
        """What is tried again, and what was set aside, each with its reason."""
        show_retries(entity, as_json)

    for name, about in (
        ("now", "Let the next run try them, also what was set aside. Without ID and --entity: everything."),
        ("drop", "Give them up: both sides stay as they are until somebody edits one."),
    ):
        what = click.argument("ids", metavar="[ID]...", nargs=-1)
        everything = click.option("--all", "everything", is_flag=True, help="Everything that waits.")
        act = sub(retry, name, f"{name} --entity users")(what(entity_option(everything(_retrying(name)))))
        act.help = about


def _retrying(name: str) -> Callable[..., None]:
    def act(ids: tuple[str, ...], entity: str | None, everything: bool) -> None:
        deal_with_retries(name, ids, entity, everything)

    return act


def prepared() -> Any:
    """The settings, with logging set up as they say."""
    from settings import load_settings

    logs.to_stderr()
    settings = load_settings()
    logs.set_up(settings)
    return settings


# setup


def set_up(entities: Sequence[str], yes: bool, as_json: bool) -> None:
    """Make what is missing, asking before a board is touched."""
    from sync import setup as sync_setup
    from sync.parts import mappings_of, open_parts
    from sync.run import choose_boards

    settings = prepared()
    mappings = mappings_of(settings)
    chosen = choose_boards(settings, mappings, "bidirectional", entities)
    settings.require_key()

    def may_touch(lacking: Sequence[EntitySetup]) -> bool:
        asked = sync_setup.question(lacking)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise SettingsError(f"{asked}. Nothing was done.", hint="Run it in a terminal, or: python main.py setup --yes")
        return click.confirm(f"{asked}. Make it?", err=True)

    with open_parts(settings, mappings) as parts:
        done = sync_setup.set_up(parts, chosen, may_touch)
    if as_json:
        click.echo(json.dumps(done.as_json()))
    else:
        sync_setup.show(done)


# conflicts


def list_conflicts(entity: str | None, everything: bool, limit: int | None, as_json: bool) -> None:
    """A table, or an object."""
    from sync import resolve as sync_resolve
    from sync.parts import open_parts

    with open_parts(prepared()) as parts:
        _check_entity(parts.mappings, entity)
        with parts.db.transaction(read_only=True) as tx:
            found = sync_resolve.conflicts_of(tx, parts.mappings.values(), entity, everything, limit)
    if as_json:
        click.echo(json.dumps({"conflicts": found}))
    else:
        sync_resolve.show_list(found)


def show_conflict(given: str, as_json: bool) -> None:
    """One conflict."""
    from sync import resolve as sync_resolve
    from sync.parts import open_parts

    with open_parts(prepared()) as parts, parts.db.transaction(read_only=True) as tx:
        (found,) = sync_resolve.find(tx, parts.mappings.values(), [given])
    if as_json:
        click.echo(json.dumps(found))
    else:
        sync_resolve.show_one(found)


def resolve_conflicts(
    ids: Sequence[str], winner: str, entity: str | None, everything: bool, force: bool, as_json: bool
) -> None:
    """Decide some."""
    from sync import resolve as sync_resolve
    from sync.parts import open_parts

    if bool(ids) == bool(entity):
        raise SettingsError("Name conflicts by their ids, or an entity.", hint="python main.py conflicts list")
    settings = prepared()
    settings.require_key()
    with open_parts(settings) as parts:
        _check_entity(parts.mappings, entity)
        with parts.db.transaction(read_only=True) as tx:
            mappings = parts.mappings.values()
            if ids:
                found = sync_resolve.find(tx, mappings, ids)
            else:
                found = sync_resolve.conflicts_of(tx, mappings, entity, everything)
        settled = sync_resolve.resolve(parts, found, winner, force)
    if as_json:
        click.echo(json.dumps({"conflicts": [one.as_json() for one in settled]}))
    else:
        sync_resolve.show_settled(settled)
    sys.exit(EXIT_LEFTOVERS if any(one.problem for one in settled) else 0)


def _check_entity(mappings: Any, entity: str | None) -> None:
    from mappings.loader import choose

    choose(mappings, [entity] if entity else [])


# record


def deal_with_record(given: str, enabled: bool | None, direction: str | None, recreate: bool, as_json: bool) -> None:
    """Change one record, and show it."""
    from sync import records as sync_records
    from sync.parts import open_parts

    settings = prepared()
    with open_parts(settings) as parts:
        mappings = list(parts.mappings.values())
        with parts.db.transaction() as tx:
            record = sync_records.find(tx, mappings, given)
            if enabled is not None or direction is not None:
                sync_records.change(tx, record, enabled, direction)
                record = sync_records.find(tx, [record.mapping], record.row_id)
        if recreate:
            settings.require_key()
            logs.log.info("Made item %s.", sync_records.recreate(parts, record))
        with parts.db.transaction(read_only=True) as tx:
            known = sync_records.shown(tx, sync_records.find(tx, [record.mapping], record.row_id))
    if as_json:
        click.echo(json.dumps(known))
    else:
        sync_records.show_record(known)


# retry


def show_retries(entity: str | None, as_json: bool) -> None:
    """What waits."""
    from mappings.loader import choose
    from sync import records as sync_records
    from sync.parts import open_parts

    with open_parts(prepared()) as parts, parts.db.transaction(read_only=True) as tx:
        found = sync_records.waiting(tx, choose(parts.mappings, [entity] if entity else []), parts.settings)
    if as_json:
        click.echo(json.dumps({"waiting": found}))
    else:
        sync_records.show_waiting(found)


def deal_with_retries(what: str, ids: Sequence[str], entity: str | None, everything: bool) -> None:
    """Try again, or give up."""
    from mappings.loader import choose
    from sync import records as sync_records
    from sync.parts import board_of, open_parts
    from values.wording import plural

    if what == "drop" and not (ids or entity or everything):
        raise SettingsError("Say what to give up.", hint="An id, --entity NAME, or --all.")
    settings = prepared()
    with open_parts(settings) as parts:
        mappings = choose(parts.mappings, [entity] if entity else [])
        with parts.db.transaction(read_only=True) as tx:
            found = sync_records.waiting(tx, mappings, settings)
        some = [one for given in ids for one in sync_records.chosen_of(found, given)] if ids else found
        if what == "now":
            with parts.db.transaction() as tx:
                sync_records.try_now(tx, mappings, some, settings)
        elif some:
            boards = [(one, board_id) for one in mappings if (board_id := board_of(settings, one))]
            sync_records.drop(parts, boards, some)
    click.echo(f"{plural(len(some), 'record')} {'will be tried by the next run' if what == 'now' else 'given up'}.")


# The first run


def settle_first_meeting(
    settings: Settings, report: RunReport, options: RunOptions | None, show: Callable[[RunReport, bool], None]
) -> RunReport:
    """Ask, once per entity, which side wins where both had data before they met; nobody answers outside a terminal."""
    from sync.run import RunOptions, run

    options = options or RunOptions()
    left, last = 0, report
    for entity in [one for one in report.entities if one.first_held]:
        winner = ask_who_wins(entity)
        if winner is None:
            left += 1
            continue
        again = replace(options, pull=replace(options.pull, first=winner, limit=None))
        last = run(settings, report.direction, [entity.entity], again)
        show(last, False)
        left += bool(last.exit_code)
    others = any(one.exit_code for one in report.entities if not one.first_held)
    return report if left or others else last


def ask_who_wins(report: EntityReport) -> str | None:
    """The side to win; None: nobody says, and all stays held."""
    from values.wording import plural

    sync_records = plural(report.first_held, "record")
    found = f"{report.entity}: unequal fields in {sync_records} that both sides had before they met."
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        logs.log.warning(
            "%s Nothing was overwritten. Let one side win with --prefer monday or --prefer postgres, or decide one by one:"
            " python main.py conflicts list --entity %s", found, report.entity,
        )  # fmt: skip
        return None
    answer = click.prompt(f"{found} Who wins?", type=click.Choice([*SIDES, "hold"]), default="hold", err=True)
    return None if answer == "hold" else str(answer)
