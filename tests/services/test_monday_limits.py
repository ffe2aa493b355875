"""Checks when the client tries again, when it waits, and when it gives up."""

from __future__ import annotations

import logging

import pytest
import requests

from errors import (
    CursorExpired,
    DailyLimitReached,
    MondayRefused,
    MondayUnavailable,
    QueryRejected,
    QueryTooHeavy,
    RecordRefused,
)
from models import Columns
from tests.kit.scripted import BUSY, CUT, GATEWAY, HALF, ME, failed, first_page, item_json, next_page, ok


@pytest.mark.parametrize(
    "trouble, least, most, cause",
    [
        (BUSY, 28, 30, "minute"),
        (failed("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=60), 60, 62, "complexity"),
        ((429, {"Retry-After": "5"}, ""), 5, 6, "minute"),
        (failed("RATE_LIMIT_EXCEEDED", http=429, retryAfterMs=1500), 1.5, 2, "minute"),
        (
            (200, {}, {"errors": ["Complexity budget exhausted, cost 3 out of 9 reset in 3 seconds"]}),
            4,
            5,
            "complexity",
        ),
        (failed("maxConcurrencyExceeded", http=429, retry_in_seconds=5), 5, 6, "concurrency"),
        (failed("IP_RATE_LIMIT_EXCEEDED", http=429, retry_in_seconds=10), 10, 11, "ip"),
        (failed("FIELD_LIMIT_EXCEEDED", path=["me", "x"], data={"me": {}}, retry_in_seconds=15), 15, 16, "field"),
        (failed("", "Resource is currently locked, please try again later", http=423), 0.1, 10, "locked"),
        (failed("API_TEMPORARILY_BLOCKED"), 0.1, 60, "blocked"),
        ((429, {"Retry-After": "86400"}, ""), 90, 92, "minute"),
        (GATEWAY, 0.1, 60, "gateway"),
        ((503, {"Retry-After": "7"}, "down"), 7, 8, "gateway"),
        ((504, {}, ""), 0.1, 60, "timeout"),
        ((520, {}, "<html>"), 0.1, 60, "gateway"),
        ((500, {}, {"error_code": "INTERNAL_SERVER_ERROR", "status_code": 500}), 0.1, 60, "server"),
        (HALF, 0.1, 60, "gateway"),
        ((200, {}, ""), 0.1, 60, "gateway"),
        ((200, {}, "<html>maintenance</html>"), 0.1, 60, "gateway"),
        ((200, {}, {"data": None}), 0.1, 60, "gateway"),
        (CUT, 0.1, 60, "network"),
        (requests.exceptions.ReadTimeout("Read timed out."), 0.1, 60, "timeout"),
        (requests.exceptions.ConnectTimeout("timed out"), 0.1, 60, "network"),
        (requests.exceptions.ChunkedEncodingError("IncompleteRead"), 0.1, 60, "network"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_passes_by_itself_is_waited_for_and_tried_again(monday, trouble, least, most, cause):
    client, script = monday(trouble, ME)
    assert client.account.me().name == "Ann"
    assert len(script.asked) == 2
    assert least <= script.clock.at <= most
    assert client.stats.retries == {cause: 1}
    assert list(client.stats.waited_s) == [cause]


@pytest.mark.parametrize(
    "answer, error, exit_code",
    [
        ((401, {}, {"errors": ["Not Authenticated"]}), MondayRefused, 2),
        ((401, {}, "<html>"), MondayRefused, 2),
        ((403, {}, ""), MondayRefused, 2),
        ((302, {"Location": "http://monday.test/login"}, ""), MondayRefused, 2),
        ((404, {}, "not here"), MondayRefused, 2),
        (failed("USER_ACCESS_DENIED", http=403), MondayRefused, 2),
        (failed("missingRequiredPermissions"), MondayRefused, 2),
        (failed("undefinedField", "Field 'x' doesn't exist on type 'Board'"), QueryRejected, 1),
        (failed("InvalidVersionException"), QueryRejected, 1),
        (failed("maxDepthExceeded"), QueryRejected, 1),
        (failed("maxComplexityExceeded"), QueryTooHeavy, 1),
        (failed("CursorException", "CursorExpiredError: …"), CursorExpired, 1),
        (failed("InvalidArgumentException", data={"boards": None}), RecordRefused, 1),
        (failed("DAILY_LIMIT_EXCEEDED", http=429), DailyLimitReached, 3),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_cannot_succeed_is_asked_only_once(monday, answer, error, exit_code):
    client, script = monday(answer)
    with pytest.raises(error) as raised:
        client.run("query { boards { id } }")
    assert len(script.asked) == 1
    assert script.clock.at == 0
    assert raised.value.exit_code == exit_code


@pytest.mark.parametrize(
    "trouble",
    [
        failed("FIELD_LIMIT_EXCEEDED", path=["me"], data={"me": None}, retry_in_seconds=15),
        failed("FIELD_LIMIT_EXCEEDED", http=429, retry_in_seconds=15),
        failed("FIELD_LIMIT_EXCEEDED"),
        failed("FIELD_MINUTE_RATE_LIMIT_EXCEEDED", retry_in_seconds=60),
        failed("maxConcurrencyExceeded", http=429, retry_in_seconds=5),
        (429, {"Retry-After": "5"}, {"errors": [{"message": "Concurrency limit exceeded for the field"}]}),
        failed("", "Resource is currently locked, please try again later", http=423),
    ],
    ids=lambda value: str(value)[:70],
)
@pytest.mark.parametrize("give_up_after", [20.0, 120.0])
def test_what_stays_in_use_is_waited_for_as_long_as_monday_may_be_silent(monday, trouble, give_up_after):
    client, script = monday(trouble, give_up_after=give_up_after)
    with pytest.raises(MondayUnavailable) as raised:
        client.account.me()
    assert give_up_after <= script.clock.at <= give_up_after + 20
    assert raised.value.exit_code == 1


HTML = {"Content-Type": "text/html"}


def test_a_web_site_where_the_api_never_answered_is_a_wrong_address(monday):
    client, script = monday((200, HTML, "<html>Welcome</html>"))
    with pytest.raises(MondayRefused) as raised:
        client.account.me()
    assert "MONDAY_API_URL" in raised.value.hint and len(script.asked) == 1


def test_a_page_of_maintenance_between_two_answers_passes_by_itself(monday):
    client, script = monday(ME, (200, HTML, "<html>Back soon</html>"), ME)
    assert client.account.me().name == client.account.me().name == "Ann"
    assert client.stats.retries == {"gateway": 1}


def test_data_beside_an_error_is_not_believed_by_run(monday):
    client, _ = monday(failed("USER_UNAUTHORIZED", path=["boards", 0, "columns"], data={"boards": [{"columns": None}]}))
    with pytest.raises(MondayRefused) as refused:
        client.run("query { boards { columns { id } } }")
    assert "boards.0.columns" in str(refused.value)


def test_a_service_that_is_down_is_given_up_after_the_time_that_was_set(monday):
    client, script = monday(GATEWAY, give_up_after=300.0)
    with pytest.raises(MondayUnavailable) as raised:
        client.account.me()
    assert 300 <= script.clock.at <= 301
    assert "no good answer for 5 min" in str(raised.value)
    assert max(script.clock.slept) <= 60


def test_a_service_that_comes_back_in_time_is_not_given_up(monday):
    client, script = monday(lambda _: ME if script.clock.at > 200 else GATEWAY)
    assert client.account.me().id == "1"


def test_a_daemon_never_gives_up(monday):
    client, script = monday(lambda _: ME if script.clock.at > 5000 else CUT, give_up_after=None)
    assert client.account.me().id == "1"


def test_an_internal_error_is_bounded_for_a_daemon_too(monday):
    client, script = monday(failed("INTERNAL_SERVER_ERROR"), give_up_after=None, max_attempts=6)
    with pytest.raises(MondayUnavailable):
        client.account.me()
    assert len(script.asked) == 6


def test_waits_that_were_asked_for_do_not_count_as_silence(monday):
    client, _ = monday(
        *[failed("RATE_LIMIT_EXCEEDED", http=429, retry_in_seconds=60)] * 4, GATEWAY, ME, give_up_after=30
    )
    assert client.account.me().id == "1"
    assert client.stats.waited_s["minute"] >= 240


def test_limits_without_end_are_given_up_too(monday):
    client, script = monday(BUSY)
    with pytest.raises(MondayUnavailable):
        client.account.me()
    assert 900 <= script.clock.at <= 1100


def test_after_the_daily_limit_nothing_more_is_sent_that_day(monday):
    client, script = monday(failed("DAILY_LIMIT_EXCEEDED", http=429, retry_in_seconds=34011), ME)
    for _ in range(2):
        with pytest.raises(DailyLimitReached) as stopped:
            client.account.me()
        assert "2026-11-20 21:26 UTC" in str(stopped.value)
    assert len(script.asked) == 1
    script.clock.at += 12 * 3600
    assert client.account.me().id == "1"


def test_the_daily_share_is_kept(monday):
    client, script = monday(ME, daily_share=3, daily_used=1)
    client.account.me()
    client.account.me()
    with pytest.raises(DailyLimitReached):
        client.account.me()
    assert (len(script.asked), client.stats.daily_used) == (2, 3.0)


def test_every_wait_is_said_with_its_reason(monday, caplog):
    caplog.set_level(logging.INFO, "monday_sync.api")
    events = []
    client, _ = monday(
        failed("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=30),
        ME,
        random=lambda: 0.0,
        on_event=lambda *event: events.append(event),
    )
    client.account.me()
    assert "Waiting 30 s: monday.com's complexity budget is spent." in caplog.messages
    wait = {"seconds": 30.0, "cause": "complexity", "reason": "monday.com's complexity budget is spent"}
    assert ("wait", wait) in events


def test_a_call_waits_beforehand_when_the_minute_is_used_up(monday):
    spent = ok(ME[2]["data"], RateLimit='"minuteRate";r=0;t=20')
    client, script = monday(spent, ME)
    client.account.me()
    client.account.me()
    assert script.clock.at >= 20
    assert client.stats.retries == {}


def test_a_page_waits_beforehand_when_the_budget_cannot_hold_it(monday):
    told = {"before": 1_000_000, "query": 600_000, "after": 400_000, "reset_in_x_seconds": 33}

    def page(body):
        later = "cursor" in body["variables"]
        answer = next_page(item_json(2, "a")) if later else first_page(item_json(1, "a"), cursor="c")
        answer[2]["data"]["complexity"] = told
        return answer

    client, script = monday(page)
    list(client.pages(7, Columns(("a",))))
    list(client.pages(7, Columns(("a",))))
    assert script.clock.at >= 33
    assert client.stats.complexity == 4 * 600_000
    assert client.stats.retries == {}
