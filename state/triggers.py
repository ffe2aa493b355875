"""Installs triggers that note which rows were changed with SQL, in `sync_outbox`.

The triggers run once a statement, in the writer's own transaction. They ignore the tool's own transactions and updates
that change nothing mapped. They do not speak to monday.com, so it never slows a writer or makes it fail.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from databases.postgres.catalogue import columns_of, columns_without_equality
from databases.postgres.names import compose, identifier, joined, literal, shortened, table_name
from db_connector import Composable, Transaction
from errors import SchemaMissing
from mappings.declaration import ROOT, Mapping

CHANNEL = "monday_sync"
SETTINGS = ("sync_enabled", "sync_direction")
PLAIN = re.compile(r"[^\w\[\]:,. -]")
"""What may not stand in a comment inside a function as it is: a column can have any name."""

INSTALLED = """
select p.prosrc
from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
where t.tgrelid = to_regclass(%s) and t.tgname = 'monday_sync_update' and t.tgenabled <> 'D'
"""

FUNCTION = """
create or replace function {function}() returns trigger language plpgsql security definer
set search_path = {schema}, pg_temp
as {delimiter}
-- {marks}
begin
    if current_setting('monday_sync.origin', true) = 'tool' then return null; end if;
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
for each statement execute function {function}()
"""
TRANSITIONS = {
    "insert": "referencing new table as changed",
    "update": "referencing old table as before new table as changed",
    "delete": "referencing old table as changed",
    "truncate": "",
}

NOTING = "insert into {outbox} (entity_type, table_name, row_id, operation, columns) {rows};"

CHANGED_ROWS = """
select {type}, {table}, n.{key}::text, {operation}, null::text[]
from changed as n
where n.{key} is not null
"""

# A row with another primary key is another row.
UPDATED_ROWS = """
select {type}, {table}, coalesce(n.{key}, o.{key})::text,
       case when o.{id} is null then 'insert' when n.{id} is null then 'delete' else 'update' end,
       case when o.{id} is not null and n.{id} is not null then array_remove(array[{changed}]::text[], null) end
from changed as n full join before as o on o.{id} = n.{id}
where coalesce(n.{key}, o.{key}) is not null
  and (o.{id} is null or n.{id} is null or ({new}) is distinct from ({old}))
"""

CHANGED_COLUMN = "case when n.{c}{cast} is distinct from o.{c}{cast} then {name} end"

# A row that belongs to another root now has changed both roots.
MOVED_ROWS = """
select {type}, {table}, o.{key}::text, 'update', null::text[]
from changed as n join before as o on o.{id} = n.{id}
where o.{key} is not null and o.{key} is distinct from n.{key}
"""

# Every row, whatever was changed in it, without a column's name.
ALL_CHANGED_ROWS = """
select {type}, {table}, to_jsonb(n) ->> {key_name}, lower(tg_op), null::text[]
from changed as n
where to_jsonb(n) ->> {key_name} is not null
"""

# Every record that has an item: a table was emptied.
ALL_RECORDS = """
select {type}, {owner}, entity_id, 'delete', null::text[]
from {links}
where entity_type = {type} and monday_id is not null and archived_at is null
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """Describes a table as one entity sees it: which of its columns count, and whether its rows are the entity's own."""

    entity_type: str
    table: str
    columns: tuple[str, ...]
    key: str
    points_at: str
    """The table whose row `key` names: the table itself or, for rows that belong to a root, the root's table."""
    root: bool
    owner: str
    """The root's table."""

    @property
    def mark(self) -> str:
        """Returns what is watched, for the text of the trigger's function, so that a changed mapping is noticed."""
        text = f"[{self.entity_type}:{self.key}:{','.join(self.columns)}]"
        return PLAIN.sub(lambda odd: f"\\u{ord(odd[0]):04x}", text)


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


def installed(tx: Transaction, mapping: Mapping) -> bool:
    """Says whether every table of a mapping has its triggers, for this entity as it is declared now."""
    for watcher in watched(mapping):
        # The four triggers of a table call one function and are made together.
        source = tx.value(INSTALLED, (watcher.table,))
        if source is None or watcher.mark not in source:
            return False
    return True


def install(tx: Transaction, mappings: Iterable[Mapping]) -> list[str]:
    """Makes the triggers of all mappings anew, and returns the tables they watch."""
    tables: dict[str, list[Watched]] = {}
    for mapping in mappings:
        for watcher in watched(mapping):
            tables.setdefault(watcher.table, []).append(watcher)
    schema = str(tx.value("select current_schema()"))
    # what a trigger cannot write would fail the user's own statement
    if "columns" not in columns_of(tx, "sync_outbox"):
        raise SchemaMissing("The tool's tables are too old for these triggers.", hint="run: python main.py init-db")
    for table, watchers in tables.items():
        function = identifier(schema, shortened(f"monday_sync_note_{table}", table))
        _make_function(tx, function, schema, _Notes(watchers, schema, columns_without_equality(tx, table)))
        _make_triggers(tx, table, function)
    return sorted(tables)


def _make_function(tx: Transaction, function: Composable, schema: str, notes: _Notes) -> None:
    # A column may have any name, also one like the end of the body.
    delimiter = compose(f"$monday_sync_{secrets.token_hex(4)}$")
    tx.execute(
        compose(
            FUNCTION,
            function=function,
            schema=identifier(schema),
            delimiter=delimiter,
            marks=compose(" ".join(watcher.mark for watcher in notes.watchers)),
            insert=notes.of("insert"),
            update=notes.of("update"),
            delete=notes.of("delete"),
            truncate=notes.of_all_records(),
            anything=notes.of_all_changed(),
            channel=literal(CHANNEL),
        )
    )


def _make_triggers(tx: Transaction, table: str, function: Composable) -> None:
    replaces = int(tx.value("show server_version_num")) >= 140000
    for operation, transition in TRANSITIONS.items():
        trigger = identifier(f"monday_sync_{operation}")
        names = {"trigger": trigger, "table": table_name(table)}
        # Before version 14 a trigger cannot be replaced.
        if not replaces:
            tx.execute(compose("drop trigger if exists {trigger} on {table}", **names))
        tx.execute(
            compose(
                TRIGGER if replaces else TRIGGER.replace("create or replace", "create"),
                operation=compose(operation),
                transition=compose(transition),
                function=function,
                **names,
            )
        )


@dataclass(frozen=True, slots=True)
class _Notes:
    """Composes the statements that note changes of a table, for all entities that watch it."""

    watchers: Sequence[Watched]
    schema: str
    texts: set[str]
    """The columns that are compared as text."""

    def of(self, operation: str) -> Composable:
        """Returns the statement that notes the changes of an operation. A new shared row changes no record."""
        counted = [watcher for watcher in self.watchers if operation == "update" or watcher.root]
        return self._noting([rows for watcher in counted for rows in self._changes(watcher, operation)])

    def of_all_changed(self) -> Composable:
        """Returns the statement that notes every changed row and names no column."""
        return self._noting([compose(ALL_CHANGED_ROWS, **_names(watcher)) for watcher in self.watchers])

    def of_all_records(self) -> Composable:
        """Returns the statement that notes every record that has an item, because a table was emptied."""
        links = identifier(self.schema, "sync_mapping")
        return self._noting(
            [
                compose(ALL_RECORDS, type=literal(entity_type), owner=literal(owner), links=links)
                for entity_type, owner in sorted({(watcher.entity_type, watcher.owner) for watcher in self.watchers})
            ]
        )

    def _noting(self, parts: Sequence[Composable]) -> Composable:
        if not parts:
            return compose("null;")  # no entity watches this operation
        outbox = identifier(self.schema, "sync_outbox")
        return compose(NOTING, outbox=outbox, rows=joined("union all", parts))

    def _changes(self, watcher: Watched, operation: str) -> list[Composable]:
        names = _names(watcher)
        if operation != "update":
            return [compose(CHANGED_ROWS, operation=literal(operation), **names)]
        # only changes of mapped columns are noted
        columns = [(identifier(name), "::text" if name in self.texts else "") for name in watcher.columns]
        new = joined(", ", [compose("n.{c}" + cast, c=column) for column, cast in columns])
        old = joined(", ", [compose("o.{c}" + cast, c=column) for column, cast in columns])
        changed = joined(
            ", ",
            [
                compose(CHANGED_COLUMN.replace("{cast}", cast), c=identifier(name), name=literal(name))
                for name, (_, cast) in zip(watcher.columns, columns, strict=True)
            ],
        )
        found = [compose(UPDATED_ROWS, new=new, old=old, changed=changed, **names)]
        # a row that belongs to a root
        if watcher.table != watcher.points_at:
            found.append(compose(MOVED_ROWS, **names))
        return found


def _names(watcher: Watched) -> dict[str, Composable]:
    hangs = watcher.root and watcher.table != watcher.points_at
    return {
        "type": literal(watcher.entity_type),
        "table": literal(watcher.points_at),
        "key": identifier(watcher.key),
        "key_name": literal(watcher.key),
        "id": identifier("id" if hangs and watcher.key != "id" else watcher.key),
    }
