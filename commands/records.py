"""Declares the commands on records: `record`, `forget`, and `retry list`, `now`, `drop` for what was refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from errors import SettingsError
from terminal import logs
from terminal.commands import Example, Several, json_option, prepared, subject_option
from values.wording import plural

if TYPE_CHECKING:
    from mappings.declaration import Mapping
    from mappings.query_syncs import QuerySync
    from settings import Settings
    from sync.parts import Parts
    from sync.run import Compose

DIRECTIONS = ("bidirectional", "monday_to_pg", "pg_to_monday", "none")


# record


@click.command("record", cls=Example, example="record contacts/4711 --direction monday_to_pg")
@click.argument("given", metavar="ID")
@click.option("--enable/--disable", "enabled", default=None, help="Sync the record, or do not sync it.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="The direction in which the record is synced.")
@click.option("--recreate", is_flag=True, help="Make a new item for a row whose item is gone.")
@json_option
@click.pass_obj
def record(
    compose: Compose, given: str, enabled: bool | None, direction: str | None, recreate: bool, as_json: bool
) -> None:
    """Show one record, or change its settings. ID is its monday id, its row id, entity/row id, or sync/key."""
    settings = prepared()
    from sync.queries.known import sync_of

    if of_sync := sync_of(settings.home, given):
        return record_of_sync(settings, *of_sync, recreate, as_json)
    from sync import records as work
    from sync.parts import open_parts

    with open_parts(settings, compose().follow) as parts:
        mappings = list(parts.mappings.values())
        with parts.db.transaction() as tx:
            found = work.find(tx, mappings, given)
            # without options the record is only shown
            if enabled is not None or direction is not None:
                work.change(tx, found, enabled, direction)
                found = work.find(tx, [found.mapping], found.row_id)
        if recreate:
            settings.require_key()
            logs.log.info("Made item %s.", work.recreate(parts, found))
        with parts.db.transaction(read_only=True) as tx:
            known = work.shown(tx, work.find(tx, [found.mapping], found.row_id))
    if as_json:
        click.echo(json.dumps(known))
    else:
        show_record(known)


def record_of_sync(settings: Settings, sync: QuerySync, key: str, recreate: bool, as_json: bool) -> None:
    """Shows what is remembered of one row of a sync, or has a new record made for it."""
    from sync.parts import open_parts
    from sync.queries import known

    with open_parts(settings) as parts, parts.db.transaction() as tx:
        if recreate:
            known.recreate(tx, sync, key)
            logs.log.info("The next run makes its record: python main.py run --sync-name %s", sync.name)
        found = known.shown(tx, sync, key)
    if as_json:
        return click.echo(json.dumps(found))
    for name, value in found.items():
        click.echo(f"{name.replace('_', ' ')}: {'-' if value is None else value}")


def show_record(known: dict[str, Any]) -> None:
    """Writes what is known of a record, a line for each value."""
    from terminal.console import say

    for name, value in known.items():
        if name == "conflicts":
            value = ", ".join(f"{conflict['field']} ({conflict['id'][:8]})" for conflict in value) or None
        text = "yes" if value is True else "no" if value is False else "-" if value is None else str(value)
        say(f"{name.replace('_', ' '):<16} {text}")


# forget


@click.command("forget", cls=Example, example="forget --entity contacts --yes")
@click.option(
    *("--entity", "--sync-name", "entity"),
    required=True,
    metavar="NAME",
    help="The entity, or the sync of a query, whose links are forgotten.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(entity: str, yes: bool) -> None:
    """Forget which records of an entity or a sync belong together, so that they meet anew. Both sides stay as they are."""
    settings = prepared()
    from mappings.loader import choose
    from state.aims import forget_links
    from state.query_syncs import forget_sync
    from state.turns import working_on
    from sync.parts import open_parts
    from sync.queries.known import apart

    with open_parts(settings) as parts:
        entities, syncs = apart(settings.home, [entity])
        if syncs:
            # a record that shows the row's key is taken over
            _agree(entity, "look each record up by its row's key", yes)
            with working_on(parts.db, syncs[0].turn), parts.db.transaction() as tx:
                links = forget_sync(tx, entity)
        else:
            mapping = choose(parts.mappings, entities)[0]
            again = mapping.match or mapping.key
            what = "link them again" if again else "double each record: the mapping has no `match`"
            _agree(entity, what, yes)
            with working_on(parts.db, mapping.entity_type), parts.db.transaction() as tx:
                links = forget_links(tx, mapping)
    click.echo(f"{plural(links, 'link')} of {entity} forgotten. The next run meets both sides anew.")


def _agree(entity: str, next_run: str, yes: bool) -> None:
    """Asks the user. Without a terminal and `--yes` it raises SettingsError."""
    asked = f"The links of {entity} are to be forgotten; the next run will {next_run}"
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(f"{asked}. Nothing was done.", hint=f"python main.py forget --entity {entity} --yes")
    click.confirm(f"{asked}. Forget them?", err=True, abort=True)


# retry


@click.group("retry", cls=Several)
def retry() -> None:
    """Look at records that were refused. They are tried again after growing pauses, and set aside after eight tries."""


def chosen_records(command: Callable[..., None]) -> Callable[..., None]:
    """Declares how records are chosen: by ids, by entity or sync, or all."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="All records that wait."),
        subject_option,
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        command = option(command)
    return command


@retry.command("list", cls=Example, example="retry list")
@subject_option
@json_option
def list_waiting(entity: str | None, as_json: bool) -> None:
    """List what will be tried again and what was set aside, with the reasons."""
    from sync.parts import open_parts

    with open_parts(prepared()) as parts:
        found = _waiting(parts, *_subjects(parts, entity))
    if as_json:
        click.echo(json.dumps({"waiting": found}))
    else:
        show_waiting(found)


@retry.command("now", cls=Example, example="retry now --entity users")
@chosen_records
def now(ids: tuple[str, ...], entity: str | None, everything: bool) -> None:
    """Let the next run try the records again, the set-aside ones too. Without ID and --entity: all."""
    settings = prepared()
    from state.query_syncs import try_rows_now
    from sync.parts import open_parts
    from sync.records import try_now

    with open_parts(settings) as parts:
        mappings, syncs = _subjects(parts, entity)
        chosen = _chosen(_waiting(parts, mappings, syncs), ids)
        with parts.db.transaction() as tx:
            try_now(tx, mappings, chosen, settings)
            for name in syncs:
                try_rows_now(tx, name, [waits["entity_id"] for waits in chosen if waits["entity"] == name])
    click.echo(f"{plural(len(chosen), 'record')} will be tried by the next run.")


@retry.command("drop", cls=Example, example="retry drop --entity users")
@chosen_records
@click.pass_obj
def drop(compose: Compose, ids: tuple[str, ...], entity: str | None, everything: bool) -> None:
    """Give the records up: both sides stay as they are until a user edits one of them; of a sync, until its row changes."""
    from sync import records as work
    from sync.parts import board_of, open_parts
    from sync.queries.known import apart, give_up

    # giving up everything has to be asked for
    if not (ids or entity or everything):
        raise SettingsError("Say what to give up.", hint="An id, --entity NAME, or --all.")
    settings = prepared()
    with open_parts(settings, compose().follow) as parts:
        mappings, syncs = _subjects(parts, entity)
        chosen = _chosen(_waiting(parts, mappings, syncs), ids)
        boards = [(mapping, board_id) for mapping in mappings if (board_id := board_of(settings, mapping))]
        rows = [waits for waits in chosen if waits["entity"] in syncs and waits["kind"] == "row"]
        records = [waits for waits in chosen if waits not in rows]
        if records:
            work.drop(parts, boards, records)
        number = len(records) + sum(give_up(parts.db, sync, rows) for sync in apart(settings.home, syncs)[1])
    click.echo(f"{plural(number, 'record')} given up.")


def _subjects(parts: Parts, name: str | None) -> tuple[Sequence[Mapping], Sequence[str]]:
    """Returns the entity or the sync of that name; without one, all entities and the names of all syncs."""
    from mappings.loader import choose
    from sync.queries.known import apart, syncs_as_far_as_readable

    if name is None:
        return choose(parts.mappings, []), list(syncs_as_far_as_readable(parts.settings.home))
    entities, syncs = apart(parts.settings.home, [name])
    return (choose(parts.mappings, entities) if entities else []), [sync.name for sync in syncs]


def _waiting(parts: Parts, mappings: Sequence[Mapping], syncs: Sequence[str]) -> list[dict[str, Any]]:
    from state.query_syncs import refused_rows
    from sync.records import waiting

    with parts.db.transaction(read_only=True) as tx:
        return waiting(tx, mappings, parts.settings) + refused_rows(tx, syncs)


def _chosen(found: list[dict[str, Any]], ids: Sequence[str]) -> list[dict[str, Any]]:
    """Returns those of the waiting records that have these ids; without ids, all."""
    from sync.records import chosen_of

    return [record for given in ids for record in chosen_of(found, given)] if ids else found


def show_waiting(found: Sequence[dict[str, Any]]) -> None:
    """Writes a table of what waits."""
    from terminal.console import say, show_table

    if not found:
        return say("Nothing waits to be tried again.")
    headings = ("entity", "what", "item", "row", "tries", "next try (UTC)", "why")
    show_table("", headings, [_waiting_row(waits) for waits in found], ("tries",))


def _waiting_row(waits: dict[str, Any]) -> tuple[Any, ...]:
    next_try = "set aside" if waits["set_aside"] else (waits["next_try_at"] or "next run")[:16].replace("T", " ")
    name = (waits["entity"], waits["kind"], waits["monday_id"] or waits.get("record_id"), waits["entity_id"])
    return *name, waits["attempts"], next_try, waits["last_error"]
