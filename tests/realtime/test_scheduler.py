"""The schedule: when runs are due, that they never overlap, that a failing one ends nothing, and how it stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from db_connector import Database
from errors import DatabaseError, SettingsError
from realtime.cron import Cron
from realtime.scheduler import Schedule, Scheduler
from sync.report import EntityReport, RunReport
from tests.kit.live import LiveWorld, running, world
from tests.kit.shipped import PROJECT
from tests.kit.waiting import until

NOW = datetime(2026, 3, 14, 10, 7, 30)  # a Saturday


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("* * * * *", "2026-03-14 10:08"),
        ("*/5 * * * *", "2026-03-14 10:10"),
        ("0 * * * *", "2026-03-14 11:00"),
        ("30 2 * * *", "2026-03-15 02:30"),
        ("0 9-17/4 * * *", "2026-03-14 13:00"),
        ("5,35 10 * * *", "2026-03-14 10:35"),
        ("0 6 * * mon-fri", "2026-03-16 06:00"),
        ("0 6 * * 1-5", "2026-03-16 06:00"),
        ("0 6 * * 7", "2026-03-15 06:00"),
        ("0 6 * * 0", "2026-03-15 06:00"),
        ("0 6 * * mon-sun", "2026-03-15 06:00"),
        ("0 6 * * sat-sun", "2026-03-15 06:00"),
        ("0 6 * * sun-mon", "2026-03-15 06:00"),
        ("0 6 * * sun-sun", "2026-03-15 06:00"),
        ("0 6 * * tue-sun/5", "2026-03-15 06:00"),
        ("0 0 1 * *", "2026-04-01 00:00"),
        ("0 0 1 jan *", "2027-01-01 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 0 29 2 */7", "2032-02-29 00:00"),  # a Sunday
        ("0 0 31 * *", "2026-03-31 00:00"),
        ("0 0 31 4,6-7 *", "2026-07-31 00:00"),
        ("0 0 20 * mon", "2026-03-16 00:00"),  # one or the other
        ("0 0 */2 * mon", "2026-03-23 00:00"),  # both
        ("20/15 * * * *", "2026-03-14 10:20"),
        ("@hourly", "2026-03-14 11:00"),
        ("@daily", "2026-03-15 00:00"),
        ("@weekly", "2026-03-15 00:00"),
    ],
)  # fmt: skip
def test_a_cron_expression_is_due_when_cron_would_be(text, due):
    assert Cron.parse(text).next(NOW) == datetime.strptime(due, "%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    "text", ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
             "*/0 * * * *", "5-1 * * * *", "* * * * sat-mon", "* * * * 6-0", "a * * * *",
             "* * * * mo", "0 0 30 2 *", "-1 * * * *", "1..2 * * * *"],
)  # fmt: skip
def test_what_is_no_cron_expression_is_refused_with_a_hint(text):
    with pytest.raises(SettingsError) as refused:
        Cron.parse(text)
    assert "minute hour day month weekday" in refused.value.hint


def test_a_leap_day_of_a_weekday_is_found_beyond_a_century_without_one():
    found = Cron.parse("0 0 29 2 */7").next(datetime(2088, 3, 1))
    assert (found.month, found.day, found.isoweekday()) == (2, 29, 7)


@pytest.fixture
def here(db: Database, database_url: str, home: Path) -> Iterator[LiveWorld]:
    with world(db, database_url, home, "organizations:1,contacts:2") as found:
        yield found


def report(code: int = 0) -> RunReport:
    found = RunReport("", "bidirectional", datetime.now(timezone.utc), dry_run=False)
    found.entities.append(EntityReport("contacts", "1"))
    found.exit_code = code
    return found


def scheduler(here: LiveWorld, run: Callable[[], RunReport], plan: Schedule, **how: object) -> Scheduler:
    return Scheduler(here.settings, plan, "bidirectional", ["contacts"], threading.Event(), run=run, **how)  # type: ignore[arg-type]


def went_on(loop: Scheduler, until_true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Let it go on until something is true, then stop it."""
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        until(until_true, seconds)
        assert thread.is_alive(), "the loop ended by itself"
    finally:
        loop.stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_it_runs_at_its_interval_and_at_once_when_asked_to(here):
    loop = scheduler(here, report, Schedule(1 / 60, immediately=True))
    went_on(loop, lambda: loop.outcomes == ["done"] * 3)


def test_without_being_asked_it_waits_for_the_first_interval(here):
    runs: list[int] = []
    loop = scheduler(here, lambda: (runs.append(1), report())[1], Schedule(60))
    thread = threading.Thread(target=loop.run)
    thread.start()
    time.sleep(0.5)
    loop.stop.set()
    thread.join(5)
    assert runs == [] and not thread.is_alive()


def failing(runs: list[int], times: int) -> Callable[[], RunReport]:
    def run() -> RunReport:
        runs.append(1)
        if len(runs) <= times:
            raise DatabaseError("PostgreSQL could not be reached.") if len(runs) % 2 else ValueError("a mistake")
        return report()

    return run


def test_a_failing_run_is_tried_again_and_ends_nothing(here):
    runs: list[int] = []
    loop = scheduler(here, failing(runs, 2), Schedule(60, immediately=True), pauses_s=[0.05, 0.05, 0.05])
    went_on(loop, lambda: loop.outcomes == ["failed", "failed", "done"])


def test_after_its_tries_a_failing_run_waits_for_the_regular_time(here):
    runs: list[int] = []
    loop = scheduler(here, failing(runs, 99), Schedule(60, immediately=True), pauses_s=[0.01, 0.01])
    went_on(loop, lambda: len(runs) == 3 and time.sleep(1.5) is None)
    assert len(runs) == 3


def test_a_run_with_leftovers_is_no_failure(here):
    loop = scheduler(here, lambda: report(3), Schedule(60, immediately=True), pauses_s=[0.01])
    went_on(loop, lambda: loop.outcomes == ["done"])


def test_two_of_a_kind_never_run_at_once(here):
    together, most = [0], [0]
    lock = threading.Lock()

    def run() -> RunReport:
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        time.sleep(0.3)
        with lock:
            together[0] -= 1
        return report()

    loops = [scheduler(here, run, Schedule(60)) for _ in range(4)]
    threads = [threading.Thread(target=loop.once) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert sorted(loop.outcomes[0] for loop in loops) == ["done", "left out", "left out", "left out"]


def test_runs_of_another_kind_do_not_wait_for_it(here):
    loop = scheduler(here, report, Schedule(60))
    with here.db.try_lock("scheduled:monday_to_pg:contacts"):
        loop.once()
    assert loop.outcomes == ["done"]


def test_the_next_cron_time_is_planned_after_each_run(here):
    loop = scheduler(here, report, Schedule(cron=Cron.parse("*/5 * * * *")))
    loop._plan_next()
    due = loop._jobs.next_run
    assert due is not None and due.astimezone(timezone.utc).minute % 5 == 0 and due > datetime.now()
    loop._jobs.jobs[0].next_run = datetime.now()
    loop._jobs.run_pending()
    assert loop.outcomes == ["done"] and len(loop._jobs.jobs) == 1 and loop._jobs.next_run > datetime.now()


# The command


def test_the_command_runs_for_real_and_ends_with_0_on_sigterm(here):
    with running(here, "scheduled", "--interval", "60", "--run-immediately", first_line=False) as process:
        until(lambda: here.value("select count(*) from sync_runs where outcome = 'success'") == 1, 30)
        assert here.value("select kind from sync_runs") == "scheduled"
        assert process.end() == 0
    assert here.differences() == []


def test_sigterm_in_a_run_lets_the_entity_finish_and_begins_no_other(here):
    here.sandbox.admin("latency", ms=300)
    with running(here, "scheduled", "--interval", "60", "--run-immediately", first_line=False) as process:
        until(lambda: here.value("select count(*) from sync_runs") == 1, 30)
        assert process.end() == 0
    here.sandbox.admin("latency", ms=0)
    (run,) = here.sql("select outcome, entities from sync_runs")
    assert run["outcome"] == "partial"
    assert [(one["entity"], one["complete"], one.get("message", "")) for one in run["entities"]] == [
        ("organizations", True, ""), ("contacts", False, "not run"),
    ]  # fmt: skip


@pytest.mark.parametrize("fault", ["html_503", "reset"])
def test_sigterm_waits_for_no_monday_that_is_away(here, fault):
    here.sandbox.admin("faults/add", kind=fault, count=1000)
    errors, words = here.home / "stderr.txt", ("--interval", "60", "--run-immediately")
    with running(here, "scheduled", *words, first_line=False, MONDAY_GIVE_UP_AFTER="60") as process:
        until(lambda: errors.read_text().count("Waiting") >= 2, 60)
        assert process.end(8) == 0
    assert "tried again in" not in errors.read_text()
    assert [one["message"] for one in here.value("select entities from sync_runs")][1:] == ["not run"]


@pytest.mark.parametrize("command", ["scheduled", "webhook"])
@pytest.mark.parametrize(("second", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(here, command, second, code):
    arguments = ["--interval", "60", "--run-immediately"] if command == "scheduled" else ["--port", "0"]
    here.sandbox.admin("latency", ms=2000)
    with running(here, command, *arguments, first_line=command == "webhook") as process:
        until(lambda: here.value("select count(*) from sync_runs") >= 1, 30)
        process.child.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        process.child.send_signal(second)
        assert process.child.wait(30) == code
    assert here.value("select count(*) from sync_runs where outcome = 'running'") >= 1


def test_of_two_processes_with_runs_of_a_kind_the_second_leaves_its_run_out(here):
    errors = here.home / "stderr.txt"
    with here.db.try_lock("scheduled:bidirectional:contacts,organizations") as ours:
        assert ours
        with running(here, "scheduled", "--interval", "60", "--run-immediately", first_line=False) as process:
            until(lambda: "left out" in errors.read_text(), 30)
            assert here.value("select count(*) from sync_runs") == 0
            assert process.end() == 0


def summer_ends_in(seconds: float) -> str:
    """A time zone whose clocks are set back by an hour so soon."""
    end = datetime.now(timezone.utc) + timedelta(seconds=seconds) + timedelta(hours=1)
    return f"WINTER0SUMMER,0/0,{end.timetuple().tm_yday - 1}/{end:%H:%M:%S}"


def test_the_interval_goes_on_when_summer_time_ends(here):
    runs = "select count(*) from sync_runs where outcome = 'success'"
    words = ("--interval", "0.02", "--run-immediately", "--jitter", "0")
    with running(here, "scheduled", *words, first_line=False, TZ=summer_ends_in(6)) as process:
        until(lambda: here.value(runs) >= 1, 30)
        time.sleep(6)
        before = here.value(runs)
        until(lambda: here.value(runs) > before + 1, 15)
        assert process.end() == 0


def test_a_cron_time_after_the_end_of_summer_time_does_not_come_early(here):
    due = datetime.now(timezone.utc) + timedelta(minutes=40)
    words = ("--cron", f"{due.minute} {due.hour} * * *", "--jitter", "0")
    with running(here, "scheduled", *words, first_line=False, TZ=summer_ends_in(20 * 60)) as process:
        until(lambda: "SIGTERM ends it" in (here.home / "stderr.txt").read_text(), 30)
        time.sleep(2)
        assert here.value("select count(*) from sync_runs") == 0
        assert process.end() == 0


def test_it_goes_the_way_and_over_the_entities_that_it_is_told(here):
    words = ("--cron", "0 0 1 1 *", "--run-immediately", "--direction", "monday-to-pg")
    with running(here, "scheduled", *words, first_line=False) as process:
        until(lambda: here.value("select count(*) from sync_runs where outcome = 'success'") == 1, 30)
        assert process.end() == 0
    (run,) = here.sql("select direction, entities from sync_runs")
    assert run["direction"] == "monday_to_pg"
    assert [entity["entity"] for entity in run["entities"]] == ["organizations", "contacts"]


def test_a_failing_run_ends_no_process(here):
    here.sandbox.admin("faults/add", kind="html_503", count=1000)
    errors, words = here.home / "stderr.txt", ("--interval", "60", "--run-immediately")
    with running(here, "scheduled", *words, first_line=False, MONDAY_GIVE_UP_AFTER="1") as process:
        until(lambda: "tried again in" in errors.read_text(), 30)
        assert process.child.poll() is None
        assert process.end() == 0


def test_once_a_day_a_run_sweeps_the_ids_of_its_board(here):
    swept_at = "select value ->> 'swept_at' from sync_state where value ? 'swept_at'"
    loop = Scheduler(here.settings, Schedule(60), "monday_to_pg", ["contacts"], threading.Event())
    loop.once()
    loop.once()
    first = here.value(swept_at)
    loop.once()
    assert here.value(swept_at) == first
    yesterday = (datetime.now(timezone.utc) - timedelta(hours=25)).isoformat()
    here.change(
        "update sync_state set value = jsonb_set(value, '{swept_at}', to_jsonb(%s::text)) where value ? 'swept_at'",
        yesterday,
    )
    loop.once()
    assert here.value(swept_at) > first
    assert loop.outcomes == ["done"] * 4


def test_jitter_waits_no_longer_than_for_a_stop(here):
    loop = scheduler(here, report, Schedule(1 / 60, jitter_s=3600))
    thread = threading.Thread(target=loop.run)
    thread.start()
    until(lambda: loop._jobs.jobs)
    time.sleep(1.2)
    loop.stop.set()
    thread.join(10)
    assert not thread.is_alive() and loop.outcomes == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--cron", "* * *"], "cron"), (["--interval", "5", "--cron", "* * * * *"], "one of them"),
     (["--interval", "0"], "interval"), (["--entity", "nothing"], "nothing")],
)  # fmt: skip
def test_usage_is_checked_before_the_loop_begins(here, run_cli, arguments, word):
    done = run_cli("scheduled", *arguments, env=here.environment)
    assert done.code == 2 and word in done.err


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [*(("scheduled", "--interval", value) for value in ("nan", "inf", "1e15", "5e9", "-1")),
     *(("scheduled", "--jitter", value) for value in ("nan", "inf")),
     *((command, "--debounce", "nan") for command in ("watch", "webhook")),
     *((command, "--catch-up-every", value) for command in ("watch", "webhook") for value in ("nan", "inf", "1e300"))],
)  # fmt: skip
def test_what_is_no_length_of_time_is_refused(run_cli, command, option, value):
    done = run_cli(command, option, value)
    assert done.code == 2
    assert f"Invalid value for '{option}'" in done.err


def test_cron_needs_no_database_and_no_network():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, realtime.cron; sys.exit(bool({'psycopg2', 'requests'} & sys.modules.keys()))"],
        cwd=PROJECT, check=False,
    )  # fmt: skip
    assert done.returncode == 0
