"""Decides conflicts of syncs of queries on the dashboard: one, chosen ones, all that match; with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox import SmartSuite
from tests.kit.query_runs import QueryBench
from tests.web.conftest import HOSTILE, Served, serving
from tests.web.test_browser import look_at_all

OTHERS = """
insert into sync_conflicts (entity_type, entity_id, monday_id, field, base_value, postgres_value, monday_value, rule,
                            winner, status)
values ('contact', '1', '2', 'phone', '1', '2', '3', 'manual', 'held', 'open')
"""


@pytest.fixture
def disputed(db, database_url, server, home) -> Iterator[QueryBench]:
    """Makes three rows whose notes a person and the source have changed since they were written."""
    with SmartSuite() as suite, closing(QueryBench(db, database_url, suite, server, home)) as bench:
        bench.write_sync(on_conflict="manual")
        bench.insert(3)
        bench.run()
        for key in "123":
            bench.edit(key, note=f"by a person {key}")
        bench.mysql("update things set note = concat('by the source ', id)")
        assert bench.run().held == 3
        yield bench


@pytest.fixture
def open_page(disputed) -> Iterator[Served]:
    """Serves the dashboard over them."""
    with serving({**disputed.env, "MONDAY_SYNC_HOME": str(disputed.home)}) as served:
        yield served


def notes(bench: QueryBench) -> dict[str, str]:
    return {key: shown["note"] for key, shown in bench.shown().items()}


def waiting(served: Served) -> dict:
    """Returns the conflicts that wait, by the keys of their rows."""
    return {conflict["of"]["key"]: conflict for conflict in served.json("/conflicts?entity=things")["conflicts"]}


def plan_of(served: Served, **asked: object) -> dict:
    answer = served.get("/conflicts/plan", params=asked, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("winner", "note"), [("mysql", "by the source 2"), ("smartsuite", "by a person 2")])
def test_one_conflict_is_decided_as_it_was_shown(disputed, open_page, winner, note):
    assert open_page.json("/")["needs"][0]["to"] == "/conflicts?entity=things"
    conflict = waiting(open_page)["2"]
    shown = {side["winner"]: (side["title"], side["value"]) for side in conflict["sides"]}
    assert shown == {"smartsuite": ("SmartSuite", "by a person 2"), "mysql": ("Source", "by the source 2")}
    assert (conflict["sync"], conflict["base_value"]) == ("things", "note 2")
    assert all(side["changed_at"] for side in conflict["sides"])
    one = f"{conflict['id']}:{winner}:{conflict['digest']}"
    answer = open_page.post("/conflicts/resolve", one=one)
    assert answer.status_code == 200 and answer.json()["conflicts"][0]["resolved"], answer.text
    assert notes(disputed)["2"] == note
    assert set(waiting(open_page)) == {"1", "3"}
    assert open_page.post("/conflicts/resolve", one=one).status_code == 409
    disputed.run(full=True)
    assert notes(disputed)["2"] == note
    act = open_page.json("/log?operation=dashboard")["rows"][0]
    assert act["entity_id"] == "2" and "operate from 127.0.0.1" in act["message"]


def test_all_that_match_are_decided_as_the_plan_said_with_few_calls(disputed, open_page):
    plan = plan_of(open_page, all=1, entity="things", winner="mysql")
    assert (plan["number"], plan["sentence"]) == (3, "3 fields of SmartSuite will get the value of the source.")
    changes = {(one["now"], one["gets"]) for one in plan["conflicts"]}
    assert changes == {(f"by a person {key}", f"by the source {key}") for key in "123"}
    disputed.calls()
    answer = open_page.post("/conflicts/resolve", all=1, entity="things", winner="mysql", digest=plan["digest"])
    assert answer.status_code == 200, answer.text
    # table and records for the plan, and both again with one call that writes
    assert len(disputed.calls()) == 5
    assert waiting(open_page) == {}
    disputed.must_be_equal()


def test_smartsuite_keeps_what_people_wrote_and_nothing_is_written(disputed, open_page):
    plan = plan_of(open_page, all=1, winner="smartsuite")
    told = "3 fields of SmartSuite keep their values; nothing is written, and the source has its own."
    assert plan["sentence"] == told
    answer = open_page.post("/conflicts/resolve", all=1, winner="smartsuite", digest=plan["digest"])
    assert answer.status_code == 200 and waiting(open_page) == {}
    disputed.run(full=True)
    assert notes(disputed) == {key: f"by a person {key}" for key in "123"}


def test_only_the_ticked_are_decided(disputed, open_page):
    ids = [waiting(open_page)[key]["id"] for key in "13"]
    plan = plan_of(open_page, id=ids, winner="mysql")
    assert open_page.post("/conflicts/resolve", id=ids, winner="mysql", digest=plan["digest"]).status_code == 200
    assert notes(disputed) == {"1": "by the source 1", "2": "by a person 2", "3": "by the source 3"}


def test_a_plan_is_refused_when_somebody_edited_a_record_meanwhile(disputed, open_page):
    plan = plan_of(open_page, all=1, winner="mysql")
    disputed.edit("2", note="second thoughts")
    answer = open_page.post("/conflicts/resolve", all=1, winner="mysql", digest=plan["digest"])
    now = answer.json()
    assert (answer.status_code, now["moved"], now["number"], now["stay"][0]["number"]) == (409, True, 2, 1)
    assert notes(disputed) == {"1": "by a person 1", "2": "second thoughts", "3": "by a person 3"}
    answer = open_page.post("/conflicts/resolve", all=1, winner="mysql", digest=now["digest"])
    assert answer.status_code == 200
    assert notes(disputed) == {"1": "by the source 1", "2": "second thoughts", "3": "by the source 3"}


def test_a_conflict_of_an_entity_among_the_ticked_stays_with_the_reason(disputed, open_page):
    disputed.db.execute_query(OTHERS, fetch=False)
    ids = [conflict["id"] for conflict in open_page.json("/conflicts")["conflicts"]]
    assert len(ids) == 4
    plan = plan_of(open_page, id=ids, winner="mysql")
    assert plan["number"] == 3 and plan["stay"][0]["reason"] == "contacts has other sides: the board and PostgreSQL"
    assert open_page.post("/conflicts/resolve", id=ids, winner="mysql", digest=plan["digest"]).status_code == 200
    assert [conflict["field"] for conflict in open_page.json("/conflicts")["conflicts"]] == ["phone"]


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("script", [True, False])
def test_conflicts_are_decided_in_a_browser_with_and_without_javascript(disputed, open_page, opened, script):
    watched = opened(java_script_enabled=script)
    page = watched.page
    page.goto(open_page.url + "/entities/things")
    page.get_by_role("link", name="decide").click()
    page.get_by_role("button", name="SmartSuite keeps “by a person 1” (SmartSuite)").click()
    watched.shows("1 conflict decided: SmartSuite keeps its value.")
    page.get_by_label("Tick note of things/3").check()
    page.locator("#chosen").get_by_role("button", name="The source wins").click()
    watched.shows("1 field of SmartSuite will get the value of the source.")
    page.get_by_role("button", name="Apply").click()
    watched.shows("1 conflict decided")
    page.get_by_role("form", name="All that match").get_by_role("button", name="The source wins").click()
    page.get_by_role("button", name="Apply").click()
    watched.shows("There is no such conflict.")
    assert notes(disputed) == {"1": "by a person 1", "2": "by the source 2", "3": "by the source 3"}


@pytest.mark.xdist_group("browser")
def test_pages_of_conflicts_of_syncs_can_be_used_by_all(disputed, open_page, opened):
    disputed.db.execute_query(OTHERS, fetch=False)
    disputed.db.execute_query(
        "update sync_conflicts set monday_value = %s where entity_id = '2'", (f'"{HOSTILE[:20]}"',), fetch=False
    )
    conflict = waiting(open_page)["2"]
    pages = ("/conflicts", "/conflicts?state=all", f"/conflicts/{conflict['id']}", "/entities/things")
    look_at_all(opened().page, open_page.url, (*pages, "/records/things/2", "/conflicts/plan?all=1&winner=mysql"))
