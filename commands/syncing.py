"""Declares the commands that sync once: `monday-to-pg`, `pg-to-monday`, `bidirectional`, `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click
from msgspec.structs import replace

from errors import SettingsError
from sync.command import CODES, Request, direction_command, run_and_leave
from terminal.commands import Example, json_option, prepared_with_log, quiet_option
from terminal.logs import LOG_FILE, SYNC_LOG

if TYPE_CHECKING:
    from mappings.declaration import Mapping
    from settings import Settings
    from sync.run import Compose

monday_to_pg = direction_command("monday-to-pg")
pg_to_monday = direction_command("pg-to-monday")
bidirectional = direction_command("bidirectional")


@click.command("run", cls=Example, example="run --sync-name customers_sync --dry-run", epilog=CODES)
@click.option("--entity", metavar="NAME", help="Only this entity, in the direction that its mapping names.")
@click.option("--sync-name", "sync_names", multiple=True, metavar="NAME", help="Only this sync. Can be repeated.")
@click.option("--syncs", "only_syncs", is_flag=True, hidden=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N items or rows of each.")
@click.option("--dry-run", is_flag=True, help="Show what the run would do; write nothing.")
@click.option("--full", is_flag=True, help="Compare all records, not only those that changed since the last run.")
@click.option("--sweep", is_flag=True, help="Look for removed items and rows, too; otherwise once a day.")
@click.option("--allow-mass-delete", is_flag=True, help="Remove also more records than the guard allows.")
@click.option("--send", is_flag=True, help="Of an account: have a worker make the run, and wait for it.")
@json_option
@quiet_option
@click.pass_obj
def run_entity(
    compose: Compose,
    entity: str | None,
    sync_names: tuple[str, ...],
    only_syncs: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Sync what is set up: all entities, and all syncs of config/sync_mappings.yml; or one of them."""
    settings, limited = prepared_with_log(quiet, SYNC_LOG if sync_names or only_syncs else LOG_FILE)
    from sync.options import PullOptions, RunOptions

    if entity and (sync_names or only_syncs):
        raise SettingsError("--entity and --sync-name are two things.", hint="Run them one after the other.")
    if given.pop("send"):
        _send(compose, settings, entity, sync_names, given, as_json)
    options = RunOptions(PullOptions(**given))
    request = Request("", (), options, as_json, quiet)
    if entity:
        from sync.parts import known_mappings

        with known_mappings(settings) as mappings:
            request = replace(request, direction=direction_of(mappings, entity), entities=[entity])
            run_and_leave(compose, settings, limited, request)
    from commands.running import run_all_and_leave

    run_all_and_leave(compose, settings, limited, request, sync_names, only_syncs or bool(sync_names))


def _send(
    compose: Compose,
    settings: Settings,
    entity: str | None,
    syncs: tuple[str, ...],
    given: dict[str, Any],
    as_json: bool,
) -> NoReturn:
    """Has a worker make the run. Raises SettingsError for options that it does not know."""
    from commands.sending import OF_SYNC, send_and_leave

    if unknown := sorted(name for name, value in given.items() if value):
        raise SettingsError(f"A worker makes runs without --{unknown[0].replace('_', '-')}.")
    names = [entity] if entity else [OF_SYNC + name for name in syncs]
    send_and_leave(compose, settings, names, as_json)


def direction_of(mappings: dict[str, Mapping], entity: str) -> str:
    """Returns the direction of an entity's mapping. Raises SettingsError when it is switched off there."""
    from mappings.loader import choose

    mapping = choose(mappings, [entity])[0]
    if mapping.direction == "none":
        raise SettingsError(
            f"{entity} does not flow at all: its mapping says none.", hint=f"Change `direction` in {mapping.path}."
        )
    return mapping.direction
