"""Answers admin calls on columns and labels; as on monday.com, `updated_at` of the items stays."""

from __future__ import annotations

from typing import Any

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Column, Label
from sandbox.monday.account.new_columns import new_column
from sandbox.monday.admin.finding import Calls, Finder, Id
from sandbox.monday.service import Service


class ColumnCalls:
    def __init__(self, service: Service) -> None:
        self._boards, self._owner, self._find = service.boards, service.world.owner(), Finder(service.world)
        self.calls: Calls = {
            "columns/add": self.add,
            "columns/rename": self.rename,
            "columns/delete": self.delete,
            "columns/retype": self.retype,
            "columns/settings": self.settings,
            "columns/restrict": self.restrict,
            "labels/rename": self.rename_label,
            "labels/add": self.add_label,
            "labels/deactivate": self.deactivate_label,
        }

    def add(self, board_id: Id, **column: Any) -> JsonObject:
        made = self._boards.add_column(self._find.board(board_id), made_column(**column), self._owner.id)
        return {"id": made.id}

    def rename(self, board_id: Id, column_id: str, title: str) -> JsonObject:
        column = self._find.column(board_id, column_id)
        column.title, column.revision = title, column.revision + 1
        self._changed(board_id, column_id, "update_column_name")
        return {"id": column.id, "title": title}

    def delete(self, board_id: Id, column_id: str) -> JsonObject:
        column = self._find.column(board_id, column_id)
        self._boards.delete_column(self._find.board(board_id), column, self._owner.id)
        return {"id": column_id}

    def retype(self, board_id: Id, column_id: str, type: str) -> JsonObject:
        """Gives a column another type under the same id, and empties its cells, whose data have the old shape."""
        board, column = self._find.board(board_id), self._find.column(board_id, column_id)
        for item in board.items.values():
            item.cells.pop(column_id, None)
        board.columns[column_id] = made_column(id=column_id, title=column.title, type=type)
        self._changed(board_id, column_id)
        return {"id": column_id, "type": type}

    def restrict(self, board_id: Id, column_id: str, restricted: bool = True) -> JsonObject:
        self._find.column(board_id, column_id).restricted = restricted
        return {"column_id": column_id, "restricted": restricted}

    def settings(self, board_id: Id, column_id: str, **settings: object) -> JsonObject:
        column = self._find.column(board_id, column_id)
        column.settings |= settings
        self._changed(board_id, column_id)
        return column.settings

    def rename_label(self, board_id: Id, column_id: str, label_id: int, name: str) -> JsonObject:
        self._label(board_id, column_id, label_id).name = name
        self._changed(board_id, column_id)
        return {"id": label_id, "name": name}

    def deactivate_label(self, board_id: Id, column_id: str, label_id: int) -> JsonObject:
        self._label(board_id, column_id, label_id).deactivated = True
        self._changed(board_id, column_id)
        return {"id": label_id, "deactivated": True}

    def add_label(self, board_id: Id, column_id: str, label_id: int, name: str) -> JsonObject:
        self._find.column(board_id, column_id).labels.append(Label(label_id, name))
        self._changed(board_id, column_id)
        return {"id": label_id, "name": name}

    def _label(self, board_id: Id, column_id: str, label_id: int) -> Label:
        label = self._find.column(board_id, column_id).label(label_id)
        if label is None:
            raise LookupError(f"no label {label_id}")
        return label

    def _changed(self, board_id: Id, column_id: str, event: str = "change_column_settings") -> None:
        board = self._find.board(board_id)
        board.columns[column_id].revision += 1
        self._boards.log(board, event, self._owner.id, column_id=column_id)


def made_column(
    id: str,
    title: str,
    type: str,
    labels: dict[str, str] | list[str] | None = None,
    settings: JsonObject | None = None,
) -> Column:
    """Makes a column; labels are names, or numbers with names."""
    column = new_column(id, title, type, **(settings or {}))
    # labels by number
    if isinstance(labels, dict):
        column.labels = [Label(int(number), name) for number, name in labels.items()]
    elif labels is not None:
        column.labels = [Label(number, name) for number, name in enumerate(labels, start=0 if type == "status" else 1)]
    return column
