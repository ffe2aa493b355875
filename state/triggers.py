"""What waits to be looked at: rows that somebody changed with SQL. Triggers put them into the outbox.

The triggers run once a statement, in the writer's own transaction. They pass over the tool's own transactions and over
updates that change nothing mapped, and they know nothing of monday.com, so no writer is ever slowed or failed by it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from databases.postgres.names import compose, identifier, joined, shortened, table_name
from db_connector import Composable, Transaction
from mappings.declaration import ROOT, Mapping

CHANNEL = "monday_sync"
SETTINGS = ("sync_enabled", "sync_direction")
PLAIN = re.compile(r"[^\w\[\]:,. -]")
"""What may not stand in a comment inside a function as it is: a column can be called anything."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A table as one entity sees it: which of its columns count, and whether its rows are the entity's own."""

    entity_type: str
    table: str
    columns: tuple[str, ...]
    key: str
    points_at: str
    """The table that `key` names a row of: the table itself or, for rows that hang on a root, the root's table."""
    root: bool
    owner: str
    """The root's table."""


def watched(mapping: Mapping) -> list[Watched]:
    """The tables that one mapping reads."""
    archived = {mapping.archived_column} if mapping.archived_column else set()
    root = sorted({place.column for place in mapping.places.values() if place.home == ROOT} | archived)
    root += [*mapping.pointers(ROOT), *([mapping.rest] if mapping.rest else [])]
    root += [*mapping.only, *(SETTINGS if mapping.record_settings else ())]
    found = [
        Watched(mapping.entity_type, mapping.table, _unique(root), mapping.primary_key, mapping.table, True, mapping.table)
    ]
    columns: dict[tuple[str, str, str], list[str]] = {}
    for related in mapping.related.values():
        key = related.child or "id"
        points_at = mapping.table if related.child else related.table
        own = [place.column for place in mapping.places.values() if place.home == related.name]
        columns.setdefault((related.table, key, points_at), []).extend([*own, *mapping.pointers(related.name)])
    for (table, key, points_at), names in columns.items():
        hangs = points_at != table
        counted = _unique([*names, key] if hangs else names)
        found.append(Watched(mapping.entity_type, table, counted, key, points_at, hangs, mapping.table))
    return found


def install(tx: Transaction, mappings: Iterable[Mapping]) -> list[str]:
    """Make the triggers of all mappings anew; the tables they watch."""
    tables: dict[str, list[Watched]] = {}
    for mapping in mappings:
        for one in watched(mapping):
            tables.setdefault(one.table, []).append(one)
    schema = str(tx.value("select current_schema()"))
    for table, watchers in tables.items():
        _install_on(tx, table, watchers, schema)
    return sorted(tables)


def installed(tx: Transaction, mapping: Mapping) -> bool:
    """Whether every table of a mapping has its triggers, for this entity as it is declared now."""
    for one in watched(mapping):
        source = tx.value(
            "select p.prosrc from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid"
            " where t.tgrelid = to_regclass(%s) and t.tgname = 'monday_sync_update' and t.tgenabled <> 'D'",
            (one.table,),
        )
        if source is None or _mark(one) not in source:
            return False
    return True


def _install_on(tx: Transaction, table: str, watchers: Sequence[Watched], schema: str) -> None:
    function = identifier(schema, shortened(f"monday_sync_note_{table}", table))
    texts = _compared_as_text(tx, table)
    bodies = {one: _notes(watchers, schema, one, texts) for one in ("insert", "update", "delete")}
    tx.execute(
        compose(
            # A column may be called anything, also like the end of the body.
            f"create or replace function {{function}}() returns trigger language plpgsql security definer"
            f" set search_path = {{schema}}, pg_temp as $monday_sync_{(tag := secrets.token_hex(4))}$\n"
            "-- {marks}\n"
            "begin\n"
            "    if current_setting('monday_sync.origin', true) = 'tool' then return null; end if;\n"
            "    begin\n"
            "        if tg_op = 'INSERT' then {insert}\n"
            "        elsif tg_op = 'UPDATE' then {update}\n"
            "        elsif tg_op = 'DELETE' then {delete}\n"
            "        else {truncate}\n"
            "        end if;\n"
            "    exception when undefined_column then\n"
            "        -- Somebody has renamed one, who is told so by the next run.\n"
            "        {anything}\n"
            "    end;\n"
            "    if found then perform pg_notify('{channel}', tg_table_name); end if;\n"
            "    return null;\n"
            f"end $monday_sync_{tag}$",
            function=function,
            truncate=_everybody(watchers, schema),
            anything=_anything(watchers, schema),
            schema=identifier(schema),
            marks=compose(" ".join(_mark(one) for one in watchers)),
            channel=compose(CHANNEL),
            **bodies,
        )
    )
    seen = {"insert": "referencing new table as changed", "update": "referencing old table as before new table as changed",
            "delete": "referencing old table as changed", "truncate": ""}  # fmt: skip
    for operation, transition in seen.items():
        statement = (
            "create or replace trigger monday_sync_{operation} after {operation} on {table} {transition}"
            " for each statement execute function {function}()"
        )
        if int(tx.value("show server_version_num")) < 140000:
            tx.execute(compose(f"drop trigger if exists monday_sync_{operation} on {{table}}", table=table_name(table)))
            statement = statement.replace("create or replace", "create")
        tx.execute(
            compose(
                statement, operation=compose(operation), table=table_name(table), transition=compose(transition),
                function=function,
            )
        )  # fmt: skip


def _compared_as_text(tx: Transaction, table: str) -> set[str]:
    """The columns of types of which PostgreSQL cannot say whether two values are equal."""
    rows = tx.rows(
        "select a.attname from pg_attribute as a join pg_type as t on t.oid = a.atttypid"
        " join pg_type as of on of.oid = case when t.typcategory = 'A' then t.typelem"
        " when t.typtype = 'd' then t.typbasetype else t.oid end"
        " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped"
        " and of.typname in ('json', 'xml', 'point', 'polygon', 'jsonpath')",
        (table,),
    )
    return {row[0] for row in rows}


def _notes(watchers: Sequence[Watched], schema: str, operation: str, texts: set[str]) -> Composable:
    """The statement that notes what an operation changed. Rows that only others point at change nothing by appearing."""
    return _noting([_note(one, operation, texts) for one in watchers if operation == "update" or one.root], schema)


def _anything(watchers: Sequence[Watched], schema: str) -> Composable:
    """The statement that notes every row, whatever was changed, and names no column."""
    return _noting(
        [
            compose(
                "select {type}, {table}, to_jsonb(n) ->> {key}, lower(tg_op) from changed as n"
                " where to_jsonb(n) ->> {key} is not null",
                type=compose(_literal(one.entity_type)), table=compose(_literal(one.points_at)),
                key=compose(_literal(one.key)),
            )
            for one in watchers
        ],
        schema,
    )  # fmt: skip


def _everybody(watchers: Sequence[Watched], schema: str) -> Composable:
    """The statement that notes every record that has an item, because a table was emptied."""
    return _noting(
        [
            compose(
                "select {type}, {table}, entity_id, 'delete' from {links} where entity_type = {type}"
                " and monday_id is not null and archived_at is null",
                type=compose(_literal(entity_type)), table=compose(_literal(owner)),
                links=identifier(schema, "sync_mapping"),
            )
            for entity_type, owner in sorted({(one.entity_type, one.owner) for one in watchers})
        ],
        schema,
    )  # fmt: skip


def _noting(parts: Sequence[Composable], schema: str) -> Composable:
    if not parts:
        return compose("null;")
    return compose(
        "insert into {outbox} (entity_type, table_name, row_id, operation) {rows};",
        outbox=identifier(schema, "sync_outbox"), rows=joined(" union all ", parts),
    )  # fmt: skip


def _note(one: Watched, operation: str, texts: set[str]) -> Composable:
    key, columns = identifier(one.key), [(identifier(name), "::text" if name in texts else "") for name in one.columns]
    names = {
        "type": compose(_literal(one.entity_type)), "table": compose(_literal(one.points_at)),
        "key": key, "id": identifier("id" if one.key != "id" and one.root and one.table != one.points_at else one.key),
    }  # fmt: skip
    if operation != "update":
        text = f"select {{type}}, {{table}}, n.{{key}}::text, '{operation}' from changed as n where n.{{key}} is not null"
        return compose(text, **names)
    # A row with another primary key is another row. One that hangs on another root now is news to both.
    text = (
        "select {type}, {table}, coalesce(n.{key}, o.{key})::text, case when o.{id} is null then 'insert'"
        " when n.{id} is null then 'delete' else 'update' end"
        " from changed as n full join before as o on o.{id} = n.{id} where coalesce(n.{key}, o.{key}) is not null"
        " and (o.{id} is null or n.{id} is null or ({new}) is distinct from ({old}))"
    )
    if one.table != one.points_at:
        text += (
            " union all select {type}, {table}, o.{key}::text, 'update' from changed as n"
            " join before as o on o.{id} = n.{id} where o.{key} is not null and o.{key} is distinct from n.{key}"
        )
    return compose(
        text,
        new=joined(", ", [compose("n.{c}" + cast, c=column) for column, cast in columns]),
        old=joined(", ", [compose("o.{c}" + cast, c=column) for column, cast in columns]),
        **names,
    )


def _mark(one: Watched) -> str:
    """What a trigger's text says about what it watches, so that a changed mapping is noticed."""
    return PLAIN.sub(lambda odd: f"\\u{ord(odd[0]):04x}", f"[{one.entity_type}:{one.key}:{','.join(one.columns)}]")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}").replace("%", "%%") + "'"


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
