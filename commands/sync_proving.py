"""Carries `verify`, `repair` and `explain` out for syncs of queries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from commands.proof_lines import SUITE, finished, show_history, show_repair, shown
from errors import EXIT_IN_STEP, EXIT_LEFTOVERS, SettingsError
from values.wording import plural

if TYPE_CHECKING:
    from mappings.query_syncs import QuerySync
    from settings import Settings
    from sync.operating.proof import Proof

HISTORY = 20
OF_SYNC = "query:"
"""How the type of a finding of a sync begins."""


def chosen(settings: Settings, names: Sequence[str], whole: bool) -> tuple[list[str], list[QuerySync]]:
    """Returns the entities and the syncs to prove: those that are named; without names and a key of monday.com all syncs.

    Raises SettingsError for a part of a sync, and without a key of SmartSuite.
    """
    from mappings.query_syncs import choose_syncs
    from sync.queries.known import apart
    from sync.queries.parts import credentials

    entities, syncs = apart(settings.home, names)
    if whole and not names and not settings.api_key:
        syncs = choose_syncs(settings.home)
    if syncs:
        credentials(settings)
    if syncs and not whole:
        raise SettingsError(
            f"{syncs[0].name} is a sync of a query: it is read as a whole.", hint="Leave the option out."
        )
    return entities, syncs


def verified(settings: Settings, syncs: Sequence[QuerySync], as_json: bool) -> tuple[list[dict[str, Any]], int]:
    """Proves syncs, and shows what is found. Returns the proofs in the documented shape, and the exit code."""
    if not syncs:
        return [], EXIT_IN_STEP
    from sync.alerting.center import check_at_end
    from sync.queries.parts import open_suite_parts
    from sync.queries.verify import proved
    from terminal.console import Progress, say

    shapes: list[dict[str, Any]] = []

    def ends(proof: Proof) -> None:
        progress.done(proof.entity)
        shapes.append(finished(parts.db, proof, as_json, SUITE))

    if not as_json:
        names = ", ".join(sync.name for sync in syncs)
        say(f"{names}: reading query and table, a call for each 1,000 records; neither is written.")
    with Progress(as_json) as progress, open_suite_parts(settings, progress) as parts:
        proofs = proved(parts, syncs, ends)
        # of what a user has ended nothing is told
        if not proofs.interrupted:
            check_at_end(parts.db, settings, parts.mappings)
    return shapes, proofs.exit_code


def is_of_sync(finding: dict[str, Any]) -> bool:
    """Tells whether a proof of a sync has found it."""
    return str(finding["entity_type"]).startswith(OF_SYNC)


def repair(settings: Settings, finding: dict[str, Any], carry_out: bool, as_json: bool) -> int:
    """Plans what mends a finding, carries it out when asked, shows it, and returns the exit code."""
    from mappings.query_syncs import choose_syncs
    from sync.queries import repair as work
    from sync.queries.parts import open_suite_parts

    (sync,) = choose_syncs(settings.home, (finding["entity_type"].removeprefix(OF_SYNC),))
    with open_suite_parts(settings) as parts:
        plan = work.planned(parts, sync, finding)
        if carry_out and plan.steps:
            work.apply(parts, sync, plan)
    show_repair(plan, carry_out, as_json)
    return EXIT_IN_STEP if plan.steps else EXIT_LEFTOVERS


def explain(settings: Settings, sync: QuerySync, key: str, everything: bool, as_json: bool) -> None:
    """Shows what is known of one row, and what the next run would do with it."""
    from sync.queries.explain import explain as explained
    from sync.queries.parts import open_suite_parts

    with open_suite_parts(settings) as parts:
        known = explained(parts, sync, key, None if everything else HISTORY)
    if as_json:
        return click.echo(json.dumps(known, default=str))
    _show_explained(known)


def _show_explained(known: dict[str, Any]) -> None:
    from terminal.console import say, show_table

    name = f"{known['sync']}/{known['key']}" + (f" = record {known['record_id']}" if known["record_id"] else "")
    say(f"{name} of {known['table']}.  {known['state'].upper()}{': ' + known['why'] if known['why'] else ''}.")
    say(f"The next run that reads the row: {known['next_run']}.")
    if refused := known["refused"]:
        when = f"next try {refused['next_try_at']}" if refused["next_try_at"] else "tried by the next run"
        say(f"Refused {plural(refused['attempts'], 'time')} ({when}): {refused['last_error']}")
    if known["fields"]:
        headings = ("field", "row", "last given", "to be", "SmartSuite", "next run")
        names = ("row", "agreed", "source", "smartsuite")
        rows = [
            (field["field"], *(shown(field[part]) for part in names), field["next_run"]) for field in known["fields"]
        ]
        show_table("", headings, rows)
    if known["equal_fields"]:
        say(f"{plural(known['equal_fields'], 'field')} equal.")
    show_history(known["history"])
