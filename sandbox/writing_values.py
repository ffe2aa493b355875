"""Checks the values of a write against their columns, all of them before any is applied."""

from __future__ import annotations

import json
from typing import Any

from sandbox.call import Call
from sandbox.cells import Writing, kind_of
from sandbox.errors import INVALID_VALUE, READ_ONLY, BadValue, MondayError, column_missing
from sandbox.models import Board, Column, Item, Label

NAME_CHARACTERS = 255


class Checked:
    """The data a mutation will store, and the labels it needs."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.cells: dict[str, Any] = {}
        self.new_labels: list[tuple[Column, Label]] = []


def check_name(name: str) -> str:
    if not 1 <= len(name) <= NAME_CHARACTERS:
        raise MondayError("ItemNameTooLongException", "Item name must be between 1 and 255 characters",
                          data={"item_name_length": len(name)})
    return name


def decoded(text: str | None, what: str = "column_values") -> Any:
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        raise MondayError("ColumnValueException", INVALID_VALUE, data={"column_value": text, "field": what}) from None


def check_many(call: Call, board: Board, item: Item | None, text: str | None, create_labels: bool | None) -> Checked:
    """`column_values` of a change or a creation: one JSON object as a string."""
    values = decoded(text)
    checked = Checked()
    if values is None:
        return checked
    if not isinstance(values, dict):
        raise MondayError("ColumnValueException", INVALID_VALUE, data={"column_value": text})
    for column_id in values:
        if column_id not in board.columns:
            raise column_missing(column_id, board.id)
    for column_id, sent in values.items():
        if column_id == "name":
            if sent not in (None, ""):
                checked.name = check_name(as_name(sent))
            continue
        column = board.columns[column_id]
        if column.restricted:
            raise MondayError("USER_UNAUTHORIZED", "User unauthorized to perform action", status=403)
        checked.cells[column_id] = check_one(call, column, item, sent, bool(create_labels), checked, True)
    return checked


def as_name(sent: Any) -> str:
    if not isinstance(sent, str):
        raise MondayError("ColumnValueException", INVALID_VALUE, data={"column_type": "name"})
    return sent


def check_one(call: Call, column: Column, item: Item | None, sent: Any, create_labels: bool, checked: Checked,
              many: bool) -> Any:
    """The datum for what was sent: null clears, strings take the simple form, all else the object form."""
    kind = kind_of(column.type)
    writing = Writing(call.world, call.user, column, item, create_labels, many, checked.new_labels)
    try:
        if kind.read is None:
            raise BadValue(READ_ONLY)
        if sent is None:
            return None
        if isinstance(sent, str) and column.type not in ("text", "numbers"):
            return simple(column, sent, writing)
        return kind.read(sent, writing)
    except BadValue as exc:
        raise exc.located(column.id, kind.internal, sent) from None


def simple(column: Column, text: str, writing: Writing) -> Any:
    kind = kind_of(column.type)
    if text == "" and not kind.clear_by_simple:
        raise BadValue(code="CorrectedValueException")
    return kind.simple(text, writing)


def check_simple(call: Call, column: Column, item: Item, text: str | None, create_labels: bool) -> Checked:
    """`change_simple_column_value`: plain text, null empties."""
    kind, checked = kind_of(column.type), Checked()
    writing = Writing(call.world, call.user, column, item, create_labels, True, checked.new_labels)
    try:
        if kind.read is None:
            raise BadValue(f"column type {column.type} is not supporting changing the column value with simple column "
                           "value", code="CorrectedValueException")
        datum = None if text is None else simple(column, text, writing)
    except BadValue as exc:
        raise exc.located(column.id, kind.internal, text) from None
    checked.cells[column.id] = datum
    return checked
