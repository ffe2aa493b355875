"""Declares the commands of an installation with many accounts: `door`, `worker`, `beat`, `fleet`."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading

import click

from jobs.requirements import check_cluster
from terminal.commands import Example, json_option, prepared
from values.wording import minute_text, utc_or_none

NICENESS = 5
"""Of a door: its answers may come some milliseconds later, and monday.com repeats what was not answered."""


@click.command("door", cls=Example, example="door --port 8080")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), help="0: any free port. [default: PORT, or 8080]")
def door(host: str, port: int | None) -> None:
    """Take the events of all accounts, at /webhook/ACCOUNT/TOKEN; as many doors as you like."""
    settings = check_cluster(prepared())
    from jobs.celery import send
    from jobs.door import THREADS, Door
    from terminal.web_server import WebServer
    from webhook_handler import make_door

    _yield_processors()
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    taker = Door(settings, send)
    server = WebServer(make_door(taker), host, settings.port if port is None else port, THREADS)
    server.open()
    taker.start()
    click.echo(f"listening on {server.url}")
    sys.stdout.flush()
    asked.wait()
    server.close()
    taker.close()


def _yield_processors() -> None:
    """Leaves workers of the same machine what they need of its processors while a burst of events comes."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


@click.command("worker", cls=Example, example="worker --slots 8")
@click.option("--slots", type=click.IntRange(1, 256), default=4, show_default=True, help="Tasks at a time.")
@click.option("--queues", metavar="NAMES", help="Only these queues, with commas between them: loads, for example.")
@click.option("--name", default="worker", show_default=True, help="The name of the worker on this machine.")
def worker(slots: int, queues: str | None, name: str) -> None:
    """Work for all accounts, on this machine; as many workers as you like. WORKER_METRICS says where its metrics are."""
    check_cluster(prepared())
    from celery.utils.nodenames import default_nodename, host_format

    from jobs.celery import app

    # as `celery -A jobs worker` would, without Celery's command line, which takes longer to import than all else
    started = app.Worker(
        hostname=host_format(default_nodename(f"{name}@%h")),
        concurrency=slots,
        queues=queues,
        loglevel=logging.WARNING,
        without_gossip=True,
        without_mingle=True,
    )
    started.start()
    sys.exit(started.exitcode)


@click.command("beat", cls=Example, example="beat")
def beat() -> None:
    """Send out what is due, every 5 seconds. A second one does no harm."""
    check_cluster(prepared())
    from jobs.celery import app

    app.Beat(scheduler="celery.beat:Scheduler", pidfile="", loglevel="WARNING").run()


@click.command("fleet", cls=Example, example="fleet --json")
@json_option
def fleet(as_json: bool) -> None:
    """Show of all accounts what is due, since when, what failed and what is paused."""
    settings = prepared(quiet=True)
    from state.control import open_control
    from state.due import DueWork

    db = open_control(settings, max_connections=1)
    try:
        rows = DueWork(db).overview()
    finally:
        db.close()
    if as_json:
        times = ("paused_at", "heard_at")
        shown = [{key: utc_or_none(row[key]) if key in times else row[key] for key in row} for row in rows]  # type: ignore[arg-type]
        return click.echo(json.dumps({"accounts": shown}, indent=2))
    _show(rows)


def _show(rows: list[dict[str, object]]) -> None:
    from datetime import datetime

    from terminal.console import show_table

    def state(row: dict[str, object]) -> str:
        if isinstance(row["paused_at"], datetime):
            return f"paused since {minute_text(row['paused_at'])} by {row['paused_by']}"
        unheard = f"no door takes its events since {minute_text(row['heard_at'])}" if row["unheard"] else ""  # type: ignore[arg-type]
        return "; ".join(filter(None, (str(row["message"] or ""), unheard))) or "works"

    headings = ["account", "entities", "due", "oldest", "state"]
    found = [[row["account"], row["entities"], row["due"], f"{row['oldest_s']:.0f} s", state(row)] for row in rows]
    if not found:
        return click.echo("There is no account yet. Add one: python main.py accounts add NAME --key-file FILE")
    show_table("", headings, found, numbers=("entities", "due", "oldest"))
