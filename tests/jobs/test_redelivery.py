"""Messages that come several times, in another order, and again while their work is being done change nothing."""

from __future__ import annotations

import random

import pytest
from celery import Celery

from jobs.celery import queue_of
from state.due import LIVE, RUN, Due, DueWork
from tests.kit.fleet import Fleet, work_off
from tests.kit.live import SECOND_PROFILE, LiveWorld, first_item
from tests.kit.shipped import CONTACTS
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

ROWS = 120
LATENCY_MS = 700
AGAIN_S = 1
"""After so long the broker gives a message out again: work lasts several times as long."""


@pytest.fixture
def settled(fleet: Fleet) -> Fleet:
    """Has the first runs made, and leaves the installation without a worker."""
    fleet.start("beat")
    work_off(fleet)
    return fleet


def work_for_both_sides(here: LiveWorld) -> None:
    here.sandbox.admin("items/change", item_id=first_item(here), values={"notes": "said on the board"})
    here.change("insert into contacts (name) select 'Row ' || n from generate_series(1, %s) as n", ROWS)
    here.sandbox.admin("requests/reset")
    here.sandbox.admin("latency", ms=LATENCY_MS)


def send_three_times_in_any_order(fleet: Fleet) -> None:
    """Marks work of both kinds, and sends each message thrice."""
    due = [Due(name, entity, task) for name in fleet.worlds for entity in SECOND_PROFILE for task in (LIVE, RUN)]
    with fleet.control() as control:
        DueWork(control).mark(due)
    messages = 3 * due
    random.Random(1).shuffle(messages)
    with Celery(broker=fleet.broker.url, set_as_current=False) as sender:
        for one in messages:
            sender.send_task(f"jobs.{one.task}", (one.account, one.entity), queue=queue_of(one))


def every_item(here: LiveWorld) -> list[str]:
    """Returns the names of the board's items, also of those that were removed."""
    return [item["name"] for item in here.sandbox.admin("boards/snapshot", board_id=CONTACTS)]


def is_done(here: LiveWorld) -> bool:
    return here.waiting() == (0, 0) and len(here.pairs()) == 6 + ROWS and not here.differences()


def test_messages_that_come_again_and_again_change_what_one_process_changes(settled: Fleet):
    before = {name: len(every_item(here)) for name, here in settled.worlds.items()}
    for here in settled.worlds.values():
        work_for_both_sides(here)
    send_three_times_in_any_order(settled)
    settled.celery_worker(6, visibility_timeout=AGAIN_S, unacked_restore_interval=1, unacked_restore_throttle=1)
    for name, here in settled.worlds.items():
        until(lambda here=here: is_done(here), 120, f"the work of {name}")
        names = every_item(here)
        assert len(names) == len(set(names)) == before[name] + ROWS
        asked = here.sandbox.admin("requests", operation="mutation")
        assert len(asked) == len({entry["idempotency_key"] for entry in asked}), "nothing was asked for twice"
