"""Measures the dashboard over a memory that has grown: each page, one that has not changed, the daemon beside open tabs.

The dashboard tells its own time in `Server-Timing`; bytes are those of the page without the files that browsers keep.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

import requests
from msgspec import Struct

from benchmarks.bench import Bench
from benchmarks.boards import PROJECT
from benchmarks.grown import FAR_BACK, ROWS, grow
from benchmarks.measure import Failed, spent
from benchmarks.realtime import Stage, child, edits, subscribe
from benchmarks.table import Table
from db_connector import Database
from mappings.loader import load_mappings
from mappings.query_syncs import FILE, load_syncs
from state import triggers
from state.schema import make_indexes

ABOUT = "pages of the dashboard at 1,000,000 log rows, and the daemon with ten tabs open"

TYPES = ("user", "project", "organization")
"""What the many rows are about. The contacts, which are synced meanwhile, are few."""
TIMES, POLLS, COMMANDS = 20, 40, 3
EDITS, TURNS = 40, 2
BEGIN_AND_COMMIT = 2
PAGES = (
    "/",
    "/entities/contacts",
    "/entities/users",
    "/entities/projects",
    "/entities/customers_sync",
    "/runs",
    "/runs?outcome=failed",
    "/runs?kind=http",
    "/runs?entity=users",
    "/runs?entity=organizations",
    "/sync",
    "/records",
    "/records?state=error",
    "/records?state=error&entity=users",
    "/records?state=set_aside",
    "/conflicts",
    "/conflicts?state=all",
    "/conflicts?entity=users&field=role_title",
    "/conflicts?field=no_such_field",
    "/retries",
    "/retries?entity=users",
    "/queues",
    "/boards",
    "/checks",
    "/proofs",
    "/alerts",
    "/accounts",
    "/charts",
    "/charts?span=30d",
    "/charts?span=200d",
    "/charts?span=200d&entity=users",
    "/log",
    "/log?entity=users",
    "/log?status=trouble",
    "/log?status=trouble&days=400",
    "/log?operation=update",
    "/log?operation=no_such",
    "/log?q=item-77",
    "/log?q=item-77&days=400",
    "/log?days=400",
    "/about",
)
TABS = (
    "/",
    "/runs",
    "/conflicts",
    "/retries",
    "/queues",
    "/log",
    "/alerts",
    "/proofs",
    "/charts",
    "/entities/contacts",
)
SYNCED = """
insert into sync_records (sync_name, source_key, table_id, record_id, base, source_hash, attempts, next_try_at, last_error)
select %(name)s, n::text, %(table)s, md5(n::text), jsonb_build_object('title', 'Sample ' || n, 'notes', repeat('x', 300)),
       md5(n::text), case when n %% 500 = 0 then 2 else 0 end, case when n %% 500 = 0 then now() + interval '1 hour' end,
       case when n %% 500 = 0 then 'no such choice' end
from generate_series(1, %(n)s) as n
"""
RECORD = {"/records/contacts/{}": "select entity_id from sync_mapping where entity_type = 'contact' order by 1 limit 1"}
EXPLAINS = "/records/contacts/"
"""It asks monday.com too, as `explain` does."""


class Asked(Struct, frozen=True):
    """Holds what the answers to one page have cost."""

    path: str
    took: list[float]
    """Milliseconds."""
    statements: int
    size: int

    @property
    def p95(self) -> float:
        """Returns the milliseconds that one answer of twenty exceeds."""
        return quantiles(self.took, n=20, method="inclusive")[18]


def run(bench: Bench) -> None:
    """Measures and prints."""
    boards = "organizations:5,contacts:200,users:50,projects:20"
    with bench.database() as name, child("sandbox", "--port", "0", "--boards", boards) as sandbox:
        stage, mapping = Stage(bench, name, sandbox.split()[-1]), load_mappings([PROJECT / "mappings"])["contacts"]
        stage.environment |= {"MONDAY_BOARD_ID_USERS": "5764059860", "MONDAY_BOARD_ID_DATA": "6727219152"}
        stage.environment = {key: value for key, value in stage.environment.items() if not key.startswith("DASHBOARD_")}
        with bench.postgres.open(name) as db:
            fill(stage, db)
            with served(stage) as base:
                pages(db, base)
            commands(stage)
            with db.transaction() as tx:
                triggers.install(tx, [mapping])
            with stage.daemon() as daemon, served(stage) as base:
                subscribe(stage, db, daemon, mapping)
                tabs(stage, db, base)


def fill(stage: Stage, db: Database) -> None:
    """Pulls the contacts, and makes everything else that is remembered large."""
    pull = [sys.executable, str(PROJECT / "main.py"), "monday-to-pg", "--entity", "contacts", "--quiet"]
    done = subprocess.run(pull, cwd=PROJECT, env=stage.environment, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Failed(done.stderr)
    began = time.perf_counter()
    make_indexes(db)
    fill_syncs(stage, db)
    grow(db, ROWS, TYPES)
    print(f"filled within {time.perf_counter() - began:.0f} s", flush=True)


def fill_syncs(stage: Stage, db: Database) -> None:
    """Sets up the syncs of the example, as if they had copied as many rows as there are links."""
    path = Path(stage.environment["MONDAY_SYNC_HOME"]) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((PROJECT / "config" / "sync_mappings.example.yml").read_text(encoding="utf-8"), encoding="utf-8")
    syncs = load_syncs(path.parent.parent).values()
    with db.transaction() as tx:
        for sync in syncs:
            tx.execute(SYNCED, {"name": sync.name, "table": sync.table_id, "n": ROWS // 10 // len(syncs)})


@contextmanager
def served(stage: Stage) -> Iterator[str]:
    """Starts `main.py dashboard`, and yields its address."""
    with child("main.py", "dashboard", "--port", "0", env=stage.environment) as line:
        yield line.split()[-1]


# Pages


def pages(db: Database, base: str) -> None:
    """Asks for every page, as HTML and as JSON, and for some that have not changed."""
    with db.transaction(read_only=True) as tx:
        named = [path.format(quote(str(tx.value(statement)))) for path, statement in {**FAR_BACK, **RECORD}.items()]
    session, paths = requests.Session(), [*PAGES, *named]
    html = [asked(session, base, path) for path in paths]
    json = [asked(session, base, path, "application/json") for path in paths]
    print(f"\nEach page, {TIMES} times: ms at p50 and p95, statements, kB; as JSON: ms at p95, kB")
    for page, data in zip(html, json, strict=True):
        figures = f"{median(page.took):7.1f} {page.p95:7.1f} {page.statements:4} {page.size / 1000:7.1f}"
        print(f"  {figures} | {data.p95:7.1f} {data.size / 1000:7.1f}   {page.path}", flush=True)
    table = Table(f"The dashboard: {ROWS:,} rows in the log, {ROWS // 10:,} links, {ROWS // 50:,} runs")
    of_memory = [page for page in (*html, *json) if not page.path.startswith(EXPLAINS)]
    explained = [page for page in (*html, *json) if page.path.startswith(EXPLAINS)]
    worst = max(of_memory, key=lambda page: page.p95)
    table.add(f"slowest page at p95: {worst.path}", worst.p95, "ms", 1, 100)
    table.add("a record, which asks monday.com too, at p95", max(page.p95 for page in explained), "ms", 1, 300)
    table.add("most statements of a page", max(page.statements for page in (*html, *json)), "", 0, 6)
    table.add("largest page", max(page.size for page in html) / 1000, "kB", 1, 80)
    polls = [unchanged(session, base, path) for path in TABS]
    table.add("a page that has not changed, at p95 of the slowest", max(polls), "ms", 1, 5)
    table.show()


def asked(session: requests.Session, base: str, path: str, kind: str = "text/html") -> Asked:
    """Asks for a page some times, after once to warm up."""
    took, statements, size = [], 0, 0
    for turn in range(TIMES + 1):
        answer = session.get(base + path, headers={"Accept": kind}, timeout=60)
        if answer.status_code != 200:
            raise Failed(f"{path}: {answer.status_code} {answer.text[:300]}")
        if turn:
            took.append(milliseconds(answer))
            statements, size = max(statements, sent(answer)), len(answer.content)
    return Asked(path, took, statements, size)


def milliseconds(answer: Any) -> float:
    """Returns what the server says of its time."""
    return float(re.search(r"dur=([\d.]+)", answer.headers["Server-Timing"])[1])  # type: ignore[index]


def sent(answer: Any) -> int:
    """Returns what the server says of its statements; `begin` and `commit` are none."""
    commands = int(re.search(r'desc="(\d+) commands"', answer.headers["Server-Timing"])[1])  # type: ignore[index]
    return max(0, commands - BEGIN_AND_COMMIT)


def unchanged(session: requests.Session, base: str, path: str) -> float:
    """Returns the milliseconds at p95 of a page that is told to be as it was."""
    tag = session.get(base + path, timeout=60).headers["ETag"]
    headers = {"If-None-Match": tag, "Accept": "text/html"}
    session.get(base + path, headers=headers, timeout=60)
    answers = [session.get(base + path, headers=headers, timeout=60) for _ in range(POLLS)]
    if wrong := [answer.status_code for answer in answers if answer.status_code != 304]:
        raise Failed(f"{path} was sent again {len(wrong)} times of {POLLS}: {wrong[:3]}")
    return quantiles([milliseconds(answer) for answer in answers], n=20, method="inclusive")[18]


# Commands


def commands(stage: Stage) -> None:
    """Measures whole commands that look at the same memory."""
    table = Table(f"Commands over {ROWS:,} rows in the log, from start to end")
    for words in (["--help"], ["status", "--json"], ["runs", "--json"], ["retry", "list", "--json"]):
        took = [spent("main.py", *words, env=stage.environment).wall for _ in range(COMMANDS)]
        table.add(f"main.py {' '.join(words)}", took, "s", 2)
    table.show()


# Tabs


def tabs(stage: Stage, db: Database, base: str) -> None:
    """Measures the daemon without tabs and with ten that read themselves again every two seconds, by turns."""
    alone: dict[str, list[float]] = {}
    watched: dict[str, list[float]] = {}
    edits(stage, db, 5)
    for _ in range(TURNS):
        _add(alone, edits(stage, db, EDITS))
        with child("benchmarks.tabs", base, *TABS):
            time.sleep(1.0)
            _add(watched, edits(stage, db, EDITS))
    table = Table(f"The daemon with {len(TABS)} tabs open: {EDITS * TURNS} edits each way, one at a time")
    for what, took in alone.items():
        table.add(f"{what}, median, no tab", median(took) * 1000, "ms", 1)
        table.add(f"{what}, median, with tabs", median(watched[what]) * 1000, "ms", 1)
        table.add("  with tabs / no tab", median(watched[what]) / median(took), "x", 2, 1.25)
        tails = [quantiles(found, n=20, method="inclusive")[18] for found in (took, watched[what])]
        table.add("  the same at p95", tails[1] / tails[0], "x", 2)
    table.show()


def _add(found: dict[str, list[float]], more: dict[str, list[float]]) -> None:
    for what, took in more.items():
        found.setdefault(what, []).extend(took)
