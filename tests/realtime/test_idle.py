"""Checks that a daemon with nothing to do leaves PostgreSQL alone, and is woken all the same."""

from __future__ import annotations

import time

import pytest

from state.wake import wake

pytestmark = pytest.mark.usefixtures("live")


def test_an_idle_daemon_sends_few_statements(live):
    sent = []
    for _ in range(8):  # until what the start had to look at is done
        before = live.daemon.parts.db.statements
        time.sleep(8)
        sent.append(live.daemon.parts.db.statements - before)
        if sent[-1] <= 30:  # the alerts are judged once; looking every two seconds sent a hundred
            return
    raise AssertionError(f"statements in 8 s each: {sent}")


def test_a_worker_is_woken_by_another_process(live):
    time.sleep(4)
    worker = next(iter(live.daemon.workers.values()))
    seen = worker.last_success
    with live.world.db.transaction() as tx:
        wake(tx, "retry")
    until = time.monotonic() + 3
    while worker.last_success == seen and time.monotonic() < until:
        time.sleep(0.05)
    assert worker.last_success != seen
