"""Looks at the dashboard in a real browser: every page in each state, by mouse and by keyboard, without JavaScript."""

from __future__ import annotations

import pytest

from tests.kit.live import away
from tests.web.test_pages import PAGES, pages_of_rows, values_of

pytestmark = pytest.mark.xdist_group("browser")

CONTRAST = {"runOnly": ["color-contrast"]}


def violations(page, options=None) -> list[str]:
    """Returns what axe finds on a page as it is shown now."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], **(options or {})}).response["violations"]
    return [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def look_at_all(page, url: str, pages=PAGES) -> None:
    """Looks at every page, narrow and wide, light and dark: no violation, and nothing is wider than the window."""
    wrong = []
    for path in pages:
        page.goto(url + path)
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme="light")
            wrong += [(path, width, "light", found) for found in violations(page)]
            page.emulate_media(color_scheme="dark")
            # only colours are others
            wrong += [(path, width, "dark", found) for found in violations(page, CONTRAST)]
            wide = page.evaluate("document.documentElement.scrollWidth")
            wrong += [(path, width, f"is {wide} wide")] if wide > width else []
    assert not wrong, "\n".join(str(found) for found in wrong)


def test_pages_of_an_empty_database_can_be_used_by_all(served, opened):
    look_at_all(opened().page, served.url)


def test_pages_that_are_full_can_be_used_by_all(served, opened, full, app):
    every = [*PAGES, *pages_of_rows(served)]
    look_at_all(opened().page, served.url, every)
    # a page that is added is looked at, too
    found, known = app.url_map.bind(""), {"login"}
    known |= {found.match(path.split("?")[0])[0] for path in every}
    files = {"boards.plan"}  # needs a board that has changed: test_mending.py looks at it
    files |= {"accounts.account"}  # needs an account: test_account_pages.py looks at it
    files |= {"static", "bootstrap.static", "dark", "favicon", "livez"}
    assert {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in rule.methods} == known | files


def test_pages_without_a_database_can_be_used_by_all(served, opened, here):
    watched = opened()
    with away(here):
        look_at_all(watched.page, served.url, ("/", "/runs", "/conflicts", "/log", "/boards", "/records/contacts/1"))
        assert served.get("/").status_code == 503
    assert all("503" in wrong for wrong in watched.wrong)
    watched.wrong.clear()


def test_pages_over_tables_that_are_missing_say_the_command(served, opened, db):
    db.execute_query("delete from sync_state where name = 'schema'", fetch=False)
    answer = served.get("/")
    assert answer.status_code == 503 and "python main.py init-db" in answer.text
    watched = opened()
    look_at_all(watched.page, served.url, ("/", "/runs"))
    watched.wrong.clear()


def test_a_conflict_is_decided_by_mouse_and_both_sides_change(served, opened, dispute, sides):
    from playwright.sync_api import expect

    item_id, row_id = dispute()
    page = opened().page
    page.goto(served.url + "/")
    expect(page.locator("#sentence")).to_have_text("1 thing needs you")
    expect(page).to_have_title("1! Overview · Sync")
    page.get_by_role("link", name="Decide").click()
    page.get_by_role("button", name="Both get “Y” (PostgreSQL)").click()
    expect(page.get_by_role("status").filter(has_text="1 conflict decided")).to_be_visible()
    assert values_of(sides, item_id, row_id) == ("Y", "Y")
