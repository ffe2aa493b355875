"""Looks up in PostgreSQL's catalogue which tables there are, and of what columns, types and keys.

Tables are named as mappings name them: `users`, `public.users` or `boards."Q1.2 plan"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from databases.postgres.failures import TOOL_TABLES
from errors import SchemaMissing, SettingsError

LIMITED = re.compile(r"^character( varying)?(\(\d+\))?")


class Asks(Protocol):
    """Answers statements, as `db_connector.Transaction` does."""

    def rows(
        self, statement: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]: ...

    def value(self, statement: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any: ...


# Tables


PLACE = """
select n.nspname, c.relname
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.oid = to_regclass(%s)
"""


def exists(tx: Asks, table: str) -> bool:
    """Says whether there is such a table."""
    return tx.value("select to_regclass(%s)", (table,)) is not None


def place_of(tx: Asks, table: str) -> tuple[str, str]:
    """Returns the schema and the table that a name stands for. Raises SettingsError when there is none."""
    found = tx.rows(PLACE, (table,))
    if not found:
        raise SettingsError(f"There is no table {table}.", hint="Put it back, or deploy the board again.")
    schema, name = found[0]
    return schema, name


# Columns


COLUMNS = """
select attname
from pg_attribute
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
"""
COLUMNS_OF_SEVERAL = """
select t.name, array_agg(a.attname::text order by a.attnum)
from unnest(%s::text[]) as t (name)
join pg_attribute as a on a.attrelid = to_regclass(t.name) and a.attnum > 0 and not a.attisdropped
group by t.name
order by t.name
"""
TYPES = """
select t.name, a.attname, format_type(a.atttypid, a.atttypmod)
from unnest(%s::text[]) as t (name)
join pg_attribute as a on a.attrelid = to_regclass(t.name) and a.attnum > 0 and not a.attisdropped
"""
NOT_NULL = """
select attnotnull
from pg_attribute
where attrelid = to_regclass(%s) and attname = %s and not attisdropped
"""
WITHOUT_EQUALITY = """
select a.attname
from pg_attribute as a
join pg_type as t on t.oid = a.atttypid
-- of an array its elements' type, of a domain the type below it
join pg_type as of on of.oid = case when t.typcategory = 'A' then t.typelem
                                    when t.typtype = 'd' then t.typbasetype
                                    else t.oid end
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
  and of.typname in ('json', 'xml', 'point', 'polygon', 'jsonpath')
"""


def columns_of(tx: Asks, table: str) -> set[str]:
    """Returns the columns of a table, also of one that is not the tool's; none when there is no such table."""
    return {row[0] for row in tx.rows(COLUMNS, (table,))}


def columns_of_those_there(tx: Asks, tables: Iterable[str]) -> dict[str, list[str]]:
    """Returns the columns, in their order, of each of the tables that is there."""
    return dict(tx.rows(COLUMNS_OF_SEVERAL, (sorted(tables),)))


def column_types_of(tx: Asks, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """Returns the types of the columns of these tables, without limits. Raises SchemaMissing for a table not there."""
    wanted = sorted(set(tables))
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in tx.rows(TYPES, (wanted,)):
        types.setdefault(table, {})[column] = without_limit(kind)
    if missing := [table for table in wanted if table not in types]:
        known = TOOL_TABLES.issuperset(missing)
        hint = "run: python main.py init-db" if known else "Create it, or correct the name in the mapping."
        raise SchemaMissing(f"There is no table {', '.join(missing)}.", hint=hint)
    return types


def without_limit(kind: str) -> str:
    """Returns `text` for a text type with a limit: a value cast to `varchar(5)` is cut, one assigned to it is refused."""
    return LIMITED.sub("text", kind)


def is_not_null(tx: Asks, table: str, column: str) -> bool:
    """Says whether a column may not be empty."""
    return bool(tx.value(NOT_NULL, (table, column)))


def columns_without_equality(tx: Asks, table: str) -> set[str]:
    """Returns the columns of types of which PostgreSQL cannot say whether two values are equal."""
    return {row[0] for row in tx.rows(WITHOUT_EQUALITY, (table,))}


# Keys, and what a table of the user's own fills itself


UNIQUE_KEY = """
select a.attname
from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = to_regclass(%s) and i.indisunique and i.indnkeyatts = 1 and i.indpred is null and a.attnotnull
order by i.indisprimary desc, a.attnum
limit 1
"""
COMPUTED = """
select a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' or a.attidentity = 'a'
from pg_attribute as a
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""


class TableColumn(Struct, frozen=True):
    """Describes a column of a table: its type as PostgreSQL writes it, and whether PostgreSQL alone makes its values."""

    name: str
    sql_type: str
    computed: bool


def unique_key_of(tx: Asks, table: str) -> str | None:
    """Returns the column that names a row by itself, the primary key before others; None when there is none."""
    key: str | None = tx.value(UNIQUE_KEY, (table,))
    return key


def columns_in_order(tx: Asks, table: str) -> list[TableColumn]:
    """Returns each column with its type, and whether PostgreSQL alone may fill it."""
    return [TableColumn(*row) for row in tx.rows(COMPUTED, (table,))]
