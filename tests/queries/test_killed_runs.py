"""Kills runs at each call to SmartSuite, and looks that the next run completes them: nothing is doubled, nothing lost."""

import time

import pytest

from tests.kit.cli import start_main


def held(world, operation):
    """Tells whether SmartSuite has carried out the call, and keeps its answer back."""
    if operation.startswith("bulk/create"):
        return bool(world.records())
    return any(request["call"] == operation for request in world.suite.admin("requests"))


def killed_at(world, operation):
    """Starts a run, and kills it while SmartSuite holds the answer of that call, which is carried out."""
    world.fault("timeout", seconds=6, applied=True, match={"operation": operation})
    process = start_main("run", "--sync-name", "shop", env={**world.env, "MONDAY_SYNC_HOME": str(world.home)})
    until = time.monotonic() + 30
    while process.poll() is None and not held(world, operation) and time.monotonic() < until:
        time.sleep(0.1)
    assert process.poll() is None
    process.kill()
    process.wait(10)
    world.suite.admin("faults/clear")


@pytest.mark.parametrize("operation", ["tables/get", "records/list", "bulk/create"])
def test_a_killed_first_run_is_completed(world, operation):
    world.rows(60)
    killed_at(world, operation)
    done = world.counts()
    assert done["errors"] == 0
    assert len(world.records()) == 60
    assert world.counts()["calls"] == 0


def test_a_killed_update_is_completed(world):
    world.rows(30)
    world.counts()
    world.execute("update shop set note = 'changed', updated_at = now()")
    killed_at(world, "bulk/update")
    world.counts()
    assert {record["Note"] for record in world.records().values()} == {"changed"}
    assert len(world.records()) == 30
    assert world.counts()["calls"] == 0


def created_calls(world):
    return sum(request["call"] == "bulk/create" for request in world.suite.admin("requests"))


def test_a_first_run_that_is_killed_half_way_goes_on_with_the_rest(world):
    world.rows(500)
    process = start_main("run", "--sync-name", "shop", env={**world.env, "MONDAY_SYNC_HOME": str(world.home)})
    until = time.monotonic() + 60
    while created_calls(world) < 10 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is None
    process.kill()
    process.wait(10)
    made = len(world.records())
    assert 225 <= made <= 300
    world.suite.admin("requests/reset")
    done = world.counts()
    assert (done["created"], done["errors"]) == (500 - made, 0)
    assert created_calls(world) == -(-(500 - made) // 25)
    assert len(world.records()) == 500
    assert world.counts()["calls"] == 0
