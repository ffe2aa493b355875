"""Carries out the mutations of boards, groups and tags."""

from __future__ import annotations

import re

from sandbox.monday.account.models import ACTIVE, ARCHIVED, DELETED, Board, Group, Tag
from sandbox.monday.account.new_columns import new_column
from sandbox.monday.changes.item_edits import NewItem
from sandbox.monday.errors import MondayError, bad_argument, group_missing
from sandbox.monday.graph.call import Call, Id, Info
from sandbox.monday.resolvers.access import board_for, group_for
from sandbox.monday.resolvers.fields import Fields, Resolver

BOARDS_PER_MINUTE = 40
FIRST_TAG = 295_001


def create_board(
    root: None,
    info: Info,
    board_name: str,
    board_kind: str,
    description: str | None = None,
    empty: bool | None = False,
    workspace_id: Id | None = None,
) -> Board:
    """Adds three columns and "Task 1", unless an empty board is asked for."""
    call = info.context
    now = call.world.clock.now()
    if not board_name:
        raise MondayError("CreateBoardException", "Board name can't be empty")
    refuse_many_boards(call, now)
    board = Board(
        call.world.new_id(),
        board_name,
        kind=board_kind,
        description=description,
        created_at=now,
        updated_at=now,
        creator_id=call.user.id,
        workspace_id=int(workspace_id) if workspace_id else None,
    )
    board.add_column(new_column("name", "Name", "name"))
    board.add_group(Group("topics", "Group Title", "#037f4c"))
    call.world.boards[board.id] = board
    if not empty:
        board.add_column(new_column("person", "Person", "people"))
        board.add_column(new_column("status", "Status", "status"))
        board.add_column(new_column("date4", "Date", "date"))
        call.service.items.create(board, NewItem("Task 1", "topics"), call.user.id)
    return board


def refuse_many_boards(call: Call, now: float) -> None:
    recent = sum(board.created_at > now - 60 for board in call.world.boards.values())
    if call.service.meter.limited and recent >= BOARDS_PER_MINUTE:
        message = "Call limit exceeded for CreateBoard"
        raise MondayError("RATE_LIMIT_EXCEEDED", message, status=429, retry_in_seconds=60)


def change_board_state(state: str) -> Resolver:
    def mutation(root: None, info: Info, board_id: Id) -> Board:
        call = info.context
        board = board_for(call, board_id)
        board.state = state
        call.service.boards.log(board, f"board_{state}", call.user.id)
        return board

    return mutation


# groups


def create_group(
    root: None,
    info: Info,
    board_id: Id,
    group_name: str,
    group_color: str | None = None,
    position_relative_method: str | None = None,
    relative_to: str | None = None,
) -> Group:
    call = info.context
    board = board_for(call, board_id)
    # A new group comes first, unless it is placed.
    position = min(group.position for group in board.groups.values()) - 1024
    if relative_to is not None:
        near = group_for(board, relative_to)
        position = near.position + (0.5 if position_relative_method == "after_at" else -0.5)
    stem = re.sub(r"[^a-z0-9]+", "_", group_name.lower()).strip("_")[:20] or "group"
    id = unused(stem, board.used_group_ids)
    group = board.add_group(Group(id, group_name, group_color or "#579bfc", position))
    shown = {"group_id": group.id, "group_title": group_name, "group_color": group.color}
    call.service.boards.log(board, "create_group", call.user.id, **shown)
    return group


def unused(stem: str, used: set[str]) -> str:
    """Finds an id that was never used: the stem, or the stem with a number."""
    found, count = stem, 1
    while found in used:
        count += 1
        found = f"{stem}_{count}"
    return found


def update_group(root: None, info: Info, board_id: Id, group_attribute: str, group_id: str, new_value: str) -> Group:
    call = info.context
    board = board_for(call, board_id)
    group = group_for(board, group_id)
    setattr(group, group_attribute, new_value)
    call.service.boards.log(board, "update_group_name", call.user.id, group_id=group.id)
    return group


def remove_group(state: str) -> Resolver:
    def mutation(root: None, info: Info, board_id: Id, group_id: str) -> Group:
        call = info.context
        board = board_for(call, board_id)
        group = board.groups.get(group_id)
        if group is None or group.state != ACTIVE:
            raise group_missing(group_id, board.id)
        if len(board.active_groups()) == 1:
            raise MondayError("DeleteLastGroupException", "Cannot delete the last group of a board", status=409)
        call.service.boards.drop_group(board, group, state, call.user.id)
        return group

    return mutation


def create_or_get_tag(root: None, info: Info, tag_name: str | None = None, board_id: Id | None = None) -> Tag:
    tags = info.context.world.tags
    name = re.sub(r"\s+", "", tag_name or "")
    if not name:
        raise bad_argument("tag_name can't be empty")
    found = next((tag for tag in tags.values() if tag.name == name), None)
    if found is None:
        found = Tag(max(tags, default=FIRST_TAG - 1) + 1, name)
        tags[found.id] = found
    return found


BOARD_WRITES: Fields = {
    "Mutation": {
        "create_board": create_board,
        "archive_board": change_board_state(ARCHIVED),
        "delete_board": change_board_state(DELETED),
        "create_group": create_group,
        "update_group": update_group,
        "archive_group": remove_group(ARCHIVED),
        "delete_group": remove_group(DELETED),
        "create_or_get_tag": create_or_get_tag,
    },
}
