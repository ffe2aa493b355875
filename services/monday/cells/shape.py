"""States what a kind of column is, and decodes the JSON that a cell carries."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from models import BoardColumn, Cell, Value
from values.canonical import is_empty
from values.parsing import UTC, CellError, excerpt

JsonMember = dict[str, Any] | str | None
"""One member of the `column_values` of a mutation."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One kind of cell, in both directions."""

    name: str
    pg_type: str
    read: Callable[[Cell, BoardColumn], Value]
    write: Callable[[Value, BoardColumn, Cell | None], JsonMember] | None = None
    """None: the API cannot write this kind."""
    selection: str = ""
    """The GraphQL fragment this kind needs beyond `id text value`."""
    compare: str = "text"
    computed: bool = False
    """monday.com derives it, so it is no data of its own."""


def decoded(value: Any) -> Any:
    """`value` is JSON inside a JSON string; some clients hand it over decoded."""
    if type(value) is not str:
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        # orjson refuses the escape of a lone surrogate, which the standard library reads.
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise CellError(f"value is not JSON: {excerpt(value)}") from None


def object_of(cell: Cell) -> dict[str, Any]:
    """The decoded `value` of the kinds that keep an object there; {} for an empty cell."""
    value = cell.get("value")
    if not value:
        return {}
    if type(value) is str:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = decoded(value)
    if type(value) is dict:
        return value
    if not value:
        return {}
    raise CellError(f"value is not an object: {excerpt(value)}")


def changed_at(cell: Cell | None) -> datetime | None:
    """When the cell was last changed, if its kind keeps that."""
    try:
        told = object_of(cell).get("changed_at") if cell else None
        when = datetime.fromisoformat(told.replace("Z", "+00:00")) if isinstance(told, str) else None
    except ValueError:  # CellError too
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


# --- Reading --------------------------------------------------------------------------------------------------------

Reader = Callable[[Cell, BoardColumn], Value]
UNFORESEEN = (AttributeError, IndexError, KeyError, TypeError)


def guarded(read: Reader) -> Reader:
    """A shape that the reader did not foresee costs one cell, not the run."""

    def read_or_tell(cell: Cell, column: BoardColumn) -> Value:
        try:
            return read(cell, column)
        except UNFORESEEN:
            raise CellError(f"value is not understood: {excerpt(cell.get('value'))}") from None

    return read_or_tell


# --- Writing --------------------------------------------------------------------------------------------------------

Writer = Callable[[Value, BoardColumn, Cell | None], JsonMember]


def clearing(write: Writer) -> Writer:
    """The writer with the one rule that all kinds share: null empties the cell."""

    def write_or_clear(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
        try:
            return None if is_empty(value) else write(value, column, cell)
        except UNFORESEEN:
            raise CellError(f"no value for this kind of column: {excerpt(value)}") from None

    return write_or_clear
