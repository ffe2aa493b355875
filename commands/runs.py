"""Declares `runs`: the last runs, one of them, the dead ones closed, one stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from errors import SettingsError
from terminal.commands import Example, json_option, prepared
from timing import duration
from values.wording import counted, plural

if TYPE_CHECKING:
    from db_connector import Database

RUN_NUMBERS = ("calls", "retries", "waited", "complexity", "pages", "MB")
SIDES = {"to_postgres": "PostgreSQL", "to_monday": "monday.com", "to_smartsuite": "SmartSuite"}


@click.command("runs", cls=Example, example="runs --limit 5")
@click.argument("run", required=False)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="The number of runs."
)
@click.option(
    "--stop",
    "to_stop",
    metavar="RUN",
    help="Ask a run to stop, wherever it runs: it finishes its batch. For example: runs --stop 3f2a",
)
@click.option(
    "--close-dead",
    is_flag=True,
    help="Close the runs whose processes ended without a word. For example: runs --close-dead",
)
@json_option
def runs(run: str | None, limit: int, to_stop: str | None, close_dead: bool, as_json: bool) -> None:
    """Show the last runs: when they began, how long they took, what they did, how they ended.

    With RUN, the id of a run or its first letters, show that run, and how far it is while it goes on.
    """
    if sum((run is not None, to_stop is not None, close_dead)) > 1:
        raise SettingsError("RUN, --stop and --close-dead are three different things.", hint="Give one of them.")
    settings = prepared()
    from state.overview import runs_of
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        if to_stop is not None:
            stop_run(parts.db, to_stop, as_json)
        elif close_dead:
            close_dead_runs(parts.db, as_json)
        elif run is not None:
            show_run(found_run(parts.db, run), as_json)
        else:
            show_runs(runs_of(parts.db, limit), as_json)


def found_run(db: Database, start: str) -> dict[str, Any]:
    """Returns the run whose id begins so. Raises SettingsError when there is none, or more than one."""
    from state.overview import runs_starting_with

    found = runs_starting_with(db, start) if start else []
    if not found:
        raise SettingsError(f"There is no run {start}.", hint="python main.py runs --json  lists them with their ids.")
    if len(found) > 1:
        ids = ", ".join(run["run_id"] for run in found)
        raise SettingsError(f"More than one run begins with {start}: {ids}.", hint="Give more letters of its id.")
    return found[0]


def stop_run(db: Database, start: str, as_json: bool) -> None:
    """Asks a run to stop. Raises SettingsError for a run that cannot hear it."""
    from state.runs import ask_to_stop
    from terminal.console import say

    run = found_run(db, start)
    name = run["run_id"]
    if run["kind"] == "live":
        raise SettingsError(
            f"{name} is what a daemon does between its runs.", hint=f"End process {run['pid']} on {run['host']}."
        )
    if run["outcome"] == "died":
        raise SettingsError(f"The run {name} has died.", hint="python main.py runs --close-dead")
    with db.transaction() as tx:
        asked = run["finished_at"] is None and ask_to_stop(tx, name)
    if not asked:
        raise SettingsError(f"The run {name} has ended: {run['outcome']}.")
    if as_json:
        return say(json.dumps({"run_id": name, "stop_asked": True}))
    say(f"The run {name} is asked to stop. It finishes its batch: python main.py runs {name[:8]}")


def close_dead_runs(db: Database, as_json: bool) -> None:
    """Closes the runs that have died, and lists them."""
    from state.overview import closed_dead
    from terminal.console import say

    closed = closed_dead(db)
    if as_json:
        return say(json.dumps({"closed": closed}, default=plain))
    for run in closed:
        say(f"{run['run_id']}: {run['kind']} {run['direction']} of {_minute(run['started_at'])} (UTC)")
    say(f"{plural(len(closed), 'run')} had died, and {'is' if len(closed) == 1 else 'are'} closed.")


# The last runs


def show_runs(found: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Writes a table of the runs, newest first."""
    from terminal.console import say, show_table

    if as_json:
        return say(json.dumps({"runs": found}, default=plain))
    if not found:
        return say("There was no run yet.")
    headings = ("started (UTC)", "took", "direction", "outcome", "exit", "changes", *RUN_NUMBERS, "what went wrong")
    show_table("", headings, [_run_row(run) for run in found], ("took", "exit", "changes", *RUN_NUMBERS))
    for run in found:
        if run["outcome"] in ("running", "died"):
            say(f"{run['run_id'][:8]}: {_state(run)}")
    if any(run["outcome"] == "died" and run["finished_at"] is None for run in found):
        say("A run that has died is closed by: python main.py runs --close-dead")


def _run_row(run: dict[str, Any]) -> tuple[Any, ...]:
    started = run["started_at"].replace("T", " ").rstrip("Z")
    # going on, or killed
    took = "not ended" if run["duration_s"] is None else duration(run["duration_s"])
    ended = (run["outcome"], run["exit_code"], _changes(run["entities"]))
    return started, took, run["direction"], *ended, *_costs(run["api"]), run["message"] or ""


def _costs(api: dict[str, Any]) -> tuple[Any, ...]:
    by_cause = api.get("retries_by_cause") or {}
    causes = f" ({', '.join(f'{cause} {number}' for cause, number in by_cause.items())})" if by_cause else ""
    retries, waited = f"{counted(int(api.get('retries', 0)))}{causes}", api.get("waited_s") or 0
    sizes = (int(api.get("complexity", 0)), int(api.get("pages", 0)), round(api.get("bytes_received", 0) / 1e6))
    return int(api.get("calls", 0)), retries, duration(waited) if waited else "-", *sizes


def _changes(entities: Sequence[dict[str, Any]]) -> int:
    sides = [entity.get(side) or {} for entity in entities for side in SIDES]
    return sum(int(number) for side in sides for number in side.values())


# One run


def show_run(run: dict[str, Any], as_json: bool) -> None:
    """Writes what is known of one run."""
    from sync.report import SERVICES
    from terminal.console import say

    if as_json:
        return say(json.dumps({"run": run}, default=plain))
    where = f", process {run['pid']} on {run['host']}" if run["pid"] else ""
    say(f"run {run['run_id']}: {run['kind']} {run['direction']}{where}")
    say(f"began {_minute(run['started_at'])} (UTC); {_state(run)}")
    if run["stop_asked_at"]:
        say(f"a user asked it to stop at {_minute(run['stop_asked_at'])} (UTC)")
    for entity in run["entities"]:
        say(f"{entity.get('entity')}: {_done(entity)}")
    ended = {entity.get("entity") for entity in run["entities"]}
    for entity, step in run["progress"].items():
        if entity not in ended:
            say(f"{entity}: {step_line(step)}")
    calls, *_ = _costs(run["api"])
    say(f"{plural(calls, 'call')} to {SERVICES.get(run['direction'], 'monday.com')}")
    if run["message"]:
        say(f"what went wrong: {run['message']}")


def _state(run: dict[str, Any]) -> str:
    if run["outcome"] == "running":
        steps = [f"{entity} {step_line(step)}" for entity, step in run["progress"].items() if step["phase"] != "done"]
        return "; ".join(["goes on", *steps])
    if run["outcome"] == "died":
        return f"died: its process has told nothing since {_minute(run['heartbeat_at'] or run['started_at'])} (UTC)"
    return f"{run['outcome']}, exit code {run['exit_code']}, took {duration(run['duration_s'] or 0)}"


def step_line(step: dict[str, Any]) -> str:
    """Words how far one entity of a run is."""
    done, total = int(step["done"]), step["total"]
    share = f" of {counted(int(total))} items ({100 * min(done, int(total)) // int(total)} %)" if total else " items"
    rate = f", {counted(round(step['rate']))} a second" if step["rate"] else ""
    until = f" until {step['until']}" if step["until"] else ""
    waits = f", waits for {step['waits_for']}{until}" if step["waits_for"] else ""
    return f"{step['phase']}: {counted(done)}{share}{rate}{waits}"


def _done(entity: dict[str, Any]) -> str:
    sides = [f"{title}: {words}" for side, title in SIDES.items() if (words := _words(entity.get(side) or {}))]
    return "; ".join([*(sides or ["nothing changed"]), *([entity["message"]] if entity.get("message") else [])])


def _words(counts: dict[str, Any]) -> str:
    return ", ".join(f"{counted(int(number))} {name.replace('_', ' ')}" for name, number in counts.items() if number)


def _minute(moment: Any) -> str:
    return str(moment)[:19].replace("T", " ")


def last_run_in_words(run: dict[str, Any] | None) -> str:
    """Says when the last run of an entity was, and how it ended."""
    return f"{run['started_at'][:16].replace('T', ' ')} {run['outcome']}" if run else "never"


def cost_line(api: dict[str, Any]) -> str:
    """Says what a run has cost."""
    calls, retries, waited = int(api.get("calls", 0)), int(api.get("retries", 0)), api.get("waited_s") or 0
    more = f", {counted(retries)} repeated" * bool(retries) + (f", {duration(waited)} waited" if waited >= 1 else "")
    return f"the last run made {counted(calls)} calls{more}"


def paused_in_words(entity: str, paused: dict[str, Any]) -> str:
    """Says since when an entity is paused, and how that is ended."""
    until = f" until {paused['until']}" if paused["until"] else ""
    return f"paused since {paused['since']} by {paused['by']}{until}: python main.py resume {entity}"


def plain(value: Any) -> Any:
    """Returns a number for a decimal: the numbers of stored JSON are read as decimals."""
    return float(value) if isinstance(value, Decimal) else str(value)
