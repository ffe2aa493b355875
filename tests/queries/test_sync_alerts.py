"""A sync that fails, is late, or has rows refused again and again is told, and told again when it is well."""

from __future__ import annotations

import json

from tests.kit.cli import run_main


def alerts(world):
    done = run_main(world.home, "alerts", "check", "--json", env=world.env)
    assert done.code in (0, 3), done.err
    done = run_main(world.home, "alerts", "list", "--json", env=world.env)
    return {
        (alert["subject"], alert["rule"]): alert for alert in json.loads(done.out)["alerts"] if alert["state"] != "ok"
    }


def test_a_sync_that_fails_twice_is_told_until_it_is_well_again(world):
    world.rows(2)
    world.counts()
    right = dict(world.env)
    world.env["SMARTSUITE_TOKEN"] = "wrong"
    world.rows(1, begin=3)
    assert world.run().code == 2
    assert alerts(world)[("shop", "failed")]["state"] == "late"
    assert world.run().code == 2
    told = alerts(world)[("shop", "failed")]
    assert (told["state"], told["sentence"][:24]) == ("failing", "2 runs in a row failed. ")
    world.env = right
    assert world.run().code == 0
    assert ("shop", "failed") not in alerts(world)


def test_a_sync_that_is_late_is_told(world):
    world.rows(1)
    world.counts()
    assert alerts(world) == {}
    world.execute("update sync_runs set kind = 'scheduled', period_s = 300")
    for column in ("started_at", "finished_at", "heartbeat_at"):
        world.execute(f"update sync_runs set {column} = {column} - interval '1 hour'")
    told = alerts(world)[("shop", "stale")]
    assert "a run is due every 5 min" in told["sentence"] and told["state"] == "failing"
    # what is paused may be late
    run_main(world.home, "pause", "shop", env=world.env)
    before = alerts(world)[("shop", "stale")]
    run_main(world.home, "resume", "shop", env=world.env)
    assert before["since"] == told["since"]
    world.counts()
    assert alerts(world) == {}


def test_a_guard_and_rows_that_are_refused_again_and_again_are_told(world):
    world.rows(30)
    world.execute("update shop set stage = 'odd' where id = 30")
    world.counts(code=3)
    assert ("shop", "set_aside") not in alerts(world)
    world.execute("update sync_records set attempts = 8 where source_key = '30'")
    told = alerts(world)[("shop", "set_aside")]
    assert "refused 8 times or more" in told["sentence"]
    assert told["command"] == "python main.py retry list --entity shop"
    world.execute("delete from shop")
    assert world.run("--sweep").code == 4
    assert ("shop", "guard") in alerts(world)


def test_a_difference_that_verify_found_is_told(world):
    world.rows(2)
    world.counts()
    world.execute("update shop set note = 'news' where id = 2")
    assert run_main(world.home, "verify", env=world.env).code == 3
    assert alerts(world)[("shop", "differences")]["state"] == "failing"
    world.counts("--full")
    assert run_main(world.home, "verify", env=world.env).code == 0
    assert alerts(world) == {}
