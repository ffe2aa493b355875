"""Kills what a page looks at, and the dashboard itself: a run, PostgreSQL, the dashboard in the middle of an act."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from databases.postgres.embedded import LocalPostgres
from state.schema import init_db
from tests.kit.cli import settings_for, start_main
from tests.kit.postgres import Postgres
from tests.kit.waiting import until
from tests.web.conftest import serving
from tests.web.test_pages import plan_of, values_of

pytestmark = pytest.mark.xdist_group("browser")


def test_a_run_of_the_shell_moves_on_an_open_page_and_is_shown_as_dead_when_it_is_killed(
    served, opened, sides, environment
):
    from playwright.sync_api import expect

    sides.items(400, A="a")
    sides.sandbox.admin("switches", latency_ms=400)
    page = opened().page
    page.goto(served.url + "/runs")
    child = start_main("monday-to-pg", "--entity", "contacts", "--batch-size", "10", env=environment)
    try:
        page.locator("#list tr").get_by_role("link").click(timeout=20_000)
        expect(page.locator("#run")).to_contain_text("running")
        bar = page.get_by_role("progressbar")
        expect(bar).to_have_attribute("value", re.compile(r"[1-9]"), timeout=15_000)
        first = bar.get_attribute("value")
        expect(bar).not_to_have_attribute("value", str(first), timeout=15_000)
    finally:
        child.kill()
        child.wait()
    expect(page.locator("#run")).to_contain_text("died", timeout=35_000)
    expect(page.get_by_text("Its process has told nothing since")).to_be_visible()
    page.get_by_role("button", name="Close the dead runs").click()
    expect(page.get_by_text("1 dead run closed.")).to_be_visible()


@contextmanager
def own_server(folder):
    """Starts a PostgreSQL of the test's own with the tool's tables. Yields it and the address of its database."""
    server = LocalPostgres(folder / "postgres", throwaway=True)
    made = Postgres(server.start())
    made.create("own")
    made.close()
    database = made.database("own", max_connections=2)
    init_db(database)
    database.close()
    try:
        yield server, made.url("own")
    finally:
        server.end()


def test_an_open_page_outlives_a_stop_of_postgres(opened, sandbox, home, folder):
    from playwright.sync_api import expect

    with own_server(folder) as (server, url), serving(settings_for(sandbox, url, MONDAY_SYNC_HOME=str(home))) as served:
        watched, other = opened(), opened()
        watched.page.goto(served.url + "/")
        expect(watched.page.locator("#sentence")).to_have_text("Nothing was synced yet")
        server.end()
        expect(watched.page.locator("#stale")).to_contain_text("No answer since", timeout=20_000)
        assert watched.page.locator("#sentence").inner_text() == "Nothing was synced yet"
        other.page.goto(served.url + "/runs")
        expect(other.page.get_by_text("This page looks again by itself")).to_be_visible()
        told = other.page.content()
        assert "python main.py doctor pg" in told and "Traceback" not in told and "psycopg2" not in told
        assert served.get("/runs").status_code == 503
        assert served.get("/livez").status_code == 200
        server.start()
        expect(watched.page.locator("#stale")).to_be_hidden(timeout=20_000)
        expect(other.page.get_by_role("heading", name="Runs")).to_be_visible(timeout=20_000)
    assert all("503" in wrong for found in (watched, other) for wrong in found.wrong)
    watched.wrong.clear(), other.wrong.clear()


def test_a_dashboard_that_is_killed_amid_an_act_on_many_leaves_nothing_half_done(environment, opened, dispute, sides):
    from playwright.sync_api import expect

    records = [dispute(monday=f"M{n}", postgres=f"P{n}", name=f"n{n}") for n in range(4)]
    watched, acting = opened(), opened()
    with serving(environment) as served:
        watched.page.goto(served.url + "/conflicts")
        acting.page.goto(f"{served.url}/conflicts/plan?all=1&winner=postgres")
        sides.sandbox.admin("switches", latency_ms=300)
        sides.sandbox.admin("requests/reset")
        acting.page.get_by_role("button", name="Apply").click(no_wait_after=True)
        until(lambda: sides.sandbox.admin("requests", operation="mutation"), 20, "the first write")
        served.child.kill()
        served.child.wait()
        sides.sandbox.admin("switches", latency_ms=0)
        for number, record in enumerate(records):
            assert values_of(sides, *record) in ((f"M{number}", f"P{number}"), (f"P{number}", f"P{number}"))
        expect(watched.page.locator("#stale")).to_contain_text("No answer since", timeout=20_000)
    with serving(environment, "--port", served.url.rsplit(":", 1)[1]) as again:
        expect(watched.page.locator("#stale")).to_be_hidden(timeout=20_000)
        if again.json("/conflicts")["conflicts"]:
            plan = plan_of(again, all=1, winner="postgres")
            answer = again.post("/conflicts/resolve", all=1, winner="postgres", digest=plan["digest"])
            assert answer.status_code == 200, answer.text
    for number, record in enumerate(records):
        assert values_of(sides, *record) == (f"P{number}", f"P{number}")
    found = sides.db.execute_query("select status, count(*) as n from sync_conflicts group by 1")
    assert found == [{"status": "resolved", "n": 4}]
    assert len(sides.board()) == 5
    sides.sandbox.admin("requests/reset")
    sides.sync()
    assert sides.sandbox.admin("requests", operation="mutation") == []
    watched.wrong.clear(), acting.wrong.clear()
