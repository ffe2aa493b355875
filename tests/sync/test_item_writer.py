"""Checks that an item has one change, whatever it took to write it."""

from __future__ import annotations

from models import Item
from sync.task import Answer
from sync.write_items import one_for_each


def item(item_id: str, name: str) -> Item:
    return Item(item_id, name, "active", None, None, None, None, None, {})


def test_two_answers_about_an_item_are_one_that_shows_the_last() -> None:
    first = Answer(item("1", "before"), "row", {"a": 1}, {"b": "no"})
    second = Answer(item("1", "after"), "row", {"c": 2}, {"d": "neither"})
    (change,) = one_for_each([first, second])
    assert (change.item.name, change.sent, change.refused) == ("after", {"a": 1, "c": 2}, {"b": "no", "d": "neither"})


def test_an_answer_in_which_nothing_was_taken_does_not_hide_what_was() -> None:
    first = Answer(item("1", "after"), "row", {"a": 1})
    second = Answer(item("1", "before"), "row", {}, {"b": "no"})
    (change,) = one_for_each([first, second])
    assert (change.item.name, change.sent, change.refused) == ("after", {"a": 1}, {"b": "no"})


def test_items_stay_apart() -> None:
    answers = [Answer(item(n, n), n, {}) for n in ("1", "2")]
    assert one_for_each(answers) == answers
