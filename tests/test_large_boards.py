"""Large boards: several cursors at once, also when one group holds nearly everything, and few calls for few changes."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from models import Item, Page
from sandbox import Sandbox
from services.monday.parallel_reading import ParallelReading
from tests.builders import USERS, Journey, column, rows


def item(number: int) -> Item:
    return Item(str(number), f"Item {number}", "active", None, None, "g", "1", None, {})


class Groups:
    """Groups of items in memory, read a page at a time from either end."""

    def __init__(self, sizes: dict[str, int], size: int = 5, sorts: bool = True) -> None:
        self.items, begun = {}, 1
        for name, count in sizes.items():
            self.items[name] = list(range(begun, begun + count))
            begun += count
        self.size, self.sorts, self.calls = size, sorts, 0

    def pages(self, group: str, params: dict):
        numbers = list(self.items[group])
        if params and params["order_by"][0]["direction"] == "desc":
            numbers.reverse()
        if not self.sorts:
            random.Random(self.calls).shuffle(numbers)
        for start in range(0, max(len(numbers), 1), self.size):
            self.calls += 1
            yield Page([item(one) for one in numbers[start : start + self.size]], None)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("sizes", [{"a": 100}, {"a": 85, "b": 10, "c": 5}, {"a": 0, "b": 0}, {"a": 1, "b": 1, "c": 90}])
def test_several_cursors_bring_each_item_once(sizes: dict[str, int], workers: int) -> None:
    groups = Groups(sizes)
    read = [one.id for page in ParallelReading(list(sizes), groups.pages, workers) for one in page]
    assert sorted(map(int, read)) == list(range(1, sum(sizes.values()) + 1))
    pages = sum(-(-count // groups.size) or 1 for count in sizes.values())
    assert groups.calls <= pages + 2 * workers


def test_an_order_that_is_not_kept_brings_no_item_twice() -> None:
    """What both ends miss is found by the count, and read by id."""
    groups = Groups({"a": 85, "b": 15}, sorts=False)
    read = [one.id for page in ParallelReading(["a", "b"], groups.pages, 4) for one in page]
    assert len(read) == len(set(read))


def test_an_error_in_one_cursor_ends_the_reading() -> None:
    def pages(group: str, params: dict):
        yield Page([item(1)], "more")
        raise RuntimeError("the end")

    with pytest.raises(RuntimeError, match="the end"):
        list(ParallelReading(["a", "b"], pages, 2))


def until(true, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    return bool(true())


def test_pages_that_are_ready_together_come_as_one() -> None:
    taken, looked, handed_on = threading.Event(), threading.Event(), []

    def pages(group: str, params: dict):
        assert group == "1" or taken.wait(5)
        yield Page([item(int(group))], None)
        handed_on.append(group)
        assert looked.wait(5)

    reading = iter(ParallelReading(["1", "2", "3", "4"], pages, 4))
    assert [one.id for one in next(reading)] == ["1"]
    taken.set()
    assert until(lambda: len(handed_on) == 3)
    assert len(next(reading)) >= 2
    looked.set()
    assert len([one for items in reading for one in items]) <= 1


def test_items_are_prepared_while_their_reader_is_at_work_and_handed_on_as_they_are_to_one_who_waits() -> None:
    prepared: list[str] = []
    taken = threading.Event()

    def pages(group: str, params: dict):
        yield Page([item(1), item(2)], None)
        assert taken.wait(5)
        yield Page([item(3), item(4)], None)

    reading = iter(ParallelReading(["a"], pages, 2, prepare=lambda one: prepared.append(one.id)))
    assert [one.id for one in next(reading)] == ["1", "2"]
    assert prepared == []
    taken.set()
    assert until(lambda: prepared == ["3", "4"])
    assert [[one.id for one in items] for items in reading] == [["3", "4"]]


@pytest.mark.parametrize("read, parted", [(1, True), (3, False)])
def test_a_group_is_parted_as_long_as_more_of_it_is_left_than_would_be_read_again(read: int, parted: bool) -> None:
    """Of a group of five pages; the third cursor is busy elsewhere until so many of them are read."""
    asked, lock, begun, done = threading.Event(), threading.Lock(), itertools.count(), []

    def page(numbers) -> Page:
        cells = [{"status": {"id": "status", "value": json.dumps({"index": one % 2})}} for one in numbers]
        return Page([replace(item(one), cells=cell) for one, cell in zip(numbers, cells, strict=True)], None)

    def pages(group: str, params: dict):
        if group == "b":
            until(lambda: len(done) >= read)
            yield Page([], None)
            return
        if "rules" in params:
            asked.set()
        numbers = list(range(1, 5001))
        numbers = numbers[::-1] if params["order_by"][0]["direction"] == "desc" else numbers
        for start in range(0, 5000, 1000):
            with lock:
                enough = next(begun) >= read
            if enough:
                asked.wait(0.5)
            yield page(numbers[start : start + 1000])
            done.append(start)

    groups = ParallelReading(["a", "b"], pages, 3, total=5000, status=["status"])
    assert len({one.id for items in groups for one in items}) == 5000
    assert asked.is_set() == parted


# Over a socket


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


def load(sandbox, count, **more):
    begun = datetime.now(timezone.utc) - timedelta(hours=count)
    items = [
        {
            "name": f"Staff {n}", "updated_at": f"{begun + timedelta(hours=n):%FT%TZ}", **more,
            "values": {"text25": f"N{n}", "email7": {"email": f"a{n}@example.com", "text": "a"}},
        }
        for n in range(count)
    ]  # fmt: skip
    return sandbox.admin("items/load", board_id=USERS, items=items)


@pytest.mark.parametrize("understands", ["exact", "days", "relative"])
def test_ten_changes_cost_at_most_five_calls_however_large_the_board_is(journey, sandbox, db, understands):
    ids = load(sandbox, 1600)
    sandbox.admin("switches", last_updated=understands)
    journey.pull()
    journey.pull()
    for number in range(10):
        sandbox.admin("items/change", item_id=ids[number * 100], values={"text25": f"Changed {number}"})
    before = journey.calls()
    report = journey.pull()
    assert (report.updated, report.complete) == (10, True)
    assert journey.calls() - before <= 5


def test_ten_changes_found_by_a_new_process_cost_at_most_five_calls(journey, sandbox, db):
    ids = load(sandbox, 1600)
    journey.pull()
    journey.pull()
    for number in range(10):
        sandbox.admin("items/change", item_id=ids[number * 100], values={"text25": f"Changed {number}"})
    fresh = Journey(db, sandbox)
    assert fresh.pull().updated == 10
    assert fresh.calls() <= 5
    fresh.monday.close()


def test_an_edit_behind_the_back_of_a_read_is_news_to_the_next_run_though_our_clock_is_an_hour_ahead(journey, sandbox, db):
    sandbox.admin("clock/advance", seconds=-3600)
    load(sandbox, 30)
    order = [item.id for page in journey.monday.pages(USERS) for item in page.items]

    def edit(entity: str, done: int, total: int | None) -> None:
        if done == 10:
            sandbox.admin("items/change", item_id=order[0], values={"text25": "Edited"})
            sandbox.admin("clock/advance", seconds=1200)
            sandbox.admin("items/change", item_id=order[-1], values={"text25": "Later"})

    journey.pull()
    journey.pull(full=True, batch_size=10, progress=edit)
    journey.pull()
    assert rows(db, "users", monday_id=order[0])[0]["name"] == "Edited"


@pytest.mark.parametrize("workers", [2, 4])
def test_a_board_with_one_large_group_is_read_whole_by_several_cursors(journey, sandbox, db, workers):
    groups = [group_id for group_id, _ in journey.monday.board(USERS).groups]
    large = load(sandbox, 340, group_id=groups[0])
    assert len(large) == 340
    report = journey.pull(max_workers=workers, batch_size=20)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (340, True, 340)


@pytest.fixture
def parted(sandbox, journey):
    """A board of which one group holds all 2,400 items, with three labels in a status column and some blanks."""
    labels = ({"label": "Working on it"}, {"label": "Done"}, {"label": "Stuck"}, None)
    groups = [group_id for group_id, _ in journey.monday.board(USERS).groups]
    begun = datetime.now(timezone.utc) - timedelta(hours=2_400)
    items = [
        {
            "name": f"Staff {n}", "updated_at": f"{begun + timedelta(hours=n):%FT%TZ}", "group_id": groups[0],
            "values": {"email7": {"email": f"a{n}@example.com", "text": "a"}, "status": labels[n % 4]},
        }
        for n in range(2_400)
    ]  # fmt: skip
    sandbox.admin("items/load", board_id=USERS, items=items)
    return sandbox


def filtered(sandbox) -> int:
    """How many requests asked for a part of a group; each of them met a fault."""
    return sum(bool(one["faults"]) for one in sandbox.admin("requests", last=1000))


def test_a_group_that_holds_nearly_everything_is_parted_by_its_labels_when_cursors_have_nothing_to_do(parted, journey, db):
    parted.admin("faults/add", kind="drop_cell", column_id="none", count=1000, match={"contains": "any_of"})
    report = journey.pull(max_workers=4, batch_size=100)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (2_400, True, 2_400)
    assert filtered(parted) >= 2


def test_a_server_that_will_not_filter_is_asked_for_whole_groups(parted, journey, db):
    parted.admin("faults/add", kind="error", code="InvalidArgumentException", message="no such operator", status=200,
                 http=200, count=1000, match={"contains": "any_of"})  # fmt: skip
    report = journey.pull(max_workers=4, batch_size=100)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (2_400, True, 2_400)
    assert filtered(parted)


def test_items_that_a_filter_hides_are_found_all_the_same(parted, journey, db):
    """No source says whether "none of these labels" lets blank cells through."""
    parted.admin("faults/add", kind="drop_page", count=1000, match={"contains": "not_any_of"})
    report = journey.pull(max_workers=4, batch_size=100)
    assert (report.created, report.complete, len(set(column(db, "users", "monday_id")))) == (2_400, True, 2_400)
    assert filtered(parted)
