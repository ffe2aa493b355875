"""Checks that a read that dies goes on from what is stored: at most one page is read twice."""

from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace

from errors import DailyLimitReached, MondayUnavailable
from monday_api import Limits, Monday
from sync.options import PullOptions, RunOptions
from sync.report import EntityReport
from sync.run import Run
from tests.kit.clocks import SharedClock
from tests.kit.pushes import PushBench, load_items
from tests.kit.runs import PROGRAM, parts_of, run
from tests.kit.waiting import until
from timing import Stop

ITEMS, PAGE = 60, 10


class Stopped(Exception):
    """Says that the run was cut off."""


def pull(
    bench: PushBench, stop_after: int | None = None, monday: Monday | None = None, **options: object
) -> EntityReport:
    """Runs, or begins a run: a Stopped in the middle leaves what a kill leaves."""

    def progress(entity: str, done: int, total: int | None) -> None:
        if stop_after is not None and done >= stop_after:
            raise Stopped

    parts = parts_of(bench.db, monday or bench.monday, bench.mappings, progress)
    return run("pull", parts, bench.mapping, **{"batch_size": PAGE, **options})


def calls_for_cells(bench: PushBench) -> list[dict]:
    asked = bench.sandbox.admin("requests", last=10_000)
    return [request for request in asked if "column_values" in request["query"] and request["operation"] == "query"]


def has_rows(bench: PushBench) -> int:
    return int(bench.sql("select count(*) as n from things")[0]["n"])


def pages_read(bench: PushBench) -> int:
    found = len(calls_for_cells(bench))
    bench.sandbox.admin("requests/reset")
    return found


def must_be_whole(bench: PushBench) -> None:
    bench.sandbox.admin("faults/clear")
    bench.must_be_equal()
    assert bench.sql("select count(*) as n from sync_listing")[0]["n"] == 0


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("done", [10, 30, 50])
def test_a_read_that_was_cut_off_reads_at_most_one_page_twice(bench: PushBench, done: int, full: bool) -> None:
    load_items(bench, ITEMS)
    if full:
        pull(bench)
        bench.sandbox.admin("requests/reset")
    with pytest.raises(Stopped):
        pull(bench, stop_after=done, full=full)
    pages_read(bench)
    report = pull(bench, full=full)
    assert (report.complete, report.exit_code) == (True, 0)
    assert pages_read(bench) <= (ITEMS - done) // PAGE + 1
    must_be_whole(bench)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_read_that_is_asked_to_stop_has_noted_all_that_it_had_asked_for(bench: PushBench, workers: int) -> None:
    load_items(bench, ITEMS)
    bench.sandbox.admin("latency", ms=30)
    stop = Stop()
    client = Monday(token=bench.sandbox.token, url=bench.sandbox.graphql_url, limits=Limits(stop=stop))
    parts = replace(parts_of(bench.db, client, bench.mappings), stop=stop)
    options = RunOptions(PullOptions(batch_size=PAGE, max_workers=workers))
    stopped = Run(parts, "monday_to_pg", PROGRAM.directions["monday_to_pg"], options)
    threading.Thread(target=lambda: (until(lambda: has_rows(bench) > 10, 30, "some rows"), stop.ask())).start()
    report = stopped.of([(bench.mapping, bench.board)])
    client.close()
    assert report.interrupted
    assert has_rows(bench) < ITEMS
    if workers == 1:
        assert pages_read(bench) == has_rows(bench) // PAGE, "each page that was read is in"
    bench.sandbox.admin("latency", ms=0)
    had = has_rows(bench)
    bench.sandbox.admin("requests/reset")
    again = pull(bench, max_workers=workers)
    assert (again.created, again.read) == (ITEMS - had, ITEMS - had), "nothing that is in is read again"
    must_be_whole(bench)


def test_a_read_that_died_before_its_first_page_begins_again_with_pages(bench: PushBench) -> None:
    """By id it would cost five times the calls."""
    load_items(bench, ITEMS)
    bench.sandbox.admin("faults/add", kind="html_502", match={"contains": "column_values"}, count=40)
    client = Monday(
        token=bench.sandbox.token,
        url=bench.sandbox.graphql_url,
        clock=SharedClock(bench.sandbox.url, bench.sandbox.token),
        limits=Limits(give_up_after=5),
    )
    with pytest.raises(MondayUnavailable):
        pull(bench, monday=client)
    client.close()
    bench.sandbox.admin("faults/clear")
    bench.sandbox.admin("requests/reset")
    report = pull(bench)
    assert report.created == ITEMS
    assert [request for request in calls_for_cells(bench) if "items" in request["fields"]] == []
    must_be_whole(bench)


@pytest.mark.parametrize("minutes", [59, 61, 600])
def test_a_cursor_of_an_hour_ago_is_not_trusted(bench: PushBench, minutes: int) -> None:
    load_items(bench, ITEMS)
    with pytest.raises(Stopped):
        pull(bench, stop_after=30)
    bench.later(minutes)
    pages_read(bench)
    report = pull(bench)
    assert (report.created, report.complete) == (30 - PAGE, True) or report.created == 30
    assert pages_read(bench) <= 4 + 1
    must_be_whole(bench)


def test_a_cursor_that_expires_in_the_middle_of_a_run_costs_nothing_twice(bench: PushBench) -> None:
    load_items(bench, ITEMS)
    bench.sandbox.admin("requests/reset")
    seen: list[int] = []

    def progress(entity: str, done: int, total: int | None) -> None:
        if done == 30:
            bench.later(61)
        seen.append(done)

    report = run("pull", parts_of(bench.db, bench.monday, bench.mappings, progress), bench.mapping, batch_size=PAGE)
    assert (report.created, report.read, report.complete) == (ITEMS, ITEMS, True)
    must_be_whole(bench)


def test_a_network_that_is_gone_for_an_hour_ends_the_run_and_the_next_one_goes_on(bench: PushBench) -> None:
    load_items(bench, ITEMS)
    bench.sandbox.admin("faults/add", kind="reset", match={"contains": "column_values", "nth": 4}, count=1000)
    clock = SharedClock(bench.sandbox.url, bench.sandbox.token)
    client = Monday(token=bench.sandbox.token, url=bench.sandbox.graphql_url, clock=clock)
    with pytest.raises(MondayUnavailable):
        pull(bench, monday=client)
    client.close()
    bench.sandbox.admin("faults/clear")
    bench.later(60)
    pages_read(bench)
    report = pull(bench)
    assert report.complete and report.created == 30
    assert pages_read(bench) <= 4
    must_be_whole(bench)


def test_a_daily_share_that_is_reached_stops_cleanly_says_until_when_and_the_next_day_goes_on(bench: PushBench) -> None:
    load_items(bench, ITEMS)
    client = Monday(token=bench.sandbox.token, url=bench.sandbox.graphql_url, limits=Limits(daily_share=4))
    with pytest.raises(DailyLimitReached, match="start anew at .* 00:00 UTC") as stopped:
        pull(bench, monday=client)
    client.close()
    assert stopped.value.exit_code == 3
    had = len(bench.sql("select 1 from things"))
    assert 0 < had < ITEMS
    pages_read(bench)
    report = pull(bench)
    assert (report.created, report.complete) == (ITEMS - had, True)
    assert pages_read(bench) <= (ITEMS - had) // PAGE + 1
    must_be_whole(bench)


@pytest.mark.parametrize("order", ["shuffle", "live"])
def test_no_order_is_trusted_when_a_read_goes_on(bench: PushBench, order: str) -> None:
    """Items are known by their ids; those at the boundary are read again, and those that came and went are found."""
    ids = load_items(bench, ITEMS)
    bench.sandbox.admin("switches", order=order)
    with pytest.raises(Stopped):
        pull(bench, stop_after=30)
    for item_id in ids[:5]:
        bench.sandbox.admin("items/archive", item_id=item_id)
    bench.sandbox.admin("items/create", board_id=bench.board, name="New", values={"text": "new"})
    for _ in range(2):
        report = pull(bench)
        if report.complete:
            break
    assert report.complete
    must_be_whole(bench)


def test_several_cursors_that_were_cut_off_go_on_by_id(bench: PushBench) -> None:
    load_items(bench, ITEMS)
    with pytest.raises(Stopped):
        pull(bench, stop_after=30, max_workers=4)
    report = pull(bench, max_workers=4)
    assert (report.complete, len(bench.sql("select 1 from things"))) == (True, ITEMS)
    must_be_whole(bench)


def test_a_change_to_what_was_read_before_the_cut_is_not_passed_by(bench: PushBench) -> None:
    """The second part shows later times than the change to the first part."""
    ids = load_items(bench, ITEMS)
    pull(bench)
    pull(bench, sweep=True)
    with pytest.raises(Stopped):
        pull(bench, stop_after=30, full=True)
    bench.sandbox.admin("items/change", item_id=ids[0], values={"text": "after it was read"})
    bench.later(50)
    bench.sandbox.admin("items/change", item_id=ids[-1], values={"text": "later still"})
    pull(bench, full=True)
    pull(bench)
    must_be_whole(bench)
