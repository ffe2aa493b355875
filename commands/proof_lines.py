"""Words what a proof has found, and what a repair does: for entities, and for syncs of queries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from timing import duration
from values.canonical import dumps, to_json
from values.wording import counted, plural

if TYPE_CHECKING:
    from db_connector import Database
    from sync.operating.proof import Proof
    from sync.operating.repair import Step

SHORT = 8
"""The number of characters of an id that are shown; they are enough to name it."""
MOST = 20
"""How many findings are shown of one entity; --json and the table sync_findings have the others."""
WORDS = (
    ("=", "equal"),
    ("~", "known to differ"),
    ("*", "different"),
    ("<", "only {there}"),
    (">", "only {here}"),
    ("!", "unreadable"),
    ("?", "moved while looking"),
)
ALWAYS = "=*<>!"
"""The classes that are named even when there is none."""


class Sides(Struct, frozen=True):
    """Names both sides, as they stand in lines."""

    there: str = "on the board"
    here: str = "in PostgreSQL"
    shows: str = "board"
    item: str = "item"
    mends: str = "repair or the next run with --full"


BOARD = Sides()
SUITE = Sides("in SmartSuite", "in the query", "SmartSuite", "record", "the next run")


def finding_json(finding: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: finding[name] for name in ("id", "class", "monday_id", "entity_id", "cause", "fields")},
        "repair": f"python main.py repair {finding['id'][:SHORT]}",
    }


def finished(db: Database, proof: Proof, as_json: bool, sides: Sides = BOARD) -> dict[str, Any]:
    """Shows what a proof has found, unless it is to be JSON. Returns the documented shape."""
    from errors import DatabaseError
    from state.findings import findings_of
    from terminal.leaving import show_error

    found: list[dict[str, Any]] = []
    # of a database that is away the proof has told
    with suppress(DatabaseError), db.transaction(read_only=True) as tx:
        found = findings_of(tx, proof.id, 10_000 if as_json else MOST) if proof.id else []
    if not as_json:
        show_proof(proof, found, sides)
    if proof.problem is not None:
        show_error(proof.problem)
    return {**proof.as_json(), "findings": [finding_json(finding) for finding in found]}


def show_proof(proof: Proof, found: Sequence[dict[str, Any]], sides: Sides = BOARD) -> None:
    """Writes the counts, the first findings, and the verdict."""
    from terminal.console import say

    if not proof.id:
        return say(f"{proof.entity}: {'stopped' if proof.stopped else 'not proved'}: {proof.message.rstrip('.')}.")
    words = [(mark, word.format(there=sides.there, here=sides.here)) for mark, word in WORDS]
    counts = [f"{counted(proof.counts[mark])} {word}" for mark, word in words if mark in ALWAYS or proof.counts[mark]]
    say("  " + "    ".join(counts))
    for reason, number in proof.known.most_common():
        say(f"  ~  {counted(number)}: {reason}")
    for finding in found:
        say(_finding_line(proof.entity, finding, sides))
    if proof.stale_bases:
        stale = plural(proof.stale_bases, "equal record")
        say(f"  note: {stale} remembered otherwise; {sides.mends} mends that.")
    if proof.message:
        say(f"Incomplete: {proof.message.rstrip('.')}.")
    if proof.differences:
        more = f", the first {len(found)} are shown" if proof.differences > len(found) else ""
        say(f"Not equal: {counted(proof.differences)} of {counted(proof.counts.total())}{more}.")
        if found:
            say(f"Mend it: python main.py repair {found[0]['id'][:SHORT]}   Why: {_why(proof.entity, found[0])}")
    elif not proof.message:
        # those of a part of the records would stand for nothing
        two = " and ".join(f"{side:032x}"[:16] for side in proof.digests)
        digests = f" Digests: {two}." if proof.kind == "whole" else ""
        known = proof.counts["~"]
        but = f" but for {counted(known)} known to differ," if known else ""
        say(f"Equal{but} in {duration(proof.seconds)}, {plural(proof.calls, 'call')}.{digests}")


def _why(entity: str, finding: dict[str, Any]) -> str:
    return f"python main.py explain {entity}/{finding['entity_id'] or finding['monday_id']}"


def _finding_line(entity: str, finding: dict[str, Any], sides: Sides) -> str:
    fields = "; ".join(
        f"{field['field']}: {sides.shows} {shown(field['monday'])}, row {shown(field['postgres'])},"
        f" last agreed {shown(field['agreed'])}"
        for field in finding["fields"]
        if not field["known"]
    )
    what = f"{fields} -> {finding['cause']}" if fields else finding["cause"]
    record = f"{entity}/{finding['entity_id'] or '-'}  {sides.item} {finding['monday_id'] or '-'}"
    return f"  {finding['class']}  {finding['id'][:SHORT]}  {record}  {what}"


def shown(value: Any) -> str:
    """Returns a value as it is shown in a line: cut, with its quotes."""
    text = dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


class Plan(Protocol):
    """Holds what would mend a finding."""

    @property
    def finding(self) -> dict[str, Any]: ...
    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def why(self) -> str: ...


def show_repair(plan: Plan, done: bool, as_json: bool) -> None:
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


def show_history(history: Sequence[dict[str, Any]]) -> None:
    """Writes what was done to a record, newest first; the same done several times is one line."""
    from terminal.console import say

    if history:
        say("History (UTC), newest first")
    for entry in history:
        times = f" (x{entry['times']} since {entry['at'][:10]})" if entry["times"] > 1 else ""
        say(f"{entry['last_at'][:19].replace('T', ' ')}  {entry['operation']}  {entry['message']}{times}")
