"""Mutations of boards, groups, columns, tags and webhooks, and the start of imports."""

from __future__ import annotations

import re
from typing import Any

from sandbox.call import Call, number
from sandbox.errors import MondayError, bad_argument, group_missing
from sandbox.models import ACTIVE, ARCHIVED, DELETED, Board, Column, Group, Label, Tag, Webhook
from sandbox.reading_items import call_of
from sandbox.seeding.columns import column as new_column
from sandbox.seeding.columns import status_labels
from sandbox.writing_items import board_for, column_on, group_for
from sandbox.writing_values import decoded

COLUMN_ID = re.compile(r"[a-z][a-z0-9_]{0,19}\Z")
BOARDS_PER_MINUTE = 40
URL_CHARACTERS = 255


def create_board(_: Any, info: Any, board_name: str, board_kind: str, description: str | None = None,
                 empty: bool | None = False, workspace_id: Any = None) -> Board:
    """Not asked for an empty one, monday adds a group and "Task 1"."""
    call = call_of(info)
    now = call.world.clock.now()
    if not board_name:
        raise MondayError("CreateBoardException", "Board name can't be empty")
    recent = sum(b.created_at > now - 60 for b in call.world.boards.values())
    if call.service.meter.limited and recent >= BOARDS_PER_MINUTE:
        raise MondayError("RATE_LIMIT_EXCEEDED", "Call limit exceeded for CreateBoard", status=429, retry_in_seconds=60)
    board = Board(call.world.new_id(), board_name, kind=board_kind, description=description, created_at=now,
                  updated_at=now, creator_id=call.user.id, workspace_id=int(workspace_id) if workspace_id else None)
    board.add_column(new_column("name", "Name", "name"))
    call.world.boards[board.id] = board
    board.groups["topics"] = Group("topics", "Group Title", "#037f4c")
    board.used_group_ids.add("topics")
    if not empty:
        for one in (new_column("person", "Person", "people"), new_column("status", "Status", "status"),
                    new_column("date4", "Date", "date")):
            board.add_column(one)
        call.service.edits.create(board, "topics", "Task 1", {}, call.user.id)
    return board


def create_group(_: Any, info: Any, board_id: Any, group_name: str, group_color: str | None = None,
                 position_relative_method: str | None = None, relative_to: str | None = None) -> Group:
    call = call_of(info)
    board = board_for(call, board_id)
    places = [g.position for g in board.groups.values()]
    position = min(places) - 1024
    if relative_to is not None:
        near = group_for(board, relative_to)
        position = near.position + (0.5 if position_relative_method == "after_at" else -0.5)
    stem = re.sub(r"[^a-z0-9]+", "_", group_name.lower()).strip("_")[:20] or "group"
    group = Group(unused(stem, board.used_group_ids), group_name, group_color or "#579bfc", position)
    board.groups[group.id] = group
    board.used_group_ids.add(group.id)
    call.service.edits.log(board, "create_group", "board", {
        "board_id": board.id, "group_id": group.id, "group_title": group_name, "group_color": group.color}, call.user.id)
    return group


def unused(stem: str, used: set[str]) -> str:
    found, count = stem, 1
    while found in used:
        count += 1
        found = f"{stem}_{count}"
    return found


def update_group(_: Any, info: Any, board_id: Any, group_attribute: str, group_id: str, new_value: str) -> Group:
    call = call_of(info)
    board = board_for(call, board_id)
    group = group_for(board, group_id)
    setattr(group, group_attribute, new_value)
    call.service.edits.log(board, "update_group_name", "board", {"board_id": board.id, "group_id": group.id},
                           call.user.id)
    return group


def remove_group(state: str) -> Any:
    def mutation(_: Any, info: Any, board_id: Any, group_id: str) -> Group:
        call = call_of(info)
        board = board_for(call, board_id)
        group = board.groups.get(group_id)
        if group is None or group.state != ACTIVE:
            raise group_missing(group_id, board.id)
        if sum(g.state == ACTIVE for g in board.groups.values()) == 1:
            raise MondayError("DeleteLastGroupException", "Cannot delete the last group of a board", status=409)
        drop_group(call, board, group, state)
        return group

    return mutation


def drop_group(call: Call, board: Board, group: Group, state: str) -> None:
    """The items go with their group, logged one by one but without webhooks: none are promised."""
    word = "archive" if state == ARCHIVED else "delete"
    for item in board.items.values():
        if item.group_id == group.id and item.state == ACTIVE:
            call.world.remember(item.id, item)
            item.state = state
            call.service.edits.log(board, f"{word}_group_pulse", "pulse", {
                "board_id": board.id, "group_id": group.id, "pulse_id": item.id}, call.user.id)
    group.state = state
    call.service.edits.log(board, f"{word}_group", "board", {"board_id": board.id, "group_id": group.id}, call.user.id)


def create_column(_: Any, info: Any, board_id: Any, title: str, column_type: str, id: str | None = None,
                  description: str | None = None, defaults: str | None = None, after_column_id: Any = None) -> Column:
    call = call_of(info)
    board = board_for(call, board_id)
    if id is not None and (not COLUMN_ID.match(id) or id in board.used_column_ids):
        raise bad_argument(f"Column id {id!r} is invalid or was used on this board before", column_id=id)
    if column_type in ("name", "subtasks", "unsupported"):
        raise bad_argument(f"Column type {column_type} can't be created", column_type=column_type)
    made = Column(id or unused(f"{column_type}_mk", board.used_column_ids), title, column_type, description=description)
    take_defaults(made, decoded(defaults, "defaults") or {})
    return call.service.edits.add_column(board, made, call.user.id, after_column_id)


def take_defaults(column: Column, defaults: Any) -> None:
    if not isinstance(defaults, dict):
        raise bad_argument("defaults must be a JSON object")
    labels = defaults.pop("labels", None)
    column.settings = dict(defaults.pop("settings", None) or defaults)
    if column.type == "status":
        column.labels = labels_from(labels) if labels else status_labels(("Working on it", "Done", "Stuck"))
    elif column.type == "dropdown":
        column.labels = labels_from(labels or column.settings.pop("labels", None) or [])


def labels_from(sent: Any) -> list[Label]:
    """Both shapes in use: the legacy dictionary of numbers and names, and the list of label objects."""
    if isinstance(sent, dict):
        return [Label(int(number), str(name)) for number, name in sent.items()]
    return [Label(int(one.get("id", n)), str(one.get("label") or one.get("name") or ""))
            for n, one in enumerate(sent, start=1)]


def delete_column(_: Any, info: Any, board_id: Any, column_id: str) -> Column:
    call = call_of(info)
    board = board_for(call, board_id)
    column = column_on(board, column_id)
    if column.type == "name":
        raise bad_argument("The name column can't be deleted", column_id=column.id)
    call.service.edits.delete_column(board, column, call.user.id)
    return column


def change_title(_: Any, info: Any, board_id: Any, column_id: str, title: str) -> Column:
    return change_metadata(_, info, board_id, column_id, "title", title)


def change_metadata(_: Any, info: Any, board_id: Any, column_id: str, column_property: str | None = None,
                    value: str | None = None) -> Column:
    call = call_of(info)
    board = board_for(call, board_id)
    column = column_on(board, column_id)
    setattr(column, column_property or "title", value or "")
    column.revision += 1
    call.service.edits.log(board, "update_column_name", "board", {
        "board_id": board.id, "column_id": column.id, "column_title": column.title}, call.user.id)
    return column


def board_state(state: str) -> Any:
    def mutation(_: Any, info: Any, board_id: Any) -> Board:
        call = call_of(info)
        board = board_for(call, board_id)
        board.state = state
        call.service.edits.log(board, f"board_{state}", "board", {"board_id": board.id}, call.user.id)
        return board

    return mutation


def create_or_get_tag(_: Any, info: Any, tag_name: str | None = None, board_id: Any = None) -> Tag:
    call = call_of(info)
    name = re.sub(r"\s+", "", tag_name or "")
    if not name:
        raise bad_argument("tag_name can't be empty")
    found = next((t for t in call.world.tags.values() if t.name == name), None)
    if found is None:
        found = Tag(max(call.world.tags, default=295_000) + 1, name)
        call.world.tags[found.id] = found
    return found


# webhooks and imports

def create_webhook(_: Any, info: Any, board_id: Any, url: str, event: str, config: str | None = None) -> Webhook:
    call = call_of(info)
    board = call.world.boards.get(number(board_id))
    if board is None or board.state != ACTIVE or board.id in call.hidden_boards():
        raise bad_argument("Board not found", board_id=number(board_id))
    if board.type == "sub_items_board":
        raise bad_argument("Creating webhook on subitems board isn't allowed", board_id=board.id)
    settings = decoded(config, "config") or {}
    check_subscription(call, board, url, event, settings)
    # The receiver may ask the sandbox something before it answers, so the world is free meanwhile.
    call.world.lock.release()
    try:
        answered = call.service.deliveries.challenge(url)
    finally:
        call.world.lock.acquire()
    if not answered:
        raise bad_argument("Failed to create webhook: the URL did not answer the challenge", url=url)
    webhook = Webhook(call.world.new_id() % 1_000_000_000, board.id, url, event, settings, call.user.id,
                      call.service.meter.app_token)
    call.world.webhooks[webhook.id] = webhook
    return webhook


def check_subscription(call: Call, board: Board, url: str, event: str, config: dict[str, Any]) -> None:
    if len(url) > URL_CHARACTERS or not re.match(r"https?://", url):
        raise bad_argument("Invalid webhook URL", url=url[:URL_CHARACTERS])
    column = board.subtasks_column()
    if "subitem" in event and not (column and column.settings.get("boardIds")):
        raise bad_argument("The board has no subitems", board_id=board.id)
    needs = {"change_specific_column_value": "columnId", "item_moved_to_specific_group": "groupId"}
    if event in needs and needs[event] not in config:
        raise bad_argument(f"config must name {needs[event]}", event=event)
    if config.get("columnId") is not None and config["columnId"] not in board.columns:
        raise bad_argument("config names no column of the board", column_id=config["columnId"])
    if any((w.board_id, w.event, w.config, w.user_id) == (board.id, event, config, call.user.id)
           for w in call.world.webhooks.values()):
        raise bad_argument("A subscription to this event exists", board_id=board.id)


def delete_webhook(_: Any, info: Any, id: Any) -> Webhook:
    call = call_of(info)
    found = call.world.webhooks.pop(number(id), None)
    if found is None:
        raise bad_argument("Webhook not found", webhook_id=number(id))
    return found


def start_import(silent: bool) -> Any:
    def mutation(_: Any, info: Any, board_id: Any, group_id: Any,
                 on_match: dict[str, Any] | None = None) -> dict[str, Any]:
        call = call_of(info)
        board = board_for(call, board_id)
        group = group_for(board, str(group_id))
        if on_match:
            column = column_on(board, on_match["match_column_id"])
            if column.type not in call.service.imports.MATCH_TYPES:
                raise bad_argument(f"Column type {column.type} can't be matched", column_id=column.id)
        return call.service.imports.start(board, group, on_match, call.user, call.base_url, silent)

    return mutation


STRUCTURE_WRITES: dict[str, Any] = {
    "create_board": create_board, "create_group": create_group, "update_group": update_group,
    "archive_group": remove_group(ARCHIVED), "delete_group": remove_group(DELETED), "create_column": create_column,
    "delete_column": delete_column, "change_column_title": change_title, "change_column_metadata": change_metadata,
    "archive_board": board_state(ARCHIVED), "delete_board": board_state(DELETED),
    "create_or_get_tag": create_or_get_tag, "create_webhook": create_webhook, "delete_webhook": delete_webhook,
    "ingest_items": start_import(False), "backfill_items": start_import(True),
}
