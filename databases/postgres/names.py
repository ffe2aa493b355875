"""Composes SQL: names and values quoted, as text or as a piece of a statement."""

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
PART = r'(?:"((?:[^"]|"")+)"|([^".]+))'
TABLE_NAME = re.compile(rf"(?:{PART}\.)?{PART}")
"""`users`, `public.users` or `boards."Q1.2 plan"`: a dot parts, unless it is in quotes."""


def parts_of(name: str) -> tuple[str, str]:
    """Returns schema ("" for none) and table of a name as mappings have it; the letters' case is kept."""
    found = TABLE_NAME.fullmatch(name)
    if not found:
        raise SettingsError(f"{name!r} is no table name.", hint='Write table, schema.table or schema."Table name".')
    quoted_schema, schema, quoted_table, table = found.groups("")
    return quoted_schema.replace('""', '"') or schema, quoted_table.replace('""', '"') or table


def shortened(name: str, source: str, longest: int = LONGEST) -> str:
    """Returns the name, or as much of it as has room in so many bytes, ending in a mark made of what it stands for."""
    if len(name.encode()) <= longest:
        return name
    mark = "_" + hashlib.blake2b(source.encode(), digest_size=3).hexdigest()
    return name.encode()[: longest - len(mark)].decode(errors="ignore").rstrip() + mark


# As text, for statements that are shown to a user before they are run


def quoted(*names: str) -> str:
    """Returns a name in SQL, qualified where several are given, always in quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def literal_text(text: str) -> str:
    """Returns a text in SQL."""
    return "'" + text.replace("'", "''") + "'"


# As pieces of a statement. psycopg2 takes a single % in a statement with parameters for a placeholder.


class _Name(sql.Identifier):
    def as_string(self, context: Any) -> str:
        return super().as_string(context).replace("%", "%%")


class _Value(sql.Literal):
    def as_string(self, context: Any) -> str:
        return super().as_string(context).replace("%", "%%")


def identifier(*names: str) -> Composable:
    """Returns one name, or a qualified one: `identifier("public", "Done (100%)")`."""
    return _Name(*names)


def identifiers(names: Iterable[str]) -> Composable:
    """Returns names with commas between them, for a list of columns."""
    return sql.SQL(", ").join([_Name(name) for name in names])


def table_name(name: str) -> Composable:
    """Returns the name of a table that mappings call `users`, `public.users` or `boards."Q1.2 plan"`."""
    return _Name(*[part for part in parts_of(name) if part])


def literal(value: Any) -> Composable:
    """Returns a value inside a statement, where a parameter would make it hard to read."""
    return _Value(value)


def joined(separator: str, parts: Iterable[Composable]) -> Composable:
    """Returns pieces of a statement with a separator between them."""
    return sql.SQL(separator).join(list(parts))


def compose(text: str, **names: Composable) -> Composable:
    """Returns a statement with names in the place of `{braces}`. Literal braces are doubled, and so is a literal %."""
    return sql.SQL(text).format(**names)
