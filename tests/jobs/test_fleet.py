"""Work for two accounts, by a door, a worker and a beat: events and changes of both arrive, and nothing is mixed."""

from __future__ import annotations

import json
import os

import pytest
import requests

from tests.kit.live import first_item
from tests.kit.metrics import check
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")


def test_both_accounts_are_kept_equal_and_none_sees_the_other(fleet):
    base = fleet.door()
    fleet.worker()
    fleet.start("beat")
    for name, here in fleet.worlds.items():
        until(lambda here=here: len(here.pairs()) == 6 and not here.differences(), 60, f"the first runs of {name}")
    acme, globex = fleet.worlds.values()
    item = first_item(acme)
    acme.sandbox.admin("items/change", item_id=item, values={"notes": "said on the board"})
    assert fleet.event(base, "acme", item).status_code == 200
    until(lambda: acme.row_of(item)["notes"] == "said on the board", 20, "the event")
    globex.change("update contacts set role_title = 'by SQL' where id = %s", globex.pairs()[first_item(globex)])
    until(lambda: globex.snapshot()[first_item(globex)]["role_title"] == "by SQL", 90, "the change of a row")
    assert acme.value("select count(*) from sync_inbox") == 1
    assert globex.value("select count(*) from sync_inbox") == 0
    until(lambda: [row["due"] for row in fleet.fleet()] == [0, 0], 30, "an end of all work")
    shown = requests.get(f"{base}/metrics", timeout=10).text
    check(shown, "## A door")
    assert 'monday_sync_door_events_total{outcome="stored"} 1.0' in shown
    assert "monday_sync_door_acknowledge_seconds_count 1.0" in shown
    told = fleet.worker_metrics()
    check(told, "## A worker")
    assert 'monday_sync_tasks_total{outcome="done",task="run"}' in told
    assert "acme" not in shown + told and "globex" not in shown + told


def test_a_run_can_be_made_by_a_worker_and_waited_for(fleet):
    """Goes on with the worker of the test before."""
    if not fleet.alive():
        fleet.worker()
    for order in (("--account", "acme", "run"), ("run", "--account", "acme")):
        done = fleet.main(*order, "--entity", "contacts", "--send", "--json")
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert [entity["entity"] for entity in told["entities"]] == ["contacts"] and told["exit_code"] == 0
        assert {"read", "created"} <= told["entities"][0].keys() and '"created": 0,' in done.out
    acme, globex = fleet.worlds.values()
    kinds = "select count(*) from sync_runs where id = %s and kind = 'catch-up' and pid <> %s"
    assert acme.value(kinds, told["run_id"], os.getpid()) == 1 and globex.value(kinds, told["run_id"], 0) == 0


def test_what_a_worker_cannot_run_is_told_at_once(fleet):
    unknown = fleet.main("--account", "acme", "run", "--entity", "nothing", "--send")
    assert unknown.code == 2 and "The account acme has no nothing" in unknown.err
    unsent = fleet.main("run", "--account", "acme", "--entity", "contacts", "--send", "--dry-run")
    assert unsent.code == 2 and "without --dry-run" in unsent.err
    nobody = fleet.main("run", "--entity", "contacts", "--send")
    assert nobody.code == 2 and "--send is for an account" in nobody.err
