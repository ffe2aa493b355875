"""Stands between the tool and a sandbox: requests and answers pass unchanged, and a test acts at the one it names.

An act before a request is carried out can keep it from being so. An act after it comes before the answer is passed on.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from sandbox import Sandbox, SmartSuite

SECONDS = 20.0
UNANSWERED = "unanswered"
"""Returned by an act after which its request goes no further, and gets no answer."""

Act = Callable[[], object]


class Moment(Struct):
    """Names the request at which an act is done: which of those that match, before or after it is carried out."""

    matches: Callable[[str, bytes], bool]
    number: int
    after: bool
    act: Act
    seen: int = 0


class Hold(Struct):
    """Stops a request, and says so, until it is let go."""

    operation: str
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    goes_on: bool = False
    """Whether a request that was held is carried out after all once it is let go."""

    def wait(self) -> object:
        self.reached.set()
        self.go.wait(SECONDS)
        return None if self.goes_on else UNANSWERED


class Passed(Struct, frozen=True):
    """Holds an answer of the sandbox on its way."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


class Relay:
    """Passes requests on to a sandbox, and counts them."""

    def __init__(self, sandbox: Sandbox | SmartSuite) -> None:
        self.target = urlsplit(sandbox.url).netloc
        self._named = operation_of if isinstance(sandbox, Sandbox) else suite_operation_of
        self.passed: Counter[str] = Counter()
        self.bodies: list[tuple[str, bytes]] = []
        self.drop_answers: set[str] = set()
        self.failed: list[BaseException] = []
        self._holds: list[Hold] = []
        self._moments: list[Moment] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def hold(self, operation: str, number: int = 1, after: bool = False) -> Hold:
        """Stops at a request from now on: that of this number among those of an operation (or PUT)."""
        hold = Hold(operation)
        self._holds.append(hold)
        self._add(Moment(lambda name, body: name == operation, number, after, hold.wait))
        return hold

    def act_at(self, number: int, when: str, act: Act, holding: bytes = b"") -> None:
        """Acts `before` or `after` a request: that of this number, from now on, among those that hold some text."""
        self._add(Moment(lambda name, body: holding in body, number, when == "after", act))

    def forget(self) -> None:
        """Acts at no request any more. Raises what an act has raised."""
        with self._lock:
            self._moments.clear()
        if self.failed:
            raise self.failed.pop()

    def _add(self, moment: Moment) -> None:
        with self._lock:
            self._moments.append(moment)

    def relay(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        operation = self._named(handler, body)
        self.bodies.append((operation, body))
        moments = self._moments_of(operation, body)
        if self._act(moments, after=False) is UNANSWERED:
            hang_up(handler)
            return
        answer = self._forward(handler, body)
        self._act(moments, after=True)
        if isinstance(answer, OSError) or operation in self.drop_answers:
            hang_up(handler, reset=is_reset(answer))
            return
        with suppress(OSError):
            pass_on(handler, answer)

    def _moments_of(self, operation: str, body: bytes) -> list[Moment]:
        """Counts a request. Returns the moments that have come with it."""
        with self._lock:
            self.passed[operation] += 1
            come = []
            for moment in [each for each in self._moments if each.matches(operation, body)]:
                moment.seen += 1
                if moment.seen == moment.number:
                    self._moments.remove(moment)
                    come.append(moment)
        return come

    def _act(self, moments: list[Moment], after: bool) -> object:
        said: object = None
        for moment in moments:
            if moment.after == after:
                try:
                    said = moment.act()
                except BaseException as exc:
                    self.failed.append(exc)
        return said

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Passed | OSError:
        """Returns the sandbox's answer, or how it broke the connection."""
        connection = http.client.HTTPConnection(self.target, timeout=SECONDS)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            content = answer.read().replace(f"http://{self.target}".encode(), self.url.encode())
            return Passed(answer.status, answer.getheaders(), content)
        except http.client.HTTPException as exc:
            return exc if isinstance(exc, OSError) else ConnectionError(str(exc))
        except OSError as exc:
            return exc
        finally:
            connection.close()

    def close(self) -> None:
        for hold in self._holds:
            hold.go.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, relay: Relay) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                relay.relay(self)

            do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that was killed."""


def operation_of(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    """Returns the name of a GraphQL operation, or the method."""
    if handler.command != "POST":
        return handler.command
    text = str(json.loads(body).get("query", ""))
    return text.split("(")[0].split("{")[0].split()[-1]


def suite_operation_of(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    """Returns what a call of SmartSuite does: `table`, `list`, `create`, `update`, `delete`, `restore`."""
    path = urlsplit(handler.path).path.rstrip("/")
    last = path.rpartition("/")[2]
    if last in ("list", "restore"):
        return last
    if last == "bulk_delete":
        return "delete"
    return {"POST": "create", "PATCH": "update", "DELETE": "delete"}.get(handler.command, "table")


def pass_on(handler: BaseHTTPRequestHandler, answer: Passed) -> None:
    """Sends an answer as the sandbox sent it, with its time."""
    handler.send_response_only(answer.status)
    for name, value in answer.headers:
        if name.lower() not in ("content-length", "connection"):
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(answer.content)))
    handler.end_headers()
    handler.wfile.write(answer.content)


def is_reset(answer: Passed | OSError) -> bool:
    """Tells a connection that was reset from one that was closed."""
    return isinstance(answer, ConnectionResetError) and not isinstance(answer, http.client.RemoteDisconnected)


def hang_up(handler: BaseHTTPRequestHandler, reset: bool = False) -> None:
    """Ends a connection without an answer."""
    handler.close_connection = True
    if reset:  # closed with no time to linger, a connection ends with RST; detached, so that no FIN goes first
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(handler.connection.detach())
