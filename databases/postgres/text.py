"""Writes Python values as the texts that PostgreSQL reads (JSON, arrays, lines for COPY), a whole column at a time.

A column mostly holds one kind of value and few characters that need escaping, and asking that once for a column is many
times cheaper than asking every value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import orjson
from psycopg2.sql import Composable

from databases.postgres.names import compose, identifier, identifiers, joined
from errors import DatabaseError, RowRejected

ROWS_PER_CHUNK = 1000


# JSON


def json_text(value: Any) -> str:
    """Returns JSON with exact numbers, for a json or jsonb column."""
    try:
        return orjson.dumps(value, default=_json_number).decode()
    except TypeError:
        return _slow_json_text(value)


def _slow_json_text(value: Any) -> str:
    try:
        return orjson.dumps(_without_wide_integers(value), default=_json_number).decode()
    except TypeError as exc:  # also what orjson says of a lone surrogate
        raise RowRejected(f"A value cannot be written as JSON: {exc}.") from exc


_EXACT = json.JSONDecoder(parse_float=Decimal)
_EXACT_AND_WIDE = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal)


def json_value(text: str) -> Any:
    """Returns JSON as Python values, with int and Decimal for its numbers."""
    try:
        value = orjson.loads(text)
        if not _has_float(value):
            return value
    except orjson.JSONDecodeError:  # also a number beyond all floats
        pass
    try:
        return _EXACT.decode(text)
    except ValueError:  # Python refuses integers of more than 4300 digits
        return _EXACT_AND_WIDE.decode(text)


def _has_float(value: Any) -> bool:
    """Tells whether orjson made a float of a number, which may have lost digits: of a fraction, or of a wide integer."""
    if not isinstance(value, (dict, list)):
        return isinstance(value, float)
    parts = value.values() if isinstance(value, dict) else value
    kinds = set(map(type, parts))
    return float in kinds or (not kinds.isdisjoint((dict, list)) and any(map(_has_float, parts)))


def _json_number(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{value if isinstance(value, Decimal) else type(value).__name__} is no kind of JSON")


def _without_wide_integers(value: Any) -> Any:
    """Turns integers into Decimals, which are written digit by digit: orjson refuses those beyond 64 bits."""
    if isinstance(value, dict):
        return {key: _without_wide_integers(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_wide_integers(part) for part in value]
    return Decimal(value) if type(value) is int else value


# Arrays


def array_text(column: Sequence[Any]) -> str:
    """Returns a column as one array literal."""
    texts = texts_of(column)
    together = "".join([text for text in texts if text is not None])
    if "\\" in together or '"' in together:
        texts = [text and text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return "{" + ",".join(["NULL" if text is None else f'"{text}"' for text in texts]) + "}"


def unnested(columns: Mapping[str, str]) -> Composable:
    """Returns a table `new` of columns (name → type), each sent as the parameter `column 0`, `column 1`, ...

        (select a::bigint as a, ... from unnest(%(column 0)s::text[], ...) as given (a, ...)) as new

    The cast comes last, because `unnest` flattens arrays of arrays.
    """
    for kind in columns.values():
        if not re.fullmatch(r'(?:[\w ."(),\[\]]|-\d)+', kind):
            raise DatabaseError(f"{kind!r} is no type.")
    casts = [compose(f"{{name}}::{kind} as {{name}}", name=identifier(name)) for name, kind in columns.items()]
    arrays = ", ".join(f"%(column {index})s::text[]" for index in range(len(columns)))
    return compose(
        f"(select {{casts}} from unnest({arrays}) as given ({{names}})) as new",
        casts=joined(", ", casts),
        names=identifiers(columns),
    )


# Lines for COPY

ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"))
"""What COPY would not read as it stands. The backslash comes first, because the others bring one."""


def copy_column(column: Sequence[Any]) -> Sequence[str]:
    """Returns a column as COPY reads it."""
    texts = texts_of(column)
    if type(None) not in set(map(type, texts)):
        return escaped(cast("Sequence[str]", texts))
    filled = iter(escaped([text for text in texts if text is not None]))
    return ["\\N" if text is None else next(filled) for text in texts]


def escaped(texts: Sequence[str]) -> Sequence[str]:
    """Returns texts as COPY reads them."""
    together = "".join(texts)
    for letter, as_sent in ESCAPES:
        if letter in together:
            texts = [text.replace(letter, as_sent) for text in texts]
    return texts


def copy_text(rows: Sequence[Sequence[Any]]) -> bytes:
    """Returns rows as the lines that COPY reads."""
    chunks = []
    # not all texts of a large table at once
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        columns = [copy_column(column) for column in zip(*rows[start : start + ROWS_PER_CHUNK], strict=True)]
        # line by line, because a single letter beyond ASCII makes a text of all of them four times as wide
        lines = map(str.encode, map("\t".join, zip(*columns, strict=True)))
        chunks.append(b"\n".join([*lines, b""]))
    return b"".join(chunks)


# Any value


_TEXT: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    float: repr,
    Decimal: str,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    UUID: str,
    list: array_text,
    tuple: array_text,
    dict: json_text,
}


def texts_of(column: Sequence[Any]) -> Sequence[str | None]:
    """Returns every value as text, None as None."""
    kinds = set(map(type, column))
    if kinds <= {str, type(None)}:
        return column
    if len(kinds) == 1:
        return list(map(_way(kinds.pop()), column))
    ways = {kind: _way(kind) for kind in kinds if kind is not type(None)}
    return [value if value is None else ways[value.__class__](value) for value in column]


def _way(kind: type) -> Callable[[Any], str]:
    for base in kind.__mro__:
        if base in _TEXT:
            return _TEXT[base]
    raise TypeError(f"PostgreSQL is given no {kind.__name__}")
