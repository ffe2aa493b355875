"""Declares the commands that only look: `status`, `validate`, `mapping`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from commands.mapping_texts import diff, export, import_
from commands.runs import cost_line, last_run_in_words, paused_in_words, plain
from mappings.stored import own_file_in_words
from models import State
from terminal.commands import Example, InOrder, entities_option, json_option, prepared
from values.wording import counted, plural

if TYPE_CHECKING:
    from mappings.declaration import Mapping
    from settings import Settings
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
    """Show the state of each entity and each sync: links, differences, the last run, what waits, what is due next."""
    settings = prepared()
    from commands.sync_status import state_of_syncs
    from state.overview import status_of
    from sync.parts import board_of, open_parts

    with open_parts(settings) as parts:
        boards = [(mapping, board_of(settings, mapping)) for mapping in parts.mappings.values()]
        state = status_of(parts.db, [(mapping, board) for mapping, board in boards if board is not None])
        show_status({**state, **state_of_syncs(parts)}, as_json)
        for mapping in () if as_json else parts.mappings.values():
            if said := own_file_in_words(mapping):
                click.echo(f"{mapping.entity}: {said}")


def show_status(state: dict[str, Any], as_json: bool) -> None:
    """Writes a table of the entities, and a line for what needs attention."""
    from commands.sync_status import show_syncs
    from terminal.console import say, show_table

    if as_json:
        return say(json.dumps(state, default=plain))
    if state["syncs"]:
        show_syncs(state)
    # a home that has syncs alone
    if state["syncs"] and not any(entity["last_run"] or entity["active"] for entity in state["entities"]):
        return
    headings = ("entity", "board", *STATUS_COLUMNS, "last run (UTC)")
    show_table("", headings, [_status_row(entity) for entity in state["entities"]], STATUS_COLUMNS)
    for entity in state["entities"]:
        for note in _notes(entity):
            say(f"{entity['entity']}: {note}")
    say(f"Waiting: {counted(state['inbox'])} events from monday.com, {counted(state['outbox'])} changes in PostgreSQL.")


def _status_row(entity: dict[str, Any]) -> tuple[Any, ...]:
    numbers = (_number(entity[name]) for name in STATUS_COLUMNS.values())
    return entity["entity"], entity["board_id"], *numbers, last_run_in_words(entity["last_run"])


def _number(count: Any) -> int:
    # skipped items come as a list, by reason
    return sum(skip["items"] for skip in count) if isinstance(count, list) else int(count)


def _notes(entity: dict[str, Any]) -> Iterator[str]:
    """Yields what the table of `status` does not show."""
    if entity["paused"]:
        yield paused_in_words(entity["entity"], entity["paused"])
    for skip in entity["skipped"]:
        more = ", ..." if skip["items"] > len(skip["first"]) else ""
        items = f": items {', '.join(skip['first'])}{more}" if skip["first"] else ""
        yield f"{counted(skip['items'])} left out, {skip['reason']}{items}"
    if refused := entity["errors"] + entity["set_aside"]:
        yield f"{plural(refused, 'record')} refused: python main.py retry list"
    if differ := entity["known_to_differ"]:
        yield f"{plural(differ, 'item')} known to differ from a row (shared with others, or given up)."
    cost = f"; {cost_line(entity['last_run']['api'])}" if entity["last_run"] else ""
    # an empty board leaves the earliest time
    read = entity["watermark"] if (entity["watermark"] or EPOCH) > EPOCH else "nothing yet"
    yield f"read up to {read}{cost}."


# validate


@click.command("validate", cls=Example, example="validate --sync-name customers_sync")
@entities_option
@click.option("--sync-name", "sync_names", multiple=True, metavar="NAME", help="Only this sync. Can be repeated.")
@click.option("--offline", is_flag=True, help="Check the files alone, without boards, databases and SmartSuite.")
@json_option
def validate(entities: Sequence[str], sync_names: Sequence[str], offline: bool, as_json: bool) -> None:
    """Check mappings against boards and tables, and syncs against their queries and their tables of SmartSuite.

    All mistakes are told at once, and nothing is written. Exit 2: something is wrong; 1: something cannot be reached.
    """
    settings = prepared()
    from mappings.query_syncs import FILE
    from sync.validation import together, validated

    has_syncs = (settings.home / FILE).exists()
    results = []
    # without a key of monday.com, a home that has syncs has nothing else
    if entities or not (sync_names or (has_syncs and not settings.api_key)):
        results.append(validated(settings, entities, offline))
    if sync_names or (has_syncs and not entities):
        from sync.queries.validation import validated_syncs

        results.append(validated_syncs(settings, sync_names, offline))
    result = together(results)
    show_findings(result, as_json)
    sys.exit(result.exit_code)


def show_findings(result: Validated, as_json: bool) -> None:
    """Writes a line for each finding, and the verdict."""
    from terminal.console import say

    if as_json:
        return say(json.dumps(_validated_json(result)))
    for finding in result.findings:
        say(f"{'wrong' if finding.state is State.FAULT else 'note'}: {finding.affects}: {finding.sentence}")
        if finding.remedy:
            say(f"  hint: {finding.remedy}")
    names, seen = ", ".join(result.entities) or "nothing", " and ".join(result.against)
    verdict = "something is wrong" if result.exit_code else "nothing is wrong"
    # Without a key the boards were not asked, and the user did not want it so.
    lacks_key = "tables" in result.against and "boards" not in result.against
    hint = " Set MONDAY_API_KEY to check the boards too." if lacks_key else ""
    say(f"Looked at {names} ({seen}): {verdict}.{hint}")


def _validated_json(result: Validated) -> dict[str, Any]:
    findings = [
        {
            "entity": finding.affects,
            "message": finding.sentence,
            "grave": finding.state is State.FAULT,
            "hint": finding.remedy,
        }
        for finding in result.findings
    ]
    return {
        "entities": result.entities,
        "against": result.against,
        "findings": findings,
        "exit_code": result.exit_code,
    }


# mapping


class ShownOrKept(InOrder, Example):
    """Shows mappings, and holds the commands on their texts."""


@click.group("mapping", cls=ShownOrKept, example="mapping --entity users", invoke_without_command=True)
@click.option("--entity", metavar="NAME", help="Show which board column is which table column.")
@click.option(
    "--write-docs", is_flag=True, help="Write the pages of docs/ and the JSON Schema again (reads the boards)."
)
@json_option
@click.pass_context
def mapping(context: click.Context, entity: str | None, write_docs: bool, as_json: bool) -> None:
    """Show the mappings, or one mapping column by column."""
    if context.invoked_subcommand is not None:
        return
    settings = prepared()
    from commands import mapping_pages
    from sync.parts import board_of

    if write_docs:
        for path in mapping_pages.write_all(settings):
            click.echo(f"Wrote {path}.")
        return
    mappings = _asked_for(settings)
    if entity is None:
        boards = {name: board_of(settings, found) for name, found in mappings.items()}
        show_mapping("mappings", *mapping_pages.mappings_table(mappings.values(), boards), as_json)
    else:
        from mappings.loader import choose

        show_mapping("columns", *mapping_pages.columns_table(choose(mappings, [entity])[0]), as_json)


def _asked_for(settings: Settings) -> dict[str, Mapping]:
    """Returns the mappings; those of files alone where no server is set, or where it cannot be asked, which is told."""
    from errors import DatabaseError
    from sync.parts import known_mappings, mappings_of

    if settings.database_url:
        try:
            with known_mappings(settings) as mappings:
                return mappings
        except DatabaseError as exc:
            click.echo(f"note: only mapping files are shown: {exc.message}", err=True)
    return mappings_of(settings)


for command in (export, import_, diff):
    mapping.add_command(command)


def show_mapping(name: str, headings: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool) -> None:
    """Writes a table, or its rows as JSON objects under that name."""
    from terminal.console import say, show_table

    if as_json:
        names = [heading.replace(" ", "_") for heading in headings]
        return say(json.dumps({name: [dict(zip(names, row)) for row in rows]}))
    show_table("", headings, rows)
