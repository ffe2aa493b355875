"""Measures what a daemon costs while nothing happens: memory, CPU, and transactions.

PostgreSQL's own autovacuum is switched off meanwhile: its transactions are counted with those of the database, and
after the writes of a start there are more of them than of the daemon.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks.bench import Bench
from benchmarks.boards import PROJECT
from benchmarks.database import Postgres
from benchmarks.realtime import Stage, child
from benchmarks.table import Table
from db_connector import Database
from mappings.loader import load_mappings
from state import triggers

ABOUT = "a daemon while nothing happens: memory, CPU, transactions"

ITEMS = 500
SETTLE_S, WATCHED_S = 150.0, 120.0
ENDED = "select sum(xact_commit + xact_rollback) from pg_stat_database where datname = current_database()"


def run(bench: Bench) -> None:
    """Measures and prints."""
    with (
        without_autovacuum(bench.postgres),
        bench.database() as name,
        child("sandbox", "--port", "0", "--boards", f"organizations:5,contacts:{ITEMS}") as sandbox,
        bench.postgres.open(name) as db,
    ):
        with db.transaction() as tx:
            triggers.install(tx, [load_mappings([PROJECT / "mappings"])["contacts"]])
        stage = Stage(bench, name, sandbox.split()[-1])
        with stage.daemon():
            pass  # the first start parses the mapping files, and reads the whole board
        with stage.daemon():
            table = Table(f"A daemon of one entity of {ITEMS} items while nothing happens, {WATCHED_S:.0f} s")
            watch(table, db, daemon())
            table.show()


@contextmanager
def without_autovacuum(postgres: Postgres) -> Iterator[None]:
    """Switches PostgreSQL's autovacuum off until the end of the block."""
    with postgres.open("postgres") as db, db.autocommit() as session:
        session.execute("alter system set autovacuum = off")
        session.execute("select pg_reload_conf()")
        yield
        session.execute("alter system reset autovacuum")
        session.execute("select pg_reload_conf()")


def daemon() -> psutil.Process:
    """Returns the process of the daemon that this one has started."""
    return next(process for process in psutil.Process().children() if "webhook" in process.cmdline())


def watch(table: Table, db: Database, process: psutil.Process) -> None:
    """Waits until what belongs to the start is done, and counted, and measures for a while from then on.

    A session of PostgreSQL tells its transactions to the counters only with its next work.
    """
    time.sleep(SETTLE_S)
    cpu, transactions = cpu_s(process), ended(db)
    time.sleep(WATCHED_S)
    cpu, transactions = cpu_s(process) - cpu, ended(db) - transactions
    table.add("memory", process.memory_info().rss / (1 << 20), "MB", 0, 60)
    table.add("CPU, of one core", cpu / WATCHED_S * 100, "%", 2, 0.1)
    table.add("transactions a minute", transactions / WATCHED_S * 60, "", 1, 6)


def cpu_s(process: psutil.Process) -> float:
    """Returns the CPU seconds of a process until now."""
    times = process.cpu_times()
    return float(times.user + times.system)


def ended(db: Database) -> int:
    """Returns how many transactions of this database have ended until now, without this one."""
    with db.transaction() as tx:
        return int(tx.value(ENDED))
