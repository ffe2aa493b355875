"""Declares `pause` and `resume`: no work is begun for an entity for a while, and what comes meanwhile waits."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import click

from errors import SettingsError
from terminal.commands import Example, prepared


@click.command("pause", cls=Example, example="pause users --for 2h")
@click.argument("entity")
@click.option("--for", "span", metavar="TIME", help="How long: 30m, 2h, 3d. Without it: until `resume`.")
def pause(entity: str, span: str | None) -> None:
    """Begin no run and no live work for an entity. Its events and changes wait; nothing is lost."""
    settings = prepared()
    from mappings.query_syncs import load_syncs
    from state import pauses
    from sync.alerting.rules import seconds_of
    from sync.parts import open_parts

    until = None
    if span is not None:
        seconds = seconds_of(span)
        if not seconds:
            raise SettingsError(f"--for {span} is no time.", hint="For example: --for 30m, --for 2h, --for 3d.")
        until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    with open_parts(settings) as parts:
        _check(entity, [*parts.mappings, *load_syncs(settings.home)])
        made = pauses.pause(parts.db, entity, getpass.getuser(), until)
    click.echo(f"{made.sentence} What comes for it waits. Go on: {made.hint}")


@click.command("resume", cls=Example, example="resume users")
@click.argument("entity")
def resume(entity: str) -> None:
    """Work for a paused entity again; what waited is dealt with first."""
    settings = prepared()
    from mappings.query_syncs import load_syncs
    from state import pauses
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        _check(entity, [*parts.mappings, *load_syncs(settings.home)])
        there = pauses.resume(parts.db, entity)
    click.echo(f"{entity} is worked for again." if there else f"{entity} was not paused.")


def _check(entity: str, known: Sequence[str]) -> None:
    if entity not in known:
        raise SettingsError(f"Unknown entity: {entity}.", hint=f"Known: {', '.join(known)}.")
