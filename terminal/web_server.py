"""Serves a WSGI app on a socket, by waitress in a thread of its own. Slow connections are closed when there are many."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel

from errors import SettingsError

LARGEST_BODY = 256 * 1024
THREADS = 8
CONNECTIONS = 500
CROWDED = 400
"""From this number of connections on, idle connections are closed."""
ROOM_AFTER_S = 1.0
LOOK_EVERY_S, ALONE_S = 0.2, 60.0
"""How long it waits for something to happen: while there are connections, which may be too slow, and while there is none."""
IDLE_CONNECTION_S = 10
WHOLE_REQUEST_S = 15.0
"""A request that is not complete by then is dropped, even if more of it still arrives."""


class SlowReader(HTTPChannel):
    """Handles a connection whose requests must be complete within a time, so that slow senders do not use all."""

    patience_s = WHOLE_REQUEST_S
    begun: float | None = None

    def received(self, data: bytes) -> bool:
        """Takes what arrived; closes the connection when its request takes too long."""
        began = self.begun
        if began is not None and self.request is not None and time.monotonic() - began > self.patience_s:
            self.will_close = True
            return False
        found = bool(super().received(data))
        self.begun = None if self.request is None else began or time.monotonic()
        return found

    def make_room(self) -> None:
        """Closes the connection, unless a request is being answered or something arrived just now."""
        idle_s = time.time() - self.last_activity if self.begun is None else time.monotonic() - self.begun
        if not self.requests and idle_s > ROOM_AFTER_S:
            self.will_close = True


class WebServer:
    """Listens at an address from the start, and answers from `open` to `close`. `url` is that address."""

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        threads: int = THREADS,
        patience_s: float = WHOLE_REQUEST_S,
        proxy: str | None = None,
    ) -> None:
        """Takes the app and the address. `proxy` is an address that may say that its own client speaks https."""
        # A host name may stand for several addresses, each with a server of its own in one map.
        self._sockets: dict[int, Any] = {}
        try:
            self._server = create_server(
                app,
                map=self._sockets,
                host=host,
                port=port,
                threads=threads,
                connection_limit=CONNECTIONS,
                channel_timeout=IDLE_CONNECTION_S,
                cleanup_interval=2,
                max_request_body_size=LARGEST_BODY,
                max_request_header_size=32 * 1024,
                ident="",
                backlog=1024,
                trusted_proxy=proxy,
                trusted_proxy_headers={"x-forwarded-proto"} if proxy else set(),
            )
        except (OSError, ValueError) as exc:  # a ValueError when the host has no address
            wasyncore.close_all(self._sockets, ignore_all=True)
            raise _not_listening(host, port, exc) from exc
        self._alone = len(self._sockets)
        self._listening = [server for server in self._sockets.values() if hasattr(server, "channel_class")]
        for server in self._listening:
            server.channel_class = type("SlowReader", (SlowReader,), {"patience_s": patience_s})
        # It logs a line for each request that has to wait for a thread.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Returns the address at which it listens."""
        host, port = self._listening[0].effective_host, self._listening[0].effective_port
        return f"http://{f'[{host}]' if ':' in str(host) else host}:{port}"

    def open(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def close(self, patience_s: float = 10.0) -> None:
        """Answers the requests that have arrived, takes no more, and closes."""
        self._closing.set()
        if self._thread.is_alive():
            self._listening[0].pull_trigger()
            self._thread.join(patience_s)

    def _serve(self) -> None:
        while not self._closing.is_set():
            timeout = LOOK_EVERY_S if len(self._sockets) > self._alone else ALONE_S
            wasyncore.loop(timeout=timeout, use_poll=True, map=self._sockets, count=1)
            if len(self._sockets) > CROWDED:
                for channel in list(self._sockets.values()):
                    if isinstance(channel, SlowReader):
                        channel.make_room()
        for server in self._listening:
            server.accepting = False
        self._server.task_dispatcher.shutdown(cancel_pending=False, timeout=5)
        for _ in range(5):
            wasyncore.loop(timeout=0.02, use_poll=True, map=self._sockets, count=1)
        wasyncore.close_all(self._sockets, ignore_all=True)


def _not_listening(host: str, port: int, exc: OSError | ValueError) -> SettingsError:
    why = getattr(exc, "strerror", None) or str(exc).rstrip(".")
    return SettingsError(f"{host}:{port} cannot be listened at ({why}).", hint="Choose another with --host or --port.")
