"""What is stopped goes on elsewhere; and when no door was there to take events, both sides are compared."""

from __future__ import annotations

import pytest

from tests.kit.fleet import fleet as made_fleet
from tests.kit.live import first_item
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

ITEMS = 1_500
PAGE = 500


@pytest.fixture(scope="module")
def large(databases, broker, tmp_path_factory):
    """Makes an installation in which one account has a larger board, whose first load takes a while."""
    boards = f"organizations:3,contacts:{ITEMS}"
    with made_fleet(databases, broker, tmp_path_factory.mktemp("fleet"), boards=boards) as made:
        yield made


def pages(fleet) -> int:
    """Counts the pages of items with their cells in which acme's boards were read."""
    asked = fleet.worlds["acme"].sandbox.admin("requests")
    named = [entry for entry in asked if entry["name"] in ("ItemsPage", "NextItemsPage", "GroupPage")]
    return len([entry for entry in named if "column_values" in entry["query"]])


def test_a_first_load_that_is_stopped_goes_on_at_another_worker_and_reads_nothing_twice(large):
    acme = large.worlds["acme"]
    acme.sandbox.admin("latency", ms=400)
    large.start("beat")
    worker = large.worker()
    until(lambda: 0 < len(acme.pairs()) < ITEMS, 60, "a part of the first load")
    large.leave(worker)
    assert worker.returncode == 0
    assert 0 < len(acme.pairs()) < ITEMS, "it ended after its batch"
    large.worker()
    until(lambda: len(acme.pairs()) == ITEMS and not acme.differences(), 90, "the whole load")
    once = ITEMS // PAGE + 1  # the other board has one page
    assert once <= pages(large) <= once + 2, "at most a page of each board was read twice"


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
