"""Connects to PostgreSQL: transactions, bulk writes, locks, notifications.

    with db.transaction() as tx:
        known = tx.rows("select id, email from users where team_id = %s", (team,))
        tx.execute(compose("delete from {table} where id = %s", table=table_name('boards."Done (100%)"')), (4711,))

In a statement made by `compose` a literal % is written %%, with or without parameters; names may hold any character.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, TypeVar, cast

from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import connection as Connection
from psycopg2.sql import Composable

from databases.postgres import dsn as postgres_dsn
from databases.postgres import locks
from databases.postgres.failures import TransactionConflict, translated
from databases.postgres.inserting import INSERT, copied
from databases.postgres.lazy import Lazy
from databases.postgres.listening import notifications
from databases.postgres.names import compose, identifier, identifiers, joined, literal, table_name
from databases.postgres.pool import Pool, Server, Target
from databases.postgres.retrying import IN_THE_WAY, Patience, described
from databases.postgres.text import array_text, json_text, unnested
from databases.postgres.transactions import Remembered
from errors import DatabaseError, DatabaseUnreachable, SettingsError
from settings import Settings, load_settings

__all__ = ["Composable", "Database", "Transaction", "TransactionConflict", "compose", "connect", "db"]
__all__ += ["identifier", "identifiers", "joined", "json_text", "literal", "table_name"]

Row = tuple[Any, ...]
Params = Sequence[Any] | Mapping[str, Any] | None
T = TypeVar("T")

TRIES = 5


class Transaction:
    """Runs statements in an open transaction (or, from `Database.autocommit`, without one)."""

    def __init__(self, connection: Connection, count: Callable[[], None], known: Remembered | None = None) -> None:
        self._connection, known = connection, known or Remembered()
        self._inserted, self.own_writes = known.inserted, known.own_writes  # what this process wrote lately
        self._cursor, self._count = connection.cursor(), count
        self._names = itertools.count()

    @property
    def rowcount(self) -> int:
        """Returns how many rows the last statement touched or returned."""
        return self._cursor.rowcount

    @property
    def columns(self) -> list[str]:
        """Returns the names of the columns that the last statement returned."""
        return [column.name for column in self._cursor.description or ()]

    def execute(self, statement: str | Composable, params: Params = None) -> int:
        """Runs a statement, and returns how many rows it touched."""
        # The % of a composed statement is doubled; psycopg2 halves it where parameters are given, be it none.
        if isinstance(statement, sql.Composable):
            statement, params = statement.as_string(self._connection), params or ()
        self._count()
        with translated():
            self._cursor.execute(statement, params)
        return self._cursor.rowcount

    def rows(self, statement: str | Composable, params: Params = None) -> list[Row]:
        """Returns all rows; none for a statement that returns none."""
        self.execute(statement, params)
        return self._fetched()

    def row(self, statement: str | Composable, params: Params = None) -> Row | None:
        """Returns the first row, or None."""
        return next(iter(self.rows(statement, params)), None)

    def value(self, statement: str | Composable, params: Params = None) -> Any:
        """Returns the first value of the first row, or None."""
        return next(iter(self.row(statement, params) or ()), None)

    def dicts(self, statement: str | Composable, params: Params = None) -> list[dict[str, Any]]:
        """Returns all rows, by column name."""
        rows = self.rows(statement, params)
        names = self.columns
        return [dict(zip(names, row, strict=True)) for row in rows]

    def stream(self, statement: str | Composable, params: Params = None, page: int = 1000) -> Iterator[list[Row]]:
        """Yields pages of rows, so that a large table never is in memory as a whole. Needs a transaction."""
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
        """Runs one statement over many rows. `{rows}` in it stands for them, a table called `new`; other braces are `names`.

            tx.bulk(
                "insert into {table} (id, tags) select id, tags from {rows} on conflict (id) do nothing",
                {"id": "bigint", "tags": "text[]"}, [(1, ["a", "b"]), (2, None)], table=table_name("public.items"),
            )

        A value for json or jsonb is its text (`json_text`), a dict or a list. `params` are named: `%(now)s`.
        """
        given = list(rows)
        if not given:
            return []
        values = dict(params or {})
        for index, (kind, column) in enumerate(zip(columns.values(), zip(*given, strict=True), strict=True)):
            if kind in ("json", "jsonb"):
                column = tuple([json_text(cell) if isinstance(cell, list) else cell for cell in column])
            values[f"column {index}"] = array_text(column)
        self.execute(compose(statement, rows=unnested(columns), **names), values)
        return self._fetched()

    def copy_in(self, table: str | Composable, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Copies rows into a table, and returns how many. A list goes into an array column, a dict into jsonb."""
        if isinstance(table, str) and (types := self._inserted.types(self, table)):
            names = {"table": table_name(table), "filled": identifiers(columns)}
            self.bulk(INSERT, {column: types[column] for column in columns}, rows, **names)
            return self.rowcount
        target = table_name(table) if isinstance(table, str) else table
        statement = compose("copy {table} ({columns}) from stdin", table=target, columns=identifiers(columns))
        self._count()
        copied(self._cursor, statement.as_string(self._connection).replace("%%", "%"), rows)
        return self._cursor.rowcount

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Allows work to fail without ending the transaction: what was done in the block is undone when it raises."""
        name = identifier(f"savepoint_{next(self._names)}")
        self.execute(compose("savepoint {name}", name=name))
        try:
            yield
        except Exception:
            # On a connection that is gone there is nothing to undo.
            if not self._connection.closed:
                self.execute(compose("rollback to savepoint {name}", name=name))
            raise
        self.execute(compose("release savepoint {name}", name=name))

    def _fetched(self) -> list[Row]:
        with translated():
            return self._cursor.fetchall() if self._cursor.description else []

    def _commit(self, then: str = "") -> None:
        # A caller that catches an error inside goes on in a failed transaction; COMMIT would undo it and report success.
        if self._connection.info.transaction_status == TRANSACTION_STATUS_INERROR:
            raise DatabaseError("A statement had failed, so PostgreSQL kept nothing of the transaction.")
        self.execute("commit" + then)


class Database:
    """Gives access to a database, with a few connections that threads share.

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
        timeouts = {"lock_timeout": lock_timeout_s, "statement_timeout": statement_timeout_s}
        target = Target.of({**postgres_dsn.parsed(dsn), **connection}, timeouts, server)
        self._pool = Pool(target, max_connections, wait_s, self.count_statement)
        self._guard = threading.Lock()
        self._remembered, self.patience_s = Remembered(), 0.0  # how long another program's locks are waited for
        self.check_turn: Callable[[], None] = lambda: None
        """Raises TurnLost when the turn in which this database is written is lost."""
        self.statements = 0
        """How many commands were sent, `begin` and `commit` included."""

    @property
    def target(self) -> str:
        """Returns where the database is, without the password."""
        return str(self._pool.target)

    def __repr__(self) -> str:
        return f"Database({self.target})"

    def count_statement(self) -> None:
        """Notes that a command is about to be sent."""
        with self._guard:
            self.statements += 1

    @contextmanager
    def transaction(
        self,
        tool: bool = True,
        read_only: bool = False,
        snapshot: bool = False,
        keep: bool = True,
        turns: Sequence[str] = (),
    ) -> Iterator[Transaction]:
        """Commits at the end; rolls back on any exception, and without `keep`.

        `snapshot`: it sees one state of the database all along. With `tool` the triggers know the transaction as the
        tool's own and do not report what it changes. `turns` are tables that no other transaction with turns writes
        meanwhile: they are taken before it begins to see anything.
        """
        opening = "begin" + " isolation level repeatable read" * snapshot + " read only" * read_only
        if tool:
            opening += "; set local monday_sync.origin = 'tool'"
        if turns:
            opening += locks.PAGE
        if not read_only:
            self.check_turn()
        with self._pool.place():
            transaction = self._begun(opening, turns)
            try:
                yield transaction
                if keep:
                    transaction._commit(locks.THEN_FREE if turns else "")
                else:
                    self._roll_back(transaction, locks.THEN_FREE if turns else "")
            except BaseException:
                self._roll_back(transaction, locks.THEN_FREE if turns else "")
                raise
            finally:
                self._pool.put_back(transaction._connection)

    def run_in_transaction(self, function: Callable[[Transaction], T], tries: int = TRIES, **how: Any) -> T:
        """Calls the function in its own transaction, and again after a deadlock, a lock time-out or a serialization failure.

        `how` is as for `transaction`: with `keep=False` the work is done and leaves nothing.
        """
        patience = Patience(tries, self.patience_s, lambda: described(self.commit_one(IN_THE_WAY)))
        while True:
            try:
                with self.transaction(**how) as transaction:
                    return function(transaction)
            except TransactionConflict as exc:
                patience.pause(exc)

    def execute_query(
        self, query: str | Composable, params: Params = None, fetch: bool = True
    ) -> list[dict[str, Any]] | int:
        """Runs one statement in a transaction of its own: its rows by name or, with `fetch=False`, how many it touched.

        It counts as a user's change, not as the tool's: its changes go to monday.com.
        """
        with self.transaction(tool=False) as transaction:
            return transaction.dicts(query, params) if fetch else transaction.execute(query, params)

    def commit_one(self, statement: str | Composable, params: Params = None) -> list[Row]:
        """Runs one statement that commits itself, in one round trip. When its connection is lost it may run twice."""
        with self._pool.place():
            while True:
                idle = self._pool.taken()
                connection = idle or self._pool.opened()
                try:
                    rows = Transaction(connection, self.count_statement).rows(statement, params)
                except DatabaseUnreachable:
                    connection.close()
                    # An idle connection may have been closed; a new connection shows that the server is away.
                    if idle is None:
                        raise
                except BaseException:
                    connection.close()
                    raise
                else:
                    self._pool.put_back(connection)
                    return rows

    @contextmanager
    def autocommit(self) -> Iterator[Transaction]:
        """Runs what cannot run inside a transaction (`create database`, `vacuum`); every statement commits itself."""
        with self._pool.place():
            transaction = self._begun("select 1")
            try:
                yield transaction
            finally:
                self._pool.put_back(transaction._connection)

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Takes an advisory lock if it is free, until the end of the block or the death of the process; whether it did."""
        with self.beside(counted=True) as session, locks.unlocked_after(session):
            yield session.value(locks.TRY_LOCK, (name,))

    @contextmanager
    def held_lock(
        self, name: str, on_wait: Callable[[str], None] = lambda holder: None, patience_s: float = locks.PATIENCE_S
    ) -> Iterator[Database]:
        """Takes an advisory lock once it is free, until the end of the block or the death of the process.

        Yields the same database, which writes nothing more once the lock is lost. Raises TurnBusy after `patience_s`;
        until then it calls `on_wait`, which may raise, each second with who has it.
        """
        with self.beside(counted=True) as session, locks.unlocked_after(session):
            locks.take(session, name, patience_s, on_wait)
            yield self.during(locks.watched(session))

    def during(self, in_turn: Callable[[], None]) -> Database:
        """Returns the same database, for work in a turn: before each transaction that writes, `in_turn` may raise."""
        shared = copy(self)
        shared.count_statement = self.count_statement  # type: ignore[method-assign]
        shared.check_turn = in_turn
        return shared

    def listen(self, channel: str, timeout_s: float = 60.0) -> Iterator[str | None]:
        """Yields the payloads notified on a channel as they come; None when nothing came for `timeout_s`.

        The first None comes at once: from here on nothing is missed, so look then at what is already there.
        """
        with self.beside(counted=True) as session:
            session.execute(compose("listen {channel}", channel=identifier(channel)))
            yield None
            yield from notifications(session._connection, timeout_s)

    def close(self) -> None:
        """Closes all connections, and stops the embedded server if there is one and no other process uses it."""
        self._pool.close()

    @contextmanager
    def beside(self, counted: bool = False) -> Iterator[Transaction]:
        """Opens a connection beside the pool, without a transaction, and closes it at the end."""
        connection = self._pool.opened()
        try:
            session = Transaction(connection, self.count_statement if counted else lambda: None, self._remembered)
            session.execute(locks.STAYS, (False,))
            yield session
        finally:
            connection.close()

    # Connections

    def _begun(self, opening: str, turns: Sequence[str] = ()) -> Transaction:
        """Begins on an idle connection; connections that were closed meanwhile are passed over."""
        while connection := self._pool.taken():
            try:
                return self._begin(connection, opening, turns)
            except DatabaseUnreachable:
                continue
        return self._begin(self._pool.opened(), opening, turns)

    def _begin(self, connection: Connection, opening: str, turns: Sequence[str]) -> Transaction:
        try:
            transaction = Transaction(connection, self.count_statement, self._remembered)
            if turns:
                transaction.execute(locks.TABLES, (list(turns),))
            transaction.execute(opening)
            return transaction
        except BaseException:
            connection.close()
            raise

    def _roll_back(self, transaction: Transaction, then: str = "") -> None:
        try:
            transaction.execute("rollback" + then)
        except DatabaseError:
            # A closed connection is rolled back by the server.
            transaction._connection.close()


def connect(settings: Settings, **options: Any) -> Database:
    """Returns the database of DATABASE_URL or, when that is not set, the embedded server's, started if it does not run."""
    database = _database(settings, **options)
    database.patience_s = settings.give_up_after
    return database


def _database(settings: Settings, **options: Any) -> Database:
    if settings.database_url:
        return Database(settings.database_url, **options)
    if os.name == "nt":
        raise SettingsError("The embedded PostgreSQL runs on Linux and macOS.", hint="Set DATABASE_URL, or use WSL.")
    from databases.postgres.embedded import server_of  # with its own imports; not needed where there is a server

    server = server_of(settings.home)
    return Database(server=server, **server.start(), **options)


db = cast(Database, Lazy(lambda: connect(load_settings())))
