"""Carries out the mutations of items and subitems."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, ARCHIVED, DELETED, SUBITEMS_BOARD, Board, Column, Item
from sandbox.monday.cells.kinds import kind_of
from sandbox.monday.changes.checks import Checked, Checker, check_name, decoded
from sandbox.monday.changes.item_edits import NewItem
from sandbox.monday.errors import MondayError, bad_argument, column_missing, item_missing
from sandbox.monday.graph.call import Call, Id, Info
from sandbox.monday.resolvers.access import board_for, column_on, group_for, item_on, make_room, refuse_agents
from sandbox.monday.resolvers.fields import Fields, Resolver


def checker_for(call: Call, item: Item | None, create_labels: bool | None) -> Checker:
    return Checker(call.world, call.user, item, bool(create_labels))


# new items


def create_item(
    root: None,
    info: Info,
    board_id: Id,
    item_name: str,
    group_id: str | None = None,
    column_values: str | None = None,
    create_labels_if_missing: bool | None = None,
    position_relative_method: str | None = None,
    relative_to: Id | None = None,
) -> Item:
    call = info.context
    board = board_for(call, board_id)
    if board.type == SUBITEMS_BOARD:
        raise bad_argument("Items can't be created on a subitems board; use create_subitem", board_id=board.id)
    group, position = group_for(board, group_id), None
    # beside another item, in its group
    if relative_to is not None:
        near = item_on(call, board, relative_to)
        group = board.groups[near.group_id]
        position = near.position + (0.5 if position_relative_method == "after_at" else -0.5)
    checked = checker_for(call, None, create_labels_if_missing).check_many(board, column_values)
    name = check_name(checked.name or item_name)
    make_room(board)
    call.service.boards.add_labels(board, checked.new_labels, call.user.id)
    new = NewItem(name, group.id, checked.cells, position=position)
    return call.service.items.create(board, new, call.user.id)


def create_subitem(
    root: None,
    info: Info,
    parent_item_id: Id,
    item_name: str,
    column_values: str | None = None,
    create_labels_if_missing: bool | None = None,
) -> Item:
    """Makes, with the first subitem, the hidden board and the parent's subitems column."""
    call = info.context
    parent = call.item(parent_item_id)
    if parent.state != ACTIVE:
        raise item_missing(parent.id)
    if parent.parent_id is not None:
        raise bad_argument("Subitems of subitems are not supported on this board", parent_item_id=parent.id)
    board, keep_board = call.service.boards.subitem_board(call.world.board_of(parent), call.user.id)
    checked = checker_for(call, None, create_labels_if_missing).check_many(board, column_values)
    name = check_name(checked.name or item_name)
    keep_board()
    call.service.boards.add_labels(board, checked.new_labels, call.user.id)
    new = NewItem(name, board.top_group().id, checked.cells, parent=parent)
    return call.service.items.create(board, new, call.user.id)


def duplicate_item(root: None, info: Info, board_id: Id, item_id: Id | None = None, with_updates: bool = False) -> Item:
    """Copies everything, key columns too."""
    call = info.context
    board = board_for(call, board_id)
    item = item_on(call, board, item_id)
    make_room(board)
    copy = NewItem(f"{item.name} (copy)", item.group_id, dict(item.cells))
    return call.service.items.create(board, copy, call.user.id)


# cells and names


def change_many(
    root: None,
    info: Info,
    board_id: Id,
    column_values: str,
    item_id: Id | None = None,
    create_labels_if_missing: bool | None = None,
) -> Item:
    call = info.context
    board = board_for(call, board_id)
    item = item_on(call, board, item_id)
    checked = checker_for(call, item, create_labels_if_missing).check_many(board, column_values)
    return apply(call, board, item, checked)


def change_one(
    root: None,
    info: Info,
    board_id: Id,
    column_id: str,
    value: str,
    item_id: Id | None = None,
    create_labels_if_missing: bool | None = None,
) -> Item:
    call = info.context
    board = board_for(call, board_id)
    item, column, checked = item_on(call, board, item_id), column_on(board, column_id), Checked()
    sent = decoded(value, "value")
    if column.id == "name":
        checked.name = check_name(str(sent or ""))
    else:
        checker = checker_for(call, item, create_labels_if_missing)
        checked.cells[column.id] = checker.check_one(column, sent, checked, many=False)
    return apply(call, board, item, checked)


def change_simple(
    root: None,
    info: Info,
    board_id: Id,
    column_id: str,
    value: str | None = None,
    item_id: Id | None = None,
    create_labels_if_missing: bool | None = None,
) -> Item:
    call = info.context
    board = board_for(call, board_id)
    item, column = item_on(call, board, item_id), column_on(board, column_id)
    if column.id != "name":
        checked = checker_for(call, item, create_labels_if_missing).check_simple(column, value)
        return apply(call, board, item, checked)
    if not value:
        raise MondayError("ColumnValueException", "Invalid item name. Name must not be empty")
    return apply(call, board, item, Checked(name=check_name(value)))


def apply(call: Call, board: Board, item: Item, checked: Checked) -> Item:
    call.service.boards.add_labels(board, checked.new_labels, call.user.id)
    if checked.name is not None:
        call.service.items.rename(item, checked.name, call.user.id)
    call.service.items.change(item, checked.cells, call.user.id)
    return item


# places and states


def move_to_group(root: None, info: Info, group_id: str, item_id: Id | None = None) -> Item:
    call = info.context
    item = call.item(item_id)
    board = board_for(call, item.board_id)
    call.service.items.move(item_on(call, board, item.id), group_for(board, group_id), call.user.id)
    return item


def move_to_board(
    root: None,
    info: Info,
    board_id: Id,
    group_id: Id,
    item_id: Id,
    columns_mapping: list[JsonObject] | None = None,
    **_: object,
) -> Item:
    call = info.context
    item = call.item(item_id)
    source, target = board_for(call, item.board_id), board_for(call, board_id)
    group = group_for(target, str(group_id))
    make_room(target)
    pairs = mapped(source, target, columns_mapping)
    cells = {new: item.cells[old] for old, new in pairs.items() if new and old in item.cells}
    return call.service.items.move_to_board(item_on(call, source, item.id), target, group, cells, call.user.id)


def mapped(source: Board, target: Board, mapping: list[JsonObject] | None) -> dict[str, str | None]:
    """Pairs the columns of two boards: as the mapping says, which must name all, or else by equal type and title."""
    if mapping is None:
        return {column.id: like(column, target) for column in source.columns.values()}
    pairs = {entry["source"]: entry.get("target") for entry in mapping}
    movable = {column.id for column in source.columns.values() if kind_of(column.type).read is not None}
    # a mapping must name every column that can be written
    if movable - set(pairs):
        raise bad_argument("All source columns must be mapped", missing=sorted(movable - set(pairs)))
    for old, new in pairs.items():
        if old not in source.columns:
            raise column_missing(old, source.id)
        if new is not None and new not in target.columns:
            raise column_missing(str(new), source.id)
    return pairs


def like(column: Column, board: Board) -> str | None:
    """Finds the first column of another board that has the type and the title of a column."""
    wanted = (column.type, column.title)
    return next((other.id for other in board.columns.values() if (other.type, other.title) == wanted), None)


def change_state(state: str) -> Resolver:
    def mutation(root: None, info: Info, item_id: Id | None = None) -> Item:
        call = info.context
        if state == ARCHIVED:
            refuse_agents(call)
        item = call.item(item_id)
        board_for(call, item.board_id)
        # Archiving twice is harmless; deleting twice finds no item.
        if item.state != state and (item.state == ACTIVE or state != ARCHIVED):
            call.service.items.set_state(item, state, call.user.id)
        return item

    return mutation


ITEM_WRITES: Fields = {
    "Mutation": {
        "create_item": create_item,
        "create_subitem": create_subitem,
        "duplicate_item": duplicate_item,
        "change_multiple_column_values": change_many,
        "change_column_value": change_one,
        "change_simple_column_value": change_simple,
        "move_item_to_group": move_to_group,
        "move_item_to_board": move_to_board,
        "archive_item": change_state(ARCHIVED),
        "delete_item": change_state(DELETED),
    },
}
