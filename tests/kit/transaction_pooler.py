"""Stands between a client and PostgreSQL as a pooler in transaction mode does: each transaction gets another session."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

from psycopg2.extensions import make_dsn, parse_dsn


class TransactionPooler:
    """Takes connections on a port of its own. Statements come in messages of their own, as psycopg2 sends them."""

    def __init__(self, dsn: str) -> None:
        self._target = parse_dsn(dsn)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._free: list[socket.socket] = []
        self._guard, self._pids = threading.Lock(), itertools.count(700_000)
        self.url = make_dsn(dsn, host="127.0.0.1", port=self._listener.getsockname()[1], sslmode="disable")

    def __enter__(self) -> TransactionPooler:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for session in self._free:
            session.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), client:
            startup = _exactly(client, struct.unpack("!i", _exactly(client, 4))[0] - 4)
            session, greeting = self._opened(startup)
            client.sendall(greeting)
            self._put(session)
            held: socket.socket | None = None
            while True:
                kind, body = _message(client)
                if kind == b"X":
                    return
                held = held or self._taken(startup)
                held.sendall(kind + struct.pack("!i", len(body) + 4) + body)
                while True:
                    kind, body = _message(held)
                    client.sendall(kind + struct.pack("!i", len(body) + 4) + body)
                    if kind == b"Z":
                        break
                # no transaction is open: the session serves whoever is next
                if body == b"I":
                    self._put(held)
                    held = None

    def _opened(self, startup: bytes) -> tuple[socket.socket, bytes]:
        """Opens a session, and returns the greeting with a number of the pooler's own for its process."""
        session = self._connected()
        session.sendall(struct.pack("!i", len(startup) + 4) + startup)
        greeting = b""
        while True:
            kind, body = _message(session)
            if kind == b"K":
                body = struct.pack("!i", next(self._pids)) + body[4:]
            greeting += kind + struct.pack("!i", len(body) + 4) + body
            if kind in (b"Z", b"E"):
                return session, greeting

    def _connected(self) -> socket.socket:
        host, port = str(self._target.get("host", "localhost")), int(self._target.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        session = socket.socket(socket.AF_UNIX)
        session.connect(f"{host}/.s.PGSQL.{port}")
        return session

    def _put(self, session: socket.socket) -> None:
        with self._guard:
            self._free.append(session)

    def _taken(self, startup: bytes) -> socket.socket:
        """Takes the session that was used last, as poolers do: the caches are warm."""
        with self._guard:
            if self._free:
                return self._free.pop()
        return self._opened(startup)[0]


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(source, 1)
    return kind, _exactly(source, struct.unpack("!i", _exactly(source, 4))[0] - 4)


def _exactly(source: socket.socket, number: int) -> bytes:
    parts: list[Any] = []
    while number > 0:
        part = source.recv(number)
        if not part:
            raise EOFError
        parts.append(part)
        number -= len(part)
    return b"".join(parts)
