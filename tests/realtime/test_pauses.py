"""A paused entity: no run and no live work is begun, what comes for it waits, and after `resume` nothing is missing."""

from __future__ import annotations

import json
import time

import pytest

from state import pauses
from tests.kit.cli import run_main
from tests.kit.live import first_item
from tests.kit.waiting import until


@pytest.fixture
def at(here):
    """Runs `main.py` on the sides of the test."""
    return lambda *arguments: run_main(here.home, *arguments, env=here.environment)


def test_a_run_leaves_a_paused_entity_alone_and_says_so(here, at):
    assert at("pause", "contacts").code == 0
    done = at("bidirectional", "--json")  # of other boards too, which this sandbox has not
    reports = {report["entity"]: report for report in json.loads(done.out)["entities"]}
    assert reports["contacts"]["read"] == 0 and "is paused since" in reports["contacts"]["message"]
    assert reports["organizations"]["created"] == 3
    assert "python main.py resume contacts" in done.err
    named = at("bidirectional", "--entity", "contacts")
    assert named.code == 2 and "contacts is paused since" in named.err
    assert at("bidirectional", "--entity", "contacts", "--dry-run").code == 0
    assert at("resume", "contacts").out == "contacts is worked for again.\n"
    assert at("bidirectional", "--entity", "contacts").code == 0
    assert here.differences() == []


def test_events_and_changes_wait_while_an_entity_is_paused_and_arrive_after_it(live):
    here = live.world
    live.settle()
    item = first_item(here)
    row = here.pairs()[item]
    pauses.pause(here.db, "contacts", "a test")
    here.sandbox.admin("items/change", item_id=item, values={"notes": "said while paused"})
    here.change("update contacts set role_title = 'by SQL' where id = %s", row)
    here.sandbox.admin("webhooks/wait", seconds=5)
    until(lambda: here.waiting()[0] >= 1 and here.waiting()[1] >= 1, 10, "what waits")
    time.sleep(0.5)
    assert here.row_of(item)["notes"] != "said while paused" and here.snapshot()[item]["role_title"] != "by SQL"
    health = live.daemon.health()
    assert health["status"] == "ok" and health["entities"]["contacts"]["paused"]["by"] == "a test"
    assert health["entities"]["organizations"]["paused"] is None
    pauses.resume(here.db, "contacts")
    until(lambda: here.row_of(item)["notes"] == "said while paused", 10, "the event")
    until(lambda: here.snapshot()[item]["role_title"] == "by SQL", 10, "the change")
    live.settle()
    assert here.differences() == []


def test_a_pause_ends_by_itself_after_its_time(here, at):
    assert " until " in at("pause", "contacts", "--for", "2h").out
    here.change("""update sync_state set value = jsonb_set(value, '{until}', '"2020-01-01T00:00:00Z"')
                   where name = 'paused:contacts'""")
    assert at("bidirectional", "--entity", "contacts").code == 0


def test_a_second_pause_gives_the_first_another_end(here):
    first = pauses.pause(here.db, "contacts", "one")
    second = pauses.pause(here.db, "contacts", "two")
    assert second.since == first.since and second.by == "two"


def test_status_and_doctor_name_what_is_paused_and_no_queue_is_stuck_for_it(here, at):
    at("bidirectional")
    at("pause", "contacts")
    here.change("update contacts set notes = 'x'")
    here.change("update sync_outbox set changed_at = now() - interval '3 days'")
    assert "contacts: paused since" in at("status").out
    (contacts,) = [one for one in json.loads(at("status", "--json").out)["entities"] if one["entity"] == "contacts"]
    assert contacts["paused"]["until"] is None
    done = at("doctor", "work.paused", "work.queues", "--json")
    found = {finding["slug"]: finding for finding in json.loads(done.out)["findings"]}
    assert found["work.paused"]["state"] == "note" and found["work.queues"]["state"] == "ok"
    alerts = json.loads(at("alerts", "check", "--json").out)
    assert "queue" not in {alert["rule"] for alert in alerts.get("alerts", []) if alert["state"] != "ok"}
    at("resume", "contacts")
    again = json.loads(at("doctor", "work.queues", "--json").out)["findings"]
    assert again[0]["state"] == "warning"


@pytest.mark.parametrize(
    ("words", "told"), [(("nobody",), "Unknown entity"), (("contacts", "--for", "soon"), "no time")]
)
def test_a_pause_that_cannot_be_meant_is_refused(at, words, told):
    done = at("pause", *words)
    assert done.code == 2 and told in done.err
