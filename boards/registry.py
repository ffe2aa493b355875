"""Which boards are deployed, as what, and how they are: kept in `board_registry`, one row a deployed board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boards.proposal import Proposal
from db_connector import Database, Transaction
from errors import SettingsError
from state.overview import figures_of
from state.runs import last_of
from state.values import delete, drift_key, value_of
from values.canonical import dumps
from values.parsing import clean_text
from values.wording import utc_or_none

LOADING, DEPLOYED = "loading", "deployed"

KNOWN = """
select name, board_id, board_name, table_name, mapping_path, status, columns, rows, deployed_at, synced_at
from board_registry
where name = coalesce(%(name)s, name)
order by name
"""


def enter(tx: Transaction, proposal: Proposal, path: Path, status: str) -> None:
    """A board is about to be deployed."""
    tx.execute(
        "insert into board_registry as r (name, board_id, board_name, table_name, mapping_path, columns, status)"
        " values (%s, %s, %s, %s, %s, %s, %s) on conflict (name) do update set board_name = excluded.board_name,"
        " table_name = excluded.table_name, mapping_path = excluded.mapping_path, columns = excluded.columns,"
        " status = excluded.status, updated_at = now()",
        (
            proposal.entity, proposal.board.id, clean_text(proposal.board.name), proposal.table_name, str(path),
            _columns(proposal.tree()["fields"]), status,
        ),
    )  # fmt: skip


def note_columns(tx: Transaction, name: str, fields: Sequence[Any]) -> None:
    """Its mapping has these entries now."""
    tx.execute(
        "update board_registry set columns = %s, updated_at = now() where name = %s", (_columns(fields), name)
    )


def _columns(fields: Sequence[Any]) -> str:
    """The columns of the board in a mapping's entries, as JSON: id, title, type, and where each goes."""
    shapes = [
        {"id": str(one["column"]), "title": str(one.get("title", "")), "type": one["type"],
         "field": one.get("field"), "rejected": "rejected" in one}
        for one in fields if "type" in one
    ]  # fmt: skip
    return dumps(shapes).decode()


def note_loaded(tx: Transaction, name: str, rows: int) -> None:
    """Its table holds what the board holds."""
    tx.execute(
        "update board_registry set rows = %s, synced_at = now(), updated_at = now() where name = %s", (rows, name)
    )


def note_deployed(tx: Transaction, name: str) -> None:
    """All that belongs to it is made."""
    tx.execute("update board_registry set status = %s, updated_at = now() where name = %s", (DEPLOYED, name))


def known(tx: Transaction, name: str | None = None) -> list[dict[str, Any]]:
    """The deployed boards, or one of them."""
    return tx.dicts(KNOWN, {"name": name})


def one_of(tx: Transaction, name: str) -> dict[str, Any]:
    """One deployed board. Raises SettingsError for a name that none has."""
    found = known(tx, name)
    if not found:
        names = ", ".join(one["name"] for one in known(tx)) or "none"
        raise SettingsError(f"No deployed board is called {name}.", hint=f"Deployed: {names}.")
    return found[0]


def remove(tx: Transaction, name: str) -> None:
    """Forget a deployed board: its files and tables stay."""
    tx.execute("delete from board_registry where name = %s", (name,))
    delete(tx, drift_key(name))


def status_of(db: Database, name: str | None = None) -> list[dict[str, Any]]:
    """What is known of the deployed boards, as JSON has it."""
    with db.transaction(read_only=True, snapshot=True) as tx:
        found = known(tx, name) if name is None else [one_of(tx, name)]
        return [_with_figures(tx, one) for one in found]


def _with_figures(tx: Transaction, one: dict[str, Any]) -> dict[str, Any]:
    figures = figures_of(tx, one["name"])
    last = last_of(tx, one["name"])
    drift = value_of(tx, drift_key(one["name"])) or {}
    columns = one.pop("columns") or []
    synced = (last or {}).get("finished_at") or one["synced_at"]
    return {
        **{name: value for name, value in one.items() if name not in ("rows", "synced_at", "deployed_at")},
        "items": figures["items"], "archived": figures["archived"], "waiting": figures["waiting"],
        "columns": len(columns), "rejected": sum(column["rejected"] for column in columns),
        "deployed_at": utc_or_none(one["deployed_at"]), "synced_at": utc_or_none(synced),
        "last_run": last and {
            "started_at": utc_or_none(last["started_at"]), "outcome": last["outcome"], "kind": last["kind"],
        },
        "drift": list(drift.get("drift") or ()),
    }  # fmt: skip


def summary_of(boards: list[dict[str, Any]]) -> dict[str, Any]:
    """All of them in a few figures."""
    return {
        "boards": len(boards),
        "loading": sum(one["status"] == LOADING for one in boards),
        "items": sum(one["items"] for one in boards),
        "archived": sum(one["archived"] for one in boards),
        "columns": sum(one["columns"] for one in boards),
        "rejected_columns": sum(one["rejected"] for one in boards),
        "waiting_records": sum(one["waiting"] for one in boards),
        "drift_waiting": sum(bool(drift.get("waits")) for one in boards for drift in one["drift"]),
        "failed": sorted(
            one["name"] for one in boards if one["last_run"] and one["last_run"]["outcome"] not in ("success", "running")
        ),
    }


