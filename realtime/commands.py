"""The commands that go on: `webhook`, `watch`, `scheduled`; and `webhooks`, which looks after the subscriptions."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from realtime import webhook_commands
from terminal import logs
from terminal.signals import INTERRUPTED, TERMINATED

if TYPE_CHECKING:
    from settings import Settings

DAEMON_LOG = "webhook_handler.log"
YEAR_MIN = 366 * 24 * 60

log = logs.log


def prepared(name: str = logs.LOG_FILE) -> Settings:
    """The settings, with logging set up as they say."""
    from settings import load_settings

    logs.to_stderr()
    settings = load_settings()
    logs.set_up(settings, name=name)
    return settings


def until_signalled() -> threading.Event:
    """Set by the first SIGTERM or SIGINT. The second ends the process where it is: whatever it does can be repeated."""
    asked = threading.Event()

    def signalled(number: int, frame: object) -> None:
        if asked.is_set():
            os._exit(TERMINATED if number == signal.SIGTERM else INTERRUPTED)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signalled)
    return asked


class Span(click.FloatRange):
    """A length of time within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. A nan is below no bound and above none, so the range alone would take it."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return found


entity_option = click.option("--entity", "entities", multiple=True, metavar="NAME", help="Only this entity.")
debounce_option = click.option(
    "--debounce", type=Span(0, 60), default=0.1, show_default=True, metavar="SECONDS",
    help="How long a row has to rest before its change is sent.",
)  # fmt: skip
catch_up_option = click.option(
    "--catch-up-every", type=Span(0.1, YEAR_MIN), default=60.0, show_default=True, metavar="MINUTES",
    help="How often both sides are compared, should an event have been lost.",
)  # fmt: skip


def register(cli: click.Group, command: Callable[..., Any], example: type[click.Command]) -> None:
    """Declare the commands."""
    webhook_commands.register(cli, example)

    @command("webhook", "webhook --host 127.0.0.1 --port 8080")
    @click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
    @click.option("--port", type=click.IntRange(0, 65535), help="0: any free one. [default: PORT, or 8080]")
    @entity_option
    @debounce_option
    @catch_up_option
    def webhook(host: str, port: int | None, entities: tuple[str, ...], debounce: float, catch_up_every: float) -> None:
        """Keep both sides equal in real time: take monday.com's webhooks, and push what SQL changes."""
        settings = prepared(DAEMON_LOG)
        from realtime.daemon import open_daemon
        from realtime.worker import WorkerSettings
        from webhook_handler import serve

        asked = until_signalled()
        with open_daemon(
            settings, entities, WorkerSettings(debounce_s=debounce, catch_up_every_s=catch_up_every * 60)
        ) as daemon:
            door = serve(daemon, host, settings.port if port is None else port, settings.webhook_secret)
            click.echo(f"listening on {door.url}")
            sys.stdout.flush()
            daemon.start()
            asked.wait()
            log.info("Stopping: what is in flight is finished first.")
            door.close()
            finished = daemon.stop()
        leave(finished)

    @command("watch", "watch --entity users")
    @entity_option
    @debounce_option
    @catch_up_option
    def watch(entities: tuple[str, ...], debounce: float, catch_up_every: float) -> None:
        """Push what SQL changes, within a second of its commit; without the webhooks."""
        settings = prepared(DAEMON_LOG)
        from realtime.daemon import open_daemon
        from realtime.worker import WorkerSettings

        asked = until_signalled()
        habits = WorkerSettings(pulls=False, debounce_s=debounce, catch_up_every_s=catch_up_every * 60)
        with open_daemon(settings, entities, habits) as daemon:
            daemon.start()
            click.echo(f"watching {', '.join(one.mapping.entity for one in daemon.workers.values())}")
            sys.stdout.flush()
            asked.wait()
            log.info("Stopping: what is in flight is finished first.")
            finished = daemon.stop()
        leave(finished)

    @command("scheduled", "scheduled --interval 30 --run-immediately")
    @click.option("--interval", type=Span(0.01, YEAR_MIN), metavar="MINUTES", help="Run this often. [default: 60]")
    @click.option("--cron", metavar="EXPRESSION", help='Run at these times (UTC): "*/5 * * * *" is every 5 minutes.')
    @click.option("--run-immediately", is_flag=True, help="Run once at the start, too.")
    @click.option(
        "--direction", type=click.Choice(["monday-to-pg", "pg-to-monday", "bidirectional"]), default="bidirectional",
        show_default=True, help="Which way to run.",
    )  # fmt: skip
    @entity_option
    @click.option(
        "--jitter", type=Span(0, 3600), default=5.0, show_default=True, metavar="SECONDS",
        help="Start up to so much later, so that many tools do not come at once.",
    )  # fmt: skip
    def scheduled(
        interval: float | None, cron: str | None, run_immediately: bool, direction: str, entities: tuple[str, ...],
        jitter: float,
    ) -> None:  # fmt: skip
        """Run again and again, until SIGTERM: the entity that is worked on is finished first."""
        from realtime.cron import Cron
        from realtime.scheduler import Schedule, run_scheduled

        if interval is not None and cron is not None:
            raise click.UsageError("--interval and --cron are two ways to say the same; use one of them.")
        times = Cron.parse(cron) if cron is not None else None
        settings = prepared()
        asked = until_signalled()
        plan = Schedule(interval or 60.0, times, run_immediately, jitter)
        run_scheduled(settings, plan, direction.replace("-", "_"), entities, asked)
        sys.exit(0)


def leave(finished: bool) -> NoReturn:
    """The way out of a daemon. A round that hangs in a call is left: it is found where it was the next time."""
    if not finished:
        log.warning("A round of work did not come to its end in time; the next start carries on from there.")
        sys.stdout.flush()
        os._exit(0)
    sys.exit(0)
