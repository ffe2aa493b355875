"""Shows each entity in each of the last runs as a grid, on the page of the runs."""

from __future__ import annotations

import pytest

from state.runs import Runs


def test_each_cell_tells_how_the_entity_ended_in_that_run_and_leads_to_it(served, db):
    runs, ids = Runs(db), []
    for kept in (
        [{"entity": "contacts", "complete": True}, {"entity": "users", "complete": True, "errors": 2}],
        [{"entity": "contacts", "problem": "MondayUnavailable"}, {"entity": "users", "message": "not run"}],
        [{"entity": "users", "problem": "GuardStop", "complete": False}],
    ):
        ids.append(runs.start("command", "bidirectional"))
        runs.finish(ids[-1], 0, "success", "", kept, {})
    ids.append(runs.start("command", "bidirectional", {"contacts": {"phase": "works"}, "users": {"phase": "waits"}}))
    runs.start("live", "bidirectional", {"contacts": {"phase": "works"}})
    runs.finish(
        runs.start("verify", "verify"), 1, "failed", "", [{"entity": "contacts", "problem": "DatabaseError"}], {}
    )
    grid = served.json("/runs")["grid"]
    assert [run["run_id"] for run in grid["runs"]] == ids
    assert {row["entity"]: row["cells"] for row in grid["rows"]} == {
        "contacts": ["success", "failed", None, "running"],
        "users": ["partial", "not run", "guarded", "waiting"],
    }
    page = served.get("/runs").text
    assert all(f'href="/runs/{run_id}" aria-label=' in page for run_id in ids)
    db.execute_query("update sync_runs set heartbeat_at = now() - interval '1 hour'", fetch=False)
    (contacts, *_) = served.json("/runs")["grid"]["rows"]
    assert contacts["cells"][-1] == "died"


@pytest.mark.parametrize("number", [0, 30])
def test_a_grid_is_as_wide_as_there_are_runs_and_no_wider_than_twenty(served, db, number):
    runs = Runs(db)
    for _ in range(number):
        runs.finish(runs.start("command", "bidirectional"), 0, "success", "", [{"entity": "contacts"}], {})
    grid = served.json("/runs")["grid"]
    assert len(grid["runs"]) == min(number, 20) and len(grid["rows"]) == (1 if number else 0)
