"""Declares `verify`, `repair` and `explain`: are both sides equal, what mends a difference, why a record is as it is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from errors import EXIT_IN_STEP, EXIT_LEFTOVERS, SettingsError
from terminal.commands import Example, entities_option, json_option, prepared
from timing import TERMINATED, duration
from values.canonical import dumps, to_json
from values.wording import counted, plural

if TYPE_CHECKING:
    from models import Finding
    from sync.board import BoardSync
    from sync.operating.repair import Repair
    from sync.operating.verify import Extent, Proof
    from sync.parts import Chosen, Parts
    from sync.run import Compose

SHORT = 8
"""The number of characters of an id that are shown; they are enough to name it."""
MOST = 20
"""How many findings are shown of one entity; --json and the table sync_findings have the others."""
WORDS = (
    ("=", "equal"),
    ("~", "known to differ"),
    ("*", "different"),
    ("<", "only on the board"),
    (">", "only in PostgreSQL"),
    ("!", "unreadable"),
    ("?", "moved while looking"),
)
ALWAYS = "=*<>!"
"""The classes that are named even when there is none."""


@click.command("verify", cls=Example, example="verify --entity projects")
@entities_option
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
    """Prove that both sides are equal: compare every record, write neither side. Exit 3 when they differ."""
    settings = prepared(quiet=as_json)
    if links + ids + bool(sample) > 1:
        raise SettingsError("--links, --ids and --sample exclude each other.", hint="Choose one.")
    from sync.alerting.center import check_at_end
    from sync.choosing import choose_boards
    from sync.command import collect_less_garbage
    from sync.parts import open_parts

    collect_less_garbage()
    with open_parts(settings, compose().follow) as parts:
        if links:
            return _memory(parts, entities, as_json)
        settings.require_key()
        chosen = choose_boards(settings, parts.mappings, "bidirectional", entities)
        proofs, code = _proved(parts, chosen, _extent(ids, sample), as_json)
        # of what a user has ended nothing is told
        if code != TERMINATED:
            check_at_end(parts.db, settings, parts.mappings)
    if as_json:
        # numbers with every digit, which `json` would refuse
        click.echo(dumps({"entities": proofs, "exit_code": code}).decode())
    sys.exit(code)


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
        from state.findings import findings_of

        with self._parts.db.transaction(read_only=True) as tx:
            found = findings_of(tx, proof.id, 10_000 if self._as_json else MOST)
        if not self._as_json:
            show_proof(proof, found)
        self.shapes.append({**proof.as_json(), "findings": [_finding_json(finding) for finding in found]})


def _proved(parts: Parts, chosen: Chosen, extent: Extent, as_json: bool) -> tuple[list[dict[str, Any]], int]:
    """Makes the proofs. Returns their shapes, and the exit code."""
    from sync.operating.proving import Proving, Watcher
    from terminal.console import Progress

    told = _Told(parts, extent, as_json)
    with Progress(as_json) as progress:

        def ends(proof: Proof) -> None:
            progress.done(proof.entity)
            told.ends(proof)

        proving = Proving(parts, extent, Watcher(progress, told.begins, ends))
        proving.of(chosen)
    return told.shapes, proving.exit_code


def _finding_json(finding: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: finding[name] for name in ("id", "class", "monday_id", "entity_id", "cause", "fields")},
        "repair": f"python main.py repair {finding['id'][:SHORT]}",
    }


def show_proof(proof: Proof, found: Sequence[dict[str, Any]]) -> None:
    """Writes the counts, the first findings, and the verdict."""
    from terminal.console import say

    counts = [f"{counted(proof.counts[mark])} {word}" for mark, word in WORDS if mark in ALWAYS or proof.counts[mark]]
    say("  " + "    ".join(counts))
    for reason, number in proof.known.most_common():
        say(f"  ~  {counted(number)}: {reason}")
    for finding in found:
        say(_finding_line(proof.entity, finding))
    if proof.stale_bases:
        number = plural(proof.stale_bases, "equal record")
        say(f"  note: {number} remembered otherwise; repair or the next run with --full mends that.")
    if proof.message:
        say(f"Incomplete: {proof.message}.")
    if proof.differences:
        more = f", the first {len(found)} are shown" if proof.differences > len(found) else ""
        say(f"Not equal: {counted(proof.differences)} of {counted(proof.counts.total())}{more}.")
        if found:
            say(f"Mend it: python main.py repair {found[0]['id'][:SHORT]}   Why: {_why(proof.entity, found[0])}")
    elif not proof.message:
        digests = f" Digests: {' and '.join(f'{side:032x}'[:16] for side in proof.digests)}."
        known = proof.counts["~"]
        # those of a part of the records would stand for nothing
        whole = proof.kind == "whole"
        but = f" but for {counted(known)} known to differ," if known else ""
        say(f"Equal{but} in {duration(proof.seconds)}, {plural(proof.calls, 'call')}.{digests if whole else ''}")


def _why(entity: str, finding: dict[str, Any]) -> str:
    return f"python main.py explain {entity}/{finding['entity_id'] or finding['monday_id']}"


def _finding_line(entity: str, finding: dict[str, Any]) -> str:
    fields = "; ".join(
        f"{field['field']}: board {shown(field['monday'])}, row {shown(field['postgres'])},"
        f" last agreed {shown(field['agreed'])}"
        for field in finding["fields"]
        if not field["known"]
    )
    what = f"{fields} -> {finding['cause']}" if fields else finding["cause"]
    record = f"{entity}/{finding['entity_id'] or '-'}  item {finding['monday_id'] or '-'}"
    return f"  {finding['class']}  {finding['id'][:SHORT]}  {record}  {what}"


def shown(value: Any) -> str:
    """Returns a value as it is shown in a line: cut, with its quotes."""
    text = dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


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
    settings.require_key()
    from sync.operating import repair as work
    from sync.parts import open_parts

    with open_parts(settings, compose().follow) as parts:
        plan = work.planned(parts, finding)
        if carry_out and plan.steps:
            work.apply(parts, plan)
    show_repair(plan, carry_out, as_json)
    sys.exit(EXIT_IN_STEP if plan.steps else EXIT_LEFTOVERS)


def show_repair(plan: Repair, done: bool, as_json: bool) -> None:
    """Writes the steps of a plan."""
    from terminal.console import say

    if as_json:
        steps = [{**asdict(step), "before": to_json(step.before), "after": to_json(step.after)} for step in plan.steps]
        shape = {
            "finding": plan.finding["id"],
            "cause": plan.finding["cause"],
            "steps": steps,
            "applied": done and bool(steps),
            "why_not": plan.why,
        }
        return say(dumps(shape).decode())
    for step in plan.steps:
        change = f"  {step.name}: {shown(to_json(step.before))} -> {shown(to_json(step.after))}" if step.name else ""
        say(f"  {'wrote' if done else 'would write'} to {step.side}  {step.record}  {step.what}{change}")
    if not plan.steps:
        say(f"Nothing can be done by itself: {plan.why}.")
    elif done:
        say("Done.")
    else:
        say(f"Do it: python main.py repair {plan.finding['id'][:SHORT]} --apply")


# explain


@click.command("explain", cls=Example, example="explain users/18273000448")
@click.argument("record", metavar="ENTITY/ID")
@click.option("--all", "everything", is_flag=True, help="Show the whole history.")
@json_option
@click.pass_obj
def explain(compose: Compose, record: str, everything: bool, as_json: bool) -> None:
    """Say why a record is as it is. ID is its row id, its monday id, or its key, such as an e-mail address."""
    settings = prepared(quiet=as_json)
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
    if known["history"]:
        say("History (UTC), newest first")
    for entry in known["history"]:
        times = f" (x{entry['times']} since {entry['at'][:10]})" if entry["times"] > 1 else ""
        say(f"{entry['last_at'][:19].replace('T', ' ')}  {entry['operation']}  {entry['message']}{times}")
