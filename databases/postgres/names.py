"""Composes SQL with quoted names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from psycopg2 import sql
from psycopg2.sql import Composable

from errors import SettingsError

LONGEST = 63
"""Bytes that PostgreSQL keeps of a name."""


def shortened(name: str, source: str, longest: int = LONGEST) -> str:
    """The name, or as much of it as has room in so many bytes, ending in a mark made of what it stands for."""
    if len(name.encode()) <= longest:
        return name
    mark = "_" + hashlib.blake2b(source.encode(), digest_size=3).hexdigest()
    return name.encode()[: longest - len(mark)].decode(errors="ignore").rstrip() + mark


def quoted(*names: str) -> str:
    """Names in SQL, always in quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def parts_of(name: str) -> tuple[str, str]:
    """Schema and table of a name as mappings have it."""
    found = re.fullmatch(r'(?:(?:"((?:[^"]|"")+)"|([^".]+))\.)?(?:"((?:[^"]|"")+)"|([^".]+))', name)
    if not found:
        raise SettingsError(f"{name!r} is no table name.", hint='Write table, schema.table or schema."Table name".')
    quoted_schema, schema, quoted_table, table = (part or "" for part in found.groups())
    return quoted_schema.replace('""', '"') or schema, quoted_table.replace('""', '"') or table


def quoted_text(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


# Names


class _Name(sql.Identifier):
    """A quoted name that survives a statement with parameters, where psycopg2 takes a single % for a placeholder."""

    def as_string(self, context: Any) -> str:
        return super().as_string(context).replace("%", "%%")


def identifier(*names: str) -> Composable:
    """One name, or a qualified one: `identifier("public", "Done (100%)")`."""
    return _Name(*names)


def identifiers(names: Iterable[str]) -> Composable:
    """Names with commas between them, for a list of columns."""
    return sql.SQL(", ").join([_Name(name) for name in names])


def joined(separator: str, parts: Iterable[Composable]) -> Composable:
    """Pieces of a statement with a separator between them."""
    return sql.SQL(separator).join(list(parts))


def literal(value: Any) -> Composable:
    """A value inside a statement, where a parameter would make it hard to read."""
    return sql.Literal(value)


def table_name(name: str) -> Composable:
    """`users`, `public.users` or `boards."Q1.2 plan"`; the letters' case is kept. A dot parts, unless it is in quotes."""
    part = r'(?:"((?:[^"]|"")+)"|([^".]+))'
    found = re.fullmatch(rf"(?:{part}\.)?{part}", name)
    if not found:
        raise SettingsError(f"{name!r} is no table name.", hint='Write table, schema.table or schema."Table name".')
    quoted_schema, schema, quoted, plain = found.groups("")
    names = (quoted_schema.replace('""', '"') or schema, quoted.replace('""', '"') or plain)
    return _Name(*[name for name in names if name])


def compose(text: str, **names: Composable) -> Composable:
    """A statement with names in the place of `{braces}`. Literal braces are doubled."""
    return sql.SQL(text).format(**names)
