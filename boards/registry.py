"""Keeps the registry of deployed boards: the table `board_registry`, which has a row for each board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from msgspec import Struct

from boards.drift import DriftShape
from boards.proposal import Proposal
from db_connector import Database, Transaction
from errors import SettingsError
from state.overview import figures_of_each
from state.runs import last_of_each
from state.values import delete, drift_key, values_of
from values.canonical import dumps
from values.parsing import clean_text
from values.wording import utc_or_none, utc_text

LOADING, DEPLOYED = "loading", "deployed"


class ColumnShape(TypedDict):
    """Describes a column of a deployed board, as JSON: where its values go, or that it is rejected."""

    id: str
    title: str
    type: str
    field: str | None
    rejected: bool


class Entry(Struct, frozen=True):
    """Holds a row of the registry."""

    name: str
    board_id: str
    board_name: str
    table_name: str
    mapping_path: str
    status: str
    columns: Sequence[ColumnShape] | None
    deployed_at: datetime | None
    synced_at: datetime | None


class LastRun(TypedDict):
    """Describes the last run of a deployed board, as JSON."""

    started_at: str
    outcome: str
    kind: str


class BoardStatus(TypedDict):
    """Describes what is known of a deployed board, as JSON. docs/boards.md describes it."""

    name: str
    board_id: str
    board_name: str
    table_name: str
    mapping_path: str
    status: str
    items: int
    archived: int
    waiting: int
    columns: int
    rejected: int
    deployed_at: str | None
    synced_at: str | None
    last_run: LastRun | None
    drift: list[DriftShape]


# Writing


ENTER = """
insert into board_registry (name, board_id, board_name, table_name, mapping_path, columns, status)
values (%(name)s, %(board_id)s, %(board_name)s, %(table_name)s, %(mapping_path)s, %(columns)s, %(status)s)
on conflict (name) do update
set board_name = excluded.board_name,
    table_name = excluded.table_name,
    mapping_path = excluded.mapping_path,
    columns = excluded.columns,
    status = excluded.status,
    updated_at = now()
"""
NOTE_COLUMNS = """
update board_registry
set columns = %s, updated_at = now()
where name = %s
"""
NOTE_LOADED = """
update board_registry
set rows = %s, synced_at = now(), updated_at = now()
where name = %s
"""
NOTE_DEPLOYED = """
update board_registry
set status = %s, updated_at = now()
where name = %s
"""


def enter(tx: Transaction, proposal: Proposal, path: Path, status: str) -> None:
    """Notes that a board is about to be deployed."""
    tx.execute(
        ENTER,
        {
            "name": proposal.entity,
            "board_id": proposal.board.id,
            "board_name": clean_text(proposal.board.name),
            "table_name": proposal.table_name,
            "mapping_path": str(path),
            "columns": _columns(proposal.tree()["fields"]),
            "status": status,
        },
    )


def note_columns(tx: Transaction, name: str, fields: Sequence[Mapping[str, Any]]) -> None:
    """Notes the entries that the mapping of a board has now."""
    tx.execute(NOTE_COLUMNS, (_columns(fields), name))


def note_loaded(tx: Transaction, name: str, rows: int) -> None:
    """Notes that the table of a board is loaded, and with how many rows."""
    tx.execute(NOTE_LOADED, (rows, name))


def note_deployed(tx: Transaction, name: str) -> None:
    """Notes that everything of a board is made."""
    tx.execute(NOTE_DEPLOYED, (DEPLOYED, name))


def remove(tx: Transaction, name: str) -> None:
    """Forgets a deployed board. Its files and tables stay."""
    tx.execute("delete from board_registry where name = %s", (name,))
    delete(tx, drift_key(name))


def _columns(fields: Sequence[Mapping[str, Any]]) -> str:
    """Returns the columns of the board in a mapping's entries, as JSON."""
    shapes: list[ColumnShape] = [
        {
            "id": str(entry["column"]),
            "title": str(entry.get("title", "")),
            "type": entry["type"],
            "field": entry.get("field"),
            "rejected": "rejected" in entry,
        }
        for entry in fields
        if "type" in entry
    ]
    return dumps(shapes).decode()


# Reading


KNOWN = """
select name, board_id, board_name, table_name, mapping_path, status, columns, deployed_at, synced_at
from board_registry
where name = coalesce(%(name)s, name)
order by name
"""


def known(tx: Transaction, name: str | None = None) -> list[Entry]:
    """Returns the deployed boards, or only the board of that name."""
    return [Entry(**row) for row in tx.dicts(KNOWN, {"name": name})]


def one_of(tx: Transaction, name: str) -> Entry:
    """Returns the deployed board of that name. Raises SettingsError when there is none."""
    found = known(tx, name)
    if not found:
        names = ", ".join(entry.name for entry in known(tx)) or "none"
        raise SettingsError(f"No deployed board is called {name}.", hint=f"Deployed: {names}.")
    return found[0]


def status_of(db: Database, name: str | None = None) -> list[BoardStatus]:
    """Returns what is known of the deployed boards, or only of the board of that name."""
    with db.transaction(read_only=True, snapshot=True) as tx:
        found = known(tx) if name is None else [one_of(tx, name)]
        names = [entry.name for entry in found]
        figures, last = figures_of_each(tx, names), last_of_each(tx, names)
        drift = values_of(tx, [drift_key(name) for name in names])
    return [
        _with_figures(entry, figures[entry.name], last.get(entry.name), drift.get(drift_key(entry.name)) or {})
        for entry in found
    ]


def _with_figures(
    entry: Entry, figures: Mapping[str, Any], last: Mapping[str, Any] | None, drift: Mapping[str, Any]
) -> BoardStatus:
    columns = entry.columns or []
    return {
        "name": entry.name,
        "board_id": entry.board_id,
        "board_name": entry.board_name,
        "table_name": entry.table_name,
        "mapping_path": entry.mapping_path,
        "status": entry.status,
        "items": figures["items"],
        "archived": figures["archived"],
        "waiting": figures["waiting"],
        "columns": len(columns),
        "rejected": sum(column["rejected"] for column in columns),
        "deployed_at": utc_or_none(entry.deployed_at),
        "synced_at": utc_or_none((last or {}).get("finished_at") or entry.synced_at),
        "last_run": _last_run(last) if last else None,
        "drift": list(drift.get("drift") or ()),
    }


def _last_run(run: Mapping[str, Any]) -> LastRun:
    return {"started_at": utc_text(run["started_at"]), "outcome": run["outcome"], "kind": run["kind"]}


def summary_of(boards: Sequence[BoardStatus]) -> dict[str, int | list[str]]:
    """Returns a few figures of all deployed boards."""
    return {
        "boards": len(boards),
        "loading": sum(board["status"] == LOADING for board in boards),
        "items": sum(board["items"] for board in boards),
        "archived": sum(board["archived"] for board in boards),
        "columns": sum(board["columns"] for board in boards),
        "rejected_columns": sum(board["rejected"] for board in boards),
        "waiting_records": sum(board["waiting"] for board in boards),
        "drift_waiting": sum(bool(drift.get("waits")) for board in boards for drift in board["drift"]),
        "failed": sorted(board["name"] for board in boards if _has_failed(board["last_run"])),
    }


def _has_failed(run: LastRun | None) -> bool:
    return run is not None and run["outcome"] not in ("success", "running")
