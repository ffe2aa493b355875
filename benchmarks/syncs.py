"""Measures a sync of a query of MariaDB to the stand-in for SmartSuite: a first run, idle runs, and a large query.

SmartSuite takes five calls a second, and the tool keeps to that; `python -m benchmarks.syncs main.py ...` runs it without
the pauses, beside a bare script that sends the same rows.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.bench import Bench, scratch
from benchmarks.boards import PROJECT, TOKEN
from benchmarks.measure import Spent, spent
from benchmarks.table import Table
from databases.mysql.private import INSTALL, PrivateServer, is_installed
from sandbox.client import Admin
from services.smartsuite import client

ABOUT = "queries of MariaDB into SmartSuite: first run, idle run, memory"

TABLE_ID, ACCOUNT = "6451093119bcf22befaed901", "bench001"
PACED_ROWS = 2_500
CALLS_A_SECOND = 5
TABLES = PROJECT / "deploy" / "mysql" / "1-tables.sql"
QUERY = "select id, name, email, balance, status, signup_date, notes from {table}"
FIELDS = {"name": "title", "email": "Email", "balance": "Credit", "status": "State", "signup_date": "Since"}

FILL = """
insert into customers (id, name, email, balance, status, signup_date, notes)
select seq, concat('Customer ', seq), concat('c', seq, '@example.com'), mod(seq * 7919, 1000000) / 100,
       elt(1 + mod(seq, 3), 'new', 'active', 'gone'), date '2020-01-01' + interval mod(seq, 2000) day,
       if(mod(seq, 4) = 0, repeat('A note. ', 12), null)
from seq_1_to_{count}
"""


class Shop(Struct, frozen=True):
    """Holds the source, and the environment in which the tool finds both sides."""

    url: str
    env: dict[str, str]
    home: Path

    def write(self, rows: int) -> None:
        """Writes the file of syncs: one that reads the first so many rows, all of them each time."""
        query = QUERY.format(table="customers") + f" where id <= {rows}"
        changes = {"status": {"type": "choice", "value_map": {"new": "New", "active": "Active", "gone": "Gone"}}}
        sync = {
            "name": "bench",
            "source": {"query": query, "primary_key": "id"},
            "destination": {
                "table_id": TABLE_ID,
                "external_id_field": "External id",
                "field_mappings": {**FIELDS, "notes": "Notes"},
            },
            "transformations": changes,
        }
        (self.home / "config").mkdir(exist_ok=True)
        (self.home / "config" / "sync_mappings.yml").write_text(json.dumps({"syncs": [sync]}))

    def run(self, bench: Bench, database: str, *options: str, paced: bool = True) -> tuple[Spent, dict[str, Any], int]:
        """Runs the sync. Returns what it cost, what it tells of the rows, and its calls."""
        program = ("benchmarks.command",) if paced else ("benchmarks.syncs", "main.py")
        env = {**self.env, "DATABASE_URL": bench.postgres.url(database)}
        words = ("run", "--sync-name", "bench", "--json", *options)
        done = spent(*program, *words, env=env, postgres=bench.postgres.process)
        told = json.loads(done.out)
        return done, told["entities"][0], told["api"]["calls"]


def run(bench: Bench) -> None:
    """Measures and prints."""
    if not is_installed():
        print(f"\nSyncs: left out, MariaDB is not installed: {INSTALL}", flush=True)
        return
    table = Table(f"Syncs: {bench.rows:,} rows of MariaDB into SmartSuite")
    with scratch() as folder, _mariadb(folder, bench.rows) as source:
        _paced(bench, source, folder, table)
        _unpaced(bench, source, folder, table)
        _large(bench, source, folder, table)
    table.show()


def _paced(bench: Bench, source: PrivateServer, folder: Path, table: Table) -> None:
    """Measures a first run at the pace that SmartSuite allows."""
    rows = min(PACED_ROWS, bench.rows)
    with _shop(source, folder, "standard") as shop, bench.database() as name:
        shop.write(rows)
        first, told, _ = shop.run(bench, name)
    assert told["created"] == rows, told
    least = rows / client.BULK / CALLS_A_SECOND
    table.add(f"first run of {rows:,} rows, five calls a second", first.wall, "s")
    table.add("  / the time that these calls have to take", first.wall / least, "x", at_most=1.15)


def _unpaced(bench: Bench, source: PrivateServer, folder: Path, table: Table) -> None:
    """Measures a first run without pauses beside the bare script, and idle runs."""
    with _shop(source, folder, "off") as shop, bench.database() as name:
        shop.write(bench.rows)
        first, told, calls = shop.run(bench, name, paced=False)
        assert told["created"] == bench.rows, told
        idle = [shop.run(bench, name) for _ in range(bench.repeat)]
    with _shop(source, folder, "off") as shop:
        bare = spent("benchmarks.bare_sync", str(bench.rows), env={**shop.env, "BENCHMARK_TABLE": TABLE_ID})
    table.add("first run without pauses", first.wall, "s", 1)
    table.add("  / a bare script that sends the rows", first.wall / bare.wall, "x", at_most=2.0)
    table.add("  calls, beyond those with records", calls - -(-bench.rows // client.BULK), "", 0, 3)
    table.add("  CPU of the process", first.cpu, "s", 1)
    table.add("    / of the bare script", first.cpu / bare.cpu, "x")
    table.add("  CPU of PostgreSQL", first.postgres, "s", 1)
    table.add("  peak memory", first.memory / (1 << 20), "MB", 0, 120)
    assert all(told["unchanged"] == bench.rows for _, told, _ in idle)
    per_100_000 = [done.wall / bench.rows * 100_000 for done, _, _ in idle]
    table.add("idle run, for 100,000 rows", per_100_000, "s", at_most=3.0)
    table.add("  CPU of the process, for 100,000", [done.cpu / bench.rows * 100_000 for done, _, _ in idle], "s")
    table.add("  calls", [calls for _, _, calls in idle], "", 0, 0)
    table.add("  peak memory", [done.memory / (1 << 20) for done, _, _ in idle], "MB", 0, 120)


def _large(bench: Bench, source: PrivateServer, folder: Path, table: Table) -> None:
    """Measures whether memory grows with the query, by dry runs over a tenth of the rows and over ten times as many."""
    large, peaks = 10 * bench.rows, {}
    source.execute("delete from customers", FILL.format(count=large), database="shop")
    with _shop(source, folder, "off") as shop, bench.database() as name:
        for rows in (bench.rows // 10, large):
            shop.write(rows)
            done, told, _ = shop.run(bench, name, "--dry-run")
            assert told["created"] == rows, told
            peaks[rows] = done
    few, many = (peaks[rows].memory / (1 << 20) for rows in (bench.rows // 10, large))
    table.add(f"dry run over {large:,} new rows", peaks[large].wall, "s", 1)
    table.add("  peak memory", many, "MB", 0, 120)
    table.add(f"  / that of one over {bench.rows // 10:,}", many / few, "x", at_most=1.3)


@contextmanager
def _mariadb(folder: Path, rows: int) -> Iterator[PrivateServer]:
    (folder / "mariadb").mkdir()
    server = PrivateServer(folder / "mariadb")
    server.start()
    try:
        server.add_reader("shop", "reader", "made-up")
        made = [statement for statement in TABLES.read_text(encoding="utf-8").split(";\n") if statement.strip()]
        server.execute(*made, FILL.format(count=rows), database="shop")
        yield server
    finally:
        server.stop()


@contextmanager
def _shop(source: PrivateServer, home: Path, limits: str) -> Iterator[Shop]:
    """Starts an empty stand-in for SmartSuite."""
    words = ["-m", "sandbox", "--service", "smartsuite", "--port", "0", "--tables", "customers", "--account", ACCOUNT]
    words += ["--limits", limits, "--token", TOKEN]
    process = subprocess.Popen([sys.executable, *words], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        Admin(url, TOKEN)("state")
        address = source.address("shop", "reader", "made-up")
        env = {
            "MYSQL_HOST": address.host,
            "MYSQL_PORT": str(address.port),
            "MYSQL_USER": address.user,
            "MYSQL_PASSWORD": address.password,
            "MYSQL_DATABASE": address.database,
            "SMARTSUITE_API_URL": f"{url}/api/v1",
            "SMARTSUITE_TOKEN": TOKEN,
            "SMARTSUITE_ACCOUNT_ID": ACCOUNT,
            "MONDAY_SYNC_HOME": str(home),
        }
        yield Shop(url, env, home)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    client.INTERVAL_S = 0.0
    sys.argv[:] = [str(PROJECT / sys.argv[1]), *sys.argv[2:]]
    os.chdir(PROJECT)
    runpy.run_path(sys.argv[0], run_name="__main__")
