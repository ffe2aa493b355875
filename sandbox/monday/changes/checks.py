"""Checks the values of a write against their columns, all of them before any is applied."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct, field

from sandbox.monday.account.models import Board, Cells, Column, Datum, Item, Label, User
from sandbox.monday.account.world import World
from sandbox.monday.cells.kind import Writing
from sandbox.monday.cells.kinds import kind_of
from sandbox.monday.errors import INVALID_VALUE, READ_ONLY, BadValue, MondayError, column_missing, unauthorized

NAME_CHARACTERS = 255


class Checked(Struct):
    """Holds the data that a mutation will store, and the labels it needs."""

    name: str | None = None
    cells: Cells = field(default_factory=dict)
    new_labels: list[tuple[Column, Label]] = field(default_factory=list)


class Checker(Struct, frozen=True):
    """Checks the values that a user writes to an item; the item is None while it is being created."""

    world: World
    user: User
    item: Item | None = None
    create_labels: bool = False

    def check_many(self, board: Board, text: str | None) -> Checked:
        """Checks `column_values` of a change or a creation: one JSON object as a string."""
        values, checked = decoded(text), Checked()
        if values is None:
            return checked
        if not isinstance(values, dict):
            raise MondayError("ColumnValueException", INVALID_VALUE, data={"column_value": text})
        for column_id in values:
            # One unknown column fails the whole mutation.
            if column_id not in board.columns:
                raise column_missing(column_id, board.id)
        for column_id, sent in values.items():
            column = board.columns[column_id]
            if column_id == "name":
                # A name is never emptied.
                if sent not in (None, ""):
                    checked.name = check_name(as_name(sent))
            # seen by the user, and not writable
            elif column.restricted:
                raise unauthorized(status=403)
            else:
                checked.cells[column_id] = self.check_one(column, sent, checked)
        return checked

    def check_one(self, column: Column, sent: object, checked: Checked, many: bool = True) -> Datum:
        """Makes the datum of what was sent: null clears, strings take the simple form, all else the object form."""
        kind, writing = kind_of(column.type), self._writing(column, checked, many)
        try:
            # computed by monday.com
            if kind.read is None:
                raise BadValue(READ_ONLY)
            if sent is None:
                return None
            # the simple form inside JSON
            if isinstance(sent, str) and column.type not in ("text", "numbers"):
                return simple(column, sent, writing)
            return kind.read(sent, writing)
        except BadValue as exc:
            raise exc.located(column.id, kind.internal, sent) from None

    def check_simple(self, column: Column, text: str | None) -> Checked:
        """Checks `change_simple_column_value`: plain text, null empties."""
        kind, checked = kind_of(column.type), Checked()
        writing = self._writing(column, checked, True)
        try:
            if kind.read is None:
                raise BadValue(
                    f"column type {column.type} is not supporting changing the column value with simple column value",
                    code="CorrectedValueException",
                )
            checked.cells[column.id] = None if text is None else simple(column, text, writing)
        except BadValue as exc:
            raise exc.located(column.id, kind.internal, text) from None
        return checked

    def _writing(self, column: Column, checked: Checked, many: bool) -> Writing:
        return Writing(self.world, self.user, column, self.item, self.create_labels, many, checked.new_labels)


def check_name(name: str) -> str:
    if not 1 <= len(name) <= NAME_CHARACTERS:
        message = "Item name must be between 1 and 255 characters"
        raise MondayError("ItemNameTooLongException", message, data={"item_name_length": len(name)})
    return name


def as_name(sent: object) -> str:
    if not isinstance(sent, str):
        raise MondayError("ColumnValueException", INVALID_VALUE, data={"column_type": "name"})
    return sent


def decoded(text: str | None, what: str = "column_values") -> Any:
    """Decodes an argument that carries JSON in a string."""
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        raise MondayError("ColumnValueException", INVALID_VALUE, data={"column_value": text, "field": what}) from None


def simple(column: Column, text: str, writing: Writing) -> Datum:
    kind = kind_of(column.type)
    if text == "" and not kind.clear_by_simple:
        raise BadValue(code="CorrectedValueException")
    return kind.simple(text, writing)
