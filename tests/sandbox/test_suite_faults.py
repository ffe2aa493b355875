"""Checks the faults that a test can order of the stand-in for SmartSuite, and its late answers."""

import time

import pytest
import requests

from sandbox.client import AdminError


@pytest.fixture
def table(suite):
    return suite.table({"slug": "stext00001", "label": "Text", "field_type": "textfield"})


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("applied", [False, True])
def test_a_gateway_error_comes_before_or_after_the_work(suite, table, status, applied):
    suite.admin("faults/add", kind=f"html_{status}", applied=applied)
    answer = table.bulk([{"title": "a"}])
    assert answer.status_code == status and answer.text.startswith("<html>")
    assert table.titles() == ["a"] * applied
    assert table.bulk([{"title": "b"}]).status_code == 200


def test_a_server_error_may_be_json(suite, table):
    suite.admin("faults/add", kind="json_500", count=2, match={"operation": "bulk/create"})
    assert table.create({"title": "a"}).status_code == 200
    for _ in range(2):
        assert table.bulk([{"title": "b"}]).json() == {"err": "Internal error"}
    assert table.bulk([{"title": "c"}]).status_code == 200


def test_bulk_create_may_fail_always_while_single_creates_work(suite, table):
    suite.admin("faults/add", kind="json_500", count=None, match={"operation": "bulk/create"})
    assert {table.bulk([{"title": "a"}]).status_code for _ in range(5)} == {500}
    assert table.create({"title": "a"}).status_code == 200


@pytest.mark.parametrize("kind, applied", [("reset", False), ("lost_answer", True)])
def test_a_connection_breaks_before_or_after_the_work(suite, table, kind, applied):
    suite.admin("faults/add", kind=kind, match={"field": "write"})
    table.list()
    with pytest.raises(requests.ConnectionError):
        table.create({"title": "a"})
    assert table.titles() == ["a"] * applied


@pytest.mark.parametrize("applied", [False, True])
def test_a_timeout_holds_the_line_and_hangs_up(suite, table, applied):
    suite.admin("faults/add", kind="timeout", seconds=0.3, applied=applied)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        table.create({"title": "a"})
    assert time.monotonic() - started >= 0.3
    assert table.titles() == ["a"] * applied


def test_an_answer_may_be_cut_with_its_length_or_without(suite, table):
    suite.admin("faults/add", kind="cut")
    with pytest.raises(requests.JSONDecodeError):
        table.create({"title": "a"}).json()
    suite.admin("faults/add", kind="short")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        table.create({"title": "b"})
    assert table.titles() == ["a", "b"]


def test_an_answer_may_be_no_json_or_empty_after_the_work(suite, table):
    suite.admin("faults/add", kind="malformed")
    answer = table.create({"title": "a"})
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    suite.admin("faults/add", kind="empty_200")
    answer = table.create({"title": "b"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert table.titles() == ["a", "b"]


def test_a_bulk_call_may_break_off_in_the_middle(suite, table):
    suite.admin("faults/add", kind="partial", rows=2)
    assert table.bulk([{"title": title} for title in "abcd"]).status_code == 500
    assert table.titles() == ["a", "b"]


def test_a_write_may_be_answered_and_not_stored(suite, table):
    suite.admin("faults/add", kind="not_stored", slugs=["stext00001"])
    record = table.made(title="a", stext00001="x")
    assert record["title"] == "a" and "stext00001" not in record


def test_listings_may_lack_records_without_an_error(suite, table):
    table.bulk([{"title": title} for title in "abcd"])
    suite.admin("faults/add", kind="drop_item")
    assert len(table.titles()) == 3
    suite.admin("faults/add", kind="short_page")
    assert table.titles() == ["a", "b"]
    suite.admin("faults/add", kind="empty_listing")
    answer = table.list()
    assert answer.json()["items"] == [] and answer.json()["total"] == 4
    assert len(table.titles()) == 4


def test_any_refusal_can_be_given(suite, table):
    suite.admin("faults/add", kind="error", status=403, body={"message": "No", "code": "x"}, headers={"X-A": "1"})
    answer = table.create({"title": "a"})
    assert (answer.status_code, answer.json(), answer.headers["X-A"]) == (403, {"message": "No", "code": "x"}, "1")


def test_a_fault_hits_the_nth_call_that_matches(suite, table):
    suite.admin("faults/add", kind="html_502", match={"operation": "records/create", "contains": '"b"', "nth": 2})
    assert [table.create({"title": title}).status_code for title in "abbab"] == [200, 200, 502, 200, 200]
    other = suite.table(name="Other")
    suite.admin("faults/add", kind="html_502", match={"field": other.id})
    assert table.create({"title": "x"}).status_code == 200 and other.create({"title": "x"}).status_code == 502
    suite.admin("faults/add", kind="html_502", count=None)
    suite.admin("faults/clear")
    assert table.create({"title": "x"}).status_code == 200


def test_random_failures_come_until_they_are_cleared(suite, table):
    suite.admin("faults/add", kind="random_5xx", percent=50)
    assert {200} < {table.list().status_code for _ in range(30)} <= {200, 500, 502, 503, 504}


def test_unknown_faults_are_refused(suite):
    with pytest.raises(AdminError, match="unknown fault"):
        suite.admin("faults/add", kind="flood")


def test_listings_are_behind_by_a_switch_and_single_records_are_not(suite, table):
    old = table.made(title="old", stext00001="1")
    suite.admin("switches", lag_seconds=30)
    new = table.made(title="new", stext00001="2")
    table.update(old["id"], {"title": "newer", "stext00001": "3"})
    assert table.titles() == ["old"]
    assert table.found("stext00001", "is", "2") == [] and table.found("stext00001", "is", "1") == ["old"]
    assert table.get(new["id"]).json()["title"] == "new"
    suite.admin("switches", lag_single=True)
    assert table.get(new["id"]).status_code == 404 and table.get(old["id"]).json()["title"] == "old"
    table.delete(old["id"])
    assert table.titles() == ["old"]
    suite.admin("clock/advance", seconds=31)
    assert table.titles() == ["new"]


def test_latency_is_added_to_each_call(suite, table):
    suite.admin("latency", ms=100)
    started = time.monotonic()
    table.list()
    assert time.monotonic() - started >= 0.1
