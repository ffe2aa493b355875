"""Declares the commands `conflicts list`, `show`, `resolve`: what both sides changed, and which side wins."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from errors import EXIT_LEFTOVERS, SettingsError
from terminal.commands import Example, Several, entity_option, json_option, prepared

if TYPE_CHECKING:
    from mappings.declaration import Mapping
    from sync.resolve import Resolved
    from sync.run import Compose

SIDES = ("monday", "postgres")
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
    from sync.parts import open_parts
    from sync.resolve import conflicts_of

    with open_parts(prepared()) as parts:
        _check_entity(parts.mappings, entity)
        with parts.db.transaction(read_only=True) as tx:
            found = conflicts_of(tx, parts.mappings.values(), entity, everything, limit)
    if as_json:
        click.echo(json.dumps({"conflicts": found}))
    else:
        show_list(found)


@conflicts.command("show", cls=Example, example="conflicts show 3f2a9c1e")
@click.argument("conflict", metavar="ID")
@json_option
def show(conflict: str, as_json: bool) -> None:
    """Show everything that is known of one conflict: the agreed value, both values, their times, the rule, the winner."""
    from sync.parts import open_parts
    from sync.resolve import find

    with open_parts(prepared()) as parts, parts.db.transaction(read_only=True) as tx:
        (found,) = find(tx, parts.mappings.values(), [conflict])
    if as_json:
        click.echo(json.dumps(found))
    else:
        show_conflict(found)


@conflicts.command("resolve", cls=Example, example="conflicts resolve 3f2a9c1e --winner monday")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--winner", type=click.Choice(SIDES), required=True, help="The side whose value both sides get.")
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
    """Let one side win on both sides, also against an earlier decision. Exit 3 when that failed for some conflicts."""
    from sync import resolve as work
    from sync.parts import open_parts

    # neither, or both
    if bool(ids) == bool(entity):
        raise SettingsError("Name conflicts by their ids, or an entity.", hint="python main.py conflicts list")
    settings = prepared()
    settings.require_key()
    with open_parts(settings, compose().follow) as parts:
        _check_entity(parts.mappings, entity)
        mappings = parts.mappings.values()
        with parts.db.transaction(read_only=True) as tx:
            found = work.find(tx, mappings, ids) if ids else work.conflicts_of(tx, mappings, entity, everything)
        settled = work.resolve(parts, found, winner, force)
    if as_json:
        click.echo(json.dumps({"conflicts": [conflict.as_json() for conflict in settled]}))
    else:
        show_settled(settled)
    sys.exit(EXIT_LEFTOVERS if any(conflict.problem for conflict in settled) else 0)


def _check_entity(mappings: dict[str, Mapping], entity: str | None) -> None:
    from mappings.loader import choose

    choose(mappings, [entity] if entity else [])


# Showing


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


def show_settled(settled: Sequence[Resolved]) -> None:
    """Writes the result for each conflict that was to be resolved."""
    from terminal.console import say

    if not settled:
        say("There was nothing to resolve.")
    for done in settled:
        conflict = done.conflict
        name = f"{conflict['id'][:SHORT]} {conflict['entity']} {conflict['monday_id']} {conflict['field']}"
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
