"""The only door to PostgreSQL: connections, transactions, bulk writes, and names in SQL.

    with db.transaction() as tx:
        known = tx.rows("select id, email from users where team_id = %s", (team,))
        tx.execute(compose("delete from {table} where id = %s", table=table_name('boards."Done (100%)"')), (4711,))

In a statement made by `compose` a literal % is written %%, with or without parameters; names may hold any character.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import psycopg2
from psycopg2 import extensions, extras, sql
from psycopg2.sql import Composable

from databases.postgres import failures as postgres_failures
from databases.postgres.casters import CASTERS
from databases.postgres.failures import TransactionConflict
from databases.postgres.names import compose, identifier, identifiers, table_name
from databases.postgres.text import CopyText, array_text, json_text, json_value
from errors import DatabaseError, DatabaseUnreachable, RowRejected, SettingsError
from settings import Settings, load_settings

__all__ = [
    *("Composable", "Database", "Transaction", "TransactionConflict"),
    *("compose", "connect", "db", "identifier", "identifiers", "joined", "json_text", "literal", "table_name"),
]

Row = tuple[Any, ...]
Params = Sequence[Any] | Mapping[str, Any] | None
T = TypeVar("T")

TRIES = 5
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
    # Compiling pays for minutes of reporting, not for the many short statements of a run.
    "jit": "off",
}


# Errors


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as exc:
        lost = not exc.pgcode and isinstance(exc, (psycopg2.OperationalError, psycopg2.InterfaceError))
        raise postgres_failures.meaning(exc.pgcode or "", _said(exc), lost) from exc
    except ValueError as exc:
        if not isinstance(exc, UnicodeEncodeError) and "NUL" not in str(exc):
            raise
        raise RowRejected(f"PostgreSQL cannot store this text: {exc}") from exc


def _said(exc: psycopg2.Error) -> str:
    """PostgreSQL's own words, on one line."""
    diagnosis = getattr(exc, "diag", None)
    said = (diagnosis and diagnosis.message_primary) or (str(exc).strip().splitlines() or ["no reason given"])[0]
    detail = diagnosis and diagnosis.message_detail
    return f"{said} ({detail.rstrip('.')})" if detail else said.rstrip(".")


# Transactions


class Transaction:
    """An open transaction (or, from `Database.autocommit`, a connection without one)."""

    def __init__(self, connection: Any, count: Callable[[], None]) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._count = count
        self._names = itertools.count()

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched or returned."""
        return self._cursor.rowcount

    def execute(self, statement: str | Composable, params: Params = None) -> int:
        """Run it; how many rows it touched."""
        if isinstance(statement, sql.Composable):
            statement, params = statement.as_string(self._connection), params or ()
        self._count()
        with _translated():
            self._cursor.execute(statement, params)
        return self._cursor.rowcount

    def rows(self, statement: str | Composable, params: Params = None) -> list[Row]:
        """All rows; none for a statement that returns none."""
        self.execute(statement, params)
        return self._fetched()

    def row(self, statement: str | Composable, params: Params = None) -> Row | None:
        """The first row, or None."""
        return next(iter(self.rows(statement, params)), None)

    def value(self, statement: str | Composable, params: Params = None) -> Any:
        """The first value of the first row, or None."""
        return next(iter(self.row(statement, params) or ()), None)

    def dicts(self, statement: str | Composable, params: Params = None) -> list[dict[str, Any]]:
        """All rows, by column name."""
        rows = self.rows(statement, params)
        names = [column.name for column in self._cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def stream(self, statement: str | Composable, params: Params = None, page: int = 1000) -> Iterator[list[Row]]:
        """Pages of rows, so that a large table never is in memory as a whole. Needs a transaction."""
        cursor = identifier(f"stream_{next(self._names)}")
        text = statement.as_string(self._connection) if isinstance(statement, sql.Composable) else statement
        text = text.replace("%", "%%") if params is None and isinstance(statement, str) else text
        self.execute(compose("declare {cursor} no scroll cursor for ", cursor=cursor) + sql.SQL(text), params)
        while page_of_rows := self.rows(compose(f"fetch {page:d} from {{cursor}}", cursor=cursor)):
            yield page_of_rows
        self.execute(compose("close {cursor}", cursor=cursor))

    def bulk(
        self,
        statement: str,
        columns: Mapping[str, str],
        rows: Iterable[Sequence[Any]],
        params: Mapping[str, Any] | None = None,
        **names: Composable,
    ) -> list[Row]:
        """One statement over many rows. `{rows}` in it stands for them, a table called `new`; other braces are `names`.

            tx.bulk(
                "insert into {table} (id, tags) select id, tags from {rows} on conflict (id) do nothing",
                {"id": "bigint", "tags": "text[]"},
                [(1, ["a", "b"]), (2, None)],
                table=table_name("public.items"),
            )
            tx.bulk("select email, u.id from {rows} join users u using (email)", {"email": "text"}, [("a@b.example",)])

        A value for json or jsonb is its text (`json_text`), a dict or a list. Further parameters are named: `%(now)s`
        with `params={"now": now}`.
        """
        given = list(rows)
        if not given:
            return []
        values = dict(params or {})
        for index, (kind, column) in enumerate(zip(columns.values(), zip(*given, strict=True), strict=True)):
            if kind in ("json", "jsonb"):
                column = tuple([json_text(cell) if isinstance(cell, list) else cell for cell in column])
            values[f"column {index}"] = array_text(column)
        self.execute(compose(statement, rows=_unnested(columns), **names), values)
        return self._fetched()

    def copy_in(self, table: str | Composable, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """COPY rows into a table, as fast as they come; how many. A list goes into an array column, a dict into jsonb."""
        target = table_name(table) if isinstance(table, str) else table
        statement = compose("copy {table} ({columns}) from stdin", table=target, columns=identifiers(columns))
        text = CopyText(rows)
        self._count()
        try:
            with _translated():
                self._cursor.copy_expert(statement.as_string(self._connection).replace("%%", "%"), text, 1 << 16)
        except DatabaseError:
            if text.error is None:
                raise
            with _translated():
                raise text.error from None
        return self._cursor.rowcount

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Work that can fail without ending the transaction: what is done in it is undone when it raises."""
        name = identifier(f"savepoint_{next(self._names)}")
        self.execute(compose("savepoint {name}", name=name))
        try:
            yield
        except Exception:
            if not self._connection.closed:
                self.execute(compose("rollback to savepoint {name}", name=name))
            raise
        self.execute(compose("release savepoint {name}", name=name))

    def lock(self, name: str) -> None:
        """Wait until no other transaction holds this advisory lock; it is ours until the end of the transaction."""
        self.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"monday-sync:{name}",))

    def _fetched(self) -> list[Row]:
        with _translated():
            return self._cursor.fetchall() if self._cursor.description else []

    def _commit(self) -> None:
        self.execute("commit")
        # Somebody who catches an error inside goes on in a failed transaction; COMMIT then undoes it and reports success.
        if self._cursor.statusmessage == "ROLLBACK":
            raise DatabaseError("A statement had failed, so PostgreSQL kept nothing of the transaction.")


def _unnested(columns: Mapping[str, str]) -> Composable:
    """`(select a::bigint, ... from unnest(...)) as new`. The cast comes last, because `unnest` flattens arrays of arrays."""
    for kind in columns.values():
        if not re.fullmatch(r'(?:[\w ."(),\[\]]|-\d)+', kind):
            raise DatabaseError(f"{kind!r} is no type.")
    casts = [compose(f"{{name}}::{kind} as {{name}}", name=identifier(name)) for name, kind in columns.items()]
    arrays = ", ".join(f"%(column {index})s::text[]" for index in range(len(columns)))
    return compose(
        f"(select {{casts}} from unnest({arrays}) as given ({{names}})) as new",
        casts=sql.SQL(", ").join(casts),
        names=identifiers(columns),
    )


# The database


class Server(Protocol):
    """A server that this process keeps alive (`databases.postgres.embedded`), with its data in a folder."""

    root: Path

    def start(self) -> Mapping[str, Any]: ...
    def stop(self) -> None: ...


class Database:
    """A database and a few connections to it, which threads may share.

    A time-out of 0 leaves the server's own. `wait_s` is how long a transaction waits for a free connection.
    """

    def __init__(
        self,
        dsn: str = "",
        *,
        max_connections: int = 8,
        lock_timeout_s: float = 10.0,
        statement_timeout_s: float = 0.0,
        wait_s: float = 30.0,
        server: Server | None = None,
        **connection: Any,
    ) -> None:
        self._options = {**CONNECTION_DEFAULTS, **_parsed(dsn), **connection, "client_encoding": "UTF8"}
        timeouts = {"lock_timeout": lock_timeout_s, "statement_timeout": statement_timeout_s}
        self._session = SESSION_SETTINGS | {name: f"{s * 1000:.0f}" for name, s in timeouts.items() if s}
        self._server = server
        self._idle: list[Any] = []
        self._places = threading.BoundedSemaphore(max_connections)
        self._guard = threading.Lock()
        self._closed = False
        self._wait_s = wait_s
        self.max_connections = max_connections
        self.statements = 0
        """How many commands were sent, `begin` and `commit` included."""

    @property
    def target(self) -> str:
        """Where it is, without the password; of a server of the tool's own, the folder that outlives its socket."""
        if self._server is not None:
            return str(self._server.root)
        host, port = self._options.get("host", "localhost"), self._options.get("port", 5432)
        return f"{host}:{port}/{self._options.get('dbname', '')}"

    def __repr__(self) -> str:
        return f"Database({self.target})"

    @contextmanager
    def transaction(self, tool: bool = True, read_only: bool = False, snapshot: bool = False) -> Iterator[Transaction]:
        """Commits at the end, rolls back on any exception. `snapshot`: one state of the database throughout.

        With `tool` the triggers know the transaction as the tool's own and do not report what it changes.
        """
        opening = "begin" + " isolation level repeatable read" * snapshot + " read only" * read_only
        if tool:
            opening += "; set local monday_sync.origin = 'tool'"
        with self._place():
            transaction = self._begun(opening)
            try:
                yield transaction
                transaction._commit()
            except BaseException:
                self._roll_back(transaction)
                raise
            finally:
                self._put_back(transaction._connection)

    def commit_one(self, statement: str | Composable, params: Params = None) -> list[Row]:
        """One statement that commits itself, in one round trip. When its connection dies it may run twice."""
        with self._place():
            while True:
                idle = self._taken()
                connection = idle or self._opened()
                try:
                    rows = Transaction(connection, self._count).rows(statement, params)
                except DatabaseUnreachable:
                    connection.close()
                    if idle is None:
                        raise
                except BaseException:
                    connection.close()
                    raise
                else:
                    self._put_back(connection)
                    return rows

    @contextmanager
    def autocommit(self) -> Iterator[Transaction]:
        """For what cannot run inside a transaction (`create database`, `vacuum`); every statement stands for itself."""
        with self._place():
            transaction = self._begun("select 1")
            try:
                yield transaction
            finally:
                self._put_back(transaction._connection)

    def run_in_transaction(self, function: Callable[[Transaction], T], tries: int = TRIES, **how: bool) -> T:
        """Do it in a transaction of its own, and again after a deadlock, a lock time-out or a serialization failure."""
        for attempt in range(1, tries):
            try:
                with self.transaction(**how) as transaction:
                    return function(transaction)
            except TransactionConflict:
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)
        with self.transaction(**how) as transaction:
            return function(transaction)

    def execute_query(
        self, query: str | Composable, params: Params = None, fetch: bool = True
    ) -> list[dict[str, Any]] | int:
        """One statement in a transaction of its own: its rows by column name or, with `fetch=False`, how many it touched.

        It counts as a person's doing, not as the tool's: what it changes is news and goes to monday.com.
        """
        with self.transaction(tool=False) as transaction:
            return transaction.dicts(query, params) if fetch else transaction.execute(query, params)

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Whether this advisory lock is now ours, until the end of the block or the death of the process."""
        connection = self._opened()
        holder = Transaction(connection, self._count)
        try:
            yield holder.value("select pg_try_advisory_lock(hashtextextended(%s, 0))", (f"monday-sync:{name}",))
        finally:
            connection.close()

    @contextmanager
    def held_lock(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """This advisory lock once nobody else has it, until the end of the block or the death of the process."""
        connection = self._opened()
        holder, waits = Transaction(connection, self._count), 0
        try:
            holder.execute("set lock_timeout = '1s'")  # libpq lets no signal through while it waits
            while True:
                try:
                    holder.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"monday-sync:{name}",))
                    break
                except TransactionConflict:
                    waits += 1
                    if waits == 1:
                        on_wait()
            yield
        finally:
            connection.close()

    def listen(self, channel: str, timeout_s: float = 60.0) -> Iterator[str | None]:
        """The payloads notified on a channel as they come; None when nothing came for `timeout_s`.

        The first None comes at once: from here on nothing is missed, so look then at what is already there.
        """
        connection = self._opened()
        try:
            Transaction(connection, self._count).execute(compose("listen {channel}", channel=identifier(channel)))
            yield None
            yield from _notifications(connection, timeout_s)
        finally:
            connection.close()

    def close(self) -> None:
        """Let go of all connections, and of the embedded server if there is one."""
        with self._guard:
            self._closed, idle, self._idle = True, self._idle, []
        for connection in idle:
            connection.close()
        if self._server:
            self._server.stop()

    # The pool

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_s):
            raise DatabaseError(f"All {self.max_connections} connections stayed in use for {self._wait_s:g} s.")
        try:
            yield
        finally:
            self._places.release()

    def _begun(self, opening: str) -> Transaction:
        """A transaction on a connection at hand; those that died while they lay there are passed over."""
        while connection := self._taken():
            try:
                return self._begin(connection, opening)
            except DatabaseUnreachable:
                continue
        return self._begin(self._opened(), opening)

    def _begin(self, connection: Any, opening: str) -> Transaction:
        try:
            transaction = Transaction(connection, self._count)
            transaction.execute(opening)
            return transaction
        except BaseException:
            connection.close()
            raise

    def _taken(self) -> Any:
        with self._guard:
            return self._idle.pop() if self._idle else None

    def _put_back(self, connection: Any) -> None:
        idle = not connection.closed and connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
        with self._guard:
            if idle and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _roll_back(self, transaction: Transaction) -> None:
        try:
            transaction.execute("rollback")
        except DatabaseError:
            transaction._connection.close()

    def _opened(self) -> Any:
        try:
            connection = self._connected()
        except DatabaseUnreachable:
            if self._server is None or self._closed:
                raise
            self._server.start()  # the embedded server died: it is ours to start again
            connection = self._connected()
        connection.autocommit = True
        for caster in CASTERS:
            extensions.register_type(caster, connection)
        extras.register_default_json(connection, loads=json_value)
        extras.register_default_jsonb(connection, loads=json_value)
        settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in self._session.items())
        Transaction(connection, self._count).execute(f"select {settings}")
        return connection

    def _connected(self) -> Any:
        try:
            return psycopg2.connect(**self._options)
        except psycopg2.Error as exc:
            # Without its cause: libpq may have put the connection string into it.
            raise postgres_failures.no_connection(self.target, _said(exc), self._options.get("password")) from None

    def _count(self) -> None:
        with self._guard:
            self.statements += 1


def _parsed(dsn: str) -> dict[str, Any]:
    try:
        options = extensions.parse_dsn(dsn)
        [int(port or 0) for port in str(options.get("port", "")).split(",")]
        return options
    except (psycopg2.Error, ValueError) as exc:
        # Without its cause, which quotes the connection string.
        if option := _unknown_option(dsn, str(exc)):
            hint = f"Take {option} out of what stands behind the ? of the address, or correct it."
            raise SettingsError(f"DATABASE_URL has an option that PostgreSQL does not know: {option}.", hint=hint) from None
        hint = "It looks like postgresql://user:password@host:5432/database, with %40 for a @ in the password."
        raise SettingsError("DATABASE_URL is no PostgreSQL address.", hint=hint) from None


def _unknown_option(dsn: str, said: str) -> str:
    """The option that libpq does not know, if it cannot be a piece of a password with a bare / ? & or @ in it."""
    found = re.search(r'invalid URI query parameter: "(\w+)"', said)
    whole = re.fullmatch(r"[a-z]+://[^/?@]*(@[^/?@]*)?(/[^?@]*)?\?[^@?]*", dsn) and "password" not in dsn.partition("?")[2]
    return found[1] if found and whole else ""


def _notifications(connection: Any, timeout_s: float) -> Iterator[str | None]:
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        while True:
            ready = selector.select(timeout_s)
            with _translated():
                connection.poll()
            if not ready:
                yield None
            while connection.notifies:
                yield connection.notifies.pop(0).payload


def connect(settings: Settings, **options: Any) -> Database:
    """The database of DATABASE_URL or, when that is not set, the embedded server's, started if nobody else has."""
    if settings.database_url:
        return Database(settings.database_url, **options)
    if os.name == "nt":
        raise SettingsError("The embedded PostgreSQL runs on Linux and macOS.", hint="Set DATABASE_URL, or use WSL.")
    from databases.postgres.embedded import server_of  # with its own imports; not needed where there is a server

    server = server_of(settings.home)
    return Database(server=server, **server.start(), **options)


class _LazyDatabase:
    """Connects at the first use, by the settings, so that importing this module does nothing."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._database: Database | None = None

    def __getattr__(self, name: str) -> Any:
        with self._guard:
            self._database = self._database or connect(load_settings())
        return getattr(self._database, name)


db = cast(Database, _LazyDatabase())
