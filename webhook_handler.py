"""Receives monday.com's webhooks (Flask under waitress), and reports the health of the daemon.

No event is taken without a good signature or a board's token. An event is stored and committed before it is
acknowledged; the daemon does the work. A refusal costs little and stores nothing.
"""

from __future__ import annotations

if __name__ == "__main__":
    from terminal import missing_package

    missing_package.watch()

import logging
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from flask import Flask, Response, request
from msgspec.structs import replace

from errors import DatabaseError, SettingsError, SyncError
from services.monday.webhook_events import Event, Hint, event_from, number
from services.monday.webhook_signatures import Access
from terminal.web_server import LARGEST_BODY, WebServer

log = logging.getLogger("monday_sync")

LONGEST_CHALLENGE = 1000
EVENTS_A_SECOND, EVENTS_AT_ONCE = 2_000.0, 10_000.0
REFUSALS_A_SECOND, REFUSALS_AT_ONCE = 5.0, 100.0

HttpAnswer = tuple[int, dict[str, Any]]
"""Status and JSON."""
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


# What the app needs of the daemon behind it


class Inbox(Protocol):
    """Stores events."""

    def write(self, event: Event, hints: tuple[Hint, ...]) -> bool:
        """Returns once the event is committed: False when it was known. Raises DatabaseError."""


class Deliveries(Protocol):
    """Counts deliveries."""

    def delivered(self, outcome: str) -> None: ...
    def acknowledged(self, seconds: float) -> None: ...


class Events(Protocol):
    """Takes the events of some boards."""

    @property
    def inbox(self) -> Inbox: ...
    @property
    def metrics(self) -> Deliveries: ...
    @property
    def boards(self) -> frozenset[str]: ...
    @property
    def heard(self) -> frozenset[str]:
        """Returns the boards whose events are taken."""

    @property
    def subitem_boards(self) -> dict[str, str]:
        """Returns the boards that hold subitems, by the board above."""

    def refused_an_event(self) -> None: ...


class Listener(Events, Protocol):
    """Keeps boards and tables equal, and deals with the events of the boards."""

    @property
    def threads(self) -> list[threading.Thread]:
        """Returns the threads that have to run until the daemon stops."""

    def start_run(self, entity: str, direction: str | None) -> tuple[str, bool] | None:
        """Returns the id of a run, and whether it is new; None for an entity that the daemon does not work on."""

    def health(self) -> dict[str, Any]: ...
    def measure(self) -> str: ...


# One delivery


class Bucket:
    """Allows `rate` deliveries a second, and `most` at once."""

    def __init__(self, rate: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._left, self._at = most, clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Says whether another delivery is allowed now."""
        with self._lock:
            now = self._clock()
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False  # too many at once
            self._left -= 1
            return True


class Receiver:
    """Decides about a delivery: challenge, event, or neither."""

    def __init__(self, gate: Access, listener: Events) -> None:
        self.gate, self.listener = gate, listener
        self.events = Bucket(EVENTS_A_SECOND, EVENTS_AT_ONCE)
        self.refusals = Bucket(REFUSALS_A_SECOND, REFUSALS_AT_ONCE)

    def answer(self, body: bytes, authorization: str | None, token: str | None) -> HttpAnswer:
        """Deals with a delivery, and returns the answer."""
        raw = _json(body)
        if isinstance(raw, dict) and "challenge" in raw and "event" not in raw:  # a webhook is being made
            return self._challenge(raw["challenge"])
        boards = self._boards(authorization, token)
        if boards is None:  # neither signature nor token
            return self.refused()
        event = event_from(raw)
        if event is None:  # JSON of another kind, or none
            return self._counted("malformed", 400, {"error": "this is no event"})
        if authorization is None and event.hints and not event.on(boards):
            return self.refused()  # the token is another board's
        if not event.hints and (board := self.gate.board_of(token or "")):
            event = replace(event, hints=(Hint(board, None),))  # names no board itself
        return self._keep(event, self._hints(event))

    def refused(self) -> HttpAnswer:
        """Returns the answer to a caller without permission: 401, and 429 when there are many."""
        if not self.refusals.take():
            return self._counted("refused", 429, {"error": "too many refused requests"})
        return self._counted("refused", 401, {"error": "not signed by monday.com, or not with this secret"})

    def _hints(self, event: Event) -> tuple[Hint, ...]:
        """Returns the hints about boards whose events are taken.

        For a subitem that was moved, monday.com names only the boards of the parents.
        """
        listener, moved = self.listener, number(event.body.get("subitem"))
        hints, heard = event.on(listener.boards), listener.heard
        below = listener.subitem_boards if moved else {}
        hints += tuple({Hint(below[hint.board_id], moved): hint for hint in hints if hint.board_id in below})
        return tuple(hint for hint in hints if hint.board_id in heard)

    def _challenge(self, text: Any) -> HttpAnswer:
        """Answers monday.com's question, unsigned and perhaps repeated, whether this is the right address."""
        if not isinstance(text, str) or len(text) > LONGEST_CHALLENGE:
            return self._counted("malformed", 400, {"error": "this is no challenge"})
        return self._counted("challenge", 200, {"challenge": text})

    def _boards(self, authorization: str | None, token: str | None) -> frozenset[str] | None:
        """Returns the boards whose events the sender may send; None when it may send none.

        A signature decides when there is one: a bad signature is refused, also with a good token.
        """
        if authorization is not None:
            return self.listener.boards if self.gate.signed(authorization) else None
        board = self.gate.board_of(token) if token is not None else None
        return None if board is None else frozenset({board})

    def _keep(self, event: Event, hints: tuple[Hint, ...]) -> HttpAnswer:
        if not hints:  # about boards that are not kept
            return self._counted("ignored", 200, {"ok": True, "ignored": "no board of ours"})
        if not self.events.take():  # more than the limit
            return self._counted("too_many", 429, {"error": "too many events; come again"})
        try:
            new = self.listener.inbox.write(event, hints)
        except DatabaseError as exc:
            # monday.com may stop repeating it before the database is back
            self.listener.refused_an_event()
            log.error("Event %s could not be stored: %s", event.trigger_id, exc.message)
            return self._counted("not_stored", 503, {"error": "not written down; come again"})
        return self._counted("stored" if new else "known", 200, {"ok": True, "new": new})

    def _counted(self, outcome: str, status: int, body: dict[str, Any]) -> HttpAnswer:
        self.listener.metrics.delivered(outcome)
        return status, body


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


# The app


def make_app(listener: Listener, gate: Access) -> Flask:
    """Returns the web app of a daemon."""
    app = Flask("webhook_handler", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    receiver = Receiver(gate, listener)
    _take_requests(app, listener, receiver)
    _show_state(app, listener)

    def addressed(path: str) -> tuple[Receiver, str | None] | None:
        first, _, token = path[1:].partition("/")
        return (receiver, token or None) if first == "webhook" and token.isalnum() == bool(token) else None

    app.wsgi_app = Shortcut(app.wsgi_app, addressed)  # type: ignore[method-assign, assignment]
    return app


def _take_requests(app: Flask, listener: Listener, receiver: Receiver) -> None:
    """Adds the addresses that take events and requests for a run."""

    @app.post("/webhook")
    @app.post("/webhook/<token>")
    def webhook(token: str | None = None) -> Response:
        return _shown(*receiver.answer(request.get_data(cache=False), request.headers.get("Authorization"), token))

    @app.post("/sync/<entity>")
    def sync(entity: str) -> Response:
        if not receiver.gate.knows(request.headers.get("Authorization", "")):
            return _shown(*receiver.refused())
        try:
            run = listener.start_run(entity, request.args.get("direction"))
        except SettingsError as exc:
            return _shown(400, {"error": exc.message})
        except SyncError as exc:
            return _shown(503, {"error": exc.message})
        if run is None:  # no such entity here
            return _shown(404, {"error": f"{entity} is not kept in step by this daemon."})
        run_id, started = run
        return _shown(202 if started else 409, {"run_id": run_id, "started": started})


def _show_state(app: Flask, listener: Listener) -> None:
    """Adds the addresses that show the state of the daemon."""

    @app.get("/livez")
    def livez() -> Response:
        dead = [thread.name for thread in listener.threads if not thread.is_alive()]
        return _shown(503 if dead else 200, {"status": "dead" if dead else "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        health = listener.health()
        return _shown(200 if health["ready"] else 503, health)

    @app.get("/health")
    def health() -> Response:
        return _shown(200, listener.health())

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(listener.measure(), mimetype="text/plain; version=0.0.4")


def _shown(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body), status, mimetype="application/json")


Addressed = Callable[[str], "tuple[Receiver, str | None] | None"]
"""Returns what takes the deliveries at a path, and the token in it; None for any other path."""


class Shortcut:
    """Answers plain deliveries without Flask, which would need more time for each than all other work."""

    def __init__(self, app: Wsgi, addressed: Addressed) -> None:
        self.app, self.addressed = app, addressed

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        plain = environ["REQUEST_METHOD"] == "POST" and length.isdecimal() and int(length) <= LARGEST_BODY
        found = self.addressed(environ["PATH_INFO"]) if plain else None
        # any other request: Flask answers it
        if found is None:
            return self.app(environ, start)
        began = time.perf_counter()
        receiver, token = found
        body = environ["wsgi.input"].read(int(length))
        status, answer = receiver.answer(body, environ.get("HTTP_AUTHORIZATION"), token)
        sent = orjson.dumps(answer)
        start(STATUS[status], [("Content-Type", "application/json"), ("Content-Length", str(len(sent)))])
        receiver.listener.metrics.acknowledged(time.perf_counter() - began)
        return [sent]


# Many accounts


class Accounts(Protocol):
    """Takes the events of many accounts."""

    def receiver(self, name: str) -> Receiver | None:
        """Returns what takes the events of an account; None for an unknown one. Raises SyncError."""

    def ready(self) -> dict[str, Any]: ...
    def measure(self) -> str: ...


def make_door(accounts: Accounts) -> Flask:
    """Returns the web app that takes the events of many accounts, each at addresses of its own."""
    app = Flask("webhook_handler", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    refusals = Bucket(REFUSALS_A_SECOND, REFUSALS_AT_ONCE)

    @app.post("/webhook/<account>")
    @app.post("/webhook/<account>/<token>")
    def webhook(account: str, token: str | None = None) -> Response:
        try:
            receiver = accounts.receiver(account)
        except SyncError as exc:
            log.error("Events of %s cannot be taken: %s", account, exc.message)
            return _shown(503, {"error": "not written down; come again"})
        if receiver is None:
            return _shown(404 if refusals.take() else 429, {"error": "there is no such address"})
        return _shown(*receiver.answer(request.get_data(cache=False), request.headers.get("Authorization"), token))

    @app.get("/livez")
    def livez() -> Response:
        return _shown(200, {"status": "ok"})

    @app.get("/readyz")
    @app.get("/health")
    def readyz() -> Response:
        ready = accounts.ready()
        return _shown(200 if ready["ready"] else 503, ready)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(accounts.measure(), mimetype="text/plain; version=0.0.4")

    app.wsgi_app = Shortcut(app.wsgi_app, _addressed(accounts))  # type: ignore[method-assign, assignment]
    return app


def _addressed(accounts: Accounts) -> Addressed:
    """Returns what finds the account of a delivery by its path."""

    def addressed(path: str) -> tuple[Receiver, str | None] | None:
        first, _, rest = path[1:].partition("/")
        account, _, token = rest.partition("/")
        if first != "webhook" or not token.isalnum():
            return None
        try:
            receiver = accounts.receiver(account)
        except SyncError:
            return None  # it is told below
        return None if receiver is None else (receiver, token)

    return addressed


# The server


def serve(listener: Listener, host: str, port: int, secret: str | None) -> WebServer:
    """Starts the web server of a daemon, and returns it."""
    server = WebServer(make_app(listener, Access(secret, listener.boards)), host, port)
    server.open()
    return server


if __name__ == "__main__":
    # As a program this file is the command `webhook`: main.py, which stands above it, runs in its place.
    import runpy
    import sys
    from pathlib import Path

    sys.argv[1:1] = ["webhook"]
    runpy.run_path(str(Path(__file__).with_name("main.py")), run_name="__main__")
