"""Declares the commands `conflicts list`, `show`, `resolve`: what both sides changed, and which side wins."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from errors import EXIT_LEFTOVERS, SettingsError
from terminal.commands import Example, Several, entity_option, json_option, prepared

if TYPE_CHECKING:
    from db_connector import Database
    from mappings.declaration import Mapping
    from settings import Settings
    from sync.queries.settle import Settled
    from sync.resolve import Resolved
    from sync.run import Compose

SIDES = ("monday", "postgres")
OF_SYNCS = ("mysql", "smartsuite")
SHORT = 8
"""The number of characters of an id that are shown; they are enough to name it."""


@click.group("conflicts", cls=Several)
def conflicts() -> None:
    """Look at what both sides changed, and decide which side wins. A decision can be changed."""


@conflicts.command("list", cls=Example, example="conflicts list --entity projects")
@entity_option
@click.option("--all", "everything", is_flag=True, help="Show the decided conflicts too.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@json_option
def list_conflicts(entity: str | None, everything: bool, limit: int | None, as_json: bool) -> None:
    """List the conflicts that wait for a decision."""
    from mappings.query_syncs import load_syncs
    from state.disputes import conflicts_of, is_of_sync, names_of
    from sync.parts import open_parts
    from sync.queries.settle import shape_of

    settings = prepared()
    syncs = load_syncs(settings.home)
    with open_parts(settings) as parts:
        if entity not in syncs:
            _check_entity(parts.mappings, entity)
        with parts.db.transaction(read_only=True) as tx:
            found = conflicts_of(tx, names_of(parts.mappings.values(), syncs), entity, everything, limit)
    # a query's conflict has another shape
    of_syncs = [shape_of(conflict) for conflict in found if is_of_sync(conflict)]
    found = [conflict for conflict in found if not is_of_sync(conflict)]
    if as_json:
        click.echo(json.dumps({"conflicts": found, "of_syncs": of_syncs}))
    else:
        show_lists(found, of_syncs)


@conflicts.command("show", cls=Example, example="conflicts show 3f2a9c1e")
@click.argument("conflict", metavar="ID")
@json_option
def show(conflict: str, as_json: bool) -> None:
    """Show everything that is known of one conflict: the agreed value, both values, their times, the rule, the winner."""
    from state.disputes import find, is_of_sync, names_of
    from sync.parts import open_parts
    from sync.queries.settle import shape_of

    with open_parts(prepared()) as parts, parts.db.transaction(read_only=True) as tx:
        (found,) = find(tx, names_of(parts.mappings.values(), ()), [conflict])
    found = shape_of(found) if is_of_sync(found) else found
    if as_json:
        click.echo(json.dumps(found))
    else:
        show_conflict(found)


@conflicts.command("resolve", cls=Example, example="conflicts resolve 3f2a9c1e --winner monday")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--winner", type=click.Choice((*SIDES, *OF_SYNCS)), required=True, help="The side whose value both sides get."
)
@click.option("--entity", metavar="NAME", help="Instead of ids: all waiting conflicts of an entity.")
@click.option("--all", "everything", is_flag=True, help="With --entity: the decided conflicts too.")
@click.option("--force", is_flag=True, help="Overwrite what a user has edited since the conflict, too.")
@json_option
@click.pass_obj
def resolve(
    compose: Compose,
    ids: tuple[str, ...],
    winner: str,
    entity: str | None,
    everything: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Let one side win on both sides, also against an earlier decision. Exit 3 when that failed for some conflicts.

    The sides of a conflict of a sync of a query are mysql, which is its source, and smartsuite.
    """
    # neither, or both
    if bool(ids) == bool(entity):
        raise SettingsError("Name conflicts by their ids, or an entity.", hint="python main.py conflicts list")
    settings, asked = prepared(), Asked(ids, winner, entity, everything, force)
    if winner in OF_SYNCS:
        settled: Sequence[Resolved | Settled] = _settle(settings, asked)
    else:
        settled = _resolve(settings, compose, asked)
    if as_json:
        click.echo(json.dumps({"conflicts": [conflict.as_json() for conflict in settled]}))
    else:
        show_settled(settled)
    sys.exit(EXIT_LEFTOVERS if any(conflict.problem for conflict in settled) else 0)


class Asked(Struct, frozen=True):
    """Holds which conflicts a user wants to be settled, and how."""

    ids: tuple[str, ...]
    winner: str
    entity: str | None
    everything: bool
    force: bool


def _resolve(settings: Settings, compose: Compose, asked: Asked) -> Sequence[Resolved]:
    from state.disputes import names_of
    from sync import resolve as work
    from sync.parts import open_parts

    settings.require_key()
    with open_parts(settings, compose().follow) as parts:
        _check_entity(parts.mappings, asked.entity)
        found = _asked_for(parts.db, names_of(parts.mappings.values(), ()), asked)
        return work.resolve(parts, found, asked.winner, asked.force)


def _settle(settings: Settings, asked: Asked) -> Sequence[Settled]:
    from mappings.query_syncs import choose_syncs, load_syncs
    from state.disputes import names_of
    from sync.queries.parts import open_suite_parts
    from sync.queries.settle import settle

    if asked.entity:
        choose_syncs(settings.home, (asked.entity,))
    syncs = load_syncs(settings.home)
    with open_suite_parts(settings) as parts:
        found = _asked_for(parts.db, names_of((), syncs), asked)
        return settle(parts, syncs, found, asked.winner, asked.force)


def _asked_for(db: Database, names: dict[str, str], asked: Asked) -> list[dict[str, Any]]:
    """Returns the conflicts. Raises SettingsError where one does not have the side that is to win."""
    from state.disputes import conflicts_of, find, is_of_sync

    with db.transaction(read_only=True) as tx:
        if not asked.ids:
            return conflicts_of(tx, names, asked.entity, asked.everything)
        found = find(tx, names, asked.ids)
    for conflict in found:
        if is_of_sync(conflict) != (asked.winner in OF_SYNCS):
            sides, what = (OF_SYNCS, "a sync") if is_of_sync(conflict) else (SIDES, "an entity")
            told = f"{conflict['id'][:SHORT]} is a conflict of {what}."
            raise SettingsError(told, hint=f"Its sides: {', '.join(sides)}.")
    return found


def _check_entity(mappings: dict[str, Mapping], entity: str | None) -> None:
    from mappings.loader import choose

    choose(mappings, [entity] if entity else [])


# Showing


def show_lists(found: Sequence[dict[str, Any]], of_syncs: Sequence[dict[str, Any]]) -> None:
    """Writes a table of the conflicts of entities, and one of those of syncs, where there are any."""
    if found or not of_syncs:
        show_list(found)
    if of_syncs:
        show_list_of_syncs(of_syncs)


def show_list_of_syncs(found: Sequence[dict[str, Any]]) -> None:
    """Writes a table of conflicts between rows of queries and their records."""
    from terminal.console import show_table

    headings = ("id", "sync", "row", "field", "agreed", "source", "smartsuite", "rule", "winner", "when (UTC)")
    rows = []
    for conflict in found:
        values = (plain(conflict[name]) for name in ("base_value", "source_value", "smartsuite_value"))
        where = (conflict["sync"], conflict["key"], conflict["field"])
        when = conflict["created_at"][:16].replace("T", " ")
        rows.append((conflict["id"][:SHORT], *where, *values, conflict["rule"], conflict["winner"], when))
    show_table("", headings, rows)


def show_list(found: Sequence[dict[str, Any]]) -> None:
    """Writes a table of conflicts."""
    from terminal.console import say, show_table

    if not found:
        return say("There are no conflicts.")
    headings = ("id", "entity", "item", "field", "agreed", "monday", "postgres", "rule", "winner", "when (UTC)")
    show_table("", headings, [_row(conflict) for conflict in found])


def _row(conflict: dict[str, Any]) -> tuple[Any, ...]:
    values = (plain(conflict[name]) for name in ("base_value", "monday_value", "postgres_value"))
    where = (conflict["entity"], conflict["monday_id"], conflict["field"])
    winner = "held" if conflict["status"] == "open" else conflict["winner"]
    when = conflict["created_at"][:16].replace("T", " ")
    return conflict["id"][:SHORT], *where, *values, conflict["rule"], winner, when


def show_conflict(conflict: dict[str, Any]) -> None:
    """Writes what is known of a conflict, a line for each value."""
    from terminal.console import say

    for name, value in conflict.items():
        if name != "entity_type":
            say(f"{name.replace('_', ' '):<20} {plain(value)}")


def show_settled(settled: Sequence[Resolved | Settled]) -> None:
    """Writes the result for each conflict that was to be resolved."""
    from state.disputes import is_of_sync
    from terminal.console import say

    if not settled:
        say("There was nothing to resolve.")
    for done in settled:
        conflict = done.conflict
        where = (conflict["entity"], conflict["entity_id" if is_of_sync(conflict) else "monday_id"])
        name = f"{conflict['id'][:SHORT]} {' '.join(map(str, where))} {conflict['field']}"
        say(f"{name}: {f'not resolved: {done.problem}' if done.problem else f'{done.winner} has won'}")


def plain(value: Any) -> str:
    """Returns a value of a conflict as text."""
    return (
        "-"
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, default=str)
    )
