"""Webhooks: from an event to the row, whatever order, number or shape the events come in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from daemon import open_daemon
from db_connector import Database
from errors import GuardStop
from live_pull import LatelyRemoved
from tests.live import (
    BOARDS,
    CONTACTS,
    ORGANIZATIONS,
    QUICK,
    SECOND_PROFILE,
    SECRET,
    Live,
    World,
    living,
    running,
    subscribe_to,
    until,
    world,
)
from webhook_events import Hint, event_from
from webhook_handler import serve


@pytest.fixture
def here(db: Database, database_url: str, home: Path) -> Iterator[World]:
    with world(db, database_url, home) as found:
        yield found


@pytest.fixture
def live(here: World) -> Iterator[Live]:
    with living(here) as found:
        yield found


def first_item(here: World) -> str:
    return sorted(here.snapshot(), key=int)[0]


# What an event hints at


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
        ({"type": "move_pulse_into_board", "boardId": 7, "pulseId": 8, "sourceBoardId": 6, "destBoardId": 7},
         [("7", "8"), ("6", "8")]),
        ({"type": "create_column", "boardId": 7, "columnId": "text1"}, [("7", None)]),
        ({"type": "create_update", "boardId": 7, "pulseId": 8, "updateId": 9, "replyId": None}, [("7", "8")]),
        ({"type": "create_pulse", "boardId": 70, "pulseId": 80, "itemId": 80, "parentItemId": "8",
          "parentItemBoardId": "7"}, [("70", "80"), ("7", "8")]),
        ({"type": "update_column_value", "boardId": 70, "pulseId": 80, "parentItemId": "8", "parentItemBoardId": "7"},
         [("70", "80"), ("7", "8")]),
        ({"type": "archive_pulse", "boardId": 70, "itemId": 80, "parentBoardId": 7, "parentItemId": 8, "pulseId": 80},
         [("70", "80"), ("7", "8")]),
        ({"type": "move_subitem", "subitem": 80, "sourcePulseId": 8, "destPulseId": 9, "sourceBoardId": 7,
          "destBoardId": 7}, [("7", "8"), ("7", "9")]),
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
)  # fmt: skip
def test_an_event_hints_at_items_or_boards_whatever_its_shape(event, hints):
    found = event_from({"event": event})
    assert found is not None
    assert [(hint.board_id, hint.item_id) for hint in found.hints] == hints


@pytest.mark.parametrize("raw", [None, [], 5, "x", {}, {"event": None}, {"event": []}, {"event": "x"}])
def test_what_is_no_event_is_none(raw):
    assert event_from(raw) is None


def test_a_repeated_delivery_has_the_same_trigger_and_another_item_of_the_trigger_has_not():
    first = {"boardId": 7, "pulseId": 8, "triggerUuid": "abc", "subscriptionId": 5, "isRetry": False}
    same, other = {**first, "isRetry": True}, {**first, "pulseId": 9}
    ids = [event_from({"event": one}).trigger_id for one in (first, same, other)]  # type: ignore[union-attr]
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


# From the board to the row


def test_an_edit_on_the_board_reaches_its_row_within_a_second(live):
    item, fastest = first_item(live.world), 9.0
    for number in range(3):
        began = time.monotonic()
        live.world.sandbox.admin("items/change", item_id=item, values={"notes": f"call back {number}"})
        until(lambda text=f"call back {number}": live.world.row_of(item)["notes"] == text)
        fastest = min(fastest, time.monotonic() - began)
    assert fastest < 1.0


def test_every_kind_of_change_on_the_board_reaches_the_rows(live):
    here, admin = live.world, live.world.sandbox.admin
    items = sorted(here.snapshot(), key=int)
    made = admin("items/create", board_id=CONTACTS, name="Ann Lee", values={"role_title": "Owner"})
    admin("items/rename", item_id=items[0], name="Bob Ray")
    admin("items/archive", item_id=items[1])
    admin("items/delete", item_id=items[2])
    admin("items/update", item_id=items[3], body="hello")
    live.settle()
    assert here.row_of(str(made["id"]))["role_title"] == "Owner"
    assert here.row_of(items[0])["name"] == "Bob Ray"
    assert here.row_of(items[1])["archived_at"] and here.row_of(items[2])["archived_at"]
    assert here.differences() == []
    admin("items/restore", item_id=items[1])
    until(lambda: here.row_of(items[1])["archived_at"] is None, what="the restored item's row")
    live.settle()
    assert here.differences() == []


def move_away(here: World, item: str, board: str) -> None:
    found = here.sandbox.query("query($b:[ID!]){boards(ids:$b){groups{id}}}", b=[board])
    group = found["data"]["boards"][0]["groups"][0]["id"]
    here.sandbox.admin("items/move_to_board", item_id=item, board_id=board, group_id=group)


def test_an_item_that_moves_to_another_board_of_ours_is_gone_here_and_new_there(live):
    here, item = live.world, first_item(live.world)
    move_away(here, item, ORGANIZATIONS)
    until(lambda: here.row_of(item)["archived_at"], what="the moved item's row")
    until(lambda: item in here.pairs("organization"), what="its new row")


def test_an_item_that_moves_to_a_board_that_nobody_listens_to_is_missed_at_the_next_look(live):
    here, item = live.world, first_item(live.world)
    move_away(here, item, here.sandbox.admin("boards/create", name="Elsewhere", columns=[])["id"])
    live.daemon.workers[CONTACTS].look_over("the hour is over")
    until(lambda: here.row_of(item)["archived_at"], what="the moved item's row")


def test_a_new_column_with_values_is_known_to_the_next_event(db, database_url, home):
    with world(db, database_url, home) as here, living(here) as live:
        worker = live.daemon.workers[CONTACTS]
        here.sandbox.admin("items/change", item_id=first_item(here), values={"notes": "before"})
        live.settle()
        before = worker.live
        assert before is not None and not before.knows({"extra"})
        here.sandbox.admin("columns/add", board_id=CONTACTS, id="extra", title="Extra", type="text")
        live.event(type="create_column", columnId="extra", triggerUuid="t1")
        here.sandbox.admin("items/change", item_id=first_item(here), values={"notes": "after"})
        until(lambda: worker.live and worker.live.knows({"extra"}), what="the board's new column")


# Events are hints


@pytest.mark.parametrize("disorder", [{"double_percent": 100}, {"reorder": True}, {"delay_seconds": 0.3}])
def test_doubled_reordered_and_late_events_leave_both_sides_equal(live, disorder):
    here = live.world
    here.sandbox.admin("webhooks/disorder", **disorder)
    for number in range(10):
        for item in list(here.snapshot())[:4]:
            here.sandbox.admin("items/change", item_id=item, values={"notes": f"note {number}"})
    if "delay_seconds" in disorder:
        time.sleep(0.4)
    live.settle()
    assert here.differences() == []


def test_lost_events_are_made_up_for_by_the_next_look(here):
    with living(here) as live:
        here.sandbox.admin("webhooks/disorder", lose_percent=100)
        item = first_item(here)
        here.sandbox.admin("items/change", item_id=item, values={"notes": "unheard"})
        live.settle()
        assert here.row_of(item)["notes"] != "unheard"
        live.daemon.workers[CONTACTS].look_over("the hour is over")
        until(lambda: here.row_of(item)["notes"] == "unheard")


def test_many_events_about_some_items_are_few_calls(live):
    here = live.world
    items = list(here.snapshot())[:3]
    here.sandbox.admin("webhooks/disorder", paused=True)
    for number in range(20):
        for item in items:
            here.sandbox.admin("items/change", item_id=item, values={"notes": f"note {number}"})
    here.sandbox.admin("requests/reset")
    with here.db.transaction() as tx:  # nobody works meanwhile
        tx.lock("entity:contact")
        here.sandbox.admin("webhooks/disorder", paused=False)
        until(lambda: here.value("select count(*) from sync_inbox where done_at is null") == 60)
    live.settle()
    assert here.differences() == []
    assert len(here.sandbox.admin("requests", field="items")) <= 3


def test_an_unknown_event_about_an_item_reads_the_item(live):
    here, item = live.world, first_item(live.world)
    here.sandbox.admin("webhooks/disorder", lose_percent=100)
    here.sandbox.admin("items/change", item_id=item, values={"notes": "news"})
    assert live.event(type="item_danced", pulseId=int(item), triggerUuid="u1").status_code == 200
    until(lambda: here.row_of(item)["notes"] == "news")


def shapes(item: int, other: int, board: int, elsewhere: int) -> list[dict[str, object]]:
    """Every kind of event, as recorded from monday.com and as receivers say that it may also look."""
    sub = {"boardId": elsewhere, "pulseId": 80, "parentItemId": str(item), "parentItemBoardId": str(board)}
    gone = {"boardId": elsewhere, "itemId": 80, "pulseId": 80, "parentBoardId": board, "parentItemId": item}
    moved = {"subitem": 80, "sourcePulseId": item, "destPulseId": other, "sourceBoardId": board, "destBoardId": board}
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
        {"type": "create_pulse", **sub, "itemId": 80}, {"type": "update_column_value", **sub, "columnId": "date0"},
        {"type": "change_subitem_column_value", **sub}, {"type": "update_name", **sub}, {"type": "create_update", **sub},
        {"type": "archive_pulse", **gone}, {"type": "delete_pulse", **gone}, {"type": "move_subitem", **moved},
        {"type": "a_group_was_deleted", "boardId": board}, {"type": None, "boardId": board}, {"boardId": board},
        {"type": "update_name", "boardId": board, "pulseId": None}, {"type": ["x"], "boardId": board, "pulseId": [item]},
        {"type": "update_name", "boardId": board, "pulseId": 9_999_999_999}, {"type": "x" * 5000, "boardId": board},
        {"type": "update_name", "boardId": board, "pulseId": item, "triggerUuid": {"a": 1}, "subscriptionId": "\u0000"},
    ]  # fmt: skip


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


def test_the_same_event_again_is_news_when_it_says_neither_what_caused_it_nor_when(live):
    here, item = live.world, first_item(live.world)
    here.sandbox.admin("webhooks/disorder", lose_percent=100)
    for text in ("once", "twice"):
        here.sandbox.admin("items/change", item_id=item, values={"notes": text})
        assert live.event(type="update_column_value", pulseId=int(item)).json() == {"ok": True, "new": True}
        until(lambda wanted=text: here.row_of(item)["notes"] == wanted)
    dated = {"type": "update_column_value", "pulseId": int(item), "triggerTime": "2026-01-01T00:00:00.000Z"}
    assert [live.event(**dated).json()["new"] for _ in range(2)] == [True, False]


def test_an_unknown_event_about_a_board_sweeps_the_board(live):
    here = live.world
    here.sandbox.admin("webhooks/disorder", lose_percent=100)
    gone, made = first_item(here), here.sandbox.admin("items/create", board_id=CONTACTS, name="Ann Lee")
    here.sandbox.admin("items/delete", item_id=gone)
    assert live.event(type="group_vanished", triggerUuid="u1").status_code == 200
    until(lambda: str(made["id"]) in here.pairs() and gone not in here.pairs(), what="the sweep")
    live.settle()
    assert here.differences() == []


def test_events_of_other_boards_are_acknowledged_and_forgotten(live):
    signed = {"Authorization": live.gate.sign(time.time(), "")}
    answer = live.post({"event": {"boardId": 4711, "pulseId": 1, "type": "create_pulse"}}, **signed)
    assert answer.status_code == 200 and "ignored" in answer.json()
    assert live.world.value("select count(*) from sync_inbox where monday_board_id = '4711'") == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b'{"event": 5}', b'{"event": {"boardId"', b"[" * 100_000, b"\xff\xfe"]
)
def test_malformed_deliveries_are_refused_and_leave_nothing(live, body):
    before = live.world.value("select count(*) from sync_inbox")
    url = f"{live.base}/webhook/{live.gate.token(CONTACTS)}"
    assert requests.post(url, data=body, timeout=5).status_code == 400
    assert live.world.value("select count(*) from sync_inbox") == before
    assert live.event(type="monday_sync_test", triggerUuid="after").status_code == 200


def test_an_item_that_is_not_shown_yet_is_asked_for_again(live):
    here = live.world
    made = here.sandbox.admin("items/create", board_id=CONTACTS, name="Ann Lee")
    here.sandbox.admin("faults/add", kind="drop_item", item_id=made["id"], count=1)
    live.settle()
    assert here.differences() == []


def test_an_event_alone_makes_no_item_gone(live):
    here, item = live.world, first_item(live.world)
    here.sandbox.admin("faults/add", kind="drop_item", item_id=item, count=2)
    assert live.event(type="delete_pulse", itemId=int(item), triggerUuid="d1").status_code == 200
    live.settle()
    assert here.row_of(item)["archived_at"] is None and item in here.pairs()


@pytest.mark.parametrize("known", [True, False])
def test_the_board_is_looked_over_for_an_item_that_is_not_shown_any_more_only_if_it_has_a_row(live, known):
    here = live.world
    item = first_item(here) if known else "4711"
    here.sandbox.admin("faults/add", kind="drop_item", item_id=item, count=1000, match={"field": "items"})
    looks = here.value("select count(*) from sync_runs where kind = 'catch-up'")
    live.event(type="update_name", pulseId=int(item), triggerUuid="unseen")
    until(lambda: here.value("select attempts from sync_inbox where monday_id = %s", item))
    here.change("update sync_inbox set attempts = 3, next_try_at = now() where monday_id = %s", item)
    until(lambda: here.value("select done_at from sync_inbox where monday_id = %s", item))
    live.settle()
    assert here.value("select count(*) from sync_runs where kind = 'catch-up'") == looks + known
    assert here.differences() == []


def test_removals_that_failed_do_not_count_towards_the_guard():
    removed = LatelyRemoved()
    for _ in range(3):
        removed.check("contacts", 15, 100)
    removed.count(15)
    with pytest.raises(GuardStop):
        removed.check("contacts", 15, 85)


def test_an_item_that_monday_refuses_to_show_holds_up_no_other(live):
    here = live.world
    items = sorted(here.snapshot(), key=int)
    here.sandbox.admin("webhooks/disorder", paused=True)
    here.sandbox.admin(
        "faults/add", kind="error", code="InvalidItemIdException", match={"contains": "4711"}, count=1000
    )
    assert live.event(type="update_name", pulseId=4711, triggerUuid="refused").status_code == 200
    for item in items:
        here.sandbox.admin("items/change", item_id=item, values={"notes": f"news of {item}"})
    here.sandbox.admin("webhooks/disorder", paused=False)
    until(lambda: all(here.row_of(item)["notes"] == f"news of {item}" for item in items), what="the others")
    assert live.daemon.workers[CONTACTS].trouble is None
    until(lambda: here.value("select last_error from sync_inbox where monday_id = '4711'"))


def test_one_row_that_postgresql_refuses_costs_one_item_only(live):
    here = live.world
    items = sorted(here.snapshot(), key=int)
    here.change("alter table contacts add constraint no_boo check (notes <> 'boo')")
    here.sandbox.admin("webhooks/disorder", paused=True)
    here.sandbox.admin("items/change", item_id=items[0], values={"notes": "boo"})
    here.sandbox.admin("items/change", item_id=items[1], values={"notes": "fine"})
    here.sandbox.admin("webhooks/disorder", paused=False)
    until(lambda: here.row_of(items[1])["notes"] == "fine")
    assert here.value("select last_error from sync_mapping where monday_id = %s", items[0])


def test_many_removals_at_once_wait_for_a_person(db, database_url, home):
    with world(db, database_url, home, boards="organizations:1,contacts:40") as here, living(here) as live:
        for item in list(here.snapshot())[:25]:
            here.sandbox.admin("items/delete", item_id=item)
        here.sandbox.admin("webhooks/wait", seconds=10)
        worker = live.daemon.workers[CONTACTS]
        until(lambda: worker.trouble, what="the guard")
        assert "--allow-mass-delete" not in worker.trouble and "removed" in worker.trouble
        assert here.value("select count(*) from contacts where archived_at is not null") <= 20
        assert live.daemon.health()["status"] == "degraded"


# An acknowledgement is a promise


def test_an_event_is_acknowledged_only_after_its_commit(live):
    answers: list[int] = []
    with live.world.db.transaction() as tx:
        tx.execute("lock table sync_inbox in exclusive mode")
        asking = threading.Thread(
            target=lambda: answers.append(live.event(type="create_pulse", pulseId=1, triggerUuid="late").status_code)
        )
        asking.start()
        time.sleep(0.3)
        assert answers == []
    asking.join(10)
    assert answers == [200]
    assert live.world.value("select count(*) from sync_inbox where trigger_id like '%%late%%'") == 1


def test_without_the_database_an_event_is_sent_back_and_found_later(live):
    here, item = live.world, first_item(live.world)
    with away(here):
        answer = live.event(type="update_column_value", pulseId=int(item), triggerUuid="t1")
        assert answer.status_code == 503
    live.settle(30)
    assert live.event(type="update_column_value", pulseId=int(item), triggerUuid="t1").status_code == 200


# No echo


def test_the_tools_own_writes_come_back_as_nothing(live):
    here, item = live.world, first_item(live.world)
    row = here.pairs()[item]
    here.change("update contacts set notes = 'from the application' where id = %s", row)
    until(lambda: here.snapshot()[item]["notes"] == "from the application")
    live.settle()
    here.sandbox.admin("requests/reset")
    before = here.value("select max(xmin::text::bigint) from contacts")
    time.sleep(0.3)
    live.settle()
    assert here.sandbox.admin("requests", operation="mutation") == []
    assert here.value("select max(xmin::text::bigint) from contacts") == before
    assert live.daemon.metrics.echoes.value("contacts") >= 1


def test_an_automation_that_rewrites_the_value_a_millisecond_later_is_news(live):
    here, item = live.world, first_item(live.world)
    row = here.pairs()[item]
    here.sandbox.admin(
        "automations/add", board_id=CONTACTS, column_id="notes", set_column_id="notes", value="by the book"
    )
    here.change("update contacts set notes = 'as I like it' where id = %s", row)
    until(lambda: here.row_of(item)["notes"] == "by the book", what="the automation's value")
    live.settle()
    assert here.differences() == []
    assert live.daemon.metrics.near_misses.value("contacts") >= 1


def test_after_a_storm_on_both_sides_they_are_equal_and_the_writes_stop(live):
    here = live.world
    items = sorted(here.snapshot(), key=int)
    pairs = here.pairs()
    for number in range(15):
        for item in items:
            here.sandbox.admin("items/change", item_id=item, values={"notes": f"board {number}"})
            here.change("update contacts set role_title = %s where id = %s", f"row {number}", pairs[item])
    live.settle(40)
    assert here.differences() == []
    here.sandbox.admin("requests/reset")
    newest = "select max(xmin::text::bigint) from contacts"
    before = here.value(newest)
    for worker in live.daemon.workers.values():
        worker.look_over("one more round")
    live.settle()
    assert here.sandbox.admin("requests", operation="mutation") == []
    assert here.value(newest) == before


# Catching up


def edits(here: World) -> None:
    """What may happen on both sides while nobody listens."""
    items = sorted(here.snapshot(), key=int)
    admin = here.sandbox.admin
    admin("items/change", item_id=items[0], values={"notes": "while you slept"})
    admin("items/delete", item_id=items[1])
    admin("items/create", board_id=CONTACTS, name="Ann Lee")
    here.change("update contacts set phone = '+12025550177' where id = %s", here.pairs()[items[2]])
    here.change("insert into contacts (name) values ('Bob Ray')")


def test_after_a_start_it_catches_up_with_what_was_lost_meanwhile(here):
    with living(here) as live:
        live.settle()
    edits(here)
    here.sandbox.admin("clock/advance", seconds=45 * 60)
    until(lambda: here.sandbox.admin("webhooks/wait", seconds=5)["waiting"] == 0 or True)
    with living(here, subscribe=False) as live:
        live.settle()
        assert here.differences() == []


def test_a_daemon_that_slept_for_longer_than_monday_repeats_itself_looks_everything_over(live):
    here, item = live.world, first_item(live.world)
    here.sandbox.admin("webhooks/disorder", lose_percent=100)
    here.sandbox.admin("items/delete", item_id=item)
    worker = live.daemon.workers[CONTACTS]
    worker.beat()
    assert worker.caught_up
    long_ago = (datetime.now(timezone.utc) - timedelta(minutes=45)).isoformat()
    here.change("update sync_state set value = to_jsonb(%s::text) where name = 'daemon:contacts'", long_ago)
    worker.beat()
    until(lambda: item not in here.pairs(), what="the deletion that nobody heard of")


def test_a_daemon_that_only_pushes_does_not_count_as_one_that_listens(here):
    with living(here, habits=replace(QUICK, pulls=False), subscribe=False) as live:
        for worker in live.daemon.workers.values():
            worker.beat()
        assert here.value("select count(*) from sync_state where name like 'daemon:%%'") == 0


def test_a_thread_that_died_shows_in_livez(here):
    with open_daemon(here.settings, SECOND_PROFILE, QUICK) as daemon:
        door = serve(daemon, "127.0.0.1", 0, SECRET)
        assert requests.get(f"{door.url}/livez", timeout=5).status_code == 503
        daemon.start()
        assert requests.get(f"{door.url}/livez", timeout=5).status_code == 200
        daemon.workers[CONTACTS].stop()
        until(lambda: requests.get(f"{door.url}/livez", timeout=5).status_code == 503)
        door.close()
        assert daemon.stop(20)


def away(here: World):
    """PostgreSQL as one that lets nobody in."""
    from contextlib import contextmanager

    from psycopg2.extensions import parse_dsn

    name = parse_dsn(here.url)["dbname"]
    admin = Database(here.url, dbname="postgres", max_connections=1)

    @contextmanager
    def gone() -> Iterator[None]:
        with admin.autocommit() as session:
            session.execute(f'alter database "{name}" with allow_connections false')
            session.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        try:
            yield
        finally:
            with admin.autocommit() as session:
                session.execute(f'alter database "{name}" with allow_connections true')
            admin.close()

    return gone()


def test_an_outage_of_postgresql_is_made_up_for(here):
    with living(here) as live:
        live.settle()
        items = sorted(here.snapshot(), key=int)
        with away(here):
            here.sandbox.admin("items/change", item_id=items[0], values={"notes": "nobody was there"})
            here.sandbox.admin("items/delete", item_id=items[1])
            here.sandbox.admin("items/create", board_id=CONTACTS, name="Ann Lee")
            time.sleep(0.5)
            assert live.daemon.health()["database"]["ok"] is False
            here.sandbox.admin("clock/advance", seconds=45 * 60)
        until(lambda: live.daemon.health()["ready"], 30)
        live.settle(30)
        assert here.differences() == []


def test_an_outage_of_monday_is_made_up_for(here):
    settings = replace(here.settings, give_up_after=1.0)
    with living(here, settings=settings) as live:
        live.settle()
        here.sandbox.admin("webhooks/disorder", lose_percent=100)
        here.sandbox.admin("faults/add", kind="html_503", count=100_000)
        edits(here)
        until(lambda: live.daemon.workers[CONTACTS].trouble, 30, "noticing")
        here.sandbox.admin("clock/advance", seconds=45 * 60)
        here.sandbox.admin("faults/clear")
        here.sandbox.admin("webhooks/disorder", lose_percent=0)
        until(lambda: not live.daemon.workers[CONTACTS].trouble, 60, "recovering")
        live.settle(40)
        assert here.differences() == []


# Endpoints


def test_the_endpoints_say_how_it_is(live):
    live.settle()
    health = requests.get(f"{live.base}/health", timeout=5).json()
    assert health["status"] == "ok" and health["entities"]["contacts"]["last_success_age_seconds"] < 10
    assert requests.get(f"{live.base}/livez", timeout=5).status_code == 200
    assert requests.get(f"{live.base}/readyz", timeout=5).status_code == 200
    with away(live.world):
        until(lambda: requests.get(f"{live.base}/readyz", timeout=5).status_code == 503)
        assert requests.get(f"{live.base}/livez", timeout=5).status_code == 200
        assert requests.get(f"{live.base}/metrics", timeout=5).status_code == 200


def test_the_metrics_are_prometheus_text_and_each_is_documented(live):
    item = first_item(live.world)
    live.world.sandbox.admin("items/change", item_id=item, values={"notes": "counted"})
    live.settle()
    text = requests.get(f"{live.base}/metrics", timeout=5).text
    documented = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            assert f"`{line.split()[2]}`" in documented
        elif not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name and float(value) >= 0
    assert 'monday_sync_events_total{outcome="stored"}' in text


def test_each_run_of_a_daemon_has_an_account_of_its_own(live):
    here, worker = live.world, live.daemon.workers[CONTACTS]
    runs = "select id::text, api from sync_runs order by started_at, id"
    for number in range(4):
        worker.look_over(f"look {number}")
        until(lambda: worker.caught_up)
        if not number:
            first = here.sql(runs)
    live.settle()
    found = here.sql(runs)
    assert found[: len(first)] == first, "a run that has ended is changed by those after it"
    assert found[-1]["api"]["calls"] <= max(run["api"]["calls"] for run in first)


def test_every_call_of_a_daemon_is_counted_once_where_others_look_for_the_days_calls(here):
    here.sandbox.admin("requests/reset")
    with living(here, subscribe=False) as live:
        here.change("update contacts set notes = 'to all of you'")
        live.settle()
        live.daemon.account.note()
        assert here.value("select api ->> 'calls' from sync_runs where kind = 'live'") != "0"
        live.daemon.workers[CONTACTS].look_over("once more")
        until(lambda: live.daemon.workers[CONTACTS].caught_up)
    counted = here.value("select sum((api ->> 'calls')::numeric) from sync_runs")
    assert counted == len(here.sandbox.admin("requests"))
    assert here.sql("select distinct outcome from sync_runs") == [{"outcome": "success"}]


def test_the_days_share_is_one_for_the_daemon_and_its_runs(here):
    settings = replace(here.settings, daily_calls=30)
    with living(here, settings=settings, subscribe=False, caught_up=False) as live:
        for number in range(40):
            here.change("update contacts set notes = %s", f"number {number}")
            time.sleep(0.05)
        until(lambda: live.daemon.workers[CONTACTS].trouble, what="the end of the share")
        live.daemon.workers[CONTACTS].look_over("once more")
        time.sleep(1.0)
        assert "daily share" in str(live.daemon.workers[CONTACTS].trouble)
    assert len(here.sandbox.admin("requests")) <= 30


def test_of_several_who_ask_at_once_for_a_run_one_starts_it(live):
    live.world.sandbox.admin("latency", ms=100)
    answers: list[requests.Response] = []
    bearer = {"Authorization": f"Bearer {SECRET}"}

    def ask() -> None:
        answers.append(requests.post(f"{live.base}/sync/contacts", headers=bearer, timeout=20))

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    until(lambda: live.world.value("select count(*) from sync_runs where kind = 'http' and outcome = 'success'") == 1)


def test_a_run_is_started_over_http_by_who_has_the_secret(live):
    url = f"{live.base}/sync/contacts"
    assert requests.post(url, timeout=5).status_code == 401
    assert requests.post(url, headers={"Authorization": "Bearer guess"}, timeout=5).status_code == 401
    answer = requests.post(url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=5)
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    until(lambda: live.world.value("select outcome from sync_runs where id = %s", run_id) == "success")
    unknown = requests.post(f"{live.base}/sync/nothing", headers={"Authorization": f"Bearer {SECRET}"}, timeout=5)
    assert unknown.status_code == 404


def test_a_trigger_is_followed_from_the_event_to_the_row_in_the_log(here, run_cli):
    with running(here, "webhook", "--port", "0") as process:
        subscribe_to(here, process.base, frozenset(BOARDS.values()))
        item = until(lambda: sorted(here.pairs(), key=int)[:1])[0]
        here.sandbox.admin("items/change", item_id=item, values={"notes": "traced"})
        until(lambda: here.row_of(item)["notes"] == "traced")
        trigger = here.value("select trigger_id from sync_inbox where monday_id = %s order by id desc", item)
        row = here.pairs()[item]
        assert process.end() == 0
    lines = [line for line in (here.home / "webhook_handler.log").read_text().splitlines() if trigger in line]
    assert any(row in line and item in line for line in lines)


def test_two_daemons_a_schedule_and_runs_work_at_once_and_nothing_is_done_twice(here, run_cli):
    often = ("--interval", "0.01", "--run-immediately", "--jitter", "0")
    with (
        running(here, "webhook", "--port", "0") as one,
        running(here, "watch") as two,
        running(here, "scheduled", *often, first_line=False) as three,
    ):
        subscribe_to(here, one.base, frozenset(BOARDS.values()))
        until(lambda: len(here.pairs()) == 6, 30)
        for number in range(12):
            here.change("insert into contacts (name, notes) values (%s, 'new')", f"Row {number}")
            here.sandbox.admin("items/create", board_id=CONTACTS, name=f"Item {number}")
        done = run_cli("bidirectional", "--entity", "contacts", env=here.environment)
        assert done.code == 0, done.err
        until(lambda: len(here.pairs()) == 30 and here.waiting() == (0, 0), 30)
        time.sleep(0.5)
        assert [process.end() for process in (one, two, three)] == [0, 0, 0]
    names = [item["name"] for item in here.snapshot().values()]
    assert len(names) == 30 and len(set(names)) == 30
    assert here.differences() == []
    kinds = here.sql("select distinct kind from sync_runs")
    assert {run["kind"] for run in kinds} >= {"command", "scheduled", "catch-up"}
