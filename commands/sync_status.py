"""Shows how the syncs of queries are, for `status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from commands.runs import cost_line, last_run_in_words, paused_in_words
from values.wording import counted, plural

if TYPE_CHECKING:
    from sync.parts import Parts

COLUMNS = {"in step": "in_step", "refused": "refused", "in doubt": "in_doubt", "removed": "removed"}
"""The columns of numbers: heading → name in the state."""


def state_of_syncs(parts: Parts) -> dict[str, Any]:
    """Returns the state of each sync of the home, and the calls of this month."""
    from state.query_syncs import status_of_syncs
    from state.suite_calls import calls_this_month
    from sync.queries.known import syncs_as_far_as_readable

    syncs = syncs_as_far_as_readable(parts.settings.home)
    with parts.db.transaction(read_only=True) as tx:
        found = status_of_syncs(tx, {sync.name: sync.table_id for sync in syncs.values()})
        calls = calls_this_month(tx)
    shown = [{**state, "enabled": syncs[state["sync"]].enabled} for state in found]
    return {"syncs": shown, "smartsuite": {"calls_this_month": calls}}


def show_syncs(state: dict[str, Any]) -> None:
    """Writes a table of the syncs, and a line for what needs attention."""
    from terminal.console import say, show_table

    headings = ("sync", "table", *COLUMNS, "last run (UTC)", "next due (UTC)")
    show_table("", headings, [_row(sync) for sync in state["syncs"]], COLUMNS)
    for sync in state["syncs"]:
        for note in _notes(sync):
            say(f"{sync['sync']}: {note}")
    say(f"Calls to SmartSuite this month, by this tool: {counted(state['smartsuite']['calls_this_month'])}.")


def _row(sync: dict[str, Any]) -> tuple[Any, ...]:
    due = (sync["next_run_at"] or "not scheduled")[:16].replace("T", " ")
    numbers = (int(sync[name]) for name in COLUMNS.values())
    return sync["sync"], sync["table_id"], *numbers, last_run_in_words(sync["last_run"]), due


def _notes(sync: dict[str, Any]) -> Iterator[str]:
    """Yields what the table does not show."""
    name, last = sync["sync"], sync["last_run"]
    if sync["paused"]:
        yield paused_in_words(name, sync["paused"])
    if not sync["enabled"]:
        yield "switched off: `enabled` in config/sync_mappings.yml"
    if sync["refused"]:
        yield f"{plural(sync['refused'], 'row')} refused: python main.py retry list --sync-name {name}"
    if sync["in_doubt"]:
        yield f"{plural(sync['in_doubt'], 'record')} may have been made by a run that was cut off; the next run looks."
    if last and last["message"]:
        yield f"the last run: {last['message']}"
    read = f"changes are read from {sync['watermark']}, less 15 minutes" if sync["watermark"] else "all rows are read"
    yield f"{read}{'; ' + cost_line(last['api']) if last else ''}."
