"""Tells whether a role sees every row of a table: only then does the absence of a row mean that it was removed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from databases.postgres.catalogue import Asks
from errors import SettingsError

HIDING = """
-- tables whose policies may hide rows from this role, from reading or from updates; owners, superusers and roles with
-- bypassrls are as a rule not subject to policies
select t.name
from unnest(%s::text[]) as t (name)
join pg_class as c on c.oid = to_regclass(t.name)
where row_security_active(c.oid)
  and exists (
      select
      from (values ('r'), ('w')) as command (code)
      cross join lateral (
          select bool_or(p.polpermissive and pg_get_expr(p.polqual, p.polrelid) = 'true') as shows_all,
                 bool_or(not p.polpermissive) as restricts
          from pg_policy as p
          where p.polrelid = c.oid and p.polcmd in ('*', command.code::"char")
            and (0::oid = any(p.polroles)
                 or exists (select from unnest(p.polroles) as r (role)
                            where r.role <> 0 and pg_has_role(current_user, r.role, 'usage')))
      ) as applying
      where coalesce(applying.restricts, false) or not coalesce(applying.shows_all, false)
  )
order by t.name
"""
ELSEWHERE = """
select t.name, c.relkind::text
from unnest(%s::text[]) as t (name)
join pg_class as c on c.oid = to_regclass(t.name)
where c.relkind in ('v', 'm', 'f')
order by t.name
"""
SIGHT = """
with recursive parts (id) as (
    select to_regclass(%(table)s)::oid
    union
    select i.inhrelid
    from pg_inherits as i
    join parts on parts.id = i.inhparent
    -- a partition that is being detached is not read any more; before version 14 there is no such state
    where coalesce(to_jsonb(i) ->> 'inhdetachpending', 'false') = 'false'
)
select c.oid::bigint,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       c.relkind::text,
       array(select parts.id::bigint from parts where parts.id <> c.oid order by 1),
       exists (select from parts join pg_class as f on f.oid = parts.id where f.relkind = 'f'),
       pg_is_in_recovery()
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.oid = to_regclass(%(table)s)
"""
STILL_THERE = """
-- those of these tables that exist, by name; an id may have become that of something else, which has no such column
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid
where c.oid::bigint = any(%s::bigint[])
  and c.relkind in ('r', 'p', 'f', 'v', 'm')
  and a.attname = %s and not a.attisdropped
order by 1
"""
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


class Sight(Struct, frozen=True):
    """Says what a name stands for: a table with its partitions and children, and how much of it can be seen."""

    oid: int
    name: str
    kind: str
    parts: tuple[int, ...]
    foreign: bool
    """It, or a part of it, stands in another database."""
    replica: bool


def sight_of(tx: Asks, table: str) -> Sight | None:
    """Returns what a table's name stands for; None when there is no such table."""
    found = tx.rows(SIGHT, {"table": table})
    if not found:
        return None
    oid, name, kind, parts, foreign, replica = found[0]
    return Sight(oid, name, kind, tuple(parts), foreign, replica)


def still_there(tx: Asks, oids: Sequence[int], column: str) -> list[str]:
    """Returns the names of those of these tables that exist and have such a column."""
    return [row[0] for row in tx.rows(STILL_THERE, (list(oids), column))] if oids else []


def hiding(tx: Asks, tables: Sequence[str]) -> list[str]:
    """Returns the tables of which row level security may hide rows from the role that asks."""
    return [row[0] for row in tx.rows(HIDING, (list(dict.fromkeys(tables)),))]


def refuse_hidden(tx: Asks, tables: Sequence[str]) -> None:
    """Raises SettingsError for tables of which row level security may hide rows: each would look like a removed one."""
    if found := hiding(tx, tables):
        role = tx.value("select quote_ident(current_user)")
        raise SettingsError(hidden_in_words(", ".join(found), role), hint=remedy_for_hidden(found[0], role))


def no_tables(tx: Asks, tables: Sequence[str]) -> list[tuple[str, str]]:
    """Returns those that are views or foreign tables, each with what it is: they may leave out rows that are there."""
    if not tables:
        return []
    return [(name, KINDS[kind]) for name, kind in tx.rows(ELSEWHERE, (list(dict.fromkeys(tables)),))]


def refuse_no_tables(tx: Asks, tables: Sequence[str]) -> None:
    """Raises SettingsError for views and foreign tables: what they leave out would empty the cells that it feeds."""
    for name, kind in no_tables(tx, tables):
        raise SettingsError(related_in_words(name, kind), hint="Name the table itself in the mapping, under `related`.")


def related_in_words(name: str, kind: str) -> str:
    """Returns what is wrong with a related table that may leave out rows."""
    return f"{name} is {kind}, and a related row that it leaves out would empty cells on the board."


def hidden_in_words(tables: str, role: str) -> str:
    """Returns what row level security does."""
    return (
        f"Row level security on {tables} may hide rows from the role {role}, and a hidden row looks like a removed one."
    )


def remedy_for_hidden(table: str, role: str) -> str:
    """Returns what a user can do so that the role sees every row."""
    return (
        f"Let it see all: alter role {role} bypassrls (as a superuser), or:"
        f" create policy monday_sync on {table} to {role} using (true) with check (true)"
    )
