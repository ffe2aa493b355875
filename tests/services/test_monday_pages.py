"""Checks how boards are read page by page, and which pages are not believed."""

from __future__ import annotations

import threading

import pytest
import requests

from errors import BoardNotVisible, CursorExpired, Incomplete, MondayError, MondayRefused, QueryTooHeavy
from models import Columns
from monday_api import ReadOptions
from tests.kit.clocks import START
from tests.kit.scripted import GATEWAY, failed, first_page, item_json, next_page, ok


def test_only_a_missing_cursor_ends_a_listing(monday):
    client, script = monday(
        first_page(item_json(1, "a"), cursor="c1"),
        next_page(cursor="c2"),
        next_page(item_json(2, "a"), item_json(3, "a")),
    )
    pages = list(client.pages(7, Columns(("a",), "id text")))
    assert [[item.id for item in page.items] for page in pages] == [["1"], [], ["2", "3"]]
    assert [variables.get("cursor") for variables in script.variables] == [None, "c1", "c2"]
    assert "filter" not in script.variables[1] and script.variables[1]["columns"] == ["a"]


def test_an_item_keeps_the_cells_that_came(monday):
    client, _ = monday(first_page(item_json(1, "a", "b", parent_item={"id": "9"})))
    item = next(client.pages(7, Columns(("a", "b")))).items[0]
    assert item.cells["b"] == {"id": "b", "text": "b of 1", "value": None}
    assert (item.group_id, item.parent_id, item.board_id) == ("topics", "9", "7")


def test_a_listing_asks_for_no_cells(monday):
    client, script = monday(
        first_page({"id": "1", "state": "active", "updated_at": "2026-01-01T00:00:00Z", "group": None})
    )
    item = next(client.listing(7)).items[0]
    assert (item.id, item.cells) == ("1", {})
    assert "column_values" not in script.bodies[0]["query"] and script.variables[0]["limit"] == 500


def test_a_board_that_is_not_there_is_named(monday):
    client, _ = monday(ok({"boards": []}))
    with pytest.raises(BoardNotVisible, match="Board 7 is not visible to this token"):
        list(client.pages(7))


def test_an_expired_cursor_asks_for_a_new_start(monday):
    client, _ = monday(first_page(item_json(1), cursor="c"), failed("CursorException", "CursorExpiredError: …"))
    pages = client.pages(7)
    next(pages)
    with pytest.raises(CursorExpired):
        next(pages)


def test_a_listing_is_resumed_where_it_was_within_the_hour_only(monday):
    client, script = monday(next_page(item_json(5)))
    assert [page.items[0].id for page in client.pages(7, options=ReadOptions(cursor="c", started=START))] == ["5"]
    script.clock.at += 3600
    with pytest.raises(CursorExpired):
        list(client.pages(7, options=ReadOptions(cursor="c", started=START)))
    assert len(script.asked) == 1


def test_a_listing_that_does_not_advance_is_an_error(monday):
    client, _ = monday(first_page(item_json(1), cursor="c"), next_page(item_json(2), cursor="c"))
    with pytest.raises(Incomplete):
        list(client.pages(7))


@pytest.mark.parametrize(
    "trouble",
    [
        requests.exceptions.ReadTimeout("Read timed out."),
        (504, {}, ""),
        failed("maxComplexityExceeded"),
        failed(
            "FIELD_MINUTE_RATE_LIMIT_EXCEEDED", retry_in_seconds=30, path=["next_items_page", "items", 0, "x"], data={}
        ),
        (200, {}, {"errors": ["Complexity budget exhausted, query cost 3000001 out of 1000000 reset in 3 seconds"]}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_page_that_is_too_much_is_halved_and_grows_back(monday, trouble):
    pages = [next_page(item_json(n), cursor=f"c{n}") for n in range(3, 9)]
    client, script = monday(
        first_page(item_json(1), cursor="c1"),
        trouble,
        next_page(item_json(2), cursor="c2"),
        *pages,
        next_page(item_json(9)),
    )
    list(client.pages(7))
    limits = [variables["limit"] for variables in script.variables]
    assert limits[:3] == [500, 500, 250]
    assert limits[-1] == 500


def test_a_page_that_a_full_budget_does_not_hold_is_halved(monday):
    spent = failed("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=60)
    client, script = monday(spent, spent, first_page(item_json(1)))
    list(client.pages(7))
    assert [variables["limit"] for variables in script.variables] == [500, 500, 250]


def test_a_first_page_that_is_too_much_even_for_one_item_is_an_error(monday):
    client, script = monday(failed("maxComplexityExceeded"))
    with pytest.raises(QueryTooHeavy):
        list(client.pages(7))
    assert [variables["limit"] for variables in script.variables] == [500, 250, 100, 50, 25, 10, 5, 1]


def test_a_cursor_that_ignores_smaller_pages_leads_to_a_new_start(monday):
    client, script = monday(first_page(item_json(1), cursor="c"), failed("maxComplexityExceeded"))
    with pytest.raises(CursorExpired):
        list(client.pages(7))
    script.answers = [first_page(item_json(1))]
    list(client.pages(7))
    assert script.variables[-1]["limit"] == 1


def test_an_outage_does_not_cut_pages_to_nothing(monday):
    client, script = monday(lambda _: first_page(item_json(1)) if script.clock.at > 250 else GATEWAY)
    list(client.pages(7))
    assert script.variables[-1]["limit"] == 25


def without(item, key):
    return {name: value for name, value in item.items() if name != key}


BAD_PAGES = {
    "no list of items": ok({"boards": [{"id": "7", "items_page": {"cursor": None}}]}),
    "no page": ok({"boards": [{"id": "7", "items_page": None}]}),
    "null item": first_page(item_json(1, "a", "b"), None),
    "item without an id": first_page(item_json(1, "a", "b"), item_json(2, "a", "b", id=None)),
    "item twice": first_page(item_json(1, "a", "b"), item_json(1, "a", "b")),
    "cells missing": first_page(item_json(1, "a", "b"), item_json(2, "a")),
    "no cells": first_page(item_json(1, "a", "b"), item_json(2)),
    "a cell twice": first_page(item_json(1, "a", "b"), item_json(2, "a", "b", "b")),
    "a cell that was not asked for": first_page(item_json(1, "a", "b"), item_json(2, "a", "b", "c")),
    "cells null": first_page(item_json(1, "a", "b"), item_json(2, column_values=None)),
    "no group": first_page(item_json(1, "a", "b"), without(item_json(2, "a", "b"), "group")),
}


@pytest.mark.parametrize("page", BAD_PAGES.values(), ids=BAD_PAGES)
@pytest.mark.parametrize("expected", [None, ["a", "b"]], ids=["by neighbours", "as expected"])
def test_a_page_that_is_not_whole_is_asked_again(monday, page, expected):
    client, script = monday(page, first_page(item_json(1, "a", "b"), item_json(2, "a", "b")))
    pages = list(client.pages(7, Columns(("a", "b")), ReadOptions(expected=expected)))
    assert [item.id for item in pages[0].items] == ["1", "2"]
    assert client.stats.retries == {"malformed": 1}


@pytest.mark.parametrize("page", BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_page_that_stays_broken_is_never_handed_on_as_whole(monday, page):
    client, script = monday(page)
    with pytest.raises(MondayError):
        list(client.pages(7, Columns(("a", "b"))))
    assert len(script.asked) == 2


def test_items_that_stay_broken_can_be_taken_one_by_one(monday):
    client, _ = monday(first_page(item_json(1, "a", "b"), item_json(2, "a"), None))
    bad = {}
    pages = list(client.pages(7, Columns(("a", "b")), ReadOptions(expected=["a", "b"], on_malformed=bad.__setitem__)))
    assert [item.id for item in pages[0].items] == ["1"]
    assert bad == {"2": "the cells of b are missing", "": "it is empty"}


def test_a_kind_of_column_that_is_never_delivered_is_not_missed(monday):
    client, _ = monday(first_page(item_json(1, "a"), item_json(2, "a")))
    assert len(next(client.pages(7, Columns(("a", "number")))).items) == 2
    assert len(next(client.pages(7, Columns(("a", "number")), ReadOptions(expected=["a"]))).items) == 2


def test_a_null_item_beside_its_error_is_asked_again_and_then_reported(monday):
    path = ["boards", 0, "items_page", "items", 1]
    data = first_page(item_json(1, "a"), None)[2]["data"]
    client, _ = monday(failed("SomethingOdd", "Item is hidden", path=path, data=data))
    with pytest.raises(MondayError, match="Item is hidden"):
        list(client.pages(7, Columns(("a",))))
    bad = {}
    pages = list(client.pages(7, Columns(("a",)), ReadOptions(on_malformed=bad.__setitem__)))
    assert ([item.id for item in pages[0].items], list(bad)) == (["1"], [""])


def test_one_item_with_an_internal_error_does_not_hold_up_the_board(monday):
    path = ["boards", 0, "items_page", "items", 1, "column_values"]
    data = first_page(item_json(1, "a"), item_json(2, "a"))[2]["data"]
    client, script = monday(failed("INTERNAL_SERVER_ERROR", path=path, data=data))
    bad = {}
    pages = list(client.pages(7, Columns(("a",)), ReadOptions(on_malformed=bad.__setitem__)))
    assert ([item.id for item in pages[0].items], list(bad)) == (["1"], ["2"])
    assert script.clock.at < 120


def test_rights_that_are_missing_for_a_page_are_an_error(monday):
    data = {"boards": [{"id": "7", "items_page": None}]}
    client, _ = monday(failed("USER_UNAUTHORIZED", path=["boards", 0, "items_page"], data=data))
    with pytest.raises(MondayRefused, match="boards.0.items_page"):
        list(client.pages(7))


# One page ahead


def fetchers():
    return [thread for thread in threading.enumerate() if thread.name == "monday-next-page"]


def test_the_next_page_is_fetched_ahead_and_no_more_than_one(monday):
    pages = [next_page(item_json(n), cursor=f"c{n}") for n in range(2, 9)]
    client, script = monday(first_page(item_json(1), cursor="c1"), *pages)
    pages = client.pages(7, options=ReadOptions(prefetch=True))
    next(pages)
    for _ in range(200):
        if len(script.asked) == 2:
            break
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    assert len(script.asked) == 2
    pages.close()
    assert not fetchers()
    assert len(script.asked) == 2


def test_pages_fetched_ahead_are_the_same_pages(monday):
    answers = [first_page(item_json(1), cursor="c1"), next_page(item_json(2), cursor="c2"), next_page(item_json(3))]
    client, _ = monday(*answers)
    assert [page.items[0].id for page in client.pages(7, options=ReadOptions(prefetch=True))] == ["1", "2", "3"]
    assert not fetchers()


def test_an_error_met_ahead_is_raised_when_its_page_is_due(monday):
    client, _ = monday(first_page(item_json(1), cursor="c1"), failed("CursorException", "CursorExpiredError"))
    pages = client.pages(7, options=ReadOptions(prefetch=True))
    assert next(pages).items[0].id == "1"
    with pytest.raises(CursorExpired):
        next(pages)
    assert not fetchers()


def test_a_consumer_that_raises_ends_the_fetching(monday):
    client, script = monday(first_page(item_json(1), cursor="c1"), next_page(item_json(2), cursor="c2"))
    with pytest.raises(ZeroDivisionError):
        for _ in client.pages(7, options=ReadOptions(prefetch=True)):
            1 / 0  # noqa: B018
    assert not fetchers()
