"""Declares the commands that sync once: `monday-to-pg`, `pg-to-monday`, `bidirectional`, `run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from errors import SettingsError
from sync.command import CODES, Request, direction_command, run_and_leave
from terminal.commands import Example, json_option, prepared_with_log, quiet_option

if TYPE_CHECKING:
    from settings import Settings
    from sync.report import EntityReport, RunReport
    from sync.run import RunOptions
    from terminal.console import Progress


def run_late(
    settings: Settings,
    direction: str,
    entities: Sequence[str],
    options: RunOptions | None,
    progress: Progress | None,
    on_entity: Callable[[EntityReport], None] | None,
) -> RunReport:
    """Runs by `sync.run`, which is imported only now: that takes longer than `--help` may."""
    from sync.run import run

    return run(settings, direction, entities, options, progress, on_entity)


monday_to_pg = direction_command("monday-to-pg", run_late)
pg_to_monday = direction_command("pg-to-monday", run_late)
bidirectional = direction_command("bidirectional", run_late)


@click.command("run", cls=Example, example="run --entity users", epilog=CODES)
@click.option("--entity", required=True, metavar="NAME", help="The entity to sync.")
@json_option
@quiet_option
def run_entity(entity: str, as_json: bool, quiet: bool) -> None:
    """Sync one entity in the direction that its mapping names; for orchestrators."""
    settings, limited = prepared_with_log(quiet)
    from mappings.loader import choose
    from sync.parts import mappings_of

    mapping = choose(mappings_of(settings), [entity])[0]
    if mapping.direction == "none":
        raise SettingsError(
            f"{entity} does not flow at all: its mapping says none.", hint=f"Change `direction` in {mapping.path}."
        )
    request = Request(mapping.direction, [entity], as_json=as_json, quiet=quiet)
    run_and_leave(run_late, settings, limited, request)
