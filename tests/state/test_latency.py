"""Adds how long changes took to the sums by hour, from several processes, and tells them apart by side and time."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from db_connector import Database
from state import latency
from tests.kit.shipped import PROJECT

TIMES, MEASURED = 20, [("postgres", 0.15), ("postgres", 0.2), ("monday", 0.15), ("monday", 4.0)]
ADD = f"""
import sys
from db_connector import Database
from state import latency
db = Database(sys.argv[1], max_connections=1)
sys.stdin.readline()
for _ in range({TIMES}):
    latency.add(db, "user", {MEASURED})
"""


def kept(db: Database, step: str = "hour", entity_type: str = "") -> list[dict[str, Any]]:
    with db.transaction(read_only=True) as tx:
        return latency.latencies(tx, step, "24 hours", entity_type)


def test_what_two_processes_measure_at_once_adds_up(db: Database, database_url: str) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", ADD, database_url], cwd=PROJECT, stdin=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    watchdogs = [threading.Timer(60, child.kill) for child in children]
    for watchdog in watchdogs:
        watchdog.start()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.close()
    assert [child.wait() for child in children] == [0, 0]
    for watchdog in watchdogs:
        watchdog.cancel()
    monday, postgres = kept(db, "century")
    assert (monday["side"], monday["n"], monday["shortest_s"], monday["longest_s"]) == ("monday", 4 * TIMES, 0.15, 4.0)
    assert monday["counts"] == [0, 2 * TIMES, 0, 0, 0, 2 * TIMES, 0, 0, 0, 0, 0, 0]
    assert monday["seconds"] == pytest.approx(2 * TIMES * 4.15)
    assert (postgres["side"], postgres["n"], postgres["shortest_s"]) == ("postgres", 4 * TIMES, 0.15)
    assert postgres["counts"] == [0, 4 * TIMES, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_change_that_took_longer_than_every_bound_is_counted_and_a_clock_set_back_makes_none_negative(
    db: Database,
) -> None:
    latency.add(db, "user", [("monday", 90_000.0), ("monday", -0.5)])
    (row,) = kept(db)
    assert (row["n"], row["shortest_s"], row["longest_s"]) == (2, 0.0, 90_000.0)
    assert row["counts"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_entities_are_told_apart(db: Database) -> None:
    latency.add(db, "user", [("monday", 1.0)])
    latency.add(db, "contact", [("monday", 2.0)] * 3)
    assert [row["n"] for row in kept(db, entity_type="contact")] == [3]
    assert sum(row["n"] for row in kept(db)) == 4
