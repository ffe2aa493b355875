"""`status`, `runs` and the JSON of `run` tell of syncs of queries; no key of monday.com is needed."""

from __future__ import annotations

import json

from tests.kit.cli import run_main
from tests.kit.syncs import QUERY


def main(world, *arguments):
    return run_main(world.home, *arguments, env=world.env)


def status(world):
    done = main(world, "status", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    (sync,) = told["syncs"]
    return sync, told


def test_status_tells_how_a_sync_is(world):
    sync, _ = status(world)
    assert (sync["linked"], sync["watermark"], sync["last_run"], sync["next_run_at"]) == (0, None, None, None)
    world.rows(4)
    world.execute("update shop set stage = 'odd' where id = 2")
    world.counts(code=3)
    sync, told = status(world)
    assert (sync["sync"], sync["table_id"], sync["enabled"]) == ("shop", world.table_id, True)
    assert (sync["linked"], sync["in_step"], sync["refused"], sync["in_doubt"], sync["removed"]) == (3, 3, 1, 0, 0)
    # a row was left behind, so the mark has not moved
    assert (sync["watermark"], sync["last_run"]["outcome"]) == (None, "partial")
    assert told["smartsuite"]["calls_this_month"] == sync["last_run"]["api"]["calls"] > 0
    shown = main(world, "status").out
    assert "shop: 1 row refused: python main.py retry list --sync-name shop" in shown
    assert "not scheduled" in shown
    world.execute("delete from shop where id in (1, 2)")
    world.counts("--full")
    assert main(world, "pause", "shop").code == 0
    sync, _ = status(world)
    assert (sync["linked"], sync["removed"], sync["paused"]["by"] != "") == (2, 1, True)
    assert sync["watermark"] and sync["swept_at"]


def test_status_goes_on_without_a_file_that_can_be_read(world):
    (world.home / "config" / "sync_mappings.yml").write_text("syncs: [{name: 1}]")
    done = main(world, "status", "--json")
    assert done.code == 0 and json.loads(done.out)["syncs"] == []
    assert "sync_mappings.yml:1" in done.err


def test_runs_counts_the_changes_of_a_sync(world):
    world.rows(3)
    world.counts()
    done = main(world, "runs", "--json")
    (run,) = json.loads(done.out)["runs"]
    shown = main(world, "runs", run["run_id"][:8]).out
    assert "shop: SmartSuite: 3 created" in shown and "calls to SmartSuite" in shown
    heading, row = [line for line in main(world, "runs").out.splitlines() if line.strip()][:2]
    assert "changes" in heading and " 3 " in row


def test_json_of_one_run_and_of_several_has_one_shape(world):
    from sandbox import Sandbox

    world.rows(2)
    one = json.loads(main(world, "run", "--json").out)
    assert one["runs"] == [{**one["runs"][0], "direction": "mysql_to_smartsuite", "exit_code": 0}]
    assert (one["run_id"], one["direction"]) == (one["runs"][0]["run_id"], "mysql_to_smartsuite")
    with Sandbox() as monday:
        key = {"MONDAY_API_KEY": monday.token, "MONDAY_API_URL": monday.graphql_url}
        done = run_main(world.home, "run", "--json", env={**world.env, **key})
    several = json.loads(done.out)
    assert set(several) == set(one)
    assert len(several["runs"]) > 1 and (several["run_id"], several["direction"]) == (None, None)
    by_run = {run["run_id"]: run for run in several["runs"]}
    assert {entity["entity"] for entity in several["entities"]} >= {"users", "projects", "shop"}
    for entity in several["entities"]:
        assert by_run[entity["run_id"]]["direction"] == entity["direction"]
    assert several["api"]["calls"] == sum(run["api"]["calls"] for run in several["runs"])


def test_a_scheduled_run_tells_when_the_next_is_due(world):
    from tests.kit.cli import start_main
    from tests.kit.waiting import until

    world.rows(1)
    words = ("schedule", "--interval", "600", "--run-immediately", "--jitter", "0")
    child = start_main(*words, env={**world.env, "MONDAY_SYNC_HOME": str(world.home)})
    try:
        until(lambda: (status(world)[0]["last_run"] or {}).get("outcome") == "success", 30, "the scheduled run")
        assert status(world)[0]["next_run_at"]
    finally:
        child.kill()
        child.wait()
    (run,) = world.db.execute_query("select kind, period_s from sync_runs")
    assert run == {"kind": "scheduled", "period_s": 36000}


def test_a_sync_of_another_table_starts_from_nothing_in_the_status(world):
    world.rows(1)
    world.counts()
    world.write_sync(query=QUERY, destination={"table_id": "0" * 24})
    assert status(world)[0]["linked"] == 0
