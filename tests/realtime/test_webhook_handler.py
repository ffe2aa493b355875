"""Checks webhooks from an event to the row, whatever order or number the events come in."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from state.turns import working_on
from tests.kit.live import LiveWorld, away, first_item, living, world
from tests.kit.shipped import CONTACTS, ORGANIZATIONS
from tests.kit.waiting import until

# From the board to the row


def test_edits_on_the_board_reach_their_row_one_after_another(live):
    item = first_item(live.world)
    for number in range(3):
        live.world.sandbox.admin("items/change", item_id=item, values={"notes": f"call back {number}"})
        until(lambda text=f"call back {number}": live.world.row_of(item)["notes"] == text)


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


def move_away(here: LiveWorld, item: str, board: str) -> None:
    found = here.sandbox.query("query($b:[ID!]){boards(ids:$b){groups{id}}}", b=[board])
    group = found["data"]["boards"][0]["groups"][0]["id"]
    here.sandbox.admin("items/move_to_board", item_id=item, board_id=board, group_id=group)


def test_an_item_that_moves_to_another_board_of_ours_is_gone_here_and_new_there(live):
    here, item = live.world, first_item(live.world)
    move_away(here, item, ORGANIZATIONS)
    until(lambda: here.row_of(item)["archived_at"], what="the moved item's row")
    until(lambda: item in here.pairs("organization"), what="its new row")


def test_an_item_that_moves_to_a_board_without_a_listener_is_missed_at_the_next_look(live):
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
        live.settle()
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
    until(lambda: here.sandbox.admin("webhooks/wait", seconds=5)["waiting"] == 0, what="the last delivery")
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
    with working_on(here.db, "contact"):  # no other process works meanwhile
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


@pytest.mark.parametrize("signed", [True, False])
def test_an_event_that_names_no_board_sweeps_the_board_whose_address_it_came_to(live, signed):
    here = live.world
    here.sandbox.admin("webhooks/disorder", lose_percent=100)
    made = here.sandbox.admin("items/create", board_id=CONTACTS, name="Ann Lee")
    headers = {"Authorization": live.gate.sign(time.time(), "")} if signed else {}
    body = {"event": {"type": "new_kind", "itemId": 77, "triggerUuid": "n"}}
    answer = live.post(body, f"/webhook/{live.gate.token(CONTACTS)}", **headers)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "new": True})
    until(lambda: str(made["id"]) in here.pairs(), what="the sweep")


def test_events_of_other_boards_are_acknowledged_and_forgotten(live):
    signed = {"Authorization": live.gate.sign(time.time(), "")}
    answer = live.post({"event": {"boardId": 4711, "pulseId": 1, "type": "create_pulse"}}, **signed)
    assert answer.status_code == 200 and "ignored" in answer.json()
    assert live.world.value("select count(*) from sync_inbox where monday_board_id = '4711'") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b'{"event": 5}',
        b'{"event": {"boardId"',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"event": {"boardId": 1, "x": ' + b"[" * 500 + b"]" * 500 + b"}}",
    ],
)
def test_malformed_deliveries_are_refused_and_leave_nothing(live, body):
    before = live.world.value("select count(*) from sync_inbox")
    url = f"{live.base}/webhook/{live.gate.token(CONTACTS)}"
    assert requests.post(url, data=body, timeout=5).status_code == 400
    assert live.daemon.metrics.value("monday_sync_events_total", outcome="malformed") == 1
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


ARCHIVED = "select count(*) from contacts where archived_at is not null"


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


def test_removals_of_several_processes_count_together(db, database_url, home):
    with world(db, database_url, home, boards="organizations:1,contacts:60") as here:
        troubles = [remove_nine(here, upto) for upto in (9, 18, 27)]
        assert troubles[:2] == [None, None]
        assert "were removed on the board within 10 minutes" in str(troubles[2])
        assert 18 <= here.value(ARCHIVED) <= 20  # the last nine may be worked off in parts, and 20 may go


def remove_nine(here: LiveWorld, upto: int) -> str | None:
    """Removes nine items while a daemon lives; returns what stopped it, once all are gone or it is stopped."""
    with living(here) as live:
        worker = live.daemon.workers[CONTACTS]
        for item in list(here.snapshot())[:9]:
            here.sandbox.admin("items/delete", item_id=item)
        until(lambda: worker.trouble or here.value(ARCHIVED) == upto, what="the removals")
        return worker.trouble


# An acknowledgement is a promise

BLOCKED = """
select count(*)
from pg_locks as l
join pg_stat_activity as a using (pid)
where not l.granted
and l.relation = 'sync_inbox'::regclass
and starts_with(a.query, 'insert into sync_inbox')
"""


def test_an_event_is_acknowledged_only_after_its_commit(live):
    answers: list[int] = []
    with live.world.db.transaction() as tx:
        tx.execute("lock table sync_inbox in exclusive mode")
        asking = threading.Thread(
            target=lambda: answers.append(live.event(type="create_pulse", pulseId=1, triggerUuid="late").status_code)
        )
        asking.start()
        waits = "select 1 from pg_locks where not granted and relation = 'sync_inbox'::regclass"
        until(lambda: live.world.value(waits), what="the insert that waits for its lock")
        assert answers == [], "it was acknowledged before it was stored"
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
