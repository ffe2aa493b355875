"""Serves the smallest webhook handler that stores an event before it answers: waitress, an INSERT, a commit.

`python -m benchmarks.bare_webhook`
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2
from waitress import create_server

THREADS = 8


def main() -> None:
    """Serves on a free port until the process ends."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    here = threading.local()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        # Each of waitress's threads keeps its connection.
        if not hasattr(here, "connection"):
            here.connection = psycopg2.connect(os.environ["DATABASE_URL"])
        with here.connection.cursor() as cursor:
            cursor.execute("insert into bare_inbox (body) values (%s)", (body.decode(),))
        here.connection.commit()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", "12")])
        return [b'{"ok": true}']

    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            create table if not exists bare_inbox (
                id bigint generated always as identity primary key,
                body jsonb,
                received_at timestamptz not null default clock_timestamp()
            )
            """
        )
    connection.close()
    server = create_server(app, host="127.0.0.1", port=0, threads=THREADS)
    print(f"listening on http://127.0.0.1:{server.effective_port}", flush=True)  # type: ignore[union-attr]
    server.run()


if __name__ == "__main__":
    main()
