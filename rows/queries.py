"""Opens the database that a query reads: MySQL, or PostgreSQL. Both stream, and neither lets the query write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from db_connector import Database, Transaction
from errors import DatabaseError, DatabaseUnreachable, SourceRefused, SourceUnreachable
from mappings.query_syncs import QuerySync
from settings import Settings

Page = tuple[list[str], list[tuple[Any, ...]]]


class Reading(Protocol):
    """Reads one state of a database."""

    @property
    def is_mysql(self) -> bool:
        """Tells whether its queries are those of MySQL."""

    def server_time(self) -> datetime:
        """Returns the present time by the server's clock."""

    def pages(self, query: str, parameters: Mapping[str, Any]) -> Iterator[Page]:
        """Yields the names of the columns with a page of rows; at least once, also without rows."""


class PostgresReading:
    """Reads in one transaction of PostgreSQL that only reads."""

    is_mysql = False

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def server_time(self) -> datetime:
        with _translated():
            moment: datetime = self._tx.value("select now()")
        return moment

    def pages(self, query: str, parameters: Mapping[str, Any]) -> Iterator[Page]:
        with _translated():
            first = True
            for rows in self._tx.stream(query, parameters):
                yield self._tx.columns, rows
                first = False
            if first:
                self._tx.rows(f"select * from (\n{query}\n) as q limit 0", parameters)
                yield self._tx.columns, []


@contextmanager
def opened(settings: Settings, db: Database, sync: QuerySync) -> Iterator[Reading]:
    """Yields what reads a sync's query. Raises SourceUnreachable, SourceRefused, SettingsError."""
    if sync.database == "mysql":
        # Its driver is imported only where it is used.
        from databases.mysql.source import address_of, reading

        with reading(address_of(settings.environment)) as source:
            yield source
        return
    with db.transaction(tool=False, read_only=True, snapshot=True, keep=False) as tx:
        tx.execute("set local time zone 'UTC'")
        yield PostgresReading(tx)


@contextmanager
def _translated() -> Iterator[None]:
    """Tells errors of the query as errors of a source, with their exit codes."""
    try:
        yield
    except DatabaseUnreachable as exc:
        raise SourceUnreachable(exc.message, hint=exc.hint) from exc
    except DatabaseError as exc:
        raise SourceRefused(exc.message, hint="Correct the query; it has to be one select.") from exc
