"""Admin calls on boards, columns, labels, groups and users, and the snapshot that tests compare with."""

from __future__ import annotations

from typing import Any

from sandbox.cells import cell_of
from sandbox.clock import iso
from sandbox.models import Board, Column, Group, Label, User
from sandbox.seeding import contacts
from sandbox.seeding.columns import column as new_column
from sandbox.seeding.estate import add_board
from sandbox.service import Service
from sandbox.writing_structure import drop_group


class BoardCalls:
    def __init__(self, service: Service) -> None:
        self.service, self.world = service, service.world
        self.calls: dict[str, Any] = {
            "boards/snapshot": self.snapshot, "boards/create": self.create, "boards/set": self.set,
            "columns/add": self.column_add, "columns/rename": self.column_rename, "columns/delete": self.column_delete,
            "columns/retype": self.column_retype, "columns/settings": self.column_settings,
            "columns/restrict": self.column_restrict,
            "labels/rename": self.label_rename, "labels/add": self.label_add, "labels/deactivate": self.label_off,
            "groups/add": self.group_add, "groups/rename": self.group_rename, "groups/remove": self.group_remove,
            "users/add": self.user_add, "users/set": self.user_set, "tokens/add": self.token_add,
        }

    def board(self, board_id: Any) -> Board:
        return self.world.boards[int(board_id)]

    def column(self, board_id: Any, column_id: str) -> Column:
        return self.board(board_id).columns[column_id]

    def owner(self) -> User:
        return next(iter(self.world.users.values()))

    def snapshot(self, board_id: Any, state: str | None = None) -> list[dict[str, Any]]:
        """All items, with text and value of each cell as the token's owner sees them."""
        board, owner, rows = self.board(board_id), self.owner(), []
        for item in sorted(board.items.values(), key=lambda i: i.id):
            if state not in (None, item.state):
                continue
            cells = (cell_of(self.world, owner, item, c) for c in board.columns.values())
            rows.append({
                "id": str(item.id), "name": item.name, "state": item.state, "group_id": item.group_id,
                "created_at": iso(item.created_at), "updated_at": iso(item.updated_at),
                "parent_item_id": item.parent_id and str(item.parent_id),
                "cells": {c.column.id: {"text": c.text(), "value": c.value()} for c in cells if c.kind.delivered},
            })
        return rows

    def create(self, name: str, columns: list[dict[str, Any]] | None = None, id: Any = None,
               items_limit: int | None = None) -> dict[str, Any]:
        """An empty board; columns are {id, title, type, labels?, settings?}."""
        made = [new_column("name", "Name", "name"), *(made_column(**one) for one in columns or ())]
        board = add_board(self.world, int(id) if id else self.world.new_id(), name, made, contacts.GROUPS[:1])
        board.items_limit = items_limit or board.items_limit
        return {"id": str(board.id)}

    def set(self, board_id: Any, **wanted: Any) -> dict[str, Any]:
        """name, items_limit, state, kind, protected (writes refused as unauthorized)."""
        board = self.board(board_id)
        for key, value in wanted.items():
            if key not in ("name", "items_limit", "state", "kind", "protected", "description"):
                raise ValueError(f"{key} can't be set")
            setattr(board, key, value)
        return {"id": str(board.id), **wanted}

    # columns and labels: schema changes leave `updated_at` of the items alone

    def column_add(self, board_id: Any, **column: Any) -> dict[str, Any]:
        made = self.service.edits.add_column(self.board(board_id), made_column(**column), self.owner().id)
        return {"id": made.id}

    def column_rename(self, board_id: Any, column_id: str, title: str) -> dict[str, Any]:
        column = self.column(board_id, column_id)
        column.title, column.revision = title, column.revision + 1
        self._schema_changed(board_id, "update_column_name", column_id)
        return {"id": column.id, "title": title}

    def column_delete(self, board_id: Any, column_id: str) -> dict[str, Any]:
        self.service.edits.delete_column(self.board(board_id), self.column(board_id, column_id), self.owner().id)
        return {"id": column_id}

    def column_retype(self, board_id: Any, column_id: str, type: str) -> dict[str, Any]:
        """Same id, other type; the cells are emptied, because data of one type are none of another."""
        board, column = self.board(board_id), self.column(board_id, column_id)
        for item in board.items.values():
            item.cells.pop(column_id, None)
        board.columns[column_id] = made_column(id=column_id, title=column.title, type=type)
        self._schema_changed(board_id, "change_column_settings", column_id)
        return {"id": column_id, "type": type}

    def column_restrict(self, board_id: Any, column_id: str, restricted: bool = True) -> dict[str, Any]:
        self.column(board_id, column_id).restricted = restricted
        return {"column_id": column_id, "restricted": restricted}

    def column_settings(self, board_id: Any, column_id: str, **settings: Any) -> dict[str, Any]:
        column = self.column(board_id, column_id)
        column.settings |= settings
        self._schema_changed(board_id, "change_column_settings", column_id)
        return column.settings

    def label_rename(self, board_id: Any, column_id: str, label_id: int, name: str) -> dict[str, Any]:
        return self._label(board_id, column_id, label_id, name=name)

    def label_off(self, board_id: Any, column_id: str, label_id: int) -> dict[str, Any]:
        return self._label(board_id, column_id, label_id, deactivated=True)

    def label_add(self, board_id: Any, column_id: str, label_id: int, name: str) -> dict[str, Any]:
        self.column(board_id, column_id).labels.append(Label(label_id, name))
        self._schema_changed(board_id, "change_column_settings", column_id)
        return {"id": label_id, "name": name}

    def _label(self, board_id: Any, column_id: str, label_id: int, **wanted: Any) -> dict[str, Any]:
        label = self.column(board_id, column_id).label(label_id)
        if label is None:
            raise LookupError(f"no label {label_id}")
        for key, value in wanted.items():
            setattr(label, key, value)
        self._schema_changed(board_id, "change_column_settings", column_id)
        return {"id": label_id, **wanted}

    def _schema_changed(self, board_id: Any, event: str, column_id: str) -> None:
        board = self.board(board_id)
        board.columns[column_id].revision += 1
        self.service.edits.log(board, event, "board", {"board_id": board.id, "column_id": column_id}, self.owner().id)

    # groups and people

    def group_add(self, board_id: Any, id: str, title: str, color: str = "#579bfc") -> dict[str, Any]:
        board = self.board(board_id)
        board.groups[id] = Group(id, title, color, max(g.position for g in board.groups.values()) + 65536.0)
        return {"id": id}

    def group_rename(self, board_id: Any, group_id: str, title: str) -> dict[str, Any]:
        self.board(board_id).groups[group_id].title = title
        return {"id": group_id, "title": title}

    def group_remove(self, board_id: Any, group_id: str, state: str = "deleted") -> dict[str, Any]:
        from types import SimpleNamespace

        board = self.board(board_id)
        call: Any = SimpleNamespace(world=self.world, service=self.service, user=self.owner())
        drop_group(call, board, board.groups[group_id], state)
        return {"id": group_id, "state": state}

    def user_add(self, name: str, email: str, **more: Any) -> dict[str, Any]:
        user = User(max(self.world.users) + 13, name, email, created_at=self.world.clock.now(), **more)
        self.world.users[user.id] = user
        return {"id": str(user.id)}

    def user_set(self, id: Any, **wanted: Any) -> dict[str, Any]:
        user = self.world.users[int(id)]
        for key, value in wanted.items():
            if key not in ("name", "email", "status", "time_zone", "kind", "phone"):
                raise ValueError(f"{key} can't be set")
            setattr(user, key, value)
        return {"id": str(user.id), **wanted}

    def token_add(self, token: str, user_id: Any) -> dict[str, Any]:
        """One more token, for another user of the account."""
        self.service.tokens[token] = self.world.users[int(user_id)].id
        return {"ok": True}


def made_column(id: str, title: str, type: str, labels: Any = None, settings: dict[str, Any] | None = None) -> Column:
    column = new_column(id, title, type, **(settings or {}))
    if labels is not None:
        pairs = labels.items() if isinstance(labels, dict) else enumerate(labels, start=0 if type == "status" else 1)
        column.labels = [Label(int(number), name) for number, name in pairs]
    return column


