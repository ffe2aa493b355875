"""Checks pacing, page sizes, the day's calls and the counts."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from errors import DailyLimitReached
from services.monday.pacing import Budget, DailyCalls, PageSize, Tally, parse_limits

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
HEADERS = {
    "RateLimit-Policy": '"minuteRate";q=100;w=60, "concurrency";q=40;qu="concurrent-requests",'
    ' "complexityMinute";q=1000000;w=60;qu="content-bytes"',
    "RateLimit": '"minuteRate";r=90, "concurrency";r=35, "complexityMinute";r=800000;t=45',
}


def told(query, after, reset):
    return {"before": after + query, "query": query, "after": after, "reset_in_x_seconds": reset}


def test_the_rate_limit_header_is_read_by_name_and_letter():
    assert parse_limits(HEADERS["RateLimit"])["complexityMinute"] == {"r": 800000, "t": 45}
    assert parse_limits(HEADERS["RateLimit-Policy"])["concurrency"] == {"q": 40}


@pytest.mark.parametrize("text", ["", "nonsense", ";;;", '"a";r=x', "limit=100, remaining=5", '"a";r=1;r', ",,"])
def test_a_header_that_is_not_understood_is_no_trouble(text):
    budget = Budget()
    budget.learn_headers("read", {"RateLimit": text, "RateLimit-Policy": text}, 0, 0)
    assert budget.left(0) == (None, None)
    assert budget.hold("read", 10**9, 0) is None


def test_nothing_is_held_back_before_anything_is_known():
    assert Budget().hold("read", 10**9, 0) is None


def test_a_query_waits_until_the_budget_can_hold_it():
    budget = Budget()
    budget.learn_complexity("read", "ItemsPage", 500, told(400_000, 300_000, 20), now=100)
    cost = budget.estimate("ItemsPage", 500)
    assert cost == 400_000
    assert budget.hold("read", cost, 105) == (15, "complexity")
    assert budget.hold("read", cost, 121) is None


def test_a_smaller_page_still_goes_when_the_whole_one_would_not():
    budget = Budget()
    budget.learn_complexity("read", "ItemsPage", 500, told(400_000, 300_000, 20), now=100)
    assert budget.hold("read", budget.estimate("ItemsPage", 250), 105) is None


def test_what_reading_learnt_holds_for_writing_until_writing_knows_better():
    budget = Budget()
    budget.learn_complexity("read", "ItemsPage", 500, told(400_000, 100, 20), now=100)
    assert budget.hold("write", 30_000, 100) == (20, "complexity")
    budget.learn_complexity("write", "ChangeItems", 25, told(30_000, 5_000_000, 20), now=100)
    assert budget.hold("write", 30_000, 100) is None


def test_the_last_call_of_a_minute_is_not_overdrawn():
    budget = Budget()
    budget.learn_headers("read", {"RateLimit": '"minuteRate";r=0;t=31'}, 9, 10)
    assert budget.hold("read", 0, 10) == (31, "minute")


def test_a_header_without_a_reset_counts_the_window_from_its_first_call():
    budget = Budget()
    for sent, left in ((0, 2), (10, 1), (20, 0)):
        budget.learn_headers("read", {"RateLimit": f'"minuteRate";r={left}'}, sent, sent + 1)
    assert budget.hold("read", 0, 21) == (39, "minute")


def test_calls_under_way_are_counted_before_they_are_answered():
    budget = Budget()
    budget.learn_headers("read", {"RateLimit": '"minuteRate";r=1'}, 0, 0)
    with budget.slot("read", 0):
        assert budget.hold("read", 0, 1) == (59, "minute")
    assert budget.hold("read", 0, 1) is None


def test_a_refusal_holds_every_worker_back():
    budget = Budget()
    budget.learn_refusal("read", "complexity", 30, now=100)
    assert budget.hold("read", 1, 110) == (20, "complexity")


def test_too_many_calls_at_once_lead_to_fewer():
    budget = Budget()
    with budget.slot("read", 0), budget.slot("read", 0):
        budget.learn_refusal("read", "concurrency", 5, now=0)
    entered = threading.Event()

    def call():
        with budget.slot("read", 0):
            entered.set()

    with budget.slot("read", 0):
        worker = threading.Thread(target=call)
        worker.start()
        assert not entered.wait(0.05)
    worker.join(5)
    assert entered.is_set()


def test_a_page_shrinks_in_steps_down_to_a_single_item():
    size = PageSize(500)
    sizes = [size.size]
    while size.shrink():
        sizes.append(size.size)
    assert sizes == [500, 250, 100, 50, 25, 10, 5, 1]


def test_a_page_grows_back_with_success_and_the_more_slowly_the_more_often_it_failed():
    size = PageSize(500)

    def successes_until_it_grows():
        before = size.size
        for count in range(1, 100):
            size.succeeded()
            if size.size != before:
                return count

    size.shrink()
    assert successes_until_it_grows() == 4
    size.shrink()
    assert successes_until_it_grows() == 8
    assert size.size == 500


def test_a_page_never_grows_beyond_what_was_asked_for():
    size = PageSize(120)
    size.shrink()
    for _ in range(50):
        size.succeeded()
    assert size.size == 120


def test_the_share_of_a_day_ends_the_run_and_starts_anew_at_midnight():
    daily = DailyCalls(share=2, used=0)
    for _ in range(2):
        daily.check(NOON)
        daily.charge(1, NOON)
    with pytest.raises(DailyLimitReached) as stopped:
        daily.check(NOON)
    assert stopped.value.error_data["resets_at"] == "2026-11-21T00:00:00+00:00"
    assert stopped.value.exit_code == 3
    daily.check(NOON + timedelta(hours=12))
    assert daily.used == 0


def test_a_refused_call_costs_a_tenth_of_the_day():
    daily = DailyCalls(share=1, used=0)
    daily.charge(0.1, NOON)
    with pytest.raises(DailyLimitReached):
        daily.check(NOON)


@pytest.mark.parametrize("share, said", [(1, "share of 1 call given"), (1000, "share of 1,000 calls given")])
def test_what_earlier_runs_used_counts(share: int, said: str):
    with pytest.raises(DailyLimitReached, match=said):
        DailyCalls(share=share, used=share).check(NOON)


def test_once_monday_closes_the_day_nothing_is_sent_until_it_is_over():
    daily = DailyCalls(share=None, used=0)
    error = daily.close(NOON, 3600)
    assert "2026-11-20 13:00 UTC" in str(error)
    with pytest.raises(DailyLimitReached):
        daily.check(NOON + timedelta(minutes=59))
    daily.check(NOON + timedelta(minutes=60))


def test_the_counts_can_be_looked_at_while_they_grow():
    tally = Tally()
    tally.add(calls=2, bytes_sent=10)
    tally.retried("gateway")
    tally.waited("minute", 1.5)
    before = tally.snapshot(2.0)
    tally.add(calls=1)
    assert (before.calls, before.retries_total, before.waited_total_s, before.daily_used) == (2, 1, 1.5, 2.0)
    assert tally.snapshot(3.0).calls == 3
