"""Lets a run remove much: what the guard has stopped is shown, and allowed once by typing the entity's name."""

from __future__ import annotations

import subprocess

import pytest

from tests.kit.cli import start_main

pytestmark = pytest.mark.xdist_group("browser")

REMOVES = {"entity": "contacts", "direction": "monday_to_pg", "sweep": "1", "allow_mass_delete": "1"}


@pytest.fixture
def stopped(sides_with_bob, environment) -> str:
    """Makes a run of the shell that the guard of removals stops. Returns its id."""
    sides = sides_with_bob
    ids = sides.items(60, A="a")
    shell(environment)
    for item_id in ids[:21]:
        sides.act("archive", item_id)
    assert shell(environment, "--sweep") == 4
    found = sides.db.execute_query("select id::text as id from sync_runs order by started_at desc limit 1")
    return str(found[0]["id"])


def shell(environment, *options: str) -> int:
    return start_main("monday-to-pg", "--entity", "contacts", "--quiet", *options, env=environment).wait(60)


def active(sides) -> int:
    return sides.db.execute_query("select count(*) as n from contacts where archived_at is null")[0]["n"]


def test_what_a_guard_stopped_is_shown_and_allowed_once_by_typing_the_name(served, opened, sides, stopped):
    from playwright.sync_api import expect

    page = opened().page
    page.goto(f"{served.url}/runs/{stopped}")
    page.get_by_role("button", name="Show what would be removed").click()
    expect(page.get_by_role("status").filter(has_text="The plan is made")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("heading", name="21 items would be removed")).to_be_visible()
    number = page.url.rsplit("/", 1)[1]
    for form in ({}, {"confirm": "contact"}, {"confirm": "contacts", "plan": "99"}):
        refused = served.post("/sync", **{**REMOVES, "plan": number, **form})
        assert refused.status_code == 400 and "Nothing was started" in refused.json()["error"]
    assert active(sides) == 61
    page.get_by_label("Type contacts to allow it").fill("contacts")
    page.get_by_role("button", name="Remove, and sync now").click()
    expect(page.locator("#list tr").first).to_contain_text("success", timeout=30_000)
    assert active(sides) == 40
    again = served.post("/sync", **REMOVES, plan=number, confirm="contacts")
    assert again.status_code == 400 and "carried out already" in again.json()["error"]


def test_what_was_confirmed_is_refused_with_the_new_list_when_others_would_be_removed(served, opened, sides, stopped):
    from playwright.sync_api import expect

    watched = opened()
    page = watched.page
    page.goto(f"{served.url}/runs/{stopped}")
    page.get_by_role("button", name="Show what would be removed").click()
    expect(page.get_by_role("heading", name="21 items would be removed")).to_be_visible(timeout=30_000)
    another = sides.db.execute_query(
        "select monday_id from sync_mapping order by length(monday_id) desc, 1 desc limit 1"
    )
    sides.act("archive", another[0]["monday_id"])
    page.get_by_label("Type contacts to allow it").fill("contacts")
    page.get_by_role("button", name="Remove, and sync now").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was started: others would be removed", timeout=60_000)
    expect(page.get_by_role("heading", name="22 items would be removed")).to_be_visible()
    expect(page.locator("#plan")).to_contain_text(another[0]["monday_id"])
    assert "409" in watched.wrong.pop() and active(sides) == 61
    page.get_by_label("Type contacts to allow it").fill("contacts")
    page.get_by_role("button", name="Remove, and sync now").click()
    expect(page.locator("#list tr").first).to_contain_text("success", timeout=60_000)
    assert active(sides) == 39


def test_a_run_removes_none_but_the_agreed(sides_with_bob, environment, stopped):
    sides = sides_with_bob
    known = sides.db.execute_query("select monday_id from sync_mapping order by 1")
    agreed = [row["monday_id"] for row in known if sides.on_board(row["monday_id"]) == "archived"][:5]
    run = start_main(
        *("monday-to-pg", "--entity", "contacts", "--sweep", "--allow-mass-delete", "--quiet", "--only-removing", "-"),
        env=environment,
        stdin=subprocess.PIPE,
    )
    run.communicate("\n".join(agreed), timeout=60)
    archived = sides.db.execute_query("select monday_id from sync_mapping where archived_at is not null order by 1")
    assert [row["monday_id"] for row in archived] == agreed
