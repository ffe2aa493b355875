"""Answers admin calls that act as a person on monday.com's screens: same effects, and undo, which only people have."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, ARCHIVED, DELETED
from sandbox.monday.account.world import AUTOMATION_USER, Automation
from sandbox.monday.admin.finding import Calls, Finder, Id
from sandbox.monday.changes.checks import check_name
from sandbox.monday.changes.item_edits import NewItem
from sandbox.monday.resolvers.access import group_for
from sandbox.monday.service import Service


class ItemCalls:
    def __init__(self, service: Service) -> None:
        self._service, self._world, self._find = service, service.world, Finder(service.world)
        self.calls: Calls = {
            "items/create": self.create,
            "items/change": self.change,
            "items/rename": self.rename,
            "items/move": self.move,
            "items/move_to_board": self.move_to_board,
            "items/archive": self.change_state(ARCHIVED),
            "items/delete": self.change_state(DELETED),
            "items/restore": self.change_state(ACTIVE),
            "items/purge": self.purge,
            "items/duplicate": self.duplicate,
            "items/update": self.post,
            "automations/add": self.add_automation,
            "automations/clear": self.clear_automations,
        }

    def create(
        self,
        board_id: Id,
        name: str,
        values: JsonObject | None = None,
        group_id: str | None = None,
        user: Id | None = None,
        parent_item_id: Id | None = None,
    ) -> JsonObject:
        board, person, parent = self._find.board(board_id), self._find.user(user), None
        if parent_item_id is not None:
            parent = self._find.item(parent_item_id)
            board, keep_board = self._service.boards.subitem_board(self._world.board_of(parent), person.id)
            keep_board()
        checked = self._find.checked(board, None, values, person)
        self._service.boards.add_labels(board, checked.new_labels, person.id)
        group = group_for(board, group_id)
        new = NewItem(check_name(name), group.id, checked.cells, parent=parent)
        item = self._service.items.create(board, new, person.id)
        return {"id": str(item.id), "board_id": str(board.id)}

    def change(self, item_id: Id, values: JsonObject, user: Id | None = None) -> JsonObject:
        item, person = self._find.item(item_id), self._find.user(user)
        board = self._world.board_of(item)
        checked = self._find.checked(board, item, values, person)
        self._service.boards.add_labels(board, checked.new_labels, person.id)
        if checked.name is not None:
            self._service.items.rename(item, checked.name, person.id)
        self._service.items.change(item, checked.cells, person.id)
        return {"id": str(item.id)}

    def rename(self, item_id: Id, name: str, user: Id | None = None) -> JsonObject:
        self._service.items.rename(self._find.item(item_id), name, self._find.user(user).id)
        return {"id": str(item_id)}

    def move(self, item_id: Id, group_id: str, user: Id | None = None) -> JsonObject:
        item = self._find.item(item_id)
        group = group_for(self._world.board_of(item), group_id)
        self._service.items.move(item, group, self._find.user(user).id)
        return {"id": str(item.id)}

    def move_to_board(
        self, item_id: Id, board_id: Id, group_id: str | None = None, user: Id | None = None
    ) -> JsonObject:
        """Moves an item with the cells whose columns have the same id and type there."""
        item, board = self._find.item(item_id), self._find.board(board_id)
        types = {column.id: column.type for column in self._world.board_of(item).columns.values()}
        same = {column.id for column in board.columns.values() if types.get(column.id) == column.type}
        cells = {column_id: datum for column_id, datum in item.cells.items() if column_id in same}
        group, person = group_for(board, group_id), self._find.user(user)
        moved = self._service.items.move_to_board(item, board, group, cells, person.id)
        return {"id": str(moved.id)}

    def change_state(self, state: str) -> Callable[..., JsonObject]:
        def action(item_id: Id, user: Id | None = None) -> JsonObject:
            self._service.items.set_state(self._find.item(item_id), state, self._find.user(user).id)
            return {"id": str(item_id), "state": state}

        return action

    def purge(self, item_id: Id) -> JsonObject:
        """Removes an item from the recycle bin: no answer names it any more."""
        item = self._world.items.pop(int(item_id))
        del self._world.boards[item.board_id].items[item.id]
        return {"id": str(item_id)}

    def duplicate(self, item_id: Id, user: Id | None = None) -> JsonObject:
        item = self._find.item(item_id)
        copy = NewItem(f"{item.name} (copy)", item.group_id, dict(item.cells))
        made = self._service.items.create(self._world.board_of(item), copy, self._find.user(user).id)
        return {"id": str(made.id)}

    def post(self, item_id: Id, body: str, user: Id | None = None) -> JsonObject:
        update = self._service.updates.post(self._find.item(item_id), body, self._find.user(user).id)
        return {"id": str(update.id)}

    def add_automation(
        self, board_id: Id, column_id: str, set_column_id: str, value: object, user_id: int = AUTOMATION_USER
    ) -> JsonObject:
        """Adds a rule: when a column changes, another one is set a millisecond later."""
        board = self._find.board(board_id)
        checked = self._find.checked(board, None, {set_column_id: value}, self._find.user(None))
        self._service.boards.add_labels(board, checked.new_labels, user_id)
        datum = checked.cells[set_column_id]
        self._world.automations.append(Automation(board.id, column_id, set_column_id, datum, user_id))
        return {"ok": True}

    def clear_automations(self) -> JsonObject:
        self._world.automations.clear()
        return {"ok": True}
