"""Checks the small words of values: slices, moments as text, an item that is on its board."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from models import BoardColumn, Item
from services.monday.cells.kinds import COLUMN_TYPES, MONDAY_KINDS
from services.monday.pacing import Left, left_in_words
from values.slices import batched
from values.wording import day_text, minute_text, utc_milliseconds, utc_or_none, utc_text

MOMENT = datetime(2026, 2, 28, 1, 11, 30, 123_999, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("number, sizes", [(0, []), (1, [1]), (5, [2, 2, 1]), (6, [2, 2, 2])])
def test_a_list_is_cut_into_slices_that_hold_all_of_it(number, sizes):
    slices = list(batched(range(number), 2))
    assert [len(part) for part in slices] == sizes
    assert [value for part in slices for value in part] == list(range(number))


def test_a_moment_is_written_in_utc_wherever_it_was_taken():
    assert utc_text(MOMENT) == "2026-02-27T23:11:30Z"
    assert utc_milliseconds(MOMENT) == "2026-02-27T23:11:30.123Z"
    assert (minute_text(MOMENT), day_text(MOMENT)) == ("2026-02-27 23:11 UTC", "2026-02-27")
    assert (utc_or_none(MOMENT), utc_or_none(None)) == ("2026-02-27T23:11:30Z", None)


@pytest.mark.parametrize(
    "state, board, here",
    [
        ("active", "7", True),
        ("active", None, True),
        ("active", "8", False),
        ("archived", "7", False),
        ("deleted", None, False),
    ],
)
def test_an_item_is_on_the_board_while_it_is_active_there(state, board, here):
    assert Item("1", "One", state, None, None, None, board, None, {}).is_on("7") is here


@pytest.mark.parametrize(
    "left, words",
    [
        (None, ""),
        (Left(), ""),
        (Left(900, 4e6, 77), "900 calls and 4,000,000 points left this minute, 77 calls left today"),
        (Left(None, 2_147_483_647, None), ""),
        (Left(None, 12.0, 3), "12 points left this minute, 3 calls left today"),
    ],
)
def test_what_is_left_of_the_budgets_is_said_as_far_as_it_is_known_and_limited(left, words):
    assert left_in_words(left) == words


def test_the_kinds_of_columns_are_offered_as_one_object():
    assert all(MONDAY_KINDS.of(name) is kind for name, kind in COLUMN_TYPES.items())
    assert (MONDAY_KINDS.comparison("numbers"), MONDAY_KINDS.comparison("numeric(12,2)")) == ("number", "number")
    assert MONDAY_KINDS.selection(["mirror", "text"]) == "id text value ... on MirrorValue { display_value }"
    cell = {
        "id": "c",
        "text": "Ann",
        "value": '{"personsAndTeams":[{"id":1,"kind":"person"}],"changed_at":"2026-03-01T17:57:15Z"}',
    }
    reading = MONDAY_KINDS.reading("named_people")
    assert reading is not None
    assert reading(cell, BoardColumn("c", "C", "people")) == [{"id": 1, "kind": "person", "name": "Ann"}]
    assert MONDAY_KINDS.reading("people") is None
    assert MONDAY_KINDS.changed_at(cell) == datetime(2026, 3, 1, 17, 57, 15, tzinfo=timezone.utc)
