"""Serves HTTP: keeps connections alive, runs one thread per connection, and ends a connection badly when told to."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from sandbox.common.wire import Answer, Request

LARGEST_BODY = 200_000_000


class Site(Protocol):
    """Answers the requests that a server receives."""

    def answer(self, request: Request) -> Answer: ...

    def now(self) -> float:
        """Returns the time for the `Date` header."""
        ...


class Server(ThreadingHTTPServer):
    """Listens on an address and hands each request to a site."""

    # Requests that are still being answered must not keep the process alive.
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        self.site = site
        self._connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Ends the kept connections too: a closed server must not go on answering on them."""
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a client may hang up at any time."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sandbox", ""
    # Small answers would wait for an acknowledgement otherwise.
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: Server

    def do_POST(self) -> None:
        self._send(self.server.site.answer(self._request()))

    def do_PUT(self) -> None:
        self._send(self.server.site.answer(self._request()))

    def do_GET(self) -> None:
        self._send(self.server.site.answer(self._request()))

    def do_PATCH(self) -> None:
        self._send(self.server.site.answer(self._request()))

    def do_DELETE(self) -> None:
        self._send(self.server.site.answer(self._request()))

    def _request(self) -> Request:
        length = int(self.headers.get("Content-Length") or 0)
        return Request(
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(min(length, LARGEST_BODY)),
            base_url=self.server.url,
            method=self.command,
            path=urlsplit(self.path).path,
            query=urlsplit(self.path).query,
        )

    def _send(self, answer: Answer) -> None:
        if answer.end in ("reset", "close"):
            return self._hang_up(answer.end == "reset")
        if answer.end in ("last", "short"):
            self.close_connection = True
        body = answer.body[: len(answer.body) * 2 // 3] if answer.end in ("cut", "short") else answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body if answer.end == "short" else body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _hang_up(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # Closed with no time to linger, a connection ends with RST; detached, so that no FIN goes first.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            return
        self.connection.shutdown(socket.SHUT_RDWR)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Formats the stand-in's time for the `Date` header."""
        return super().date_time_string(self.server.site.now() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the requests are in the stand-in's own log."""


def serve_in_thread(server: Server) -> threading.Thread:
    """Starts a server in a thread of this process."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True, name="sandbox")
    thread.start()
    return thread
