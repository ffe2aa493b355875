"""Translates errors of PostgreSQL into the tool's: a table of codes, with a hint for the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote

import psycopg2

from errors import DatabaseError, DatabaseUnreachable, RowRejected, SchemaMissing


class TransactionConflict(DatabaseError):
    """Means that another transaction was in the way; the same work can be tried again."""


TOOL_TABLES = {
    *("sync_mapping", "sync_logs", "sync_runs", "sync_state", "sync_inbox", "sync_outbox", "sync_conflicts"),
    *("sync_intents", "sync_skipped", "sync_listing", "sync_turn", "sync_stats", "sync_spent"),
    *("sync_proofs", "sync_proved", "sync_findings", "sync_alerts", "sync_alert_silences", "sync_alert_deliveries"),
    *("sync_records", "sync_mappings", "sync_latency"),
    *("board_registry", "users", "sales_teams", "teams", "customers", "properties", "projects", "notes", "pa_law"),
    *("insurances", "policies", "insurance_claims", "storms", "contacts", "organizations"),
}

_OF_RELATION = re.compile(r'column ".*" of relation ".*" does not exist')

# Codes (SQLSTATE, or how they begin), the error, a sentence, a hint; the first that fits counts.
Meaning = tuple[tuple[str, ...], type[DatabaseError], str, str]
MEANINGS: tuple[Meaning, ...] = (
    (
        ("25P03", "25P04", "57P05"),
        DatabaseUnreachable,
        "PostgreSQL ended the session: {said}.",
        "A time-out of the server or of the role ended it: raise it for this role (alter role ... set ...).",
    ),
    (
        ("53300",),
        DatabaseUnreachable,
        "PostgreSQL takes no more sessions: {said}.",
        "There are too many sessions: end some, or raise the limit that is named.",
    ),
    (
        ("08", "57P01", "57P02", "57P03"),
        DatabaseUnreachable,
        "PostgreSQL ended the connection: {said}.",
        "It may be restarting. Run the command again; it carries on where it was.",
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
        "Either the statement_timeout of the database or of the role is too short, or a user cancelled it.",
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
    (
        ("42809",),
        DatabaseError,
        "PostgreSQL: {said}.",
        "A run writes into the table that the mapping names: name a table.",
    ),
    # Values, constraints, and what a trigger of the user's own raises.
    (("22", "23", "27", "44", "P0", "09", "54000"), RowRejected, "PostgreSQL refused a row: {said}.", ""),
)


class AtConnect(NamedTuple):
    """Holds why a session cannot begin, with PostgreSQL's code ("": libpq says it) and the whole sentence in English."""

    code: str
    sentence: str
    hint: str


# psycopg2 does not tell the code of what ends a connection before it began: the whole sentence stands for it.
AT_CONNECT = (
    AtConnect("57P03", r"the database system is .*", "It is starting, stopping or recovering: try again in a moment."),
    AtConnect(
        "53300",
        r'too many connections for role ".*"',
        "The role of DATABASE_URL may have no more sessions: end some, or raise its limit (alter role).",
    ),
    AtConnect(
        "53300",
        r'too many connections for database ".*"',
        "The database may have no more sessions: end some, or raise its connection limit (alter database).",
    ),
    AtConnect(
        "53300",
        r"sorry, too many clients already|(remaining|non-superuser|the last).*connection slots.*",
        "The server has too many clients: stop some, or raise its max_connections.",
    ),
    AtConnect(
        "08P01",
        r"no more connections allowed.*",
        "The pooler has too many clients: stop some, or raise its max_client_conn.",
    ),
    AtConnect("28000", r'role ".*" does not exist', "The user in DATABASE_URL does not exist on that server."),
    AtConnect("28000", r'role ".*" is not permitted to log in', "Let it log in: alter role ... login."),
    AtConnect(
        "28000",
        r'no pg_hba\.conf entry for .*|pg_hba\.conf rejects .*|(?!password).* authentication failed for user ".*"',
        "The server does not admit this user from here: see its pg_hba.conf.",
    ),
    AtConnect(
        "28P01",
        r'password authentication failed for user ".*"',
        "The user or the password in DATABASE_URL is wrong.",
    ),
    AtConnect(
        "", r"fe_sendauth: no password supplied", "There is no password in DATABASE_URL, and the server asks for one."
    ),
    AtConnect("3D000", r'database ".*" does not exist', "Create that database (createdb), or correct DATABASE_URL."),
    AtConnect(
        "55000",
        r'database ".*" is not currently accepting connections',
        "Allow it: alter database ... allow_connections true.",
    ),
    AtConnect(
        "42501", r'permission denied for database ".*"', "Give the role the right: grant connect on database ..."
    ),
    AtConnect("", r"could not translate host name .*", "Correct the host in DATABASE_URL."),
    AtConnect(
        "",
        r"No such file or directory",
        "No server listens on that socket: start PostgreSQL, or correct DATABASE_URL.",
    ),
    AtConnect(
        "",
        r"Connection refused",
        "No server listens there: start PostgreSQL, or correct host and port in DATABASE_URL.",
    ),
    AtConnect(
        "",
        r"(connection )?time(out|d out).*|No route to host|Network is unreachable",
        "No answer comes from there: a firewall in between, or a wrong host in DATABASE_URL?",
    ),
    AtConnect(
        "",
        r"server does not support SSL.*|SSL error: .*|.*certificate .*|sslmode .*",
        "Correct sslmode and the certificates in DATABASE_URL.",
    ),
)
_SAID_WHERE = re.compile(r"connection to server (?:at|on) .*? failed: (.*)", re.DOTALL)


@contextmanager
def translated() -> Iterator[None]:
    """Raises the tool's errors for those of psycopg2, with their cause."""
    try:
        yield
    except psycopg2.Error as exc:
        lost = not exc.pgcode and isinstance(exc, (psycopg2.OperationalError, psycopg2.InterfaceError))
        raise meaning(_code_of(exc), said_by(exc), lost) from exc
    except ValueError as exc:
        # psycopg2 itself refuses NUL characters and halves of surrogate pairs.
        if not isinstance(exc, UnicodeEncodeError) and "NUL" not in str(exc):
            raise
        raise RowRejected(f"PostgreSQL cannot store this text: {exc}") from exc


OF_A_VALUE = ("42601", "42602", "42704", "0A000")
"""Codes that tsvector, jsonpath or xml have for a value they cannot read; no place in a statement is wrong then."""


def _code_of(exc: psycopg2.Error) -> str:
    """Returns PostgreSQL's code; that of a wrong value where the statement itself is right."""
    code = exc.pgcode or ""
    return "22000" if code in OF_A_VALUE and exc.diag.statement_position is None else code


def said_by(exc: psycopg2.Error) -> str:
    """Returns PostgreSQL's own words, on one line."""
    diagnosis = getattr(exc, "diag", None)
    said = (diagnosis and diagnosis.message_primary) or (str(exc).strip().splitlines() or ["no reason given"])[0]
    detail = diagnosis and diagnosis.message_detail
    return f"{said} ({detail.rstrip('.')})" if detail else said.rstrip(".")


def said_at_connect(exc: psycopg2.Error) -> str:
    """Returns why there is no connection: what a server answered, before an address at which none listens."""
    lines = [line.rstrip(".") for line in str(exc).splitlines() if line.strip() and not line.startswith("\t")]
    return next((line for line in lines if "failed: FATAL:" in line), (lines or ["no reason given"])[0])


def meaning(code: str, said: str, lost: bool) -> DatabaseError:
    """Returns the tool's error for a code of PostgreSQL and its own words. `lost`: the connection is gone."""
    if lost:
        return DatabaseUnreachable(f"The connection to PostgreSQL was lost: {said}.", hint="Run the command again.")
    # a table, a schema, or a column of a table is not there
    if code in ("42P01", "3F000") or (code == "42703" and _OF_RELATION.fullmatch(said)):
        return _missing(said)
    row = row_of(code)
    if row is None:
        return DatabaseError(f"PostgreSQL: {said} ({code or 'no code'}).")
    _, kind, sentence, hint = row
    return kind(sentence.format(said=said), hint=hint)


def left_empty(exc: DatabaseError) -> str:
    """Returns the column that may not be empty, if that is why a row was refused."""
    cause = exc.__cause__
    if not isinstance(cause, psycopg2.Error) or cause.pgcode != "23502":
        return ""
    return cause.diag.column_name or ""


def row_of(code: str) -> Meaning | None:
    """Returns what the table says of a code."""
    return next((row for row in MEANINGS if code.startswith(row[0])), None)


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
    found = _SAID_WHERE.fullmatch(said)
    words = (found[1] if found else said).removeprefix("FATAL:").strip()
    hint = next((row.hint for row in AT_CONNECT if re.fullmatch(row.sentence, words)), "Check DATABASE_URL.")
    return DatabaseUnreachable(f"PostgreSQL at {target} could not be reached: {said}.", hint=hint)
