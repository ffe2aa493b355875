"""Checks what is seen of the pacing: the costs of a run, of one that died, the daily share, and how far there is to go."""

from __future__ import annotations

import json
import signal
import time

import pytest

from models import Columns
from monday_api import Monday
from sandbox import Sandbox
from services.monday.pacing import Left, left_in_words
from terminal.console import progress_line
from tests.kit.cli import settings_for, start_main
from tests.kit.clocks import SharedClock
from tests.kit.pulls import Journey
from tests.kit.shipped import PROJECTS, USERS


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:60") as running:
        yield running


@pytest.fixture
def env(sandbox, database_url):
    return settings_for(sandbox, database_url)


PULL = ("monday-to-pg", "--entity", "users", "--batch-size", "10")


def api(db):
    return [row["api"] for row in db.execute_query("select api from sync_runs order by started_at")]


def test_the_costs_of_a_run_are_kept_with_their_causes_and_shown(run_cli, sandbox, env, db):
    sandbox.admin("faults/add", kind="html_502", match={"contains": "column_values", "nth": 2}, count=2)
    sandbox.admin("faults/add", kind="cut", match={"contains": "column_values", "nth": 6})
    done = run_cli(*PULL, env=env)
    assert (done.code, ", 3 repeated" in done.err + done.out) == (0, True)
    (kept,) = api(db)
    assert (kept["retries"], kept["retries_by_cause"]) == (3, {"gateway": 3})
    assert kept["waited_by_cause"].keys() == {"gateway"}
    assert kept["calls"] == len(sandbox.admin("requests", last=1000))
    assert (
        kept["pages"] >= 6 and kept["bytes_received"] > 10_000 and kept["bytes_sent"] > 1000 and kept["complexity"] > 0
    )
    assert "3 (gateway 3)" in run_cli("runs", env=env).out
    shown = json.loads(run_cli("runs", "--json", env=env).out)["runs"][0]["api"]
    assert shown == {**kept, "waited_s": float(kept["waited_s"]), "waited_by_cause": {"gateway": shown["waited_s"]}}
    assert f"the last run made {kept['calls']} calls, 3 repeated" in run_cli("status", env=env).out


def test_a_daily_share_that_is_reached_ends_the_run_with_3_and_says_when_it_goes_on(run_cli, sandbox, env, db):
    first = run_cli(*PULL, env={**env, "MONDAY_DAILY_CALLS": "4"})
    assert (first.code, "start anew at" in first.err, "00:00 UTC" in first.err) == (3, True, True)
    had = db.execute_query("select count(*) as n from users")[0]["n"]
    assert 0 < had < 60
    again = run_cli(*PULL, env={**env, "MONDAY_DAILY_CALLS": "4"})
    assert (again.code, len(sandbox.admin("requests", last=1000))) == (3, 4)
    assert run_cli(*PULL, env={**env, "MONDAY_DAILY_CALLS": "1000"}).code == 0
    calls = len([request for request in sandbox.admin("requests", last=1000) if "column_values" in request["query"]])
    assert calls <= 60 / 10 + 2


def test_the_calls_of_a_run_that_was_killed_count_for_the_day(run_cli, sandbox, env, db, home):
    sandbox.admin("latency", ms=150)
    child = start_main(*PULL, env={**env, "MONDAY_SYNC_HOME": str(home)})
    end = time.monotonic() + 20
    while time.monotonic() < end and not (api(db) and api(db)[0]):
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (kept,) = api(db)
    assert kept["calls"] >= 2
    sandbox.admin("latency", ms=0)
    time.sleep(0.5)  # what was on its way arrives
    sandbox.admin("requests/reset")
    done = run_cli(*PULL, env={**env, "MONDAY_DAILY_CALLS": str(kept["calls"])})
    assert (done.code, sandbox.admin("requests", last=100)) == (3, [])


def test_of_a_small_budget_nearly_all_is_used_and_at_most_one_call_a_window_is_refused():
    with Sandbox(boards="projects:3", limits="standard") as sandbox:
        clock = SharedClock(sandbox.url, sandbox.token)
        with Monday(token=sandbox.token, url=sandbox.graphql_url, clock=clock) as client:
            board = client.board(PROJECTS)
            columns = [column.id for column in board.columns if column.id != "name"]
            begun = clock.monotonic()
            for _ in range(120):
                list(client.pages(board.id, Columns(tuple(columns))))
            windows = (clock.monotonic() - begun) / 60
            counted = sandbox.admin("counters")
            refused = counted["requests"] - counted["http_200"] + client.stats.retries_total
    assert windows > 1
    assert refused <= windows
    assert counted["complexity"] >= 0.9 * 10_000_000 * windows


@pytest.mark.parametrize(
    ("done", "total", "lately", "seconds", "left", "line"),
    [
        (40_000, 100_000, 40_000, 50, None, "users: 40,000 of 100,000 items (40 %), 800 a second, 75 s to go."),
        (90_000, 100_000, 5_000, 10, None, "users: 90,000 of 100,000 items (90 %), 500 a second, 20 s to go."),
        (12, None, 12, 4, None, "users: 12 items, 3 a second."),
        (5, 10, 0, 0, None, "users: 5 of 10 items (50 %), 0 a second."),
        (
            10,
            10,
            10,
            1,
            Left(900, 4e6, 77),
            "users: 10 of 10 items (100 %), 10 a second, 900 calls and 4,000,000 points left this minute,"
            " 77 calls left today.",
        ),
        (
            10,
            10,
            10,
            1,
            Left(900, 2_147_483_617, None),
            "users: 10 of 10 items (100 %), 10 a second, 900 calls left this minute.",
        ),
        (10, 10, 10, 1, Left(None, 2_147_483_647, None), "users: 10 of 10 items (100 %), 10 a second."),
        (12, 10, 12, 1, Left(), "users: 12 of 10 items (100 %), 12 a second."),
    ],
)
def test_progress_says_how_far_how_fast_how_long_and_what_is_left(done, total, lately, seconds, left, line):
    assert progress_line("users", done, total, lately, seconds, left_in_words(left)) == line


def test_a_run_that_reads_changes_only_does_not_pretend_to_know_how_far_there_is_to_go(db, sandbox):
    journey, totals = Journey(db, sandbox), []
    journey.pull(progress=lambda entity, done, total: totals.append(total))
    assert set(totals) == {60}
    totals.clear()
    items = sandbox.admin("boards/snapshot", board_id=USERS, state="active")
    sandbox.admin("items/change", item_id=items[0]["id"], values={"text25": "Changed"})
    journey.pull(progress=lambda entity, done, total: totals.append(total))
    assert set(totals) == {None}
    journey.monday.close()
