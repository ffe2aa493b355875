"""Declares the commands that run until they are stopped: `webhook`, `watch`, `scheduled`."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from copy import copy
from typing import TYPE_CHECKING, Any, NoReturn

import click

from terminal import logs
from terminal.commands import Example, entities_option, prepared
from terminal.signals import INTERRUPTED
from timing import TERMINATED

if TYPE_CHECKING:
    from sync.run import Compose

DAEMON_LOG = "webhook_handler.log"
YEAR_MIN = 366 * 24 * 60

log = logs.log


class Span(click.FloatRange):
    """Accepts a length of time within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the number. A nan is below no bound and above none, so the range alone would take it."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return found


debounce_option = click.option(
    "--debounce",
    type=Span(0, 60),
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    help="The time that a row must stay unchanged before its change is sent.",
)
catch_up_option = click.option(
    "--catch-up-every",
    type=Span(0.1, YEAR_MIN),
    default=60.0,
    show_default=True,
    metavar="MINUTES",
    help="The time between comparisons of both sides, which find what a lost event did not report.",
)


@click.command("webhook", cls=Example, example="webhook --host 127.0.0.1 --port 8080")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), help="0: any free port. [default: PORT, or 8080]")
@entities_option
@debounce_option
@catch_up_option
@click.pass_obj
def webhook(
    compose: Compose, host: str, port: int | None, entities: tuple[str, ...], debounce: float, catch_up_every: float
) -> None:
    """Keep both sides equal in real time: receive monday.com's webhooks, and push what SQL changes.

    POST /sync/NAME with the secret runs an entity, or a sync of a query, which needs no key of monday.com.
    """
    settings = prepared(log_file=DAEMON_LOG)
    from realtime.daemon import open_daemon
    from realtime.worker_settings import WorkerSettings
    from webhook_handler import serve

    asked = until_signalled()
    workers = WorkerSettings(debounce_s=debounce, catch_up_every_s=catch_up_every * 60)
    with open_daemon(compose(), settings, entities, workers) as daemon:
        server = serve(daemon, host, settings.port if port is None else port, settings.webhook_secret)
        announce(f"listening on {server.url}")
        daemon.start()
        asked.wait()
        log.info("Stopping: what is in flight is finished first.")
        server.close()
        finished = daemon.stop()
    leave(finished)


@click.command("watch", cls=Example, example="watch --entity users")
@entities_option
@debounce_option
@catch_up_option
@click.pass_obj
def watch(compose: Compose, entities: tuple[str, ...], debounce: float, catch_up_every: float) -> None:
    """Push what SQL changes, within a second of its commit; without webhooks."""
    settings = prepared(log_file=DAEMON_LOG)
    from realtime.daemon import open_daemon
    from realtime.worker_settings import WorkerSettings

    asked = until_signalled()
    workers = WorkerSettings(pulls=False, debounce_s=debounce, catch_up_every_s=catch_up_every * 60)
    with open_daemon(compose(), settings, entities, workers) as daemon:
        daemon.start()
        announce(f"watching {', '.join(worker.mapping.entity for worker in daemon.workers.values())}")
        asked.wait()
        log.info("Stopping: what is in flight is finished first.")
        finished = daemon.stop()
    leave(finished)


@click.command("scheduled", cls=Example, example="scheduled --interval 30 --run-immediately")
@click.option(
    "--interval",
    type=Span(0.01, YEAR_MIN),
    metavar="MINUTES",
    help="Run this often. [default: SYNC_INTERVAL_MINUTES, or 60]",
)
@click.option("--cron", metavar="EXPRESSION", help='Run at these times (UTC): "*/5 * * * *" is every 5 minutes.')
@click.option("--run-immediately", is_flag=True, help="Run once at the start, too.")
@click.option(
    "--direction",
    type=click.Choice(["monday-to-pg", "pg-to-monday", "bidirectional"]),
    default="bidirectional",
    show_default=True,
    help="The direction of the runs.",
)
@entities_option
@click.option(
    "--jitter",
    type=Span(0, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Delay each run by a random time up to this, so that many tools do not start at once.",
)
@click.pass_obj
def scheduled(
    compose: Compose,
    interval: float | None,
    cron: str | None,
    run_immediately: bool,
    direction: str,
    entities: tuple[str, ...],
    jitter: float,
) -> None:
    """Run again and again, until SIGTERM; the entity that is being synced then is finished first."""
    from realtime.cron import Cron
    from realtime.scheduler import Schedule, run_scheduled
    from sync.command import collect_less_garbage

    if interval is not None and cron is not None:
        raise click.UsageError("--interval and --cron are two ways to say the same; use one of them.")
    times = Cron.parse(cron) if cron is not None else None
    settings = prepared()
    asked = until_signalled()
    collect_less_garbage()
    plan = Schedule(interval or settings.sync_interval_minutes, times, run_immediately, jitter)
    run_scheduled(compose(), settings, plan, direction.replace("-", "_"), entities, asked)
    sys.exit(0)


schedule = copy(scheduled)
schedule.name, schedule.example = "schedule", "schedule --interval 5 --run-immediately"
"""The same by another name."""


# Beginning and ending


def until_signalled() -> threading.Event:
    """Returns an event that the first SIGTERM or SIGINT sets. The second ends the process at once.

    Ending at once is safe: all work can be repeated.
    """
    asked = threading.Event()

    def signalled(number: int, frame: object) -> None:
        # the second signal
        if asked.is_set():
            os._exit(TERMINATED if number == signal.SIGTERM else INTERRUPTED)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signalled)
    return asked


def announce(line: str) -> None:
    """Writes at once a line for which other programs wait."""
    click.echo(line)
    sys.stdout.flush()


def leave(finished: bool) -> NoReturn:
    """Ends the process, even when a round hangs in a call: the next start finds its work undone and repeats it."""
    if not finished:
        log.warning("A round of work did not end in time; the next start continues it.")
        sys.stdout.flush()
        os._exit(0)
    sys.exit(0)
