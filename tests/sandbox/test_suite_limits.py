"""Checks the speed, the block and the month's quota of the stand-in for SmartSuite, on a clock that the test moves."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.suite import Suite, Table

NOON = "2026-06-15T12:00:00Z"


@pytest.fixture
def table(suite):
    """Makes a table in a stand-in that limits calls, whose clock a test sets before each call."""
    table = suite.table()
    suite.admin("limits/set", limited=True)
    suite.admin("clock/set", to=NOON)
    return table


def statuses(table, count):
    """Returns the statuses of calls that fall into one second of the stand-in's clock."""
    suite = table.suite
    now = int(suite.admin("clock")["now"]) + 2
    found = []
    for _ in range(count):
        suite.admin("clock/set", to=now)
        found.append(table.list("?limit=1").status_code)
    return found


def test_the_sixth_call_in_a_second_is_429_and_30_seconds_are_blocked(suite, table):
    assert statuses(table, 6) == [200] * 5 + [429]
    suite.admin("clock/advance", seconds=25)
    assert table.list("?limit=1").status_code == 429
    suite.admin("clock/advance", seconds=6)
    assert table.list("?limit=1").status_code == 200


def test_a_call_during_the_block_prolongs_it_by_a_switch(suite, table):
    suite.admin("switches", block_prolonged=True)
    assert statuses(table, 6)[-1] == 429
    suite.admin("clock/advance", seconds=25)
    assert table.list("?limit=1").status_code == 429
    suite.admin("clock/advance", seconds=25)
    assert table.list("?limit=1").status_code == 429
    suite.admin("clock/advance", seconds=31)
    assert table.list("?limit=1").status_code == 200


def test_each_member_has_a_second_of_its_own(suite, table):
    suite.admin("tokens/add", token="other")
    assert statuses(table, 6)[-1] == 429
    answer = suite("GET", table.path, headers={"Authorization": "Token other"})
    assert answer.status_code == 200


def test_a_call_with_25_records_counts_once(suite, table):
    suite.admin("limits/reset")
    table.bulk([{"title": "x"}] * 25)
    assert suite.admin("counters")["calls_by_month"] == {"2026-06": 1}


@pytest.mark.parametrize(
    "form, kind, text",
    [
        ("json", "application/json", '{"detail":"Request was throttled."}'),
        ("text", "text/plain", "Request was throttled."),
        ("html", "text/html", "<html>"),
        ("empty", "text/html", ""),
    ],
)
def test_a_429_has_one_of_several_bodies(suite, table, form, kind, text):
    suite.admin("switches", throttle_body=form)
    statuses(table, 6)
    answer = table.list("?limit=1")
    assert answer.status_code == 429 and answer.text.startswith(text) and "Retry-After" not in answer.headers
    assert answer.headers["Content-Type"].startswith(kind)
    suite.admin("switches", retry_after=7)
    assert table.list("?limit=1").headers["Retry-After"] == "7"
    suite.admin("switches", retry_after="Mon, 15 Jun 2026 12:00:30 GMT")
    assert table.list("?limit=1").headers["Retry-After"].endswith("GMT")


def test_over_the_quota_two_calls_a_second_pass_and_at_125_per_cent_none_until_the_month_ends(suite, table):
    suite.admin("limits/reset")
    suite.admin("limits/set", calls_a_month=8)
    assert statuses(table, 5) + statuses(table, 3) == [200] * 8
    assert statuses(table, 3) == [200, 200, 429]
    suite.admin("clock/advance", seconds=60)
    assert table.list("?limit=1").json() == {"detail": "Request was throttled."}
    suite.admin("switches", quota_refusal="told")
    assert "monthly" in table.list("?limit=1").json()["detail"]
    suite.admin("switches", quota_status=403)
    assert table.list("?limit=1").status_code == 403
    suite.admin("clock/set", to="2026-07-01T00:00:01Z")
    assert table.list("?limit=1").status_code == 200


def test_the_quota_may_end_at_200_per_cent_and_follows_the_plan(suite, table):
    assert suite.admin("limits/set", plan="free")["calls_a_month"] == 100
    suite.admin("limits/reset")
    suite.admin("limits/set", calls_a_month=4)
    suite.admin("switches", quota_end_percent=200)
    assert statuses(table, 4) + statuses(table, 2) + statuses(table, 2) == [200] * 8
    suite.admin("clock/advance", seconds=60)
    assert statuses(table, 1) == [429]


def test_calls_are_counted_and_not_refused_without_limits(suite):
    table = suite.table()
    assert {table.list("?limit=1").status_code for _ in range(30)} == {200}
    assert sum(suite.admin("counters")["calls_by_month"].values()) == 30
    assert suite.admin("counters")["throttled"] == 0


def test_a_call_that_is_refused_for_its_headers_does_not_count(suite):
    suite("GET", "applications/", headers={"Authorization": "Token wrong"})
    suite("GET", "applications/", headers={"Account-Id": None})
    assert suite.admin("counters")["calls_by_month"] == {}


def test_too_many_calls_at_once_are_429_by_a_switch_without_a_block(suite):
    table = suite.table()
    suite.admin("switches", parallel_limit=1, latency_ms=300)
    with ThreadPoolExecutor(3) as pool:
        # each thread has a connection of its own
        found = list(pool.map(lambda _: Table(Suite(suite.suite), table.id).list().status_code, range(3)))
    assert sorted(found) == [200, 429, 429]
    assert table.list().status_code == 200
