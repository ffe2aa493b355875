"""Applies on the page what has changed on a deployed board, and mends what doctor finds, as the plan said or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.deployed import Deployment, deployment
from tests.web.conftest import Served, serving
from tests.web.test_browser import look_at_all


@pytest.fixture
def planning(db, database_url, home) -> Iterator[Deployment]:
    """Deploys a board with a contract by which every change of it waits for a user."""
    with deployment(db, database_url, home) as world:
        world.board(("text1", "Notes", "text"), ("num1", "Cost", "numbers"), text1="a")
        world.deploy()
        world.set("contract", "freeze")
        yield world


@pytest.fixture
def shown(planning) -> Iterator[Served]:
    """Serves the dashboard over the deployed board."""
    with serving(planning.env) as served:
        yield served


@pytest.mark.xdist_group("browser")
def test_changes_of_a_board_are_applied_as_planned_and_what_is_left_out_is_not_fetched(planning, shown, opened):
    from playwright.sync_api import expect

    planning.admin("columns/add", id="new1", title="New", type="text")
    planning.admin("columns/add", id="mirror1", title="Shown", type="mirror")
    planning.pull()
    before = planning.columns()
    watched = opened()
    page = watched.page
    look_at_all(page, shown.url, ("/boards/planning", "/boards/planning/plan"))
    page.goto(shown.url + "/boards/planning")
    page.get_by_role("link", name="Show what would be applied").click()
    expect(page.locator("pre")).to_contain_text('add column if not exists "New" text;')
    expect(page.locator("pre")).to_contain_text('add column if not exists "Shown"')
    assert planning.columns() == before
    page.get_by_label("Leave out Shown").check()
    planning.admin("columns/rename", column_id="text1", title="Remarks")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was applied")
    assert "409" in watched.wrong.pop() and planning.columns() == before
    assert 'rename column "Notes" to "Remarks";' in page.locator("pre").inner_text()
    page = opened(java_script_enabled=False).page
    page.goto(shown.url + "/boards/planning/plan")
    page.get_by_label("Leave out Shown").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("status").filter(has_text="3 changes applied")).to_be_visible()
    assert {"New", "Remarks"} <= set(planning.columns()) and "Shown" not in planning.columns()
    assert "Nothing waits" in shown.get("/boards/planning/plan").text


@pytest.mark.xdist_group("browser")
def test_what_doctor_finds_is_mended_where_that_does_no_harm(served, db, opened):
    db.execute_query(
        "insert into sync_runs (id, kind, direction, outcome, started_at, heartbeat_at)"
        " values (gen_random_uuid(), 'command', 'bidirectional', 'running', now() - interval '1 day',"
        " now() - interval '1 day')",
        fetch=False,
    )
    page = served.json("/checks?look=work.dead_runs")
    assert page["fixes"] == ["python main.py runs --close-dead"]
    refused = served.post("/checks/fix", look="work.dead_runs", digest="another")
    assert refused.status_code == 409 and refused.json()["moved"]
    plain = opened(java_script_enabled=False).page
    plain.goto(served.url + "/checks?look=work.dead_runs")
    plain.get_by_role("button", name="Run it").click()
    assert served.json("/checks?look=work.dead_runs")["fixes"] == []
    again = served.post("/checks/fix", look="work.dead_runs", digest=page["digest"])
    assert again.status_code == 409


def test_what_postgres_would_refuse_is_told_before_it_is_applied(planning, shown):
    planning.admin("columns/add", id="new1", title="New", type="text")
    planning.pull()
    with planning.db.transaction() as tx:
        tx.execute("lock table planning in access exclusive mode")
        in_use = shown.json("/boards/planning/plan")
    assert [told.split(" is new")[0] for told in in_use["refused"]] == ["column 'New' (text)"]
    assert shown.json("/boards/planning/plan")["refused"] == []
