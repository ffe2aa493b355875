"""Looks up what tables do by themselves with what is written to them: defaults, triggers, rules, types that round."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from psycopg2 import sql
from psycopg2.sql import Composable

from databases.postgres.catalogue import Asks

WAYS = """
with tables (name, triggers, before_insert, rules, instead, deferred) as materialized (
    select t.name,
           -- a trigger of an insert or an update that is not the tool's own
           exists (select from pg_trigger as g join pg_proc as p on p.oid = g.tgfoid
                   where g.tgrelid = any(own.oids) and not g.tgisinternal and g.tgenabled <> 'D'
                     and g.tgtype & 20 <> 0 and p.proname !~ '^monday_sync_note_'),
           -- row triggers before or instead of an insert
           array(select case when l.lanname = 'plpgsql' then p.prosrc else 'new := ...' end
                 from pg_trigger as g
                 join pg_proc as p on p.oid = g.tgfoid
                 join pg_language as l on l.oid = p.prolang
                 where g.tgrelid = any(own.oids) and not g.tgisinternal and g.tgenabled <> 'D'
                   and g.tgtype & 5 = 5 and g.tgtype & 66 <> 0),
           array(select r.rulename::text from pg_rewrite as r
                 where r.ev_class = to_regclass(t.name) and r.ev_type in ('2', '3')
                 order by 1),
           -- those of a table that leave no write as it is
           array(select r.rulename::text from pg_rewrite as r join pg_class as c on c.oid = r.ev_class
                 where c.oid = to_regclass(t.name) and r.ev_type in ('2', '3') and r.is_instead and r.ev_qual = '<>'
                   and c.relkind in ('r', 'p')
                 order by 1),
           exists (select from pg_trigger as g
                   where g.tgrelid = any(own.oids) and not g.tgisinternal and g.tgenabled <> 'D' and g.tginitdeferred)
    from unnest(%s::text[]) as t (name)
    cross join lateral (
        select array_agg(oid) as oids
        from (select to_regclass(t.name)::oid
              union
              select relid::oid from pg_partition_tree(to_regclass(t.name))) as x (oid)
    ) as own
)
select t.*, a.attname,
       case when a.attgenerated = '' then coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(k.typdefaultbin, 0)) end,
       a.attnotnull or k.typnotnull,
       a.attidentity <> '',
       a.attgenerated <> '',
       -- types that store another value than they are given: numeric(10, 2), timestamp(0), char(5), real
       greatest(a.atttypmod, k.typtypmod) <> -1 and base.typname in ('numeric', 'bpchar', 'time', 'timetz', 'timestamp',
           'timestamptz', 'interval') or base.typname in ('float4', 'float8')
from tables as t
join pg_attribute as a on a.attrelid = to_regclass(t.name) and a.attnum > 0 and not a.attisdropped
join pg_type as k on k.oid = a.atttypid
join pg_type as base on base.oid = case when k.typtype = 'd' then k.typbasetype else k.oid end
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
"""
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class ColumnWays(Struct, frozen=True):
    """Tells what a column does by itself. `default` is the expression that fills it."""

    default: str | None = None
    not_null: bool = False
    identity: bool = False
    generated: bool = False
    rounds: bool = False

    @property
    def needs_value(self) -> bool:
        """Says whether a row without a value for it is refused."""
        return self.not_null and self.default is None and not self.identity and not self.generated


class TableWays(Struct, frozen=True):
    """Tells what a table does by itself with what is written to it."""

    columns: Mapping[str, ColumnWays] = field(default_factory=dict)
    triggers: bool = False
    """Triggers of the user's own run with an insert or an update."""
    before_insert: tuple[str, ...] = ()
    """The sources of triggers that see a new row before it is stored, and may give it another key."""
    rules: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    """The rules after which nothing is written to the table."""
    deferred: bool = False
    """Triggers wait for the end of the transaction."""

    def column(self, name: str) -> ColumnWays:
        """Returns the ways of a column."""
        return self.columns.get(name, ColumnWays())

    def sets_before_insert(self, column: str) -> bool:
        """Says whether a trigger sets a column of new rows, as far as its source tells."""
        return self._assigns(rf'new\s*\.\s*"?{re.escape(column)}"?')

    def may_make(self, column: str) -> bool:
        """Says whether a column that an insert leaves out may get a value: a trigger may also set the whole row."""
        return self.makes(column) or self._assigns(r"new(?!\s*\.)")

    def _assigns(self, name: str) -> bool:
        assigned = re.compile(
            rf"(^|;|\b(begin|then|else|loop))\s*{name}\s*:?=|\binto\s+(strict\s+)?([^;]*?,\s*)?{name}(?!\w)",
            re.IGNORECASE,
        )
        return any(assigned.search(COMMENT.sub(" ", source)) for source in self.before_insert)

    def makes(self, key: str) -> bool:
        """Says whether new rows get a key that an insert leaves out."""
        column = self.column(key)
        return column.default is not None or column.identity or self.sets_before_insert(key)

    def may_alter(self, columns: Iterable[str]) -> bool:
        """Says whether a row may show other values in these columns than were written."""
        return (
            self.triggers
            or bool(self.rules)
            or any(self.column(name).rounds or self.column(name).generated for name in columns)
        )


def ways_of(tx: Asks, tables: Iterable[str]) -> dict[str, TableWays]:
    """Returns the ways of each of these tables that is there."""
    found: dict[str, TableWays] = {}
    columns: dict[str, dict[str, ColumnWays]] = {}
    for table, triggers, sources, rules, instead, deferred, name, *ways in tx.rows(WAYS, (sorted(set(tables)),)):
        columns.setdefault(table, {})[name] = ColumnWays(*ways)
        found.setdefault(
            table, TableWays(columns[table], triggers, tuple(sources), tuple(rules), tuple(instead), deferred)
        )
    return found


def expression(text: str) -> Composable:
    """Returns an expression of the catalogue as a part of a statement."""
    return sql.SQL(text.replace("%", "%%"))
