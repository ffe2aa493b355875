"""The door that monday.com knocks at: a Flask app under waitress, and what it answers.

Nobody is let in without a good signature or a board's token. An event is written down and committed before it is
acknowledged; the work is done elsewhere. Refusals cost next to nothing and leave nothing behind.
"""

from __future__ import annotations

if __name__ == "__main__":
    from terminal import missing_package

    missing_package.watch()

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from flask import Flask, Response, request
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel

from errors import DatabaseError, SettingsError, SyncError
from realtime.daemon import Daemon
from services.monday.webhook_events import Event, Hint, event_from, number
from services.monday.webhook_signatures import Access
from state.inbox import InboxWriter
from sync.run import DIRECTIONS

log = logging.getLogger("monday_sync")

LARGEST_BODY = 256 * 1024
LONGEST_CHALLENGE = 1000
EVENTS_A_SECOND, EVENTS_AT_ONCE = 2_000.0, 10_000.0
REFUSALS_A_SECOND, REFUSALS_AT_ONCE = 5.0, 100.0
THREADS = 8
CONNECTIONS = 500
CROWDED = 400
"""So many, and those that have nothing to say have to make room."""
ROOM_AFTER_S = 1.0
IDLE_CONNECTION_S = 10
WHOLE_REQUEST_S = 15.0
"""A request that has not come whole by then is dropped, however busily it drips."""

Answer = tuple[int, dict[str, Any]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
STATUS = {one.value: f"{one.value} {one.phrase}" for one in HTTPStatus}


class Bucket:
    """Lets so many through a second, and so many at once."""

    def __init__(self, rate: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._left, self._at = most, clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more may pass."""
        with self._lock:
            now = self._clock()
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Writes(Protocol):
    """Where events go."""

    def write(self, event: Event, hints: tuple[Hint, ...]) -> bool: ...


class Receiver:
    """Decides about one delivery: challenge, event, or neither."""

    def __init__(self, gate: Access, inbox: Writes, daemon: Daemon) -> None:
        self.gate, self.inbox, self.daemon = gate, inbox, daemon
        self.events = Bucket(EVENTS_A_SECOND, EVENTS_AT_ONCE)
        self.refusals = Bucket(REFUSALS_A_SECOND, REFUSALS_AT_ONCE)

    def answer(self, body: bytes, authorization: str | None, token: str | None) -> Answer:
        """HTTP status and JSON."""
        raw = _json(body)
        if isinstance(raw, dict) and "challenge" in raw and "event" not in raw:
            return self._challenge(raw["challenge"])
        boards = self._boards(authorization, token)
        if boards is None:
            return self._refused()
        event = event_from(raw)
        if event is None:
            return self._counted("malformed", 400, {"error": "this is no event"})
        if authorization is None and event.hints and not event.on(boards):
            return self._refused()  # the token is another board's
        if not event.hints and (board := self.gate.board_of(token or "")):
            event = replace(event, hints=(Hint(board, None),))
        return self._keep(event, self._hints(event))

    def _hints(self, event: Event) -> tuple[Hint, ...]:
        """Those about boards that are heard. Of a subitem that was moved, monday.com tells the parents' boards alone."""
        hints, moved, heard = event.on(self.daemon.boards), number(event.body.get("subitem")), self.daemon.heard
        below = self.daemon.subitem_boards if moved else {}
        hints += tuple({Hint(below[hint.board_id], moved): hint for hint in hints if hint.board_id in below})
        return tuple(hint for hint in hints if hint.board_id in heard)

    def _challenge(self, text: Any) -> Answer:
        """monday.com asks, unsigned and perhaps again, whether this is the right address."""
        if not isinstance(text, str) or len(text) > LONGEST_CHALLENGE:
            return self._counted("malformed", 400, {"error": "this is no challenge"})
        return self._counted("challenge", 200, {"challenge": text})

    def _boards(self, authorization: str | None, token: str | None) -> frozenset[str] | None:
        """The boards that the sender may speak of; None when it may not speak at all.

        Who shows a signature is judged by it: a bad one is refused at a true address too.
        """
        if authorization is not None:
            return self.daemon.boards if self.gate.signed(authorization) else None
        board = self.gate.board_of(token) if token is not None else None
        return None if board is None else frozenset({board})

    def _refused(self) -> Answer:
        if not self.refusals.take():
            return self._counted("refused", 429, {"error": "too many refused requests"})
        return self._counted("refused", 401, {"error": "not signed by monday.com, or not with this secret"})

    def _keep(self, event: Event, hints: tuple[Hint, ...]) -> Answer:
        if not hints:
            return self._counted("ignored", 200, {"ok": True, "ignored": "no board of ours"})
        if not self.events.take():
            return self._counted("too_many", 429, {"error": "too many events; come again"})
        try:
            new = self.inbox.write(event, hints)
        except DatabaseError as exc:
            self.daemon.refused_an_event()
            log.error("Event %s could not be written down: %s", event.trigger_id, exc.message)
            return self._counted("not_stored", 503, {"error": "not written down; come again"})
        return self._counted("stored" if new else "known", 200, {"ok": True, "new": new})

    def _counted(self, outcome: str, status: int, body: dict[str, Any]) -> Answer:
        self.daemon.metrics.events.add(outcome)
        return status, body


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def make_app(daemon: Daemon, gate: Access, inbox: Writes) -> Flask:
    """The app over a daemon."""
    app = Flask("webhook_handler", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    receiver = Receiver(gate, inbox, daemon)

    def shown(status: int, body: Any) -> Response:
        return Response(orjson.dumps(body), status, mimetype="application/json")

    @app.post("/webhook")
    @app.post("/webhook/<token>")
    def webhook(token: str | None = None) -> Response:
        return shown(*receiver.answer(request.get_data(cache=False), request.headers.get("Authorization"), token))

    @app.post("/sync/<entity>")
    def sync(entity: str) -> Response:
        if not gate.knows(request.headers.get("Authorization", "")):
            return shown(*receiver._refused())
        direction = request.args.get("direction")
        if direction is not None and direction not in DIRECTIONS:
            return shown(400, {"error": f"direction is one of {', '.join(DIRECTIONS)}"})
        worker = daemon.worker_of(entity)
        if worker is None:
            return shown(404, {"error": f"{entity} is not kept in step by this daemon."})
        try:
            run_id, started = daemon.start_run(worker, direction or worker.direction)
        except SettingsError as exc:
            return shown(400, {"error": exc.message})
        except SyncError as exc:
            return shown(503, {"error": exc.message})
        return shown(202 if started else 409, {"run_id": run_id, "started": started})

    @app.get("/livez")
    def livez() -> Response:
        dead = [thread.name for thread in daemon.threads if not thread.is_alive()]
        return shown(503 if dead else 200, {"status": "dead" if dead else "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        health = daemon.health()
        return shown(200 if health["ready"] else 503, health)

    @app.get("/health")
    def health() -> Response:
        return shown(200, daemon.health())

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(daemon.measure(), mimetype="text/plain; version=0.0.4")

    app.wsgi_app = Shortcut(app.wsgi_app, receiver)  # type: ignore[method-assign, assignment]
    return app


class Shortcut:
    """Takes plain deliveries past Flask, which would take longer over each than all the rest together."""

    def __init__(self, app: Wsgi, receiver: Receiver) -> None:
        self.app, self.receiver = app, receiver

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, length = environ["PATH_INFO"], environ.get("CONTENT_LENGTH") or ""
        first, _, token = path[1:].partition("/")
        plain = environ["REQUEST_METHOD"] == "POST" and first == "webhook" and token.isalnum() == bool(token)
        if not plain or not length.isdecimal() or int(length) > LARGEST_BODY:
            return self.app(environ, start)
        began = time.perf_counter()
        body = environ["wsgi.input"].read(int(length))
        status, told = self.receiver.answer(body, environ.get("HTTP_AUTHORIZATION"), token or None)
        answer = orjson.dumps(told)
        start(STATUS[status], [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        self.receiver.daemon.metrics.acknowledge.observe(time.perf_counter() - began)
        return [answer]


# The server


class Impatient(HTTPChannel):
    """A connection whose requests have to come whole within a time, so that dripping ones do not fill the house."""

    patience_s = WHOLE_REQUEST_S
    begun: float | None = None

    def received(self, data: bytes) -> bool:
        began = self.begun
        if began is not None and self.request is not None and time.monotonic() - began > self.patience_s:
            self.will_close = True
            return False
        found = bool(super().received(data))
        self.begun = None if self.request is None else began or time.monotonic()
        return found

    def make_room(self) -> None:
        """Go, unless a request is being answered, or something came or went just now."""
        idle_s = time.time() - self.last_activity if self.begun is None else time.monotonic() - self.begun
        if not self.requests and idle_s > ROOM_AFTER_S:
            self.will_close = True


class Door:
    """The app on a socket, served by a thread of its own. `url` says where."""

    def __init__(
        self, app: Any, host: str, port: int, threads: int = THREADS, patience_s: float = WHOLE_REQUEST_S
    ) -> None:
        # A host name may stand for several addresses, each with a server of its own in one map.
        self._sockets: dict[int, Any] = {}
        try:
            self._server = create_server(
                app, map=self._sockets, host=host, port=port, threads=threads, connection_limit=CONNECTIONS,
                channel_timeout=IDLE_CONNECTION_S, cleanup_interval=2, max_request_body_size=LARGEST_BODY,
                max_request_header_size=32 * 1024, ident="", backlog=1024,
            )  # fmt: skip
        except (OSError, ValueError) as exc:  # a ValueError when the host has no address
            wasyncore.close_all(self._sockets, ignore_all=True)
            why = getattr(exc, "strerror", None) or str(exc).rstrip(".")
            raise SettingsError(
                f"{host}:{port} cannot be listened at ({why}).", hint="Choose another with --host or --port."
            ) from exc
        self._listening = [one for one in self._sockets.values() if hasattr(one, "channel_class")]
        for one in self._listening:
            one.channel_class = type("Impatient", (Impatient,), {"patience_s": patience_s})
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line a request, as soon as two come at once
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._listening[0].effective_host, self._listening[0].effective_port
        return f"http://{f'[{host}]' if ':' in str(host) else host}:{port}"

    def open(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self, patience_s: float = 10.0) -> None:
        """Answer what has come, take no more, and close."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(patience_s)

    def _serve(self) -> None:
        while not self._closing.is_set():
            wasyncore.loop(timeout=0.2, use_poll=True, map=self._sockets, count=1)
            if len(self._sockets) > CROWDED:
                for one in list(self._sockets.values()):
                    if isinstance(one, Impatient):
                        one.make_room()
        for one in self._listening:
            one.accepting = False
        self._server.task_dispatcher.shutdown(cancel_pending=False, timeout=5)
        for _ in range(5):
            wasyncore.loop(timeout=0.02, use_poll=True, map=self._sockets, count=1)
        wasyncore.close_all(self._sockets, ignore_all=True)


def serve(daemon: Daemon, host: str, port: int, secret: str | None) -> Door:
    """Open the door of a daemon."""
    inbox = InboxWriter(daemon.parts.db, daemon.arrived)
    door = Door(make_app(daemon, Access(secret, daemon.boards), inbox), host, port)
    door.open()
    return door


if __name__ == "__main__":
    from main import script

    script("webhook")
