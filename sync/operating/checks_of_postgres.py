"""Checks PostgreSQL: reach, version, writing, tables, rights, what stands in between, and what others do there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timezone

from msgspec.structs import replace

from databases.postgres.embedded import server_of
from databases.postgres.failures import TOOL_TABLES
from errors import DatabaseError, DatabaseUnreachable, SettingsError
from mappings.declaration import Mapping
from state.schema import SCHEMA, check_schema
from sync.cycle import TO_MONDAY
from sync.operating.check import Check, Seen, failed, fault, in_psql, ok, warning
from sync.operating.examined import Examined
from sync.operating.pooling import Pooled, pooled
from values.wording import counted, plural

GROUP = "PostgreSQL"
OLDEST_VERSION = 130000
CLOCKS_APART_S = 2.0
"""Two changes of one field that are nearer than this are held: further apart than this no clock decides well."""
OLD_TRANSACTION_MIN = 15
FOR_A_BOARD, BESIDE = 3, 4
"""Connections that a daemon opens for each board, and for listening and its account."""
START_S = 60.0
WRONG_ADDRESS = re.compile(
    r"could not translate host name|authentication failed|no password supplied|(role|database) \".*\" does not exist",
    re.IGNORECASE,
)
"""What PostgreSQL says when the address is wrong, and trying again does not help."""

HEALTH = """
select current_setting('server_version'), current_setting('server_version_num')::int,
       pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool
"""
MISSING = """
select name
from unnest(%s::text[]) as name
where to_regclass(quote_ident(name)) is null
order by name
"""
RIGHTS = """
select name, right_name
from unnest(%s::text[]) as name, unnest(%s::text[]) as right_name
where to_regclass(name) is not null and not has_table_privilege(to_regclass(name)::oid, right_name)
order by name, right_name
"""
MAY_MAKE = "select current_schema(), has_schema_privilege(current_schema(), 'create'), quote_ident(current_user)"
CONNECTIONS = """
select current_setting('max_connections')::int
           - case when r.rolsuper then 0 else current_setting('superuser_reserved_connections')::int end
           - (select count(*)::int from pg_stat_activity where backend_type = 'client backend'),
       case when r.rolconnlimit >= 0 and not r.rolsuper
           then r.rolconnlimit - (select count(*)::int from pg_stat_activity where usename = current_user) end,
       quote_ident(current_user)
from pg_roles as r
where r.rolname = current_user
"""
OLDEST = """
select pid, coalesce(usename::text, ''), coalesce(application_name, ''), state,
       extract(epoch from now() - xact_start)::float8
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start < now() - %s * interval '1 minute'
order by xact_start
"""
TWICE = """
select entity_type, 'item ' || monday_id, count(*)
from sync_mapping
where monday_id is not null
group by entity_type, monday_id
having count(*) > 1
union all
select entity_type, 'row ' || entity_id, count(*)
from sync_mapping
where entity_id is not null
group by entity_type, entity_id
having count(*) > 1
limit 20
"""


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of the database."""
    there, tables = ("pg.reach", "pg.pooler"), ("pg.reach", "pg.pooler", "pg.schema")
    # a server of the tool's own may have to be started first
    patience = START_S if examined.embedded else 5.0
    return [
        Check("pg.reach", GROUP, lambda: _reach(examined), patience_s=patience),
        Check("pg.pooler", GROUP, lambda: _pooler(examined), ("pg.reach",)),
        Check("pg.version", GROUP, lambda: _version(examined), there),
        Check("pg.write", GROUP, lambda: _write(examined), there),
        Check("pg.schema", GROUP, lambda: _schema(examined), there),
        Check("pg.rights", GROUP, lambda: _rights(examined), tables),
        Check("pg.clock", GROUP, lambda: _clock(examined), there),
        Check("pg.connections", GROUP, lambda: _connections(examined), there),
        Check("pg.oldest_tx", GROUP, lambda: _oldest(examined), there),
        Check("pg.links", GROUP, lambda: _links(examined), tables),
    ]


def _reach(examined: Examined) -> Iterator[Seen]:
    wrong = examined.reading.is_wrong("DATABASE_URL")
    if examined.embedded and not wrong and not server_of(examined.home).is_made():
        told = "There is no database yet: DATABASE_URL is not set, and the tool's own server was never started."
        yield fault(told, "python main.py init-db", "DATABASE_URL")
        return
    try:
        db = examined.database()
        with db.transaction(read_only=True) as tx:
            began = time.monotonic()
            tx.value("select 1")
            took = time.monotonic() - began
    except DatabaseUnreachable as exc:
        seen = failed(exc, "DATABASE_URL")
        yield replace(seen, exit_code=SettingsError.exit_code) if WRONG_ADDRESS.search(exc.message) else seen
        return
    except SettingsError as exc:
        # what stands in between is told by the check of its name
        if "pooler" not in exc.message.lower():
            raise
        yield ok("a pooler answers")
        return
    yield ok(f"{'a server of its own, ' * examined.embedded}{db.target}, {took * 1000:.0f} ms")


def _version(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        version, number, _, _ = tx.rows(HEALTH)[0]
    if number < OLDEST_VERSION:
        yield fault(f"PostgreSQL is {version}, and the tool needs 13 or later.", "Upgrade the server, or name another.")
    else:
        yield ok(f"version {version.split()[0]}")


def _write(examined: Examined) -> Iterator[Seen]:
    """Makes a table that goes with the transaction, and takes it back."""
    db = examined.database()
    with db.transaction(read_only=True) as tx:
        _, _, standby, read_only = tx.rows(HEALTH)[0]
        role, database = tx.rows("select quote_ident(current_user), quote_ident(current_database())")[0]
    if standby:
        remedy = "Set DATABASE_URL to the primary server, or add: target_session_attrs=read-write"
        yield fault("This server is a standby, which only reads.", remedy, "DATABASE_URL", DatabaseError.exit_code)
        return
    if read_only:
        name = "default_transaction_read_only"
        remedy = in_psql(
            f"set {name} = off", f"alter role {role} reset {name}", f"alter database {database} reset {name}"
        )
        yield fault("The role or the database is set to read only.", remedy, role, DatabaseError.exit_code)
        return
    try:
        with db.transaction(keep=False) as tx:
            tx.execute("create temp table monday_sync_probe on commit drop as select 1 as one")
    except DatabaseError as exc:
        yield fault(exc.message, in_psql(f"grant temporary on database {database} to {role}"), role, exc.exit_code)
        return
    yield ok("may write")


def _schema(examined: Examined) -> Iterator[Seen]:
    """Looks for the version of the tables, and for each table: a restore may have left some out."""
    db = examined.database()
    check_schema(db)
    with db.transaction(read_only=True) as tx:
        lacking = [row[0] for row in tx.rows(MISSING, (sorted(TOOL_TABLES),))]
    if lacking:
        told = f"{plural(len(lacking), 'table')} of the tool's are missing: {', '.join(lacking)}."
        yield fault(told, "python main.py init-db", lacking[0])
    else:
        yield ok(f"tables of version {SCHEMA}")


def _rights(examined: Examined) -> Iterator[Seen]:
    chosen = examined.with_boards()
    mapped = {table for mapping, _ in chosen for table in _tables(mapping)}
    noted = {table for mapping, _ in chosen if mapping.direction in TO_MONDAY for table in _tables(mapping)}
    with examined.database().transaction(read_only=True) as tx:
        schema, may_make, role = tx.rows(MAY_MAKE)[0]
        every = tx.rows(RIGHTS, (sorted({*TOOL_TABLES, *mapped}), ["select", "insert", "update", "delete"]))
        lacking = [*every, *tx.rows(RIGHTS, (sorted(noted), ["trigger"]))]
    if not may_make:
        yield fault(
            f"{role} may not make tables in schema {schema}.",
            in_psql(f"grant create on schema {schema} to {role}"),
            role,
        )
    for table in dict.fromkeys(name for name, _ in lacking):
        rights = ", ".join(right for name, right in lacking if name == table)
        yield fault(
            f"{role} lacks rights on {table}: {rights}.", in_psql(f"grant {rights} on {table} to {role}"), table
        )
    if may_make and not lacking:
        yield ok(f"{role} has all rights")


def _tables(mapping: Mapping) -> list[str]:
    return [mapping.table, *(related.table for related in mapping.related.values())]


def _pooler(examined: Examined) -> Iterator[Seen]:
    found = pooled(examined.database())
    remedy = "Give DATABASE_URL the port of PostgreSQL itself, or set in the pooler: pool_mode = session"
    if found is Pooled.CHANGES:
        told = "The connection changes between statements: notifications and locks do not survive that."
        yield fault(told, remedy, "DATABASE_URL")
    elif found is Pooled.DEAF:
        yield fault("Notifications do not come back: what SQL changes is not heard at once.", remedy, "DATABASE_URL")
    else:
        yield ok("connections stay the same")


def _clock(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        began = datetime.now(timezone.utc)
        there = tx.value("select clock_timestamp()")
        here = began + (datetime.now(timezone.utc) - began) / 2
    apart = abs((there - here).total_seconds())
    if apart > CLOCKS_APART_S:
        told = f"The clock of PostgreSQL and the clock of this machine are {apart:,.0f} s apart"
        yield warning(
            f"{told}: of two changes, the wrong one may count as newer.",
            "Set both clocks by NTP, for example: timedatectl set-ntp true",
        )
    else:
        yield ok(f"clock {apart:.1f} s apart")


def _connections(examined: Examined) -> Iterator[Seen]:
    wanted = FOR_A_BOARD * len(examined.with_boards()) + BESIDE
    with examined.database().transaction(read_only=True) as tx:
        of_server, of_role, role = tx.rows(CONNECTIONS)[0]
    free = max(0, min(number for number in (of_server, of_role) if number is not None))
    if free >= wanted:
        yield ok(f"{plural(free, 'connection')} free")
        return
    remedy = "Raise max_connections of the server, or end sessions that are not needed."
    if of_role is not None and of_role <= of_server:
        remedy = in_psql(f"alter role {role} connection limit {wanted + 20}")
    yield warning(f"{plural(free, 'connection')} free, and a daemon opens up to {wanted}.", remedy, "DATABASE_URL")


def _oldest(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        found = tx.rows(OLDEST, (OLD_TRANSACTION_MIN,))
    for pid, user, application, state, age in found[:3]:
        examined.private |= {user: "<user>", application: "<program>"}
        who = " of ".join(word for word in (application, user) if word)
        minutes = counted(int(age // 60))
        told = f"A transaction of {who or 'another user'} ({state}) has been open for {minutes} min."
        yield warning(
            f"{told} What it holds, others wait for.", in_psql(f"select pg_terminate_backend({pid})"), f"session {pid}"
        )
    if not found:
        yield ok(f"no transaction older than {OLD_TRANSACTION_MIN} min")


def _links(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        found = tx.rows(TWICE)
    for entity_type, what, number in found[:5]:
        told = f"{what} ({entity_type}) has {number} links, and may have one."
        column = "monday_id" if what.startswith("item") else "entity_id"
        key = what.partition(" ")[2].replace("'", "''")
        same = f"entity_type = '{entity_type}' and {column} = '{key}'"
        newest = f"(select id from sync_mapping where {same} order by synced_at desc nulls last, id limit 1)"
        remedy = in_psql(f"delete from sync_mapping where {same} and id <> {newest}") + " Then: python main.py init-db"
        yield fault(told, remedy, entity_type)
    if not found:
        yield ok("no link twice")
