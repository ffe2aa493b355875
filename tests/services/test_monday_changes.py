"""Checks how items that changed are found, whatever the filter by update time understands."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models import Columns
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
    [("seconds", "seconds", 2), ("days", "days", 2), ("words", "words", 2), ("refuses", "nothing", 4)],
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
def test_an_item_without_an_update_time_is_looked_at_and_teaches_nothing_about_the_filter(monday, times):
    client, _ = monday(Updates("seconds", times))
    wanted = [str(n) for n, time in enumerate(times, 1) if time is None or time > ago(hours=1)]
    found = [item.id for page in client.changed_since(7, ago(hours=1)) for item in page.items]
    assert sorted(found) == wanted


def test_a_filter_that_finds_nothing_is_found_out(monday):
    client, _ = monday(Updates("finds nothing", [ago(minutes=30), ago(days=3)]))
    pages = list(client.changed_since(7, ago(hours=1)))
    assert [item.id for page in pages for item in page.items] == ["1"]


@pytest.mark.parametrize("precision", ["seconds", "days", "finds nothing", "words", "refuses"])
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
    for days, ids in ((3, ["3"]), (20, ["3"]), (40, ["2", "3"])):
        found = [item.id for page in client.changed_since(7, ago(days=days)) for item in page.items]
        assert sorted(found) == ids
    assert "items(ids" in script.bodies[-1]["query"]
