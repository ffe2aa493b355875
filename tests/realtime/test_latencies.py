"""Checks that the live work leaves how long each change took to get to the other side."""

from __future__ import annotations

import requests

from tests.kit.live import Live, LiveWorld, first_item
from tests.kit.waiting import until


def kept(here: LiveWorld, side: str) -> int:
    """Counts the contacts' changes to a side whose time is kept."""
    statement = "select coalesce(sum(n), 0)::int from sync_latency where entity_type = 'contact' and side = %s"
    return int(here.value(statement, side))


def test_an_edit_of_an_item_leaves_its_latency(live: Live) -> None:
    here, item = live.world, first_item(live.world)
    live.settle()
    here.sandbox.admin("items/change", item_id=item, values={"notes": "edited"})
    until(lambda: kept(here, "postgres") == 1, what="its latency")
    live.settle()
    found = here.sql("select hour <= now() as begun, shortest_s, longest_s, seconds from sync_latency")
    assert len(found) == 1 and found[0]["begun"] and 0 < found[0]["shortest_s"] == found[0]["longest_s"]
    assert here.row_of(item)["notes"] == "edited"


def test_the_latency_of_an_event_ends_with_the_row_and_not_before_the_item_is_read(live: Live) -> None:
    here, item = live.world, first_item(live.world)
    live.settle()
    here.sandbox.admin("latency", ms=1500)
    here.sandbox.admin("items/change", item_id=item, values={"notes": "edited"})
    until(lambda: kept(here, "postgres") == 1, what="its latency")
    here.sandbox.admin("latency", ms=0)
    assert here.value("select shortest_s from sync_latency") >= 1.5, "the call that reads the item takes that long"
    metrics = requests.get(f"{live.base}/metrics", timeout=5).text
    assert 'monday_sync_pull_seconds_bucket{entity="contacts",le="1.0"} 0.0' in metrics


def test_an_item_that_is_deleted_leaves_the_latency_of_its_removal(live: Live) -> None:
    here, item = live.world, first_item(live.world)
    live.settle()
    here.sandbox.admin("items/delete", item_id=item)
    until(lambda: item not in here.pairs(), what="the removal")
    until(lambda: kept(here, "postgres") >= 1, what="its latency")


def test_a_change_of_a_row_leaves_its_latency_and_its_echo_leaves_none(live: Live) -> None:
    here, item = live.world, first_item(live.world)
    live.settle()
    here.change("update contacts set notes = 'from the application' where id = %s", here.pairs()[item])
    until(lambda: kept(here, "monday") == 1, what="its latency")
    until(lambda: live.daemon.metrics.value("monday_sync_echoes_total", entity="contacts"), what="the echo")
    live.settle()
    assert (kept(here, "monday"), kept(here, "postgres")) == (1, 0)


def test_without_the_table_of_latencies_changes_go_on(live: Live) -> None:
    here, item = live.world, first_item(live.world)
    live.settle()
    here.change("drop table sync_latency")
    here.sandbox.admin("items/change", item_id=item, values={"notes": "edited"})
    until(lambda: here.row_of(item)["notes"] == "edited", what="the edit")
    live.settle()
    here.change("update contacts set notes = 'from the application' where id = %s", here.pairs()[item])
    until(lambda: here.snapshot()[item]["notes"] == "from the application", what="the change")
    live.settle()
    assert "monday_sync_failures_total{" not in requests.get(f"{live.base}/metrics", timeout=5).text
