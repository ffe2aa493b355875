"""Uses the dashboard by keys in a real browser: pages, rows, the search, the list of keys; off while a user types."""

from __future__ import annotations

import re

import pytest

from tests.web.test_browser import violations

pytestmark = pytest.mark.xdist_group("browser")


def test_keys_lead_to_pages_and_to_the_search(served, opened):
    from playwright.sync_api import expect

    page = opened().page
    page.goto(served.url + "/")
    for keys, path in (("gr", "/runs"), ("gc", "/conflicts"), ("go", "/")):
        for key in keys:
            page.keyboard.press(key)
        expect(page).to_have_url(served.url + path)
    page.keyboard.press("/")
    expect(page).to_have_url(served.url + "/records")
    page.keyboard.press("/")
    search = page.locator("main input[name=q]")
    expect(search).to_be_focused()
    page.keyboard.type("gr/?x")
    expect(search).to_have_value("gr/?x")
    expect(page.locator("dialog#keys")).to_be_hidden()


def test_the_list_of_keys_opens_closes_and_switches_them_off(served, opened):
    from playwright.sync_api import expect

    page = opened(360).page
    page.goto(served.url + "/")
    page.keyboard.press("?")
    keys = page.locator("dialog#keys")
    expect(keys).to_be_visible()
    assert not violations(page)
    page.get_by_label("Keys are on").uncheck()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.reload()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    page.get_by_role("button", name="Keys (?)").click()
    expect(keys).to_be_visible()


def test_rows_are_ticked_and_opened_by_keys(served, opened, dispute):
    from playwright.sync_api import expect

    dispute()
    page = opened().page
    page.goto(served.url + "/conflicts")
    page.keyboard.press("j")
    row = page.locator("main tbody tr").first
    expect(row).to_be_focused()
    expect(row).to_have_css("outline-style", "solid")
    page.keyboard.press("x")
    expect(row.get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/(conflicts|records)/.+"))


def test_the_refresh_is_stopped_by_a_key_and_goes_on_by_it(served, opened, db):
    from playwright.sync_api import expect

    logged = (
        "insert into sync_logs (entity_type, operation, status, message) values ('contact', 'update', 'success', 'x')"
    )
    page = opened().page
    page.goto(served.url + "/log")
    page.keyboard.press(".")
    expect(page.get_by_text("This page does not refresh itself")).to_be_visible()
    db.execute_query(logged, fetch=False)
    page.wait_for_timeout(4_000)
    expect(page.locator("main tbody tr")).to_have_count(0)
    page.keyboard.press(".")
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.get_by_text("This page does not refresh itself")).to_be_hidden()
