"""Shows boards as tables: proposals, what a deploy made, the registry. As text for a user, as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boards.drift import APPLY, DriftShape, sentence
from boards.proposal import Proposal, ProposedColumn, related_boards, subitem_boards
from boards.tables import create_statements, ddl_text
from sync.command import show_plans
from sync.report import RunReport, entity_line, run_line
from terminal.console import say, show_table
from terminal.leaving import show_error

if TYPE_CHECKING:
    from boards.deploy import Deployed
    from boards.registry import BoardStatus, Entry
    from boards.update import Updated

NUMBERS = ("items", "columns", "waiting")


# Discovering and deploying


def show_proposals(made: Sequence[Proposal], as_json: bool) -> None:
    """Writes columns, mapping and DDL of each proposal."""
    if as_json:
        shapes = [_proposal_json(proposal) for proposal in made]
        return say(json.dumps(shapes[0] if len(shapes) == 1 else {"boards": shapes}, default=str))
    for proposal in made:
        _show_board(proposal)
        say("")
        headings = ("on the board", "type", "column", "SQL type", "note", "for example")
        show_table("", headings, [_column_row(column) for column in proposal.columns])
        say(f"\n-- The mapping, {proposal.entity}.yaml\n\n{proposal.text()}")
        say(f"-- The table\n\n{ddl_text(create_statements(proposal)) or 'as it is: nothing of it is altered'}")


def _proposal_json(proposal: Proposal) -> dict[str, Any]:
    ddl = [f"{statement};" for statement in create_statements(proposal)]
    return {**proposal.as_json(), "mapping": proposal.text(), "ddl": ddl}


def _show_board(proposal: Proposal) -> None:
    board = proposal.board
    items = "" if board.items_count is None else f", {board.items_count:,} items"
    say(f"Board {board.name} ({board.id}){items} as the table {proposal.table_name}:")
    say(f"Groups: {', '.join(title for _, title in board.groups) or 'none'}")
    if below := subitem_boards(board):
        say(f"Subitems: board {below[0]} (--subitems makes it a table, too)")
    for column in proposal.columns:
        if related := related_boards(column.about):
            say(f"{column.about.title}: items of board {', '.join(related)}")


def _column_row(column: ProposedColumn) -> tuple[str, ...]:
    name, sql_type = ("-", "-") if column.rejected else (column.column, column.sql_type)
    notes = (column.decision or ("to decide" if column.hard else ""), "" if column.writable else "read-only")
    samples = "; ".join(column.samples)
    return column.about.title, column.about.type, name, sql_type, ", ".join(filter(None, notes)), samples


def show_already_deployed(name: str, as_json: bool) -> None:
    """Reports that nothing was done."""
    if as_json:
        return say(json.dumps({"deployed": [], "already": name}))
    say(f"{name} is deployed already; nothing was done. Read it anew: python main.py boards reload {name}")


def show_nothing_made(as_json: bool) -> None:
    """Reports that the user did not confirm."""
    say(json.dumps({"deployed": []}) if as_json else "Nothing was made.")


def show_deployed(report: RunReport, done: Sequence[Deployed], as_json: bool) -> None:
    """Writes what the run did, the files that were written, and the link tables."""
    show_run(report, as_json, {"deployed": [_deployed_json(deployed) for deployed in done]})
    if as_json:
        return
    for deployed in done:
        for path in deployed.files:
            say(f"Wrote {path}.")
        for link in deployed.links:
            say(f"Link table: {link}.")


def _deployed_json(deployed: Deployed) -> dict[str, Any]:
    return {
        "entity": deployed.mapping.entity,
        "board_id": deployed.mapping.board_id,
        "table": deployed.mapping.table,
        "files": [str(path) for path in deployed.files],
        "links": deployed.links,
    }


def show_run(report: RunReport, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Writes what a run did, and reports what went wrong; `more` joins the JSON object."""
    for problem in report.problems:
        show_error(problem)
    if as_json:
        return say(json.dumps({**report.as_json(), **(more or {})}))
    for entity in report.entities:
        say(entity_line(entity, report.direction))
    show_plans([plan for entity in report.entities for plan in entity.plans])
    say(run_line(report))


def show_update(updated: Updated, as_json: bool) -> None:
    """Writes what changed on the board, and what was done about each change."""
    if as_json:
        return say(json.dumps(updated.as_json()))
    if not updated.drift:
        say(f"{updated.entity}: the mapping is as the board is; nothing was done.")
    for drift in updated.drift:
        say(f"{updated.entity}: {sentence(drift)}")
    if any(drift.move == APPLY for drift in updated.drift):
        say(f"The next run compares everything: python main.py run --entity {updated.entity}")


# The registry


def show_list(boards: Sequence[BoardStatus], as_json: bool) -> None:
    """Writes the deployed boards as a table."""
    if as_json:
        return say(json.dumps({"boards": boards}, default=str))
    if not boards:
        return say("No board is deployed. Deploy one: python main.py boards deploy --board-id ID --name NAME")
    headings = ("name", "board", "table", "items", "columns", "waiting", "status", "last run (UTC)")
    show_table("", headings, [_board_row(board) for board in boards], NUMBERS)


def _board_row(board: BoardStatus) -> tuple[Any, ...]:
    title = f"{board['board_name']} ({board['board_id']})"
    # records, and changes of the board
    waiting = board["waiting"] + sum(bool(drift.get("waits")) for drift in board["drift"])
    counts = (board["items"], board["columns"], waiting)
    return board["name"], title, board["table_name"], *counts, board["status"], _last_run(board)


def show_status(board: BoardStatus, as_json: bool) -> None:
    """Writes what is known of one deployed board."""
    if as_json:
        return say(json.dumps(board, default=str))
    title = f"{board['board_name']} ({board['board_id']})"
    say(f"{board['name']}: board {title} in table {board['table_name']}, {board['status']}.")
    counts = f"{board['items']} here, {board['archived']} archived, {board['waiting']} waiting"
    say(f"Items: {counts}. Last run: {_last_run(board)}.")
    say(f"Columns: {board['columns']}, {board['rejected']} of them rejected. Mapping: {board['mapping_path']}")
    if not board["drift"]:
        return
    headings = ("what", "column", "became", "state", "seen (UTC)")
    show_table("What has changed on the board:", headings, [_drift_row(drift) for drift in board["drift"]])
    if any(drift.get("waits") for drift in board["drift"]):
        say(f"Apply what waits: python main.py boards update {board['name']}")


def _drift_row(drift: DriftShape) -> tuple[str, ...]:
    state = "waits" if drift.get("waits") else "passed over" if drift.get("passed") else "done"
    return drift["kind"], drift["title"], drift["what"], state, drift["at"][:16].replace("T", " ")


def show_summary(summary: dict[str, int | list[str]], as_json: bool) -> None:
    """Writes the figures of all deployed boards."""
    if as_json:
        return say(json.dumps(summary))
    for name, value in summary.items():
        say(f"{name.replace('_', ' ')}: {', '.join(value) or 'none' if isinstance(value, list) else value}")


def show_removed(entry: Entry, path: Path, as_json: bool) -> None:
    """Reports that a board is out of the registry, and what stays."""
    name, table = entry.name, entry.table_name
    if as_json:
        return say(json.dumps({"removed": name, "stays": {"table": table, "mapping": str(path)}}))
    say(f"{name} is out of the registry. The table {table} and the mapping {path} stay, and runs go on reading it.")
    say(f"To end that too, remove the mapping; to end all, drop the table: drop table {table};")


def _last_run(board: BoardStatus) -> str:
    run = board["last_run"]
    return f"{run['started_at'][:16].replace('T', ' ')} {run['outcome']}" if run else "never"
