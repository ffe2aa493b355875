"""The HTTP server: keep-alive, one thread per connection, and the ways a connection can end badly."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from sandbox.admin import AdminCalls
from sandbox.cells import encode
from sandbox.errors import Refusal
from sandbox.gateway import Answer, Gateway, Request, json_headers
from sandbox.service import Service

LARGEST_BODY = 200_000_000


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service = service
        self.gateway, self.admin = Gateway(service), AdminCalls(service)
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
        """Kept connections end with the server: what is closed must not go on answering."""
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sandbox", ""
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: Server

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self._body()
        if path == "/v2":
            answer = self._safely(lambda: self.server.gateway.answer(
                Request(self._headers(), body, self.server.url)))
        elif path.startswith("/admin/"):
            answer = self._safely(lambda: self._admin(path[len("/admin/"):], body))
        else:
            answer = Answer(404, b"Not found", {"Content-Type": "text/html"})
        self._send(answer)

    def do_PUT(self) -> None:
        path, body = urlsplit(self.path).path, self._body()
        chunked = "Transfer-Encoding" in self.headers

        def upload() -> Answer:
            if chunked:  # a signed storage address wants to know the length beforehand
                self.close_connection = True
                return Answer(411, b"<Error><Code>MissingContentLength</Code></Error>")
            if not path.startswith("/uploads/"):
                return Answer(404, b"")
            with self.server.service.world.lock:
                self.server.service.imports.upload(path.split("/")[2], self._headers(), body)
            return Answer(200, b"")

        self._send(self._safely(upload))

    def do_GET(self) -> None:
        path = urlsplit(self.path).path

        def report() -> Answer:
            if not path.startswith("/reports/"):
                return Answer(404, b"Not found")
            with self.server.service.world.lock:
                text = self.server.service.imports.report(path.split("/")[2])
            return Answer(200, text.encode(), {"Content-Type": "text/csv; charset=utf-8"})

        self._send(self._safely(report))

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(min(length, LARGEST_BODY))

    def _admin(self, call: str, body: bytes) -> Answer:
        service = self.server.service
        if service.user_of(self.headers.get("Authorization")) is None:
            return Answer(401, b'{"error":"the token is missing or wrong"}', json_headers())
        try:
            found = self.server.admin.answer(call, json.loads(body or b"{}"))
        except (KeyError, ValueError, TypeError, LookupError) as exc:
            return Answer(400, encode({"error": f"{type(exc).__name__}: {exc}"}).encode(), json_headers())
        return Answer(200, encode(found).encode(), json_headers())

    def _safely(self, work: Any) -> Answer:
        try:
            return work()
        except Refusal as exc:
            body = exc.body if isinstance(exc.body, str) else encode(exc.body)
            return Answer(exc.status, body.encode(), {"Content-Type": "application/xml", **exc.headers})
        except Exception:
            traceback.print_exc()
            return Answer(500, b'{"status_code":500,"error_message":"Internal server error",'
                               b'"error_code":"INTERNAL_SERVER_ERROR"}', json_headers())

    def _send(self, answer: Answer) -> None:
        if answer.end in ("reset", "close"):
            return self._hang_up(answer.end == "reset")
        body = answer.body[:len(answer.body) * 2 // 3] if answer.end == "cut" else answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _hang_up(self, reset: bool) -> None:
        self.close_connection = True
        if reset:  # closed with no time to linger, a connection ends with RST; detached, so that no FIN goes first
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            return
        self.connection.shutdown(socket.SHUT_RDWR)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """`Date` tells the sandbox's time."""
        return super().date_time_string(self.server.service.clock.now() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in the admin's log, not on stderr."""


def serve_in_thread(server: Server) -> threading.Thread:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True, name="sandbox")
    thread.start()
    return thread
