"""Checks what an event hints at, whatever its shape: alone, and at a daemon that lives."""

from __future__ import annotations

import time

import pytest

from services.monday.webhook_events import Hint, event_from
from tests.kit.shipped import CONTACTS


@pytest.mark.parametrize(
    ("event", "hints"),
    [
        ({"type": "create_pulse", "boardId": 7, "pulseId": 8}, [("7", "8")]),
        ({"type": "update_column_value", "boardId": "7", "pulseId": "8", "columnId": "text"}, [("7", "8")]),
        ({"type": "update_name", "boardId": 7, "pulseId": 8, "value": {"name": "New"}}, [("7", "8")]),
        ({"type": "archive_pulse", "boardId": 7, "itemId": 8}, [("7", "8")]),
        ({"type": "delete_pulse", "boardId": 7, "itemId": 8}, [("7", "8")]),
        ({"type": "restore_pulse", "boardId": 7, "itemId": 8, "value": {"state": 1}}, [("7", "8")]),
        ({"type": "move_pulse_into_group", "boardId": 7, "pulseId": 8, "destGroupId": "g"}, [("7", "8")]),
        (
            {"type": "move_pulse_into_board", "boardId": 7, "pulseId": 8, "sourceBoardId": 6, "destBoardId": 7},
            [("7", "8"), ("6", "8")],
        ),
        ({"type": "create_column", "boardId": 7, "columnId": "text1"}, [("7", None)]),
        ({"type": "create_update", "boardId": 7, "pulseId": 8, "updateId": 9, "replyId": None}, [("7", "8")]),
        (
            {
                "type": "create_pulse",
                "boardId": 70,
                "pulseId": 80,
                "itemId": 80,
                "parentItemId": "8",
                "parentItemBoardId": "7",
            },
            [("70", "80"), ("7", "8")],
        ),
        (
            {
                "type": "update_column_value",
                "boardId": 70,
                "pulseId": 80,
                "parentItemId": "8",
                "parentItemBoardId": "7",
            },
            [("70", "80"), ("7", "8")],
        ),
        (
            {
                "type": "archive_pulse",
                "boardId": 70,
                "itemId": 80,
                "parentBoardId": 7,
                "parentItemId": 8,
                "pulseId": 80,
            },
            [("70", "80"), ("7", "8")],
        ),
        (
            {
                "type": "move_subitem",
                "subitem": 80,
                "sourcePulseId": 8,
                "destPulseId": 9,
                "sourceBoardId": 7,
                "destBoardId": 7,
            },
            [("7", "8"), ("7", "9")],
        ),
        ({"type": "something_of_tomorrow", "boardId": 7}, [("7", None)]),
        ({"boardId": 7, "pulseId": True}, [("7", None)]),
        ({"boardId": 7.5, "pulseId": 8}, []),
        ({"boardId": [7], "pulseId": {"id": 8}}, []),
        ({"boardId": 0, "pulseId": -3}, []),
        ({"boardId": " 7 ", "pulseId": "008"}, [("7", "8")]),
        ({"boardId": 7, "pulseId": 2**63}, [("7", None)]),
        ({"boardId": 7, "pulseId": str(2**63)}, [("7", None)]),
        ({"boardId": 7, "pulseId": "\u0668"}, [("7", None)]),
        ({}, []),
    ],
)
def test_an_event_hints_at_items_or_boards_whatever_its_shape(event, hints):
    found = event_from({"event": event})
    assert found is not None
    assert [(hint.board_id, hint.item_id) for hint in found.hints] == hints


@pytest.mark.parametrize("raw", [None, [], 5, "x", {}, {"event": None}, {"event": []}, {"event": "x"}])
def test_what_is_no_event_is_none(raw):
    assert event_from(raw) is None


def deep(levels: int) -> list[object]:
    """Returns a list in a list in a list."""
    found: list[object] = []
    for _ in range(levels - 1):
        found = [found]
    return found


def test_an_event_that_is_too_deep_to_be_told_from_others_is_none():
    assert event_from({"event": {"boardId": 7, "x": deep(500)}}) is None


def test_of_a_member_that_should_be_plain_and_is_not_nothing_is_kept():
    for given in (deep(1000), {"id": deep(1000)}):
        found = event_from({"event": {"boardId": 7, "triggerUuid": "d", "userId": given}})
        assert found is not None and found.hints == (Hint("7", None),)
        assert found.body == {"boardId": 7, "triggerUuid": "d", "userId": None}


def test_a_repeated_delivery_has_the_same_trigger_and_another_item_of_the_trigger_has_not():
    first = {"boardId": 7, "pulseId": 8, "triggerUuid": "abc", "subscriptionId": 5, "isRetry": False}
    same, other = {**first, "isRetry": True}, {**first, "pulseId": 9}
    ids = [event_from({"event": event}).trigger_id for event in (first, same, other)]  # type: ignore[union-attr]
    assert ids[0] == ids[1] != ids[2]


def test_nothing_of_what_a_cell_shows_is_kept_of_an_event():
    event = {
        "boardId": 7,
        "pulseId": 8,
        "pulseName": "Ann",
        "value": {"value": "secret"},
        "previousValue": {},
        "body": "x",
    }
    found = event_from({"event": event})
    assert found is not None and found.body == {"boardId": 7, "pulseId": 8}
    assert found.on(frozenset({"7"})) == (Hint("7", "8"),)


def shapes_of_subitems(item: int, other: int, board: int, elsewhere: int) -> list[dict[str, object]]:
    """Returns the events about subitem 80 of the item: on a board of its own, under its parent, and moved to another."""
    sub = {"boardId": elsewhere, "pulseId": 80, "parentItemId": str(item), "parentItemBoardId": str(board)}
    gone = {"boardId": elsewhere, "itemId": 80, "pulseId": 80, "parentBoardId": board, "parentItemId": item}
    moved = {"subitem": 80, "sourcePulseId": item, "destPulseId": other, "sourceBoardId": board, "destBoardId": board}
    return [
        {"type": "create_pulse", **sub, "itemId": 80},
        {"type": "update_column_value", **sub, "columnId": "date0"},
        {"type": "change_subitem_column_value", **sub},
        {"type": "update_name", **sub},
        {"type": "create_update", **sub},
        {"type": "archive_pulse", **gone},
        {"type": "delete_pulse", **gone},
        {"type": "move_subitem", **moved},
    ]


def shapes(item: int, other: int, board: int, elsewhere: int) -> list[dict[str, object]]:
    """Returns every kind of event, as recorded from monday.com and as receivers say that it may also look."""
    changed = {"boardId": board, "pulseId": item, "columnId": "notes", "columnType": "long-text", "value": None}
    return [
        {"type": "create_pulse", "boardId": board, "pulseId": item, "columnValues": {}, "isTopGroup": True},
        {"type": "create_item", "boardId": str(board), "itemId": str(item)},
        {"type": "update_column_value", **changed, "previousValue": {}, "changedAt": 1738778219.220086},
        {"type": "change_column_value", **changed, "value": {"text": "x", "changed_at": "2025-02-05T17:56:58.364Z"}},
        {"type": "update_column_value", **changed, "columnId": "gone_since", "userId": -4},
        {"type": "update_column_value", **changed, "columnId": None, "columnType": "subtasks"},
        {"type": "update_name", "boardId": board, "pulseId": item, "value": {"name": "New"}},
        {"type": "archive_pulse", "boardId": board, "itemId": item, "itemName": "New item 1"},
        {"type": "delete_pulse", "boardId": board, "itemId": item},
        {"type": "item_deleted", "boardId": board, "pulseId": str(item)},
        {"type": "restore_pulse", "boardId": board, "itemId": item, "value": {"state": 1, "is_undo": True}},
        {"type": "move_pulse_into_group", "boardId": board, "pulseId": item, "destGroup": {"id": "g", "title": "G"}},
        {"type": "move_pulse_into_board", "boardId": elsewhere, "pulseId": item, "sourceBoardId": board},
        {"type": "move_pulse_into_board", "pulseId": item, "destBoardId": str(board)},
        {"type": "create_column", "boardId": board, "columnId": "new1", "createdAt": 1738776824.39, "retryCount": 0},
        {"type": "create_update", "boardId": board, "pulseId": item, "body": "<p>x</p>", "replyId": None},
        {"type": "edit_update", "boardId": board, "pulseId": item, "updateId": 3836364238},
        {"type": "delete_update", "boardId": board, "pulseId": item, "replyId": 5},
        *shapes_of_subitems(item, other, board, elsewhere),
        {"type": "a_group_was_deleted", "boardId": board},
        {"type": None, "boardId": board},
        {"boardId": board},
        {"type": "update_name", "boardId": board, "pulseId": None},
        {"type": ["x"], "boardId": board, "pulseId": [item]},
        {"type": "update_name", "boardId": board, "pulseId": 9_999_999_999},
        {"type": "x" * 5000, "boardId": board},
        {"type": "update_name", "boardId": board, "pulseId": item, "triggerUuid": {"a": 1}, "subscriptionId": "\u0000"},
    ]


def test_every_kind_of_event_in_every_shape_is_taken_and_harms_nothing(live):
    here = live.world
    item, other = sorted(here.snapshot(), key=int)[:2]
    before = here.sql("select * from contacts order by id")
    signed = {"Authorization": live.gate.sign(time.time(), "")}
    for number, event in enumerate(shapes(int(item), int(other), int(CONTACTS), 4711)):
        event.setdefault("triggerUuid", f"shape {number}")
        assert live.post({"event": event}, **signed).status_code == 200, event
        assert live.post({"event": event}, f"/webhook/{live.gate.token(CONTACTS)}").status_code == 200, event
    live.settle(60)
    assert here.sql("select * from contacts order by id") == before
    assert here.differences() == [] and live.daemon.health()["status"] == "ok"
