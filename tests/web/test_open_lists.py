"""Watches open lists and plans of the dashboard: what is new shows, and what is read or ticked stays in place."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.xdist_group("browser")

SOON = 5_000
"""Milliseconds within which what is new has to show."""
REFUSED = """
insert into sync_skipped (monday_id, entity_type, reason, attempts, next_try_at)
select n::text, 'contact', 'error: no such label', 1, now() + interval '1 hour'
from generate_series(%s, %s) as n
"""
LOGGED = """
insert into sync_logs (entity_type, monday_id, operation, status, message)
select 'contact', n::text, 'update', 'success', 'line ' || n
from generate_series(%s, %s) as n
"""
RUNS = """
insert into sync_runs (id, kind, direction, outcome, started_at, finished_at)
select gen_random_uuid(), 'command', 'bidirectional', 'success', now() - interval '1 hour' + n * interval '1 second', now()
from generate_series(%s, %s) as n
"""


def add(db, statement: str, first: int, last: int) -> None:
    db.execute_query(statement, (first, last), fetch=False)


@pytest.mark.parametrize(("path", "statement"), [("/log", LOGGED), ("/runs", RUNS), ("/retries", REFUSED)])
def test_new_rows_show_and_what_is_read_stays_in_its_place(served, opened, db, path, statement):
    from playwright.sync_api import expect

    add(db, statement, 1, 30)
    page = opened().page
    page.goto(served.url + path)
    rows = page.locator("main table:not(.grid) tbody tr")
    expect(rows).to_have_count(30)
    read = page.locator(f"[id='{rows.nth(20).get_attribute('id')}']")
    read.scroll_into_view_if_needed()
    place = read.bounding_box()["y"]
    add(db, statement, 31, 33)
    expect(rows).to_have_count(33, timeout=SOON)
    assert abs(read.bounding_box()["y"] - place) < 2


def test_what_is_ticked_for_another_try_stays_ticked_while_others_come(served, opened, db):
    from playwright.sync_api import expect

    add(db, REFUSED, 1, 3)
    page = opened().page
    page.goto(served.url + "/retries")
    ticked = page.locator("main tbody tr").nth(1)
    name = ticked.get_attribute("id")
    ticked.get_by_role("checkbox").check()
    add(db, REFUSED, 4, 5)
    expect(page.locator("main tbody tr")).to_have_count(5, timeout=SOON)
    expect(page.locator(f"[id='{name}']").get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_text("All 5 that match")).to_be_visible()
    expect(page.locator("main tbody input:checked")).to_have_count(1)


def test_what_waits_shows_and_goes_on_the_open_page_of_the_queues(served, opened, db):
    from playwright.sync_api import expect

    page = opened().page
    page.goto(served.url + "/queues")
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    db.execute_query(
        "insert into sync_outbox (entity_type, table_name, row_id, operation) values ('contact', 'contacts', '7', 'i')",
        fetch=False,
    )
    expect(page.get_by_role("row", name="outbox contacts 1")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("row", name="i contacts 7")).to_be_visible()
    db.execute_query("delete from sync_outbox", fetch=False)
    expect(page.get_by_text("Nothing waits.")).to_be_visible(timeout=SOON)


def test_a_plan_that_is_made_shows_itself_without_javascript(served, opened, sides):
    from playwright.sync_api import expect

    sides.items(300, A="a")
    page = opened(java_script_enabled=False).page
    page.goto(served.url + "/sync?entity=contacts")
    page.get_by_role("button", name="Show the plan (dry run)").click()
    expect(page.get_by_text("It is being made")).to_be_visible()
    expect(page.get_by_text("The plan is made")).to_be_visible(timeout=60_000)
    expect(page.locator("noscript meta")).to_have_count(0)
