"""Opens connections, and keeps a few of them for threads to share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import psycopg2
from msgspec import Struct
from psycopg2 import extensions, extras
from psycopg2.extensions import connection as Connection

from config.hiding import Hiding
from databases.postgres.casters import CASTERS
from databases.postgres.failures import no_connection, said_at_connect, translated
from databases.postgres.pooler import refuse_pooler
from databases.postgres.text import json_value
from databases.postgres.world import WORLD
from errors import DatabaseError, DatabaseUnreachable

CONNECTION_DEFAULTS = {
    "connect_timeout": 10,
    "fallback_application_name": "monday-sync",
    # A server that vanished without a word is noticed within a minute.
    **{"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3},
}
SESSION_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    # with serializable isolation, a reader would wait for every writer, its own process among them
    "default_transaction_deferrable": "off",
    # NULL in a list is none
    "array_nulls": "on",
    # all digits of a real and a double precision, whatever the role has set
    "extra_float_digits": "1",
    # Compiling pays for minutes of reporting, not for the many short statements of a run.
    "jit": "off",
}


class Server(Protocol):
    """Describes a server that this process keeps alive (`databases.postgres.embedded`), with its data in a folder."""

    root: Path

    def start(self) -> Mapping[str, Any]: ...
    def stop(self) -> None: ...


class Target(Hiding, Struct, frozen=True):
    """Holds where a database is, and with which settings each session begins."""

    HIDDEN: ClassVar = frozenset({"options", "session"})

    options: Mapping[str, Any]
    session: Mapping[str, str]
    server: Server | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], timeouts_s: Mapping[str, float], server: Server | None) -> Target:
        """Returns the target with the tool's defaults. A time-out of 0 leaves the server's own."""
        session = SESSION_SETTINGS | {name: f"{s * 1000:.0f}" for name, s in timeouts_s.items() if s}
        return cls({**CONNECTION_DEFAULTS, **options, "client_encoding": "UTF8"}, session, server)

    def __str__(self) -> str:
        """Names it without the password; a server of the tool's own by its folder, which outlives its socket."""
        if self.server is not None:
            return str(self.server.root)
        host, port = self.options.get("host", "localhost"), self.options.get("port", 5432)
        return f"{host}:{port}/{self.options.get('dbname', '')}"

    def __repr__(self) -> str:
        return f"Target({self})"

    def connect(self) -> Connection:
        """Opens a connection. Raises DatabaseUnreachable, without its cause: libpq may quote the connection string."""
        try:
            return psycopg2.connect(**self.options)
        except psycopg2.Error as exc:
            raise no_connection(str(self), said_at_connect(exc), self.options.get("password")) from None


class Pool:
    """Keeps connections that are not in use. `counted` is called for each statement that the pool itself sends."""

    def __init__(self, target: Target, max_connections: int, wait_s: float, counted: Callable[[], None]) -> None:
        self.target = target
        self.max_connections = max_connections
        self._wait_s = wait_s
        self._counted = counted
        self._idle: list[Connection] = []
        self._places = threading.BoundedSemaphore(max_connections)
        self._guard = threading.Lock()
        self._closed = self._seen_through = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Takes the right to use a connection. Raises DatabaseError when none becomes free in time."""
        if not self._places.acquire(timeout=self._wait_s):
            raise DatabaseError(f"All {self.max_connections} connections stayed in use for {self._wait_s:g} s.")
        try:
            yield
        finally:
            self._places.release()

    def taken(self) -> Connection | None:
        """Takes an idle connection; it may have been closed meanwhile."""
        with self._guard:
            return self._idle.pop() if self._idle else None

    def put_back(self, connection: Connection) -> None:
        """Keeps a connection for the next use; a connection that is not as good as new is closed."""
        idle = not connection.closed and connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
        with self._guard:
            # After `close` nothing is kept.
            if idle and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def opened(self, more: str = "") -> Connection:
        """Opens a new connection, in autocommit, that reads PostgreSQL's values as the tool wants them.

        `more` is what else its session begins with.
        """
        connection = self.bare()
        backend = self._begin_session(connection, more)
        # Once: what stands between stays the same.
        if not self._seen_through:
            try:
                refuse_pooler(connection, backend, self.target.options)
            except BaseException:
                connection.close()
                raise
            self._seen_through = True
        return connection

    def bare(self) -> Connection:
        """Opens the same, without the settings of a session: its one transaction begins with them (`settings`)."""
        try:
            connection = self.target.connect()
        except DatabaseUnreachable:
            if self.target.server is None or self._closed:
                raise
            self.target.server.start()  # the embedded server was killed: this process starts it again
            connection = self.target.connect()
        # `begin` and `commit` are sent by the transaction itself.
        connection.autocommit = True
        for caster in CASTERS:
            extensions.register_type(caster, connection)
        extras.register_default_json(connection, loads=json_value)
        extras.register_default_jsonb(connection, loads=json_value)
        return connection

    def _begin_session(self, connection: Connection, more: str) -> int:
        self._counted()
        with translated(), connection.cursor() as cursor:
            cursor.execute(f"{self.settings('false')}{more}, pg_backend_pid()")
            return int((cursor.fetchone() or (0,))[-1])

    def settings(self, local: str) -> str:
        """Returns the statement that begins a session, or what it lets one transaction see where `local` is true."""
        settings = ", ".join(f"set_config('{name}', '{value}', {local})" for name, value in self.target.session.items())
        return f"select {settings}, set_config('monday_sync.world', {WORLD}, {local})"

    def close(self) -> None:
        """Closes idle connections, and stops the embedded server if there is one. Others are closed when put back."""
        with self._guard:
            self._closed, idle, self._idle = True, self._idle, []
        for connection in idle:
            connection.close()
        if self.target.server:
            self.target.server.stop()
