"""Shows the syncs of queries on the dashboard: a card each, the page of one, its refused rows; starts a run of one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import SmartSuite
from tests.kit.syncs import World
from tests.kit.waiting import until
from tests.web.conftest import HOSTILE, Served, proved, serving
from tests.web.test_browser import look_at_all
from tests.web.test_pages import LARGEST, STATEMENTS, commands_of

SHOP = """
create table shop (
    id bigint, name text, amount numeric(12, 2), stage text, born date, note text,
    updated_at timestamptz not null default now())
"""
REFUSED = "update sync_records set attempts = 2, next_try_at = now() + '1 h', last_error = %s where source_key = '2'"


HELD = """
insert into sync_conflicts (entity_type, entity_id, monday_id, field, base_value, postgres_value, monday_value, rule,
                            winner, status)
values ('query:shop', '2', 'record', 'Note', %s, %s, %s, 'manual', 'held', 'open')
"""


@pytest.fixture
def shop(db, database_url, home) -> Iterator[World]:
    """Makes both sides of a sync, with three rows that were never copied."""
    with SmartSuite() as suite:
        env = {
            "DATABASE_URL": database_url,
            "MONDAY_SYNC_HOME": str(home),
            "SMARTSUITE_TOKEN": suite.token,
            "SMARTSUITE_ACCOUNT_ID": suite.account_id,
            "SMARTSUITE_API_URL": suite.api_url,
        }
        db.execute_query(SHOP, fetch=False)
        world = World(suite, db, home, env)
        world.rows(3)
        yield world


@pytest.fixture
def open_shop(shop) -> Iterator[Served]:
    """Serves the dashboard over the sync."""
    with serving(shop.env) as served:
        yield served


def last_run(served: Served) -> dict:
    return next(iter(served.json("/runs")["runs"]), {})


def test_a_sync_is_run_from_its_card_and_its_rows_are_shown(shop, open_shop):
    card = open_shop.json("/")["syncs"][0]
    assert (card["sync"], card["state"], card["counts"]["linked"]) == ("shop", "never run", 0)
    assert "run --sync-name shop --dry-run" in open_shop.get("/").text
    answer = open_shop.post("/sync", direction="mysql_to_smartsuite", entity="shop")
    assert answer.status_code == 200, answer.text
    until(lambda: last_run(open_shop).get("outcome") == "success", 30, "the run")
    assert len(shop.records()) == 3
    card = open_shop.json("/")["syncs"][0]
    assert (card["state"], card["counts"]["in_step"], card["last_run"]["outcome"]) == ("in step", 3, "success")
    run = open_shop.get(f"/runs/{last_run(open_shop)['run_id']}").text
    assert "3 created" in run and "calls to SmartSuite" in run and "calls to monday.com" not in run
    row = open_shop.json("/records/shop/2")["known"]
    assert (row["state"], row["key"], bool(row["record_id"])) == ("in step", "2", True)
    assert open_shop.get("/records?q=shop/2").url.endswith("/records/shop/2")
    assert open_shop.get("/records/shop/99").status_code == 400
    titles = {chart["title"]: chart["total"] for chart in open_shop.json("/charts?entity=shop")["charts"]}
    assert titles["Records written to SmartSuite"] == 3
    assert titles["Calls to SmartSuite"] > 0 == titles["Calls to monday.com"]


def test_the_plan_of_a_sync_is_shown_and_its_button_starts_the_sync(shop, open_shop):
    plan = open_shop.post("/sync", direction="mysql_to_smartsuite", entity="shop", dry_run="1").json()["plan"]
    until(lambda: open_shop.json(plan)["ended"], 30, "the plan")
    made = open_shop.json(plan)
    assert made["command"] == "python main.py run --sync-name shop --dry-run" and len(shop.records()) == 0
    answer = open_shop.post("/sync", direction=made["direction"], entity=made["entity"])
    assert answer.status_code == 200
    until(lambda: len(shop.records()) == 3, 30, "the run")
    refused = open_shop.post("/sync", direction="mysql_to_smartsuite", entity="no_such")
    assert refused.status_code == 400


def test_rows_that_were_refused_are_shown_and_tried_again_and_a_sync_is_paused(shop, open_shop):
    shop.counts()
    shop.db.execute_query(REFUSED, ("no such label",), fetch=False)
    assert open_shop.json("/entities/shop")["card"]["counts"]["refused"] == 1
    (refused,) = open_shop.json("/retries?entity=shop")["records"]
    assert (refused["entity"], refused["entity_id"], refused["last_error"]) == ("shop", "2", "no such label")
    assert open_shop.post("/retries/drop", id="shop|2|", typed="1").status_code == 400
    assert open_shop.post("/retries/now", id="shop|2|").status_code == 200
    waits = shop.db.execute_query("select next_try_at from sync_records where source_key = '2'")
    assert waits == [{"next_try_at": None}]
    assert open_shop.post("/entities/shop/pause").status_code == 200
    assert open_shop.json("/")["syncs"][0]["state"] == "paused"
    assert open_shop.post("/entities/shop/resume").status_code == 200
    assert open_shop.json("/")["syncs"][0]["state"] == "waiting"


def test_a_field_that_both_sides_changed_waits_on_the_page_of_its_sync(shop, open_shop):
    shop.counts()
    shop.db.execute_query(HELD, ('"agreed"', '"source"', '"smartsuite"'), fetch=False)
    page = open_shop.json("/")
    assert page["needs"][0]["sentence"] == "1 conflict of shop waits for a decision"
    (conflict,) = open_shop.json("/entities/shop")["conflicts"]
    assert (conflict["key"], conflict["source_value"], conflict["smartsuite_value"]) == ("2", "source", "smartsuite")


def test_mistakes_in_the_file_of_the_syncs_are_told_and_everything_else_goes_on(shop, open_shop):
    path = shop.home / "config" / "sync_mappings.yml"
    path.write_text("syncs: 7\n")
    page = open_shop.json("/")
    assert page["syncs"] == [] and "sync_mappings.yml" in page["needs"][0]["sentence"]
    shop.write_sync()
    assert open_shop.json("/")["needs"] == []


@pytest.mark.xdist_group("browser")
def test_pages_of_syncs_can_be_used_by_all(shop, open_shop, opened):
    shop.write_sync()
    shop.counts()
    shop.db.execute_query(REFUSED, (HOSTILE,), fetch=False)
    shop.db.execute_query(HELD, [f'"{HOSTILE[:20]}"'] * 3, fetch=False)
    run = last_run(open_shop)["run_id"]
    pages = ("/", "/entities/shop", "/records/shop/2", "/retries", "/sync", "/charts", f"/runs/{run}")
    look_at_all(opened().page, open_shop.url, pages)
    for path in pages:
        # once a minute the mappings in the database are looked at, too
        answer = min((open_shop.get(path), open_shop.get(path)), key=commands_of)
        assert commands_of(answer) <= STATEMENTS + 2 and len(answer.content) <= LARGEST, path


def test_a_sync_is_proved_and_what_is_found_is_mended_as_planned(shop, open_shop):
    shop.counts()
    (record,) = [found for found in shop.snapshot() if found[shop.slugs["External id"]] == "2"]
    shop.suite.admin("records/change", record_id=record["id"], values={shop.slugs["Amount"]: "7"})
    proof = proved(open_shop, "shop")
    assert (proof["entity"], proof["outcome"]) == ("shop", "different")
    assert "SmartSuite 7, row 2.5" in open_shop.get(f"/proofs/{proof['id']}").text
    (found,) = open_shop.json(f"/proofs/{proof['id']}")["findings"]
    plan = open_shop.json(f"/findings/{found['id']}")
    assert [(step["side"], step["name"], step["after"]) for step in plan["steps"]] == [("SmartSuite", "Amount", "2.5")]
    assert open_shop.post(f"/findings/{found['id']}", digest="another").status_code == 409
    assert open_shop.post(f"/findings/{found['id']}", digest=plan["digest"]).status_code == 200
    assert shop.records()["2"]["Amount"] == "2.5" and proved(open_shop, "shop")["outcome"] == "equal"
