"""Watches an open page of the dashboard while the world moves; uses it by keyboard, and without JavaScript."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.kit.cli import start_main
from tests.kit.waiting import until
from tests.web.test_pages import pages_of_rows, values_of

pytestmark = pytest.mark.xdist_group("browser")


ELSEWHERE = {
    *("signing_in", "logout"),
    *("boards.apply", "boards.reload", "checks.fix"),  # test_mending.py
    "alerts.test",  # test_page_of_alerts.py
    *("accounts.pause", "accounts.resume"),  # test_account_pages.py
}
"""Acts whose buttons are pressed by other tests."""


def test_a_run_of_the_shell_appears_moves_and_ends_on_an_open_page(served, opened, sides, environment):
    from playwright.sync_api import expect

    sides.items(300, A="a")
    page = opened().page
    page.goto(served.url + "/runs")
    expect(page.get_by_text("There is no such run")).to_be_visible()
    child = start_main("monday-to-pg", "--entity", "contacts", "--batch-size", "20", env=environment)
    row = page.locator("#list tr")
    expect(row).to_have_count(1, timeout=15_000)
    expect(page.get_by_text("There is no such run")).to_be_hidden()
    expect(row).to_contain_text("success", timeout=30_000)
    assert child.wait(30) == 0
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run ")
    expect(page.locator("#run")).to_contain_text("300 created")


def test_a_run_is_stopped_from_the_page(served, opened, db):
    from playwright.sync_api import expect

    from state.runs import Runs

    run_id = Runs(db).start("command", "bidirectional")
    page = opened().page
    page.goto(f"{served.url}/runs/{run_id}")
    page.get_by_role("button", name="Stop after this batch").click()
    expect(page.get_by_text("A user asked it to stop")).to_be_visible()
    assert db.execute_query("select stop_asked_at is not null as asked from sync_runs")[0]["asked"]


def test_new_conflicts_come_without_moving_what_is_read_or_ticked(served, opened, dispute):
    from playwright.sync_api import expect

    dispute(name="ann")
    page = opened().page
    page.goto(served.url + "/conflicts")
    row = page.locator("tbody tr").first
    known = row.get_attribute("id")
    row.get_by_role("checkbox").check()
    place = page.locator(f"#{known}").bounding_box()["y"]
    dispute(monday="P", postgres="Q", name="bea")
    expect(page.locator("tbody tr")).to_have_count(2, timeout=5_000)
    kept = page.locator(f"#{known}")
    expect(kept.get_by_role("checkbox")).to_be_checked()
    assert abs(kept.bounding_box()["y"] - place) < 2
    expect(page).to_have_title("2! Conflicts · Sync")


def test_of_two_tabs_the_second_is_told_what_the_first_has_decided(served, opened, dispute, sides):
    from playwright.sync_api import expect

    item_id, row_id = dispute()
    first, second = opened(), opened()
    for watched in (first, second):
        watched.page.goto(served.url + "/conflicts")
    # the second reads nothing any more until its button is pressed
    second.page.evaluate("clearTimeout(timer)")
    first.page.get_by_role("button", name="Both get “X” (board)").click()
    expect(first.page.get_by_text("1 conflict decided")).to_be_visible()
    second.page.get_by_role("button", name="Both get “Y” (PostgreSQL)").click()
    expect(second.page.get_by_role("alert")).to_contain_text("Nothing was done")
    assert values_of(sides, item_id, row_id) == ("X", "X")
    assert "409" in second.wrong.pop()


def test_a_plan_that_is_applied_after_a_row_was_edited_beneath_is_shown_anew(served, opened, dispute, sides):
    from playwright.sync_api import expect

    first, second = dispute(name="ann"), dispute(name="bea")
    watched = opened()
    page = watched.page
    page.goto(served.url + "/conflicts")
    page.get_by_role("checkbox", name="Tick all shown").check()
    page.get_by_role("button", name="The board wins").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 fields of PostgreSQL will get")
    sides.update(second[1], A="Z")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 field of PostgreSQL will get")
    assert (values_of(sides, *first), values_of(sides, *second)) == (("X", "Y"), ("X", "Z"))
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("1 conflict decided")).to_be_visible()
    assert values_of(sides, *first) == ("X", "X")
    # a row that was edited 2 s after its item or later is the newer side, and wins by the rule
    assert values_of(sides, *second) in (("X", "Z"), ("Z", "Z"))
    assert "409" in watched.wrong.pop()


def test_everything_works_without_javascript(served, opened, dispute, sides):
    from playwright.sync_api import expect

    item_id, row_id = dispute()
    page = opened(360, java_script_enabled=False).page
    page.goto(served.url + "/")
    page.get_by_role("link", name="Decide").click()
    page.get_by_role("button", name="The board wins").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 field of PostgreSQL will get the value of the board.")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("1 conflict decided")).to_be_visible()
    assert values_of(sides, item_id, row_id) == ("X", "X")


def pause_and_resume(page, served) -> None:
    from playwright.sync_api import expect

    page.goto(served.url + "/entities/contacts")
    page.get_by_text("Pause", exact=True).first.click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("p").filter(has_text="Paused since")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("p").filter(has_text="Paused since")).to_be_hidden()


def mend_what_was_found(watched, served) -> None:
    until(
        lambda: not (shown := served.json("/proofs"))["going"] and shown["proofs"][0]["finished_at"], what="the proof"
    )
    watched.page.goto(f"{served.url}/proofs/{served.json('/proofs')['proofs'][0]['id']}")
    watched.page.get_by_role("link", name="Plan").first.click()
    watched.page.get_by_role("button", name="Apply").click()
    watched.shows("Mended.")


def ask_for_a_new_item(watched) -> None:
    page = watched.page
    page.get_by_text("Its item is gone").click()
    page.locator("#typed").fill("not its key")
    page.get_by_role("button", name="Make a new item").click()
    watched.shows("Nothing was made")
    assert "400" in watched.wrong.pop()


def test_every_act_works_without_javascript(served, opened, full, sides, app):
    """Presses a button of each route that takes an act, so that none can be forgotten."""
    watched = opened(360, java_script_enabled=False)
    page, acted = watched.page, set()
    page.on("request", lambda sent: acted.add(endpoint_of(app, sent)) if sent.method == "POST" else None)
    conflict, plan = served.json("/conflicts")["conflicts"][0], pages_of_rows(served)[-1]
    record = f"/records/contacts/{conflict['entity_id']}"
    run = next(run["run_id"] for run in served.json("/runs")["runs"] if run["outcome"] == "running")

    def press(path, button, told, **fields):
        page.goto(served.url + path)
        for label, value in fields.items():
            page.locator(f"[name={label}]").last.fill(value)
        page.get_by_role("button", name=button).first.click()
        watched.shows(told)

    press("/sync?entity=contacts", "Show the plan", "It is being made")
    press(f"/runs/{run}", "Stop after this batch", "is asked to stop")
    sides.db.execute_query(
        "update sync_runs set heartbeat_at = now() - interval '1 hour' where finished_at is null", fetch=False
    )
    press("/runs", "Close the dead runs", "closed.")
    pause_and_resume(page, served)
    press("/alerts", "Silence", "No message about")
    press("/conflicts", "Both get", "1 conflict decided")
    press("/proofs", "Prove it now", "It appears here within some seconds")
    mend_what_was_found(watched, served)
    press(record, "Change", "The next run deals with what waits")
    ask_for_a_new_item(watched)
    page.goto(served.url + "/retries")
    page.locator("#all").check()
    page.get_by_role("button", name="Let the next run try them").click()
    watched.shows("will be tried by the next run")
    until(lambda: served.json(plan)["ended"], 30, "the plan")
    press(plan, "Sync now", "It appears here within some seconds")
    assert acted == posts_of(app) - ELSEWHERE


def endpoint_of(app, sent) -> str:
    """Returns which route a request of the browser is for."""
    return str(app.url_map.bind("").match(urlsplit(sent.url).path, "POST")[0])


def posts_of(app) -> set[str]:
    return {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in rule.methods}


def test_everything_works_by_keyboard(served, opened, dispute, sides):
    from playwright.sync_api import expect

    item_id, row_id = dispute()
    page = opened().page
    page.goto(served.url + "/conflicts")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    wanted = page.get_by_role("button", name="Both get “Y” (PostgreSQL)")
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 conflict decided")).to_be_visible()
    assert values_of(sides, item_id, row_id) == ("Y", "Y")


def test_a_form_of_another_site_changes_nothing(served, opened, dispute, db):
    dispute()
    watched = opened()
    (conflict,) = served.json("/conflicts")["conflicts"]
    page = watched.page
    value = f"{conflict['id']}:monday:{conflict['digest']}"
    page.route(
        "http://evil.test/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{served.url}/conflicts/resolve">'
            f'<button name="one" value="{value}">x</button></form>',
        ),
    )
    page.goto("http://evil.test/")
    page.get_by_role("button").click()
    watched.shows("This was not sent from a page of the dashboard")
    assert "403" in watched.wrong.pop()
    assert db.execute_query("select status from sync_conflicts") == [{"status": "open"}]


def test_a_plan_is_made_before_a_run_and_a_run_is_started(served, opened, sides):
    from playwright.sync_api import expect

    sides.item("cid", A="a")
    page = opened().page
    page.goto(served.url + "/sync?entity=contacts")
    page.get_by_role("button", name="Show the plan (dry run)").click()
    expect(page.get_by_role("status").filter(has_text="The plan is made")).to_be_visible(timeout=30_000)
    expect(page.locator("pre")).to_contain_text("create")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#list tr")).to_contain_text("success", timeout=30_000)
