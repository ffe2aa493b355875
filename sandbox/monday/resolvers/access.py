"""Finds what a mutation names, or fails the mutation."""

from __future__ import annotations

from sandbox.monday.account.models import ACTIVE, Board, Column, Group, Item
from sandbox.monday.account.world import World
from sandbox.monday.errors import (
    MondayError,
    board_missing,
    column_missing,
    group_missing,
    item_missing,
    unauthorized,
)
from sandbox.monday.graph.call import Call, Id, number


def visible_board(world: World, board_id: int, hidden: set[int]) -> Board:
    board = world.boards.get(board_id)
    if board is None or board_id in hidden:
        raise board_missing(board_id)
    return board


def board_for(call: Call, board_id: Id) -> Board:
    board = visible_board(call.world, number(board_id), call.hidden_boards())
    if board.state != ACTIVE:
        raise board_missing(board.id)
    # read-only for this token
    if board.protected:
        raise unauthorized(status=403)
    return board


def refuse_agents(call: Call) -> None:
    """Fails what the key of an agent may not do whatever it was granted."""
    if call.user.kind.startswith("external_agent"):
        raise unauthorized(status=403)


def item_on(call: Call, board: Board, item_id: Id | None) -> Item:
    """Finds an active item of a board: with another board's id it is not found, and archived items are read-only."""
    item = call.item(item_id)
    if item.board_id != board.id or item.state != ACTIVE:
        raise item_missing(item.id)
    return item


def group_for(board: Board, group_id: str | None) -> Group:
    # no group named: the top group
    if group_id is None:
        return board.top_group()
    group = board.groups.get(group_id)
    if group is None or group.state != ACTIVE:
        raise group_missing(group_id, board.id)
    return group


def column_on(board: Board, column_id: str) -> Column:
    column = board.columns.get(column_id)
    if column is None:
        raise column_missing(column_id, board.id)
    return column


def make_room(board: Board) -> None:
    """Fails when the board has no room for another item."""
    if len(board.items) >= board.items_limit and board.active_count() >= board.items_limit:
        raise MondayError(
            "ItemsLimitationException",
            f"Board has reached its limit of {board.items_limit} items",
            data={"board_id": board.id, "items_limit": board.items_limit},
        )
