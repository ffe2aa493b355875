"""Makes an installation with many accounts for `benchmarks.fleet`: databases, a broker, doors, workers, a beat.

One account is made and run once; the databases of the others are copies of its database. Their boards are those of
`benchmarks.null_account`, which answers every call after 300 ms.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
import psutil
from msgspec import Struct, field

from benchmarks.bench import scratch
from benchmarks.boards import PROJECT
from benchmarks.database import Postgres
from benchmarks.measure import Failed, Serving, cpu_of
from benchmarks.null_account import board_ids
from benchmarks.realtime import child
from databases.postgres.names import compose, identifier
from db_connector import Database, Transaction
from services.monday.webhook_signatures import token_of
from settings import Settings
from state.accounts import Accounts
from state.control import open_control
from state.due import Due, DueWork
from state.mapping_texts import write
from tests.kit.broker import Broker, broker
from tests.kit.fleet import Fleet
from tests.kit.rabbitmq import RabbitMq

BOARDS = 20
SECRET = "a made-up secret of thirty-two bytes"
LATENCY_S = 0.3
CONNECTIONS = 800
TABLE = """
create table {name} (
    id uuid primary key default gen_random_uuid(),
    title text,
    notes text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    archived_at timestamptz
)
"""
MAPPING = """
entity: {name}
title: Board {name}
direction: monday_to_pg
board:
  id: {board}
table: {name}
fields:
  - {{column: name, field: title}}
  - {{column: text1, field: notes}}
"""
SPREAD = """
update sync_due
set due_at = now() + random() * case task when 'look' then interval '10 minutes' else interval '1 day' end, sent_at = null
where task in ('look', 'run')
"""
CALM = "update sync_stats set hour = hour - interval '3 hours' where hour > now() - interval '3 hours'"
"""As if the last change was some hours ago."""
HUSH = "update sync_due set due_at = 'infinity', sent_at = null"
ASKED = """
update sync_state
set value = jsonb_set(value, '{at}', to_jsonb(now() - random() * interval '1 hour'))
where name = 'marks'
"""
WAITED = """
select extract(epoch from done_at - received_at)::float8
from sync_inbox
where trigger_id like %s and done_at is not null
"""


def entity(number: int) -> str:
    """Returns the name of an entity."""
    return f"b{number:02d}"


def account(number: int) -> str:
    """Returns the name of an account."""
    return f"a{number:05d}"


class Stage(Struct):
    """Holds the installation."""

    postgres: Postgres
    null: Serving
    fleet: Fleet
    broker: Broker | RabbitMq
    control: Database
    accounts: int
    databases: dict[str, str] = field(default_factory=dict)

    @property
    def due(self) -> DueWork:
        """Returns what is due."""
        return DueWork(self.control)

    def send(self, work: Iterable[Due] = (), sweep: bool = False) -> None:
        """Marks work, and sends all that is due, as the beat would."""
        from jobs.celery import send

        for due in (*self.due.mark(work, sweep=sweep), *(due for due, _ in self.due.take())):
            send(due)

    def settled(self, seconds: float = 300.0) -> float:
        """Waits until nothing is due, and returns the seconds."""
        return self.until(lambda: self.one("select count(*) from sync_due where due_at <= now()") == 0, seconds)

    def until(self, true: Callable[[], bool], seconds: float) -> float:
        """Waits until something is true, and returns the seconds."""
        began = time.perf_counter()
        while not true():
            if time.perf_counter() - began > seconds:
                raise Failed(f"not within {seconds} s: {self.fleet.said()[-800:]}")
            time.sleep(0.02)
        return time.perf_counter() - began

    def one(self, statement: str, *params: Any) -> Any:
        """Returns one value of the control database."""
        with self.control.transaction(read_only=True) as tx:
            return tx.value(statement, params)

    def in_account(self, name: str, act: Callable[[Transaction], Any]) -> Any:
        """Does something in the database of an account."""
        with self.postgres.open(self.databases[name]) as db, db.transaction() as tx:
            return act(tx)

    def waited(self, names: Sequence[str], pattern: str) -> list[float]:
        """Returns for how many seconds the events called so waited until they were dealt with."""
        found: list[float] = []
        for name in names:
            found += [row[0] for row in self.in_account(name, lambda tx: tx.rows(WAITED, (pattern,)))]
        return found

    @contextmanager
    def workers(self, count: int, slots: int) -> Iterator[list[float]]:
        """Runs workers, and yields the seconds after which each was ready."""
        with ExitStack() as stack:
            ready = []
            for number in range(count):
                process, took = self._ready(slots, f"w{number}")
                stack.callback(self.fleet.leave, process)
                ready.append(took)
            yield ready

    def _ready(self, slots: int, name: str) -> tuple[subprocess.Popen[str], float]:
        """Starts a worker. Returns it, and the seconds until it was ready."""
        ready = "Metrics of this worker"
        said = self.fleet.said().count(ready)
        process = self.fleet.worker(slots, name)
        return process, self.until(lambda: self.fleet.said().count(ready) > said, 60)

    def hush(self) -> None:
        """Lets nothing be due but what is asked for from now on."""
        self._all_due(HUSH)

    def calm(self) -> None:
        """Lets no account have written anything lately."""
        for name in self.databases:
            self.in_account(name, lambda tx: tx.execute(CALM))

    def spread(self) -> None:
        """Spreads what is due over time, as it is after a day of work."""
        self._all_due(SPREAD)

    def _all_due(self, statement: str) -> None:
        with self.control.transaction() as tx:
            tx.execute(statement)

    def address(self, base: str, name: str, board: str) -> str:
        """Returns where the events of a board are sent to."""
        return f"{base}/webhook/{name}/{token_of(SECRET, board)}"

    def processes(self) -> list[psutil.Process]:
        """Returns doors, workers and beats with their children."""
        found = [psutil.Process(process.pid) for process in self.fleet.alive()]
        return [*found, *(child for process in found for child in process.children(recursive=True))]

    def cpu_s(self) -> float:
        """Returns the CPU seconds of these processes until now."""
        times = [process.cpu_times() for process in self.processes()]
        return sum(time.user + time.system for time in times)

    def idle_costs(self) -> dict[str, float]:
        """Returns what all of it has cost until now: tasks, transactions, CPU seconds."""
        transactions = float(self.transactions())
        return {
            "transactions": transactions,
            "cpu_s": self.cpu_s(),
            "postgres_cpu_s": cpu_of(self.postgres.process),
            "looks": self.fleet.tasks_done("look"),
            "runs": self.fleet.tasks_done("run"),
        }

    def memory(self) -> int:
        """Returns the bytes of these processes. What processes share is counted once."""
        return sum(process.memory_full_info().pss for process in self.processes())

    def child_mb(self) -> float:
        """Returns the megabytes that a process of a worker has of its own, in the mean."""
        own = [process.memory_full_info().uss / 1e6 for process in self.processes() if "worker" in process.cmdline()]
        return sum(own) / len(own)

    def transactions(self) -> int:
        """Returns how many transactions PostgreSQL has ended until now."""
        time.sleep(2.0)  # a server process tells of them once a second
        return int(self.one("select sum(xact_commit + xact_rollback) from pg_stat_database"))


@contextmanager
def staged(postgres: Postgres, accounts: int) -> Iterator[Stage]:
    """Yields an installation in which nothing is due."""
    with (
        scratch() as home,
        child("benchmarks.null_account", "--latency", str(LATENCY_S)) as line,
        broker() as running,
    ):
        os.environ["BROKER_URL"] = running.url  # `jobs.celery` reads it when it is imported
        names = [account(number) for number in range(accounts)]
        control_url = postgres.url(postgres.fresh())
        control = open_control(Settings(control_database_url=control_url))
        stage = Stage(
            postgres, Serving(line.strip()), Fleet(home, control_url, running, {}), running, control, accounts
        )
        try:
            _first(stage, names[0])
            for name in names[1:]:
                _copy(stage, names[0], name)
            _know(stage, names)
            stage.hush()
            yield stage
        finally:
            stage.fleet.end()
            control.close()


def _first(stage: Stage, name: str) -> None:
    """Makes the account that the others are copies of, with its first runs."""
    stage.databases[name] = stage.postgres.fresh()

    def fill(tx: Transaction) -> None:
        for number, board in enumerate(board_ids(BOARDS)):
            tx.execute(compose(TABLE, name=identifier(entity(number))))
            write(tx, entity(number), MAPPING.format(name=entity(number), board=board), "benchmark")

    stage.in_account(name, fill)
    _add(stage, name)
    with stage.workers(1, 8):
        stage.send()
        stage.until(lambda: stage.one("select count(*) from sync_due where task = 'run'") == BOARDS, 60)
        stage.settled()
    stage.calm()
    if failed := stage.one("select message from sync_due where message is not null"):
        raise Failed(failed)


def _copy(stage: Stage, of: str, name: str) -> None:
    stage.databases[name] = f"fleet_{name}"
    given = compose(
        "create database {name} template {of}", name=identifier(f"fleet_{name}"), of=identifier(stage.databases[of])
    )
    with stage.postgres.open("postgres") as db, db.autocommit() as session:
        session.execute(given)
    stage.in_account(name, lambda tx: tx.execute(ASKED))
    _add(stage, name)
    homes = stage.fleet.home / "accounts"
    shutil.copytree(homes / of, homes / name)  # with what was read of its mappings


def _add(stage: Stage, name: str) -> None:
    home = stage.fleet.home

    def kept(kind: str, text: str) -> str:
        (home / f"{name}.{kind}").write_text(text)
        return str(home / f"{name}.{kind}")

    Accounts(stage.control).add(
        name,
        {
            "MONDAY_API_URL": f"{stage.null.url}/v2",
            "MONDAY_API_KEY_FILE": kept("key", f"a-made-up-key-of-{name}"),
            "MONDAY_WEBHOOK_SECRET_FILE": kept("secret", SECRET),
            "DATABASE_URL_FILE": kept("url", stage.postgres.url(stage.databases[name])),
        },
    )


def _know(stage: Stage, names: Sequence[str]) -> None:
    """Notes the entities of all accounts, as a look at each would."""
    with stage.control.transaction() as tx:
        tx.execute(
            """
            insert into sync_due (account, entity, task)
            select a.name, d.entity, 'run'
            from sync_accounts as a
            cross join sync_due as d
            where d.account = %s and d.task = 'run'
            on conflict do nothing
            """,
            (names[0],),
        )


def load(home: Path, url: str, bodies: list[str], connections: int) -> subprocess.Popen[str]:
    """Starts to send events over some connections, from a process of its own. `home` takes the file that says what."""
    plan = home / f"load-{random.randrange(1 << 30)}"
    plan.write_bytes(orjson.dumps({"url": url, "connections": connections, "headers": {}, "bodies": bodies}))
    command = [sys.executable, "-m", "benchmarks.load", str(plan)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def event(board: str, item_id: str, trigger: str) -> str:
    """Returns the body of an event."""
    about = {"type": "update_column_value", "columnId": "text1", "triggerUuid": trigger}
    return orjson.dumps({"event": {"boardId": int(board), "pulseId": int(item_id), **about}}).decode()
