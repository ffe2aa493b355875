"""The broker is away for a while, and later loses its messages in the middle of work: doors take all events all the time.

For ten minutes with 10,000 events: AWAY_S=600 EVENTS=10000 make test TESTS=tests/jobs/test_broker_away.py
"""

from __future__ import annotations

import os
import threading

import pytest

from tests.kit.fleet import Fleet
from tests.kit.traffic import are_equal, edit, edits_and_events, until_equal
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

AWAY_S = float(os.environ.get("AWAY_S", "8"))
EVENTS = int(os.environ.get("EVENTS", "120"))
FLUSHES = 5


@pytest.fixture(scope="module")
def doors(fleet: Fleet) -> list[str]:
    """Starts all parts, with two doors, and has the first runs made."""
    doors = [fleet.door(), fleet.door()]
    fleet.worker()
    fleet.start("beat")
    until(lambda: all(len(here.pairs()) == 6 for here in fleet.worlds.values()) and are_equal(fleet), 120, "first runs")
    return doors


def test_a_worker_outlives_a_broker_that_is_killed_in_the_middle_of_its_work(fleet: Fleet, doors):
    (name, here), *_ = fleet.worlds.items()
    here.sandbox.admin("latency", ms=3000)
    item = edit(here, 1)
    assert fleet.event(doors[0], name, item).status_code == 200
    until(lambda: here.sandbox.admin("counters")["running"], 30, "a call of the worker")
    fleet.broker.kill()
    until_equal(fleet, 60, "an end of the work that was begun")
    fleet.broker.start()
    here.sandbox.admin("latency", ms=0)
    assert fleet.event(doors[0], name, edit(here, 2)).status_code == 200
    until_equal(fleet, 90, "equality")
    assert len(fleet.alive()) == len(fleet.processes), "nothing has ended"


def empty_again_and_again(fleet: Fleet, ended: threading.Event) -> None:
    while not ended.wait(AWAY_S / FLUSHES):
        fleet.broker.says("FLUSHALL")


@pytest.mark.timeout(300 + 3 * AWAY_S)
def test_a_broker_that_is_away_or_emptied_again_and_again_keeps_no_event_from_being_taken(fleet: Fleet, doors):
    fleet.broker.kill()
    assert edits_and_events(fleet, doors, EVENTS, AWAY_S) == {200: EVENTS}
    fleet.broker.start()
    print(f"equal {until_equal(fleet, 120, 'equality after the outage'):.1f} s after its return")
    ended = threading.Event()
    emptying = threading.Thread(target=empty_again_and_again, args=(fleet, ended))
    emptying.start()
    assert edits_and_events(fleet, doors, EVENTS, AWAY_S) == {200: EVENTS}
    fleet.broker.says("FLUSHALL")
    ended.set()
    emptying.join()
    print(f"equal {until_equal(fleet, 120, 'equality after the messages were lost'):.1f} s after the last loss")
    assert len(fleet.alive()) == len(fleet.processes), "nothing has ended"
