"""Mutations of items, subitems and updates."""

from __future__ import annotations

from typing import Any

from sandbox.call import Call, number, numbers
from sandbox.cells import kind_of
from sandbox.errors import MondayError, bad_argument, board_missing, column_missing, group_missing, item_missing
from sandbox.listings import visible_board
from sandbox.models import ACTIVE, ARCHIVED, DELETED, Board, Column, Group, Item, Update
from sandbox.reading_items import call_of
from sandbox.seeding.columns import column as new_column
from sandbox.writing_values import Checked, check_many, check_name, check_one, check_simple, decoded


def board_for(call: Call, board_id: Any) -> Board:
    board = visible_board(call.world, number(board_id), call.hidden_boards())
    if board.state != ACTIVE:
        raise board_missing(board.id)
    if board.protected:
        raise MondayError("USER_UNAUTHORIZED", "User unauthorized to perform action", status=403)
    return board


def item_on(call: Call, board: Board, item_id: Any) -> Item:
    """An item written with another board's id is not found; so are archived ones, which the UI shows read-only."""
    item = call.item(item_id)
    if item.board_id != board.id or item.state != ACTIVE:
        raise item_missing(item.id)
    return item


def group_for(board: Board, group_id: str | None) -> Group:
    if group_id is None:
        return board.top_group()
    group = board.groups.get(group_id)
    if group is None or group.state != ACTIVE:
        raise group_missing(group_id, board.id)
    return group


def make_room(call: Call, board: Board) -> None:
    count = sum(i.state == ACTIVE for i in board.items.values()) if len(board.items) >= board.items_limit else 0
    if count >= board.items_limit:
        raise MondayError("ItemsLimitationException", f"Board has reached its limit of {board.items_limit} items",
                          data={"board_id": board.id, "items_limit": board.items_limit})


def create_item(_: Any, info: Any, board_id: Any, item_name: str, group_id: str | None = None,
                column_values: str | None = None, create_labels_if_missing: bool | None = None,
                position_relative_method: str | None = None, relative_to: Any = None) -> Item:
    call = call_of(info)
    board = board_for(call, board_id)
    if board.type == "sub_items_board":
        raise bad_argument("Items can't be created on a subitems board; use create_subitem", board_id=board.id)
    group, position = group_for(board, group_id), None
    if relative_to is not None:
        near = item_on(call, board, relative_to)
        group = board.groups[near.group_id]
        position = near.position + (0.5 if position_relative_method == "after_at" else -0.5)
    checked = check_many(call, board, None, column_values, create_labels_if_missing)
    name = check_name(checked.name or item_name)
    make_room(call, board)
    call.service.edits.add_labels(board, checked.new_labels, call.user.id)
    return call.service.edits.create(board, group.id, name, checked.cells, call.user.id, position=position)


def create_subitem(_: Any, info: Any, parent_item_id: Any, item_name: str, column_values: str | None = None,
                   create_labels_if_missing: bool | None = None) -> Item:
    """The first subitem makes the hidden board and the parent's subitems column."""
    call = call_of(info)
    parent = call.item(parent_item_id)
    if parent.state != ACTIVE:
        raise item_missing(parent.id)
    if parent.parent_id is not None:
        raise bad_argument("Subitems of subitems are not supported on this board", parent_item_id=parent.id)
    board, made = subitem_board(call, call.world.board_of(parent))
    checked = check_many(call, board, None, column_values, create_labels_if_missing)
    name = check_name(checked.name or item_name)
    made()
    call.service.edits.add_labels(board, checked.new_labels, call.user.id)
    return call.service.edits.create(board, board.top_group().id, name, checked.cells, call.user.id, parent=parent)


def subitem_board(call: Call, board: Board) -> tuple[Board, Any]:
    """The board of the subitems and what makes it known; nothing lasting happens until that is called."""
    column = board.subtasks_column()
    if column and column.settings.get("boardIds"):
        return call.world.boards[int(column.settings["boardIds"][0])], lambda: None
    below = Board(call.world.new_id(), f"Subitems of {board.name}", type="sub_items_board", parent_board_id=board.id,
                  created_at=call.world.clock.now(), updated_at=call.world.clock.now(), creator_id=call.user.id)
    for one in (new_column("name", "Name", "name"), new_column("person", "Owner", "people"),
                new_column("status", "Status", "status"), new_column("date0", "Date", "date")):
        below.add_column(one)
    below.groups["topics"] = Group("topics", "Subitems")

    def make() -> None:
        call.world.boards[below.id] = below
        known = column or board.add_column(Column("subitems", "Subitems", "subtasks"))
        known.settings |= {"allowMultipleItems": True, "itemTypeName": "column.subtasks.title",
                           "displayType": "BOARD_INLINE", "boardIds": [below.id]}

    return below, make


def apply(call: Call, board: Board, item: Item, checked: Checked) -> Item:
    call.service.edits.add_labels(board, checked.new_labels, call.user.id)
    if checked.name is not None:
        call.service.edits.rename(item, checked.name, call.user.id)
    call.service.edits.change(item, checked.cells, call.user.id)
    return item


def change_many(_: Any, info: Any, board_id: Any, column_values: str, item_id: Any = None,
                create_labels_if_missing: bool | None = None) -> Item:
    call = call_of(info)
    board = board_for(call, board_id)
    item = item_on(call, board, item_id)
    return apply(call, board, item, check_many(call, board, item, column_values, create_labels_if_missing))


def change_one(_: Any, info: Any, board_id: Any, column_id: str, value: str, item_id: Any = None,
               create_labels_if_missing: bool | None = None) -> Item:
    call = call_of(info)
    board = board_for(call, board_id)
    item, column, checked = item_on(call, board, item_id), column_on(board, column_id), Checked()
    sent = decoded(value, "value")
    if column.id == "name":
        checked.name = check_name(str(sent or ""))
    else:
        checked.cells[column.id] = check_one(call, column, item, sent, bool(create_labels_if_missing), checked, False)
    return apply(call, board, item, checked)


def change_simple(_: Any, info: Any, board_id: Any, column_id: str, value: str | None = None, item_id: Any = None,
                  create_labels_if_missing: bool | None = None) -> Item:
    call = call_of(info)
    board = board_for(call, board_id)
    item, column = item_on(call, board, item_id), column_on(board, column_id)
    if column.id != "name":
        return apply(call, board, item, check_simple(call, column, item, value, bool(create_labels_if_missing)))
    if not value:
        raise MondayError("ColumnValueException", "Invalid item name. Name must not be empty")
    checked = Checked()
    checked.name = check_name(value)
    return apply(call, board, item, checked)


def column_on(board: Board, column_id: str) -> Column:
    column = board.columns.get(column_id)
    if column is None:
        raise column_missing(column_id, board.id)
    return column


def move_to_group(_: Any, info: Any, group_id: str, item_id: Any = None) -> Item:
    call = call_of(info)
    item = call.item(item_id)
    board = board_for(call, item.board_id)
    call.service.edits.move(item_on(call, board, item.id), group_for(board, group_id), call.user.id)
    return item


def move_to_board(_: Any, info: Any, board_id: Any, group_id: Any, item_id: Any,
                  columns_mapping: list[dict[str, Any]] | None = None, subitems_columns_mapping: Any = None) -> Item:
    """With a mapping every source column must be in it; without one, columns of equal type and title match."""
    call = call_of(info)
    item = call.item(item_id)
    source, target = board_for(call, item.board_id), board_for(call, board_id)
    group = group_for(target, str(group_id))
    make_room(call, target)
    pairs = mapped(source, target, columns_mapping)
    cells = {new: item.cells[old] for old, new in pairs.items() if new and old in item.cells}
    return call.service.edits.move_to_board(item_on(call, source, item.id), target, group, cells, call.user.id)


def mapped(source: Board, target: Board, mapping: list[dict[str, Any]] | None) -> dict[str, str | None]:
    if mapping is None:
        return {c.id: next((t.id for t in target.columns.values() if (t.type, t.title) == (c.type, c.title)), None)
                for c in source.columns.values()}
    pairs = {one["source"]: one.get("target") for one in mapping}
    movable = {c.id for c in source.columns.values() if kind_of(c.type).writable}
    if movable - set(pairs):
        raise bad_argument("All source columns must be mapped", missing=sorted(movable - set(pairs)))
    for old, new in pairs.items():
        if old not in source.columns or new is not None and new not in target.columns:
            raise column_missing(old if old not in source.columns else str(new), source.id)
    return pairs


def change_state(state: str) -> Any:
    def mutation(_: Any, info: Any, item_id: Any = None) -> Item:
        call = call_of(info)
        item = call.item(item_id)
        board_for(call, item.board_id)
        if item.state == state or item.state != ACTIVE and state == ARCHIVED:
            return item  # archiving twice is harmless; deleting twice finds nothing, see Call.item
        call.service.edits.set_state(item, state, call.user.id)
        return item

    return mutation


def duplicate_item(_: Any, info: Any, board_id: Any, item_id: Any = None, with_updates: bool = False) -> Item:
    """Everything is copied, key columns too."""
    call = call_of(info)
    board = board_for(call, board_id)
    item = item_on(call, board, item_id)
    make_room(call, board)
    return call.service.edits.create(board, item.group_id, f"{item.name} (copy)", dict(item.cells), call.user.id)


def create_update(_: Any, info: Any, body: str, item_id: Any = None, parent_id: Any = None) -> Update:
    call = call_of(info)
    parent = update_of(call, parent_id) if parent_id is not None else None
    item = call.item(parent.item_id if parent else item_id)
    return call.service.edits.post(item, body, call.user.id, parent.id if parent else None)


def update_of(call: Call, update_id: Any) -> Update:
    found = call.world.updates.get(number(update_id))
    if found is None:
        raise MondayError("ResourceNotFoundException", "Update not found", status=404,
                          data={"resource_type": "update", "update_id": number(update_id)})
    return found


def edit_update(_: Any, info: Any, id: Any, body: str) -> Update:
    call = call_of(info)
    update = update_of(call, id)
    call.service.edits.edit_update(update, body, call.user.id)
    return update


def delete_update(_: Any, info: Any, id: Any) -> Update:
    call = call_of(info)
    update = update_of(call, id)
    call.service.edits.delete_update(update, call.user.id)
    return update


def clear_updates(_: Any, info: Any, item_id: Any) -> Item:
    call = call_of(info)
    item = call.item(item_id)
    for update in [u for u in call.world.updates.values() if u.item_id == item.id]:
        call.service.edits.delete_update(update, call.user.id)
    return item


def bulk(state: str) -> Any:
    """Runs at once; the job can be asked for afterwards."""
    def mutation(_: Any, info: Any, board_id: Any, item_ids: list[Any]) -> dict[str, Any]:
        call = call_of(info)
        board, wanted = board_for(call, board_id), numbers(item_ids) or []
        found = [i for n in wanted if (i := board.items.get(n)) and i.state == ACTIVE]
        for item in found:
            call.service.edits.set_state(item, state, call.user.id)
        return {"job_id": call.service.imports.bulk_done(len(wanted), len(found))}

    return mutation


ITEM_WRITES: dict[str, Any] = {
    "create_item": create_item, "create_subitem": create_subitem, "change_multiple_column_values": change_many,
    "change_column_value": change_one, "change_simple_column_value": change_simple,
    "move_item_to_group": move_to_group, "move_item_to_board": move_to_board, "archive_item": change_state(ARCHIVED),
    "delete_item": change_state(DELETED), "duplicate_item": duplicate_item, "create_update": create_update,
    "edit_update": edit_update, "delete_update": delete_update, "clear_item_updates": clear_updates,
    "bulk_archive_items": bulk(ARCHIVED), "bulk_delete_items": bulk(DELETED),
}
