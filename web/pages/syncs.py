"""Shows the syncs of queries: a card each, one with its columns, runs and refused rows, and what is remembered of a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, url_for

from mappings.query_syncs import QuerySync
from state import lists
from state.disputes import conflicts_of, names_of
from state.pauses import pauses
from state.query_syncs import refused_rows, states_of
from state.runs import last_of_each
from sync.queries.known import shown as remembered_of
from sync.queries.settle import shape_of
from values.wording import plural
from web import charts
from web.answers import shown, site
from web.states import FAILED, PAUSE_HOURS, need

ROWS_SHOWN = 50
COUNTS = ("linked", "in_step", "conflicts", "refused", "in_doubt", "removed")


def card(sync: QuerySync, state: dict[str, Any], bars: list[Any]) -> dict[str, Any]:
    """Returns what the card of a sync shows."""
    needs = list(_needs(sync.name, state))
    return {
        "sync": sync.name,
        "table_id": sync.table_id,
        "state": _word(sync, state, bool(needs)),
        "counts": {name: state[name] for name in COUNTS},
        "last_run": state["last_run"] and {key: state["last_run"][key] for key in ("id", "started_at", "outcome")},
        "next_run_at": state["next_run_at"],
        "read_up_to": state["watermark"],
        "paused": state["paused"],
        "bars": bars,
        "path": charts.path_of([bar["n"] for bar in bars]),
        "needs": needs,
    }


def _needs(name: str, state: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yields what waits for a user. What was refused is tried again by itself."""
    run = state["last_run"]
    if run and run["outcome"] in (*FAILED, "guarded"):
        said = f": {run['message']}" if run["message"] else ""
        ended = {"died": "died", "guarded": "was stopped by a guard"}.get(run["outcome"], "failed")
        yield need(f"The last run of {name} {ended}{said}", url_for("runs.run", run_id=run["id"]), "Look at the run")
    if number := state["conflicts"]:
        told = f"{plural(number, 'conflict')} of {name} {'waits' if number == 1 else 'wait'} for a decision"
        yield need(told, url_for("conflicts.conflicts", entity=name), "Decide")


def _word(sync: QuerySync, state: dict[str, Any], needs: bool) -> str:
    """Returns the one word for the state of a sync."""
    outcome = state["last_run"]["outcome"] if state["last_run"] else None
    cases = (
        (outcome == "running", "working"),
        (state["paused"] is not None, "paused"),
        (outcome in FAILED, "failed"),
        (needs, "needs you"),
        (not sync.enabled, "off"),
        (outcome is None and not state["linked"], "never run"),
        (bool(state["refused"] or state["in_doubt"]), "waiting"),
    )
    return next((word for true, word in cases if true), "in step")


def page(sync: QuerySync) -> Response:
    """Shows one sync: its state, its columns, its last runs, and the rows that were refused."""
    name = sync.name
    with site().reading() as tx:
        (state,) = states_of(tx, {name: sync.table_id}, last_of_each(tx, [name]), pauses(tx))
        runs = lists.runs_page(tx, lists.RunFilter(entity=name), 10)
        refused = refused_rows(tx, [name])
        conflicts = [shape_of(found) for found in conflicts_of(tx, names_of((), [name]), name, limit=ROWS_SHOWN)]
    data = {
        "card": card(sync, state, []),
        "pause_hours": PAUSE_HOURS,
        "file": str(sync.path),
        "line": sync.line,
        "database": "PostgreSQL" if sync.database == "postgres" else "MySQL",
        "query": sync.query,
        "key": [sync.primary_key, sync.external_id_field],
        "rules": {"conflict": sync.on_conflict, "row": sync.on_row_removed, "record": sync.on_record_removed},
        "columns": [
            {"column": column, "field": field, "changed": column in sync.changes}
            for column, field in sync.fields.items()
        ],
        "runs": [{key: run[key] for key in ("run_id", "started_at", "direction", "outcome")} for run in runs],
        "refused": refused[:ROWS_SHOWN],
        "conflicts": conflicts,
        "enabled": sync.enabled,
    }
    return shown("sync_of_query.html", data)


def row(sync: QuerySync, key: str) -> Response:
    """Shows what is remembered of one row, and of its record."""
    with site().reading() as tx:
        known = remembered_of(tx, sync, key)
        conflicts = conflicts_of(tx, names_of((), [sync.name]), sync.name, key=key)
        entries = lists.log_page(
            tx, lists.LogFilter(since="-infinity", entity_type=sync.entity_type, q=key), ROWS_SHOWN
        )
    known["state"] = _state_of_row(known)
    data = {
        "known": known,
        "conflicts": [{name: conflict[name] for name in ("id", "field")} for conflict in conflicts],
        "log": entries,
        "names": site().subject_names(),
    }
    return shown("row_of_query.html", data)


def _state_of_row(known: dict[str, Any]) -> str:
    cases = (
        (known["intent_at"] is not None, "in doubt"),
        (known["removed_at"] is not None, "removed"),
        (known["attempts"] > 0, "refused"),
        (known["record_id"] is None, "never run"),
    )
    return next((word for true, word in cases if true), "in step" if known["in_step"] else "waiting")
