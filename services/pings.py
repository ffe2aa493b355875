"""Pings HEARTBEAT_URL: a service that misses the ping tells its user, also when this machine is off.

The address is a secret: it is in no log and in no error.
"""

from __future__ import annotations

import threading
from urllib.parse import urlsplit, urlunsplit

import requests

START, FAIL, GOOD = "/start", "/fail", ""
PATIENCE_S = (2.0, 2.0)


class Pings:
    """Pings before and after one run, each ping in a thread: a run does not wait for an answer."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._threads: list[threading.Thread] = []

    def send(self, what: str) -> None:
        """Sends a ping, after those before it."""
        if self._url is None:
            return
        before = self._threads[-1] if self._threads else None
        thread = threading.Thread(target=_ping_after, args=(before, self._url, what), name="ping", daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        """Waits until the last ping has its answer, so long at most."""
        if self._threads:
            self._threads[-1].join(max(0.0, seconds))


def _ping_after(before: threading.Thread | None, url: str, what: str) -> None:
    if before is not None:
        before.join()
    try:
        requests.get(address_of(url, what), timeout=PATIENCE_S, stream=True).close()
    except (requests.RequestException, ValueError):
        pass  # that no ping came is what its receiver tells


def address_of(url: str, what: str) -> str:
    """Returns the address of a ping; what is told goes to the end of its path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + what))
