"""Runs all that is set up, one kind after the other: entities by their directions, then the syncs of queries."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from errors import SettingsError, gravest_code
from sync.command import Request, collect_less_garbage, show_entity_line, show_run

if TYPE_CHECKING:
    from settings import Settings
    from sync.report import EntityReport, RunReport
    from sync.run import Caller, Compose, Program
    from terminal.logs import RateLimitedLog


def run_all_and_leave(
    compose: Compose,
    settings: Settings,
    limited: RateLimitedLog,
    request: Request,
    sync_names: Sequence[str] = (),
    only_syncs: bool = False,
) -> NoReturn:
    """Runs the syncs of queries and, unless only they are asked for, all entities; leaves with the gravest exit code."""
    from sync.run import Caller
    from terminal.console import Progress

    collect_less_garbage()
    reports: list[RunReport] = []

    def show_entity(report: EntityReport) -> None:
        progress.done(report.entity)
        if not request.as_json:
            show_entity_line(report, direction)

    with Progress(request.quiet) as progress:
        program, caller = compose(), Caller(progress, show_entity)
        with _entities(settings, only_syncs) as found_entities:
            for direction, entities in found_entities.items():
                reports.append(_run_entities(program, settings, direction, entities, (request, caller)))
        direction = "mysql_to_smartsuite"
        if found := _run_syncs(program, settings, request, caller, sync_names):
            reports.append(found)
    if not reports:
        raise SettingsError(
            "There is nothing to run: no sync in config/sync_mappings.yml is enabled, and no board is set up.",
            hint="Copy config/sync_mappings.example.yml to config/sync_mappings.yml, or set MONDAY_API_KEY.",
        )
    codes = {report.exit_code for report in reports}
    code = gravest_code(codes)
    _show(reports, request.as_json, limited, code)
    sys.exit(code)


@contextmanager
def _entities(settings: Settings, only_syncs: bool) -> Iterator[dict[str, list[str]]]:
    """Yields the entities that have a board, by their direction; none without a key of monday.com."""
    from sync.parts import board_of, known_mappings

    if only_syncs or not settings.api_key:
        yield {}
        return
    with known_mappings(settings) as mappings:
        found: dict[str, list[str]] = {}
        for mapping in mappings.values():
            if mapping.direction != "none" and board_of(settings, mapping):
                found.setdefault(mapping.direction, []).append(mapping.entity)
        yield found


def _run_entities(
    program: Program, settings: Settings, direction: str, entities: list[str], how: tuple[Request, Caller]
) -> RunReport:
    from sync.run import run

    request, caller = how
    return run(program, settings, direction, entities, request.options, caller)


def _run_syncs(
    program: Program, settings: Settings, request: Request, caller: Caller, names: Sequence[str]
) -> RunReport | None:
    from sync.options import RunOptions

    if program.syncs is None:
        return None
    return program.syncs(settings, names, request.options or RunOptions(), caller)


def _show(reports: Sequence[RunReport], as_json: bool, limited: RateLimitedLog, code: int) -> None:
    """Writes what the runs did; as JSON one object of one shape, however many they are."""
    from sync.report import shape_of

    for report in reports:
        show_run(report, False, limited, lines=not as_json)
    if as_json:
        click.echo(json.dumps(shape_of(reports, code)))
