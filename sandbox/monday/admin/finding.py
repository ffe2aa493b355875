"""Finds what an admin call names. Ids may be strings or numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sandbox.common.json_text import JsonObject, encode
from sandbox.monday.account.models import Board, Column, Item, User
from sandbox.monday.account.world import World
from sandbox.monday.changes.checks import Checked, Checker
from sandbox.monday.errors import MondayError

Id: TypeAlias = str | int
Calls: TypeAlias = dict[str, Callable[..., object]]


class Finder:
    def __init__(self, world: World) -> None:
        self._world = world

    def board(self, board_id: Id) -> Board:
        return self._world.boards[int(board_id)]

    def column(self, board_id: Id, column_id: str) -> Column:
        return self.board(board_id).columns[column_id]

    def item(self, item_id: Id) -> Item:
        return self._world.items[int(item_id)]

    def user(self, given: Id | None) -> User:
        """Finds a user by id, name or e-mail; without any the second user, so that edits are not the token owner's."""
        # no user named
        if given is None:
            return list(self._world.users.values())[1]
        for user in self._world.users.values():
            if str(given) in (str(user.id), user.name, user.email):
                return user
        raise LookupError(f"no user {given!r}")

    def checked(self, board: Board, item: Item | None, values: JsonObject | None, user: User) -> Checked:
        """Checks values as the API would; labels are made when missing."""
        try:
            return Checker(self._world, user, item, create_labels=True).check_many(board, encode(values or {}))
        except MondayError as exc:
            raise ValueError(exc.message) from exc


def set_known(target: object, known: tuple[str, ...], wanted: JsonObject) -> None:
    """Sets attributes; raises ValueError for an attribute that may not be set."""
    for key, value in wanted.items():
        if key not in known:
            raise ValueError(f"{key} can't be set")
        setattr(target, key, value)
