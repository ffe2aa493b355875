"""Lays the outcome of each entity in each of the last runs out as a grid: a row an entity, a column a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from state.runs import PROOF
from sync.alerting.reasons import reason_of

RUNS = 20
"""How many runs the grid has at most."""
LEFT_OVER = ("held", "errors", "set_aside")
PHASES = {"waits": "waiting", "works": "running"}


def grid_of(runs: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Returns the columns, the newest run last, and the rows, each with an outcome a run or None. `runs`: newest first.

    What the daemon does between its runs, and proofs, are no runs of a grid.
    """
    columns = [run for run in runs if run["kind"] not in ("live", PROOF)][:RUNS][::-1]
    outcomes = [_outcomes(run) for run in columns]
    met = dict.fromkeys(names) | {name: None for found in outcomes for name in found}
    rows = [{"entity": name, "cells": [found.get(name) for found in outcomes]} for name in met]
    return {
        "runs": [{"run_id": run["run_id"], "started_at": run["started_at"]} for run in columns],
        "rows": [row for row in rows if any(row["cells"])],
    }


def _outcomes(run: dict[str, Any]) -> dict[str, str]:
    """Returns how each entity of a run ended, or how far it is."""
    if run["outcome"] == "running":
        return {name: PHASES.get(step.get("phase"), "success") for name, step in run["progress"].items()}
    unfinished = dict.fromkeys(run["progress"], str(run["outcome"]))
    return unfinished | {str(entity.get("entity")): _outcome(entity) for entity in run["entities"]}


def _outcome(entity: dict[str, Any]) -> str:
    message, problem = entity.get("message"), entity.get("problem")
    if message in ("not run", "interrupted"):
        return str(message)
    if problem == "GuardStop":
        return "guarded"
    if problem and reason_of(problem).fails:
        return "failed"
    left = problem or not entity.get("complete", True) or any(entity.get(name) for name in LEFT_OVER)
    return "partial" if left else "success"
