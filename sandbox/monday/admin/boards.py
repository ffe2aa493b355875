"""Answers admin calls on boards and groups, and takes the snapshot with which tests compare."""

from __future__ import annotations

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import POSITION_STEP, Board, Group, Item
from sandbox.monday.account.new_columns import new_column
from sandbox.monday.admin.columns import made_column
from sandbox.monday.admin.finding import Calls, Finder, Id, set_known
from sandbox.monday.cells.kinds import Viewer
from sandbox.monday.seeding.built_in_boards import add_board
from sandbox.monday.seeding.contacts import GROUPS
from sandbox.monday.service import Service

SETTABLE = ("name", "items_limit", "state", "kind", "protected", "description")


class BoardCalls:
    def __init__(self, service: Service) -> None:
        self._service, self._world, self._find = service, service.world, Finder(service.world)
        self.calls: Calls = {
            "boards/snapshot": self.snapshot,
            "boards/create": self.create,
            "boards/set": self.set,
            "groups/add": self.add_group,
            "groups/rename": self.rename_group,
            "groups/remove": self.remove_group,
        }

    def snapshot(self, board_id: Id, state: str | None = None) -> list[JsonObject]:
        """Lists all items, with text and value of each cell as the token's owner sees them."""
        board, viewer = self._find.board(board_id), Viewer(self._world, self._world.owner())
        items = sorted(board.items.values(), key=lambda item: item.id)
        return [shown(board, item, viewer) for item in items if state in (None, item.state)]

    def create(
        self,
        name: str,
        columns: list[JsonObject] | None = None,
        id: Id | None = None,
        items_limit: int | None = None,
    ) -> JsonObject:
        """Makes an empty board; columns are {id, title, type, labels?, settings?}."""
        made = [new_column("name", "Name", "name"), *(made_column(**column) for column in columns or ())]
        board = Board(int(id) if id else self._world.new_id(), name)
        add_board(self._world, board, made, GROUPS[:1])
        board.items_limit = items_limit or board.items_limit
        return {"id": str(board.id)}

    def set(self, board_id: Id, **wanted: object) -> JsonObject:
        board = self._find.board(board_id)
        set_known(board, SETTABLE, wanted)
        return {"id": str(board.id), **wanted}

    def add_group(self, board_id: Id, id: str, title: str, color: str = "#579bfc") -> JsonObject:
        groups = self._find.board(board_id).groups
        last = max(group.position for group in groups.values())
        groups[id] = Group(id, title, color, last + POSITION_STEP)
        return {"id": id}

    def rename_group(self, board_id: Id, group_id: str, title: str) -> JsonObject:
        self._find.board(board_id).groups[group_id].title = title
        return {"id": group_id, "title": title}

    def remove_group(self, board_id: Id, group_id: str, state: str = "deleted") -> JsonObject:
        board = self._find.board(board_id)
        self._service.boards.drop_group(board, board.groups[group_id], state, self._world.owner().id)
        return {"id": group_id, "state": state}


def shown(board: Board, item: Item, viewer: Viewer) -> JsonObject:
    cells = [viewer.cell(item, column) for column in board.columns.values()]
    return {
        "id": str(item.id),
        "name": item.name,
        "state": item.state,
        "group_id": item.group_id,
        "created_at": iso(item.created_at),
        "updated_at": iso(item.updated_at),
        "parent_item_id": item.parent_id and str(item.parent_id),
        "cells": {
            cell.column.id: {"text": cell.text(), "value": cell.value()} for cell in cells if cell.kind.delivered
        },
    }
