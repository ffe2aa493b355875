"""Turns canonical values into what the columns of a table take: single values, and documents of several."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from models import Value
from values.canonical import dumps, is_empty, to_json

COMES_BACK: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("text", "character varying", "uuid"), (str,)),
    **dict.fromkeys(("smallint", "integer", "bigint"), (int,)),
    "numeric": (int, Decimal),
    "boolean": (bool,),
    "date": (date,),
    "timestamp with time zone": (datetime,),
}
"""Types of columns, and values that they show as they were written."""


def comes_back(kind: str) -> Sequence[type]:
    """Returns the types of the values that a column of that type shows just as they were written; None is always."""
    return COMES_BACK.get(kind.partition("(")[0], ())


def to_column(value: Value, kind: str) -> Any:
    """Returns a canonical value as a table column of that type takes it."""
    if value is None:
        return None
    if kind == "text":
        if isinstance(value, str):
            return value
        return dumps(value).decode() if isinstance(value, (list, dict)) else str(to_json(value))
    if isinstance(value, str) and not value:
        return None
    if kind in ("jsonb", "json"):
        return dumps(value).decode()
    if kind == "date" and hasattr(value, "date"):
        return value.date()
    return value


def column_of(values: list[Value], kind: str) -> list[Any]:
    """Returns canonical values as a table column of that type takes them."""
    if kind == "text" and {str, type(None)}.issuperset(map(type, values)):
        return values
    return [to_column(value, kind) for value in values]


def document(members: Map[Any, Value]) -> str:
    """Returns the JSON text of a document's filled members."""
    # 0 and false are no empty values; None is what most of the empty ones are
    filled = {name: value for name, value in members.items() if value or (value is not None and not is_empty(value))}
    return dumps(filled).decode()
