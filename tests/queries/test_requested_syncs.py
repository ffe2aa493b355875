"""`POST /sync/<name>` at the daemon runs a sync of a query, for a caller with the secret; no key of monday.com is needed."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
import requests

from tests.kit.cli import run_main, start_main
from tests.kit.waiting import until

SECRET = "a secret of the tests and not a real one"
TOLD = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def daemon(world):
    env = {**world.env, "MONDAY_SYNC_HOME": str(world.home), "MONDAY_WEBHOOK_SECRET": SECRET}
    child = start_main("webhook", "--port", "0", env=env, stdout=subprocess.PIPE)
    try:
        line = child.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.split()[-1]
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_sync_is_run_when_it_is_asked_for(world, daemon):
    world.rows(3)
    assert requests.post(f"{daemon}/sync/shop", timeout=20).status_code == 401
    assert requests.post(f"{daemon}/sync/shop", headers={"Authorization": "Bearer x"}, timeout=20).status_code == 401
    assert requests.post(f"{daemon}/sync/absent", headers=TOLD, timeout=20).status_code == 404
    assert not world.records()
    answer = requests.post(f"{daemon}/sync/shop", headers=TOLD, timeout=20)
    told = answer.json()
    assert (answer.status_code, told["started"]) == (202, True)
    until(lambda: len(world.records()) == 3, 30, "the run")
    shown = run_main(world.home, "runs", told["run_id"], "--json", env=world.env)
    assert json.loads(shown.out)["run"]["kind"] == "http"
    assert requests.get(f"{daemon}/livez", timeout=20).json() == {"status": "ok"}
    assert "http" in requests.get(f"{daemon}/metrics", timeout=20).text


def test_a_sync_that_is_going_on_is_not_begun_twice(world, daemon):
    world.rows(3)
    world.suite.admin("latency", ms=1500)
    first = requests.post(f"{daemon}/sync/shop", headers=TOLD, timeout=20).json()
    again = requests.post(f"{daemon}/sync/shop", headers=TOLD, timeout=20)
    world.suite.admin("latency", ms=0)
    assert (again.status_code, again.json()) == (409, {"run_id": first["run_id"], "started": False})
    until(lambda: len(world.records()) == 3, 30, "the run")


def test_a_sync_that_cannot_be_run_is_refused_with_the_reason(world, daemon):
    path = world.home / "config" / "sync_mappings.yml"
    path.write_text(path.read_text().replace('"name": "shop"', '"enabled": false, "name": "shop"'))
    answer = requests.post(f"{daemon}/sync/shop", headers=TOLD, timeout=20)
    assert (answer.status_code, answer.json()) == (400, {"error": "shop is switched off."})
