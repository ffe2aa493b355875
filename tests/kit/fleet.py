"""Runs an installation with several accounts: each with a sandbox and a database of its own, over one broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from msgspec import Struct, field

from db_connector import Database
from services.monday.webhook_signatures import token_of
from tests.kit.broker import Broker
from tests.kit.cli import MAIN, Done, run_main, start_python
from tests.kit.live import BOARDS, SECRET, LiveWorld, world
from tests.kit.postgres import Postgres
from tests.kit.rabbitmq import RabbitMq
from tests.kit.shipped import CONTACTS
from tests.kit.waiting import until


class Fleet(Struct):
    """Holds the accounts, and the processes that work for them."""

    home: Path
    control_url: str
    broker: Broker | RabbitMq
    worlds: dict[str, LiveWorld]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    base: str = ""
    """The address of a door."""

    @property
    def env(self) -> dict[str, str]:
        """Returns the settings of the installation."""
        return {
            "MONDAY_SYNC_HOME": str(self.home),
            "CONTROL_DATABASE_URL_FILE": str(self._file("control.url", self.control_url)),
            "BROKER_URL": self.broker.url,
            "LOG_FORMAT": "json",
            "WORKER_METRICS": "127.0.0.1:0",
        }

    def main(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """Runs a command of the installation."""
        return run_main(self.home, *arguments, env={**self.env, **(env or {})})

    def add(self, name: str) -> None:
        """Adds one of the accounts."""
        here = self.worlds[name]
        key = self._file(f"{name}.key", here.sandbox.token)
        url = self._file(f"{name}.url", here.url)
        secret = self._file(f"{name}.secret", SECRET + name)
        pairs = {"MONDAY_API_URL": here.sandbox.graphql_url, **BOARDS}
        done = self.main(
            *("accounts", "add", name, "--key-file", str(key), "--database-url-file", str(url)),
            *("--webhook-secret-file", str(secret)),
            *(word for pair in pairs.items() for word in ("--set", "=".join(pair))),
        )
        assert done.code == 0, done.err

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command that goes on, in a group of processes of its own."""
        return self._start(MAIN, *arguments)

    def celery_worker(self, slots: int, **transport: float) -> subprocess.Popen[str]:
        """Starts a worker as users of Celery do, with options for the connection to the broker."""
        options = f"broker.transport_options=(dict){json.dumps(transport)}"
        return self._start("-m", "celery", "-A", "jobs", "worker", "-c", str(slots), "--", options)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts Python anew: tests look at the command line and the environment of the process."""
        with open(self.home / f"{arguments[1]}.txt", "a", encoding="utf-8") as said:
            process = start_python(
                *arguments, env=self.env, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
        self.processes.append(process)
        return process

    def worker(self, slots: int = 2, name: str = "worker") -> subprocess.Popen[str]:
        """Starts a worker."""
        return self.start("worker", "--slots", str(slots), "--name", name)

    def door(self) -> str:
        """Starts a door, and returns its address."""
        process = self.start("door", "--port", "0")
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self.home / "door.txt").read_text()
        return line.split()[-1]

    def event(
        self,
        base: str,
        account: str,
        item_id: str,
        board: str = CONTACTS,
        secret: str = "",
        wait_s: float = 10.0,
        **members: Any,
    ) -> requests.Response:
        """Sends an event to a board's address at a door."""
        body = {"event": {"boardId": int(board), "pulseId": int(item_id), "type": "update_column_value", **members}}
        token = token_of(secret or SECRET + account, board)
        return requests.post(f"{base}/webhook/{account}/{token}", json=body, timeout=wait_s)

    def fleet(self) -> list[dict[str, Any]]:
        """Returns what `fleet` shows."""
        done = self.main("fleet", "--json")
        assert done.code == 0, done.err
        found: list[dict[str, Any]] = json.loads(done.out)["accounts"]
        return found

    def worker_metrics(self) -> str:
        """Returns what the worker that was started last shows of itself."""
        return requests.get(self._addresses_of_metrics()[-1], timeout=10).text

    def tasks_done(self, task: str) -> float:
        """Returns how many tasks of a kind the workers that live have done."""
        done = 0.0
        for address in self._addresses_of_metrics():
            with suppress(requests.ConnectionError):
                text = requests.get(address, timeout=10).text
                lines = [line for line in text.splitlines() if line.startswith("monday_sync_tasks_total")]
                done += sum(float(line.split()[-1]) for line in lines if f'task="{task}"' in line)
        return done

    def _addresses_of_metrics(self) -> list[str]:
        lines = [line for line in self.said().splitlines() if "Metrics of this worker" in line]
        return [str(json.loads(line)["message"].split()[-1]) for line in lines]

    @contextmanager
    def control(self) -> Iterator[Database]:
        """Opens the control database."""
        db = Database(self.control_url)
        try:
            yield db
        finally:
            db.close()

    def alive(self) -> list[subprocess.Popen[str]]:
        """Returns the processes that go on."""
        return [process for process in self.processes if process.poll() is None]

    def stop(self, process: subprocess.Popen[str]) -> None:
        """Kills a process with its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def leave(self, process: subprocess.Popen[str]) -> None:
        """Asks a process to end, and waits until it has."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            self.stop(process)
            raise

    def end(self) -> None:
        """Ends all processes, each with its children."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def said(self) -> str:
        """Returns all that the processes wrote to stderr."""
        return "\n".join(path.read_text(errors="replace") for path in self.home.glob("*.txt"))

    def _file(self, name: str, text: str) -> Path:
        path = self.home / name
        if not path.exists():
            path.write_text(text)
        return path


@contextmanager
def databases(postgres: Postgres, template: str, accounts: int = 2) -> Iterator[list[str]]:
    """Makes the control database, and one for each account."""
    names = [f"test_{postgres.run}_{uuid.uuid4().hex[:12]}" for _ in range(1 + accounts)]
    for name in names:
        postgres.create(name, template)
    yield [postgres.url(name) for name in names]
    for name in names:
        postgres.drop(name)


@contextmanager
def fleet(
    databases: Sequence[str],
    broker: Broker | RabbitMq,
    home: Path,
    names: Sequence[str] = ("acme", "globex"),
    **how: Any,
) -> Iterator[Fleet]:
    """Yields an installation whose accounts are added; no process works yet. `databases`: one more than accounts."""
    with ExitStack() as stack:
        worlds = {}
        for name, url in zip(names, databases[1:], strict=True):
            db = Database(url)
            stack.callback(db.close)
            worlds[name] = stack.enter_context(world(db, url, home / name, **how))
        made = Fleet(home, databases[0], broker, worlds)
        stack.callback(made.end)
        for name in names:
            made.add(name)
        yield made


def work_off(fleet: Fleet) -> None:
    """Has a worker make the first runs, and all else that is due, and leaves the installation without one."""
    worker, worlds = fleet.worker(), fleet.worlds.values()
    until(lambda: all(len(here.pairs()) == 6 and not here.differences() for here in worlds), 120, "the first runs")
    until(lambda: all(row["due"] == 0 for row in fleet.fleet()), 30, "an end of all work")
    fleet.leave(worker)
