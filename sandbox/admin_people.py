"""Admin calls that act as a person in monday's own screens: same effects as in the UI, and undo, which only it has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sandbox.cells import encode
from sandbox.clock import parse_iso
from sandbox.errors import MondayError
from sandbox.models import ACTIVE, ARCHIVED, DELETED, Board, Item, User
from sandbox.service import Service
from sandbox.world import AUTOMATION_USER
from sandbox.writing_items import group_for, subitem_board
from sandbox.writing_values import Checked, check_many, check_name


class PersonCalls:
    def __init__(self, service: Service) -> None:
        self.service, self.world = service, service.world
        self.calls: dict[str, Any] = {
            "items/create": self.create, "items/change": self.change, "items/rename": self.rename,
            "items/move": self.move, "items/move_to_board": self.move_to_board,
            "items/archive": self.state(ARCHIVED), "items/delete": self.state(DELETED),
            "items/restore": self.state(ACTIVE), "items/purge": self.purge, "items/duplicate": self.duplicate,
            "items/update": self.post, "items/raw": self.raw, "items/load": self.load, "automations/add": self.automation,
            "automations/clear": self.automations_clear,
        }

    def user(self, given: Any) -> User:
        """By id, name or e-mail; the second user unless named, so that people are not the token's owner."""
        if given is None:
            return list(self.world.users.values())[1]
        for user in self.world.users.values():
            if str(given) in (str(user.id), user.name, user.email):
                return user
        raise LookupError(f"no user {given!r}")

    def board(self, board_id: Any) -> Board:
        return self.world.boards[int(board_id)]

    def item(self, item_id: Any) -> Item:
        return self.world.items[int(item_id)]

    def checked(self, board: Board, item: Item | None, values: dict[str, Any] | None, user: User) -> Checked:
        call: Any = SimpleNamespace(world=self.world, user=user, service=self.service)
        try:
            return check_many(call, board, item, encode(values or {}), True)
        except MondayError as exc:
            raise ValueError(exc.message) from exc

    def create(self, board_id: Any, name: str, values: dict[str, Any] | None = None, group_id: str | None = None,
               user: Any = None, parent_item_id: Any = None) -> dict[str, Any]:
        board, who, parent = self.board(board_id), self.user(user), None
        if parent_item_id is not None:
            parent = self.item(parent_item_id)
            board, made = subitem_board(SimpleNamespace(world=self.world, user=who), self.world.board_of(parent))  # type: ignore[arg-type]
            made()
        checked = self.checked(board, None, values, who)
        self.service.edits.add_labels(board, checked.new_labels, who.id)
        group = group_for(board, group_id)
        item = self.service.edits.create(board, group.id, check_name(name), checked.cells, who.id, parent=parent)
        return {"id": str(item.id), "board_id": str(board.id)}

    def change(self, item_id: Any, values: dict[str, Any], user: Any = None) -> dict[str, Any]:
        item, who = self.item(item_id), self.user(user)
        board = self.world.board_of(item)
        checked = self.checked(board, item, values, who)
        self.service.edits.add_labels(board, checked.new_labels, who.id)
        if checked.name is not None:
            self.service.edits.rename(item, checked.name, who.id)
        self.service.edits.change(item, checked.cells, who.id)
        return {"id": str(item.id)}

    def raw(self, item_id: Any, cells: dict[str, Any], user: Any = None) -> dict[str, Any]:
        """Any datum as it is stored, past all checks: for cells that the API could not write."""
        data = {key: frozen(value) for key, value in cells.items()}
        self.service.edits.change(self.item(item_id), data, self.user(user).id)
        return {"id": str(item_id)}

    def rename(self, item_id: Any, name: str, user: Any = None) -> dict[str, Any]:
        self.service.edits.rename(self.item(item_id), name, self.user(user).id)
        return {"id": str(item_id)}

    def move(self, item_id: Any, group_id: str, user: Any = None) -> dict[str, Any]:
        item = self.item(item_id)
        self.service.edits.move(item, group_for(self.world.board_of(item), group_id), self.user(user).id)
        return {"id": str(item.id)}

    def move_to_board(self, item_id: Any, board_id: Any, group_id: str | None = None, user: Any = None) -> dict[str, Any]:
        item, board = self.item(item_id), self.board(board_id)
        kinds = {c.id: c.type for c in self.world.board_of(item).columns.values()}
        cells = {c: v for c, v in item.cells.items()
                 if c in board.columns and board.columns[c].type == kinds.get(c)}
        moved = self.service.edits.move_to_board(item, board, group_for(board, group_id), cells, self.user(user).id)
        return {"id": str(moved.id)}

    def state(self, state: str) -> Any:
        def action(item_id: Any, user: Any = None) -> dict[str, Any]:
            self.service.edits.set_state(self.item(item_id), state, self.user(user).id)
            return {"id": str(item_id), "state": state}

        return action

    def purge(self, item_id: Any) -> dict[str, Any]:
        """Out of the recycle bin: no answer names it any more."""
        item = self.world.items.pop(int(item_id))
        del self.world.boards[item.board_id].items[item.id]
        return {"id": str(item_id)}

    def duplicate(self, item_id: Any, user: Any = None) -> dict[str, Any]:
        item = self.item(item_id)
        made = self.service.edits.create(self.world.board_of(item), item.group_id, f"{item.name} (copy)",
                                         dict(item.cells), self.user(user).id)
        return {"id": str(made.id)}

    def post(self, item_id: Any, body: str, user: Any = None) -> dict[str, Any]:
        return {"id": str(self.service.edits.post(self.item(item_id), body, self.user(user).id).id)}

    def load(self, board_id: Any, items: list[dict[str, Any]], user: Any = None) -> list[str]:
        """Many items without log or webhooks: {name, values?, cells?, group_id?, state?, updated_at?, created_at?}."""
        board, who, ids = self.board(board_id), self.user(user), []
        for one in items:
            checked = self.checked(board, None, one.get("values"), who)
            cells = checked.cells | {key: frozen(value) for key, value in (one.get("cells") or {}).items()}
            for column, label in checked.new_labels:
                column.labels.append(label)
            group = group_for(board, one.get("group_id"))
            item = self.service.silent_edits.create(board, group.id, one["name"], cells, who.id)
            if "created_at" in one:
                item.created_at = item.updated_at = parse_iso(one["created_at"])
            if "updated_at" in one:
                item.updated_at = parse_iso(one["updated_at"])
            item.state = one.get("state", ACTIVE)
            ids.append(str(item.id))
        return ids

    def automation(self, board_id: Any, column_id: str, set_column_id: str, value: Any,
                   user_id: int = AUTOMATION_USER) -> dict[str, Any]:
        """When that column changes, set the other one a millisecond later."""
        board = self.board(board_id)
        checked = self.checked(board, None, {set_column_id: value}, self.user(None))
        self.service.edits.add_labels(board, checked.new_labels, user_id)
        self.world.automations.append({
            "board_id": board.id, "column_id": column_id, "set_column_id": set_column_id,
            "datum": checked.cells[set_column_id], "user_id": user_id})
        return {"ok": True}

    def automations_clear(self) -> dict[str, Any]:
        self.world.automations.clear()
        return {"ok": True}


def frozen(value: Any) -> Any:
    """JSON lists as the tuples in which cells are kept."""
    return tuple(frozen(one) for one in value) if isinstance(value, list) else value
