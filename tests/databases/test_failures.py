"""Checks what a user is told of each error of PostgreSQL: every row of both tables has its case."""

from __future__ import annotations

import psycopg2
import pytest

from databases.postgres.failures import AT_CONNECT, MEANINGS, meaning, no_connection, row_of, said_at_connect
from errors import DatabaseError, DatabaseUnreachable, RowRejected, SchemaMissing
from tests.kit.postgres import Postgres

IN_A_SESSION = [
    ("08006", "connection failure", DatabaseUnreachable, "carries on"),
    ("57P01", "terminating connection due to administrator command", DatabaseUnreachable, "restarting"),
    ("57P03", "the database system is shutting down", DatabaseUnreachable, "restarting"),
    ("25P03", "terminating connection due to idle-in-transaction timeout", DatabaseUnreachable, "time-out"),
    ("25P04", "terminating connection due to transaction timeout", DatabaseUnreachable, "time-out"),
    ("57P05", "terminating connection due to idle-session timeout", DatabaseUnreachable, "time-out"),
    ("53300", 'too many connections for role "ann"', DatabaseUnreachable, "too many sessions"),
    ("25006", "cannot execute INSERT in a read-only transaction", DatabaseError, "read-only"),
    ("53100", "could not extend file: No space left on device", DatabaseError, "disk"),
    ("40001", "could not serialize access", DatabaseError, "pg_stat_activity"),
    ("40P01", "deadlock detected", DatabaseError, "pg_stat_activity"),
    ("55P03", "canceling statement due to lock timeout", DatabaseError, "pg_stat_activity"),
    ("57014", "canceling statement due to statement timeout", DatabaseError, "statement_timeout"),
    ("57014", "canceling statement due to user request", DatabaseError, "a user cancelled"),
    ("42501", "permission denied for table password", DatabaseError, "Grant"),
    ("42703", 'column "role " does not exist', DatabaseError, "init-db"),
    ("42703", 'column "of relation" does not exist', DatabaseError, "init-db"),
    ("42703", 'column "kind" of relation "mine" does not exist', DatabaseError, "the name in the mapping"),
    ("42883", "function f() does not exist", DatabaseError, "init-db"),
    ("42809", 'cannot insert into view "mine"', DatabaseError, "name a table"),
    ("42P01", 'relation "mine" does not exist', DatabaseError, "the name in the mapping"),
    ("42P01", 'relation "sync_outbox" does not exist', SchemaMissing, "init-db"),
    ("3F000", 'schema "mine" does not exist', DatabaseError, "the name in the mapping"),
    ("22P02", 'invalid input syntax for type integer: "too many connections"', RowRejected, ""),
    ("23505", "duplicate key value", RowRejected, ""),
    ("P0001", "the role does not exist", RowRejected, ""),
    ("XX000", "cache lookup failed", DatabaseError, ""),
]


@pytest.mark.parametrize(("code", "said", "kind", "hint"), IN_A_SESSION)
def test_an_error_in_a_session_is_told_by_its_code(code: str, said: str, kind: type, hint: str) -> None:
    error = meaning(code, said, lost=False)
    assert isinstance(error, kind) and said in error.message
    assert hint in error.hint if hint else not error.hint


def test_every_row_of_the_codes_has_a_case() -> None:
    met = {id(row_of(code)) for code, _, _, _ in IN_A_SESSION}
    assert [row[0] for row in MEANINGS if id(row) not in met] == []


WHERE = 'connection to server at "db.example.com" (192.0.2.1), port 5432 failed: '
AT_THE_DOOR = [
    (WHERE + 'FATAL:  too many connections for role "ann"', "53300", "role of DATABASE_URL"),
    (WHERE + 'FATAL:  too many connections for database "password"', "53300", "connection limit"),
    (WHERE + "FATAL:  sorry, too many clients already", "53300", "max_connections"),
    (
        WHERE + "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "53300",
        "max_c",
    ),
    (WHERE + "FATAL:  no more connections allowed (max_client_conn)", "08P01", "max_client_conn"),
    (WHERE + 'FATAL:  role "ann" does not exist', "28000", "user in DATABASE_URL"),
    (WHERE + 'FATAL:  role "too many clients" does not exist', "28000", "user in DATABASE_URL"),
    (WHERE + 'FATAL:  role "ann" is not permitted to log in', "28000", "alter role"),
    (WHERE + 'FATAL:  database "role one" does not exist', "3D000", "createdb"),
    (WHERE + 'FATAL:  database "refused" does not exist', "3D000", "createdb"),
    (WHERE + 'FATAL:  database "mine" is not currently accepting connections', "55000", "allow_connections"),
    (WHERE + 'FATAL:  permission denied for database "password"', "42501", "grant connect"),
    (WHERE + 'FATAL:  password authentication failed for user "SSL"', "28P01", "password in DATABASE_URL"),
    (WHERE + 'FATAL:  Peer authentication failed for user "ann"', "28000", "pg_hba.conf"),
    (WHERE + "fe_sendauth: no password supplied", "", "password in DATABASE_URL"),
    (
        WHERE + 'FATAL:  no pg_hba.conf entry for host "192.0.2.7", user "role x", database "password", no encryption',
        "28000",
        "pg_hba.conf",
    ),
    (WHERE + "FATAL:  the database system is starting up", "57P03", "in a moment"),
    (WHERE + "FATAL:  the database system is in recovery mode", "57P03", "in a moment"),
    (WHERE + "Connection refused", "", "No server listens there"),
    (WHERE + "timeout expired", "", "firewall"),
    (WHERE + "No route to host", "", "firewall"),
    (
        'connection to server on socket "/tmp/role /.s.PGSQL.5432" failed: No such file or directory',
        "",
        "that socket",
    ),
    ('could not translate host name "role password" to address: Name or service not known', "", "Correct the host"),
    (WHERE + "server does not support SSL, but SSL was required", "", "sslmode"),
    (WHERE + "SSL error: certificate verify failed", "", "sslmode"),
    (WHERE + 'root certificate file "/refused/root.crt" does not exist', "", "sslmode"),
    (WHERE + "FATAL:  password policy: come back tomorrow", "", "Check DATABASE_URL."),
    (WHERE + 'FATAL:  rol "ann" no existe', "", "Check DATABASE_URL."),
]


@pytest.mark.parametrize(("said", "code", "hint"), AT_THE_DOOR)
def test_no_connection_is_explained_by_what_was_said_as_a_whole(said: str, code: str, hint: str) -> None:
    error = no_connection("db", said, None)
    assert hint in error.hint
    assert error.hint == "Check DATABASE_URL." or [row.code for row in AT_CONNECT if row.hint == error.hint] == [code]


def test_every_row_of_the_sentences_has_a_case() -> None:
    met = {no_connection("db", said, None).hint for said, _, _ in AT_THE_DOOR}
    assert [row.code for row in AT_CONNECT if row.hint not in met] == []


def test_the_server_that_answered_counts_more_than_an_address_where_none_listens() -> None:
    said = (
        'connection to server at "localhost" (::1), port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?\n"
        'connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  role "ann" does not exist\n'
    )
    assert said_at_connect(psycopg2.OperationalError(said)).endswith('role "ann" does not exist')


def test_a_role_that_may_have_no_more_sessions_is_told_so(postgres: Postgres) -> None:
    admin = postgres.database(postgres.connection["dbname"], max_connections=1)
    role = f"few_{postgres.run}"
    with admin.autocommit() as session:
        session.execute(f"create role {role} login connection limit 0 password 'x'")
    try:
        other = {**postgres.connection, "user": role, "password": "x"}
        with pytest.raises(psycopg2.OperationalError) as caught:
            psycopg2.connect(**other)
        assert "role of DATABASE_URL" in no_connection("db", said_at_connect(caught.value), "x").hint
    finally:
        with admin.autocommit() as session:
            session.execute(f"drop role {role}")
        admin.close()
