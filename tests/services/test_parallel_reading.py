"""Checks several cursors at once over one board."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time

import pytest
from msgspec.structs import replace

from models import Item, Page
from services.monday.parallel_reading import ParallelReading
from tests.kit.waiting import until


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
            yield Page([item(number) for number in numbers[start : start + self.size]], None)


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("sizes", [{"a": 100}, {"a": 85, "b": 10, "c": 5}, {"a": 0, "b": 0}, {"a": 1, "b": 1, "c": 90}])
def test_several_cursors_bring_each_item_once(sizes: dict[str, int], workers: int) -> None:
    groups = Groups(sizes)
    read = [item.id for page in ParallelReading(list(sizes), groups.pages, workers) for item in page]
    assert sorted(map(int, read)) == list(range(1, sum(sizes.values()) + 1))
    pages = sum(-(-count // groups.size) or 1 for count in sizes.values())
    assert groups.calls <= pages + 2 * workers


def test_no_page_is_read_twice_for_a_caller_who_has_work_enough() -> None:
    groups = Groups({"a": 25})
    reading, read = iter(ParallelReading(["a"], groups.pages, 4)), []
    for items in reading:
        read += items
        time.sleep(0.2)
    assert (len(read), groups.calls) == (25, 5)


def test_an_order_that_is_not_kept_brings_no_item_twice() -> None:
    """What both ends miss is found by the count, and read by id."""
    groups = Groups({"a": 85, "b": 15}, sorts=False)
    read = [item.id for page in ParallelReading(["a", "b"], groups.pages, 4) for item in page]
    assert len(read) == len(set(read))


def test_an_error_in_one_cursor_ends_the_reading() -> None:
    def pages(group: str, params: dict):
        yield Page([item(1)], "more")
        raise RuntimeError("the end")

    with pytest.raises(RuntimeError, match="the end"):
        list(ParallelReading(["a", "b"], pages, 2))


def test_pages_that_are_ready_together_come_as_one() -> None:
    taken, looked, handed_on = threading.Event(), threading.Event(), []

    def pages(group: str, params: dict):
        assert group == "1" or taken.wait(5)
        yield Page([item(int(group))], None)
        handed_on.append(group)
        assert looked.wait(5)

    reading = iter(ParallelReading(["1", "2", "3", "4"], pages, 4))
    assert [item.id for item in next(reading)] == ["1"]
    taken.set()
    assert until(lambda: len(handed_on) == 3)
    assert len(next(reading)) >= 2
    looked.set()
    assert len([item for items in reading for item in items]) <= 1


def test_items_are_prepared_while_their_reader_is_at_work_and_handed_on_as_they_are_to_a_reader_that_waits() -> None:
    prepared: list[str] = []
    taken = threading.Event()

    def pages(group: str, params: dict):
        yield Page([item(1), item(2)], None)
        assert taken.wait(5)
        yield Page([item(3), item(4)], None)

    reading = iter(ParallelReading(["a"], pages, 2, prepare=lambda item: prepared.append(item.id)))
    assert [item.id for item in next(reading)] == ["1", "2"]
    assert prepared == []
    taken.set()
    assert until(lambda: prepared == ["3", "4"])
    assert [[item.id for item in items] for items in reading] == [["3", "4"]]


@pytest.mark.parametrize("read, parted", [(1, True), (3, False)])
def test_a_group_is_parted_as_long_as_more_of_it_is_left_than_would_be_read_again(read: int, parted: bool) -> None:
    """Of a group of five pages; the third cursor is busy elsewhere until so many of them are read."""
    asked, lock, begun, done = threading.Event(), threading.Lock(), itertools.count(), []

    def page(numbers) -> Page:
        cells = [{"status": {"id": "status", "value": json.dumps({"index": number % 2})}} for number in numbers]
        return Page([replace(item(place), cells=cell) for place, cell in zip(numbers, cells, strict=True)], None)

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
    assert len({item.id for items in groups for item in items}) == 5000
    assert asked.is_set() == parted
