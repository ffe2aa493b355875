"""Declares the commands that only look: `status`, `validate`, `mapping`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from commands.runs import plain
from models import State
from terminal.commands import Example, entities_option, json_option, prepared
from timing import duration
from values.wording import counted, plural

if TYPE_CHECKING:
    from sync.validation import Validated

EPOCH = "1970-01-01T00:00:00Z"
"""The watermark of a board that was read when it was empty."""
STATUS_COLUMNS = {
    "in step": "in_step",
    "waiting": "waiting",
    "errors": "errors",
    "set aside": "set_aside",
    "off": "off",
    "conflicts": "conflicts",
    "archived": "archived",
    "skipped": "skipped",
    "differ": "known_to_differ",
}
"""The columns of numbers that `status` shows: heading → name in the state."""


# status


@click.command("status", cls=Example, example="status")
@json_option
def status(as_json: bool) -> None:
    """Show the state of each entity: links, skipped items, differences, the last run, what waits."""
    settings = prepared()
    from state.overview import status_of
    from sync.parts import board_of, open_parts

    with open_parts(settings) as parts:
        boards = [(mapping, board_of(settings, mapping)) for mapping in parts.mappings.values()]
        show_status(status_of(parts.db, [(mapping, board) for mapping, board in boards if board is not None]), as_json)


def show_status(state: dict[str, Any], as_json: bool) -> None:
    """Writes a table of the entities, and a line for what needs attention."""
    from terminal.console import say, show_table

    if as_json:
        return say(json.dumps(state, default=plain))
    headings = ("entity", "board", *STATUS_COLUMNS, "last run (UTC)")
    show_table("", headings, [_status_row(entity) for entity in state["entities"]], STATUS_COLUMNS)
    for entity in state["entities"]:
        for note in _notes(entity):
            say(f"{entity['entity']}: {note}")
    say(f"Waiting: {counted(state['inbox'])} events from monday.com, {counted(state['outbox'])} changes in PostgreSQL.")


def _status_row(entity: dict[str, Any]) -> tuple[Any, ...]:
    numbers = (_number(entity[name]) for name in STATUS_COLUMNS.values())
    return entity["entity"], entity["board_id"], *numbers, _last_run(entity["last_run"])


def _number(count: Any) -> int:
    # skipped items come as a list, by reason
    return sum(skip["items"] for skip in count) if isinstance(count, list) else int(count)


def _notes(entity: dict[str, Any]) -> Iterator[str]:
    """Yields what the table of `status` does not show."""
    if paused := entity["paused"]:
        until = f" until {paused['until']}" if paused["until"] else ""
        yield f"paused since {paused['since']} by {paused['by']}{until}: python main.py resume {entity['entity']}"
    for skip in entity["skipped"]:
        more = ", ..." if skip["items"] > len(skip["first"]) else ""
        items = f": items {', '.join(skip['first'])}{more}" if skip["first"] else ""
        yield f"{counted(skip['items'])} left out, {skip['reason']}{items}"
    if refused := entity["errors"] + entity["set_aside"]:
        yield f"{plural(refused, 'record')} refused: python main.py retry list"
    if differ := entity["known_to_differ"]:
        yield f"{plural(differ, 'item')} known to differ from a row (shared with others, or given up)."
    cost = f"; {_cost_line(entity['last_run']['api'])}" if entity["last_run"] else ""
    # an empty board leaves the earliest time
    read = entity["watermark"] if (entity["watermark"] or EPOCH) > EPOCH else "nothing yet"
    yield f"read up to {read}{cost}."


def _last_run(run: dict[str, Any] | None) -> str:
    return f"{run['started_at'][:16].replace('T', ' ')} {run['outcome']}" if run else "never"


def _cost_line(api: dict[str, Any]) -> str:
    calls, retries, waited = int(api.get("calls", 0)), int(api.get("retries", 0)), api.get("waited_s") or 0
    more = f", {counted(retries)} repeated" * bool(retries) + (f", {duration(waited)} waited" if waited >= 1 else "")
    return f"the last run made {counted(calls)} calls{more}"


# validate


@click.command("validate", cls=Example, example="validate")
@entities_option
@click.option("--offline", is_flag=True, help="Check the files alone, without boards and database.")
@json_option
def validate(entities: Sequence[str], offline: bool, as_json: bool) -> None:
    """Check the mapping files, and each mapping against its board and its tables. Exit 2 when something is wrong."""
    settings = prepared()
    from sync.validation import validated

    result = validated(settings, entities, offline)
    show_findings(result, as_json)
    sys.exit(result.exit_code)


def show_findings(result: Validated, as_json: bool) -> None:
    """Writes a line for each finding, and the verdict."""
    from terminal.console import say

    if as_json:
        return say(json.dumps(_validated_json(result)))
    for finding in result.findings:
        say(f"{'wrong' if finding.state is State.FAULT else 'note'}: {finding.affects}: {finding.sentence}")
    names, seen = ", ".join(result.entities), " and ".join(result.against)
    verdict = "something is wrong" if result.exit_code else "nothing is wrong"
    # Without a key the boards were not asked, and the user did not want it so.
    lacks_key = "tables" in result.against and "boards" not in result.against
    hint = " Set MONDAY_API_KEY to check the boards too." if lacks_key else ""
    say(f"Looked at {names} ({seen}): {verdict}.{hint}")


def _validated_json(result: Validated) -> dict[str, Any]:
    findings = [
        {"entity": finding.affects, "message": finding.sentence, "grave": finding.state is State.FAULT}
        for finding in result.findings
    ]
    return {
        "entities": result.entities,
        "against": result.against,
        "findings": findings,
        "exit_code": result.exit_code,
    }


# mapping


@click.command("mapping", cls=Example, example="mapping --entity users")
@click.option("--entity", metavar="NAME", help="Show which board column is which table column.")
@click.option(
    "--write-docs", is_flag=True, help="Write the pages of docs/ and the JSON Schema again (reads the boards)."
)
@json_option
def mapping(entity: str | None, write_docs: bool, as_json: bool) -> None:
    """Show the mappings, or one mapping column by column."""
    settings = prepared()
    from commands import mapping_pages
    from sync.parts import board_of, mappings_of

    if write_docs:
        for path in mapping_pages.write_all(settings):
            click.echo(f"Wrote {path}.")
        return
    mappings = mappings_of(settings)
    if entity is None:
        boards = {name: board_of(settings, found) for name, found in mappings.items()}
        show_mapping("mappings", *mapping_pages.mappings_table(mappings.values(), boards), as_json)
    else:
        from mappings.loader import choose

        show_mapping("columns", *mapping_pages.columns_table(choose(mappings, [entity])[0]), as_json)


def show_mapping(name: str, headings: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> None:
    """Writes a table, or its rows as JSON objects under that name."""
    from terminal.console import say, show_table

    if as_json:
        names = [heading.replace(" ", "_") for heading in headings]
        return say(json.dumps({name: [dict(zip(names, row)) for row in rows]}))
    show_table("", headings, rows)
