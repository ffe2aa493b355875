"""Reads a very large board under many failures: `python -m benchmarks.soak --only large_board`.

100,000 projects with some 40 mapped columns; 5 % of the answers are gateway errors, pages above 250 time out, the limits
of a plan apply, and the stand-in's clock runs ahead, so that cursors expire and days end. The command is run again
when it ends early, as a scheduler would do. At the end every item has its row, and memory did not grow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.boards import PROJECT, TOKEN
from db_connector import Database
from sandbox.client import Admin
from state.schema import init_db

BOARD = "6727219152"
MEGABYTES = 300
RUNS = 60
AHEAD = 20.0
"""Seconds by which the stand-in's clock gains on the real one, each second: an hour in three minutes."""
PROGRAM = "import resource, runpy, sys; sys.argv = sys.argv[1:]\n" + (
    "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\nfinally:\n"
    "    print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
)


def large_board(options: argparse.Namespace, connection: dict[str, Any]) -> bool:
    """Reads the board, and tells whether it is complete and memory stayed below the limit."""
    database = Database(**connection)
    init_db(database)
    given = (
        f"-m sandbox --port 0 --boards projects:{options.items} --token {TOKEN} --limits standard --seed {options.seed}"
    )
    command = [sys.executable, *given.split()]
    sandbox = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert sandbox.stdout is not None
    ended = threading.Event()
    try:
        url = sandbox.stdout.readline().strip()
        admin = Admin(url, TOKEN)
        admin("faults/add", kind="random_5xx", percent=5)
        admin("faults/add", kind="fail_above", above=250)
        threading.Thread(target=_run_ahead, args=(admin, ended), daemon=True).start()
        codes, peak = _run_until_done(admin, url, connection)
    finally:
        ended.set()
        sandbox.terminate()
        sandbox.wait()
    found = database.execute_query(
        """
        select count(*) as links, count(distinct monday_id) as items, count(distinct entity_id) as rows
        from sync_mapping
        where entity_type = 'project'
          and archived_at is null
        """
    )
    unfinished = database.execute_query("select count(*) as n from sync_listing")
    database.close()
    assert isinstance(found, list) and isinstance(unfinished, list)
    whole = codes[-1] == 0 and set(found[0].values()) == {options.items} and unfinished[0]["n"] == 0
    print(f"large_board: exits {codes}, {found[0]}, peak {peak} MB", flush=True)
    return whole and peak < MEGABYTES


def _run_ahead(admin: Admin, ended: threading.Event) -> None:
    while not ended.wait(1):
        admin("clock/advance", seconds=AHEAD)


def _run_until_done(admin: Admin, url: str, connection: dict[str, Any]) -> tuple[list[int], int]:
    """Runs the command until it succeeds, and returns its exit codes and its peak memory in MB."""
    codes: list[int] = []
    peak = 0
    address = f"postgresql:///?{urlencode(connection, quote_via=quote)}"
    with tempfile.TemporaryDirectory(prefix="monday-sync-soak-") as home:
        env = {
            "MONDAY_API_KEY": TOKEN,
            "MONDAY_API_URL": f"{url}/v2",
            "DATABASE_URL": address,
            "MONDAY_SYNC_HOME": home,
        }
        bare = {
            name: value for name, value in os.environ.items() if not name.startswith(("MONDAY_", "DATABASE_", "PG"))
        }
        while len(codes) < RUNS and (not codes or codes[-1] in (1, 3)):
            if codes:
                admin("clock/advance", seconds=24 * 3600)  # the next day
            started = time.monotonic()
            with open(Path(home) / "stderr", "w+") as errors:
                arguments = ["main.py", "monday-to-pg", "--entity", "projects"]
                child = subprocess.run(
                    [sys.executable, "-c", PROGRAM, *arguments],
                    cwd=PROJECT,
                    env={**bare, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
                errors.seek(0)
                said = errors.read().splitlines()
            peak = max([peak, *(int(line.split()[1]) for line in said if line.startswith("peak "))])
            codes.append(child.returncode)
            last = [line for line in said if not line.startswith("peak ")][-3:]
            seconds = time.monotonic() - started
            print(f"large_board: exit {child.returncode} after {seconds:.0f} s: {' | '.join(last)}", flush=True)
    return codes, peak
