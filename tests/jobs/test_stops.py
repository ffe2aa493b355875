"""What is stopped goes on elsewhere; and when no door was there to take events, both sides are compared.

A first load of some pages is enough for every run of the suite. A long one:
ITEMS=50000 STOPS=5 make test TESTS=tests/jobs/test_stops.py
"""

from __future__ import annotations

import os

import pytest

from tests.kit.fleet import fleet as made_fleet
from tests.kit.live import first_item
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

ITEMS = int(os.environ.get("ITEMS", "1500"))
STOPS = int(os.environ.get("STOPS", "1"))
PAGE = 500


@pytest.fixture(scope="module")
def large(databases, broker, tmp_path_factory):
    """Makes an installation in which one account has a larger board, whose first load takes a while."""
    boards = f"organizations:3,contacts:{ITEMS}"
    with made_fleet(databases, broker, tmp_path_factory.mktemp("fleet"), boards=boards) as made:
        yield made


def loaded(here) -> int:
    """Returns how many of the larger board's items have rows."""
    return int(here.value("select count(*) from sync_mapping where entity_type = 'contact' and monday_id is not null"))


def pages(fleet) -> int:
    """Counts the pages of items with their cells in which acme's boards were read."""
    asked = fleet.worlds["acme"].sandbox.admin("requests")
    named = [entry for entry in asked if entry["name"] in ("ItemsPage", "NextItemsPage", "GroupPage")]
    return len([entry for entry in named if "column_values" in entry["query"]])


@pytest.mark.timeout(240 + ITEMS / 25)
def test_a_first_load_that_is_stopped_goes_on_at_another_worker_and_reads_nothing_twice(large):
    acme = large.worlds["acme"]
    acme.sandbox.admin("latency", ms=400)
    beat = large.start("beat")
    for stop in range(STOPS):
        worker, least = large.worker(), stop * ITEMS // (STOPS + 1)
        until(lambda least=least: least < loaded(acme) < ITEMS, 60 + ITEMS / 100, "a part of the first load")
        for process in (worker, beat):
            large.leave(process)
        assert worker.returncode == 0
        assert least < loaded(acme) < ITEMS, "it ended after its batch"
        beat = large.start("beat")
    large.worker()
    until(lambda: loaded(acme) == ITEMS and not acme.differences(), 90 + ITEMS / 100, "the whole load")
    once = ITEMS // PAGE + 1  # the other board has one page
    read = pages(large)
    print(f"{read} pages read, {once} needed, {STOPS} stops")
    assert once <= read <= once + STOPS, "at each stop at most a page of the account was read for nothing"


def test_what_happened_while_no_door_was_there_is_found_when_one_is(large):
    acme = large.worlds["acme"]
    acme.sandbox.admin("latency", ms=0)
    # goes on with the processes of the test before, where that ran in this process
    if not large.alive():
        large.start("beat")
        large.worker()
    base = large.door()
    until(lambda: not acme.differences() and large.fleet()[0]["due"] == 0, 180, "an end of all work")
    large.leave(large.processes[-1])
    item = first_item(acme)
    acme.sandbox.admin("items/change", item_id=item, values={"notes": "nobody heard it"})
    with large.control() as control:
        control.execute_query("update sync_accounts set heard_at = now() - interval '30 minutes'", fetch=False)
    told = large.main("fleet").out
    assert "no door takes its events since" in told
    assert acme.row_of(item)["notes"] != "nobody heard it"
    assert large.door() != base
    until(lambda: acme.row_of(item)["notes"] == "nobody heard it", 60, "the event that was lost")
    assert "no door" not in large.main("fleet").out
