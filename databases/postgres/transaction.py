"""Runs statements in a transaction: rows by name, many rows at once, streams, COPY, savepoints."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import connection as Connection
from psycopg2.sql import Composable

from databases.postgres.copying import Check, Copies, any_count
from databases.postgres.failures import translated
from databases.postgres.inserting import INSERT
from databases.postgres.names import compose, identifier, identifiers, table_name
from databases.postgres.text import array_text, json_text, unnested
from databases.postgres.transactions import Remembered
from errors import DatabaseError

Row = tuple[Any, ...]
Rows = Iterable[Sequence[Any]]
Params = Sequence[Any] | Mapping[str, Any] | None


class Transaction:
    """Runs statements in an open transaction (or, from `Database.autocommit`, without one)."""

    def __init__(self, connection: Connection, count: Callable[[], None], known: Remembered | None = None) -> None:
        self.connection, known = connection, known or Remembered()
        self._inserted, self.own_writes = known.inserted, known.own_writes  # what this process wrote lately
        self._cursor, self._count = connection.cursor(), count
        self._names, self._copies = itertools.count(), Copies(self._cursor)

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
            statement, params = statement.as_string(self.connection), params or ()
        self._copies.finish()
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
        text = statement.as_string(self.connection) if isinstance(statement, sql.Composable) else statement
        text = text.replace("%", "%%") if params is None and isinstance(statement, str) else text
        self.execute(compose("declare {cursor} no scroll cursor for ", cursor=cursor) + sql.SQL(text), params)
        while page_of_rows := self.rows(compose(f"fetch {page:d} from {{cursor}}", cursor=cursor)):
            yield page_of_rows
        self.execute(compose("close {cursor}", cursor=cursor))

    def bulk(
        self,
        statement: str,
        columns: Mapping[str, str],
        rows: Rows,
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

    def copy_in(self, table: str | Composable, columns: Sequence[str], rows: Rows, check: Check = any_count) -> None:
        """Copies rows into a table. A list goes into an array column, a dict into jsonb. Needs a transaction.

        Many rows are written while the caller goes on: what PostgreSQL says to them is raised by the next statement, or
        by the commit. `check` is told then how many were kept.
        """
        if isinstance(table, str) and (types := self._inserted.types(self, table)):
            names = {"table": table_name(table), "filled": identifiers(columns)}
            self.bulk(INSERT, {column: types[column] for column in columns}, rows, **names)
            return check(self.rowcount)
        target = table_name(table) if isinstance(table, str) else table
        statement = compose("copy {table} ({columns}) from stdin", table=target, columns=identifiers(columns))
        text = statement.as_string(self.connection).replace("%%", "%")
        self._copies.send(text, list(rows), check, self._count)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Allows work to fail without ending the transaction: what was done in the block is undone when it raises."""
        name = identifier(f"savepoint_{next(self._names)}")
        self.execute(compose("savepoint {name}", name=name))
        try:
            yield
            self._copies.finish()
        except Exception:
            self._copies.give_up()
            # On a connection that is gone there is nothing to undo.
            if not self.connection.closed:
                self.execute(compose("rollback to savepoint {name}", name=name))
            raise
        self.execute(compose("release savepoint {name}", name=name))

    def _fetched(self) -> list[Row]:
        with translated():
            return self._cursor.fetchall() if self._cursor.description else []

    def commit(self, then: str = "") -> None:
        """Commits, with `then` in the same round trip. Raises DatabaseError when a statement had failed before."""
        # A caller that catches an error inside goes on in a failed transaction; COMMIT would undo it and report success.
        if self.connection.info.transaction_status == TRANSACTION_STATUS_INERROR:
            raise DatabaseError("A statement had failed, so PostgreSQL kept nothing of the transaction.")
        self.execute("commit" + then)

    def roll_back(self, then: str = "") -> None:
        """Undoes everything. On a connection that is gone the server does."""
        self._copies.give_up()
        try:
            self.execute("rollback" + then)
        except DatabaseError:
            self.connection.close()
