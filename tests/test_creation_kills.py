"""Kills a push with SIGKILL at every step, and starts it again: no item is doubled, none is lost.

The runs are processes of their own, stopped from outside: by a request that is held before or after monday.com has
carried it out, or by a lock in PostgreSQL. They start again at once, after 29 and after 31 minutes of monday.com's clock,
which is when it forgets the answers that it kept for a repeat.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sync.search_items import made_items
from tests.kit.pushes import PushBench, text_of
from tests.kit.waiting import until

BEFORE, AFTER = False, True
MINUTES = [0, 29, 31]
ROWS = 60  # documents of 25, 25 and 10


@pytest.fixture
def bench(bench: PushBench) -> PushBench:
    bench.push()  # the first push of all reads the whole board, which would mend what is to be shown here
    return bench


Step = Callable[[PushBench], None]


def at(operation: str, number: int = 1, after: bool = BEFORE) -> Step:
    def kill(bench: PushBench) -> None:
        bench.kill_at(operation, number, after)

    return kill


def at_lock(table: str, mode: str = "access exclusive", operation: str = "", number: int = 1) -> Step:
    """Kills before a transaction can write to this table: the first one after the answer to a request, if one is named."""

    def kill(bench: PushBench) -> None:
        hold = bench.relay.hold(operation, number, AFTER) if operation else None
        bench.kill_at_lock(table, mode, hold)

    return kill


CREATING = {
    "before the intent": at_lock("sync_intents"),
    "after the intent": at("CreateItems", 1, BEFORE),
    "after the call": at("CreateItems", 1, AFTER),
    "before the commit": at_lock("sync_turn", "exclusive", "CreateItems", 1),
    "after the commit": at("CreateItems", 2, BEFORE),
    "after the second call": at("CreateItems", 2, AFTER),
    "after the last call": at("CreateItems", 3, AFTER),
    "before the end": at_lock("sync_outbox", "access exclusive", "CreateItems", 3),
}
IMPORTING = {
    "before the job": at("IngestItems", 1, BEFORE),
    "after the job": at("IngestItems", 1, AFTER),
    "before the upload": at("PUT", 1, BEFORE),
    "after the upload": at("PUT", 1, AFTER),
    "while it works": at("FetchJobStatus", 1, BEFORE),
    "when it is through": at("ItemsPage", 1, BEFORE),
    "before the commit": at_lock("sync_turn", "exclusive", "ItemsPage", 1),
}
CHANGING = {
    "before the call": at("ChangeItems", 1, BEFORE),
    "after the call": at("ChangeItems", 1, AFTER),
    "before the commit": at_lock("sync_turn", "exclusive", "ChangeItems", 1),
    "before the end": at_lock("sync_outbox", "access exclusive", "ChangeItems", 1),
}
REMOVING = {
    "before the call": at("ArchiveItems", 1, BEFORE),
    "after the call": at("ArchiveItems", 1, AFTER),
    "before the commit": at_lock("sync_mapping", "access exclusive", "ArchiveItems", 1),
}


@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("step", CREATING)
def test_rows_become_items_once(bench: PushBench, step: str, minutes: int) -> None:
    bench.insert(ROWS)
    CREATING[step](bench)
    bench.later(minutes)
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
@pytest.mark.parametrize("step", IMPORTING)
def test_rows_are_imported_once(bench: PushBench, step: str, minutes: int) -> None:
    bench.insert(220)
    IMPORTING[step](bench)
    bench.later(minutes)
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
@pytest.mark.parametrize("step", CHANGING)
def test_changes_arrive_though_the_push_is_killed(bench: PushBench, step: str, minutes: int) -> None:
    bench.insert(8)
    bench.push()
    bench.sql("update things set note = 'edited ' || title")
    CHANGING[step](bench)
    bench.later(minutes)
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("step", REMOVING)
def test_items_follow_their_rows_though_the_push_is_killed(bench: PushBench, step: str) -> None:
    bench.insert(8)
    bench.push()
    bench.sql("delete from things where title < 'Thing 4'")
    REMOVING[step](bench)
    bench.push()
    bench.must_be_equal()
    assert len(bench.items("archived")) == 3


def test_a_pull_after_the_crash_takes_the_items_for_what_they_are(bench: PushBench) -> None:
    bench.insert(ROWS)
    bench.kill_at("CreateItems", 2, AFTER)
    bench.push("pull")
    bench.later(31)
    bench.push()
    bench.must_be_equal()
    assert bench.sql("select count(*) as n from things")[0]["n"] == ROWS


@pytest.mark.parametrize("minutes", [0, 31])
def test_both_ways_after_the_crash_double_nothing_on_either_side(bench: PushBench, minutes: int) -> None:
    bench.insert(ROWS)
    bench.kill_at("CreateItems", 2, AFTER, direction="both")
    bench.later(minutes)
    bench.push("both")
    bench.must_be_equal()
    assert bench.sql("select count(*) as n from things")[0]["n"] == ROWS


def test_a_call_that_still_runs_when_the_tool_starts_again_is_waited_for(bench: PushBench) -> None:
    bench.insert(5)
    hold = bench.kill_at("CreateItems", 1, BEFORE)
    bench.sandbox.admin("latency", ms=1500)
    hold.goes_on = True
    hold.go.set()
    time.sleep(0.3)
    # The pauses between the tries are none of real time: the tries have to take some, or half an hour is over too soon.
    bench.sandbox.admin("latency", ms=150)
    until(lambda: bench.push().errors == 0)
    bench.sandbox.admin("latency", ms=0)
    assert 409 in [request["status"] for request in bench.sandbox.admin("requests")]
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
def test_a_call_that_arrives_after_the_tool_has_started_again_makes_nothing_twice(
    bench: PushBench, minutes: int
) -> None:
    bench.insert(5)
    hold = bench.kill_at("CreateItems", 1, BEFORE)
    bench.later(minutes)
    bench.push()
    hold.goes_on = True
    hold.go.set()
    time.sleep(0.1)
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
def test_reads_that_lag_behind_hide_nothing_that_was_made(bench: PushBench, minutes: int) -> None:
    bench.sandbox.admin("faults/add", kind="lagging_reads", seconds=12)
    bench.insert(ROWS)
    bench.kill_at("CreateItems", 2, AFTER)
    bench.later(minutes)
    bench.push()
    bench.sandbox.admin("faults/clear")
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
def test_items_of_one_document_that_are_seen_one_after_another_are_waited_for(bench: PushBench, minutes: int) -> None:
    """The document is not sent again when a part of it can be seen, and the part that cannot is not made again."""
    bench.insert(5)
    bench.kill_at("CreateItems", 1, AFTER)
    bench.later(minutes)
    late = bench.items()[2]
    bench.sandbox.admin("faults/add", kind="lagging_reads", seconds=30)
    # For the filtered reads, this one is not there yet.
    bench.sandbox.admin("items/archive", item_id=late["id"])
    bench.later(0.6)
    bench.sandbox.admin("items/restore", item_id=late["id"])
    bench.push()
    bench.sandbox.admin("faults/clear")
    bench.must_be_equal()


def test_answers_lost_on_the_way_to_a_crash_and_after_it_make_no_difference(bench: PushBench) -> None:
    lost = {"kind": "lost_answer", "match": {"field": "create_item"}, "count": 2}
    bench.sandbox.admin("faults/add", **lost)
    bench.insert(ROWS)
    bench.kill_at("CreateItems", 4, AFTER)
    bench.sandbox.admin("faults/add", **lost)
    bench.sandbox.admin("faults/add", kind="html_502", match={"field": "create_item"}, applied=True)
    bench.push()
    bench.must_be_equal()


def test_a_push_that_is_killed_again_and_again_comes_to_its_end(bench: PushBench) -> None:
    bench.insert(ROWS)
    for operation, after in (
        ("CreateItems", AFTER),
        ("CreateItems", BEFORE),
        ("ItemsByColumnValues", AFTER),
        ("CreateItems", AFTER),
    ):
        bench.kill_at(operation, 1, after)
    bench.push()
    bench.must_be_equal()


def test_two_pushes_at_once_make_each_item_once(bench: PushBench) -> None:
    bench.insert(ROWS)
    hold = bench.relay.hold("CreateItems", 2, AFTER)
    first = bench.begin()
    until(hold.reached.is_set)
    second = bench.begin()
    time.sleep(0.2)
    hold.goes_on = True
    hold.go.set()
    for child in (first, second):
        child.process.join(20)
        assert child.process.exitcode == 0
    bench.must_be_equal()


# What people do between the crash and the next run


@pytest.mark.parametrize("minutes", [0, 31])
def test_rows_edited_before_the_next_run_show_the_edit(bench: PushBench, minutes: int) -> None:
    bench.insert(5)
    bench.kill_at("CreateItems", 1, AFTER)
    bench.sql("update things set note = 'second thoughts' where title = 'Thing 2'")
    bench.later(minutes)
    bench.push("both")
    assert bench.sql("select note from things where title = 'Thing 2'")[0]["note"] == "second thoughts"
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
@pytest.mark.parametrize("after", [BEFORE, AFTER])
def test_items_of_rows_deleted_before_the_next_run_do_not_stay(bench: PushBench, minutes: int, after: bool) -> None:
    bench.insert(5)
    bench.kill_at("CreateItems", 1, after)
    bench.sql("delete from things where title = 'Thing 2'")
    bench.sql("update things set archived_at = now() where title = 'Thing 3'")
    bench.later(minutes)
    bench.push("both")
    assert bench.shown("name") == ["Thing 1", "Thing 4", "Thing 5"]
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
def test_an_item_edited_before_the_next_run_keeps_the_edit(bench: PushBench, minutes: int) -> None:
    bench.insert(5)
    bench.kill_at("CreateItems", 1, AFTER)
    bench.sandbox.admin("items/change", item_id=bench.items()[1]["id"], values={"text": "by a person"})
    bench.later(minutes)
    bench.push()
    bench.push("both")
    assert bench.sql("select count(*) as n from things where note = 'by a person'")[0]["n"] == 1
    bench.must_be_equal()


@pytest.mark.parametrize("minutes", [0, 31])
def test_an_item_duplicated_before_the_next_run_is_a_record_of_its_own(bench: PushBench, minutes: int) -> None:
    bench.insert(5)
    bench.kill_at("CreateItems", 1, AFTER)
    original = bench.items()[1]
    bench.sandbox.admin("items/duplicate", item_id=original["id"])
    bench.later(minutes)
    bench.push("both")
    bench.must_be_equal()
    (link,) = [link for link in bench.links() if link["monday_id"] == original["id"]]
    assert link["entity_id"] == text_of(original, "sync_id")
    assert bench.shown("sync_id").count("") == 1, "the copy's cell is cleared"


@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("first", ["push", "pull", "both"])
def test_an_item_archived_before_the_next_run_is_not_made_again_and_its_row_goes(
    bench: PushBench, minutes: int, first: str
) -> None:
    bench.insert(5)
    bench.kill_at("CreateItems", 1, AFTER)
    bench.sandbox.admin("items/archive", item_id=bench.items()[1]["id"])
    bench.later(minutes)
    bench.push(first)
    bench.push("both")
    bench.must_be_equal()
    assert (len(bench.items()), len(bench.items("archived"))) == (4, 1)


def test_an_imported_item_that_was_archived_before_the_next_run_is_not_made_again(bench: PushBench) -> None:
    bench.insert(220)
    IMPORTING["when it is through"](bench)
    bench.sandbox.admin("items/archive", item_id=bench.items()[1]["id"])
    bench.push()
    bench.push("both")
    bench.must_be_equal()
    assert (len(bench.items()), len(bench.items("archived"))) == (219, 1)


# Without a sync id column


@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("after", [BEFORE, AFTER])
def test_without_a_sync_id_items_are_known_by_name(nameless: PushBench, minutes: int, after: bool) -> None:
    nameless.insert(30)
    nameless.kill_at("CreateItems", 2, after)
    nameless.later(minutes)
    nameless.push("pull")
    nameless.push()
    assert nameless.sql("select count(*) as n from things")[0]["n"] == 30
    nameless.push("both")
    assert len(nameless.items()) == 30
    assert nameless.writes() <= 2 + 2


def test_without_a_sync_id_an_item_of_that_name_by_another_user_is_not_taken(nameless: PushBench) -> None:
    nameless.insert(1)
    nameless.kill_at("CreateItems", 1, BEFORE)
    nameless.sandbox.admin("items/create", board_id=nameless.board, name="Thing 1", values={"text": "hers"})
    nameless.push()
    assert nameless.shown("text") == ["hers", "note 1"]


def test_without_a_sync_id_what_cannot_be_told_apart_waits_for_a_person(nameless: PushBench) -> None:
    nameless.insert(2, title="'Same name'")
    nameless.kill_at("CreateItems", 1, AFTER)
    for _ in range(2):
        report = nameless.push()
        assert (report.set_aside, report.created, report.exit_code) == (2, 0, 3)
    assert len(nameless.items()) == 2
    assert {link["sync_status"] for link in nameless.links()} == {"set_aside"}
    assert len(nameless.sql("select message from sync_logs where operation = 'create'")) == 2, "said once"
    for item in nameless.items():
        nameless.sandbox.admin("items/archive", item_id=item["id"])
    nameless.push()
    assert nameless.shown("text") == ["note 1", "note 2"]


def test_without_a_sync_id_an_item_in_doubt_that_a_listing_leaves_out_is_not_made_again(nameless: PushBench) -> None:
    nameless.insert(1)
    nameless.kill_at("CreateItems", 1, AFTER)
    nameless.sandbox.admin("items/rename", item_id=nameless.items()[0]["id"], name="Renamed by a person")
    assert nameless.push().set_aside == 1
    nameless.sandbox.admin("faults/add", kind="drop_item", count=1000, match={"contains": "items_page"})
    assert nameless.push().set_aside == 1
    nameless.sandbox.admin("faults/clear")
    assert nameless.shown("name") == ["Renamed by a person"]


@pytest.mark.parametrize(
    ("event", "data", "ids"),
    [
        ("create_pulse", {"pulse_id": 7, "group_id": "topics"}, ["7"]),
        ("batch_create_pulses", {"pulse_ids": [7, 8]}, ["7", "8"]),
        ("create_pulse", {"item_id": "7"}, ["7"]),
        ("create_pulse", {}, []),
        ("archive_pulse", {"pulse_id": 7, "item_id": 7}, []),
    ],
)
def test_the_log_names_the_items_that_were_made(event: str, data: dict[str, object], ids: list[str]) -> None:
    assert made_items({"event": event, "data": data}) == ids
