"""The schedule runs the syncs of queries, without a key of monday.com; its log and its interval are settings."""

from __future__ import annotations

import signal

from tests.kit.cli import run_main, start_main
from tests.kit.waiting import until


def test_a_schedule_runs_the_syncs_without_a_key_of_monday(world):
    world.rows(3)
    words = ("schedule", "--interval", "0.02", "--run-immediately", "--jitter", "0")
    child = start_main(*words, env={**world.env, "MONDAY_SYNC_HOME": str(world.home)})
    try:
        until(lambda: len(world.snapshot()) == 3, 30, "the first run")
        world.rows(1, begin=4)
        until(lambda: len(world.snapshot()) == 4, 30, "a later run")
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()


def test_without_a_sync_and_without_a_key_the_schedule_says_what_it_needs(world):
    (world.home / "config" / "sync_mappings.yml").unlink()
    done = run_main(world.home, "scheduled", "--interval", "5", env=world.env)
    assert done.code == 2 and "MONDAY_API_KEY is not set" in done.err


def test_the_interval_is_a_setting(world):
    for value, told in (("soon", "SYNC_INTERVAL_MINUTES must be a number of minutes"), ("0", "number of minutes")):
        done = run_main(world.home, "schedule", env={**world.env, "SYNC_INTERVAL_MINUTES": value})
        assert done.code == 2 and told in done.err


def test_a_run_of_a_sync_writes_its_own_log_as_much_as_is_asked(world):
    world.rows(1)
    assert world.run().code == 0
    log = world.home / "logs" / "sync.log"
    assert "shop" in log.read_text() and not (world.home / "monday_sync.log").exists()
    before = len(log.read_text())
    world.rows(1, begin=2)
    done = run_main(world.home, "--log-level", "debug", "run", "--sync-name", "shop", "--full", env=world.env)
    assert done.code == 0 and "DEBUG" in log.read_text()[before:]
    quiet = run_main(world.home, "run", "--sync-name", "shop", "--full", env={**world.env, "LOG_LEVEL": "error"})
    assert quiet.code == 0
    text = log.read_text()
    assert world.env["SMARTSUITE_TOKEN"] not in text and log.stat().st_mode & 0o077 == 0
    wrong = run_main(world.home, "run", env={**world.env, "LOG_LEVEL": "loud"})
    assert wrong.code == 2 and "LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR" in wrong.err
