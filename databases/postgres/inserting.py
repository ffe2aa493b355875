"""Knows the tables that PostgreSQL lets no COPY write: views, and tables with policies that apply to the role."""

from __future__ import annotations

from collections.abc import Mapping

from databases.postgres.catalogue import Asks, without_limit
from databases.postgres.names import parts_of

WITHOUT_COPY = """
select n.nspname, c.relname, pg_table_is_visible(c.oid), a.attname, format_type(a.atttypid, a.atttypmod)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where (c.relkind = 'v' or c.relrowsecurity and row_security_active(c.oid))
  and n.nspname not in ('pg_catalog', 'information_schema')
"""
INSERT = """
insert into {table} ({filled})
select {filled}
from {rows}
"""


class Inserted:
    """Remembers the column types of such tables; the database is asked once."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str], dict[str, str]] | None = None

    def types(self, tx: Asks, table: str) -> Mapping[str, str]:
        """Returns the column types of a table that takes no COPY; nothing for one that does."""
        if self._types is None:
            self._types = {}
            for schema, name, visible, column, kind in tx.rows(WITHOUT_COPY):
                for place in [(schema, name), ("", name)] if visible else [(schema, name)]:
                    self._types.setdefault(place, {})[column] = without_limit(kind)
        return self._types.get(parts_of(table), {})
