"""Checks what the daemon tells: its endpoints, its metrics, its account of runs and calls, and its log."""

from __future__ import annotations

import itertools
import threading

import requests
from msgspec.structs import replace

from main import compose
from realtime.daemon import open_daemon
from realtime.metrics import Metrics
from state.runs import ask_to_stop
from state.turns import working_on
from tests.kit.live import (
    BOARDS,
    QUICK,
    SECOND_PROFILE,
    SECRET,
    Live,
    LiveWorld,
    away,
    first_item,
    living,
    running,
    subscribe_to,
)
from tests.kit.metrics import check
from tests.kit.shipped import CONTACTS, PROJECT
from tests.kit.waiting import until
from webhook_handler import serve


def test_the_endpoints_say_how_it_is(live):
    live.settle()
    health = requests.get(f"{live.base}/health", timeout=5).json()
    assert health["status"] == "ok" and health["entities"]["contacts"]["last_success_age_seconds"] < 10
    assert requests.get(f"{live.base}/livez", timeout=5).status_code == 200
    assert requests.get(f"{live.base}/readyz", timeout=5).status_code == 200
    with away(live.world):
        until(lambda: requests.get(f"{live.base}/readyz", timeout=5).status_code == 503)
        assert requests.get(f"{live.base}/livez", timeout=5).status_code == 200
        assert requests.get(f"{live.base}/metrics", timeout=5).status_code == 200
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert requests.post(f"{live.base}/sync/contacts", headers=bearer, timeout=20).status_code == 503


def put_in(live: Live, board: str, minutes: float) -> None:
    """Puts in an event that came so long ago and was not looked at since."""
    live.world.change(
        "insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body, received_at)"
        " values (%s, %s, '5', 'update_name', '{}', now() - make_interval(secs => %s))",
        f"{board} {minutes}",
        board,
        minutes * 60,
    )


def test_what_waits_for_a_board_that_is_not_kept_makes_the_daemon_not_unready(live):
    live.settle()
    put_in(live, "4242", 10)
    assert requests.get(f"{live.base}/readyz", timeout=5).status_code == 200
    assert live.daemon.health()["inbox"] == {"entries": 0, "oldest_seconds": 0.0, "set_aside": 0}
    assert "monday_sync_inbox_oldest_seconds 0" in requests.get(f"{live.base}/metrics", timeout=5).text
    with working_on(live.world.db, "contact"):
        put_in(live, CONTACTS, 10)
        assert requests.get(f"{live.base}/readyz", timeout=5).status_code == 503


def test_what_waits_for_a_board_without_a_mapping_is_dropped_after_a_day(here):
    with living(here, ["organizations"], subscribe=False) as live:
        for board in ("4242", CONTACTS):
            put_in(live, board, 10)
            put_in(live, board, 25 * 60)
        live.daemon.tidy()
        kept = here.sql("select trigger_id from sync_inbox where done_at is null order by id")
        assert [entry["trigger_id"] for entry in kept] == ["4242 10", f"{CONTACTS} 10", f"{CONTACTS} 1500"]


def test_events_of_a_board_that_flows_to_monday_alone_do_not_wait_for_ever(here):
    flows(here, "pg_to_monday")
    with living(here, subscribe=False) as live:
        answer = live.event(type="update_name", pulseId=5, triggerUuid="unasked")
        assert answer.status_code == 200 and "ignored" in answer.json()
        assert here.waiting()[0] == 0


def flows(here: LiveWorld, direction: str) -> None:
    """Gives the contacts a mapping of a user's own, which flows that way."""
    shipped = (PROJECT / "mappings" / "contacts.yaml").read_text()
    (here.home / "mappings").mkdir()
    (here.home / "mappings" / "contacts.yaml").write_text(f"{shipped}\ndirection: {direction}\n")


def test_the_metrics_are_prometheus_text_as_it_is_documented(live):
    item = first_item(live.world)
    live.world.sandbox.admin("items/change", item_id=item, values={"notes": "counted"})
    live.settle()
    answer = requests.get(f"{live.base}/metrics", timeout=5)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    check(answer.text, "# Metrics")
    assert 'monday_sync_events_total{outcome="stored"}' in answer.text


def test_two_daemons_of_a_process_count_apart():
    first, second = Metrics(), Metrics()
    first.delivered("stored")
    assert first.value("monday_sync_events_total", outcome="stored") == 1
    assert second.value("monday_sync_events_total", outcome="stored") == 0


def test_the_calls_between_runs_are_counted_once_however_often_they_are_noted():
    metrics = Metrics()
    for calls in (3, 3, 5):
        metrics.note_live_calls(calls)
    assert metrics.value("monday_sync_api_calls_total", source="live") == 5


def test_each_run_of_a_daemon_has_an_account_of_its_own(live):
    here, worker = live.world, live.daemon.workers[CONTACTS]
    runs = "select id::text, api from sync_runs order by started_at, id"
    for number in range(4):
        worker.look_over(f"look {number}")
        until(lambda: worker.caught_up)
        if not number:
            first = here.sql(runs)
    live.settle()
    found = here.sql(runs)
    assert found[: len(first)] == first, "a run that has ended is changed by those after it"
    assert found[-1]["api"]["calls"] <= max(run["api"]["calls"] for run in first)


def test_every_call_of_a_daemon_is_counted_once_where_others_look_for_the_days_calls(here):
    here.sandbox.admin("requests/reset")
    with living(here, subscribe=False) as live:
        here.change("update contacts set notes = 'to all of you'")
        live.settle()
        live.daemon.account.note()
        assert here.value("select api ->> 'calls' from sync_runs where kind = 'live'") != "0"
        live.daemon.workers[CONTACTS].look_over("once more")
        until(lambda: live.daemon.workers[CONTACTS].caught_up)
    counted = here.value("select sum((api ->> 'calls')::numeric) from sync_runs")
    assert counted == len(here.sandbox.admin("requests"))
    assert here.sql("select distinct outcome from sync_runs") == [{"outcome": "success"}]


def test_the_days_share_is_one_for_the_daemon_and_its_runs(here):
    settings = replace(here.settings, daily_calls=30)
    with living(here, settings=settings, subscribe=False, caught_up=False) as live:
        numbers = itertools.count()

        def spent() -> bool:
            here.change("update contacts set notes = %s", f"number {next(numbers)}")  # what waits goes in one call
            return "daily share" in str(live.daemon.workers[CONTACTS].trouble)

        until(spent, what="the end of the share")
        failures, label = "monday_sync_failures_total", {"entity": "contacts", "error": "DailyLimitReached"}
        before = live.daemon.metrics.value(failures, **label)
        live.daemon.workers[CONTACTS].look_over("once more")
        until(lambda: live.daemon.metrics.value(failures, **label) > before, what="another refusal")
        assert "daily share" in str(live.daemon.workers[CONTACTS].trouble)
    assert len(here.sandbox.admin("requests")) <= 30


def test_of_several_requests_for_a_run_at_once_only_the_first_starts_it(live):
    live.world.sandbox.admin("latency", ms=100)
    answers: list[requests.Response] = []
    bearer = {"Authorization": f"Bearer {SECRET}"}

    def ask() -> None:
        answers.append(requests.post(f"{live.base}/sync/contacts", headers=bearer, timeout=20))

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    until(lambda: live.world.value("select count(*) from sync_runs where kind = 'http' and outcome = 'success'") == 1)


def test_a_run_is_started_over_http_with_the_secret_only(live):
    url = f"{live.base}/sync/contacts"
    assert requests.post(url, timeout=5).status_code == 401
    assert requests.post(url, headers={"Authorization": "Bearer guess"}, timeout=5).status_code == 401
    answer = requests.post(url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=5)
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    until(lambda: live.world.value("select outcome from sync_runs where id = %s", run_id) == "success")
    unknown = requests.post(f"{live.base}/sync/nothing", headers={"Authorization": f"Bearer {SECRET}"}, timeout=5)
    assert unknown.status_code == 404


def test_one_run_of_a_daemon_is_stopped_and_the_daemon_goes_on(live):
    live.settle()
    url, bearer = f"{live.base}/sync/contacts", {"Authorization": f"Bearer {SECRET}"}
    with working_on(live.world.db, "contact"):
        run_id = requests.post(url, headers=bearer, timeout=5).json()["run_id"]
        with live.world.db.transaction() as tx:
            assert ask_to_stop(tx, run_id)
        until(lambda: live.world.value("select outcome from sync_runs where id = %s", run_id) == "interrupted")
    again = requests.post(url, headers=bearer, timeout=5).json()["run_id"]
    until(lambda: live.world.value("select outcome from sync_runs where id = %s", again) == "success")
    assert requests.get(f"{live.base}/livez", timeout=5).status_code == 200


def test_a_catching_up_that_was_stopped_waits_for_its_regular_time(live):
    live.settle()
    runs = "select count(*) from sync_runs where kind = 'catch-up' and finished_at is not null and started_at >= %s"
    with working_on(live.world.db, "contact"):
        begun = live.world.value("select clock_timestamp()")
        live.daemon.workers[CONTACTS].look_over("once more")
        waits = "select id from sync_runs where kind = 'catch-up' and finished_at is null and started_at >= %s"
        run_id = until(lambda: live.world.value(waits, begun), what="the run that catches up")
        with live.world.db.transaction() as tx:
            assert ask_to_stop(tx, str(run_id))
        until(lambda: live.world.value(runs, begun) == 1, what="its end")
    item = first_item(live.world)
    live.world.sandbox.admin("items/change", item_id=item, values={"notes": "in real time"})
    until(lambda: live.world.row_of(item)["notes"] == "in real time", what="the work between the runs")
    assert live.world.value(runs, begun) == 1
    assert live.daemon.workers[CONTACTS].trouble is None


def test_the_row_of_a_daemons_day_tells_that_the_daemon_lives(live):
    live.daemon.account.note()
    beat = "select heartbeat_at from sync_runs where kind = 'live'"
    first = live.world.value(beat)
    until(lambda: live.world.value(beat) > first, what="a heartbeat")


def test_a_run_against_the_direction_of_its_mapping_is_refused_and_not_begun(here):
    flows(here, "monday_to_pg")
    with living(here, subscribe=False) as live:
        bearer = {"Authorization": f"Bearer {SECRET}"}
        answer = requests.post(f"{live.base}/sync/contacts?direction=pg_to_monday", headers=bearer, timeout=5)
        assert answer.status_code == 400
        assert answer.json() == {"error": "contacts does not flow pg_to_monday: its mapping says monday_to_pg."}
        assert here.value("select count(*) from sync_runs where kind = 'http'") == 0


def test_a_thread_that_died_shows_in_livez(here):
    with open_daemon(compose(), here.settings, SECOND_PROFILE, QUICK) as daemon:
        door = serve(daemon, "127.0.0.1", 0, SECRET)
        assert requests.get(f"{door.url}/livez", timeout=5).status_code == 503
        daemon.start()
        assert requests.get(f"{door.url}/livez", timeout=5).status_code == 200
        daemon.workers[CONTACTS].stop()
        until(lambda: requests.get(f"{door.url}/livez", timeout=5).status_code == 503)
        door.close()
        assert daemon.stop(20)


def test_a_trigger_is_followed_from_the_event_to_the_row_in_the_log(here, run_cli):
    with running(here, "webhook", "--port", "0") as process:
        subscribe_to(here, process.base, frozenset(BOARDS.values()))
        item = until(lambda: sorted(here.pairs(), key=int)[:1])[0]
        here.sandbox.admin("items/change", item_id=item, values={"notes": "traced"})
        until(lambda: here.row_of(item)["notes"] == "traced")
        trigger = here.value("select trigger_id from sync_inbox where monday_id = %s order by id desc", item)
        row = here.pairs()[item]
        assert process.end() == 0
    lines = [line for line in (here.home / "webhook_handler.log").read_text().splitlines() if trigger in line]
    assert any(row in line and item in line for line in lines)
