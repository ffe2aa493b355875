"""Receives messages and pings over HTTP on loopback, and keeps each: as a channel of ALERT_URLS, and as HEARTBEAT_URL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRETS = ("s3cret-user", "s3cret-password", "s3cret-path", "s3cret-query")


class Receiver:
    """Holds what came, and says how it answers."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[dict[str, Any]] = []
        self.pings: list[str] = []
        self.status = 200
        self.reached, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.cuts = False
        """Closes the connection instead of answering."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.reached.set()
                if receiver.status < 300:
                    receiver.messages.append(json.loads(body))
                receiver.go.wait(60)
                if not receiver.cuts:
                    self.answer(receiver.status)

            def do_GET(self) -> None:
                receiver.pings.append(self.path)
                self.answer(200)

            def answer(self, status: int) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # the sender was killed

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    @property
    def url(self) -> str:
        """Returns its address as a channel, with a secret in every part."""
        user, password, path, query = SECRETS
        return f"json://{user}:{password}@127.0.0.1:{self.port}/{path}?{query}=1"

    @property
    def ping_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/abc"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Yields a receiver that listens."""
    receiver = Receiver(port)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.go.set()
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join(10)
