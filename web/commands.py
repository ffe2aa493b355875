"""Declares the command `dashboard`, which serves the pages until it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import click

from terminal.commands import Example, prepared

if TYPE_CHECKING:
    from sync.run import Compose

DASHBOARD_LOG = "dashboard.log"
USUAL_PORT = 8081
LOCAL_PROXY = "127.0.0.1"
"""A proxy on this machine says whether the browser speaks https to it."""


@click.command("dashboard", cls=Example, example="dashboard --port 8081")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=USUAL_PORT,
    show_default=True,
    help="0: any free port.",
)
@click.pass_obj
def dashboard(compose: Compose, host: str, port: int) -> None:
    """Serve pages that show how things are and let a user decide: runs, conflicts, records, retries, checks, proofs.

    On another address than this machine's own it needs DASHBOARD_PASSWORD.
    """
    settings = prepared(log_file=DASHBOARD_LOG)
    from web.access import check_reach

    check_reach(settings, host)
    from terminal.web_server import WebServer
    from web.app import make_app
    from web.site import Site

    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with closing(Site(compose(), settings)) as site:
        server = WebServer(make_app(site, host), host, port, proxy=LOCAL_PROXY)
        server.open()
        click.echo(f"listening on {server.url}")
        sys.stdout.flush()
        asked.wait()
        server.close()
