"""Messages that come an hour late, three times and in any order do what one process does, and later nothing at all."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from celery import Celery

from jobs.celery import queue_of
from state.due import LIVE, RUN, Due, DueWork
from tests.kit.fleet import Fleet, work_off
from tests.kit.live import SECOND_PROFILE, LiveWorld, first_item
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

ROWS = 60
TIMES = 3
AN_HOUR_LATER = "update sync_due set sent_at = sent_at - interval '1 hour', due_at = due_at - interval '1 hour'"


@pytest.fixture
def settled(fleet: Fleet) -> Fleet:
    """Has the first runs made, and leaves the installation without a worker and without a beat."""
    beat = fleet.start("beat")
    work_off(fleet)
    fleet.leave(beat)
    fleet.base = fleet.door()
    return fleet


def work_for_both_sides(fleet: Fleet, name: str) -> None:
    here = fleet.worlds[name]
    item = first_item(here)
    here.sandbox.admin("items/change", item_id=item, values={"notes": "said on the board"})
    assert fleet.event(fleet.base, name, item).status_code == 200
    here.change("insert into contacts (name) select 'Row ' || n from generate_series(1, %s) as n", ROWS)
    here.change("update contacts set role_title = 'by SQL' where name not like 'Row %%'")
    here.sandbox.admin("requests/reset")


def kept_aside(fleet: Fleet, account: str) -> list[tuple[str, str]]:
    """Has messages sent about all work of an account, and takes them away from the broker: queue and text of each."""
    due = [Due(account, entity, task) for entity in SECOND_PROFILE for task in (LIVE, RUN)]
    with fleet.control() as control:
        DueWork(control).mark(due)
        until(lambda: "live" in fleet.broker.says("KEYS", "live.*"), 10, "the hint of the door")
    fleet.broker.says("FLUSHALL")  # what the door has sent is lost
    with Celery(broker=fleet.broker.url, set_as_current=False) as sender:
        for one in due:
            sender.send_task(f"jobs.{one.task}", (one.account, one.entity), queue=queue_of(one))
    found = [(queue, text) for queue in {queue_of(one) for one in due} for text in messages(fleet, queue)]
    assert len(found) == len(due)
    fleet.broker.says("FLUSHALL")
    return found


def messages(fleet: Fleet, queue: str) -> list[str]:
    return [line for line in fleet.broker.says("LRANGE", queue, "0", "-1").splitlines() if line.startswith("{")]


def come_late(fleet: Fleet, kept: list[tuple[str, str]], seed: int) -> None:
    """Lets an hour pass, and has each message come three times, in any order."""
    with fleet.control() as control:
        control.execute_query(AN_HOUR_LATER, fetch=False)
    late = TIMES * kept
    random.Random(seed).shuffle(late)
    for queue, text in late:
        fleet.broker.says("LPUSH", queue, text)


def written(here: LiveWorld) -> Counter[str]:
    """Counts what was asked to be written on the boards: item by item, and not by calls."""
    asked = here.sandbox.admin("requests", operation="mutation")
    return Counter(field for entry in asked for field in entry["fields"] if field != "complexity")


def are_used_up(fleet: Fleet, kept: list[tuple[str, str]]) -> bool:
    waiting = sum(len(messages(fleet, queue)) for queue in {queue for queue, _ in kept})
    return waiting == 0 and fleet.broker.says("HLEN", "unacked").startswith(":0")


def test_messages_that_come_late_and_often_do_what_one_process_does(settled: Fleet):
    acme, globex = settled.worlds.values()
    for name in settled.worlds:
        work_for_both_sides(settled, name)
    kept = kept_aside(settled, "acme")
    for entity in SECOND_PROFILE:
        assert settled.main("--account", "globex", "run", "--entity", entity).code == 0
    come_late(settled, kept, seed=1)
    settled.celery_worker(6, visibility_timeout=1, unacked_restore_interval=1, unacked_restore_throttle=1)
    for here in (acme, globex):
        until(lambda here=here: not here.differences() and here.waiting()[1] == 0, 90, "equality")
    until(lambda: are_used_up(settled, kept), 30, "an end of all messages")
    assert written(acme) == written(globex) != Counter()
    again = "select (select count(*) from sync_runs) as runs, (select count(*) from sync_logs) as logs"
    before, wrote = acme.sql(again), written(acme)
    for seed in (2, 3):
        come_late(settled, kept, seed)
        until(lambda: are_used_up(settled, kept), 30, "an end of all messages")
    assert acme.sql("select count(*) as n from sync_logs")[0]["n"] == before[0]["logs"] and written(acme) == wrote
    assert not acme.differences()
