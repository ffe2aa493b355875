"""Opens the database that a query reads: MySQL, or PostgreSQL. Both stream, and neither lets the query write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, Protocol

from databases.placeholders import NAME, asks_for_null, with_parameters
from db_connector import Database, Transaction
from errors import DatabaseError, DatabaseUnreachable, SettingsError, SourceRefused, SourceUnreachable
from mappings.query_syncs import QuerySync
from settings import Settings

BEGINNING = datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
"""What `:last_sync_time` is on a first run, unless the query asks for NULL itself."""

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

    @property
    def version(self) -> str:
        """Returns the name and the version of the server."""

    def may_write(self) -> bool:
        """Tells whether the user may change rows."""


class PostgresReading:
    """Reads in one transaction of PostgreSQL that only reads."""

    is_mysql = False

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def server_time(self) -> datetime:
        with _translated():
            moment: datetime = self._tx.value("select now()")
        return moment

    @property
    def version(self) -> str:
        with _translated():
            return f"PostgreSQL {self._tx.value('show server_version')}"

    def may_write(self) -> bool:
        # the tool keeps its own tables there
        return True

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
def opened(settings: Settings, db: Database | None, sync: QuerySync) -> Iterator[Reading]:
    """Yields what reads a sync's query; `db` is the tool's database, which MySQL's queries do not need.

    Raises SourceUnreachable, SourceRefused, SettingsError.
    """
    if sync.database == "mysql":
        # Its driver is imported only where it is used.
        from databases.mysql.source import address_of, reading

        with reading(address_of(settings.environment)) as source:
            yield source
        return
    if db is None:
        raise SettingsError(f"{sync.name} reads PostgreSQL, and no database was opened.")
    with db.transaction(tool=False, read_only=True, snapshot=True, keep=False) as tx:
        tx.execute("set local time zone 'UTC'")
        yield PostgresReading(tx)


def columns_of(source: Reading, sync: QuerySync) -> list[str]:
    """Returns the columns of a sync's query, which reads no row. Raises SourceRefused."""
    query, parameters = question(source, sync, None, "select * from (\n{}\n) as q limit 0")
    return next(iter(source.pages(query, parameters)))[0]


def question(
    source: Reading, sync: QuerySync, since: datetime | None, form: str = "{}", **more: Any
) -> tuple[str, dict[str, Any]]:
    """Returns the query as the driver takes it, and its parameters. `since`: from when changes are read, None for all.

    `form` is a query around it, `more` are the parameters of that.
    """
    query, named = with_parameters(sync.query, source.is_mysql)
    if since is None and not asks_for_null(sync.query):
        since = BEGINNING
    # The driver puts parameters in, be it one that the query does not name: only then is a doubled % halved.
    return form.format(query), {**({NAME: since} if named else {"": ""}), **more}


@contextmanager
def _translated() -> Iterator[None]:
    """Tells errors of the query as errors of a source, with their exit codes."""
    try:
        yield
    except DatabaseUnreachable as exc:
        raise SourceUnreachable(exc.message, hint=exc.hint) from exc
    except DatabaseError as exc:
        raise SourceRefused(exc.message, hint="Correct the query; it has to be one select.") from exc
