"""Answers admin calls that store items as no person could: without log or webhooks, and past all checks."""

from __future__ import annotations

from sandbox.common.clock import parse_iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Board, Cells, Datum, Item, User
from sandbox.monday.admin.finding import Calls, Finder, Id
from sandbox.monday.changes.item_edits import NewItem
from sandbox.monday.resolvers.access import group_for
from sandbox.monday.service import Service


class LoadingCalls:
    def __init__(self, service: Service) -> None:
        self._service, self._find = service, Finder(service.world)
        self.calls: Calls = {"items/raw": self.store, "items/load": self.load}

    def store(self, item_id: Id, cells: JsonObject, user: Id | None = None) -> JsonObject:
        """Stores any datum: for cells that the API could not write."""
        self._service.items.change(self._find.item(item_id), as_data(cells), self._find.user(user).id)
        return {"id": str(item_id)}

    def load(self, board_id: Id, items: list[JsonObject], user: Id | None = None) -> list[str]:
        """Creates items: {name, values?, cells?, group_id?, state?, updated_at?, created_at?}; returns the ids."""
        board, person = self._find.board(board_id), self._find.user(user)
        return [str(self._loaded(board, person, entry).id) for entry in items]

    def _loaded(self, board: Board, person: User, entry: JsonObject) -> Item:
        checked = self._find.checked(board, None, entry.get("values"), person)
        for column, label in checked.new_labels:
            column.labels.append(label)
        group = group_for(board, entry.get("group_id"))
        new = NewItem(entry["name"], group.id, checked.cells | as_data(entry.get("cells") or {}))
        item = self._service.silent_items.create(board, new, person.id)
        if "created_at" in entry:
            item.created_at = item.updated_at = parse_iso(entry["created_at"])
        if "updated_at" in entry:
            item.updated_at = parse_iso(entry["updated_at"])
        item.state = entry.get("state", ACTIVE)
        return item


def as_data(cells: JsonObject) -> Cells:
    return {column_id: frozen(value) for column_id, value in cells.items()}


def frozen(value: object) -> Datum:
    """Makes the lists of JSON the tuples in which cells are kept."""
    return tuple(frozen(part) for part in value) if isinstance(value, list) else value
