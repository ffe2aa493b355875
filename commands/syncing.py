"""Declares the commands that sync once: `monday-to-pg`, `pg-to-monday`, `bidirectional`, `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from errors import SettingsError
from sync.command import CODES, Request, direction_command, run_and_leave
from terminal.commands import Example, json_option, prepared_with_log, quiet_option

if TYPE_CHECKING:
    from sync.run import Compose

monday_to_pg = direction_command("monday-to-pg")
pg_to_monday = direction_command("pg-to-monday")
bidirectional = direction_command("bidirectional")


@click.command("run", cls=Example, example="run --entity users", epilog=CODES)
@click.option("--entity", required=True, metavar="NAME", help="The entity to sync.")
@json_option
@quiet_option
@click.pass_obj
def run_entity(compose: Compose, entity: str, as_json: bool, quiet: bool) -> None:
    """Sync one entity in the direction that its mapping names; for orchestrators."""
    settings, limited = prepared_with_log(quiet)
    from mappings.loader import choose
    from sync.parts import mappings_of

    mapping = choose(mappings_of(settings), [entity])[0]
    # switched off in its mapping
    if mapping.direction == "none":
        raise SettingsError(
            f"{entity} does not flow at all: its mapping says none.", hint=f"Change `direction` in {mapping.path}."
        )
    request = Request(mapping.direction, [entity], as_json=as_json, quiet=quiet)
    run_and_leave(compose, settings, limited, request)
