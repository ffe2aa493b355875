"""Checks the schedule: when runs are due, that they never overlap, that a failing one ends nothing, and how it stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from db_connector import Database
from errors import EXIT_FAILED, EXIT_LEFTOVERS, DatabaseError
from realtime.cron import Cron
from realtime.scheduler import DONE, FAILED, SKIPPED, Schedule, ScheduledRun, Scheduler
from sync.report import EntityReport, RunReport
from tests.kit.live import LiveWorld, running, world
from tests.kit.runs import run_whole
from tests.kit.shipped import PROJECT
from tests.kit.waiting import until
from timing import Clock

NOW = datetime(2026, 3, 14, 10, 7, 30)  # a Saturday


@pytest.fixture
def here(db: Database, database_url: str, home: Path) -> Iterator[LiveWorld]:
    with world(db, database_url, home, "organizations:1,contacts:2") as found:
        yield found


def report(code: int = 0) -> RunReport:
    found = RunReport("", "bidirectional", datetime.now(timezone.utc), dry_run=False)
    found.entities.append(EntityReport("contacts", "1"))
    found.exit_code = code
    return found


class MovedClock(Clock):
    """Tells a time that a wait moves on at once, and that says stop when its time is over."""

    def __init__(self, stop: threading.Event, minutes: float, begin: datetime = NOW) -> None:
        self.stop, self.at = stop, begin.replace(tzinfo=timezone.utc)
        self.end = self.at + timedelta(minutes=minutes)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at = min(self.end, self.at + timedelta(seconds=seconds))
        if self.at == self.end:
            self.stop.set()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.sleep(seconds)
        return event.is_set()


def times_of(
    plan: Schedule, minutes: float, outcomes: Sequence[str] = (), begin: datetime = NOW, takes_s: float = 0.0
) -> list[str]:
    """Returns when runs begin within so many minutes. They end as `outcomes` says, and well after those."""
    stop, runs, ends = threading.Event(), [], iter(outcomes)
    clock = MovedClock(stop, minutes, begin)

    def attempt() -> str:
        runs.append(f"{clock.at:%H:%M:%S}")
        clock.sleep(takes_s)
        return next(ends, DONE)

    Scheduler(plan, attempt, stop, clock).run()
    assert clock.at == clock.end, "the loop ended by itself"
    return runs


def test_it_runs_at_its_interval():
    times = ["10:37:30", "11:07:30", "11:37:30"]
    assert times_of(Schedule(30), minutes=119) == times
    assert times_of(Schedule(30, immediately=True), minutes=119) == ["10:07:30", *times]


def test_the_interval_is_counted_from_the_end_of_a_run():
    assert times_of(Schedule(30), minutes=119, takes_s=600) == ["10:37:30", "11:17:30", "11:57:30"]


def test_without_being_asked_it_waits_for_the_first_interval():
    assert times_of(Schedule(60), minutes=59.9) == []


def test_it_runs_at_the_times_of_cron_and_leaves_out_those_that_pass_during_a_run():
    plan = Schedule(cron=Cron.parse("*/10 * * * *"))
    assert times_of(plan, minutes=30) == ["10:10:00", "10:20:00", "10:30:00"]
    assert times_of(plan, minutes=30, takes_s=11 * 60) == ["10:10:00", "10:30:00"]


def test_a_failing_run_is_tried_again_after_growing_pauses():
    tries = times_of(Schedule(60, immediately=True), minutes=30, outcomes=[FAILED] * 2)
    assert len(tries) == 3
    assert seconds_between(tries) == [pytest.approx(60, abs=7), pytest.approx(120, abs=13)]


def test_after_its_tries_a_failing_run_waits_for_the_regular_time():
    tries = times_of(Schedule(60, immediately=True), minutes=65, outcomes=[FAILED] * 99)
    assert len(tries) == 5 + 3
    assert tries[5] == "11:07:30"


def test_the_regular_time_takes_the_place_of_a_try():
    plan = Schedule(1, immediately=True, pauses_s=[90])
    assert times_of(plan, minutes=3, outcomes=[FAILED]) == ["10:07:30", "10:08:30", "10:09:30"]


def test_a_stop_during_a_failing_run_plans_no_other_try():
    assert times_of(Schedule(60, immediately=True), minutes=1, outcomes=[FAILED], takes_s=60) == ["10:07:30"]


def test_jitter_begins_a_run_later_and_waits_no_longer_than_for_a_stop():
    (begun,) = times_of(Schedule(60, jitter_s=600), minutes=75)
    assert "11:07:30" < begun < "11:17:31"
    assert times_of(Schedule(1, jitter_s=1e9), minutes=30) == []


def seconds_between(times: Sequence[str]) -> list[float]:
    at = [datetime.strptime(time, "%H:%M:%S") for time in times]
    return [(after - before).total_seconds() for before, after in zip(at, at[1:])]


@pytest.fixture
def summer(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """A machine whose clocks are set back from 3 to 2 half an hour after this instant, which is in UTC."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield datetime(2026, 10, 25, 0, 30)
    monkeypatch.undo()
    time.tzset()


def test_the_interval_goes_on_when_summer_time_ends(summer):
    assert summer.replace(tzinfo=timezone.utc).astimezone().hour == 2
    assert times_of(Schedule(20), minutes=61, begin=summer) == ["00:50:00", "01:10:00", "01:30:00"]


def test_a_cron_time_after_the_end_of_summer_time_does_not_come_early_and_none_comes_twice(summer):
    plan = Schedule(cron=Cron.parse("15 1,2 * * *"))
    assert times_of(plan, minutes=180, begin=summer) == ["01:15:00", "02:15:00"]


# One run


def scheduled(here: LiveWorld, run: Callable[[], RunReport] = report) -> ScheduledRun:
    return ScheduledRun(here.settings, "bidirectional", ["contacts"], threading.Event(), [run])


def raising(exc: Exception) -> Callable[[], RunReport]:
    def run() -> RunReport:
        raise exc

    return run


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (report, DONE),
        (lambda: report(EXIT_LEFTOVERS), DONE),
        (lambda: report(EXIT_FAILED), FAILED),
        (raising(DatabaseError("PostgreSQL could not be reached.")), FAILED),
        (raising(ValueError("a mistake")), FAILED),
    ],
    ids=["in step", "leftovers", "failed", "a known error", "a mistake"],
)
def test_a_run_ends_well_or_failed_and_raises_nothing(here, run, outcome):
    assert scheduled(here, run).attempt() == outcome


def test_two_of_a_kind_never_run_at_once(here):
    begun, end = threading.Event(), threading.Event()

    def run() -> RunReport:
        begun.set()
        assert end.wait(30)
        return report()

    outcomes: list[str] = []
    first = threading.Thread(target=lambda: outcomes.append(scheduled(here, run).attempt()))
    first.start()
    assert begun.wait(30)
    assert [scheduled(here).attempt() for _ in range(3)] == [SKIPPED] * 3
    end.set()
    first.join(30)
    assert outcomes == [DONE]
    until(lambda: scheduled(here).attempt() == DONE)  # the lock goes with its connection


def test_runs_of_another_kind_do_not_wait_for_it(here):
    with here.db.try_lock("scheduled:monday_to_pg:contacts"):
        assert scheduled(here).attempt() == DONE


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
        time.sleep(0.3)  # now its first entity has begun
        assert process.end() == 0
    here.sandbox.admin("latency", ms=0)
    (run,) = here.sql("select outcome, entities from sync_runs")
    assert run["outcome"] == "partial"
    assert [(one["entity"], one["complete"], one.get("message", "")) for one in run["entities"]] == [
        ("organizations", True, ""),
        ("contacts", False, "not run"),
    ]


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
        time.sleep(0.5)  # now it waits for monday.com: a run that has begun no entity ends at the first signal
        process.child.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # two signals at once would be one
        process.child.send_signal(second)
        assert process.child.wait(30) == code
    assert here.value("select count(*) from sync_runs where outcome = 'running'") >= 1


def test_of_two_processes_with_runs_of_a_kind_the_second_skips_its_run(here):
    errors = here.home / "stderr.txt"
    with here.db.try_lock("scheduled:bidirectional:contacts,organizations") as ours:
        assert ours
        with running(here, "scheduled", "--interval", "60", "--run-immediately", first_line=False) as process:
            until(lambda: "skipped" in errors.read_text(), 30)
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
    once = (here.settings, "monday_to_pg", ["contacts"])
    loop = ScheduledRun(*once, threading.Event(), [lambda: run_whole(*once)])
    outcomes = [loop.attempt(), loop.attempt()]
    first = here.value(swept_at)
    outcomes.append(loop.attempt())
    assert here.value(swept_at) == first
    yesterday = (datetime.now(timezone.utc) - timedelta(hours=25)).isoformat()
    age = "update sync_state set value = jsonb_set(value, '{swept_at}', to_jsonb(%s::text)) where value ? 'swept_at'"
    here.change(age, yesterday)
    outcomes.append(loop.attempt())
    assert here.value(swept_at) > first
    assert outcomes == [DONE] * 4


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--cron", "* * *"], "cron"),
        (["--interval", "5", "--cron", "* * * * *"], "one of them"),
        (["--interval", "0"], "interval"),
        (["--entity", "nothing"], "nothing"),
    ],
)
def test_usage_is_checked_before_the_loop_begins(here, run_cli, arguments, word):
    done = run_cli("scheduled", *arguments, env=here.environment)
    assert done.code == 2 and word in done.err


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        *(("scheduled", "--interval", value) for value in ("nan", "inf", "1e15", "5e9", "-1")),
        *(("scheduled", "--jitter", value) for value in ("nan", "inf")),
        *((command, "--debounce", "nan") for command in ("watch", "webhook")),
        *(
            (command, "--catch-up-every", value)
            for command in ("watch", "webhook")
            for value in ("nan", "inf", "1e300")
        ),
    ],
)
def test_what_is_no_length_of_time_is_refused(run_cli, command, option, value):
    done = run_cli(command, option, value)
    assert done.code == 2
    assert f"Invalid value for '{option}'" in done.err


def test_cron_needs_no_database_and_no_network():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, realtime.cron; sys.exit(bool({'psycopg2', 'requests'} & sys.modules.keys()))",
        ],
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0
