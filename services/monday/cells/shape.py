"""States what a kind of board column is, and decodes the JSON that a cell carries."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from msgspec import Struct

from models import BoardColumn, Cell, Value
from values.canonical import is_empty
from values.parsing import UTC, CellError, excerpt, iso_moment

JsonMember = dict[str, Any] | str | None
"""One member of the `column_values` of a mutation."""

Reader = Callable[[Cell, BoardColumn], Value]
"""Turns a cell into its canonical value. Raises CellError."""

Writer = Callable[[Value, BoardColumn, Cell | None], JsonMember]
"""Turns a canonical value, and the cell as it is, into what monday.com takes. Raises CellError."""


class ColumnType(Struct, frozen=True):
    """Describes one kind of board column: how its cells are read, written and compared."""

    name: str
    pg_type: str
    read: Reader
    write: Writer | None = None
    """None: the API cannot write this kind."""
    selection: str = ""
    """The GraphQL fragment this kind needs beyond `id text value`."""
    compare: str = "text"
    computed: bool = False
    """monday.com derives it, so it is no data of its own."""


# --- Decoding -------------------------------------------------------------------------------------------------------


def decoded(value: Any) -> Any:
    """Decodes the JSON inside a `value`, which is a text; some clients hand it over decoded."""
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
    """Returns the decoded `value` of the kinds that keep an object there; {} for an empty cell."""
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
    """Returns when the cell was last changed, if its kind keeps that."""
    try:
        told = object_of(cell).get("changed_at") if cell else None
        when = iso_moment(told) if isinstance(told, str) else None
    except ValueError:  # a CellError is a ValueError too
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


# --- Rules that all readers and all writers share -------------------------------------------------------------------

UNFORESEEN = (AttributeError, IndexError, KeyError, TypeError)


def guarded(read: Reader) -> Reader:
    """Adds a rule to a reader: a shape that it did not foresee costs one cell, not the run."""

    def read_or_refuse(cell: Cell, column: BoardColumn) -> Value:
        try:
            return read(cell, column)
        except UNFORESEEN:
            raise CellError(f"value is not understood: {excerpt(cell.get('value'))}") from None

    return read_or_refuse


def clearing(write: Writer) -> Writer:
    """Adds a rule to a writer: null empties the cell."""

    def write_or_clear(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
        try:
            return None if is_empty(value) else write(value, column, cell)
        except UNFORESEEN:
            raise CellError(f"no value for this kind of column: {excerpt(value)}") from None

    return write_or_clear
