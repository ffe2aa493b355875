"""Explains the errors of MySQL and MariaDB: a sentence, a hint, and the exit code they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from errors import SourceRefused, SourceUnreachable, SyncError

LONGEST = 300
CONNECTION = "Check MYSQL_HOST, MYSQL_PORT, MYSQL_USER and MYSQL_PASSWORD."
HINTS: dict[int, str] = {
    1044: "The user may not use this database: check MYSQL_DATABASE, or grant select on it.",
    1045: CONNECTION,
    1049: "Check MYSQL_DATABASE.",
    1054: "Correct the column's name in the query.",
    1060: "Two columns have one name: give one of them another with `as`.",
    1064: "Correct the query; it has to be one statement.",
    1142: "Grant select on the table to this user.",
    1146: "Correct the table's name in the query.",
    1792: "The query runs in a transaction that only reads: it must be a select.",
}


def translated_error(exc: BaseException) -> SyncError:
    """Returns the tool's own error for one of the driver."""
    number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
    said = " ".join(str(exc.args[1] if len(exc.args) > 1 else exc).split()).rstrip(".")[:LONGEST]
    # no connection, a wrong user, or a connection that was cut
    if number in (1045, 1040, 1053, 1130, 1205, 1213, 1698) or 2000 <= number < 3000 or number == 0:
        return SourceUnreachable(f"MySQL: {said}.", hint=HINTS.get(number, CONNECTION))
    return SourceRefused(f"MySQL: {said}.", hint=HINTS.get(number, "Correct the query."))


@contextmanager
def translated() -> Iterator[None]:
    """Raises SourceUnreachable or SourceRefused in the place of the driver's errors."""
    try:
        yield
    except (pymysql.MySQLError, OSError, UnicodeError) as exc:
        raise translated_error(exc) from exc
