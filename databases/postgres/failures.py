"""Translates errors of PostgreSQL into the tool's: a table of codes, with a hint for the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg2

from errors import DatabaseError, DatabaseUnreachable, RowRejected, SchemaMissing


class TransactionConflict(DatabaseError):
    """Means that another transaction was in the way; the same work can be tried again."""


TOOL_TABLES = {
    *("sync_mapping", "sync_logs", "sync_runs", "sync_state", "sync_inbox", "sync_outbox", "sync_conflicts"),
    *("sync_intents", "sync_skipped", "sync_listing", "sync_turn"),
    *("board_registry", "users", "sales_teams", "teams", "customers", "properties", "projects", "notes", "pa_law"),
    *("insurances", "policies", "insurance_claims", "storms", "contacts", "organizations"),
}

# Codes (SQLSTATE, or how they begin), the error, a sentence, a hint; the first that fits counts.
MEANINGS: tuple[tuple[tuple[str, ...], type[DatabaseError], str, str], ...] = (
    (
        ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300"),
        DatabaseUnreachable,
        "PostgreSQL ended the connection: {said}.",
        "It may be restarting or have too many clients. Run the command again; it carries on where it was.",
    ),
    (
        ("25006",),
        DatabaseError,
        "PostgreSQL does not allow writing: {said}.",
        "The database, the role or the server is read-only (a replica?). Set DATABASE_URL to one that can be written.",
    ),
    (
        ("53100",),
        DatabaseError,
        "PostgreSQL's disk is full: {said}.",
        "Make room on the server's disk, then run the command again.",
    ),
    (
        ("40001", "40P01", "55P03"),
        TransactionConflict,
        "Another transaction was in the way: {said}.",
        "Run the command again; if it stays so, look in pg_stat_activity for the session that holds the lock.",
    ),
    (
        ("57014",),
        DatabaseError,
        "PostgreSQL broke off a statement: {said}.",
        "The statement_timeout of the database or of the role may be too short.",
    ),
    (
        ("42501",),
        DatabaseError,
        "The database role may not do this: {said}.",
        "Grant it the right, or use another role.",
    ),
    (
        ("42703", "42883"),
        DatabaseError,
        "PostgreSQL: {said}.",
        "After an upgrade of the tool run: python main.py init-db",
    ),
    # Values, constraints, and what a trigger of the user's own raises.
    (("22", "23", "27", "44", "P0", "09", "54000"), RowRejected, "PostgreSQL refused a row: {said}.", ""),
)

# What libpq says when it cannot connect, and what a user can do about it.
CONNECT_HINTS = (
    ("the database system is", "It is starting, stopping or recovering: run the command again in a moment."),
    ("connection slots", "The server has too many clients: stop some, or raise its max_connections."),
    ("too many clients", "The server has too many clients: stop some, or raise its max_connections."),
    ("password", "The user or the password in DATABASE_URL is wrong or missing."),
    ("role ", "The user in DATABASE_URL does not exist on that server."),
    ("does not exist", "Create that database (createdb), or correct DATABASE_URL."),
    ("translate host name", "Correct the host in DATABASE_URL."),
    ("No such file", "No server listens on that socket: start PostgreSQL, or correct DATABASE_URL."),
    ("refused", "No server listens there: start PostgreSQL, or correct host and port in DATABASE_URL."),
    ("pg_hba.conf", "The server does not admit this user from here: see its pg_hba.conf."),
    ("SSL", "Correct sslmode in DATABASE_URL."),
)


@contextmanager
def translated() -> Iterator[None]:
    """Raises the tool's errors for those of psycopg2, with their cause."""
    try:
        yield
    except psycopg2.Error as exc:
        lost = not exc.pgcode and isinstance(exc, (psycopg2.OperationalError, psycopg2.InterfaceError))
        raise meaning(exc.pgcode or "", said_by(exc), lost) from exc
    except ValueError as exc:
        # psycopg2 itself refuses NUL characters and halves of surrogate pairs.
        if not isinstance(exc, UnicodeEncodeError) and "NUL" not in str(exc):
            raise
        raise RowRejected(f"PostgreSQL cannot store this text: {exc}") from exc


def said_by(exc: psycopg2.Error) -> str:
    """Returns PostgreSQL's own words, on one line."""
    diagnosis = getattr(exc, "diag", None)
    said = (diagnosis and diagnosis.message_primary) or (str(exc).strip().splitlines() or ["no reason given"])[0]
    detail = diagnosis and diagnosis.message_detail
    return f"{said} ({detail.rstrip('.')})" if detail else said.rstrip(".")


def meaning(code: str, said: str, lost: bool) -> DatabaseError:
    """Returns the tool's error for a code of PostgreSQL and its own words. `lost`: the connection is gone."""
    if lost:
        return DatabaseUnreachable(f"The connection to PostgreSQL was lost: {said}.", hint="Run the command again.")
    # a table, a schema, or a column of a table is not there
    if code in ("42P01", "3F000") or (code == "42703" and "of relation" in said):
        return _missing(said)
    for codes, kind, sentence, hint in MEANINGS:
        if code.startswith(codes):
            return kind(sentence.format(said=said), hint=hint)
    return DatabaseError(f"PostgreSQL: {said} ({code or 'no code'}).")


def _missing(said: str) -> DatabaseError:
    named = re.search(r'relation "(.+?)"', said)
    if named and named[1].rpartition(".")[2].strip('"') in TOOL_TABLES:
        return SchemaMissing(f"The tool's tables are missing or too old: {said}.", hint="run: python main.py init-db")
    return DatabaseError(f"PostgreSQL: {said}.", hint="Create it, or correct the name in the mapping.")


def in_the_way(exc: DatabaseError) -> DatabaseError:
    """Explains an error of `init-db` where a table that it would make is there already and is not the tool's."""
    code = getattr(exc.__cause__, "pgcode", "") or ""
    # 42501 is a right that lacks; the others say that something there is of another shape.
    if not code.startswith("42") or code == "42501":
        return exc
    return DatabaseError(
        exc.message,
        hint="A table of that name is there already with other columns, and is not the tool's. Nothing was changed: "
        "set DATABASE_URL to a database of the tool's own.",
    )


def no_connection(target: str, said: str, password: str | None) -> DatabaseError:
    """Returns why there is no connection to `target`, without the password."""
    for secret in (password, quote(password or "", safe="")):
        said = said.replace(secret, "***") if secret else said
    hint = next((hint for words, hint in CONNECT_HINTS if words in said), "Check DATABASE_URL.")
    return DatabaseUnreachable(f"PostgreSQL at {target} could not be reached: {said}.", hint=hint)
