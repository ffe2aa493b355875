"""Installs triggers that note which rows were changed with SQL, in `sync_outbox`.

The triggers run once a statement, in the writer's own transaction. They ignore the tool's own transactions and updates
that change nothing mapped. They do not speak to monday.com, so it never slows a writer or makes it fail.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map

from msgspec import Struct

from databases.postgres.catalogue import columns_of, columns_without_equality
from databases.postgres.names import compose, identifier, literal, quoted, shortened
from databases.postgres.world import WORLD_NOW, channel_in
from db_connector import Composable, Database, Transaction
from errors import SchemaMissing
from mappings.declaration import ROOT, Mapping
from state.noting import Notes, Watched

log = logging.getLogger("monday_sync")

VERSION = "[triggers 4]"
"""Stands in the functions; an older text has none, or another."""
SETTINGS = ("sync_enabled", "sync_direction")

# A partition, and a table that inherits, can be written by its own name: then its parent's triggers keep silent.
# A foreign table takes no triggers of this kind.
WRITTEN_BY_NAME = """
with recursive below as (
    select to_regclass(%(table)s)::oid as oid
    union
    select i.inhrelid from pg_inherits as i join below on i.inhparent = below.oid
)
select c.oid, n.nspname, c.relname, c.relispartition, pg_has_role(c.relowner, 'usage')
from below join pg_class as c on c.oid = below.oid join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
order by c.oid
"""

# The tables of two schemas may be fed by one table: each has its own triggers there.
INSTALLED = """
select count(*), min(p.prosrc)
from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid join pg_namespace as n on n.oid = p.pronamespace
where t.tgrelid = %s and n.nspname = %s and p.proname like 'monday\\_sync\\_note\\_%%'
  and t.tgtype & 1 = 0 and t.tgenabled in ('O', 'A')
"""

FUNCTION = """
create or replace function {function}() returns trigger language plpgsql security definer
set search_path = {schema}, pg_temp
-- both images of a row are put together by a hash: to sort wide rows takes them to the disk
set enable_mergejoin = off
as {delimiter}
-- {marks}
begin
    {guard}
    -- what the tool writes for the tables of another schema is news here
    if current_setting('monday_sync.origin', true) = 'tool'
        and coalesce(nullif(current_setting('monday_sync.world', true), ''), {world}) = {world}
    then
        return null;
    end if;
    begin
        if tg_op = 'INSERT' then {insert}
        elsif tg_op = 'UPDATE' then {update}
        elsif tg_op = 'DELETE' then {delete}
        else {truncate}
        end if;
    exception when undefined_column then
        -- a column was renamed, which the next run reports
        {anything}
    end;
    if found then perform pg_notify({channel}, tg_table_name); end if;
    return null;
end {delimiter}
"""

TRIGGER = """
create or replace trigger {trigger} after {operation} on {table} {transition}
for each {unit} execute function {function}()
"""
# Logical replication, and a session that calls itself a replica, fire no trigger but those that are said to, and
# replication none that runs once a statement. In every other session a trigger for replicas costs nothing.
REPLICA = "insert or update or delete"
FOR_REPLICAS = "alter table {table} enable replica trigger {trigger}"
ALWAYS = "alter table {table} enable always trigger {trigger}"
# Where the outbox is replicated itself, the change is noted by the database that it comes from. It is asked for each row.
IF_NOT_REPLICATED = """
-- `enable trigger user` lets this one fire in every session, where those for each statement have noted the change
if current_setting('session_replication_role') <> 'replica' then return null; end if;
if exists (select from pg_subscription_rel where srrelid = to_regclass({outbox})) then return null; end if;
"""
TRANSITIONS = {
    "insert": "referencing new table as changed",
    "update": "referencing old table as before new table as changed",
    "delete": "referencing old table as changed",
    "truncate": "",
}

# A table of another schema than the tool's own can be watched from several: each names its triggers after itself.
TRIGGER_SUFFIX = """
select case when c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) then '' else '_' || %(schema)s end
from pg_class as c
where c.oid = to_regclass(%(table)s)
"""

TRIGGERS_OF_OTHER_NAMES = """
select t.tgname::text
from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid join pg_namespace as n on n.oid = p.pronamespace
where t.tgrelid = %s and not t.tgisinternal and t.tgparentid = 0 and n.nspname = %s
  and p.proname like 'monday\\_sync\\_note\\_%%' and t.tgname <> all (%s)
"""

DROP = "drop trigger if exists {trigger} on {table}"


def watched(mapping: Mapping) -> list[Watched]:
    """Returns the tables that one mapping reads."""
    archived = {mapping.archived_column} if mapping.archived_column else set()
    root = sorted({place.column for place in mapping.places.values() if place.home == ROOT} | archived)
    root += [*mapping.pointers(ROOT), *([mapping.rest] if mapping.rest else [])]
    root += [*mapping.only, *(SETTINGS if mapping.record_settings else ())]
    found = [
        Watched(
            mapping.entity_type, mapping.table, _unique(root), mapping.primary_key, mapping.table, True, mapping.table
        )
    ]
    columns: dict[tuple[str, str, str], list[str]] = {}
    for related in mapping.related.values():
        key = related.child or "id"
        points_at = mapping.table if related.child else related.table
        own = [place.column for place in mapping.places.values() if place.home == related.name]
        # Several related tables can be one table under several names: it is watched once.
        columns.setdefault((related.table, key, points_at), []).extend([*own, *mapping.pointers(related.name)])
    for (table, key, points_at), names in columns.items():
        # rows that belong to a root move when their key changes
        hangs = points_at != table
        counted = _unique([*names, key] if hangs else names)
        found.append(Watched(mapping.entity_type, table, counted, key, points_at, hangs, mapping.table))
    return found


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def installed(tx: Transaction, mapping: Mapping, version: str = "") -> bool:
    """Says whether all that feeds a mapping has its triggers, for this entity as it is declared now (of that version)."""
    schema = tx.value(WORLD_NOW)
    for watcher in watched(mapping):
        written = tx.rows(WRITTEN_BY_NAME, {"table": watcher.table})
        for oid, *_ in written:
            ((count, source),) = tx.rows(INSTALLED, (oid, schema))
            # The triggers of a table call one function and are made together.
            if count < len(TRANSITIONS) or watcher.mark not in source or version not in source:
                return False
        # a view, a foreign table, or none
        if not written:
            return False
    return True


def channel(db: Database) -> str:
    """Returns the channel on which the triggers tell of changes."""
    with db.transaction(read_only=True) as tx:
        return channel_in(str(tx.value(WORLD_NOW)))


def install(tx: Transaction, mappings: Iterable[Mapping]) -> list[str]:
    """Makes the triggers of all mappings anew, and returns the tables they watch."""
    tables: dict[str, list[Watched]] = {}
    for mapping in mappings:
        for watcher in watched(mapping):
            tables.setdefault(watcher.table, []).append(watcher)
    schema = str(tx.value(WORLD_NOW))
    # what a trigger cannot write would fail the user's own statement
    if "columns" not in columns_of(tx, "sync_outbox"):
        raise SchemaMissing("The tool's tables are too old for these triggers.", hint="run: python main.py init-db")
    for table, watchers in tables.items():
        written = tx.rows(WRITTEN_BY_NAME, {"table": table})
        if not written:
            log.warning("%s takes no triggers, because it is no table: every run compares all of its rows.", table)
        texts = columns_without_equality(tx, table)
        functions = []
        for of_one_row, suffix in ((False, ""), (True, "_row")):
            function = identifier(schema, shortened(f"monday_sync_note{suffix}_{table}", f"{table}{suffix}"))
            _make_function(tx, function, schema, Notes(watchers, schema, texts, of_one_row))
            functions.append(function)
        names = trigger_names(schema, tx.value(TRIGGER_SUFFIX, {"schema": schema, "table": table}) or "")
        for oid, in_schema, name, is_partition, owns in written:
            place = _Place(oid, identifier(in_schema, name), f"{in_schema}.{name}", is_partition, owns)
            _make_triggers(tx, place, schema, names, functions)
    return sorted(tables)


def trigger_names(schema: str, suffix: str) -> dict[str, str]:
    """Returns the names of a table's triggers, by what they hear of."""
    return {what: shortened(f"monday_sync_{what}{suffix}", schema) for what in (*TRANSITIONS, "replica")}


def _make_function(tx: Transaction, function: Composable, schema: str, notes: Notes) -> None:
    outbox = literal(f"{quoted(schema)}.sync_outbox")
    parts: dict[str, Composable] = {
        "function": function,
        "schema": identifier(schema),
        "marks": compose(" ".join([VERSION, *(watcher.mark for watcher in notes.watchers)])),
        "guard": compose(IF_NOT_REPLICATED, outbox=outbox) if notes.of_one_row else compose(""),
        "insert": notes.of("insert"),
        "update": notes.of("update"),
        "delete": notes.of("delete"),
        "truncate": notes.of_all_records(),
        "anything": notes.of_all_changed(),
        "channel": literal(channel_in(schema)),
        "world": literal(schema),
    }
    # A column may have any name, also one like the end of the body, but none has a hash of what it is a part of.
    told = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    tx.execute(compose(FUNCTION, delimiter=compose(f"$monday_sync_{told}$"), **parts))


class _Place(Struct, frozen=True):
    """Names a table that can be written by its own name."""

    oid: int
    table: Composable
    title: str
    is_partition: bool
    owned: bool
    """The role may alter it."""


def _make_triggers(
    tx: Transaction, place: _Place, schema: str, names: Map[str, str], functions: Sequence[Composable]
) -> None:
    for (old,) in tx.rows(TRIGGERS_OF_OTHER_NAMES, (place.oid, schema, list(names.values()))):
        tx.execute(compose(DROP, trigger=identifier(old), table=place.table))
    each_statement, each_row = functions
    for operation, transition in TRANSITIONS.items():
        _make_trigger(tx, place, names[operation], (operation, transition, "statement"), each_statement)
    # A partition has those for each row from its parent.
    if not place.is_partition and place.owned:
        _make_trigger(tx, place, names["replica"], (REPLICA, "", "row"), each_row)
        tx.execute(compose(FOR_REPLICAS, table=place.table, trigger=identifier(names["replica"])))
    if place.owned:
        tx.execute(compose(ALWAYS, table=place.table, trigger=identifier(names["truncate"])))
    else:
        log.warning(
            "%s belongs to another role: what logical replication, or a session that calls itself a replica, changes in"
            " it is found by the daily sweep only. Its owner can run setup once.",
            place.title,
        )


def _make_trigger(tx: Transaction, place: _Place, name: str, kind: tuple[str, str, str], function: Composable) -> None:
    operation, transition, unit = kind
    names = {"trigger": identifier(name), "table": place.table, "function": function}
    # Before version 14 a trigger cannot be replaced.
    replaces = int(tx.value("show server_version_num")) >= 140000
    if not replaces:
        tx.execute(compose(DROP, **names))
    words = {"operation": compose(operation), "transition": compose(transition), "unit": compose(unit)}
    create = TRIGGER if replaces else TRIGGER.replace("create or replace", "create")
    tx.execute(compose(create, **names, **words))
