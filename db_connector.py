"""Connects to PostgreSQL: transactions, bulk writes, locks, notifications.

    with db.transaction() as tx:
        known = tx.rows("select id, email from users where team_id = %s", (team,))
        tx.execute(compose("delete from {table} where id = %s", table=table_name('boards."Done (100%)"')), (4711,))

In a statement made by `compose` a literal % is written %%, with or without parameters; names may hold any character.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, TypeVar, cast

from psycopg2.extensions import connection as Connection
from psycopg2.sql import Composable

from databases.postgres import dsn as postgres_dsn
from databases.postgres import locks
from databases.postgres.failures import TransactionConflict
from databases.postgres.lazy import Lazy
from databases.postgres.listening import notifications
from databases.postgres.names import compose, identifier, identifiers, joined, literal, table_name
from databases.postgres.pool import Pool, Server, Target
from databases.postgres.retrying import IN_THE_WAY, Patience, described
from databases.postgres.text import json_text
from databases.postgres.transaction import Params, Row, Transaction
from databases.postgres.transactions import Remembered
from errors import DatabaseUnreachable, SettingsError
from settings import Settings, load_settings

__all__ = ["Composable", "Database", "Transaction", "TransactionConflict", "compose", "connect", "db"]
__all__ += ["identifier", "identifiers", "joined", "json_text", "literal", "table_name"]

T = TypeVar("T")

TRIES = 5


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
                    transaction.commit(locks.THEN_FREE if turns else "")
                else:
                    transaction.roll_back(locks.THEN_FREE if turns else "")
            except BaseException:
                transaction.roll_back(locks.THEN_FREE if turns else "")
                raise
            finally:
                self._pool.put_back(transaction.connection)

    @contextmanager
    def glance(self) -> Iterator[Transaction]:
        """Opens a connection for one transaction that reads, and closes it: the server is asked for nothing else."""
        with self._pool.place():
            connection = self._pool.bare()
            try:
                transaction = Transaction(connection, self.count_statement)
                transaction.execute(f"begin read only; {self._pool.settings('true')}")
                yield transaction
            finally:
                connection.close()

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
                self._pool.put_back(transaction.connection)

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
            yield from notifications(session.connection, timeout_s)

    def close(self) -> None:
        """Closes all connections, and stops the embedded server if there is one and no other process uses it."""
        self._pool.close()

    @contextmanager
    def beside(self, counted: bool = False) -> Iterator[Transaction]:
        """Opens a connection beside the pool, without a transaction, and closes it at the end."""
        connection = self._pool.opened(locks.SESSION_STAYS)
        try:
            yield Transaction(connection, self.count_statement if counted else lambda: None, self._remembered)
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
