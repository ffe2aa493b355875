"""Reads a query of MySQL or MariaDB: streamed, in a transaction that only reads, with all times in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pymysql
from msgspec import Struct
from pymysql.constants import FIELD_TYPE
from pymysql.cursors import SSCursor

from config.hiding import Hiding
from databases.mysql.failures import translated
from errors import SettingsError

PAGE = 1000
WRITING = ("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "DROP")
CONNECT_S, READ_S = 10, 600


class Address(Hiding, Struct, frozen=True):
    """Says where a database is. Its password stays out of `repr`."""

    HIDDEN: ClassVar = frozenset({"password"})

    host: str
    port: int
    user: str
    database: str
    password: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"


def address_of(environment: Mapping[str, str]) -> Address:
    """Reads `MYSQL_URL`, or `MYSQL_HOST` and the others. Raises SettingsError that names what is missing or wrong."""
    if url := environment.get("MYSQL_URL"):
        return _of_url(url)
    missing = [name for name in ("MYSQL_HOST", "MYSQL_USER", "MYSQL_DATABASE") if not environment.get(name)]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
            hint="Set MYSQL_HOST, MYSQL_USER, MYSQL_PASSWORD and MYSQL_DATABASE, or MYSQL_URL, in .env.",
        )
    port = environment.get("MYSQL_PORT", "3306")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError("MYSQL_PORT must be a whole number from 1 to 65535.")
    return Address(
        environment["MYSQL_HOST"],
        int(port),
        environment["MYSQL_USER"],
        environment["MYSQL_DATABASE"],
        environment.get("MYSQL_PASSWORD", ""),
    )


def _of_url(url: str) -> Address:
    try:
        parts = urlsplit(url)
        host, port, database = parts.hostname, parts.port or 3306, parts.path.strip("/")
        well_formed = parts.scheme in ("mysql", "mariadb") and host and parts.username and database
    except ValueError:
        well_formed = False
    if not well_formed:
        raise SettingsError("MYSQL_URL is no address of MySQL; it looks like mysql://user:password@host:3306/database.")
    return Address(host or "", port, unquote(parts.username or ""), unquote(database), unquote(parts.password or ""))


class MysqlReading:
    """Holds one connection in a transaction that only reads. It serves one query at a time."""

    is_mysql = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def server_time(self) -> datetime:
        """Returns the present time by the server's clock."""
        with translated(), self._connection.cursor() as cursor:
            cursor.execute("select utc_timestamp(6)")
            (moment,) = cursor.fetchone()
        return datetime.fromisoformat(str(moment)).replace(tzinfo=timezone.utc)

    @property
    def version(self) -> str:
        """Returns the name and the version of the server."""
        with translated(), self._connection.cursor() as cursor:
            cursor.execute("select version()")
            (text,) = cursor.fetchone()
        number = str(text).removeprefix("5.5.5-").partition("-")[0]
        return f"{'MariaDB' if 'mariadb' in str(text).lower() else 'MySQL'} {number}"

    def may_write(self) -> bool:
        """Tells whether the user may change rows: for syncs the right to select is enough."""
        with translated(), self._connection.cursor() as cursor:
            cursor.execute("show grants for current_user()")
            grants = [str(row[0]).upper() for row in cursor.fetchall()]
        return any(right in grant.partition(" ON ")[0] for grant in grants for right in WRITING)

    def pages(self, query: str, parameters: Mapping[str, Any]) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
        """Yields the names of the columns with a page of rows; at least once, also without rows."""
        given = {name: _without_zone(value) for name, value in parameters.items()}
        # Leaving early must not read the rest of the rows: the connection is closed instead.
        cursor = self._connection.cursor(SSCursor)
        with translated():
            cursor.execute(query, given)
            described = cursor.description or ()
        names = [column[0] for column in described]
        bits = [place for place, column in enumerate(described) if column[1] == FIELD_TYPE.BIT]
        first = True
        while True:
            with translated():
                rows = list(cursor.fetchmany(PAGE)) if described else []
            if bits:
                rows = [_with_numbers(row, bits) for row in rows]
            if rows or first:
                yield names, rows
            first = False
            if not rows:
                return


def _without_zone(value: Any) -> Any:
    """Returns a moment as the session understands it: the driver drops the zone without converting."""
    return value.astimezone(timezone.utc).replace(tzinfo=None) if isinstance(value, datetime) else value


def _with_numbers(row: tuple[Any, ...], bits: list[int]) -> tuple[Any, ...]:
    cells = list(row)
    for place in bits:
        if cells[place] is not None:
            cells[place] = int.from_bytes(cells[place], "big")
    return tuple(cells)


@contextmanager
def reading(address: Address) -> Iterator[MysqlReading]:
    """Connects, reads one consistent state of the database, and closes the connection."""
    with translated():
        connection = pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            init_command="set time_zone = '+00:00'",
        )
    try:
        with translated(), connection.cursor() as cursor:
            cursor.execute("start transaction with consistent snapshot, read only")
        yield MysqlReading(connection)
    finally:
        with suppress(Exception):
            _cut(connection)


def _cut(connection: Any) -> None:
    """Closes a connection without reading the rest of a stream; the server rolls back what ends with it."""
    if (result := connection._result) is not None:
        result.unbuffered_active, connection._result = False, None
    connection._force_close()
