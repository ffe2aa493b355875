"""Declares `prune`: deletes what is old of the log, of runs and of settled conflicts."""

from __future__ import annotations

import json

import click

from terminal.commands import Example, json_option, prepared
from values.wording import plural

OTHERS = {
    "runs": "run",
    "conflicts": "settled conflict",
    "findings": "settled finding",
    "proofs": "proof",
    "messages": "message",
}


@click.command("prune", cls=Example, example="prune --dry-run")
@click.option(
    "--dry-run", is_flag=True, help="Count what would be deleted; delete nothing. For example: prune --dry-run --json"
)
@json_option
def prune(dry_run: bool, as_json: bool) -> None:
    """Delete old rows of the log (MONDAY_KEEP_LOGS_DAYS), and old runs and settled conflicts. The daemon does it daily."""
    settings = prepared()
    from state import retention
    from sync.parts import open_parts
    from terminal.console import say

    keep = settings.keep_logs_days
    with open_parts(settings) as parts:
        gone = retention.count_old(parts.db, keep) if dry_run else retention.prune(parts.db, keep)
    days = retention.days_of(keep)
    if as_json:
        return say(json.dumps({"dry_run": dry_run, "deleted": gone, "kept_days": days}))
    done = "Would delete" if dry_run else "Deleted"
    others = (plural(gone[name], word) for name, word in OTHERS.items())
    say(
        f"{done} {plural(gone['log'], 'row')} of the log older than {plural(days['log'], 'day')},"
        f" and older than {days['runs']} days: {', '.join(others)}."
    )
