"""Checks how items that changed are found, whatever the filter by update time understands."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from errors import ListingNeeded
from models import Columns
from services.monday.pages import ReadOptions
from tests.kit.clocks import START
from tests.kit.scripted import failed, first_page, item_json, ok


class Updates:
    """Answers for a board whose filter understands instants by the second or by the day, words, or nothing."""

    def __init__(self, precision, times, hours_ahead=0):
        self.precision = precision
        self.times = {str(n): time for n, time in enumerate(times, 1)}
        self.ahead = timedelta(hours=hours_ahead)

    def __call__(self, body):
        query, variables = body["query"], body["variables"]
        if "items(ids" in query:
            return ok({"items": [self.row(n, variables) for n in variables["ids"]]})
        wanted = variables.get("filter", {})
        rules = wanted.get("rules", [])
        exact = any("EXACT" in rule["compare_value"] for rule in rules)
        if rules and (self.precision == "refuses" or (exact and self.precision == "words")):
            return failed("InvalidArgumentException", data={"boards": [None]})
        found = [n for n in self.times if all(self.matches(n, rule) for rule in rules)]
        found = [n for n in found if n in wanted.get("ids", found)]
        if wanted.get("order_by", [{}])[0].get("direction") == "desc":
            found = sorted(found, key=lambda n: self.times[n] or START, reverse=True)
        return first_page(*[self.row(n, variables) for n in found[: variables["limit"]]])

    def row(self, number, variables):
        time = self.times[number]
        return item_json(int(number), *variables.get("columns", ()), updated_at=time and f"{time:%Y-%m-%dT%H:%M:%SZ}")

    def matches(self, number, rule):
        time, value = self.times[number] or START, rule["compare_value"]
        if value[0] != "EXACT":
            return time >= START - {2: timedelta(days=1), 4: timedelta(days=7), 6: timedelta(days=28)}[len(value)]
        bound = datetime.fromisoformat(value[1].replace("Z", "+00:00"))
        if self.precision == "finds nothing":
            return False
        return (time + self.ahead).date() >= bound.date() if self.precision == "days" else time >= bound


def ago(**time):
    return START - timedelta(**time)


@pytest.mark.parametrize(
    "precision, learnt, calls",
    [("seconds", "seconds", 2), ("days", "days", 2), ("words", "words", 2)],
)
@pytest.mark.parametrize("hours_ahead", [-12, 0, 14])
def test_what_changed_is_found_whatever_the_filter_understands(monday, precision, learnt, calls, hours_ahead):
    times = [ago(days=40), ago(hours=13), ago(minutes=61), ago(minutes=59), ago(seconds=30)]
    client, script = monday(Updates(precision, times, hours_ahead))
    pages = list(client.changed_since(7, ago(hours=1), Columns(("a",))))
    assert sorted(item.id for page in pages for item in page.items) == ["4", "5"]
    assert all(item.cells for page in pages for item in page.items)
    assert pages[-1].cursor is None
    assert client.update_filter.precision == learnt
    assert len(script.asked) <= calls + 3 * (precision == "days")


@pytest.mark.parametrize("times", [[None], [None, ago(minutes=30)], [ago(days=3), None]])
def test_an_item_without_an_update_time_is_looked_at_or_a_listing_is_asked_for(monday, times):
    client, _ = monday(Updates("seconds", times))
    wanted = [str(n) for n, time in enumerate(times, 1) if time is None or time > ago(hours=1)]
    try:
        found = sorted(item.id for page in client.changed_since(7, ago(hours=1)) for item in page.items)
    except ListingNeeded:
        found = wanted
    assert found == wanted


def test_a_filter_that_finds_nothing_is_found_out(monday):
    client, _ = monday(Updates("finds nothing", [ago(minutes=30), ago(days=3)]))
    pages = list(client.changed_since(7, ago(hours=1)))
    assert [item.id for page in pages for item in page.items] == ["1"]


def test_a_filter_that_refuses_everything_asks_for_a_listing_and_makes_none(monday):
    client, script = monday(Updates("refuses", [ago(days=3), ago(minutes=5)]))
    for calls in (2, 0):
        before = len(script.asked)
        with pytest.raises(ListingNeeded):
            next(client.changed_since(7, ago(hours=1)))
        assert (client.update_filter.precision, len(script.asked) - before) == ("nothing", calls)


@pytest.mark.parametrize(
    "precision, learnt, calls",
    [("seconds", "seconds", 2), ("days", "days", 3), ("words", "words", 1), ("finds nothing", "words", 4)],
)
@pytest.mark.parametrize("hours_ahead", [-12, 0, 14])
@pytest.mark.parametrize("known", [ago(days=40), ago(minutes=30)])
def test_what_the_filter_understands_is_learnt_from_an_item_whose_time_is_known(
    monday, precision, learnt, calls, hours_ahead, known
):
    client, script = monday(Updates(precision, [known, ago(days=3), None], hours_ahead))
    options = ReadOptions(known=("1", f"{known:%Y-%m-%dT%H:%M:%SZ}"))
    list(client.changed_since(7, ago(hours=1), Columns(("a",)), options))
    assert client.update_filter.precision == learnt
    assert len(script.asked) <= calls + 1
    assert script.bodies[0]["variables"]["filter"]["ids"] == ["1"]


@pytest.mark.parametrize("changed", [ago(minutes=2), None])
def test_an_item_that_was_changed_since_or_is_gone_teaches_nothing_wrong(monday, changed):
    """The filter works by the second: no more may be learnt than that, whatever became of the item."""
    times = [ago(days=3), ago(minutes=5), *([changed] if changed else [])]
    client, _ = monday(Updates("seconds", times))
    options = ReadOptions(known=("3", f"{ago(days=9):%Y-%m-%dT%H:%M:%SZ}"))
    found = {item.id for page in client.changed_since(7, ago(hours=1), Columns(), options) for item in page.items}
    assert (found, client.update_filter.precision) == ({"2", "3"} if changed else {"2"}, "seconds")


@pytest.mark.parametrize("precision", ["seconds", "days", "finds nothing", "words"])
def test_a_board_without_changes_yields_none_whatever_the_filter_understands(monday, precision):
    client, script = monday(Updates(precision, [ago(days=3), ago(hours=5)]))
    assert [item for page in client.changed_since(7, ago(hours=1)) for item in page.items] == []
    before = len(script.asked)
    list(client.changed_since(7, ago(hours=1)))
    assert len(script.asked) - before == 1


def test_what_the_filter_understands_is_found_out_only_once(monday):
    client, script = monday(Updates("seconds", [ago(minutes=5)]))
    for _ in range(3):
        list(client.changed_since(7, ago(hours=1)))
    assert len(script.asked) == 2 + 1 + 1


def test_an_empty_board_has_no_changes_and_teaches_nothing(monday):
    client, _ = monday(Updates("seconds", []))
    assert [item for page in client.changed_since(7, ago(hours=1)) for item in page.items] == []
    assert client.update_filter.precision == "unknown"


def test_a_filter_by_the_day_is_known_as_one_from_a_single_item(monday):
    client, _ = monday(Updates("days", [ago(seconds=30)]))
    list(client.changed_since(7, ago(hours=1)))
    assert client.update_filter.precision == "days"


def test_words_reach_back_only_so_far(monday):
    client, script = monday(Updates("words", [ago(days=60), ago(days=33), ago(days=2)]))
    for days in (3, 20):
        found = [item.id for page in client.changed_since(7, ago(days=days)) for item in page.items]
        assert found == ["3"]
    before = len(script.asked)
    with pytest.raises(ListingNeeded):
        next(client.changed_since(7, ago(days=40)))
    assert len(script.asked) == before
