"""Declares `verify`, `repair` and `explain`: are both sides equal, what mends a difference, why a record is as it is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from commands.proof_lines import finished, show_history, show_repair, shown
from errors import EXIT_IN_STEP, EXIT_LEFTOVERS, SettingsError, gravest_code
from terminal.commands import Example, json_option, prepared
from terminal.signals import INTERRUPTED
from values.canonical import dumps
from values.wording import plural

if TYPE_CHECKING:
    from models import Finding
    from settings import Settings
    from sync.board import BoardSync
    from sync.operating.proof import Proof, Proofs
    from sync.operating.verify import Extent
    from sync.parts import Chosen, Parts
    from sync.run import Compose


@click.command("verify", cls=Example, example="verify --entity projects")
@click.option(
    *("--entity", "--sync-name", "entities"), multiple=True, metavar="NAME", help="Only this entity, or this sync."
)
@click.option("--links", is_flag=True, help="Check what the tool remembers, without a call to monday.com.")
@click.option("--ids", is_flag=True, help="Compare ids and update times, and read only items that were updated.")
@click.option(
    "--sample", metavar="N/M", help="Read the Nth of M equal parts of the items: 1/7 on Mondays, for example."
)
@json_option
@click.pass_obj
def verify(
    compose: Compose, entities: Sequence[str], links: bool, ids: bool, sample: str | None, as_json: bool
) -> None:
    """Prove that both sides are equal: compare every record, write neither side. Exit 3 when they differ.

    Syncs of queries are proved when they are named, and where there is no key of monday.com.
    """
    settings = prepared(quiet=as_json)
    if links + ids + bool(sample) > 1:
        raise SettingsError("--links, --ids and --sample exclude each other.", hint="Choose one.")
    from commands import sync_proving
    from sync.parts import open_parts

    extent = _extent(ids, sample)
    entities, syncs = sync_proving.chosen(settings, entities, whole=not (links or ids or sample))
    if links:
        with open_parts(settings, compose().follow) as parts:
            return _memory(parts, entities, as_json)
    proofs: list[dict[str, Any]] = []
    codes = [EXIT_IN_STEP]
    if entities or not syncs:
        proofs, of_entities = _of_entities(compose, settings, entities, (extent, as_json))
        codes.append(of_entities)
    if max(codes) < INTERRUPTED:
        of_syncs, of_these = sync_proving.verified(settings, syncs, as_json)
        proofs, codes = proofs + of_syncs, [*codes, of_these]
    code = max(codes) if max(codes) >= INTERRUPTED else gravest_code(codes)
    if as_json:
        # numbers with every digit, which `json` would refuse
        click.echo(dumps({"entities": proofs, "exit_code": code}).decode())
    sys.exit(code)


def _of_entities(
    compose: Compose, settings: Settings, entities: Sequence[str], how: tuple[Extent, bool]
) -> tuple[list[dict[str, Any]], int]:
    from sync.alerting.center import check_at_end
    from sync.choosing import choose_boards
    from sync.command import collect_less_garbage
    from sync.parts import open_parts

    collect_less_garbage()
    with open_parts(settings, compose().follow) as parts:
        settings.require_key()
        chosen = choose_boards(settings, parts.mappings, "bidirectional", entities)
        shapes, proofs = _proved(parts, chosen, *how)
        # of what a user has ended nothing is told
        if not proofs.interrupted:
            check_at_end(parts.db, settings, parts.mappings)
    return shapes, proofs.exit_code


def _extent(ids: bool, sample: str | None) -> Extent:
    from sync.operating.verify import IDS, SAMPLE, Extent

    if ids:
        return Extent(IDS)
    if sample is None:
        return Extent()
    found = re.fullmatch(r"(\d+)/(\d+)", sample)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise SettingsError(f"--sample {sample} is no part of a whole.", hint="For example: --sample 1/7")
    return Extent(SAMPLE, int(found[1]), int(found[2]))


class _Told:
    """Shows proofs while they are made, and keeps what is printed at the end."""

    def __init__(self, parts: Parts, extent: Extent, as_json: bool) -> None:
        self._parts, self._extent, self._as_json = parts, extent, as_json
        self.shapes: list[dict[str, Any]] = []

    def begins(self, sync: BoardSync) -> None:
        """Says what the proof of an entity will cost."""
        from sync.operating.verify import estimated_calls
        from terminal.console import say

        if not self._as_json:
            count = sync.board.items_count
            number = plural(count, "item") if count is not None else "the items"
            calls = plural(estimated_calls(sync, self._extent), "call")
            say(f"{sync.mapping.entity}: reading {number} (about {calls}) and their rows; neither side is written.")

    def ends(self, proof: Proof) -> None:
        """Shows what the proof of an entity has found."""
        self.shapes.append(finished(self._parts.db, proof, self._as_json))


def _proved(parts: Parts, chosen: Chosen, extent: Extent, as_json: bool) -> tuple[list[dict[str, Any]], Proofs]:
    """Makes the proofs. Returns their shapes, and what became of them."""
    from sync.operating.proving import Proving, Watcher
    from terminal.console import Progress

    told = _Told(parts, extent, as_json)
    with Progress(as_json) as progress:

        def ends(proof: Proof) -> None:
            progress.done(proof.entity)
            told.ends(proof)

        proofs = Proving(parts, extent, Watcher(progress, told.begins, ends)).of(chosen)
    return told.shapes, proofs


# --links


def _memory(parts: Parts, entities: Sequence[str], as_json: bool) -> None:
    from mappings.loader import choose
    from models import State
    from sync.operating.memory import check_memory, strays
    from terminal.console import say

    mappings = choose(parts.mappings, entities)
    found: list[Finding] = []
    with parts.db.transaction(read_only=True) as tx:
        for mapping in mappings:
            found += check_memory(tx, mapping)
        found += strays(tx, list(parts.mappings.values()))
    wrong = [finding for finding in found if finding.state in (State.WARNING, State.FAULT)]
    code = EXIT_LEFTOVERS if wrong else EXIT_IN_STEP
    if as_json:
        findings = [{**asdict(finding), "state": finding.state.value} for finding in found]
        say(json.dumps({"findings": findings, "exit_code": code}))
        sys.exit(code)
    for finding in found:
        if finding.state is not State.OK:
            say(f"{finding.state.value}: {finding.slug}: {finding.affects}: {finding.sentence}. {finding.remedy}")
    say(f"{plural(len(found), 'check')} of what is remembered, {plural(len(wrong), 'warning')}.")
    sys.exit(code)


# repair


@click.command("repair", cls=Example, example="repair 4c1e09ab --apply")
@click.argument("finding", metavar="FINDING")
@click.option("--apply", "carry_out", is_flag=True, help="Do what the plan says. Without it the plan is only shown.")
@json_option
@click.pass_obj
def repair(compose: Compose, finding: str, carry_out: bool, as_json: bool) -> None:
    """Show what would mend a finding of `verify`, or mend it. Exit 3 when the record has changed since it was found."""
    settings = prepared(quiet=as_json)
    from commands import sync_proving
    from sync.operating import repair as work
    from sync.parts import open_parts

    with open_parts(settings, compose().follow) as parts:
        with parts.db.transaction(read_only=True) as tx:
            found = work.finding_of(tx, finding)
        if sync_proving.is_of_sync(found):
            sys.exit(sync_proving.repair(settings, found, carry_out, as_json))
        settings.require_key()
        plan = work.planned(parts, finding)
        if carry_out and plan.steps:
            work.apply(parts, plan)
    show_repair(plan, carry_out, as_json)
    sys.exit(EXIT_IN_STEP if plan.steps else EXIT_LEFTOVERS)


# explain


@click.command("explain", cls=Example, example="explain users/18273000448")
@click.argument("record", metavar="ENTITY/ID")
@click.option("--all", "everything", is_flag=True, help="Show the whole history.")
@json_option
@click.pass_obj
def explain(compose: Compose, record: str, everything: bool, as_json: bool) -> None:
    """Say why a record is as it is. ID is its row id, its monday id, or its key, such as an e-mail address.

    With the name of a sync of a query for ENTITY, ID is the key of a row: the row, its record, and what the next run does.
    """
    settings = prepared(quiet=as_json)
    from commands import sync_proving
    from sync.queries.known import sync_of

    if of_sync := sync_of(settings.home, record):
        return sync_proving.explain(settings, *of_sync, everything, as_json)
    settings.require_key()
    from sync.board import Opening, open_board
    from sync.operating.explain import HISTORY, asked_for
    from sync.operating.explain import explain as explained
    from sync.options import PullOptions
    from sync.parts import board_of, open_parts

    with open_parts(settings, compose().follow) as parts:
        with parts.db.transaction(read_only=True) as tx:
            asked = asked_for(tx, list(parts.mappings.values()), record)
        board_id = board_of(settings, asked.mapping)
        if board_id is None:
            setting = asked.mapping.board_setting or f"`board` in {asked.mapping.path}"
            raise SettingsError(f"{asked.mapping.entity} has no board.", hint=f"Set {setting}.")
        sync = open_board(parts, asked.mapping, board_id, Opening(PullOptions(dry_run=True), (True, True)))
        known = explained(sync, asked, None if everything else HISTORY)
    if as_json:
        click.echo(dumps(known).decode())
    else:
        show_explained(known)


def show_explained(known: dict[str, Any]) -> None:
    """Writes the state of a record, the fields that are not equal, and its history."""
    from terminal.console import say, show_table

    name = f"{known['entity']}/{known['entity_id']}" if known["entity_id"] else f"item {known['monday_id']}"
    item = f" = item {known['monday_id']}" if known["entity_id"] and known["monday_id"] else ""
    since = f" since {known['since'][:16].replace('T', ' ')} UTC" if known["since"] else ""
    why = f": {known['why']}" if known["why"] else ""
    say(f"{name}{item} of {known['board']}.  {known['state'].upper()}{since}{why}.")
    if known["comes_in"]:
        say(known["comes_in"])
    if known["fields"]:
        headings = ("field", "last agreed", "board", "PostgreSQL", "next run", "rule", "from")
        rows = [
            (
                field["field"],
                *(shown(field[side]) for side in ("agreed", "monday", "postgres")),
                field["next_run"],
                field["rule"],
                field["rule_from"],
            )
            for field in known["fields"]
        ]
        show_table("", headings, rows)
    if known["equal_fields"]:
        say(f"{plural(known['equal_fields'], 'field')} equal and as last agreed.")
    show_history(known["history"])
