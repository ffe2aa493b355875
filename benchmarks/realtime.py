"""Measures the daemon: from a board edit to the row, from a commit to the board, and how fast it acknowledges events.

The daemon, the stand-in for monday.com and the load are processes of their own. The stand-in answers at once;
monday.com takes some tenths of a second a call.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

import orjson

from benchmarks.bench import Bench, scratch
from benchmarks.boards import PROJECT
from benchmarks.measure import Failed
from benchmarks.table import Table
from db_connector import Database
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from monday_api import Monday
from realtime.subscriptions import Subscriptions
from sandbox.client import Admin
from services.monday.webhook_signatures import Access
from state import triggers

ABOUT = "webhooks into rows, commits onto the board, acknowledgements"

CONTACTS = "7810000101"
TOKEN = "sandbox-token-not-a-real-one"
SECRET = "a made-up secret of thirty-two bytes"
EDITS = 150
EVENTS = 4_000
CONNECTIONS = 8
BARE, TOOL = "benchmarks.bare_webhook", "webhook"


def run(bench: Bench) -> None:
    """Measures and prints."""
    with (
        bench.database() as name,
        child("sandbox", "--port", "0", "--boards", "organizations:5,contacts:200") as sandbox,
    ):
        stage, mapping = Stage(bench, name, sandbox.split()[-1]), load_mappings([PROJECT / "mappings"])["contacts"]
        with bench.postgres.open(name) as db:
            with db.transaction() as tx:
                triggers.install(tx, [mapping])
            with stage.daemon() as base:
                table = Table(f"Real time: {EDITS} edits each way, one at a time")
                latency(table, stage, db, base, mapping)
                table.show()
            table = Table(
                f"Acknowledgements: {EVENTS:,} signed events over {CONNECTIONS} connections, {bench.repeat} times"
            )
            acknowledgements(table, stage, bench.repeat)
            table.show()


class Stage:
    """Holds the database and the stand-in of this benchmark."""

    def __init__(self, bench: Bench, name: str, sandbox: str) -> None:
        self.url = bench.postgres.url(name)
        self.sandbox = sandbox
        self.admin = Admin(sandbox, TOKEN)
        self.home = bench.home
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("MONDAY_", "DATABASE_"))},
            "MONDAY_API_KEY": TOKEN,
            "MONDAY_API_URL": f"{sandbox}/v2",
            "DATABASE_URL": self.url,
            "MONDAY_SYNC_HOME": str(bench.home),
            "MONDAY_WEBHOOK_SECRET": SECRET,
            "MONDAY_BOARD_ID_CONTACTS": CONTACTS,
        }

    @contextmanager
    def daemon(self) -> Iterator[str]:
        """Starts `main.py webhook`, and waits until it has caught up and subscribed."""
        with child("main.py", "webhook", "--entity", "contacts", "--port", "0", env=self.environment) as line:
            base = line.split()[-1]
            wait(lambda: get(base, "/health")["entities"]["contacts"]["caught_up"], 60)
            yield base


@contextmanager
def child(module: str, *arguments: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Starts a server as a process of its own, and yields the first line that it prints."""
    program = [str(PROJECT / module)] if module.endswith(".py") else ["-m", module]
    errors = tempfile.TemporaryFile("w+", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=PROJECT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            errors.seek(0)
            raise Failed(f"{module} did not start: {errors.read()[-1000:]}")
        yield line
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        errors.close()


def get(base: str, path: str) -> Any:
    """Gets a page of the daemon."""
    import urllib.request

    with urllib.request.urlopen(base + path, timeout=10) as answer:
        return orjson.loads(answer.read())


def wait(true: Callable[[], Any], seconds: float = 10.0) -> float:
    """Waits until a condition is true, and returns the seconds."""
    began = time.perf_counter()
    while not true():
        if time.perf_counter() - began > seconds:
            raise Failed(f"not within {seconds} s")
        time.sleep(0.004)
    return time.perf_counter() - began


# From one side to the other


def latency(table: Table, stage: Stage, db: Database, base: str, mapping: Mapping) -> None:
    """Measures edits on the board and in the table, one after another, until the other side shows each."""
    with Monday(token=TOKEN, url=f"{stage.sandbox}/v2") as monday:
        steps = Subscriptions(db, monday, Access(SECRET, [CONTACTS]), f"{base}/webhook").register(mapping, CONTACTS)
    if problems := [step.problem for step in steps if step.problem]:
        raise Failed(problems[0])
    pairs = rows(db, "select monday_id, entity_id from sync_mapping where entity_type = 'contact' order by monday_id")
    dice, numbers = random.Random(1), itertools.count()
    to_row = [to_postgres(stage, db, dice.choice(pairs), f"board {next(numbers)}") for _ in range(EDITS)]
    to_board = [to_monday(stage, db, dice.choice(pairs), f"row {next(numbers)}") for _ in range(EDITS)]
    for what, took in (("board edit to row", to_row), ("commit to board", to_board)):
        table.add(f"{what}, median", median(took), "s", 3, 1.0)
        table.add(f"{what}, p99", quantiles(took, n=100)[98], "s", 3, 3.0)
        table.add(f"{what}, slowest", max(took), "s", 3)


def to_postgres(stage: Stage, db: Database, pair: tuple[str, str], text: str) -> float:
    """Returns the seconds from an edit on the board until the row shows it."""
    item, row = pair
    began = time.perf_counter()
    stage.admin("items/change", item_id=item, values={"notes": text})
    wait(lambda: rows(db, "select notes from contacts where id = %s", row)[0][0] == text)
    return time.perf_counter() - began


def to_monday(stage: Stage, db: Database, pair: tuple[str, str], text: str) -> float:
    """Returns the seconds from a commit until the board shows it."""
    item, row = pair
    with db.transaction(tool=False) as tx:
        tx.execute("update contacts set notes = %s where id = %s", (text, row))
    began = time.perf_counter()
    wait(lambda: shown(stage, item) == text)
    return time.perf_counter() - began


def shown(stage: Stage, item: str) -> str:
    """Returns the notes that the board shows."""
    answer = stage.admin.query('query($i:[ID!]){items(ids:$i){column_values(ids:["notes"]){text}}}', None, i=[item])
    return str(answer["data"]["items"][0]["column_values"][0]["text"])


def rows(db: Database, statement: str, *params: Any) -> list[Any]:
    """Returns the rows of a SELECT."""
    with db.transaction(read_only=True) as tx:
        return tx.rows(statement, params)


# Acknowledgements


def acknowledgements(table: Table, stage: Stage, repeat: int) -> None:
    """Sends the same load to the bare handler and to the daemon, in turns."""
    told: dict[str, list[dict[str, Any]]] = {BARE: [], TOOL: []}
    items = [item["id"] for item in stage.admin("boards/snapshot", board_id=CONTACTS)]
    with child(BARE, env=stage.environment) as line, stage.daemon() as base:
        urls = {BARE: line.split()[-1] + "/webhook", TOOL: base + "/webhook"}
        for turn in range(repeat + 1):
            for what, url in urls.items():
                found = load(stage, url, items, f"{what}-{turn}")
                if turn:  # the first turn warms up
                    told[what].append(found)
                time.sleep(1.0)
    rates = {what: [EVENTS / load["seconds"] for load in found] for what, found in told.items()}
    table.add("bare waitress, one INSERT and commit", rates[BARE], "a second", 0)
    table.add("the daemon, working them off meanwhile", rates[TOOL], "a second", 0)
    ratio = [bare / ours for bare, ours in zip(rates[BARE], rates[TOOL], strict=True)]
    table.add("  bare / daemon", ratio, "x", 2, 1.25)
    for what, name in ((BARE, "bare"), (TOOL, "daemon")):
        tails = [quantiles(load["took"], n=100)[98] * 1000 for load in told[what]]
        table.add(f"p99 of an acknowledgement, {name}", tails, "ms", 1, 50 if what == TOOL else None)


def _event(item_id: str, trigger: str) -> str:
    event = {
        "app": "monday",
        "type": "update_column_value",
        "triggerTime": "2026-01-01T00:00:00.000Z",
        "subscriptionId": 466701570,
        "isRetry": False,
        "userId": 67214742,
        "originalTriggerUuid": None,
        "boardId": int(CONTACTS),
        "groupId": "topics",
        "pulseId": int(item_id),
        "pulseName": "Ann Lee",
        "columnId": "notes",
        "columnType": "text",
        "columnTitle": "Notes",
        "value": {"value": "new"},
        "previousValue": {"value": "old"},
        "changedAt": 1767225600.0,
        "isTopGroup": True,
        "triggerUuid": trigger,
    }
    return orjson.dumps({"event": event}).decode()


def load(stage: Stage, url: str, items: list[str], name: str) -> dict[str, Any]:
    """Sends the events, and returns what `benchmarks.load` measured."""
    bodies = [_event(items[number % len(items)], f"{name}-{number}") for number in range(EVENTS)]
    headers = {"Authorization": Access(SECRET, []).sign(time.time(), url)}
    with scratch() as folder:
        plan = folder / "plan.json"
        plan.write_bytes(orjson.dumps({"url": url, "connections": CONNECTIONS, "headers": headers, "bodies": bodies}))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", str(plan)],
            cwd=PROJECT,
            capture_output=True,
            check=True,
            timeout=300,
        )
    found = orjson.loads(done.stdout)
    if found["refused"]:
        raise Failed(f"{found['refused']} events were refused: {found['why']}")
    return dict(found)
