"""Checks the daemon: no echo, catching up after whatever was away, and several processes at once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from msgspec.structs import replace

from main import compose
from realtime.daemon import open_daemon
from tests.kit.live import BOARDS, QUICK, LiveWorld, away, first_item, living, running, subscribe_to
from tests.kit.shipped import CONTACTS
from tests.kit.waiting import until
from webhook_handler import serve

# No echo


def test_the_tools_own_writes_come_back_as_nothing(live):
    here, item = live.world, first_item(live.world)
    row = here.pairs()[item]
    here.sandbox.admin("webhooks/disorder", paused=True)
    here.change("update contacts set notes = 'from the application' where id = %s", row)
    until(lambda: here.snapshot()[item]["notes"] == "from the application")
    live.settle()
    newest = "select max(xmin::text::bigint) from contacts"
    before, sent = here.value(newest), len(here.sandbox.admin("requests", operation="mutation"))
    here.sandbox.admin("webhooks/disorder", paused=False)
    until(lambda: live.daemon.metrics.value("monday_sync_echoes_total", entity="contacts"), what="the echo")
    live.settle()
    assert (here.value(newest), len(here.sandbox.admin("requests", operation="mutation"))) == (before, sent)
    assert here.row_of(item)["notes"] == here.snapshot()[item]["notes"] == "from the application"


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
    assert live.daemon.metrics.value("monday_sync_near_misses_total", entity="contacts") >= 1


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


def edits(here: LiveWorld) -> None:
    """Edits both sides while the daemon does not listen."""
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
    until(lambda: item not in here.pairs(), what="the deletion whose event was lost")


def test_a_daemon_that_only_pushes_does_not_count_as_one_that_listens(here):
    with living(here, workers=replace(QUICK, pulls=False), subscribe=False) as live:
        for worker in live.daemon.workers.values():
            worker.beat()
        assert here.value("select count(*) from sync_state where name like 'daemon:%%'") == 0


def test_an_outage_of_postgresql_is_made_up_for(here):
    with living(here) as live:
        live.settle()
        items = sorted(here.snapshot(), key=int)
        with away(here):
            here.sandbox.admin("items/change", item_id=items[0], values={"notes": "nobody was there"})
            here.sandbox.admin("items/delete", item_id=items[1])
            here.sandbox.admin("items/create", board_id=CONTACTS, name="Ann Lee")
            until(lambda: live.daemon.metrics.value("monday_sync_events_total", outcome="not_stored"))
            until(lambda: live.daemon.health()["database"]["ok"] is False)
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


# Several at once


def test_two_daemons_a_schedule_and_runs_work_at_once_and_nothing_is_done_twice(here, run_cli):
    often = ("--interval", "0.01", "--run-immediately", "--jitter", "0")
    with (
        running(here, "webhook", "--port", "0") as webhook,
        running(here, "watch") as two,
        running(here, "scheduled", *often, first_line=False) as three,
    ):
        subscribe_to(here, webhook.base, frozenset(BOARDS.values()))
        until(lambda: len(here.pairs()) == 6, 30)
        for number in range(12):
            here.change("insert into contacts (name, notes) values (%s, 'new')", f"Row {number}")
            here.sandbox.admin("items/create", board_id=CONTACTS, name=f"Item {number}")
        done = run_cli("bidirectional", "--entity", "contacts", env=here.environment)
        assert done.code == 0, done.err
        until(lambda: len(here.pairs()) == 30 and here.waiting() == (0, 0), 30)
        runs = "select count(*) from sync_runs where kind = 'scheduled' and outcome = 'success'"
        before = here.value(runs)
        until(lambda: here.value(runs) >= before + 2, 30, "another run over all of it")
        assert [process.end() for process in (webhook, two, three)] == [0, 0, 0]
    names = [item["name"] for item in here.snapshot().values()]
    assert len(names) == 30 and len(set(names)) == 30
    assert here.differences() == []
    kinds = here.sql("select distinct kind from sync_runs")
    assert {run["kind"] for run in kinds} >= {"command", "scheduled", "catch-up"}


def test_a_daemon_can_be_stopped_before_it_was_started(here):
    with open_daemon(compose(), here.settings, ("contacts",), QUICK) as daemon:
        door = serve(daemon, "127.0.0.1", 0, here.settings.webhook_secret)
        assert daemon.stop()
        door.close()
