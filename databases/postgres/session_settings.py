"""Tells which settings of a server, a database or a role the tool cannot work with, and what to do about each."""

from __future__ import annotations

from typing import NamedTuple

from databases.postgres.catalogue import Asks
from errors import SettingsError

SESSIONS = 3
"""How many sessions a run has open at once: its lock, its reading thread, its work."""

FOUND = """
select current_setting('server_encoding'),
       current_setting('default_transaction_read_only'),
       current_setting('session_replication_role'),
       current_schema() is null,
       current_setting('search_path'),
       -- a superuser may have more sessions than its limit
       (select rolconnlimit from pg_roles where rolname = session_user and not rolsuper),
       (select datconnlimit from pg_database where datname = current_database()
            and not (select rolsuper from pg_roles where rolname = session_user)),
       pg_is_in_recovery(),
       quote_ident(session_user),
       quote_ident(current_database())
"""
SHORT_TIMEOUTS = """
-- those that are on and shorter than a second, in milliseconds: they end usual work in its midst
select name, setting
from pg_settings
where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')
  and length(setting) <= 3 and setting <> '0'
order by name
"""


class Found(NamedTuple):
    """Holds what a session begins with."""

    encoding: str
    read_only: str
    replication_role: str
    without_schema: bool
    search_path: str
    role_limit: int | None
    database_limit: int | None
    replica: bool
    role: str
    database: str


def refuse_settings(tx: Asks) -> None:
    """Raises SettingsError for a setting that would end a run in its midst, lose values, or hide edits."""
    found = Found(*tx.rows(FOUND)[0])
    timeouts = tx.rows(SHORT_TIMEOUTS)
    problem, remedy = _problem(found) or _short(timeouts, found.role) or ("", "")
    if problem:
        raise SettingsError(problem, hint=remedy)


def _problem(found: Found) -> tuple[str, str] | None:
    role, database = found.role, found.database
    if found.encoding != "UTF8":
        return (
            f"The database has the encoding {found.encoding}, which cannot hold every text of a board.",
            "Make one that can: createdb --template template0 --encoding UTF8 NAME, and name it in DATABASE_URL.",
        )
    if found.replica:
        return "The server is a replica, which takes no writes.", "Set DATABASE_URL to the primary server."
    if found.read_only == "on":
        return (
            "The database or the role lets transactions only read: default_transaction_read_only is on.",
            f"alter role {role} set default_transaction_read_only = off, or name another database in DATABASE_URL.",
        )
    if found.without_schema:
        return (
            f"None of the schemas in the search path ({found.search_path}) is there, or the role may not use them.",
            f"alter role {role} set search_path = public, or: grant usage, create on schema ... to {role}",
        )
    if found.replication_role != "origin":
        return (
            f"session_replication_role is {found.replication_role}: the tool's triggers would not fire.",
            f"alter role {role} reset session_replication_role",
        )
    if found.role_limit is not None and 0 <= found.role_limit < SESSIONS:
        return (
            f"The role {role} may have {found.role_limit} sessions at once, and a run needs {SESSIONS}.",
            f"alter role {role} connection limit 10",
        )
    if found.database_limit is not None and 0 <= found.database_limit < SESSIONS:
        return (
            f"The database {database} may have {found.database_limit} sessions at once, and a run needs {SESSIONS}.",
            f"alter database {database} connection limit 10",
        )
    return None


def _short(timeouts: list[tuple[str, ...]], role: str) -> tuple[str, str] | None:
    if not timeouts:
        return None
    name, milliseconds = timeouts[0]
    return (
        f"{name} is {milliseconds} ms, which ends a run in its midst.",
        f"Give the tool's role a second at least, better a minute: alter role {role} set {name} = '1min'",
    )
