"""Applies on the page what has changed on a deployed board, and mends what doctor finds, as the plan said or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.deployed import Deployment, deployment
from tests.kit.waiting import until
from tests.web.conftest import Served, serving
from tests.web.test_browser import look_at_all

CREWS = 99_000_002


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


@pytest.mark.xdist_group("browser")
def test_a_board_is_reloaded_as_its_plan_said_or_not_at_all(planning, shown, opened):
    from playwright.sync_api import expect

    first, second = planning.ids()[:2]
    planning.sql(f'update planning set "Notes" = \'by SQL\' where "Item ID" = {first}')
    watched = opened(java_script_enabled=False)
    page = watched.page
    page.goto(shown.url + "/boards/planning")
    page.get_by_role("button", name="Show what a reload would change").click()
    watched.shows("What it would do")
    plan = page.url.removeprefix(shown.url)
    until(lambda: shown.json(plan)["ended"], what="the plan")
    page.goto(shown.url + plan)
    expect(page.locator("pre")).to_contain_text(f"update planning {first}")
    planning.admin("items/change", item_id=second, values={"text1": "later"})
    page.get_by_role("button", name="Apply: reload planning").click()
    # the plan is made once more, in a process of its own
    expect(page.locator("main")).to_contain_text("the board or the table have changed", timeout=60_000)
    assert "409" in watched.wrong.pop() and planning.rows()[0]["Notes"] == "by SQL"
    expect(page.locator("pre")).to_contain_text(f"update planning {second}")
    page.get_by_role("button", name="Apply: reload planning").click()
    expect(page.locator("main")).to_contain_text("It appears here within some seconds", timeout=60_000)
    until(lambda: [run["outcome"] for run in shown.json("/runs?kind=reload")["runs"]] == ["success"], what="the reload")
    assert [row["Notes"] for row in planning.rows()][:2] == ["a", "later"]


def test_the_plan_shows_the_link_tables_and_triggers_that_applying_makes_and_makes_none(planning, shown):
    planning.board(("text1", "Town", "text"), id=CREWS, name="Crews")
    planning.deploy(board=str(CREWS), name="crews")
    planning.admin("columns/add", id="crew1", title="Crew", type="board_relation")
    planning.admin("columns/settings", column_id="crew1", boardIds=[CREWS])
    planning.pull()
    planned = shown.json("/boards/planning/plan")
    told = "\n".join(planned["ddl"])
    assert planned["refused"] == [] and 'create table if not exists "public"."planning_Crew"' in told.replace("\n", " ")
    for what in ("create or replace function", "create trigger", "create index", "-- new rows that cells named before"):
        assert what in told, what
    assert planning.db.execute_query("select to_regclass('\"planning_Crew\"') is null as lacks") == [{"lacks": True}]
    # the same plan is told as the same
    assert shown.json("/boards/planning/plan")["digest"] == planned["digest"]
    done = shown.post("/boards/planning", digest=planned["digest"])
    assert done.status_code == 200 and done.json()["links"] == ["planning_Crew"], done.text
