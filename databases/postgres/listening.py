"""Waits for notifications of PostgreSQL."""

from __future__ import annotations

import selectors
from collections.abc import Iterator

from psycopg2.extensions import connection as Connection

from databases.postgres.failures import translated


def notifications(connection: Connection, timeout_s: float) -> Iterator[str | None]:
    """Yields payloads as they come, and None when nothing came for `timeout_s`."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        while True:
            ready = selector.select(timeout_s)
            with translated():
                connection.poll()
            if not ready:
                yield None
            while connection.notifies:
                yield connection.notifies.pop(0).payload
