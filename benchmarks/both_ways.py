"""Measures two-way runs: without changes, with many rows to push; and what the triggers cost an application."""

from __future__ import annotations

import json
import time

from benchmarks.bench import Bench
from benchmarks.boards import TOKEN, mappings, sandbox
from benchmarks.measure import Serving, cpu_of, spent
from benchmarks.table import Table
from sandbox.client import Admin
from state import triggers

ABOUT = "bidirectional without changes, a push of many, and the triggers under a bulk update"

ENTITY = "users"
PUSHED = 10_000
LATENCY_MS = 300
CHANGE = "update users set name = name || %s"
UPDATES = (CHANGE, "update projects set title = title || %s")
"""Change columns that the boards show, so that the triggers write an outbox entry for each row."""


def run(bench: Bench) -> None:
    """Measures and prints."""
    table = Table(f"Both ways, {bench.repeat} times")
    _unchanged_and_triggers(bench, table)
    _push(bench, table)
    table.show()


def _run(bench: Bench, server: Serving, database: str, *command: str) -> tuple[float, dict[str, int]]:
    """Runs a command, and returns its seconds and its JSON report."""
    done = spent("benchmarks.command", *command, "--json", env=bench.settings(server, database))
    return done.wall, json.loads(done.out)


def _unchanged_and_triggers(bench: Bench, table: Table) -> None:
    """Measures a run with nothing changed since both boards were linked, and the triggers when SQL changes every row."""
    with bench.serving() as server, bench.database() as name:
        bench.pull(server, name)
        with bench.postgres.open(name) as db, db.transaction() as tx:
            triggers.install(tx, list(mappings().values()))
        _run(bench, server, name, "bidirectional")
        seconds, calls = [], 0
        for _ in range(bench.repeat):
            for entity in ("users", "projects"):
                server.forget()
                took, _ = _run(bench, server, name, "bidirectional", "--entity", entity)
                seconds.append(took)
                calls = max(calls, server.told()["calls"])
        # The first turn warms up PostgreSQL's cache and does not count.
        shares = [_trigger_share(bench, name, turn) for turn in range(bench.repeat + 1)][1:]
    table.add(f"no change on a board of {bench.items:,} linked records", seconds, "s", 2)
    table.add("  calls", calls, "", 0, 5)
    walls, used = zip(*shares, strict=True)
    table.add(f"triggers under an update of {2 * bench.items:,} rows / the update alone", walls, "x", 2, 0.3)
    table.add("  CPU of PostgreSQL", used, "x", 2, 0.3)


def _trigger_share(bench: Bench, database: str, turn: int) -> tuple[float, float]:
    """Returns how much longer an update of all rows takes with the triggers than without them: wall, CPU of PostgreSQL."""
    took, used = {}, {}
    with bench.postgres.open(database) as db:
        for state in ("disable", "enable"):
            with db.autocommit() as session:
                for name in ("users", "projects"):
                    # that for each row stays as it is: it fires in sessions of replicas only
                    session.execute(f"alter table {name} {state} trigger monday_sync_update")
                    session.execute(f"vacuum analyze {name}")
                session.execute("checkpoint")  # else a checkpoint could fall into one of the two times
            started, before = time.perf_counter(), cpu_of(bench.postgres.process)
            for update in UPDATES:
                db.execute_query(update, (str(turn),), fetch=False)
            took[state], used[state] = time.perf_counter() - started, cpu_of(bench.postgres.process) - before
    return took["enable"] / took["disable"] - 1, used["enable"] / used["disable"] - 1


def _push(bench: Bench, table: Table) -> None:
    """Measures a push of changed rows of one board, at 300 ms a call."""
    items = min(PUSHED, bench.items)
    with sandbox(f"{ENTITY}:{items}") as url, bench.database() as name:
        server, admin = Serving(url), Admin(url, TOKEN)
        _run(bench, server, name, "setup", "--yes", "--entity", ENTITY)
        _run(bench, server, name, "monday-to-pg", "--entity", ENTITY)
        with bench.postgres.open(name) as db:
            changed = db.execute_query(CHANGE, (" changed",), fetch=False)
        assert isinstance(changed, int)
        admin("switches", latency_ms=LATENCY_MS)
        before = admin("counters")["requests"]
        took, _ = _run(bench, server, name, "pg-to-monday", "--entity", ENTITY)
        calls = admin("counters")["requests"] - before
    table.add(f"push of {changed:,} changed records at {LATENCY_MS} ms a call", took, "s", 1)
    table.add("  calls per 1,000", 1000 * calls / changed, "", 1, 45)
    table.add("  items a second", changed / took, "", 0, at_least=90)
